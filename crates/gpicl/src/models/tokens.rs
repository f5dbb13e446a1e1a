//! How an episode becomes tokens: which label each token carries, and what a prediction may see.

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};
use gpicl_ops::{Activation, AttentionMask, Precision};
use serde::{Deserialize, Serialize};

use super::layers::Linear;
use super::{Dims, Initializer};

/// Where the labels stand relative to the inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// The paper's: token `j` is `concat(x_j, onehot(y_{j-1}))`; N tokens. To use an example, the model has
    /// to find the label of `x_i` on the token after it.
    #[default]
    Shifted,
    /// A context token `concat(x_i, onehot(y_i))` and a query token `concat(x_j, 0)` per example; 2N tokens.
    /// Query `j` sees the context tokens before `j` and itself; context `i` sees the context up to itself.
    Paired,
}

impl Layout {
    /// The attention mask that keeps the predictions causal.
    pub fn mask(self) -> AttentionMask {
        match self {
            Self::Shifted => AttentionMask::Causal,
            Self::Paired => AttentionMask::Paired,
        }
    }

    /// Tokens for an episode of `time` examples.
    pub fn tokens(self, time: usize) -> usize {
        match self {
            Self::Shifted => time,
            Self::Paired => 2 * time,
        }
    }
}

/// Size of the one-hot label next to the input, which has norm about `sqrt(input_dim)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LabelScale {
    /// The one-hot holds this number (the paper: 1).
    Absolute(f32),
    /// The one-hot holds this multiple of `sqrt(input_dim)`, so that the label is not drowned by the input.
    Relative(f32),
}

impl LabelScale {
    /// The number that the one-hot holds.
    pub fn value(self, input_dim: usize) -> f32 {
        match self {
            Self::Absolute(value) => value,
            Self::Relative(value) => value * (input_dim as f32).sqrt(),
        }
    }
}

impl Default for LabelScale {
    fn default() -> Self {
        Self::Absolute(1.0)
    }
}

/// Linear embedding of `concat(x, label_scale * onehot(y))` plus a learned position.
///
/// The weight of the concatenation is kept as its two blocks of rows, so that the one-hot is a look-up and
/// both tokens of the paired layout share the product with `x`.
#[derive(Module, Debug)]
pub struct TokenEmbedding {
    input: Linear,
    /// `[classes, d_model]`, the label rows of the weight times the label scale.
    label: Param<Tensor<2>>,
    /// `[episode_length, d_model]`; both tokens of an example share it.
    position: Option<Param<Tensor<2>>>,
    #[module(skip)]
    label_scale: f32,
    #[module(skip)]
    layout: Layout,
}

impl TokenEmbedding {
    /// Weights `N(0, 1 / (input_dim + classes))`; positions `N(0, 0.02^2)` if `positions`.
    pub fn new(
        dims: Dims,
        d_model: usize,
        layout: Layout,
        label_scale: LabelScale,
        positions: bool,
        precision: Precision,
        init: &mut Initializer,
    ) -> Self {
        let std = 1.0 / ((dims.input_dim + dims.classes) as f32).sqrt();
        let input = init.normal(dims.input_dim * d_model, std);
        let label = init.normal(dims.classes * d_model, std);
        let position = positions.then(|| {
            let values = init.normal(dims.episode_length * d_model, 0.02);
            init.param(values, [dims.episode_length, d_model])
        });
        let weight = init.param(input, [dims.input_dim, d_model]);
        Self {
            input: Linear::from_weight(weight, precision, init),
            label: init.param(label, [dims.classes, d_model]),
            position,
            label_scale: label_scale.value(dims.input_dim),
            layout,
        }
    }

    /// `inputs` `[batch, time, input_dim]`, `labels` `[batch, time]` to `[batch, tokens(time), d_model]`.
    pub fn forward(&self, inputs: Tensor<3>, labels: Tensor<2, Int>) -> Tensor<3> {
        let [batch, time, _] = inputs.dims();
        let [_, d_model] = self.label.dims();
        let mut x = self.input.forward(inputs, Activation::Identity);
        if let Some(position) = &self.position {
            x = x + position.val().slice([0..time, 0..d_model]).unsqueeze::<3>();
        }
        let label = self
            .label
            .val()
            .mul_scalar(self.label_scale)
            .select(0, labels.reshape([batch * time]))
            .reshape([batch, time, d_model]);
        match self.layout {
            Layout::Shifted => {
                let none = Tensor::zeros([batch, 1, d_model], &x.device());
                let previous = label.slice([0..batch, 0..time - 1, 0..d_model]);
                x + Tensor::cat(vec![none, previous], 1)
            }
            Layout::Paired => Tensor::cat(vec![x.clone() + label, x], 1),
        }
    }

    /// The part of the tokens' outputs that predicts: `[batch, tokens, f]` to `[batch, time, f]`.
    pub fn predictions(&self, tokens: Tensor<3>) -> Tensor<3> {
        match self.layout {
            Layout::Shifted => tokens,
            Layout::Paired => {
                let [batch, count, features] = tokens.dims();
                tokens.slice([0..batch, count / 2..count, 0..features])
            }
        }
    }
}
