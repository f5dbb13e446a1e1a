//! Many runs that are one experiment: every point of a grid, or of a list, of any fields of a run's configuration.
//!
//! [`NamedSweep`] says which. [`Sweep`] is the folder: `sweep.toml`, a run folder for each in `runs/`, what the runs
//! said in `logs/`, the errors of those that failed in `failures/`, and in the end `results.csv` and `results.json`.
//! All there is to know about a sweep is in its folder, so that whatever is killed, the same command goes on. An
//! [`Executor`] meta-trains the runs: [`Local`] on this machine.

mod executor;
mod local;
mod population;
mod results;
mod spec;
mod state;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

pub use executor::{Executor, Watch};
pub use local::Local;
pub use population::{Listener, train_together};
pub use results::{SweepResults, SweepRow};
pub use spec::{LocalSpec, NamedSweep, PlannedRun, SlurmSpec, SweepSpec};
pub use state::{Latest, RunState, RunStatus, SweepStatus};

use crate::error::{Error, Result};
use crate::fs::{lock, write_atomic};
use crate::run::RunDir;

/// The folder of a sweep, and its plan.
#[derive(Clone, Debug)]
pub struct Sweep {
    dir: PathBuf,
    spec: NamedSweep,
    runs: Vec<PlannedRun>,
}

impl Sweep {
    /// Makes the folder, or opens it if it holds the same sweep, or one that `spec` only adds runs to.
    ///
    /// # Errors
    /// A spec that cannot be used; [`Error::File`] if the folder holds another sweep; [`Error::Io`].
    pub fn create(spec: &NamedSweep, dir: &Path) -> Result<Self> {
        let sweep = Self { dir: dir.to_path_buf(), runs: spec.plan()?, spec: spec.clone() };
        for folder in [sweep.dir.clone(), sweep.runs_dir(), sweep.logs_dir(), sweep.failures_dir()] {
            std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        }
        sweep.exclusively(|| {
            if sweep.spec_path().exists() {
                let found = Self::open(dir)?;
                let kept: HashMap<&str, &PlannedRun> =
                    sweep.runs.iter().map(|run| (run.id.as_str(), run)).collect();
                if let Some(run) = found.runs.iter().find(|run| kept.get(run.id.as_str()) != Some(run)) {
                    let problem = format!("holds another sweep: `{}` is another run there", run.id);
                    return Err(Error::file(dir, problem, "choose another --out, or remove the folder"));
                }
                if found.spec.text() == spec.text() {
                    return Ok(());
                }
            }
            write_atomic(&sweep.spec_path(), spec.text().as_bytes())
        })?;
        Ok(sweep)
    }

    /// An existing sweep.
    ///
    /// # Errors
    /// [`Error::File`] if the folder is no sweep.
    pub fn open(dir: &Path) -> Result<Self> {
        let path = dir.join("sweep.toml");
        if !path.exists() {
            let fix = "start one with `gpicl sweep SPEC.toml`";
            return Err(Error::file(dir, "is no sweep (no sweep.toml in it)", fix));
        }
        let spec = NamedSweep::read(&path)?;
        Ok(Self { dir: dir.to_path_buf(), runs: spec.plan()?, spec })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the sweep was made from.
    pub fn spec(&self) -> &SweepSpec {
        self.spec.spec()
    }

    /// Its runs, in the order of the plan.
    pub fn runs(&self) -> &[PlannedRun] {
        &self.runs
    }

    /// The folder of `run`.
    pub fn run_path(&self, run: &PlannedRun) -> PathBuf {
        self.runs_dir().join(&run.id)
    }

    /// What the processes that meta-train `run` say.
    pub fn log_path(&self, run: &PlannedRun) -> PathBuf {
        self.logs_dir().join(format!("{}.log", run.id))
    }

    /// The error of `run`, if it failed.
    pub fn failure_path(&self, run: &PlannedRun) -> PathBuf {
        self.failures_dir().join(format!("{}.txt", run.id))
    }

    /// Keeps the error of `run`, which is not begun again before [`Sweep::retry_failed`].
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn fail(&self, run: &PlannedRun, error: &str) -> Result<()> {
        write_atomic(&self.failure_path(run), format!("{error}\n").as_bytes())
    }

    /// Meta-trains the runs that have neither results nor an error, and writes what came of all: [`Sweep::save`].
    ///
    /// # Errors
    /// What stops all runs. An error of a single run is in the results.
    pub fn execute(&self, executor: &dyn Executor, watch: &Watch<'_>) -> Result<SweepResults> {
        let mut pending = Vec::new();
        for run in &self.runs {
            if !matches!(self.state(run)?, RunState::Finished | RunState::Failed { .. }) {
                pending.push(run);
            }
        }
        if !pending.is_empty() {
            executor.execute(self, &pending, watch)?;
        }
        self.save()
    }

    /// Forgets the errors of the runs that failed: they wait again.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn retry_failed(&self) -> Result<()> {
        for path in self.runs.iter().map(|run| self.failure_path(run)).filter(|path| path.exists()) {
            std::fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        }
        Ok(())
    }

    /// Makes the folder of `run`, if it is not there, so that `gpicl resume` can start or continue it.
    ///
    /// # Errors
    /// [`Error::File`] if it holds a run of another configuration.
    pub fn prepare(&self, run: &PlannedRun) -> Result<RunDir> {
        RunDir::prepare(self.run_path(run), &run.config)
    }

    /// Does what no two processes may do to the folder at a time.
    fn exclusively<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let _lock = lock(&self.dir.join(".lock"))?;
        work()
    }

    fn spec_path(&self) -> PathBuf {
        self.dir.join("sweep.toml")
    }

    fn runs_dir(&self) -> PathBuf {
        self.dir.join("runs")
    }

    fn logs_dir(&self) -> PathBuf {
        self.dir.join("logs")
    }

    fn failures_dir(&self) -> PathBuf {
        self.dir.join("failures")
    }
}
