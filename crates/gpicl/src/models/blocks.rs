//! Pre-LN residual blocks: what the Transformer and its relatives have in common.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Device, Int, Tensor};
use gpicl_ops::{Activation, Precision};

use super::layers::{FeedForward, LayerNorm, Linear};
use super::state::{ContextEnd, State};
use super::tokens::{LabelScale, Layout, TokenEmbedding};
use super::{Dims, Initializer, SequenceModel, at_least_one};
use crate::error::{Error, Result};

/// The part of a block in which tokens learn of each other.
pub trait Mixer: Module + ModuleDisplay {
    /// What is left of the tokens of a context.
    type State: State;

    /// `residual + mix(x)`; all `[batch, tokens, d_model]`.
    fn forward(&self, x: Tensor<3>, residual: Tensor<3>) -> Tensor<3>;

    /// What is there before the first token.
    fn empty(&self, batch: usize, device: &Device) -> Self::State;

    /// As [`forward`](Self::forward) for the tokens of a context alone, and what is left of them.
    fn read(&self, x: Tensor<3>, residual: Tensor<3>) -> (Tensor<3>, Self::State);

    /// `residual + mix(x)` for queries that each stand alone after the context.
    fn answer(&self, state: &Self::State, x: Tensor<3>, residual: Tensor<3>) -> Tensor<3>;

    /// Its share of [`SequenceModel::state_size`].
    fn state_size(&self, examples: usize) -> usize;
}

/// The sizes and options that all such models have.
#[derive(Clone, Copy, Debug)]
pub struct BlockSizes {
    /// Width of the residual stream.
    pub d_model: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Heads of the mixer.
    pub heads: usize,
    /// Width of the feed-forward hidden layer.
    pub d_ff: usize,
    /// Where the labels stand.
    pub layout: Layout,
    /// Size of the one-hot label.
    pub label_scale: LabelScale,
    /// Learned positions or none.
    pub positions: bool,
}

