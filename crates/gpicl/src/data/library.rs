//! Data sets in memory, shared by the runs of a process.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use super::validation::FRACTION;
use super::{DataConfig, Dataset, Split};
use crate::error::Result;

/// Loads data sets, each once for all runs that use it at a time.
#[derive(Debug, Default)]
pub struct Library {
    dir: Option<PathBuf>,
    lent: Mutex<Vec<(DataConfig, [Weak<Dataset>; 3])>>,
}

impl Library {
    /// Of the data sets below `dir`, as [`super::data_dir`] takes it.
    pub fn new(dir: Option<&Path>) -> Self {
        Self { dir: dir.map(Path::to_path_buf), lent: Mutex::default() }
    }

    /// The training, the validation and the test split of `config`. Inputs are normalised by statistics of the first two.
    ///
    /// # Errors
    /// As [`DataConfig::load`] and [`super::Splits::with_validation`].
    pub fn splits(&self, config: &DataConfig) -> Result<[Arc<Dataset>; 3]> {
        let lent = self.find(config).map(|splits| splits.map(|split| split.upgrade()));
        match lent {
            Some([Some(train), Some(validation), Some(test)]) => Ok([train, validation, test]),
            _ => self.load(config),
        }
    }

    /// One split of `config`.
    ///
    /// # Errors
    /// As [`Library::splits`].
    pub fn split(&self, config: &DataConfig, split: Split) -> Result<Arc<Dataset>> {
        match self.find(config).and_then(|splits| splits[split as usize].upgrade()) {
            Some(data) => Ok(data),
            None => self.load(config).map(|splits| Arc::clone(&splits[split as usize])),
        }
    }

    /// The test split of `config`.
    ///
    /// # Errors
    /// As [`Library::splits`].
    pub fn test(&self, config: &DataConfig) -> Result<Arc<Dataset>> {
        self.split(config, Split::Test)
    }

    fn find(&self, config: &DataConfig) -> Option<[Weak<Dataset>; 3]> {
        let lent = self.lent.lock().expect("no thread panics with it");
        lent.iter().find(|(other, _)| other == config).map(|(_, splits)| splits.clone())
    }

    fn load(&self, config: &DataConfig) -> Result<[Arc<Dataset>; 3]> {
        let splits = config.load(self.dir.as_deref())?;
        let fraction = config.validation_fraction.unwrap_or(FRACTION);
        let splits = splits.with_validation(fraction, config.seed())?.map(Arc::new);
        let mut lent = self.lent.lock().expect("no thread panics with it");
        lent.retain(|(other, _)| other != config);
        lent.push((config.clone(), splits.each_ref().map(Arc::downgrade)));
        Ok(splits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_set_is_loaded_once_while_it_is_in_use() {
        let library = Library::new(None);
        let config = DataConfig { name: "random".into(), size: Some(3), ..DataConfig::default() };
        let [train, validation, test] = library.splits(&config).unwrap();
        assert!(Arc::ptr_eq(&train, &library.splits(&config).unwrap()[0]));
        assert!(Arc::ptr_eq(&test, &library.test(&config).unwrap()));
        assert!(Arc::ptr_eq(&validation, &library.split(&config, Split::Validation).unwrap()));
        let other = DataConfig { seed: Some(1), ..config.clone() };
        assert_ne!(library.test(&other).unwrap(), test);
        drop(train);
        assert!(Arc::ptr_eq(&test, &library.test(&config).unwrap()), "one split is enough");
        let [_, _, again] = library.splits(&config).unwrap();
        assert_eq!(again, test);
        assert!(library.test(&DataConfig { name: "imagenet".into(), ..config }).is_err());
    }
}
