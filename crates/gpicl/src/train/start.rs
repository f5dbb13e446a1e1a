//! What a run begins with: random weights, or those of another.

use std::path::{Path, PathBuf};

use burn::tensor::Device;

use super::checkpoint::{CheckpointInfo, Learned, Tensors, weights_into};
use super::{RunConfig, built_in, checkpoint_path};
use crate::error::{Error, Result};
use crate::models::{CellsConfig, Dims, Model, ModelConfig};

/// Nothing learned yet, as `config` has it begin.
///
/// # Errors
/// As [`crate::models::ModelConfig::init`]; [`Error::Config`] if `train.start` is of another model, or as reading it.
pub(super) fn begin(config: &RunConfig, dims: Dims, device: &Device) -> Result<Learned> {
    let model = config.model.init(dims, config.precision, config.seed, device)?;
    let model = match &config.train.start {
        Some(start) => begun(model, start, config, dims, device)?,
        None => model,
    };
    Ok(Learned::nothing(model, config))
}

/// `start` as the same file from wherever it is read, and whatever its run does next.
///
/// # Errors
/// [`Error::Config`] if there is no checkpoint.
pub(super) fn resolved(start: &Path) -> Result<PathBuf> {
    if start == Path::new(built_in::NAME) {
        return Ok(start.to_path_buf());
    }
    let found = checkpoint_path(start)
        .and_then(|path| std::fs::canonicalize(&path).map_err(Error::io("read", path)))
        .map_err(|error| error.to_string());
    found.map_err(|problem| {
        let fix = format!("give a checkpoint, a run's folder, or `{}`", built_in::NAME);
        Error::config("train.start", format!("is `{}`: {problem}", start.display()), fix)
    })
}

fn begun(model: Model, start: &Path, config: &RunConfig, dims: Dims, device: &Device) -> Result<Model> {
    let fail = |problem: String| {
        let fix = "give a checkpoint of the same [model] and sizes, or set these as there";
        Error::config("train.start", format!("`{}` {problem}", start.display()), fix)
    };
    let own_file;
    let (file, path) = if start == Path::new(built_in::NAME) {
        (built_in::FILE, PathBuf::from(built_in::PLACE))
    } else {
        let path = resolved(start)?;
        own_file = std::fs::read(&path).map_err(Error::io("read", &path))?;
        (&own_file[..], path)
    };
    let mut theirs = dims;
    // Some fields change what weights mean and not their shape.
    let same_model = |info: &CheckpointInfo, weights: &mut Tensors| {
        theirs = info.dims;
        let (here, there) = (config.model.kind(), info.config.model.kind());
        if here != there {
            return Err(fail(format!("is a model of the kind `{there}`, and `model.kind` is `{here}`")));
        }
        let model = with_more_places(&config.model, info, weights);
        let there = RunConfig { model, ..config.clone() };
        if let Some(change) = config.unlike(&there) {
            return Err(fail(format!("is of another model: {change} there")));
        }
        if draws_as(config, &info.config) {
            let start = start.display();
            tracing::warn!(
                "`train.start`: `{start}` was meta-trained on the same episodes, in the same order; give another `--seed`"
            );
        }
        Ok(())
    };
    weights_into(model, file, &path, device, same_model)?.map_err(|problem| {
        let sizes = |dims: Dims| format!("{} numbers and {} classes", dims.input_dim, dims.classes);
        fail(format!("is for inputs of {}, here they are of {}: {problem}", sizes(theirs), sizes(dims)))
    })
}

/// The model that `info` is of, and its `weights`, as if as many features shared a token there as `here`, where fewer did.
fn with_more_places(here: &ModelConfig, info: &CheckpointInfo, weights: &mut Tensors) -> ModelConfig {
    let there = &info.config.model;
    match (here, there, weights.get_mut(CellsConfig::OF_CELLS)) {
        (ModelConfig::Cells(here), ModelConfig::Cells(there), Some((shape, values)))
            if (1..here.together).contains(&there.together)
                && there.d_model == here.d_model
                && *shape == there.shape_of_cells(info.dims.classes) =>
        {
            *values = here.with_more_places(there, values);
            *shape = here.shape_of_cells(info.dims.classes).to_vec();
            ModelConfig::Cells(CellsConfig { together: here.together, ..there.clone() })
        }
        _ => there.clone(),
    }
}

/// Whether meta-training by one configuration draws the episodes that it draws by another. What that other one began with has drawn
/// before is not looked at.
fn draws_as(one: &RunConfig, other: &RunConfig) -> bool {
    let sources = |config: &RunConfig| {
        let components = config.components().into_iter();
        components.map(|it| (it.weight, it.source)).collect::<Vec<_>>()
    };
    one.seed == other.seed && sources(one) == sources(other)
}
