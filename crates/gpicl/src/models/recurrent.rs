//! Recurrent learners: a stack of cells whose state is a vector, with a linear head.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Device, Int, Tensor};
use gpicl_ops::{Activation, Precision};
use serde::{Deserialize, Serialize};

use super::layers::Linear;
use super::state::{ContextEnd, State};
use super::tokens::{LabelScale, Layout, TokenEmbedding};
use super::{Dims, Initializer, SequenceModel, at_least_one};
use crate::error::Result;

/// One layer over all tokens of the episodes.
pub trait Cell: Module + ModuleDisplay {
    /// What is left of the tokens it has read.
    type State: State;

    /// A layer of `hidden` units that reads `hidden` numbers a token.
    fn new(hidden: usize, layout: Layout, precision: Precision, init: &mut Initializer) -> Self;

    /// `[batch, tokens, hidden]` to the same shape.
    fn forward(&self, x: Tensor<3>) -> Tensor<3>;

    /// What is left of none of `batch` episodes' tokens.
    fn empty(&self, batch: usize, device: &Device) -> Self::State;

    /// What [`Self::forward`] gives for the tokens of a context alone, `[batch, examples, hidden]`, and what is left of them.
    fn read(&self, x: Tensor<3>) -> (Tensor<3>, Self::State);

    /// What [`Self::forward`] gives for tokens that each stand alone after the context, `[batch, queries, hidden]`.
    fn answer(&self, state: &Self::State, x: Tensor<3>) -> Tensor<3>;

    /// Its share of [`SequenceModel::state_size`].
    fn state_size(&self) -> usize;
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
        self.label_scale.validate()
    }

    pub(super) fn init<C: Cell>(
        &self,
        dims: Dims,
        precision: Precision,
        init: &mut Initializer,
    ) -> Recurrent<C> {
        let Self { hidden, layers, layout, label_scale, positions } = *self;
        Recurrent {
            embedding: TokenEmbedding::new(dims, hidden, layout, label_scale, positions, precision, init),
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

/// What is left of a context: of every layer, and for the query's token.
#[derive(Clone, Debug)]
pub struct RecurrentState<S> {
    end: ContextEnd,
    layers: Vec<S>,
}

impl<S: State> State for RecurrentState<S> {
    fn size(&self) -> usize {
        self.end.size() + self.layers.iter().map(S::size).sum::<usize>()
    }
}

impl<C: Cell> SequenceModel for Recurrent<C> {
    type State = RecurrentState<C::State>;

    fn forward(&self, inputs: Tensor<3>, labels: Tensor<2, Int>) -> Tensor<3> {
        let tokens = self.embedding.forward(inputs, labels);
        let x = self.layers.iter().fold(tokens, |x, layer| layer.forward(x));
        self.head.forward(self.embedding.predictions(x), Activation::Identity)
    }

    fn read(&self, inputs: Tensor<3>, labels: Tensor<2, Int>) -> Self::State {
        let ([batch, _, _], device) = (inputs.dims(), inputs.device());
        let (tokens, end) = self.embedding.read(inputs, labels);
        let Some(mut x) = tokens else {
            let layers = self.layers.iter().map(|layer| layer.empty(batch, &device)).collect();
            return RecurrentState { end, layers };
        };
        let mut layers = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            let (out, state) = layer.read(x);
            layers.push(state);
            x = out;
        }
        RecurrentState { end, layers }
    }

    fn answer(&self, state: &Self::State, queries: Tensor<3>) -> Tensor<3> {
        let tokens = self.embedding.answer(&state.end, queries);
        let layers = self.layers.iter().zip(&state.layers);
        let x = layers.fold(tokens, |x, (layer, state)| layer.answer(state, x));
        self.head.forward(x, Activation::Identity)
    }

    fn state_size(&self, examples: usize) -> usize {
        self.embedding.state_size(examples) + self.layers.iter().map(C::state_size).sum::<usize>()
    }
}
