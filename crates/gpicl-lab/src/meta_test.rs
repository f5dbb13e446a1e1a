//! Meta-testing finished runs: several runs of one configuration are the seeds of one result.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::results::Results;
use gpicl::DeviceKind;
use gpicl::eval::baselines::{Baseline, BaselinesConfig};
use gpicl::eval::{LearningCurve, TestSet, meta_test};
use gpicl::train::checkpoint_path;
use gpicl::train::{CheckpointInfo, load_to_test};
use gpicl::{Error, Result};

/// What to meta-test on.
#[derive(Clone, Debug)]
pub struct EvalRequest {
    /// Data sets, as [`gpicl::data::DataConfig::from_spec`] reads them; empty: those of the run's configuration.
    pub data: Vec<String>,
    /// Episodes for each set and run.
    pub episodes: usize,
    /// Seed of the episodes; the run's own if absent.
    pub seed: Option<u64>,
    /// Where to compute; the run's own device if absent.
    pub device: Option<DeviceKind>,
    /// Where the data sets are.
    pub data_dir: Option<PathBuf>,
    /// Baselines to judge on the same episodes, as [`Baseline::select`] reads them.
    pub baselines: Vec<String>,
    /// What they may cost.
    pub baselines_config: BaselinesConfig,
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
    let baselines = Baseline::select(&request.baselines)?;
    let mut first: Option<CheckpointInfo> = None;
    let mut by_set: Vec<Vec<LearningCurve>> = Vec::new();
    let mut by_baseline: Vec<Vec<LearningCurve>> = Vec::new();
    for path in runs {
        let path = checkpoint_path(path)?;
        let (info, model, device) = load_to_test(&path, request.device)?;
        match &first {
            Some(first) => same_experiment(first, &info, &path)?,
            None => first = Some(info.clone()),
        }
        note(format!("meta-testing {}", path.display()));
        let (tuning, sets) = test_sets(&info, request)?;
        let curves = sets.iter().map(|set| meta_test(&model, set, request.episodes, &device));
        add_seed(&mut by_set, curves.collect::<Result<_>>()?);
        if let Some(tuning) = tuning {
            let mut curves = Vec::new();
            for baseline in &baselines {
                let fitted = baseline.fit(&request.baselines_config, &tuning, info.config.seed)?;
                note(format!("{}: {}", fitted.name, fitted.settings));
                for set in &sets {
                    curves.push(fitted.curve(set, request.episodes)?);
                }
            }
            add_seed(&mut by_baseline, curves);
        }
    }
    let Some(info) = first else {
        return Err(Error::argument("runs", "is empty; give at least one run or checkpoint"));
    };
    let results = Results::new(info.dims, runs.len(), join_seeds(by_set)?)?;
    Ok(results.with_baselines(join_seeds(by_baseline)?))
}

/// Adds the curves of one seed to those of the seeds before.
fn add_seed(seeds: &mut Vec<Vec<LearningCurve>>, curves: Vec<LearningCurve>) {
    seeds.resize_with(curves.len(), Vec::new);
    seeds.iter_mut().zip(curves).for_each(|(seeds, curve)| seeds.push(curve));
}

fn join_seeds(seeds: Vec<Vec<LearningCurve>>) -> Result<Vec<LearningCurve>> {
    seeds.iter().map(|curves| LearningCurve::together(curves)).collect()
}

/// The episodes that baselines are tuned on, if any are asked for, and the sets to meta-test on.
fn test_sets(info: &CheckpointInfo, request: &EvalRequest) -> Result<(Option<TestSet>, Vec<TestSet>)> {
    let CheckpointInfo { config, dims, .. } = info;
    let data_dir = request.data_dir.as_deref();
    let seed = request.seed.unwrap_or(config.eval.seed);
    let (mut tuning, mut sets) = (None, Vec::new());
    if request.data.is_empty() || !request.baselines.is_empty() {
        let splits = config.data.load(data_dir)?;
        let (train, test) = (Arc::new(splits.train), Arc::new(splits.test));
        if request.data.is_empty() {
            sets = TestSet::meta_training(&config.tasks, seed, *dims, &train, &test)?;
        }
        if !request.baselines.is_empty() {
            tuning = Some(TestSet::tuning(&config.tasks, config.seed, *dims, &train)?);
        }
    }
    let data = match request.data.as_slice() {
        [] => config.eval.data.clone(),
        specs => specs.iter().map(|spec| config.data.beside(spec)).collect::<Result<_>>()?,
    };
    for data in data {
        let test = Arc::new(data.load(data_dir)?.test);
        sets.push(TestSet::unseen_beside(&sets, &config.tasks, seed, *dims, &data, &test)?);
    }
    Ok((tuning, sets))
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
