//! A source in its place of a run's configuration.

use super::sources::SourceConfig;
use crate::error::Error;

/// A source as a run's configuration has it, alone or in a mixture.
#[derive(Clone, Debug)]
pub struct Component {
    /// What its fields begin with in the configuration: `mix[1].`, nothing for `[data]` and `[tasks]`.
    pub place: String,
    /// Its weight in the mixture.
    pub weight: f64,
    /// What configures it.
    pub source: SourceConfig,
}

impl Component {
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
