//! What the matrix-memory models share beyond [`gpicl_ops::matrix_memory`].

use burn::module::Module;
use burn::tensor::{Tensor, activation};
use gpicl_ops::{Activation, Precision};

use super::Initializer;
use super::layers::{LayerNorm, Linear};

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

/// Numbers in the matrices of a block: `heads x d_head x d_head`, whatever the context length.
pub fn matrices(d_model: usize, heads: usize) -> usize {
    d_model * d_model / heads
}
