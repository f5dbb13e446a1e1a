//! mLSTM, the matrix memory of xLSTM (Beck et al. 2024): input, forget and output gates, and a normaliser state.
//!
//! The input gate is a sigmoid, not an exponential: it is bounded, so the memory needs no stabiliser state, and the
//! layer norm after the read takes out its scale anyway.

use burn::module::Module;
use burn::tensor::{Tensor, activation};
use gpicl_ops::{Activation, MatrixMemory, MemoryTokens, Precision, WriteRule};
use serde::{Deserialize, Serialize};

use super::blocks::{BlockSizes, Mixer, Residual};
use super::layers::{Linear, QkInit, QueryKeyValue};
use super::memory::{Forget, HeadNorm, matrices};
use super::tokens::{LabelScale, Layout};
use super::{Dims, Initializer};
use crate::error::Result;

/// Sizes and options of an [`Mlstm`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MlstmConfig {
    /// Width of the residual stream.
    pub d_model: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Memories in a block; divides `d_model`.
    pub heads: usize,
    /// Width of the feed-forward hidden layer.
    pub d_ff: usize,
    /// Where the labels stand.
    pub layout: Layout,
    /// Size of the one-hot label.
    pub label_scale: LabelScale,
    /// Initial relation of keys and queries.
    pub qk_init: QkInit,
    /// Learned positions or none.
    pub positions: bool,
}

impl Default for MlstmConfig {
    /// The Transformer's sizes, without positions: the recurrence has an order.
    fn default() -> Self {
        Self {
            d_model: 256,
            layers: 4,
            heads: 8,
            d_ff: 1024,
            layout: Layout::Shifted,
            label_scale: LabelScale::default(),
            qk_init: QkInit::Independent,
            positions: false,
        }
    }
}

impl MlstmConfig {
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

    pub(super) fn init(&self, dims: Dims, precision: Precision, init: &mut Initializer) -> Mlstm {
        let (d, sizes) = (self.d_model, self.sizes());
        sizes.init(dims, precision, init, |init| MatrixCell {
            maps: QueryKeyValue::new(d, self.qk_init, precision, init),
            input: Linear::new(d, self.heads, 1.0, precision, init),
            forget: Forget::new(d, self.heads, precision, init),
            norm: HeadNorm::new(d, self.heads, init),
            output: Linear::new(d, d, 1.0, precision, init),
            out: Linear::new(d, d, sizes.residual_scale(), precision, init),
            heads: self.heads,
            layout: self.layout,
        })
    }
}

/// mLSTM blocks over the tokens of one episode.
pub type Mlstm = Residual<MatrixCell>;

/// A memory with gates: `o * LN(S^T q / max(|n . q|, 1))`, where `n` is the sum of what keys wrote.
#[derive(Module, Debug)]
pub struct MatrixCell {
    maps: QueryKeyValue,
    input: Linear,
    forget: Forget,
    norm: HeadNorm,
    output: Linear,
    out: Linear,
    heads: usize,
    #[module(skip)]
    layout: Layout,
}

impl Mixer for MatrixCell {
    fn forward(&self, x: Tensor<3>, residual: Tensor<3>) -> Tensor<3> {
        let d_head = self.maps.d_model() / self.heads;
        let [query, key, value] = self.maps.forward(x.clone());
        let tokens = MemoryTokens {
            query,
            key: key / (d_head as f64).sqrt(),
            value,
            write: activation::sigmoid(self.input.forward(x.clone(), Activation::Identity)),
            log_decay: Some(self.forget.log_decay(x.clone())),
        };
        let memory = MatrixMemory {
            heads: self.heads,
            rule: WriteRule::Sum,
            layout: self.layout,
            normaliser: Some(1.0),
        };
        let read = self.norm.forward(gpicl_ops::matrix_memory(tokens, memory));
        let gate = activation::sigmoid(self.output.forward(x, Activation::Identity));
        self.out.forward_residual(gate * read, residual)
    }

    /// The matrices and the normaliser: `heads x d_head x (d_head + 1)` a layer, whatever the context length.
    fn state_size(&self, _time: usize) -> usize {
        matrices(self.maps.d_model(), self.heads) + self.maps.d_model()
    }
}
