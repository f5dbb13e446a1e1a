//! Multi-head self-attention.

#[cfg(feature = "flex")]
mod native;

#[cfg(feature = "flex")]
use burn::backend::Dispatch;
use burn::tensor::Tensor;

#[cfg(feature = "flex")]
use self::native::AttentionOps;
use super::check;
use crate::{AttentionMask, Precision, reference};

/// `softmax(q k^T / sqrt(d_head) + mask) v` of every head, heads side by side (Vaswani et al. 2017).
///
/// `qkv`: `[batch, time, 3 * d_model]` holds queries, keys and values one after another, each with head `h` at
/// `h * d_head..(h + 1) * d_head`; returns `[batch, time, d_model]`.
///
/// The native version computes in f32 whatever the precision: at these sizes bfloat16 factors would save no time.
///
/// # Panics
/// If `d_model` is not a multiple of `heads`, or `time` is odd under [`AttentionMask::Paired`].
pub fn attention(qkv: Tensor<3>, heads: usize, mask: AttentionMask, precision: Precision) -> Tensor<3> {
    let shape = qkv.dims();
    let [_, time, width] = shape;
    let divides = heads > 0 && width.is_multiple_of(3 * heads);
    check::that(divides, "attention: qkv", &format!("a last axis of 3 * {heads} heads * d_head"), &shape);
    let paired = mask == AttentionMask::Causal || time.is_multiple_of(2);
    check::that(paired, "attention: qkv", "an even time axis (contexts, then queries)", &shape);
    #[cfg(feature = "flex")]
    if super::native::takes(&qkv) {
        return Tensor::from_dispatch(Dispatch::attention(qkv.into_dispatch(), heads, mask));
    }
    reference::attention(qkv, heads, mask, precision)
}
