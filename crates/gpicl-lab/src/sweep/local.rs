//! The runs of a sweep on this machine.

use std::fs::OpenOptions;
use std::io::Write as _;

use super::population::same_batches;
use super::{Executor, LocalSpec, PlannedRun, Sweep, Watch};
use crate::workers::{Ending, Observer, Workers, cores};
use gpicl::DeviceKind;
use gpicl::RunDir;
use gpicl::{Error, Result};

/// Child processes of the `gpicl` program, a few at a time.
///
/// By default there are as many processes as cores, of one thread each: a run of one thread wastes nothing on handing
/// work over, which for small models is most of it, and as long as there are runs left every core has one. The last
/// runs, fewer than cores, share the cores that are free. `docs/sweeps.md` has the measurements.
#[derive(Clone, Copy, Debug, Default)]
pub struct Local(pub LocalSpec);

impl Executor for Local {
    fn execute(&self, sweep: &Sweep, pending: &[&PlannedRun], watch: &Watch<'_>) -> Result<()> {
        self.0.validate()?;
        let is_begun = |run| {
            let run = RunDir::at(sweep.run_path(run));
            run.finished() || run.locked()
        };
        if !sweep.runs().iter().any(is_begun) {
            DeviceKind::check_any(pending.iter().map(|run| run.config.device))?;
        }
        let Self(LocalSpec { jobs, threads, population }) = *self;
        let population = population.unwrap_or(1);
        let pending = if population > 1 { neighbours(pending) } else { pending.to_vec() };
        let runs = sweep
            .exclusively(|| pending.iter().map(|run| sweep.prepare(run)).collect::<Result<Vec<RunDir>>>())?;
        let jobs = match (jobs, threads) {
            (Some(jobs), _) => jobs,
            (None, Some(threads)) => (cores() / threads).max(1),
            // One process has as many threads as it can use if it has as many runs.
            (None, None) => (cores() / population).max(1),
        };
        let workers = Workers { program: watch.program.clone(), jobs, threads, population };
        let notes = Notes { sweep, runs: &pending, watch };
        workers.train(&runs, watch.data_dir, watch.stop, &notes);
        Ok(())
    }
}

impl LocalSpec {
    /// Refuses zeros.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub(super) fn validate(&self) -> Result<()> {
        let Self { jobs, threads, population } = *self;
        for (field, value) in [("jobs", jobs), ("threads", threads), ("population", population)] {
            if value == Some(0) {
                return Err(Error::config(format!("local.{field}"), "is 0", "give at least 1"));
            }
        }
        Ok(())
    }
}

/// The runs in an order in which those that can share their batches are next to each other.
fn neighbours<'a>(runs: &[&'a PlannedRun]) -> Vec<&'a PlannedRun> {
    let same = |one: &PlannedRun, other: &PlannedRun| same_batches(&one.config, &other.config);
    let mut sorted: Vec<&PlannedRun> = runs.to_vec();
    sorted.sort_by_cached_key(|run| runs.iter().position(|other| same(run, other)));
    sorted
}

/// Keeps what is said of the runs: remarks in their logs, errors in the folder of failures.
struct Notes<'a> {
    sweep: &'a Sweep,
    runs: &'a [&'a PlannedRun],
    watch: &'a Watch<'a>,
}

impl Observer for Notes<'_> {
    fn said(&self, run: usize, line: &str) {
        let path = self.sweep.log_path(self.runs[run]);
        let log = OpenOptions::new().create(true).append(true).open(&path);
        // A log that cannot be written must not stop a run.
        if let Err(error) = log.and_then(|mut log| writeln!(log, "{line}")) {
            tracing::warn!("{}: cannot write: {error}", path.display());
        }
    }

    fn ended(&self, run: usize, ending: &Ending) {
        let run = self.runs[run];
        let note = |text: String| (self.watch.note)(format!("{}: {text}", run.id));
        match ending {
            Ending::Finished => note("finished".into()),
            Ending::Failed { error } => {
                note(format!("failed: {error}"));
                if let Err(error) = self.sweep.fail(run, error) {
                    note(format!("its error is not kept: {error}"));
                }
            }
            Ending::Stopped | Ending::Busy => {}
        }
    }

    fn survived(&self, run: usize, error: &str) {
        (self.watch.note)(format!("{}: finished, and then: {error}", self.runs[run].id));
    }

    fn failed_elsewhere(&self, run: usize) -> bool {
        self.sweep.failure_path(self.runs[run]).exists()
    }
}
