//! The native versions that leave a state and that read one; they have no gradient.

use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Flex, TensorMetadata, backend_extension};

use super::native::{Settings, sizes, slices};
use crate::cpu::buffer::Buffer;
use crate::cpu::matrix_memory::{self, Sizes};
use crate::op::native::{contiguous, filled, tensor, values};

/// The states of matrix memories as a backend's operations.
#[backend_extension(Flex)]
pub trait MatrixStateOps: Backend {
    /// See [`crate::matrix_memory_with_state`].
    fn matrix_memory_with_state(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        write: FloatTensor<Self>,
        log_decay: FloatTensor<Self>,
        settings: Settings,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// See [`crate::matrix_memory_queries`].
    fn matrix_memory_queries(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        write: FloatTensor<Self>,
        log_decay: FloatTensor<Self>,
        state: FloatTensor<Self>,
        settings: Settings,
    ) -> FloatTensor<Self>;
}

impl MatrixStateOps for Flex {
    fn matrix_memory_with_state(
        query: FlexTensor,
        key: FlexTensor,
        value: FlexTensor,
        write: FlexTensor,
        log_decay: FlexTensor,
        settings: Settings,
    ) -> (FlexTensor, FlexTensor) {
        let tokens = [query, key, value, write, log_decay].map(contiguous);
        let sizes = Sizes { last: true, ..sizes(&tokens, settings) };
        let shape = tokens[2].shape();
        let sequences = shape[0];
        let mut states = Buffer::stale(sequences * sizes.states());
        let mut weight_sums = Buffer::stale(sequences * sizes.heads * sizes.tokens);
        let read = filled(shape, |out| {
            matrix_memory::forward(slices(&tokens), out, &mut states, &mut weight_sums, sizes);
        });
        let state = [sequences, sizes.heads, sizes.d_key, sizes.width()];
        let mut last = Buffer::stale(state.iter().product());
        let each = states.len() / (sequences * sizes.heads);
        let lasts = last.chunks_exact_mut(each / sizes.saved());
        for (last, states) in lasts.zip(states.chunks_exact(each)) {
            last.copy_from_slice(&states[each - last.len()..]);
        }
        (read, tensor(last, state.into()))
    }

    fn matrix_memory_queries(
        query: FlexTensor,
        key: FlexTensor,
        value: FlexTensor,
        write: FlexTensor,
        log_decay: FlexTensor,
        state: FlexTensor,
        settings: Settings,
    ) -> FlexTensor {
        let tokens = [query, key, value, write, log_decay].map(contiguous);
        let (state, sizes) = (contiguous(state), sizes(&tokens, settings));
        filled(tokens[2].shape(), |out| {
            matrix_memory::queries(slices(&tokens), values(&state), out, sizes);
        })
    }
}
