//! Values times a gate of others.

#[cfg(feature = "flex")]
mod native;

#[cfg(feature = "flex")]
use burn::backend::Dispatch;
use burn::tensor::Tensor;

#[cfg(feature = "flex")]
use self::native::GatedOps;
use super::check;
use crate::{Gate, reference};

/// `x g(gate)`, element by element; `g` is the `kind`.
///
/// `x` and `gate` have one shape, which is returned.
///
/// # Panics
/// If the shapes differ, or the tensors are on different devices.
pub fn gated<const D: usize>(x: Tensor<D>, gate: Tensor<D>, kind: Gate) -> Tensor<D> {
    check::shape("gated: gate", &x.dims(), &gate.dims());
    #[cfg(feature = "flex")]
    if super::native::takes(&x) {
        return Tensor::from_dispatch(Dispatch::gated(x.into_dispatch(), gate.into_dispatch(), kind));
    }
    reference::gated(x, gate, kind)
}
