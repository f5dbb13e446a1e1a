//! The AdamW update.

#[cfg(feature = "flex")]
mod native;

#[cfg(feature = "flex")]
use burn::backend::Dispatch;
use burn::tensor::Tensor;

#[cfg(feature = "flex")]
use self::native::AdamWOps;
use super::check;
use crate::{AdamWStep, reference};

/// One AdamW update of a parameter (Loshchilov and Hutter 2019), in place where a tensor has no other owner.
///
/// With `g = grad_scale * grad`, the moments become `m' = beta1 m + (1 - beta1) g`, `v' = beta2 v + (1 - beta2) g^2`
/// and the parameter `(1 - lr weight_decay) param - lr (m' / bias_correction1) / (sqrt(v' / bias_correction2) + eps)`.
///
/// All tensors have one shape and are outside automatic differentiation; returns `(param', m', v')`.
///
/// # Panics
/// If the shapes or devices differ.
pub fn adamw<const D: usize>(
    param: Tensor<D>,
    grad: Tensor<D>,
    m: Tensor<D>,
    v: Tensor<D>,
    step: AdamWStep,
) -> (Tensor<D>, Tensor<D>, Tensor<D>) {
    let shape = param.dims();
    check::shape("adamw: grad", &shape, &grad.dims());
    check::shape("adamw: m", &shape, &m.dims());
    check::shape("adamw: v", &shape, &v.dims());
    #[cfg(feature = "flex")]
    if super::native::takes(&param) && !param.device().is_autodiff() {
        let (param, grad) = (param.into_dispatch(), grad.into_dispatch());
        let (param, m, v) = Dispatch::adamw(param, grad, m.into_dispatch(), v.into_dispatch(), step);
        return (Tensor::from_dispatch(param), Tensor::from_dispatch(m), Tensor::from_dispatch(v));
    }
    reference::adamw(param, grad, m, v, step)
}
