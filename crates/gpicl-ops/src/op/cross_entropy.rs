//! Softmax cross-entropy.

#[cfg(feature = "flex")]
mod native;

#[cfg(feature = "flex")]
use burn::backend::Dispatch;
use burn::tensor::{Int, Tensor};

#[cfg(feature = "flex")]
use self::native::CrossEntropyOps;
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
    #[cfg(feature = "flex")]
    if super::native::takes(&logits) {
        return Tensor::from_dispatch(Dispatch::cross_entropy(
            logits.into_dispatch(),
            targets.into_dispatch(),
        ));
    }
    reference::cross_entropy(logits, targets)
}
