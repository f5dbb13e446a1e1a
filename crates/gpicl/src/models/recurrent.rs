//! Recurrent learners: a stack of cells whose state is a vector, with a linear head.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Int, Tensor};
use gpicl_ops::{Activation, Precision};
use serde::{Deserialize, Serialize};

use super::layers::Linear;
use super::stack::{Layer, Stack, StackState};
use super::tokens::{LabelScale, Layout, TokenEmbedding, Tokens};
use super::{Architecture, Dims, Initializer, SequenceModel, at_least_one, weights_fit};
use crate::error::Result;

/// A layer whose tokens carry a vector on.
pub trait Cell: Layer + Module + ModuleDisplay {
    /// A layer of `hidden` units that reads `hidden` numbers a token.
    fn new(hidden: usize, layout: Layout, precision: Precision, init: &mut Initializer) -> Self;
}

/// Sizes and options of a [`Recurrent`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecurrentConfig {
    /// Units of a layer, and the width of the tokens.
    pub hidden: usize,
    /// Number of layers.
    pub layers: usize,
    /// Where the labels stand.
    pub layout: Layout,
    /// Size of the one-hot label.
    pub label_scale: LabelScale,
    /// Learned positions or none: a recurrence counts for itself.
    pub positions: bool,
}

impl Default for RecurrentConfig {
    /// Two layers about as wide as the Transformer's.
    fn default() -> Self {
        Self {
            hidden: 256,
            layers: 2,
            layout: Layout::Shifted,
            label_scale: LabelScale::default(),
            positions: false,
        }
    }
}

impl RecurrentConfig {
    /// Checks the sizes.
    ///
    /// # Errors
    /// [`crate::Error::Config`] naming the field.
    pub fn validate(&self) -> Result<()> {
        at_least_one(&[("hidden", self.hidden), ("layers", self.layers)])?;
        weights_fit(self.layers, &[[("hidden", self.hidden); 2]])?;
        self.label_scale.validate()
    }

    pub(super) fn init<C: Cell>(
        &self,
        dims: Dims,
        precision: Precision,
        init: &mut Initializer,
    ) -> Recurrent<C> {
        let Self { hidden, layers, layout, label_scale, positions } = *self;
        let tokens = Tokens::plain(layout, label_scale, positions);
        Recurrent {
            embedding: TokenEmbedding::new(dims, hidden, tokens, precision, init),
            layers: (0..layers).map(|_| C::new(hidden, layout, precision, init)).collect(),
            head: Linear::new(hidden, dims.classes, 1.0, Precision::Fp32, init),
        }
    }
}

/// Cells over the tokens of one episode.
#[derive(Module, Debug)]
pub struct Recurrent<C: Module> {
    embedding: TokenEmbedding,
    layers: Vec<C>,
    head: Linear,
}

impl<C: Cell> Recurrent<C> {
    fn stack(&self) -> Stack<'_, C> {
        Stack { embedding: &self.embedding, layers: &self.layers }
    }

    /// Logits of the outputs of the last layer.
    fn predict(&self, x: Tensor<3>) -> Tensor<3> {
        self.head.forward(x, Activation::Identity)
    }
}

impl<C: Cell> Architecture for Recurrent<C> {}

impl<C: Cell> SequenceModel for Recurrent<C> {
    type State = StackState<C::State>;

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