/// Declares the configuration of such a model: [`BlockSizes`], the initial relation of keys and queries, whether there
/// are positions unless it is said, and the fields that it alone has, with their defaults.
macro_rules! block_config {
    (
        $(#[$doc:meta])* $name:ident { positions: $positions:literal }
        $($(#[$field_doc:meta])* $field:ident: $type:ty = $default:expr),* $(,)?
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            /// Width of the residual stream.
            pub d_model: usize,
            /// Number of blocks.
            pub layers: usize,
            /// Heads of a block; divides `d_model`.
            pub heads: usize,
            /// Width of the feed-forward hidden layer.
            pub d_ff: usize,
            /// Where the labels stand.
            pub layout: $crate::models::tokens::Layout,
            /// Size of the one-hot label.
            pub label_scale: $crate::models::tokens::LabelScale,
            /// Initial relation of keys and queries.
            pub qk_init: $crate::models::layers::QkInit,
            /// Learned positions or none.
            pub positions: bool,
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl Default for $name {
            /// The paper's setting at the size of its main experiments; positions only where nothing else has an order.
            fn default() -> Self {
                Self {
                    d_model: 256,
                    layers: 4,
                    heads: 8,
                    d_ff: 1024,
                    layout: $crate::models::tokens::Layout::Shifted,
                    label_scale: Default::default(),
                    qk_init: Default::default(),
                    positions: $positions,
                    $($field: $default,)*
                }
            }
        }

        impl $name {
            /// Checks the sizes against each other.
            ///
            /// # Errors
            /// [`crate::Error::Config`] naming the field.
            pub fn validate(&self) -> $crate::error::Result<()> {
                self.sizes().validate()
            }

            fn sizes(&self) -> $crate::models::blocks::BlockSizes {
                let Self { d_model, layers, heads, d_ff, layout, label_scale, positions, .. } = *self;
                $crate::models::blocks::BlockSizes { d_model, layers, heads, d_ff, layout, label_scale, positions }
            }
        }
    };
}
pub(super) use block_config;

impl BlockSizes {
    /// Checks the sizes against each other.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub fn validate(self) -> Result<()> {
        at_least_one(&[
            ("d_model", self.d_model),
            ("layers", self.layers),
            ("heads", self.heads),
            ("d_ff", self.d_ff),
        ])?;
        if !self.d_model.is_multiple_of(self.heads) {
            return Err(Error::config(
                "model.heads",
                format!("{} does not divide model.d_model = {}", self.heads, self.d_model),
                "choose a divisor of d_model",
            ));
        }
        self.label_scale.validate()
    }

    /// Scale of the initial weights that write to the residual stream. Each block adds to it twice; this keeps its
    /// variance independent of the depth.
    pub fn residual_scale(self) -> f32 {
        1.0 / ((2 * self.layers) as f32).sqrt()
    }

    /// Makes the model; `mixer` makes one block's.
    pub fn init<M: Mixer>(
        self,
        dims: Dims,
        precision: Precision,
        init: &mut Initializer,
        mixer: impl Fn(&mut Initializer) -> M,
    ) -> Residual<M> {
        let Self { d_model, layers, d_ff, layout, label_scale, positions, .. } = self;
        let embedding = TokenEmbedding::new(dims, d_model, layout, label_scale, positions, precision, init);
        let mut block = || Block {
            norm: LayerNorm::new(d_model, init),
            mixer: mixer(init),
            feed_forward: FeedForward::new(d_model, d_ff, self.residual_scale(), precision, init),
        };
        let blocks = (0..layers).map(|_| block()).collect();
        Residual {
            embedding,
            blocks,
            norm: LayerNorm::new(d_model, init),
            head: Linear::new(d_model, dims.classes, 1.0, Precision::Fp32, init),
        }
    }
}

/// Blocks over the tokens of one episode, a final layer norm and a linear head.
#[derive(Module, Debug)]
pub struct Residual<M: Module> {
    embedding: TokenEmbedding,
    blocks: Vec<Block<M>>,
    norm: LayerNorm,
    head: Linear,
}

/// `x + mix(LN(x))`, then `x + FF(LN(x))`.
#[derive(Module, Debug)]
pub struct Block<M: Module> {
    norm: LayerNorm,
    mixer: M,
    feed_forward: FeedForward,
}

/// What is left of a context: of every block, and for the query's token.
#[derive(Clone, Debug)]
pub struct ResidualState<S> {
    end: ContextEnd,
    blocks: Vec<S>,
}

impl<S: State> State for ResidualState<S> {
    fn size(&self) -> usize {
        self.end.size() + self.blocks.iter().map(S::size).sum::<usize>()
    }
}

impl<M: Mixer> Residual<M> {
    /// Logits of the outputs of the last block.
    fn predict(&self, x: Tensor<3>) -> Tensor<3> {
        self.head.forward(self.norm.forward(x), Activation::Identity)
    }
}

impl<M: Mixer> SequenceModel for Residual<M> {
    type State = ResidualState<M::State>;

    fn forward(&self, inputs: Tensor<3>, labels: Tensor<2, Int>) -> Tensor<3> {
        let mut x = self.embedding.forward(inputs, labels);
        for block in &self.blocks {
            let mixed = block.mixer.forward(block.norm.forward(x.clone()), x);
            x = block.feed_forward.forward(mixed);
        }
        self.predict(self.embedding.predictions(x))
    }

    fn read(&self, inputs: Tensor<3>, labels: Tensor<2, Int>) -> Self::State {
        let ([batch, _, _], device) = (inputs.dims(), inputs.device());
        let (tokens, end) = self.embedding.read(inputs, labels);
        let Some(mut x) = tokens else {
            let blocks = self.blocks.iter().map(|block| block.mixer.empty(batch, &device)).collect();
            return ResidualState { end, blocks };
        };
        let mut blocks = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            let (mixed, state) = block.mixer.read(block.norm.forward(x.clone()), x);
            blocks.push(state);
            x = block.feed_forward.forward(mixed);
        }
        ResidualState { end, blocks }
    }

    fn answer(&self, state: &Self::State, queries: Tensor<3>) -> Tensor<3> {
        let mut x = self.embedding.answer(&state.end, queries);
        for (block, state) in self.blocks.iter().zip(&state.blocks) {
            let mixed = block.mixer.answer(state, block.norm.forward(x.clone()), x);
            x = block.feed_forward.forward(mixed);
        }
        self.predict(x)
    }

    fn state_size(&self, examples: usize) -> usize {
        let blocks: usize = self.blocks.iter().map(|block| block.mixer.state_size(examples)).sum();
        self.embedding.state_size(examples) + blocks
    }
}
