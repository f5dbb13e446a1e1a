//! The sources of a run: configured, and loaded.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::distribution::{TaskDistribution, TasksConfig};
use super::mixture::Mixture;
use super::projected::Projected;
use super::source::Source;
use crate::data::{DataConfig, Dataset, Library};
use crate::error::{Error, Result};

/// One source of a mixture: an element of `[[mix]]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MixConfig {
    /// How often episodes are of this source, relative to the others' weights.
    pub weight: f64,
    /// The data set that its tasks are made of.
    pub data: DataConfig,
    /// Its task distribution; a bias is a fraction of its own episodes of a batch.
    pub tasks: TasksConfig,
}

impl Default for MixConfig {
    fn default() -> Self {
        Self { weight: 1.0, data: DataConfig::default(), tasks: TasksConfig::default() }
    }
}

impl MixConfig {
    /// Checks what the elements of a mixture must have in common, as far as it is known without their data.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub fn validate_all(mix: &[Self]) -> Result<()> {
        let Some(first) = mix.first() else { return Ok(()) };
        for (number, entry) in mix.iter().enumerate() {
            let field = |name: &str| format!("mix[{number}].{name}");
            if !(entry.weight > 0.0 && entry.weight.is_finite()) {
                let problem = format!("is {}", entry.weight);
                return Err(Error::config(field("weight"), problem, "give a positive number"));
            }
            let length = entry.tasks.episode_length;
            if length != first.tasks.episode_length {
                let problem = format!("is {length}, that of mix[0] {}", first.tasks.episode_length);
                let fix = "give all sources episodes of one length";
                return Err(Error::config(field("tasks.episode_length"), problem, fix));
            }
        }
        if !mix.iter().map(|entry| entry.weight).sum::<f64>().is_finite() {
            return Err(Error::config("mix", "has weights without a finite sum", "give smaller weights"));
        }
        Ok(())
    }
}

/// A source as a run's configuration has it, alone or in a mixture.
#[derive(Clone, Debug)]
pub struct Component<'a> {
    /// What its fields begin with in the configuration: `mix[1].`, nothing for `[data]` and `[tasks]`.
    pub place: String,
    /// Its weight in the mixture.
    pub weight: f64,
    /// Its data set.
    pub data: &'a DataConfig,
    /// Its tasks.
    pub tasks: &'a TasksConfig,
}

impl Component<'_> {
    /// `error` about one of its fields, by the field's whole name.
    pub fn blame(&self, error: Error) -> Error {
        match error {
            Error::Config { field, problem, fix } => {
                Error::Config { field: format!("{}{field}", self.place), problem, fix }
            }
            other => other,
        }
    }
}

/// A source over the meta-training examples, and its twin over held-out ones.
#[derive(Clone, Debug)]
pub struct SourcePair {
    /// How often meta-training draws from it, relative to the others.
    pub weight: f64,
    /// Meta-training's, and that of seen tasks.
    pub train: Arc<dyn Source>,
    /// That of unseen tasks.
    pub test: Arc<dyn Source>,
}

impl SourcePair {
    /// Tasks over the two splits of a data set, for a model that reads inputs of `input_dim` numbers (if absent, as `tasks`
    /// has it) and has `classes` label slots. It is called `name`.
    ///
    /// # Errors
    /// As [`TaskDistribution::new`] and [`Projected::new`].
    pub fn projected(
        name: &str,
        tasks: &TasksConfig,
        [train, test]: &[Arc<Dataset>; 2],
        input_dim: Option<usize>,
        classes: usize,
    ) -> Result<Self> {
        let over = |data: &Arc<Dataset>, input_dim| {
            let tasks = TasksConfig { input_dim, ..tasks.clone() };
            let distribution = TaskDistribution::new(&tasks, data.dim(), data.num_classes(), classes)?;
            Ok(Projected::new(distribution, Arc::clone(data))?.named(name))
        };
        let train = over(train, input_dim.or(tasks.input_dim))?;
        let test = over(test, Some(train.input_dim()))?;
        Ok(Self { weight: 1.0, train: Arc::new(train), test: Arc::new(test) })
    }

    /// What meta-training draws from: the one source there is, or a mixture of them.
    ///
    /// # Errors
    /// As [`Mixture::new`].
    pub fn together(pairs: &[Self]) -> Result<Arc<dyn Source>> {
        match pairs {
            [alone] => Ok(Arc::clone(&alone.train)),
            _ => {
                let weighted = pairs.iter().map(|pair| (pair.weight, Arc::clone(&pair.train)));
                Ok(Arc::new(Mixture::new(weighted.collect())?))
            }
        }
    }
}

/// Loads the sources of a run. `sizes`, input_dim and label slots, are those of a model that is there already; absent, the
/// sources decide: their common `input_dim`, and the largest number of classes. Where two have one name, the later
/// one is called by its seed or file, or else by its place in the configuration.
///
/// # Errors
/// Data that is missing or cannot be read; [`Error::Config`] naming the field of a source that does not fit.
pub fn load_sources(
    components: &[Component<'_>],
    sizes: Option<(usize, usize)>,
    library: &Library,
) -> Result<Vec<SourcePair>> {
    let splits = components.iter().map(|it| library.splits(it.data).map_err(|error| it.blame(error)));
    let splits: Vec<[Arc<Dataset>; 2]> = splits.collect::<Result<_>>()?;
    let (input_dim, classes) = match sizes {
        Some((input_dim, classes)) => (Some(input_dim), classes),
        None => (None, splits.iter().map(|[train, _]| train.num_classes()).max().unwrap_or_default()),
    };
    let mut pairs: Vec<SourcePair> = Vec::new();
    for (component, splits) in components.iter().zip(&splits) {
        let taken = |name: &String| pairs.iter().any(|pair| pair.train.name() == name);
        let (name, longer) = (splits[0].name().to_string(), component.data.short_form());
        let name = [name, longer.clone()].into_iter().find(|name| !taken(name));
        let name = name.unwrap_or_else(|| format!("{longer} ({})", component.place.trim_end_matches('.')));
        let pair = SourcePair::projected(&name, component.tasks, splits, input_dim, classes);
        let pair = pair.map_err(|error| component.blame(error))?;
        let (length, first) = (pair.train.input_dim(), pairs.first().map(|pair| pair.train.input_dim()));
        if let Some(first) = first.filter(|&first| first != length) {
            let problem = format!("inputs have {length} numbers, those of mix[0] {first}");
            let fix = "give all sources the same tasks.input_dim";
            return Err(component.blame(Error::config("tasks.input_dim", problem, fix)));
        }
        pairs.push(SourcePair { weight: component.weight, ..pair });
    }
    Ok(pairs)
}
