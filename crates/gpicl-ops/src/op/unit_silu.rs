//! What keys and queries of a matrix memory pass through.

#[cfg(feature = "flex")]
mod native;

#[cfg(feature = "flex")]
use burn::backend::Dispatch;
use burn::tensor::Tensor;

#[cfg(feature = "flex")]
use self::native::UnitSiluOps;
use crate::reference;

/// `s / sqrt(s . s + 1e-6)` with `s = silu(x) = x sigmoid(x)`, for every head's part of the last axis: rows of length 1.
///
/// `x`: `[batch, tokens, heads * width]`; returns the shape of `x`.
///
/// # Panics
/// If `heads` does not divide the last axis.
pub fn unit_silu(x: Tensor<3>, heads: usize) -> Tensor<3> {
    let features = x.dims()[2];
    assert!(heads > 0 && features.is_multiple_of(heads), "unit_silu: {heads} heads of {features} features");
    #[cfg(feature = "flex")]
    if super::native::takes(&x) {
        return Tensor::from_dispatch(Dispatch::unit_silu(x.into_dispatch(), features / heads));
    }
    reference::unit_silu(x, heads)
}
