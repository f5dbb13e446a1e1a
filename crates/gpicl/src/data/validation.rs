//! The validation split: examples of the training split that no meta-training sees, for choices that somebody makes.

use std::sync::Arc;

use super::{Dataset, Description, Split, Splits};
use crate::error::{Error, Result};
use crate::rng::{Rng, Stream};

/// Part of the training split that is held out, unless the configuration says otherwise.
pub(super) const FRACTION: f64 = 0.1;

impl Splits {
    /// Training, validation and test split: `fraction` of the training examples, at least one, drawn by `seed`, become the
    /// validation split. The others keep their order.
    ///
    /// # Errors
    /// [`Error::Config`] if that leaves no training example.
    pub fn with_validation(self, fraction: f64, seed: u64) -> Result<[Dataset; 3]> {
        let Self { train, test } = self;
        let mut order: Vec<usize> = (0..train.len()).collect();
        Rng::new(seed, Stream::Validation, 0).shuffle(&mut order);
        let held_out = ((train.len() as f64 * fraction).round() as usize).max(1);
        if held_out >= train.len() {
            let problem = format!("leaves none of {} training examples", train.len());
            return Err(Error::config("data.validation_fraction", problem, "give less, or more examples"));
        }
        let (validation, rest) = order.split_at_mut(held_out);
        validation.sort_unstable();
        rest.sort_unstable();
        let parts = [train.subset(rest), train.subset(validation), test];
        let Some(description) = train.description() else { return Ok(parts) };
        let splits = [Split::Train, Split::Validation, Split::Test];
        let examples = splits.into_iter().zip(parts.each_ref().map(Dataset::len)).collect();
        let description = Arc::new(Description { examples, ..description.clone() });
        Ok(parts.map(|part| part.described(Arc::clone(&description))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DataConfig, InputShape};

    fn splits(count: usize) -> Splits {
        let make = |values: std::ops::Range<usize>| {
            let labels = values.clone().map(|i| (i % 2) as u32).collect();
            let inputs = values.map(|i| i as f32).collect();
            Dataset::new("toy", InputShape::Vector(1), inputs, labels, vec!["a".into(), "b".into()]).unwrap()
        };
        Splits { train: make(0..count), test: make(1000..1003) }
    }

    #[test]
    fn every_training_example_is_in_one_of_the_two_and_the_test_stays() {
        let [train, validation, test] = splits(40).with_validation(0.1, 7).unwrap();
        assert_eq!((train.len(), validation.len()), (36, 4));
        assert_eq!(test, splits(40).test);
        let mut all = [train.inputs(), validation.inputs()].concat();
        assert!(train.inputs().is_sorted() && validation.inputs().is_sorted());
        all.sort_by(f32::total_cmp);
        assert_eq!(all, splits(40).train.inputs());
        let held_out = |seed| splits(40).with_validation(0.1, seed).unwrap()[1].clone();
        assert_eq!(held_out(7), validation);
        assert_ne!(held_out(8), validation);
    }

    #[test]
    fn the_description_counts_all_three() {
        let config = DataConfig { per_class: Some(40), ..DataConfig::default() };
        for split in config.load(None).unwrap().with_validation(0.25, 0).unwrap() {
            let description = split.description().unwrap().to_string();
            assert!(description.ends_with("300 + 100 + 100 examples"), "{description}");
        }
    }

    #[test]
    fn a_few_examples_give_one_and_one_alone_is_an_error() {
        let [train, validation, _] = splits(2).with_validation(0.1, 0).unwrap();
        assert_eq!((train.len(), validation.len()), (1, 1));
        let error = splits(1).with_validation(0.1, 0).unwrap_err().to_string();
        assert!(error.contains("data.validation_fraction"), "{error}");
    }
}
