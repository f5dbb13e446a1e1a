//! How far a run of a sweep is, from its files alone: the same whoever meta-trains it, and whenever it was cut.

use serde::Serialize;

use super::{PlannedRun, Sweep};
use crate::error::{Error, Result};
use crate::run::RunDir;
use crate::train::{Metric, last_training_line};

/// How far a run is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum RunState {
    /// Nothing of it is done.
    Waiting,
    /// A process is meta-training it.
    Running {
        /// Steps done, as far as logged.
        step: u64,
        /// Steps there are.
        steps: u64,
    },
    /// It was stopped or killed, and goes on from its newest checkpoint.
    Cut {
        /// Steps of that checkpoint.
        step: u64,
        /// Steps there are.
        steps: u64,
    },
    /// It has its results.
    Finished,
    /// It came to an error.
    Failed {
        /// The error.
        error: String,
    },
}

impl RunState {
    /// The state in a word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running { .. } => "running",
            Self::Cut { .. } => "cut",
            Self::Finished => "finished",
            Self::Failed { .. } => "failed",
        }
    }
}

impl Sweep {
    /// How far `run` is.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn state(&self, run: &PlannedRun) -> Result<RunState> {
        let dir = RunDir::at(self.run_path(run));
        if dir.finished() {
            return Ok(RunState::Finished);
        }
        let failure = self.failure_path(run);
        if failure.exists() {
            let error = std::fs::read_to_string(&failure).map_err(Error::io("read", &failure))?;
            return Ok(RunState::Failed { error: error.trim_end().into() });
        }
        let steps = run.config.train.steps;
        if dir.locked() {
            let step = match last_training_line(&dir.metrics_path())? {
                Some(Metric::Train { step, .. }) => step,
                _ => 0,
            };
            return Ok(RunState::Running { step, steps });
        }
        let newest = dir.checkpoints(run.config.train.keep_checkpoints).steps()?.first().copied();
        Ok(newest.map_or(RunState::Waiting, |step| RunState::Cut { step, steps }))
    }

    /// The newest training line of `run`'s metrics, if it has one.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn latest(&self, run: &PlannedRun) -> Result<Option<Metric>> {
        last_training_line(&RunDir::at(self.run_path(run)).metrics_path())
    }
}
