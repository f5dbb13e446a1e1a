//! The outer-product LSTM: a recurrent network whose state is as large as a matrix per head.
//!
//! Pre-LN blocks `x + scan(LN(x) W + b)` over the tokens, where `scan` is [`gpicl_ops::outer_product_lstm`], then a
//! layer norm and a linear head. What a token carries on is the memory: `heads` matrices `[size, size]` a layer.

use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor};
use gpicl_ops::{Activation, OuterProductState, Precision};
use serde::{Deserialize, Serialize};

use super::layers::{LayerNorm, Linear, QkInit};
use super::stack::{Layer, Stack, StackState};
use super::state::State;
use super::tokens::{LabelScale, Layout, TokenEmbedding, Tokens};
use super::{Architecture, Dims, Initializer, SequenceModel, at_least_one, weights_fit};
use crate::error::{Error, Result};

/// Sizes and options of an [`OuterProductLstm`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OuterProductLstmConfig {
    /// Rows and columns of a head's memory.
    pub size: usize,
    /// Memories of a layer; the residual stream is `heads * size` wide.
    pub heads: usize,
    /// Number of layers.
    pub layers: usize,
    /// Where the labels stand.
    pub layout: Layout,
    /// Size of the one-hot label.
    pub label_scale: LabelScale,
    /// Initial relation of what a memory is read with to what it is written with. Equal: the weights of a query start
    /// as a copy of those of the value's factor down the rows, so that a token first finds what tokens like itself
    /// wrote.
    pub qk_init: QkInit,
    /// What forget gates are the sigmoid of at the start of meta-training, at least 1: memories last about `e^forget`
    /// tokens.
    pub forget: f32,
    /// Learned positions or none.
    pub positions: bool,
}

impl Default for OuterProductLstmConfig {
    fn default() -> Self {
        Self {
            size: 32,
            heads: 4,
            layers: 2,
            layout: Layout::Shifted,
            label_scale: LabelScale::default(),
            qk_init: QkInit::Independent,
            forget: 5.0,
            positions: false,
        }
    }
}

impl OuterProductLstmConfig {
    /// Checks the sizes.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub fn validate(&self) -> Result<()> {
        at_least_one(&[("size", self.size), ("heads", self.heads), ("layers", self.layers)])?;
        let width = self.heads.saturating_mul(self.size);
        let field = if self.heads > self.size { "heads" } else { "size" };
        weights_fit(self.layers, &[[(field, width); 2]])?;
        self.label_scale.validate()?;
        if !(self.forget.is_finite() && self.forget >= 1.0) {
            return Err(Error::config("model.forget", format!("is {}", self.forget), "give at least 1"));
        }
        Ok(())
    }

    pub(super) fn init(&self, dims: Dims, precision: Precision, init: &mut Initializer) -> OuterProductLstm {
        let width = self.heads * self.size;
        let tokens = Tokens::plain(self.layout, self.label_scale, self.positions);
        OuterProductLstm {
            embedding: TokenEmbedding::new(dims, width, tokens, precision, init),
            blocks: (0..self.layers).map(|_| self.init_block(precision, init)).collect(),
            norm: LayerNorm::new(width, init),
            head: Linear::new(width, dims.classes, 1.0, Precision::Fp32, init),
        }
    }

    /// Everything `N(0, 1/fan_in)` but what would saturate or forget: a read-out is a sum over all that was written, so
    /// values start small; and forget gates start at `sigmoid(forget)`, almost the same for all tokens.
    fn init_block(&self, precision: Precision, init: &mut Initializer) -> Block {
        let (width, size) = (self.heads * self.size, self.size);
        // The parts of a head's gates: factors of input gate, value and forget gate down the rows, then along the
        // columns; query; output gate.
        let mut weight = init.normal(width * 8 * width, 1.0 / (width as f32).sqrt());
        let mut bias = vec![0.0; 8 * width];
        for head in weight.chunks_exact_mut(8 * size) {
            if self.qk_init == QkInit::Equal {
                head.copy_within(size..2 * size, 6 * size);
            }
            for (part, scale) in [(2, FORGET_SCALE), (4, VALUE_SCALE), (5, FORGET_SCALE)] {
                head[part * size..][..size].iter_mut().for_each(|weight| *weight *= scale);
            }
        }
        for head in bias.chunks_exact_mut(8 * size) {
            // The scan adds one to the product of both factors.
            let factor = (self.forget - 1.0).sqrt();
            for part in [2, 5] {
                head[part * size..][..size].fill(factor);
            }
        }
        let weight = init.param(weight, [width, 8 * width]);
        let mut gates = Linear::from_weight(weight, precision, init);
        gates.bias = init.param(bias, [8 * width]);
        Block {
            norm: LayerNorm::new(width, init),
            gates,
            recurrent: init.weight(width, 8 * width, RECURRENT_SCALE),
            heads: self.heads,
            layout: self.layout,
            precision,
        }
    }
}

