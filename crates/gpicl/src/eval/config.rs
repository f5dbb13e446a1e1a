//! What is meta-tested: the `[eval]` table of a run.

use serde::{Deserialize, Serialize};

use super::sample::Sample;
use crate::data::{DataConfig, Split};
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
    /// Fresh examples that are asked for after each episode's context, in the meta-test after the last step; as many as
    /// there are beside the context, and none with 0.
    pub queries: usize,
    /// The split of unseen tasks after the last step. During meta-training it is always the validation split.
    pub split: Split,
    /// Seed of the meta-test episodes; the same ones at every evaluation. Absent: 0, or the seed of the run where that is
    /// given for all (`--seed`, `seeds` of a sweep or comparison).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Unseen data sets, meta-tested on unseen tasks made of that split of theirs.
    pub data: Vec<DataConfig>,
}

impl Default for EvalConfig {
    fn default() -> Self {
        Self {
            every: 100,
            episodes: 64,
            final_episodes: 256,
            queries: 256,
            split: Split::Test,
            seed: None,
            data: Vec::new(),
        }
    }
}

impl EvalConfig {
    /// The seed; 0 if none is given.
    pub fn seed(&self) -> u64 {
        self.seed.unwrap_or_default()
    }

    /// Gives the episodes, and the other data sets that are made, the seed of a run, where they have none of their own.
    pub fn set_seed(&mut self, seed: u64) {
        self.seed.get_or_insert(seed);
        self.data.iter_mut().for_each(|data| data.set_seed(seed));
    }

    /// How much is asked after the last step.
    pub fn final_sample(&self) -> Sample {
        Sample { episodes: self.final_episodes, queries: self.queries }
    }

    /// Checks every number.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub fn validate(&self) -> Result<()> {
        if self.split == Split::Train {
            let fix = "choose \"test\", or \"validation\" to choose by it";
            return Err(Error::config("eval.split", "is \"train\"", fix));
        }
        for (field, value) in [("episodes", self.episodes), ("final_episodes", self.final_episodes)] {
            if value < 2 {
                let problem = format!("is {value}");
                return Err(Error::config(format!("eval.{field}"), problem, "an interval needs at least 2"));
            }
        }
        Ok(())
    }
}
