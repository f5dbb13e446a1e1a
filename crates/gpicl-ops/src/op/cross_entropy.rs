//! Softmax cross-entropy.

use burn::tensor::{Int, Tensor};

use super::check;
use crate::reference;

/// Negative log-likelihood of every position's class, in nats: `-log softmax(logits)[target]`.
///
/// `logits`: `[batch, time, classes]`, `targets`: `[batch, time]` with values below `classes`; returns
/// `[batch, time]`.
///
/// # Panics
/// If a shape is another one, or a target is not a class.
pub fn cross_entropy(logits: Tensor<3>, targets: Tensor<2, Int>) -> Tensor<2> {
    let [batch, time, _] = logits.dims();
    check::shape("cross_entropy: targets", &[batch, time], &targets.dims());
    reference::cross_entropy(logits, targets)
}
