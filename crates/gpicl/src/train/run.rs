//! A run is a folder: `config.toml`, `metrics.jsonl`, `timing.jsonl`, `tensorboard/`, `checkpoints/`, `results.json`,
//! `plots/`.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::checkpoint::Checkpoints;
use super::run_config::RunConfig;
use crate::error::{Error, Result};
use crate::folder::{Kind, claim};
use crate::fs::{create_folder, lock, write_atomic};

/// The folder of one run, and the names of what is in it.
#[derive(Clone, Debug)]
pub struct RunDir(PathBuf);

impl RunDir {
    /// Makes the folder and writes its `config.toml`.
    ///
    /// # Errors
    /// [`Error::File`] if a run is there already, [`Error::Config`] for an empty name, [`Error::Io`].
    pub fn create(path: impl Into<PathBuf>, config: &RunConfig) -> Result<Self> {
        let run = Self(path.into());
        if run.0.as_os_str().is_empty() {
            return Err(Error::config("--run", "is empty", "name a new folder"));
        }
        if run.config_path().exists() {
            let resume =
                format!("continue it with `gpicl resume {}`, or choose another folder", run.0.display());
            return Err(Error::file(&run.0, "holds a run already", resume));
        }
        claim(&run.0, Kind::Run)?;
        create_folder(&run.0)?;
        write_atomic(&run.config_path(), config.to_toml().as_bytes())?;
        Ok(run)
    }

    /// An existing run and its configuration.
    ///
    /// # Errors
    /// [`Error::File`] if the folder is no run, or its config cannot be used.
    pub fn open(path: impl Into<PathBuf>) -> Result<(Self, RunConfig)> {
        let run = Self(path.into());
        if !run.config_path().exists() {
            return Err(Error::file(
                &run.0,
                "is no run folder (no config.toml in it)",
                "start one with `gpicl train`",
            ));
        }
        let config = RunConfig::read(&run.config_path())?;
        Ok((run, config))
    }

    /// The run folder `path`, made if it is not there: `gpicl resume` starts or continues it. A run that was never saved
    /// gets this configuration.
    ///
    /// # Errors
    /// [`Error::File`] if it holds a run of another configuration that was saved, or is being meta-trained.
    pub fn prepare(path: impl Into<PathBuf>, config: &RunConfig) -> Result<Self> {
        let (run, config) = (Self(path.into()), &config.clone().completed());
        if !run.config_path().exists() {
            return Self::create(run.0, config);
        }
        let (run, found) = Self::open(run.0)?;
        let change = config.unlike(&found);
        if let Some(change) = &change
            && !run.untouched()?
        {
            let problem = format!("holds a run of another configuration: {change} there");
            return Err(Error::file(&run.0, problem, "remove the folder, or choose another --out"));
        }
        if change.is_some() {
            write_atomic(&run.config_path(), config.to_toml().as_bytes())?;
        }
        Ok(run)
    }

    /// The folder `path`, whether a run is there or not.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Whether nothing of the run is worth keeping: it was never saved, and nobody meta-trains it.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be listed.
    pub fn untouched(&self) -> Result<bool> {
        Ok(!self.finished() && !self.locked() && self.checkpoints(2).steps()?.is_empty())
    }

    /// Whether the run has come to its end: the results are written after the last checkpoint.
    pub fn finished(&self) -> bool {
        self.results_path().exists()
    }

    /// Takes the run for this process, until the lock is dropped or the process ends, however it ends. Waits a moment
    /// for a process that is about to end.
    ///
    /// # Errors
    /// [`Error::Busy`] if another process keeps it.
    pub fn lock(&self) -> Result<RunLock> {
        let started = Instant::now();
        match lock(&self.lock_path(), || started.elapsed() < RunLock::PATIENCE)? {
            Some(file) => Ok(RunLock { _file: file }),
            None => Err(Error::Busy { path: self.0.clone() }),
        }
    }

    /// Whether a process has taken the run.
    pub fn locked(&self) -> bool {
        let Ok(file) = File::open(self.lock_path()) else { return false };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }

    fn lock_path(&self) -> PathBuf {
        self.0.join(".lock")
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The complete configuration; reruns the run.
    pub fn config_path(&self) -> PathBuf {
        self.0.join("config.toml")
    }

    /// One JSON object a line; the same bytes for the same config and device, also after a resume.
    pub fn metrics_path(&self) -> PathBuf {
        self.0.join("metrics.jsonl")
    }

    /// Wall-clock times, which are never the same twice.
    pub fn timing_path(&self) -> PathBuf {
        self.0.join("timing.jsonl")
    }

    /// The same as `metrics.jsonl`, for TensorBoard: `tensorboard --logdir RUN`, or the folder above many runs.
    pub fn events_path(&self) -> PathBuf {
        self.0.join("tensorboard").join("events.out.tfevents.0.gpicl")
    }

    /// The final meta-test: a learning curve for each set.
    pub fn results_path(&self) -> PathBuf {
        self.0.join("results.json")
    }

    /// Figures.
    pub fn plots_dir(&self) -> PathBuf {
        self.0.join("plots")
    }

    /// The run's checkpoints, of which the newest `keep` are kept.
    pub fn checkpoints(&self, keep: usize) -> Checkpoints {
        Checkpoints::new(self.0.join("checkpoints"), keep)
    }
}

/// A run that this process has taken: no other one meta-trains it.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

impl RunLock {
    /// Time a killed process may take to let go, and a look at the lock to pass.
    const PATIENCE: Duration = Duration::from_secs(2);
}

/// The weights file that `path` means: itself, or the newest whole checkpoint of a run folder.
///
/// # Errors
/// [`Error::File`] if it is neither.
pub fn checkpoint_path(path: &Path) -> Result<PathBuf> {
    if path.is_dir() {
        let (run, config) = RunDir::open(path)?;
        return run.checkpoints(config.train.keep_checkpoints).latest_path();
    }
    Ok(path.to_path_buf())
}

/// The weights file of the run `path` after `step` steps.
///
/// # Errors
/// [`Error::File`] if it is no run, or has no such checkpoint: it names those that there are.
pub fn checkpoint_at(path: &Path, step: u64) -> Result<PathBuf> {
    let (run, config) = RunDir::open(path)?;
    let checkpoints = run.checkpoints(config.train.keep_checkpoints);
    let mut steps = checkpoints.steps()?;
    steps.reverse();
    if steps.contains(&step) {
        return Ok(checkpoints.path(step));
    }
    let there = match steps.as_slice() {
        [] => "there is none yet".to_string(),
        _ => {
            format!("there are those of {}", steps.iter().map(u64::to_string).collect::<Vec<_>>().join(", "))
        }
    };
    Err(Error::file(path, format!("has no checkpoint of step {step}"), there))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_taken_once_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::prepare(dir.path().join("run"), &RunConfig::default()).unwrap();
        assert!(!run.locked());
        let lock = run.lock().unwrap();
        assert!(run.locked());
        let busy = run.lock().unwrap_err().to_string();
        assert!(busy.contains("run: another process"), "{busy}");
        drop(lock);
        assert!(!run.locked());
        // A look at the lock, or a process that is about to end, is waited for.
        let lock = run.lock().unwrap();
        std::thread::scope(|scope| {
            let next = scope.spawn(|| run.lock());
            std::thread::sleep(Duration::from_millis(100));
            drop(lock);
            assert!(next.join().unwrap().is_ok());
        });
    }

    #[test]
    fn a_folder_is_prepared_for_one_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let config = RunConfig::default();
        for _ in 0..2 {
            RunDir::prepare(dir.path(), &config).unwrap();
        }
        // One that was never saved, as of a configuration that could not be used, may be mended.
        let mended = RunConfig { seed: 2, ..config.clone() };
        RunDir::prepare(dir.path(), &mended).unwrap();
        assert_eq!(RunDir::open(dir.path()).unwrap().1.seed, 2);
        std::fs::create_dir(dir.path().join("checkpoints")).unwrap();
        std::fs::write(dir.path().join("checkpoints/step-00000001.safetensors"), "").unwrap();
        let other = RunConfig { seed: 1, ..config };
        let error = RunDir::prepare(dir.path(), &other).unwrap_err().to_string();
        assert!(error.contains("another configuration"), "{error}");
    }
}
