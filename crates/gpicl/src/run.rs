//! A run is a folder: `config.toml`, `metrics.jsonl`, `timing.jsonl`, `checkpoints/`, `results.json`, `plots/`.

use std::path::{Path, PathBuf};

use crate::config::RunConfig;
use crate::error::{Error, Result};
use crate::fs::write_atomic;
use crate::train::Checkpoints;

/// The folder of one run, and the names of what is in it.
#[derive(Clone, Debug)]
pub struct RunDir(PathBuf);

impl RunDir {
    /// Makes the folder and writes its `config.toml`.
    ///
    /// # Errors
    /// [`Error::File`] if a run is there already, [`Error::Io`].
    pub fn create(path: impl Into<PathBuf>, config: &RunConfig) -> Result<Self> {
        let run = Self(path.into());
        if run.config_path().exists() {
            let resume =
                format!("continue it with `gpicl resume {}`, or choose another folder", run.0.display());
            return Err(Error::file(&run.0, "holds a run already", resume));
        }
        std::fs::create_dir_all(&run.0).map_err(Error::io("create", &run.0))?;
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
