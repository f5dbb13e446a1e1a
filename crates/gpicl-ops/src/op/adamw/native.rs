//! The native version; an update has no gradient.

use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Flex, backend_extension};

use crate::AdamWStep;
use crate::cpu::adamw;
use crate::op::native::{contiguous, values, values_mut, writable};

/// The AdamW update as a backend's operation.
#[backend_extension(Flex)]
pub trait AdamWOps: Backend {
    /// See [`crate::adamw`].
    fn adamw(
        param: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        m: FloatTensor<Self>,
        v: FloatTensor<Self>,
        step: AdamWStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

impl AdamWOps for Flex {
    fn adamw(
        param: FlexTensor,
        grad: FlexTensor,
        m: FlexTensor,
        v: FlexTensor,
        step: AdamWStep,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let [mut param, mut m, mut v] = [param, m, v].map(|x| writable(contiguous(x)));
        let grad = contiguous(grad);
        adamw::adamw(values_mut(&mut param), values(&grad), values_mut(&mut m), values_mut(&mut v), step);
        (param, m, v)
    }
}
