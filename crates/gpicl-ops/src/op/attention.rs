//! Multi-head self-attention.

use burn::tensor::Tensor;

use super::check;
use crate::{AttentionMask, Precision, reference};

/// `softmax(q k^T / sqrt(d_head) + mask) v` of every head, heads side by side (Vaswani et al. 2017).
///
/// `qkv`: `[batch, time, 3 * d_model]` holds queries, keys and values one after another, each with head `h` at
/// `h * d_head..(h + 1) * d_head`; returns `[batch, time, d_model]`.
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
    reference::attention(qkv, heads, mask, precision)
}
