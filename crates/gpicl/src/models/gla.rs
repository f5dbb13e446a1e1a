//! Gated linear attention with one decay a head (Yang et al. 2023; with a scalar decay, Dao and Gu 2024): a sum of
//! outer products that fades by a factor each token gives, a layer norm of every head's read, and a `silu` gate.

use burn::module::Module;
use burn::tensor::Tensor;
use gpicl_ops::{Activation, Gate, MatrixMemory, MemoryTokens, Precision, WriteRule};

use super::blocks::{Residual, block_config};
use super::layers::{Linear, QueryKeyValue};
use super::memory::{Forget, HeadNorm, MemoryMixer};
use super::tokens::Layout;
use super::{Dims, Initializer};

block_config! {
    /// Sizes and options of a [`Gla`].
    GlaConfig { positions: false }
}

impl GlaConfig {
    pub(super) fn init(&self, dims: Dims, precision: Precision, init: &mut Initializer) -> Gla {
        let (d, sizes) = (self.d_model, self.sizes());
        sizes.init(dims, precision, init, |init| GatedSum {
            maps: QueryKeyValue::new(d, self.qk_init, precision, init),
            forget: Forget::new(d, self.heads, precision, init),
            norm: HeadNorm::new(d, self.heads, init),
            gate: Linear::new(d, d, 1.0, precision, init),
            out: Linear::new(d, d, sizes.residual_scale(), precision, init),
            heads: self.heads,
            layout: self.layout,
        })
    }
}

/// Gated linear attention over the tokens of one episode.
pub type Gla = Residual<GatedSum>;

/// Linear attention that fades, with a gate after it.
#[derive(Module, Debug)]
pub struct GatedSum {
    maps: QueryKeyValue,
    forget: Forget,
    norm: HeadNorm,
    gate: Linear,
    out: Linear,
    heads: usize,
    #[module(skip)]
    layout: Layout,
}

impl MemoryMixer for GatedSum {
    fn memory(&self) -> MatrixMemory {
        MatrixMemory { heads: self.heads, rule: WriteRule::Sum, layout: self.layout, normaliser: None }
    }

    fn d_model(&self) -> usize {
        self.maps.d_model()
    }

    fn tokens(&self, x: Tensor<3>) -> MemoryTokens {
        let [batch, time, d_model] = x.dims();
        let [query, key, value] = self.maps.forward(x.clone());
        MemoryTokens {
            query,
            key: key / ((d_model / self.heads) as f64).sqrt(),
            value,
            write: Tensor::ones([batch, time, self.heads], &x.device()),
            log_decay: Some(self.forget.log_decay(x)),
        }
    }

    fn finish(&self, read: Tensor<3>, x: Tensor<3>, residual: Tensor<3>) -> Tensor<3> {
        let (read, gate) = (self.norm.forward(read), self.gate.forward(x, Activation::Identity));
        self.out.forward_residual(gpicl_ops::gated(read, gate, Gate::Silu), residual)
    }
}
