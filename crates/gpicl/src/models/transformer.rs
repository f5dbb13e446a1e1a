//! The paper's learner: a pre-LN Transformer with causal attention and learned positions.

use burn::module::Module;
use burn::tensor::Tensor;
use gpicl_ops::{Activation, AttentionMask, Precision};
use serde::{Deserialize, Serialize};

use super::blocks::{BlockSizes, Mixer, Residual};
use super::layers::{Linear, QkInit};
use super::tokens::{LabelScale, Layout};
use super::{Dims, Initializer};
use crate::error::Result;

/// Sizes and options of a [`Transformer`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TransformerConfig {
    /// Width of the residual stream.
    pub d_model: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Attention heads; divides `d_model`.
    pub heads: usize,
    /// Width of the feed-forward hidden layer.
    pub d_ff: usize,
    /// Where the labels stand.
    pub layout: Layout,
    /// Size of the one-hot label.
    pub label_scale: LabelScale,
    /// Initial relation of keys and queries.
    pub qk_init: QkInit,
    /// Learned positions (the paper) or none.
    pub positions: bool,
}

impl Default for TransformerConfig {
    /// The paper's setting at the size of its main experiments.
    fn default() -> Self {
        Self {
            d_model: 256,
            layers: 4,
            heads: 8,
            d_ff: 1024,
            layout: Layout::Shifted,
            label_scale: LabelScale::default(),
            qk_init: QkInit::Independent,
            positions: true,
        }
    }
}

impl TransformerConfig {
    /// Checks the sizes against each other.
    ///
    /// # Errors
    /// [`crate::Error::Config`] naming the field.
    pub fn validate(&self) -> Result<()> {
        self.sizes().validate()
    }

    fn sizes(&self) -> BlockSizes {
        let Self { d_model, layers, heads, d_ff, layout, label_scale, positions, .. } = *self;
        BlockSizes { d_model, layers, heads, d_ff, layout, label_scale, positions }
    }

    pub(super) fn init(&self, dims: Dims, precision: Precision, init: &mut Initializer) -> Transformer {
        self.sizes().init(dims, precision, init, |init| self.init_attention(precision, init))
    }

    fn init_attention(&self, precision: Precision, init: &mut Initializer) -> Attention {
        let d = self.d_model;
        let mut qkv = init.normal(d * 3 * d, 1.0 / (d as f32).sqrt());
        if self.qk_init == QkInit::Equal {
            for row in qkv.chunks_exact_mut(3 * d) {
                row.copy_within(0..d, d);
            }
        }
        let qkv = init.param(qkv, [d, 3 * d]);
        Attention {
            qkv: Linear::from_weight(qkv, precision, init),
            out: Linear::new(d, d, self.sizes().residual_scale(), precision, init),
            heads: self.heads,
            mask: self.layout.mask(),
            precision,
        }
    }
}

/// Pre-LN Transformer over the tokens of one episode.
pub type Transformer = Residual<Attention>;

/// Multi-head attention.
#[derive(Module, Debug)]
pub struct Attention {
    qkv: Linear,
    out: Linear,
    heads: usize,
    #[module(skip)]
    mask: AttentionMask,
    #[module(skip)]
    precision: Precision,
}

impl Mixer for Attention {
    fn forward(&self, x: Tensor<3>, residual: Tensor<3>) -> Tensor<3> {
        let qkv = self.qkv.forward(x, Activation::Identity);
        let attended = gpicl_ops::attention(qkv, self.heads, self.mask, self.precision);
        self.out.forward_residual(attended, residual)
    }

    /// The key-value cache: `2 x time x d_model` a layer. In the paired layout only the context tokens are kept, so
    /// both layouts count the same.
    fn state_size(&self, time: usize) -> usize {
        2 * time * self.qkv.weight.dims()[0]
    }
}
