//! The two affine maps of a Transformer block's second half.

#[cfg(feature = "flex")]
mod native;

#[cfg(feature = "flex")]
use burn::backend::Dispatch;
use burn::tensor::Tensor;

#[cfg(feature = "flex")]
use self::native::FeedForwardOps;
use super::check;
use crate::{FeedForward, Precision, reference};

/// `residual + gelu(x W_up + b_up) W_down + b_down`, with GELU in its tanh form.
///
/// One operation rather than two, so that of the hidden units only the sums before GELU are kept for the gradients.
///
/// `x`: `[.., in]`, `residual`: `[.., out]`; returns `[.., out]`.
///
/// # Panics
/// If a shape is another one, or the tensors are on different devices.
pub fn feed_forward<const D: usize>(
    x: Tensor<D>,
    weights: FeedForward,
    residual: Tensor<D>,
    precision: Precision,
) -> Tensor<D> {
    let mut shape = x.dims();
    let [hidden, fan_out] = weights.down.dims();
    check::shape("feed_forward: up", &[shape[D - 1], hidden], &weights.up.dims());
    check::shape("feed_forward: up_bias", &[hidden], &weights.up_bias.dims());
    check::shape("feed_forward: down_bias", &[fan_out], &weights.down_bias.dims());
    shape[D - 1] = fan_out;
    check::shape("feed_forward: residual", &shape, &residual.dims());
    #[cfg(feature = "flex")]
    if super::native::takes(&x) {
        let FeedForward { up, up_bias, down, down_bias } = weights;
        return Tensor::from_dispatch(Dispatch::feed_forward(
            x.into_dispatch(),
            up.into_dispatch(),
            up_bias.into_dispatch(),
            down.into_dispatch(),
            down_bias.into_dispatch(),
            residual.into_dispatch(),
            precision,
        ));
    }
    reference::feed_forward(x, weights, residual, precision)
}
