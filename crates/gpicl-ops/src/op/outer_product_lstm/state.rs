//! The native versions from and to a state; they have no gradients.

use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Flex, TensorMetadata, backend_extension};

use super::native::{scanned, sizes};
use crate::cpu::outer_product_lstm::{self as scan, Carried};
use crate::op::native::{contiguous, filled, last_token, values, values_mut, writable};
use crate::{Precision, TokenLayout};

/// What is no tensor: heads, precision.
type Settings = (usize, Precision);

/// The outer-product LSTM from and to a state as a backend's operations.
#[backend_extension(Flex)]
pub trait OuterProductLstmStateOps: Backend {
    /// See [`crate::outer_product_lstm_with_state`].
    fn outer_product_lstm_with_state(
        gates: FloatTensor<Self>,
        recurrent: FloatTensor<Self>,
        h: FloatTensor<Self>,
        memory: FloatTensor<Self>,
        settings: Settings,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// See [`crate::outer_product_lstm_queries`].
    fn outer_product_lstm_queries(
        gates: FloatTensor<Self>,
        recurrent: FloatTensor<Self>,
        h: FloatTensor<Self>,
        memory: FloatTensor<Self>,
        settings: Settings,
    ) -> FloatTensor<Self>;
}

impl OuterProductLstmStateOps for Flex {
    fn outer_product_lstm_with_state(
        gates: FlexTensor,
        recurrent: FlexTensor,
        h: FlexTensor,
        memory: FlexTensor,
        (heads, precision): Settings,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let (h, mut memory) = (contiguous(h), writable(contiguous(memory)));
        let carried = Carried { hidden: values(&h), memory: values_mut(&mut memory) };
        let settings = (heads, TokenLayout::Shifted, precision);
        let out = scanned(&contiguous(gates), contiguous(recurrent), Some(carried), settings).out;
        let h = last_token(&out);
        (out, h, memory)
    }

    fn outer_product_lstm_queries(
        gates: FlexTensor,
        recurrent: FlexTensor,
        h: FlexTensor,
        memory: FlexTensor,
        (heads, precision): Settings,
    ) -> FlexTensor {
        let [gates, recurrent, h, memory] = [gates, recurrent, h, memory].map(contiguous);
        let sizes = sizes(&gates, (heads, TokenLayout::Shifted, precision));
        let [batch, queries, _]: [usize; 3] = gates.shape().dims();
        filled([batch, queries, sizes.hidden()].into(), |out| {
            scan::queries(values(&gates), values(&recurrent), values(&h), values(&memory), out, sizes);
        })
    }
}
