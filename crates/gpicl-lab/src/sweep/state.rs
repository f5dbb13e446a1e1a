//! How far a run of a sweep is, from its files alone: the same whoever meta-trains it, and whenever it was cut.

use serde::Serialize;
use toml::Value;

use super::point::{as_map, axes, cell};
use super::{PlannedRun, Sweep};
use crate::table::Table;
use gpicl::RunDir;
use gpicl::eval::Metric;
use gpicl::train::last_training_line;
use gpicl::{Error, Result};

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
    /// The names of all states.
    pub const NAMES: [&'static str; 5] = ["finished", "running", "cut", "waiting", "failed"];

    /// `5 finished, 2 running`: how many are in each state.
    pub fn counts<'a>(states: impl Iterator<Item = &'a Self> + Clone) -> String {
        let counts =
            Self::NAMES.map(|name| (states.clone().filter(|state| state.name() == name).count(), name));
        let present = counts.iter().filter(|(count, _)| *count > 0);
        present.map(|(count, name)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
    }

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

    /// How far all runs are.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn status(&self) -> Result<SweepStatus> {
        let rows = self.runs().iter().map(|run| {
            let state = self.state(run)?;
            let latest = last_training_line(&RunDir::at(self.run_path(run)).metrics_path())?;
            let latest = latest.and_then(|line| match line {
                Metric::Train { step, loss, accuracy_last, .. } => Some(Latest { step, loss, accuracy_last }),
                Metric::Eval { .. } => None,
            });
            let steps = run.config.train.steps;
            Ok(RunStatus {
                id: run.id.clone(),
                point: run.point.clone(),
                seed: run.seed,
                state,
                steps,
                latest,
            })
        });
        Ok(SweepStatus { rows: rows.collect::<Result<_>>()? })
    }
}

/// How far the runs of a sweep are.
#[derive(Clone, Debug, Serialize)]
pub struct SweepStatus {
    /// A row a run, in the order of the plan.
    pub rows: Vec<RunStatus>,
}

/// How far a run is.
#[derive(Clone, Debug, Serialize)]
pub struct RunStatus {
    /// The run's id.
    pub id: String,
    /// What sets it apart.
    #[serde(serialize_with = "as_map")]
    pub point: Vec<(String, Value)>,
    /// Its seed.
    pub seed: u64,
    /// Its state.
    #[serde(flatten)]
    pub state: RunState,
    /// Steps there are.
    #[serde(skip)]
    pub steps: u64,
    /// Its newest training line.
    pub latest: Option<Latest>,
}

/// Of a training line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latest {
    /// Steps done.
    pub step: u64,
    /// Mean cross-entropy in nats.
    pub loss: f64,
    /// Accuracy at the last position.
    pub accuracy_last: f64,
}

impl SweepStatus {
    /// How many runs are in the state of this name.
    pub fn count(&self, state: &str) -> usize {
        self.rows.iter().filter(|row| row.state.name() == state).count()
    }

    /// `12 runs: 5 finished, 2 running, 5 waiting`.
    pub fn counts(&self) -> String {
        format!("{} runs: {}", self.rows.len(), RunState::counts(self.rows.iter().map(|row| &row.state)))
    }

    /// A row a run: what sets it apart, its state, and its newest training line.
    pub fn table(&self) -> Table {
        let axes = axes(self.rows.iter().map(|row| row.point.as_slice()));
        let head = ["run"].into_iter().chain(axes.iter().copied());
        let mut table = Table::new(head.chain(["state", "step", "loss", "batch accuracy", "error"]));
        for row in &self.rows {
            let mut cells = vec![row.id.clone()];
            cells.extend(axes.iter().map(|axis| cell(&row.point, axis)));
            cells.push(row.state.name().into());
            let latest = |of: &dyn Fn(&Latest) -> String| row.latest.as_ref().map(of).unwrap_or_default();
            cells.push(match row.state {
                RunState::Running { step, steps } | RunState::Cut { step, steps } => {
                    format!("{step}/{steps}")
                }
                RunState::Waiting => format!("0/{}", row.steps),
                RunState::Finished => format!("{0}/{0}", row.steps),
                RunState::Failed { .. } => latest(&|latest| format!("{}/{}", latest.step, row.steps)),
            });
            cells.push(latest(&|latest| format!("{:.3}", latest.loss)));
            cells.push(latest(&|latest| format!("{:.3}", latest.accuracy_last)));
            cells.push(match &row.state {
                RunState::Failed { error } => error.lines().next().unwrap_or_default().into(),
                _ => String::new(),
            });
            table.push(cells);
        }
        table
    }
}
