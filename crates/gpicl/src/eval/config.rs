//! What is meta-tested: the `[eval]` table of a run.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::sample::Sample;
use crate::data::{DataConfig, Split};
use crate::error::{Error, Result};
use crate::tasks::TasksConfig;

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
    /// Other tasks over the run's own data set, meta-tested on unseen ones of each kind after the last step.
    pub tasks: Vec<TasksChange>,
}

/// What other tasks have that those of meta-training do not; the rest is as theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TasksChange {
    /// Examples in an episode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub episode_length: Option<usize>,
    /// Whether inputs are projected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<bool>,
    /// Whether labels are permuted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permute: Option<bool>,
}

impl TasksChange {
    /// `tasks` with the change.
    pub fn on(self, tasks: &TasksConfig) -> TasksConfig {
        TasksConfig {
            episode_length: self.episode_length.unwrap_or(tasks.episode_length),
            project: self.project.unwrap_or(tasks.project),
            permute: self.permute.unwrap_or(tasks.permute),
            ..tasks.clone()
        }
    }

    /// What the names of the sets of such tasks begin with; the data set follows.
    pub fn label(self) -> String {
        format!("unseen tasks ({self}), ")
    }
}

impl fmt::Display for TasksChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = [
            ("episode_length", self.episode_length.map(|value| value.to_string())),
            ("project", self.project.map(|value| value.to_string())),
            ("permute", self.permute.map(|value| value.to_string())),
        ];
        let given = fields.into_iter().filter_map(|(name, value)| Some(format!("{name} = {}", value?)));
        f.write_str(&given.collect::<Vec<_>>().join(", "))
    }
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
            tasks: Vec::new(),
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
        let samples =
            [("episodes", Sample::episodes(self.episodes)), ("final_episodes", self.final_sample())];
        for (episodes, sample) in samples {
            if let Some((field, problem, fix)) = sample.fault() {
                let field = if field == "episodes" { episodes } else { field };
                return Err(Error::config(format!("eval.{field}"), problem, fix));
            }
        }
        for (number, change) in self.tasks.iter().enumerate() {
            let place = format!("eval.tasks[{number}]");
            if *change == TasksChange::default() {
                let fix = "give episode_length, project or permute";
                return Err(Error::config(place, "changes nothing", fix));
            }
            if let Some(length) = change.episode_length.filter(|length| !(2..=Sample::MOST).contains(length))
            {
                let field = format!("{place}.episode_length");
                let fix = format!("give 2 to {} examples", Sample::MOST);
                return Err(Error::config(field, format!("is {length}"), fix));
            }
            if self.tasks[..number].contains(change) {
                return Err(Error::config(place, format!("{{ {change} }} is there twice"), "leave it out"));
            }
        }
        Ok(())
    }
}
