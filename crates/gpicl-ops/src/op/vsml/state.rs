//! The native versions from and to a state; they have no gradients.
#![allow(clippy::too_many_arguments, reason = "an operation's tensors, each an argument to the backend")]

use burn::backend::flex::FlexTensor;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Flex, TensorMetadata, backend_extension};

use super::native::{sizes, weights};
use crate::VsmlNet;
use crate::cpu::vsml::{self as scan, State, StateMut};
use crate::op::native::{contiguous, filled, indices, values, values_mut, writable};

/// VSML from and to a state as a backend's operations.
#[backend_extension(Flex)]
pub trait VsmlStateOps: Backend {
    /// See [`crate::vsml_read`].
    fn vsml_read(
        inputs: FloatTensor<Self>,
        labels: IntTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        read: FloatTensor<Self>,
        initial: FloatTensor<Self>,
        h: FloatTensor<Self>,
        c: FloatTensor<Self>,
        told: FloatTensor<Self>,
        net: VsmlNet,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// See [`crate::vsml_queries`].
    fn vsml_queries(
        queries: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        read: FloatTensor<Self>,
        initial: FloatTensor<Self>,
        h: FloatTensor<Self>,
        c: FloatTensor<Self>,
        told: FloatTensor<Self>,
        net: VsmlNet,
    ) -> FloatTensor<Self>;
}

impl VsmlStateOps for Flex {
    fn vsml_read(
        inputs: FlexTensor,
        labels: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        read: FlexTensor,
        initial: FlexTensor,
        h: FlexTensor,
        c: FlexTensor,
        told: FlexTensor,
        net: VsmlNet,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let floats = [inputs, weight, bias, read, initial].map(contiguous);
        let labels = indices("vsml_read: expected labels", labels, net.widths[net.widths.len() - 1]);
        let [mut h, mut c, mut told] = [h, c, told].map(|part| writable(contiguous(part)));
        let state = StateMut { h: values_mut(&mut h), c: values_mut(&mut c), n: values_mut(&mut told) };
        scan::read(values(&floats[0]), &labels, weights(&floats), state, sizes(&floats, &net));
        (h, c, told)
    }

    fn vsml_queries(
        queries: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        read: FlexTensor,
        initial: FlexTensor,
        h: FlexTensor,
        c: FlexTensor,
        told: FlexTensor,
        net: VsmlNet,
    ) -> FlexTensor {
        let floats = [queries, weight, bias, read, initial].map(contiguous);
        let [h, c, told] = [h, c, told].map(contiguous);
        let state = State { h: values(&h), c: values(&c), n: values(&told) };
        let [batch, queries, _]: [usize; 3] = floats[0].shape().dims();
        filled([batch, queries, net.widths[net.widths.len() - 1]].into(), |out| {
            scan::queries(values(&floats[0]), weights(&floats), state, out, sizes(&floats, &net));
        })
    }
}
