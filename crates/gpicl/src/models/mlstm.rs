//! mLSTM, the matrix memory of xLSTM (Beck et al. 2024): input, forget and output gates, and a normaliser state.
//!
//! The input gate is a sigmoid, not an exponential: it is bounded, so the memory needs no stabiliser state, and the
//! layer norm after the read takes out its scale anyway.

use burn::module::Module;
use burn::tensor::{Tensor, activation};
use gpicl_ops::{Activation, Gate, MatrixMemory, MemoryTokens, Precision, WriteRule};

use super::blocks::{Residual, block_config};
use super::layers::{Linear, QueryKeyValue};
use super::memory::{Forget, HeadNorm, MemoryMixer};
use super::tokens::Layout;
use super::{Dims, Initializer};

block_config! {
    /// Sizes and options of an [`Mlstm`].
    MlstmConfig { positions: false }
}

impl MlstmConfig {
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

impl MemoryMixer for MatrixCell {
    fn memory(&self) -> MatrixMemory {
        MatrixMemory { heads: self.heads, rule: WriteRule::Sum, layout: self.layout, normaliser: Some(1.0) }
    }

    fn d_model(&self) -> usize {
        self.maps.d_model()
    }

    fn tokens(&self, x: Tensor<3>) -> MemoryTokens {
        let d_head = self.maps.d_model() / self.heads;
        let [query, key, value] = self.maps.forward(x.clone());
        MemoryTokens {
            query,
            key: key / (d_head as f64).sqrt(),
            value,
            write: activation::sigmoid(self.input.forward(x.clone(), Activation::Identity)),
            log_decay: Some(self.forget.log_decay(x)),
        }
    }

    fn finish(&self, read: Tensor<3>, x: Tensor<3>, residual: Tensor<3>) -> Tensor<3> {
        let (read, gate) = (self.norm.forward(read), self.output.forward(x, Activation::Identity));
        self.out.forward_residual(gpicl_ops::gated(read, gate, Gate::Sigmoid), residual)
    }
}
