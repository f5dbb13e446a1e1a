//! Affine maps of the last axis.

#[cfg(feature = "flex")]
mod native;

#[cfg(feature = "flex")]
use burn::backend::Dispatch;
use burn::tensor::Tensor;

#[cfg(feature = "flex")]
use self::native::LinearOps;
use super::check;
use crate::{Activation, Precision, reference};

/// `activation(x W + b)`.
///
/// `x`: `[.., in]`, `weight`: `[in, out]`, `bias`: `[out]`; returns `[.., out]`.
///
/// # Panics
/// If a shape is another one, or the tensors are on different devices.
pub fn linear<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    activation: Activation,
    precision: Precision,
) -> Tensor<D> {
    check_affine(&x, &weight, &bias);
    #[cfg(feature = "flex")]
    if super::native::takes(&x) {
        let (x, weight, bias) = (x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch());
        return Tensor::from_dispatch(Dispatch::linear(x, weight, bias, activation, precision));
    }
    reference::linear(x, weight, bias, activation, precision)
}

/// `residual + x W + b`.
///
/// `x`: `[.., in]`, `weight`: `[in, out]`, `bias`: `[out]`, `residual`: `[.., out]`; returns `[.., out]`.
///
/// # Panics
/// If a shape is another one, or the tensors are on different devices.
pub fn linear_residual<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    residual: Tensor<D>,
    precision: Precision,
) -> Tensor<D> {
    check_affine(&x, &weight, &bias);
    let mut expected = x.dims();
    expected[D - 1] = weight.dims()[1];
    check::shape("linear_residual: residual", &expected, &residual.dims());
    #[cfg(feature = "flex")]
    if super::native::takes(&x) {
        let (x, weight, bias) = (x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch());
        let residual = residual.into_dispatch();
        return Tensor::from_dispatch(Dispatch::linear_residual(x, weight, bias, residual, precision));
    }
    reference::linear_residual(x, weight, bias, residual, precision)
}

#[track_caller]
fn check_affine<const D: usize>(x: &Tensor<D>, weight: &Tensor<2>, bias: &Tensor<1>) {
    let shape = x.dims();
    let fan_out = weight.dims()[1];
    check::shape("linear: weight", &[shape[D - 1], fan_out], &weight.dims());
    check::shape("linear: bias", &[fan_out], &bias.dims());
}
