//! The native versions from and to a state; they have no gradients.

use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Flex, backend_extension};

use crate::Precision;
use crate::cpu::recurrent::Lstm;
use crate::op::recurrent::native::{queries, scan_with_state};

/// Long short-term memory from and to a state as a backend's operations.
#[backend_extension(Flex)]
pub trait LstmStateOps: Backend {
    /// See [`crate::lstm_with_state`].
    fn lstm_with_state(
        gates: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        h: FloatTensor<Self>,
        c: FloatTensor<Self>,
        precision: Precision,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// See [`crate::lstm_queries`].
    fn lstm_queries(
        gates: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        h: FloatTensor<Self>,
        c: FloatTensor<Self>,
        precision: Precision,
    ) -> FloatTensor<Self>;
}

impl LstmStateOps for Flex {
    fn lstm_with_state(
        gates: FlexTensor,
        weight: FlexTensor,
        h: FlexTensor,
        c: FlexTensor,
        precision: Precision,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let (out, [h, c]) = scan_with_state(Lstm, gates, weight, [h, c], precision);
        (out, h, c)
    }

    fn lstm_queries(
        gates: FlexTensor,
        weight: FlexTensor,
        h: FlexTensor,
        c: FlexTensor,
        precision: Precision,
    ) -> FlexTensor {
        queries(Lstm, gates, weight, [h, c], precision)
    }
}
