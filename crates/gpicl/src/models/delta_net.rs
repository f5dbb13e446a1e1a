//! DeltaNet: fast weights that a token corrects rather than adds to (Schlag et al. 2021; Yang et al. 2024), and with
//! `decay` the gated DeltaNet (Yang et al. 2025).
//!
//! Keys and queries are `silu` of their maps, divided by their length, so that a write strength of 1 replaces what is
//! found at a key. The strength is `sigmoid(W x)` a head; every head's read passes through a layer norm.

use burn::module::Module;
use burn::tensor::{Tensor, activation};
use gpicl_ops::{Activation, MatrixMemory, MemoryTokens, Precision, WriteRule};

use super::blocks::{Residual, block_config};
use super::layers::{Linear, QueryKeyValue};
use super::memory::{Forget, HeadNorm, MemoryMixer};
use super::tokens::Layout;
use super::{Dims, Initializer};

block_config! {
    /// Sizes and options of a [`DeltaNet`].
    DeltaNetConfig { positions: false }
    /// Whether the memory fades by a factor that each token gives.
    decay: bool = false,
}

impl DeltaNetConfig {
    pub(super) fn init(&self, dims: Dims, precision: Precision, init: &mut Initializer) -> DeltaNet {
        let (d, sizes) = (self.d_model, self.sizes());
        sizes.init(dims, precision, init, |init| Delta {
            maps: QueryKeyValue::new(d, self.qk_init, precision, init),
            strength: Linear::new(d, self.heads, 1.0, precision, init),
            forget: self.decay.then(|| Forget::new(d, self.heads, precision, init)),
            norm: HeadNorm::new(d, self.heads, init),
            out: Linear::new(d, d, sizes.residual_scale(), precision, init),
            heads: self.heads,
            layout: self.layout,
        })
    }
}

/// DeltaNet over the tokens of one episode.
pub type DeltaNet = Residual<Delta>;

/// A memory written to by the delta rule.
#[derive(Module, Debug)]
pub struct Delta {
    maps: QueryKeyValue,
    strength: Linear,
    forget: Option<Forget>,
    norm: HeadNorm,
    out: Linear,
    heads: usize,
    #[module(skip)]
    layout: Layout,
}

impl MemoryMixer for Delta {
    fn memory(&self) -> MatrixMemory {
        MatrixMemory { heads: self.heads, rule: WriteRule::Delta, layout: self.layout, normaliser: None }
    }

    fn d_model(&self) -> usize {
        self.maps.d_model()
    }

    fn tokens(&self, x: Tensor<3>) -> MemoryTokens {
        let [query, key, value] = self.maps.forward(x.clone());
        MemoryTokens {
            query: gpicl_ops::unit_silu(query, self.heads),
            key: gpicl_ops::unit_silu(key, self.heads),
            value,
            write: activation::sigmoid(self.strength.forward(x.clone(), Activation::Identity)),
            log_decay: self.forget.as_ref().map(|forget| forget.log_decay(x)),
        }
    }

    fn finish(&self, read: Tensor<3>, _x: Tensor<3>, residual: Tensor<3>) -> Tensor<3> {
        self.out.forward_residual(self.norm.forward(read), residual)
    }
}
