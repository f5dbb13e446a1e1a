//! What is meta-tested: the `[eval]` table of a run.

use serde::{Deserialize, Serialize};

use crate::data::DataConfig;
use crate::error::{Error, Result};

/// What is meta-tested, when, and on how many episodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvalConfig {
    /// Steps between two evaluations during meta-training; 0: only at the end.
    pub every: u64,
    /// Episodes for each set during meta-training.
    pub episodes: usize,
    /// Episodes for each set after the last step.
    pub final_episodes: usize,
    /// Seed of the meta-test episodes; the same ones at every evaluation.
    pub seed: u64,
    /// Unseen data sets, meta-tested on unseen tasks made of their test split.
    pub data: Vec<DataConfig>,
}

impl Default for EvalConfig {
    fn default() -> Self {
        Self { every: 100, episodes: 64, final_episodes: 512, seed: 0, data: Vec::new() }
    }
}

impl EvalConfig {
    /// Checks every number.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub fn validate(&self) -> Result<()> {
        for (field, value) in [("episodes", self.episodes), ("final_episodes", self.final_episodes)] {
            if value < 2 {
                let problem = format!("is {value}");
                return Err(Error::config(format!("eval.{field}"), problem, "an interval needs at least 2"));
            }
        }
        Ok(())
    }
}
