//! Layer normalisation.

#[cfg(feature = "flex")]
mod native;

#[cfg(feature = "flex")]
use burn::backend::Dispatch;
use burn::tensor::Tensor;

#[cfg(feature = "flex")]
use self::native::LayerNormOps;
use super::check;
use crate::reference;

/// `(x - mean) / sqrt(variance + eps) * gamma + beta` over the last axis (Ba et al. 2016), with the variance of
/// the population.
///
/// `x`: `[.., features]`, `gamma` and `beta`: `[features]`; returns the shape of `x`.
///
/// # Panics
/// If a shape is another one, or the tensors are on different devices.
pub fn layer_norm<const D: usize>(x: Tensor<D>, gamma: Tensor<1>, beta: Tensor<1>, eps: f64) -> Tensor<D> {
    let features = x.dims()[D - 1];
    check::shape("layer_norm: gamma", &[features], &gamma.dims());
    check::shape("layer_norm: beta", &[features], &beta.dims());
    #[cfg(feature = "flex")]
    if super::native::takes(&x) {
        let (x, gamma, beta) = (x.into_dispatch(), gamma.into_dispatch(), beta.into_dispatch());
        return Tensor::from_dispatch(Dispatch::layer_norm(x, gamma, beta, eps));
    }
    reference::layer_norm(x, gamma, beta, eps)
}
