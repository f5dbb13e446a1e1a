//! Meta-testing finished runs: several runs of one configuration are the seeds of one result.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::DeviceKind;
use crate::error::{Error, Result};
use crate::eval::{LearningCurve, TestSet, meta_test};
use crate::report::Results;
use crate::run::checkpoint_path;
use crate::train::{CheckpointInfo, load_weights};

/// What to meta-test on.
#[derive(Clone, Debug)]
pub struct EvalRequest {
    /// Data sets, as [`crate::data::DataConfig::from_spec`] reads them; empty: those of the run's configuration.
    pub data: Vec<String>,
    /// Episodes for each set and run.
    pub episodes: usize,
    /// Seed of the episodes; the run's own if absent.
    pub seed: Option<u64>,
    /// Where the data sets are.
    pub data_dir: Option<PathBuf>,
}

/// Meta-tests every run (folder or checkpoint file) on the same episodes. With one run the intervals are over
/// episodes, with several over the runs.
///
/// # Errors
/// A path that is no checkpoint, data that is missing or does not fit, runs that were meta-trained differently.
pub fn evaluate_runs(
    runs: &[PathBuf],
    request: &EvalRequest,
    note: &mut dyn FnMut(String),
) -> Result<Results> {
    if request.episodes < 2 {
        return Err(Error::config(
            "--episodes",
            format!("is {}", request.episodes),
            "an interval needs at least 2",
        ));
    }
    let mut first: Option<CheckpointInfo> = None;
    let mut by_set: Vec<Vec<LearningCurve>> = Vec::new();
    for path in runs {
        let path = checkpoint_path(path)?;
        let (info, model) = load_weights(&path, &DeviceKind::default().device()?)?;
        match &first {
            Some(first) => same_experiment(first, &info, &path)?,
            None => first = Some(info.clone()),
        }
        note(format!("meta-testing {}", path.display()));
        let device = info.config.device.device()?;
        for (i, set) in test_sets(&info, request)?.iter().enumerate() {
            let curve = meta_test(&model, set, request.episodes, &device)?;
            if by_set.len() <= i {
                by_set.push(Vec::new());
            }
            by_set[i].push(curve);
        }
    }
    let Some(info) = first else {
        return Err(Error::argument("runs", "is empty; give at least one run or checkpoint"));
    };
    let curves = by_set
        .into_iter()
        .map(|mut curves| match curves.len() {
            1 => Ok(curves.remove(0)),
            _ => LearningCurve::across_seeds(&curves),
        })
        .collect::<Result<Vec<_>>>()?;
    Results::new(info.dims, runs.len(), curves)
}

fn test_sets(info: &CheckpointInfo, request: &EvalRequest) -> Result<Vec<TestSet>> {
    let CheckpointInfo { config, dims, .. } = info;
    let data_dir = request.data_dir.as_deref();
    let seed = request.seed.unwrap_or(config.eval.seed);
    let (mut sets, data) = if request.data.is_empty() {
        let splits = config.data.load(data_dir)?;
        let (train, test) = (Arc::new(splits.train), Arc::new(splits.test));
        (TestSet::meta_training(&config.tasks, seed, *dims, &train, &test)?, config.eval.data.clone())
    } else {
        let data = request.data.iter().map(|spec| config.data.beside(spec)).collect::<Result<_>>()?;
        (Vec::new(), data)
    };
    for data in data {
        sets.push(TestSet::unseen(&config.tasks, seed, *dims, &Arc::new(data.load(data_dir)?.test))?);
    }
    Ok(sets)
}

/// Seeds of one result may differ in the seed and in nothing else.
fn same_experiment(first: &CheckpointInfo, other: &CheckpointInfo, path: &Path) -> Result<()> {
    let unseeded = |info: &CheckpointInfo| {
        let mut config = info.config.clone();
        config.seed = 0;
        config.tasks.seed = 0;
        config.data.seed = 0;
        config
    };
    if unseeded(first) == unseeded(other) {
        return Ok(());
    }
    Err(Error::file(
        path,
        "was meta-trained with another configuration than the first run",
        "give runs that differ in their seed only, or evaluate them one by one",
    ))
}
