//! What the network of a checkpoint predicts at every position of episodes that somebody has.

use std::path::Path;

use burn::tensor::{Tensor, TensorData};

use super::checkpoint::load_to_test;
use super::run::checkpoint_path;
use crate::error::{Error, Result};
use crate::models::{Dims, SequenceModel as _};
use crate::tasks::{host, label_tensor};

/// Episodes that are read at a time.
const TOGETHER: usize = 16;

/// Logits `[batch, time, classes]` of the checkpoint, or of a run's newest, from `inputs` `[batch, time, input_dim]` and
/// `labels` `[batch, time]`; those at `j` see the labels before it alone. `look` is called between some episodes and the
/// next, and may unwind.
///
/// # Errors
/// Those of reading a checkpoint; [`Error::Argument`] where arrays do not fit each other or the network, an input is not
/// finite, or a label has no slot.
pub fn logits(
    checkpoint: &Path,
    inputs: &[f32],
    labels: &[u32],
    [batch, time, dim]: [usize; 3],
    look: &dyn Fn(),
) -> Result<(Vec<f32>, Dims)> {
    let (info, model, device) = load_to_test(&checkpoint_path(checkpoint)?, None)?;
    let dims = info.dims;
    let fail = |problem: String| Err(Error::argument("episodes", problem));
    if (inputs.len(), labels.len()) != (batch * time * dim, batch * time) {
        return fail(format!(
            "{} labels for [{batch}, {time}, {dim}] inputs; give every input one",
            labels.len()
        ));
    }
    if dim != dims.input_dim {
        return fail(format!("inputs are of {dim} numbers; the network reads {}", dims.input_dim));
    }
    if !(1..=dims.episode_length).contains(&time) {
        return fail(format!(
            "are of {time} examples; the network was made for 1 to {}",
            dims.episode_length
        ));
    }
    if let Some(at) = inputs.iter().position(|x| !x.is_finite()) {
        return fail(format!(
            "input {} of episode {} holds {}",
            at / dim % time,
            at / dim / time,
            inputs[at]
        ));
    }
    if let Some(label) = labels.iter().find(|&&label| label as usize >= dims.classes) {
        return fail(format!("there is a label {label}; the network has slots 0 to {}", dims.classes - 1));
    }
    let mut logits = Vec::with_capacity(batch * time * dims.classes);
    for (inputs, labels) in inputs.chunks(TOGETHER * time * dim).zip(labels.chunks(TOGETHER * time)) {
        look();
        let size = labels.len() / time;
        let inputs = TensorData::new(inputs.to_vec(), [size, time, dim]);
        let out = model.forward(Tensor::from_data(inputs, &device), label_tensor(labels, size, &device));
        logits.extend(host(out));
    }
    Ok((logits, dims))
}
