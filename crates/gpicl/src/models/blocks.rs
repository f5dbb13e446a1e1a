//! Pre-LN residual blocks: what the Transformer and its relatives have in common.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Device, Int, Tensor};
use gpicl_ops::{Activation, Precision};

use super::layers::{FeedForward, LayerNorm, Linear};
use super::stack::{Layer, Stack, StackState};
use super::state::State;
use super::tokens::{TokenEmbedding, Tokens};
use super::{Architecture, Dims, Initializer, SequenceModel, at_least_one, heads_divide, weights_fit};
use crate::error::Result;

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
    /// What is done to an example to make a token of it.
    pub tokens: Tokens,
}

/// Declares the configuration of such a model: [`BlockSizes`], the initial relation of keys and queries, whether there
/// are positions unless it is said, a check of its own fields if there is one, and the fields that it alone has, with their
/// defaults.
macro_rules! block_config {
    (
        $(#[$doc:meta])* $name:ident { positions: $positions:literal $(, check: $check:ident)? }
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
            /// Norm that inputs are brought to, on average: they are multiplied by this over `sqrt(input_dim)`. If absent they stay
            /// as they are.
            pub input_norm: Option<f32>,
            /// Initial relation of keys and queries.
            pub qk_init: $crate::models::layers::QkInit,
            /// Learned positions or none.
            pub positions: bool,
            /// Standard deviation that learned positions begin with.
            pub position_std: f32,
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
                    input_norm: None,
                    qk_init: Default::default(),
                    positions: $positions,
                    position_std: $crate::models::tokens::POSITION_STD,
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
                self.sizes().validate()?;
                $(self.$check()?;)?
                $crate::models::tokens::check_position_std(self.positions, self.position_std)
            }

            fn sizes(&self) -> $crate::models::blocks::BlockSizes {
                let Self { d_model, layers, heads, d_ff, layout, label_scale, input_norm, .. } = *self;
                let position_std = self.positions.then_some(self.position_std);
                let tokens = $crate::models::tokens::Tokens { layout, label_scale, input_norm, position_std };
                $crate::models::blocks::BlockSizes { d_model, layers, heads, d_ff, tokens }
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
        let (d_model, d_ff) = (("d_model", self.d_model), ("d_ff", self.d_ff));
        weights_fit(self.layers, &[[d_model; 2], [d_model, d_ff]])?;
        heads_divide(self.heads, self.d_model)?;
        self.tokens.validate()
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
        let Self { d_model, layers, d_ff, tokens, .. } = self;
        let embedding = TokenEmbedding::new(dims, d_model, tokens, precision, init);
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

impl<M: Mixer> Layer for Block<M> {
    type State = M::State;

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let mixed = self.mixer.forward(self.norm.forward(x.clone()), x);
        self.feed_forward.forward(mixed)
    }

    fn empty(&self, batch: usize, device: &Device) -> M::State {
        self.mixer.empty(batch, device)
    }

    fn read(&self, x: Tensor<3>) -> (Tensor<3>, M::State) {
        let (mixed, state) = self.mixer.read(self.norm.forward(x.clone()), x);
        (self.feed_forward.forward(mixed), state)
    }

    fn answer(&self, state: &M::State, x: Tensor<3>) -> Tensor<3> {
        let mixed = self.mixer.answer(state, self.norm.forward(x.clone()), x);
        self.feed_forward.forward(mixed)
    }

    fn state_size(&self, examples: usize) -> usize {
        self.mixer.state_size(examples)
    }
}

impl<M: Mixer> Residual<M> {
    fn stack(&self) -> Stack<'_, Block<M>> {
        Stack { embedding: &self.embedding, layers: &self.blocks }
    }

    /// With a map of inputs that keeps their angles, if the model is as wide.
    pub fn with_orthogonal_inputs(self, init: &mut Initializer) -> Self {
        Self { embedding: self.embedding.orthogonal(init), ..self }
    }

    /// Logits of the outputs of the last block.
    fn predict(&self, x: Tensor<3>) -> Tensor<3> {
        self.head.forward(self.norm.forward(x), Activation::Identity)
    }
}

impl<M: Mixer> Architecture for Residual<M> {}

impl<M: Mixer> SequenceModel for Residual<M> {
    type State = StackState<M::State>;

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