/// Of the initial weights, beside `1/sqrt(fan_in)`.
const RECURRENT_SCALE: f32 = 0.1;
const FORGET_SCALE: f32 = 0.25;
const VALUE_SCALE: f32 = 0.1;

/// Outer-product LSTM over the tokens of one episode.
#[derive(Module, Debug)]
pub struct OuterProductLstm {
    embedding: TokenEmbedding,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
}

/// `x + scan(LN(x) W + b)`.
#[derive(Module, Debug)]
pub struct Block {
    norm: LayerNorm,
    gates: Linear,
    /// `[heads * size, heads * 8 * size]`.
    recurrent: Param<Tensor<2>>,
    heads: usize,
    #[module(skip)]
    layout: Layout,
    #[module(skip)]
    precision: Precision,
}

impl Block {
    /// The inputs' share of the gates of tokens `x`.
    fn gates(&self, x: Tensor<3>) -> Tensor<3> {
        self.gates.forward(self.norm.forward(x), Activation::Identity)
    }
}

impl State for OuterProductState {
    /// The memories and the last output.
    fn size(&self) -> usize {
        self.h.dims()[1] + self.memory.dims()[1..].iter().product::<usize>()
    }
}

impl Layer for Block {
    type State = OuterProductState;

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let (gates, recurrent) = (self.gates(x.clone()), self.recurrent.val());
        x + gpicl_ops::outer_product_lstm(gates, recurrent, self.heads, self.layout, self.precision)
    }

    fn empty(&self, batch: usize, device: &Device) -> OuterProductState {
        OuterProductState::start(batch, self.heads, self.recurrent.dims()[0] / self.heads, device)
    }

    fn read(&self, x: Tensor<3>) -> (Tensor<3>, OuterProductState) {
        let start = self.empty(x.dims()[0], &x.device());
        let (gates, recurrent) = (self.gates(x.clone()), self.recurrent.val());
        let (out, state) =
            gpicl_ops::outer_product_lstm_with_state(gates, recurrent, start, self.heads, self.precision);
        (x + out, state)
    }

    fn answer(&self, state: &OuterProductState, x: Tensor<3>) -> Tensor<3> {
        let (gates, recurrent) = (self.gates(x.clone()), self.recurrent.val());
        let state = state.clone();
        x + gpicl_ops::outer_product_lstm_queries(gates, recurrent, state, self.heads, self.precision)
    }

    /// The memories and the last output: `heads size^2 + heads size`, however long the context.
    fn state_size(&self, _examples: usize) -> usize {
        let [width, _] = self.recurrent.dims();
        width * (width / self.heads) + width
    }
}

impl OuterProductLstm {
    fn stack(&self) -> Stack<'_, Block> {
        Stack { embedding: &self.embedding, layers: &self.blocks }
    }

    /// Logits of the outputs of the last block.
    fn predict(&self, x: Tensor<3>) -> Tensor<3> {
        self.head.forward(self.norm.forward(x), Activation::Identity)
    }
}

impl Architecture for OuterProductLstm {}

impl SequenceModel for OuterProductLstm {
    type State = StackState<OuterProductState>;

    fn forward(&self, inputs: Tensor<3>, labels: Tensor<2, Int>) -> Tensor<3> {
        self.predict(self.stack().forward(inputs, labels))
    }

    fn read(&self, inputs: Tensor<3>, labels: Tensor<2, Int>) -> Self::State {
        self.stack().read(inputs, labels)
    }

    fn answer(&self, state: &Self::State, queries: Tensor<3>) -> Tensor<3> {
        self.predict(self.stack().answer(state, queries))
    }

    fn state_size(&self, examples: usize) -> usize {
        self.stack().state_size(examples)
    }
}
