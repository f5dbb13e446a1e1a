//! Meta-testing finished runs: several runs of one configuration are the seeds of one result.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::results::{Ahead, Results, add_fingerprints, describe};
use gpicl::DeviceKind;
use gpicl::RunConfig;
use gpicl::data::{DataConfig, Fingerprints, Library, Split};
use gpicl::eval::baselines::{Baseline, BaselinesConfig};
use gpicl::eval::{LearningCurve, Look, Sample, TestSet, Trained, meta_test};
use gpicl::tasks::{SourceSplits, load_sources};
use gpicl::train::{CheckpointInfo, checkpoint_path, load_to_test};
use gpicl::{Error, Result};

/// What to meta-test on.
#[derive(Clone, Debug)]
pub struct EvalRequest {
    /// Data sets, as [`gpicl::data::DataConfig::from_spec`] reads them; empty: those of the run's configuration.
    pub data: Vec<String>,
    /// Episodes for each set and run, and queries of each context.
    pub sample: Sample,
    /// The split of unseen tasks.
    pub split: Split,
    /// Seed of the episodes; the run's own if absent.
    pub seed: Option<u64>,
    /// Whether the run's own data sets may be others than when it was meta-trained: then that is only said.
    pub allow_other_data: bool,
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
/// episodes, with several over runs and episodes.
///
/// # Errors
/// A path that is no checkpoint, data that is missing or does not fit, runs that were meta-trained differently.
pub fn evaluate_runs(
    runs: &[PathBuf],
    request: &EvalRequest,
    note: &mut dyn FnMut(String),
) -> Result<Results> {
    evaluate_watched(runs, request, note, &Look::default())
}

/// [`evaluate_runs`] with what is called again and again meanwhile.
///
/// # Errors
/// As [`evaluate_runs`].
pub fn evaluate_watched(
    runs: &[PathBuf],
    request: &EvalRequest,
    note: &mut dyn FnMut(String),
    look: &Look,
) -> Result<Results> {
    if let Some((field, problem, fix)) = request.sample.fault() {
        return Err(Error::config(format!("--{field}"), problem, fix));
    }
    let baselines = Baseline::select(&request.baselines)?;
    let mut tested: Vec<CheckpointInfo> = Vec::new();
    let mut by_set: Vec<Vec<LearningCurve>> = Vec::new();
    let mut by_baseline: Vec<Vec<LearningCurve>> = Vec::new();
    let (mut data, mut fingerprints) = (BTreeMap::new(), BTreeMap::new());
    for path in runs {
        let path = checkpoint_path(path)?;
        let (info, model, device) = load_to_test(&path, request.device)?;
        if let Some(first) = tested.first() {
            same_experiment(first, &info, &path)?;
        }
        once(tested.iter().map(|earlier| &earlier.config), &info.config, &path)?;
        tested.push(info.clone());
        note(format!("meta-testing {}", path.display()));
        let (tuning, sets) = test_sets(&info, request, &path)?;
        let tuning = tuning.map(|set| set.watched(look.clone()));
        let sets: Vec<TestSet> = sets.into_iter().map(|set| set.watched(look.clone())).collect();
        let curves = sets.iter().map(|set| meta_test(&model, set, request.sample, &device));
        add_seed(&mut by_set, curves.collect::<Result<_>>()?, &path)?;
        let config = &info.config;
        let fresh = config.model.init(info.dims, config.precision, config.seed, &device)?;
        let held_out = sets.iter().filter(|set| !set.of_training());
        let mut controls: Vec<LearningCurve> = held_out
            .map(|set| Ok(meta_test(&fresh, set, request.sample, &device)?.of_untrained()))
            .collect::<Result<_>>()?;
        if let Some(tuning) = tuning {
            for baseline in &baselines {
                note(format!("fitting {}", baseline.name));
                let fitted = baseline.fit(&request.baselines_config, &tuning, info.config.seed)?;
                note(format!("{}: {}", fitted.name, fitted.settings));
                for set in &sets {
                    controls.push(fitted.curve(set, request.sample)?);
                }
            }
        }
        add_seed(&mut by_baseline, controls, &path)?;
        describe(&mut data, &sets);
        add_fingerprints(&mut fingerprints, &sets);
    }
    let Some(info) = tested.first() else {
        return Err(Error::argument("runs", "is empty; give at least one run or checkpoint"));
    };
    let ahead = Ahead::all(&by_set, &by_baseline);
    let results = Results::new(info.dims, runs.len(), join_seeds(by_set)?)?.with_data(data, fingerprints);
    Ok(results.with_baselines(join_seeds(by_baseline)?, ahead))
}

/// Adds the curves of one seed, whose checkpoint is `path`, to those of the seeds before.
fn add_seed(seeds: &mut Vec<Vec<LearningCurve>>, curves: Vec<LearningCurve>, path: &Path) -> Result<()> {
    if seeds.is_empty() {
        seeds.extend(curves.into_iter().map(|curve| vec![curve]));
        return Ok(());
    }
    let what = |curve: &LearningCurve| (curve.label.clone(), curve.learner.clone());
    if !seeds.iter().map(|seeds| what(&seeds[0])).eq(curves.iter().map(what)) {
        let fix = "evaluate it by itself; a checkpoint of a few steps has no seen tasks of a source that was not drawn yet";
        return Err(Error::file(path, "is tested on other sets than the first run", fix));
    }
    seeds.iter_mut().zip(curves).for_each(|(seeds, curve)| seeds.push(curve));
    Ok(())
}

fn join_seeds(seeds: Vec<Vec<LearningCurve>>) -> Result<Vec<LearningCurve>> {
    seeds.iter().map(|curves| LearningCurve::together(curves).map(LearningCurve::short)).collect()
}

/// The episodes that baselines are tuned on, if any are asked for, and the sets to meta-test on.
fn test_sets(
    info: &CheckpointInfo,
    request: &EvalRequest,
    path: &Path,
) -> Result<(Option<TestSet>, Vec<TestSet>)> {
    let CheckpointInfo { config, dims, .. } = info;
    let library = Library::new(request.data_dir.as_deref());
    let components = config.components();
    let seed = request.seed.unwrap_or_else(|| config.eval.seed());
    let (mut tuning, mut sets, mut of_training) = (None, Vec::new(), Vec::new());
    let mut prints = Fingerprints::default();
    if request.data.is_empty() || !request.baselines.is_empty() {
        let sources = load_sources(&components, Some((dims.input_dim, dims.classes)), &library)?;
        prints = SourceSplits::fingerprints(&sources);
        if request.data.is_empty() {
            let source = SourceSplits::together(&sources)?;
            let trained = Trained { source, seed: config.seed, batch: config.train.batch, steps: info.step };
            sets = TestSet::meta_training(&sources, &trained, seed, request.split);
            of_training = TestSet::of_training_examples(&sources, seed);
        }
        if !request.baselines.is_empty() {
            if let Some(it) = components.iter().find(|it| it.source.missing()) {
                let problem = format!("know no missing cells, which {}{} makes", it.place, it.source.table());
                let fix = "leave them out, or give runs that were meta-trained without missing cells";
                return Err(Error::config("--baselines", problem, fix));
            }
            tuning = Some(TestSet::tuning_on(SourceSplits::together(&sources)?, config.seed));
        }
    }
    // Further data sets are prepared like the first source's that has their name, or else like the first there is.
    let beside = |spec: &String| {
        let data = DataConfig::from_spec(spec)?;
        let mut known = components.iter().filter_map(|it| it.source.data());
        let like = known.clone().find(|it| it.name == data.name).or_else(|| known.next());
        like.map_or(Ok(data), |like| like.beside(spec))
    };
    let data = match request.data.as_slice() {
        [] => config.eval.data.clone(),
        specs => specs.iter().map(beside).collect::<Result<_>>()?,
    };
    for data in data {
        let held_out = library.split(&data, request.split)?;
        if request.data.is_empty() {
            prints.insert_other(&data, request.split, &held_out);
        }
        let (tasks, beside) = (components[0].source.tasks(), (&held_out, request.split));
        sets.push(TestSet::unseen_beside(&sets, &tasks, seed, *dims, &data, beside)?);
    }
    if request.data.is_empty()
        && let Some((changes, held_out)) = config.changed_tasks(&library, request.split)?
    {
        let (tasks, of) = (components[0].source.tasks(), (&held_out, request.split));
        sets.extend(TestSet::of_changes(&changes, &tasks, seed, *dims, of)?);
    }
    prints.expect(&info.data, path, request.allow_other_data)?;
    sets.extend(of_training);
    Ok((tuning, sets))
}

/// A seed counts once: two runs of one configuration, seeds included, are one run.
pub(crate) fn once<'a>(
    mut earlier: impl Iterator<Item = &'a RunConfig>,
    config: &RunConfig,
    path: &Path,
) -> Result<()> {
    if earlier.all(|other| other != config) {
        return Ok(());
    }
    let problem = format!("is of the same configuration and seed ({}) as another of the runs", config.seed);
    Err(Error::file(path, problem, "give each seed once"))
}

/// Seeds of one result may differ in the seed and in nothing else.
fn same_experiment(first: &CheckpointInfo, other: &CheckpointInfo, path: &Path) -> Result<()> {
    let Some(change) = other.config.without_seeds().unlike(&first.config.without_seeds()) else {
        return Ok(());
    };
    let problem = format!("was meta-trained with another configuration than the first run: {change} there");
    let fix = "give runs that differ in their seed only, or evaluate them one by one";
    Err(Error::file(path, problem, fix))
}
