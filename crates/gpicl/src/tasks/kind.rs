//! What a source's configuration answers, of whatever kind it is.

use std::fmt::{self, Debug};

use super::distribution::TasksConfig;
use super::splits::SourceSplits;
use crate::data::{DataConfig, Library};
use crate::error::Result;

/// A source of tasks as it is configured. Everything outside asks this, and no kind by name.
pub trait SourceKind: Debug {
    /// Name for tables and folders: that of the data set, if there is one.
    fn name(&self) -> String;

    /// A longer name that tells it from others of its name.
    fn long_name(&self) -> String;

    /// The table that has its `episode_length` and `input_dim`, for errors.
    fn table(&self) -> &'static str;

    /// How many tasks there are, for people: `2^3`, `unlimited`.
    fn count(&self) -> String;

    /// Examples in an episode, N.
    fn episode_length(&self) -> usize;

    /// Seed of its tasks.
    fn seed(&self) -> u64;

    /// Gives its tasks another seed.
    fn set_seed(&mut self, seed: u64);

    /// Sets every seed that it has to 0, that of a made data set too.
    fn clear_seeds(&mut self);

    /// Says in its configuration what is left to the data.
    fn complete(&mut self) {}

    /// Whether cells of an input can be NaN: missing.
    fn missing(&self) -> bool {
        false
    }

    /// The data set that its tasks are made of; none if it makes them.
    fn data(&self) -> Option<&DataConfig>;

    /// How a meta-test makes tasks of a further data set: as this source does, where it is over one.
    fn tasks(&self) -> TasksConfig {
        TasksConfig { seed: self.seed(), episode_length: self.episode_length(), ..TasksConfig::default() }
    }

    /// Checks what is known without data.
    ///
    /// # Errors
    /// [`crate::Error::Config`] naming the field, as seen from the source's own tables.
    fn validate(&self) -> Result<()>;

    /// Reads what the source needs.
    ///
    /// # Errors
    /// Data that is missing or cannot be read.
    fn load(&self, library: &Library) -> Result<Loaded>;
}

/// Makes the sources over the splits: their name, the length of inputs that a model reads (if absent, the source's own), and
/// the model's label slots.
pub type MakeSplits = dyn FnOnce(&str, Option<usize>, usize) -> Result<SourceSplits>;

/// A source that was read, before the sizes of the model are known.
pub struct Loaded {
    /// Its name.
    pub name: String,
    /// Classes of its tasks.
    pub classes: usize,
    /// Makes it.
    pub make: Box<MakeSplits>,
}

impl Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, classes, make: _ } = self;
        f.debug_struct("Loaded").field("name", name).field("classes", classes).finish_non_exhaustive()
    }
}
