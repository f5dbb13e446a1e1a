//! The native version and its gradients.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Flex, TensorMetadata, backend_extension};

use crate::MatrixMemory;
use crate::cpu::buffer::Buffer;
use crate::cpu::matrix_memory::{self, Sizes, Tokens, TokensMut};
use crate::op::native::{contiguous, tensor, values};

/// What is no tensor: the memory, and whether it decays.
pub type Settings = (MatrixMemory, bool);

/// Matrix memories as a backend's operation.
#[backend_extension(Autodiff, Flex)]
pub trait MatrixMemoryOps: Backend {
    /// See [`crate::matrix_memory`].
    fn matrix_memory(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        write: FloatTensor<Self>,
        log_decay: FloatTensor<Self>,
        settings: Settings,
    ) -> FloatTensor<Self>;
}

impl MatrixMemoryOps for Flex {
    fn matrix_memory(
        query: FlexTensor,
        key: FlexTensor,
        value: FlexTensor,
        write: FlexTensor,
        log_decay: FlexTensor,
        settings: Settings,
    ) -> FlexTensor {
        remember([query, key, value, write, log_decay].map(contiguous), settings).out
    }
}

impl<C: CheckpointStrategy> MatrixMemoryOps for Autodiff<Flex, C> {
    fn matrix_memory(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        write: FloatTensor<Self>,
        log_decay: FloatTensor<Self>,
        settings: Settings,
    ) -> FloatTensor<Self> {
        let [query, key, value, write, log_decay] =
            [query, key, value, write, log_decay].map(|tensor| tensor.into_parts());
        let nodes = [query.1, key.1, value.1, write.1, log_decay.1];
        let tokens = [query.0, key.0, value.0, write.0, log_decay.0].map(contiguous);
        let saved = remember(tokens, settings);
        let out = saved.out.clone();
        match Remember.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(saved, out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }
}

#[derive(Debug)]
struct Remember;

/// What the gradients need of the forward pass; states are `[batch, heads, chunks, d_key, width]`, sums of weights
/// `[batch, heads, tokens]`.
#[derive(Clone, Debug)]
struct Saved {
    tokens: [FlexTensor; 5],
    out: FlexTensor,
    states: FlexTensor,
    weight_sums: FlexTensor,
    settings: Settings,
}

impl Backward<Flex, 5> for Remember {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 5>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dout = contiguous(grads.consume::<Flex>(&ops.node));
        let Saved { tokens, out, states, weight_sums, settings } = ops.state;
        let saved = matrix_memory::Saved {
            tokens: slices(&tokens),
            out: values(&out),
            states: values(&states),
            weight_sums: values(&weight_sums),
        };
        let mut gradients = tokens.each_ref().map(|tokens| Buffer::stale(tokens.shape().num_elements()));
        let [query, key, value, write, log_decay] = &mut gradients;
        let into = TokensMut { query, key, value, write, log_decay };
        matrix_memory::backward(saved, values(&dout), into, sizes(&tokens, settings));
        for ((parent, gradient), tokens) in ops.parents.into_iter().zip(gradients).zip(&tokens) {
            if let Some(parent) = parent {
                grads.register::<Flex>(parent.id, tensor(gradient, tokens.shape()));
            }
        }
    }
}

/// The tokens' values.
pub fn slices(tokens: &[FlexTensor; 5]) -> Tokens<'_> {
    let [query, key, value, write, log_decay] = tokens.each_ref().map(values);
    Tokens { query, key, value, write, log_decay }
}

/// The sizes that the tokens have, for their gradient.
pub fn sizes(tokens: &[FlexTensor; 5], (memory, decays): Settings) -> Sizes {
    let [query, _, value, ..] = tokens;
    let MatrixMemory { heads, rule, layout, normaliser } = memory;
    let [_, tokens, keys]: [usize; 3] = query.shape().dims();
    let [_, _, values]: [usize; 3] = value.shape().dims();
    Sizes {
        tokens,
        heads,
        d_key: keys / heads,
        d_value: values / heads,
        rule,
        layout,
        normaliser,
        decays,
        last: false,
    }
}

fn remember(tokens: [FlexTensor; 5], settings: Settings) -> Saved {
    let sizes = sizes(&tokens, settings);
    let shape = tokens[2].shape();
    let sequences = shape[0];
    let mut out = Buffer::stale(shape.num_elements());
    let mut states = Buffer::stale(sequences * sizes.states());
    let mut weight_sums = Buffer::stale(sequences * sizes.heads * sizes.tokens);
    matrix_memory::forward(slices(&tokens), &mut out, &mut states, &mut weight_sums, sizes);
    let flat = |buffer: Buffer| {
        let len = buffer.len();
        tensor(buffer, [len].into())
    };
    Saved { out: tensor(out, shape), states: flat(states), weight_sums: flat(weight_sums), tokens, settings }
}
