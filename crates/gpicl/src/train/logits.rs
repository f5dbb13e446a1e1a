//! What the network of a checkpoint predicts at every position of episodes that somebody has.

use std::path::Path;

use burn::tensor::{Tensor, TensorData};

use super::checkpoint::load_to_test;
use crate::error::{Error, Result};
use crate::models::SequenceModel as _;
use crate::tasks::{host, label_tensor};

/// Examples that are read at a time, at least an episode's.
const TOGETHER: usize = 1600;

/// Logits `[batch, time, classes]` of the weights in the file `checkpoint`, and `classes`, from `inputs`
/// `[batch, time, input_dim]` and `labels` `[batch, time]`; those at `j` see the labels before it alone. In the run's
/// precision and on its device. `look` is called between some episodes and the next, and may unwind.
///
/// # Errors
/// Those of reading a checkpoint; [`Error::Argument`] where arrays do not fit each other or the network, an input is not
/// finite (NaN is a missing cell to a network that reads tables), a label has no slot, or numbers are so large that the
/// network's own are infinite.
pub fn logits(
    checkpoint: &Path,
    inputs: &[f32],
    labels: &[u32],
    [batch, time, dim]: [usize; 3],
    look: &(dyn Fn() + Sync),
) -> Result<(Vec<f32>, usize)> {
    let (info, model, device) = load_to_test(checkpoint, None)?;
    let (dims, missing) = (info.dims, info.config.model.reads_tables());
    let fail = |what, problem: String| Err(Error::argument(what, problem));
    for (what, len, expected) in
        [("labels", labels.len(), batch * time), ("inputs", inputs.len(), batch * time * dim)]
    {
        if len != expected {
            return fail(what, format!("are {len} numbers; give {expected} for [{batch}, {time}, {dim}]"));
        }
    }
    if dim != dims.input_dim {
        let given = format!("are of {dim} numbers each");
        return fail("inputs", format!("{given}; give {}, which the network reads", dims.input_dim));
    }
    if !(1..=dims.episode_length).contains(&time) {
        let given = format!("are episodes of {time} examples");
        return fail("inputs", format!("{given}; give 1 to {}, the run's own length", dims.episode_length));
    }
    if let Some(at) = inputs.iter().position(|x| !(x.is_finite() || missing && x.is_nan())) {
        let place =
            format!("hold {} in example {} of episode {}", inputs[at], at / dim % time, at / dim / time);
        return fail("inputs", format!("{place}; give finite numbers"));
    }
    if let Some(label) = labels.iter().find(|&&label| label as usize >= dims.classes) {
        return fail("labels", format!("hold {label}; give those of the slots 0 to {}", dims.classes - 1));
    }
    let mut logits = Vec::with_capacity(batch * time * dims.classes);
    let together = (TOGETHER / time).max(1);
    for (inputs, labels) in inputs.chunks(together * time * dim).zip(labels.chunks(together * time)) {
        look();
        let size = labels.len() / time;
        let inputs = TensorData::new(inputs.to_vec(), [size, time, dim]);
        let out = model.forward(Tensor::from_data(inputs, &device), label_tensor(labels, size, &device));
        logits.extend(host(out));
    }
    if let Some(at) = logits.iter().position(|logit| !logit.is_finite()) {
        let episode = at / dims.classes / time;
        return fail(
            "inputs",
            format!("of episode {episode} are too large for the network; give smaller ones"),
        );
    }
    Ok((logits, dims.classes))
}
