//! Stacked gated recurrent units: a recurrent learner with half the LSTM's state.

use burn::module::Module;
use burn::tensor::{Int, Tensor};
use gpicl_ops::{Activation, Precision, TokenLayout};
use serde::{Deserialize, Serialize};

use super::layers::Linear;
use super::tokens::{LabelScale, Layout, TokenEmbedding};
use super::{Dims, Initializer, SequenceModel, at_least_one};
use crate::error::Result;

/// Sizes and options of a [`Gru`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GruConfig {
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

impl Default for GruConfig {
    /// The sizes of the LSTM.
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

impl GruConfig {
    /// Checks the sizes.
    ///
    /// # Errors
    /// [`crate::Error::Config`] naming the field.
    pub fn validate(&self) -> Result<()> {
        at_least_one(&[("hidden", self.hidden), ("layers", self.layers)])?;
        self.label_scale.validate()
    }

    pub(super) fn init(&self, dims: Dims, precision: Precision, init: &mut Initializer) -> Gru {
        let embedding = TokenEmbedding::new(
            dims,
            self.hidden,
            self.layout,
            self.label_scale,
            self.positions,
            precision,
            init,
        );
        let layers = (0..self.layers).map(|_| GruLayer::new(self.hidden, self.layout, precision, init));
        Gru {
            embedding,
            layers: layers.collect(),
            head: Linear::new(self.hidden, dims.classes, 1.0, Precision::Fp32, init),
        }
    }
}

/// Gated recurrent units over the tokens of one episode.
#[derive(Module, Debug)]
pub struct Gru {
    embedding: TokenEmbedding,
    layers: Vec<GruLayer>,
    head: Linear,
}

/// One layer: the input's share of the gates for all tokens at once, then the scan.
#[derive(Module, Debug)]
pub struct GruLayer {
    input: Linear,
    /// `[hidden, 3 * hidden]` and `[3 * hidden]`; the reset gate lets the bias of the candidate through as well.
    recurrent: Linear,
    #[module(skip)]
    layout: TokenLayout,
    #[module(skip)]
    precision: Precision,
}

impl GruLayer {
    /// Weights `N(0, 1 / hidden)`, biases zero.
    fn new(hidden: usize, layout: TokenLayout, precision: Precision, init: &mut Initializer) -> Self {
        Self {
            input: Linear::new(hidden, 3 * hidden, 1.0, precision, init),
            recurrent: Linear::new(hidden, 3 * hidden, 1.0, precision, init),
            layout,
            precision,
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let gates = self.input.forward(x, Activation::Identity);
        let Linear { weight, bias, .. } = &self.recurrent;
        gpicl_ops::gru(gates, weight.val(), bias.val(), self.layout, self.precision)
    }
}

impl SequenceModel for Gru {
    fn forward(&self, inputs: Tensor<3>, labels: Tensor<2, Int>) -> Tensor<3> {
        let tokens = self.embedding.forward(inputs, labels);
        let x = self.layers.iter().fold(tokens, |x, layer| layer.forward(x));
        self.head.forward(self.embedding.predictions(x), Activation::Identity)
    }

    /// The output of every layer: `layers x hidden`, however long the context.
    fn state_size(&self, _time: usize) -> usize {
        self.layers.iter().map(|layer| layer.recurrent.weight.dims()[0]).sum()
    }
}
