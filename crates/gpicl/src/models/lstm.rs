//! The recurrent learner of the paper's comparison: stacked long short-term memory.

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};
use gpicl_ops::{Activation, Precision, TokenLayout};
use serde::{Deserialize, Serialize};

use super::layers::Linear;
use super::tokens::{LabelScale, Layout, TokenEmbedding};
use super::{Dims, Initializer, SequenceModel, at_least_one};
use crate::error::Result;

/// Sizes and options of an [`Lstm`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LstmConfig {
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

impl Default for LstmConfig {
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

impl LstmConfig {
    /// Checks the sizes.
    ///
    /// # Errors
    /// [`crate::Error::Config`] naming the field.
    pub fn validate(&self) -> Result<()> {
        at_least_one(&[("hidden", self.hidden), ("layers", self.layers)])?;
        self.label_scale.validate()
    }

    pub(super) fn init(&self, dims: Dims, precision: Precision, init: &mut Initializer) -> Lstm {
        let embedding = TokenEmbedding::new(
            dims,
            self.hidden,
            self.layout,
            self.label_scale,
            self.positions,
            precision,
            init,
        );
        let layers = (0..self.layers).map(|_| LstmLayer::new(self.hidden, self.layout, precision, init));
        Lstm {
            embedding,
            layers: layers.collect(),
            head: Linear::new(self.hidden, dims.classes, 1.0, Precision::Fp32, init),
        }
    }
}

/// Long short-term memory over the tokens of one episode.
#[derive(Module, Debug)]
pub struct Lstm {
    embedding: TokenEmbedding,
    layers: Vec<LstmLayer>,
    head: Linear,
}

/// One layer: the input's share of the gates for all tokens at once, then the scan.
#[derive(Module, Debug)]
pub struct LstmLayer {
    input: Linear,
    /// `[hidden, 4 * hidden]`.
    recurrent: Param<Tensor<2>>,
    #[module(skip)]
    layout: TokenLayout,
    #[module(skip)]
    precision: Precision,
}

impl LstmLayer {
    /// Weights `N(0, 1 / hidden)`. The forget gates' bias is 1, the others 0: a cell remembers before it has learnt
    /// what to forget (Gers et al. 2000; Jozefowicz et al. 2015).
    fn new(hidden: usize, layout: TokenLayout, precision: Precision, init: &mut Initializer) -> Self {
        let mut input = Linear::new(hidden, 4 * hidden, 1.0, precision, init);
        let mut bias = vec![0.0; 4 * hidden];
        bias[hidden..2 * hidden].fill(1.0);
        input.bias = init.param(bias, [4 * hidden]);
        Self { input, recurrent: init.weight(hidden, 4 * hidden, 1.0), layout, precision }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let gates = self.input.forward(x, Activation::Identity);
        gpicl_ops::lstm(gates, self.recurrent.val(), self.layout, self.precision)
    }
}

impl SequenceModel for Lstm {
    fn forward(&self, inputs: Tensor<3>, labels: Tensor<2, Int>) -> Tensor<3> {
        let tokens = self.embedding.forward(inputs, labels);
        let x = self.layers.iter().fold(tokens, |x, layer| layer.forward(x));
        self.head.forward(self.embedding.predictions(x), Activation::Identity)
    }

    /// Output and cell of every layer: `2 x layers x hidden`, however long the context.
    fn state_size(&self, _time: usize) -> usize {
        self.layers.iter().map(|layer| 2 * layer.recurrent.dims()[0]).sum()
    }
}
