//! The native versions from and to a state; they have no gradients.

use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Flex, backend_extension};

use super::native::cell;
use crate::Precision;
use crate::op::native::contiguous;
use crate::op::recurrent::native::{queries, scan_with_state};

/// Gated recurrent units from and to a state as a backend's operations.
#[backend_extension(Flex)]
pub trait GruStateOps: Backend {
    /// See [`crate::gru_with_state`].
    fn gru_with_state(
        gates: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        h: FloatTensor<Self>,
        precision: Precision,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// See [`crate::gru_queries`].
    fn gru_queries(
        gates: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        h: FloatTensor<Self>,
        precision: Precision,
    ) -> FloatTensor<Self>;
}

impl GruStateOps for Flex {
    fn gru_with_state(
        gates: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        h: FlexTensor,
        precision: Precision,
    ) -> (FlexTensor, FlexTensor) {
        let bias = contiguous(bias);
        // The cell's memory is for its gradient alone: what stands for it before is not read.
        let (out, [h, _]) = scan_with_state(cell(&bias), gates, weight, [h.clone(), h], precision);
        (out, h)
    }

    fn gru_queries(
        gates: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        h: FlexTensor,
        precision: Precision,
    ) -> FlexTensor {
        let bias = contiguous(bias);
        queries(cell(&bias), gates, weight, [h.clone(), h], precision)
    }
}
