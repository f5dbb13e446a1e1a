//! What a report reads of a run: whatever is there, finished or not.

use std::path::Path;

use super::page::State;
use crate::results::Results;
use crate::sweep::RunState;
use gpicl::Result;
use gpicl::RunConfig;
use gpicl::RunDir;
use gpicl::eval::LearningCurve;
use gpicl::eval::Metric;
use gpicl::provenance::Provenance;
use gpicl::train::{read_metrics, seconds_spent};

/// A run.
pub(super) struct RunView {
    pub dir: RunDir,
    pub config: RunConfig,
    /// The final meta-test, once there is one.
    pub results: Option<Results>,
    pub metrics: Vec<Metric>,
}

impl RunView {
    /// Reads the run in `dir`.
    ///
    /// # Errors
    /// [`Error::File`] naming the file that is broken, [`Error::Io`].
    pub fn read(dir: &Path) -> Result<Self> {
        let (dir, config) = RunDir::open(dir)?;
        let results = read_results(&dir.results_path())?;
        let path = dir.metrics_path();
        let metrics = if path.exists() { read_metrics(&path)? } else { Vec::new() };
        Ok(Self { dir, config, results, metrics })
    }

    /// Steps done, as far as they are logged.
    pub fn step(&self) -> u64 {
        let step = self.metrics.iter().rev().map(|metric| match metric {
            Metric::Train { step, .. } | Metric::Eval { step, .. } => *step,
        });
        step.max().unwrap_or(0)
    }

    /// How far it is.
    pub fn state(&self) -> RunState {
        let (step, steps) = (self.step(), self.config.train.steps);
        match &self.results {
            Some(_) => RunState::Finished,
            None if self.dir.locked() => RunState::Running { step, steps },
            None if step > 0 => RunState::Cut { step, steps },
            None => RunState::Waiting,
        }
    }

    /// Training losses, in nats.
    pub fn losses(&self) -> Vec<f64> {
        self.metrics.iter().filter_map(Metric::loss).map(|(_, loss)| loss).collect()
    }

    /// The final curve of `seen` or `unseen` tasks.
    pub fn curve(&self, which: &str) -> Option<&LearningCurve> {
        self.results.as_ref()?.curves.iter().find(|curve| curve.label.starts_with(which))
    }

    /// Program and machine: of the final meta-test, else of the newest checkpoint.
    pub fn provenance(&self) -> Option<Provenance> {
        if let Some(results) = &self.results {
            return Some(results.provenance.clone());
        }
        let weights = self.dir.checkpoints(self.config.train.keep_checkpoints).latest_path().ok()?;
        Some(gpicl::train::read_info(&weights).ok()?.provenance)
    }

    /// Seconds of meta-training so far, if that was logged.
    pub fn seconds(&self) -> Option<f64> {
        seconds_spent(&self.dir).ok().filter(|&seconds| seconds > 0.0)
    }
}

/// Results of a meta-test, if there are any.
///
/// # Errors
/// [`Error::File`] if the file holds something else, [`Error::Io`].
pub(super) fn read_results(path: &Path) -> Result<Option<Results>> {
    if !path.exists() {
        return Ok(None);
    }
    Results::read(path).map(Some)
}

/// A run's state as a mark.
pub(super) fn mark(state: &RunState) -> State {
    let (text, colour) = match state {
        RunState::Waiting => ("waiting".to_string(), "idle"),
        RunState::Running { step, steps } => (format!("running, step {step} of {steps}"), "busy"),
        RunState::Cut { step, steps } => (format!("stopped after step {step} of {steps}"), "busy"),
        RunState::Finished => ("finished".to_string(), "good"),
        RunState::Failed { .. } => ("failed".to_string(), "bad"),
    };
    State { text, colour }
}

/// The same in short, for a table of many.
pub(super) fn short_mark(state: &RunState) -> State {
    let text = match state {
        RunState::Running { step, steps } => format!("running {step}/{steps}"),
        RunState::Cut { step, steps } => format!("stopped {step}/{steps}"),
        other => other.name().to_string(),
    };
    State { text, ..mark(state) }
}
