//! Stacks of layers over the tokens of an episode: what learners of blocks and of cells have in common.

use burn::tensor::{Device, Int, Tensor};

use super::check;
use super::state::{ContextEnd, State};
use super::tokens::TokenEmbedding;

/// One layer over all tokens of the episodes, `[batch, tokens, width]` to the same shape.
pub trait Layer {
    /// What is left of the tokens of a context.
    type State: State;

    /// Every token's output.
    fn forward(&self, x: Tensor<3>) -> Tensor<3>;

    /// What is there before the first token of `batch` episodes.
    fn empty(&self, batch: usize, device: &Device) -> Self::State;

    /// As [`forward`](Self::forward) for the tokens of a context alone, and what is left of them.
    fn read(&self, x: Tensor<3>) -> (Tensor<3>, Self::State);

    /// As [`forward`](Self::forward) for tokens that each stand alone after the context.
    fn answer(&self, state: &Self::State, x: Tensor<3>) -> Tensor<3>;

    /// Its share of [`super::SequenceModel::state_size`].
    fn state_size(&self, examples: usize) -> usize;
}

/// A model up to its head: tokens, and the layers that they go through.
#[derive(Debug)]
pub struct Stack<'a, L> {
    /// Makes the tokens.
    pub embedding: &'a TokenEmbedding,
    /// From first to last.
    pub layers: &'a [L],
}

/// What is left of a context: of every layer, and for the query's token.
#[derive(Clone, Debug)]
pub struct StackState<S> {
    end: ContextEnd,
    layers: Vec<S>,
}

impl<S: State> State for StackState<S> {
    fn size(&self) -> usize {
        self.end.size() + self.layers.iter().map(S::size).sum::<usize>()
    }
}

impl<L: Layer> Stack<'_, L> {
    /// The last layer's outputs that predict, `[batch, time, width]`; see [`super::SequenceModel::forward`].
    pub fn forward(&self, inputs: Tensor<3>, labels: Tensor<2, Int>) -> Tensor<3> {
        let tokens = self.embedding.forward(inputs, labels);
        let x = self.layers.iter().fold(tokens, |x, layer| layer.forward(x));
        self.embedding.predictions(x)
    }

    /// See [`super::SequenceModel::read`].
    pub fn read(&self, inputs: Tensor<3>, labels: Tensor<2, Int>) -> StackState<L::State> {
        let ([batch, _, _], device) = (inputs.dims(), inputs.device());
        let (tokens, end) = self.embedding.read(inputs, labels);
        let Some(mut x) = tokens else {
            let layers = self.layers.iter().map(|layer| layer.empty(batch, &device)).collect();
            return StackState { end, layers };
        };
        let mut layers = Vec::with_capacity(self.layers.len());
        for layer in self.layers {
            let (out, state) = layer.read(x);
            layers.push(state);
            x = out;
        }
        StackState { end, layers }
    }

    /// The last layer's outputs for queries, `[batch, queries, width]`; see [`super::SequenceModel::answer`].
    pub fn answer(&self, state: &StackState<L::State>, queries: Tensor<3>) -> Tensor<3> {
        check::same("answer: layers of the state", self.layers.len(), state.layers.len());
        let tokens = self.embedding.answer(&state.end, queries);
        let layers = self.layers.iter().zip(&state.layers);
        layers.fold(tokens, |x, (layer, state)| layer.answer(state, x))
    }

    /// See [`super::SequenceModel::state_size`].
    pub fn state_size(&self, examples: usize) -> usize {
        let layers: usize = self.layers.iter().map(|layer| layer.state_size(examples)).sum();
        self.embedding.state_size(examples) + layers
    }
}
