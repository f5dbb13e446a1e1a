//! What the matrix-memory models share around [`gpicl_ops::matrix_memory`].

use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Device, Tensor, activation};
use gpicl_ops::{Activation, MatrixMemory, MemoryTokens, Precision};

use super::Initializer;
use super::blocks::Mixer;
use super::layers::{LayerNorm, Linear};
use super::state::State;
use super::tokens::Layout;

/// `log sigmoid` of an affine map, one number a head: the decay of its memory before a token.
#[derive(Module, Debug)]
pub struct Forget {
    gate: Linear,
}

impl Forget {
    /// At first a memory keeps `sigmoid(5) = 0.993` of itself a token, about half over an episode of 100.
    const BIAS: f32 = 5.0;

    /// Weights `N(0, 1 / d_model)`.
    pub fn new(d_model: usize, heads: usize, precision: Precision, init: &mut Initializer) -> Self {
        Self { gate: Linear::new(d_model, heads, 1.0, precision, init).with_bias(Self::BIAS, init) }
    }

    /// `[batch, tokens, d_model]` to `[batch, tokens, heads]`, below 0.
    pub fn log_decay(&self, x: Tensor<3>) -> Tensor<3> {
        activation::log_sigmoid(self.gate.forward(x, Activation::Identity))
    }
}

/// Layer normalisation of every head's read: its length tells how much was written, not what.
#[derive(Module, Debug)]
pub struct HeadNorm {
    norm: LayerNorm,
    heads: usize,
}

impl HeadNorm {
    /// Gain one and offset zero, shared by the heads.
    pub fn new(d_model: usize, heads: usize, init: &Initializer) -> Self {
        Self { norm: LayerNorm::new(d_model / heads, init), heads }
    }

    /// Same shape as `x`: `[batch, tokens, d_model]`, heads side by side.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, tokens, d_model] = x.dims();
        let heads = x.reshape([batch, tokens, self.heads, d_model / self.heads]);
        self.norm.forward(heads).reshape([batch, tokens, d_model])
    }
}

/// A mixer whose tokens write to matrix memories and read from them.
pub trait MemoryMixer: Module + ModuleDisplay {
    /// How the memories are written to and read.
    fn memory(&self) -> MatrixMemory;

    /// Width of the residual stream: of all heads' keys, and of their values.
    fn d_model(&self) -> usize;

    /// What tokens `x` `[batch, tokens, d_model]` read, write and forget.
    fn tokens(&self, x: Tensor<3>) -> MemoryTokens;

    /// `residual +` a map of what the tokens `x` read; all `[batch, tokens, d_model]`.
    fn finish(&self, read: Tensor<3>, x: Tensor<3>, residual: Tensor<3>) -> Tensor<3>;
}

/// The memories after a context, `[batch, heads, d_key, d_value]`; with a normaliser a column more.
#[derive(Clone, Debug)]
pub struct Matrices(Tensor<4>);

impl State for Matrices {
    fn size(&self) -> usize {
        self.0.dims()[1..].iter().product()
    }
}

impl<M: MemoryMixer> Mixer for M {
    type State = Matrices;

    fn forward(&self, x: Tensor<3>, residual: Tensor<3>) -> Tensor<3> {
        let read = gpicl_ops::matrix_memory(self.tokens(x.clone()), self.memory());
        self.finish(read, x, residual)
    }

    fn empty(&self, batch: usize, device: &Device) -> Matrices {
        let MatrixMemory { heads, normaliser, .. } = self.memory();
        let d_head = self.d_model() / heads;
        let columns = d_head + usize::from(normaliser.is_some());
        Matrices(Tensor::zeros([batch, heads, d_head, columns], device))
    }

    fn read(&self, x: Tensor<3>, residual: Tensor<3>) -> (Tensor<3>, Matrices) {
        // Without queries, all tokens write one after another in both layouts.
        let memory = MatrixMemory { layout: Layout::Shifted, ..self.memory() };
        let (read, state) = gpicl_ops::matrix_memory_with_state(self.tokens(x.clone()), memory);
        (self.finish(read, x, residual), Matrices(state))
    }

    fn answer(&self, state: &Matrices, x: Tensor<3>, residual: Tensor<3>) -> Tensor<3> {
        let tokens = self.tokens(x.clone());
        let read = gpicl_ops::matrix_memory_queries(tokens, state.0.clone(), self.memory());
        self.finish(read, x, residual)
    }

    /// The matrices: `heads x d_head x d_head` a layer, with a normaliser `d_head + 1` columns, whatever the context
    /// length.
    fn state_size(&self, _examples: usize) -> usize {
        let (MatrixMemory { heads, normaliser, .. }, d_model) = (self.memory(), self.d_model());
        d_model * (d_model / heads) + if normaliser.is_some() { d_model } else { 0 }
    }
}
