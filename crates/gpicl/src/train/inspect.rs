//! What a checkpoint is: architecture, parameters, state size, provenance.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use burn::module::Module as _;
use serde::Serialize;

use super::checkpoint::{CheckpointInfo, load_weights};
use super::run::checkpoint_path;
use super::weights::weights;
use crate::error::Result;
use crate::models::SequenceModel as _;

/// A checkpoint described.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// The weights file.
    pub path: PathBuf,
    /// Numbers in the weights.
    pub num_params: usize,
    /// Numbers carried between positions at the full context length.
    pub state_size: usize,
    /// Every tensor of the weights: path and shape.
    pub parameters: Vec<(String, Vec<usize>)>,
    /// What the file says about itself.
    #[serde(flatten)]
    pub info: CheckpointInfo,
}

/// Describes a run's newest checkpoint, or a weights file.
///
/// # Errors
/// [`crate::Error::File`] if it is neither.
pub fn inspect(path: &Path) -> Result<Inspection> {
    let path = checkpoint_path(path)?;
    let device = crate::device::DeviceKind::default().device()?;
    let (info, model) = load_weights(&path, &device)?;
    Ok(Inspection {
        path,
        num_params: model.num_params(),
        state_size: model.state_size(info.dims.episode_length),
        parameters: weights(&model).into_iter().map(|weight| (weight.path, weight.shape)).collect(),
        info,
    })
}

impl Inspection {
    /// For people.
    pub fn text(&self) -> String {
        let CheckpointInfo { step, dims, config, provenance, .. } = &self.info;
        let mut text = String::new();
        let mut line = |name: &str, value: String| {
            writeln!(text, "{name:<14} {value}").expect("writing to a string does not fail");
        };
        line("checkpoint", self.path.display().to_string());
        line("step", format!("{step} of {}", config.train.steps));
        line("architecture", config.model.kind().to_string());
        line("parameters", self.num_params.to_string());
        line("state size", format!("{} numbers at {} examples", self.state_size, dims.episode_length));
        line("reads", format!("inputs of {} numbers, {} label slots", dims.input_dim, dims.classes));
        let sources = config.components().into_iter().map(|it| {
            let (count, seed) = (it.source.count(), it.source.seed());
            let source = format!("{}, {count} tasks of seed {seed}", it.source.name());
            if config.mix.is_empty() { source } else { format!("{source}, weight {}", it.weight) }
        });
        let sources = sources.collect::<Vec<_>>().join("; ");
        line("meta-trained on", sources);
        if let Some(start) = &config.train.start {
            line("begun with", start.display().to_string());
        }
        line("seed", config.seed.to_string());
        line("precision", format!("{:?}", config.precision).to_lowercase());
        line("made by", provenance.to_string());
        text.push('\n');
        for (name, shape) in &self.parameters {
            writeln!(text, "  {name:<32} {shape:?}").expect("writing to a string does not fail");
        }
        text.push_str("\nconfiguration\n");
        for line in config.to_toml().lines() {
            writeln!(text, "  {line}").expect("writing to a string does not fail");
        }
        text.truncate(text.trim_end().len());
        text
    }
}
