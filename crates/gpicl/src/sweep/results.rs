//! What came of a sweep: a row a run, in the order of the plan.

use serde::Serialize;
use toml::Value;

use super::{RunState, Sweep};
use crate::error::Result;
use crate::eval::RunSummary;
use crate::run::RunDir;

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SweepRow {
    /// The run's id.
    pub id: String,
    /// What sets it apart.
    pub point: Vec<(String, Value)>,
    /// Its seed.
    pub seed: u64,
    /// How far it is.
    #[serde(flatten)]
    pub state: RunState,
    /// What it amounts to, once it is finished.
    pub summary: Option<RunSummary>,
}

/// All runs, in the order of the plan. No time is in it: the same whenever the sweep is repeated.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SweepResults {
    /// A row a run.
    pub rows: Vec<SweepRow>,
}

impl Sweep {
    /// What came of every run so far.
    ///
    /// # Errors
    /// [`crate::Error::Io`], or [`crate::Error::File`] if a finished run's files are broken.
    pub fn results(&self) -> Result<SweepResults> {
        let rows = self.runs().iter().map(|run| {
            let state = self.state(run)?;
            let summary = match state {
                RunState::Finished => Some(RunSummary::of(&RunDir::at(self.run_path(run)))?),
                _ => None,
            };
            Ok(SweepRow { id: run.id.clone(), point: run.point.clone(), seed: run.seed, state, summary })
        });
        Ok(SweepResults { rows: rows.collect::<Result<_>>()? })
    }
}
