//! Many runs that are one experiment: every point of a grid, or of a list, of any fields of a run's configuration.
//!
//! [`NamedSweep`] says which. [`Sweep`] is the folder: `sweep.toml`, a run folder for each in `runs/`, what the runs
//! said in `logs/`, the errors of those that failed in `failures/`, and in the end `results.csv` and `results.json`.
//! All there is to know about a sweep is in its folder, so that whatever is killed, the same command goes on. An
//! [`Executor`] meta-trains the runs: [`Local`] on this machine, [`Slurm`] on a cluster.

mod executor;
mod local;
mod point;
mod population;
mod results;
mod slurm;
mod spec;
mod state;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

pub use executor::{Executor, Watch};
pub use local::Local;
pub use population::{Listener, train_together};
pub use results::{SweepResults, SweepRow};
pub use slurm::Slurm;
pub use spec::{LocalSpec, NamedSweep, PlannedRun, SlurmSpec, SweepSpec};
pub use state::{Latest, RunState, RunStatus, SweepStatus};

use crate::origin::Origin;
use crate::results::Results;
use gpicl::RunDir;
use gpicl::data::{DataConfig, Fingerprint};
use gpicl::folder::{Kind, claim};
use gpicl::fs::{create_folder, lock, write_atomic};
use gpicl::{Error, Result};

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
        claim(dir, Kind::Sweep)?;
        for folder in [sweep.dir.clone(), sweep.runs_dir(), sweep.logs_dir(), sweep.failures_dir()] {
            create_folder(&folder)?;
        }
        sweep.exclusively(|| {
            if sweep.spec_path().exists() {
                let found = Self::open(dir)?;
                let kept: HashMap<&str, &PlannedRun> =
                    sweep.runs.iter().map(|run| (run.id.as_str(), run)).collect();
                let changed = found.runs.iter().filter(|run| kept.get(run.id.as_str()) != Some(run));
                let changed: Vec<&PlannedRun> = changed.collect();
                // What never got as far as a checkpoint, such as all runs of a spec that could not be used, may change; but
                // not what tasks of a cluster wait for.
                let submitted = dir.join("slurm").exists();
                for run in &changed {
                    if !submitted && RunDir::at(sweep.run_path(run)).untouched()? {
                        continue;
                    }
                    let what = match kept.get(run.id.as_str()).map(|now| now.config.unlike(&run.config)) {
                        Some(Some(change)) => format!("in `{}` {change} there", run.id),
                        Some(None) => format!("`{}` is of another point there", run.id),
                        None => format!("its `{}` is no run of this one", run.id),
                    };
                    let problem = format!("holds another sweep: {what}");
                    return Err(Error::file(dir, problem, "choose another --out, or remove the folder"));
                }
                for run in changed {
                    sweep.forget(run)?;
                }
                if found.spec.text() == spec.text() {
                    return Ok(());
                }
            }
            write_atomic(&sweep.spec_path(), spec.text().as_bytes())
        })?;
        Ok(sweep)
    }

    /// The sweep of `origin` in the folder `out`, or else in sweep-NAME below `runs/`. One that `origin` names by its folder is
    /// gone on with.
    ///
    /// # Errors
    /// As [`NamedSweep::of`] and [`Sweep::create`]; [`Error::Config`] if `set` is for a sweep that is there.
    pub fn start(origin: &Origin<'_>, set: &[String], out: Option<&Path>) -> Result<Self> {
        if let (Origin::File(path), None) = (origin, out)
            && path.is_dir()
        {
            if !set.is_empty() {
                return Err(Error::config("--set", "is for a new sweep", "give its file, and --out"));
            }
            return Self::open(path);
        }
        let spec = NamedSweep::of(origin, set)?;
        Self::create(&spec, &out.map_or_else(|| origin.folder("sweep"), Path::to_path_buf))
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

    /// Forgets a run that was never saved.
    fn forget(&self, run: &PlannedRun) -> Result<()> {
        if let RunState::Failed { error } = self.state(run)? {
            tracing::warn!("{}: is another run now; what it failed by: {error}", run.id);
        }
        let folder = self.run_path(run);
        if folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(Error::io("remove", &folder))?;
        }
        self.excuse(run)?;
        remove_if_there(&self.log_path(run))
    }

    /// Meta-trains the runs that have neither results nor an error, and writes what came of all: [`Sweep::save`].
    ///
    /// # Errors
    /// What stops all runs. An error of a single run is in the results.
    pub fn execute(&self, executor: &dyn Executor, watch: &Watch<'_>) -> Result<SweepResults> {
        let mut pending = Vec::new();
        for run in &self.runs {
            match self.state(run)? {
                // It came to its results after all, by hand or elsewhere.
                RunState::Finished => self.excuse(run)?,
                RunState::Failed { .. } => {}
                RunState::Waiting | RunState::Running { .. } | RunState::Cut { .. } => pending.push(run),
            }
        }
        if !pending.is_empty() {
            executor.execute(self, &pending, watch)?;
        }
        for difference in self.other_data()? {
            (watch.note)(format!("warning: {difference}"));
        }
        self.save()
    }

    /// Finished runs of one data set whose examples are others, as where files changed between two runs: in words.
    fn other_data(&self) -> Result<Vec<String>> {
        let mut seen: Vec<(Vec<DataConfig>, &PlannedRun, Results)> = Vec::new();
        let mut found = Vec::new();
        for run in &self.runs {
            let path = RunDir::at(self.run_path(run)).results_path();
            if !path.exists() {
                continue;
            }
            let results = Results::read(&path)?;
            let components = run.config.components();
            let sources = components.iter().filter_map(|it| it.source.data());
            let data: Vec<DataConfig> = sources.chain(&run.config.eval.data).cloned().collect();
            let alike = seen.iter().find(|(other, ..)| *other == data);
            let Some((_, first, theirs)) = alike else {
                seen.push((data, run, results));
                continue;
            };
            let other = |(set, fingerprints): &(&String, &Vec<Fingerprint>)| {
                theirs.fingerprints.get(*set).is_some_and(|theirs| theirs != *fingerprints)
            };
            if let Some((set, _)) = results.fingerprints.iter().find(other) {
                let fix = "remove the run of the data that are not meant, and give the same command";
                found.push(format!(
                    "{} and {} were made with other examples ({set}); {fix}",
                    first.id, run.id
                ));
            }
        }
        Ok(found)
    }

    /// Forgets the errors of the runs that failed: they wait again.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn retry_failed(&self) -> Result<()> {
        self.runs.iter().try_for_each(|run| self.excuse(run))
    }

    /// Removes the error of `run`, if there is one.
    fn excuse(&self, run: &PlannedRun) -> Result<()> {
        remove_if_there(&self.failure_path(run))
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
        let _lock = lock(&self.dir.join(".lock"), || true)?;
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

fn remove_if_there(path: &Path) -> Result<()> {
    if path.exists() {
        std::fs::remove_file(path).map_err(Error::io("remove", path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> NamedSweep {
        NamedSweep::parse("s.toml", text).unwrap()
    }

    #[test]
    fn a_folder_takes_the_same_sweep_or_one_with_more_runs() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("sweep");
        let two = spec("[grid]\ntrain.lr = [0.1, 0.2]");
        let made = Sweep::create(&two, &at).unwrap();
        for sweep in [Sweep::create(&two, &at).unwrap(), Sweep::open(&at).unwrap()] {
            assert_eq!(sweep.runs(), made.runs());
        }
        let more = spec("[grid]\ntrain.lr = [0.3, 0.2, 0.1]\n[local]\njobs = 7");
        assert_eq!(Sweep::create(&more, &at).unwrap().runs().len(), 3);
        assert_eq!(Sweep::open(&at).unwrap().spec().local.jobs, Some(7));
        let saved = |sweep: &Sweep, run: &PlannedRun| {
            let folder = sweep.prepare(run).unwrap().path().join("checkpoints");
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join("step-00000020.safetensors"), "").unwrap();
        };
        saved(&made, &made.runs()[1]);
        for other in
            ["[grid]\ntrain.lr = [0.1]", "[base.train]\nsteps = 3\n[grid]\ntrain.lr = [0.1, 0.2, 0.3]"]
        {
            let error = Sweep::create(&spec(other), &at).unwrap_err().to_string();
            assert!(error.contains("another sweep") && error.contains("--out"), "{error}");
        }
        assert_eq!(Sweep::open(&at).unwrap().runs().len(), 3, "a refused one changes nothing");
        // Runs that never got as far as a checkpoint, as of a spec that could not be used, are no other sweep's.
        let at = dir.path().join("mended");
        let wrong =
            Sweep::create(&spec("[base.train]\nsteps = 3\n[grid]\ntrain.lr = [0.1, 0.2]"), &at).unwrap();
        let [first, second] = wrong.runs() else { panic!("two runs") };
        wrong.prepare(first).unwrap();
        for run in [first, second] {
            wrong.fail(run, "no such file").unwrap();
        }
        let mended = Sweep::create(&two, &at).unwrap();
        assert!(mended.runs().iter().all(|run| mended.state(run).unwrap() == RunState::Waiting));
        assert_eq!(mended.prepare(&mended.runs()[0]).unwrap().path(), mended.run_path(first));
        let none = Sweep::open(dir.path()).unwrap_err().to_string();
        assert!(none.contains("no sweep.toml"), "{none}");
    }

    #[test]
    fn states_are_read_from_the_files() {
        let dir = tempfile::tempdir().unwrap();
        let sweep = Sweep::create(&spec("[grid]\ntrain.lr = [0.1, 0.2]"), dir.path()).unwrap();
        let [run, other] = sweep.runs() else { panic!("two runs") };
        assert_eq!(sweep.state(run).unwrap(), RunState::Waiting);
        let folder = sweep.prepare(run).unwrap();
        assert_eq!(sweep.state(run).unwrap(), RunState::Waiting, "a folder alone is nothing");
        let line = r#"{"kind":"train","step":30,"loss":2.5,"accuracy_first":0.1,"accuracy_last":0.25,"lr":1.0,"grad_norm":1.0}"#;
        std::fs::write(folder.metrics_path(), format!("{line}\n{{\"kind\":\"tra")).unwrap();
        let lock = folder.lock().unwrap();
        assert_eq!(sweep.state(run).unwrap(), RunState::Running { step: 30, steps: 1000 });
        drop(lock);
        assert_eq!(sweep.state(run).unwrap(), RunState::Waiting, "no checkpoint: nothing is left of it");
        std::fs::create_dir(folder.path().join("checkpoints")).unwrap();
        std::fs::write(folder.path().join("checkpoints/step-00000020.safetensors"), "").unwrap();
        assert_eq!(sweep.state(run).unwrap(), RunState::Cut { step: 20, steps: 1000 });
        sweep.fail(other, "it was cold\nand dark").unwrap();
        assert_eq!(sweep.state(other).unwrap(), RunState::Failed { error: "it was cold\nand dark".into() });

        let status = sweep.status().unwrap();
        assert_eq!(status.counts(), "2 runs: 1 cut, 1 failed");
        let table = status.table().text_left();
        let rows: Vec<&str> = table.lines().skip(2).collect();
        assert!(rows[0].starts_with("lr=0.1,seed=0") && rows[0].contains("20/1000  2.500  0.250"), "{table}");
        assert!(rows[1].ends_with("it was cold"), "{table}");
        let csv = sweep.results().unwrap().csv();
        let rows: Vec<&str> = csv.lines().collect();
        assert_eq!(rows[1], "\"lr=0.1,seed=0\",0.1,0,cut,,,,,,,,,,,,,,,,", "{csv}");
        sweep.retry_failed().unwrap();
        assert_eq!(sweep.state(other).unwrap(), RunState::Waiting);
    }
}
