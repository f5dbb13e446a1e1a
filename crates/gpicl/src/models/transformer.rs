//! The paper's learner: a pre-LN Transformer with causal attention and learned positions.

use burn::module::Module;
use burn::tensor::{Int, Tensor};
use gpicl_ops::{Activation, AttentionMask, FeedForward, Precision};
use serde::{Deserialize, Serialize};

use super::layers::{LayerNorm, Linear};
use super::tokens::{LabelScale, Layout, TokenEmbedding};
use super::{Dims, Initializer, SequenceModel};
use crate::error::{Error, Result};

/// Initial relation of the key weights to the query weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QkInit {
    /// Drawn independently, as everybody does.
    #[default]
    Independent,
    /// The key weights start as a copy of the query weights, so that a token first attends to tokens like
    /// itself: a nearest-neighbour search that shortens the plateau (`docs/study.md`). Both train freely after.
    Equal,
}

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
    /// [`Error::Config`] naming the field.
    pub fn validate(&self) -> Result<()> {
        for (field, value) in
            [("d_model", self.d_model), ("layers", self.layers), ("heads", self.heads), ("d_ff", self.d_ff)]
        {
            if value == 0 {
                return Err(Error::config(format!("model.{field}"), "is 0", "give at least 1"));
            }
        }
        if !self.d_model.is_multiple_of(self.heads) {
            return Err(Error::config(
                "model.heads",
                format!("{} does not divide model.d_model = {}", self.heads, self.d_model),
                "choose a divisor of d_model",
            ));
        }
        self.label_scale.validate()
    }

    pub(super) fn init(&self, dims: Dims, precision: Precision, init: &mut Initializer) -> Transformer {
        let embedding = TokenEmbedding::new(
            dims,
            self.d_model,
            self.layout,
            self.label_scale,
            self.positions,
            precision,
            init,
        );
        let blocks = (0..self.layers).map(|_| self.init_block(precision, init)).collect();
        Transformer {
            embedding,
            blocks,
            norm: LayerNorm::new(self.d_model, init),
            head: Linear::new(self.d_model, dims.classes, 1.0, Precision::Fp32, init),
        }
    }

    fn init_block(&self, precision: Precision, init: &mut Initializer) -> Block {
        let d = self.d_model;
        // Each block adds twice to the residual stream; this keeps its variance independent of the depth.
        let residual_scale = 1.0 / ((2 * self.layers) as f32).sqrt();
        let mut qkv = init.normal(d * 3 * d, 1.0 / (d as f32).sqrt());
        if self.qk_init == QkInit::Equal {
            for row in qkv.chunks_exact_mut(3 * d) {
                row.copy_within(0..d, d);
            }
        }
        let qkv = init.param(qkv, [d, 3 * d]);
        Block {
            norm_attention: LayerNorm::new(d, init),
            qkv: Linear::from_weight(qkv, precision, init),
            out: Linear::new(d, d, residual_scale, precision, init),
            norm_ff: LayerNorm::new(d, init),
            up: Linear::new(d, self.d_ff, 1.0, precision, init),
            down: Linear::new(self.d_ff, d, residual_scale, precision, init),
            heads: self.heads,
            mask: self.layout.mask(),
            precision,
        }
    }
}

/// Pre-LN Transformer over the tokens of one episode.
#[derive(Module, Debug)]
pub struct Transformer {
    embedding: TokenEmbedding,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
}

/// `x + attention(LN(x))`, then `x + FF(LN(x))`.
#[derive(Module, Debug)]
pub struct Block {
    norm_attention: LayerNorm,
    qkv: Linear,
    out: Linear,
    norm_ff: LayerNorm,
    up: Linear,
    down: Linear,
    heads: usize,
    #[module(skip)]
    mask: AttentionMask,
    #[module(skip)]
    precision: Precision,
}

impl Block {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let qkv = self.qkv.forward(self.norm_attention.forward(x.clone()), Activation::Identity);
        let attended = gpicl_ops::attention(qkv, self.heads, self.mask, self.precision);
        let x = self.out.forward_residual(attended, x);
        let weights = FeedForward {
            up: self.up.weight.val(),
            up_bias: self.up.bias.val(),
            down: self.down.weight.val(),
            down_bias: self.down.bias.val(),
        };
        gpicl_ops::feed_forward(self.norm_ff.forward(x.clone()), weights, x, self.precision)
    }
}

impl SequenceModel for Transformer {
    fn forward(&self, inputs: Tensor<3>, labels: Tensor<2, Int>) -> Tensor<3> {
        let mut x = self.embedding.forward(inputs, labels);
        for block in &self.blocks {
            x = block.forward(x);
        }
        let x = self.norm.forward(self.embedding.predictions(x));
        self.head.forward(x, Activation::Identity)
    }

    /// The key-value cache: `2 x layers x time x d_model`. In the paired layout only the context tokens are
    /// kept, so both layouts count the same.
    fn state_size(&self, time: usize) -> usize {
        let d_model = self.blocks.first().map_or(0, |block| block.qkv.weight.dims()[0]);
        2 * self.blocks.len() * time * d_model
    }
}
