//! Fast weight programmer: a linear Transformer, whose memory is a sum of outer products (Schmidhuber 1992;
//! Katharopoulos et al. 2020; Schlag et al. 2021).
//!
//! With [`Features::Unit`] keys and queries are those of DeltaNet, so that nothing but the rule of writing differs.
//! With [`Features::Elu`] they pass through `elu(x) + 1`, so that every weight of a value in a read is positive, and a
//! read is divided by their sum: the mean of the values seen, weighted by `phi(q) . phi(k)`.

use burn::module::Module;
use burn::tensor::{Tensor, activation};
use gpicl_ops::{MatrixMemory, MemoryTokens, Precision, WriteRule};
use serde::{Deserialize, Serialize};

use super::blocks::{Residual, block_config};
use super::layers::{Linear, QueryKeyValue};
use super::memory::{HeadNorm, MemoryMixer};
use super::tokens::Layout;
use super::{Dims, Initializer};

/// What keys and queries pass through before they write and read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Features {
    /// `silu`, to unit length; reads are normalised a head.
    #[default]
    Unit,
    /// `elu(x) + 1`; reads are divided by the sum of their weights.
    Elu,
}

block_config! {
    /// Sizes and options of [`FastWeights`].
    FastWeightsConfig { positions: false }
    /// What keys and queries pass through.
    features: Features = Features::Unit,
}

impl FastWeightsConfig {
    pub(super) fn init(&self, dims: Dims, precision: Precision, init: &mut Initializer) -> FastWeights {
        let (d, sizes) = (self.d_model, self.sizes());
        sizes.init(dims, precision, init, |init| Sum {
            maps: QueryKeyValue::new(d, self.qk_init, precision, init),
            norm: (self.features == Features::Unit).then(|| HeadNorm::new(d, self.heads, init)),
            out: Linear::new(d, d, sizes.residual_scale(), precision, init),
            heads: self.heads,
            layout: self.layout,
        })
    }
}

/// Linear Transformer over the tokens of one episode.
pub type FastWeights = Residual<Sum>;

/// Linear attention.
#[derive(Module, Debug)]
pub struct Sum {
    maps: QueryKeyValue,
    /// With [`Features::Unit`] only.
    norm: Option<HeadNorm>,
    out: Linear,
    heads: usize,
    #[module(skip)]
    layout: Layout,
}

impl Sum {
    /// Features may come close to zero, and their products with them.
    const LEAST: f32 = 1e-6;
}

impl MemoryMixer for Sum {
    fn memory(&self) -> MatrixMemory {
        MatrixMemory {
            heads: self.heads,
            rule: WriteRule::Sum,
            layout: self.layout,
            normaliser: self.norm.is_none().then_some(Self::LEAST),
        }
    }

    fn d_model(&self) -> usize {
        self.maps.d_model()
    }

    fn tokens(&self, x: Tensor<3>) -> MemoryTokens {
        let [batch, time, _] = x.dims();
        let write = Tensor::ones([batch, time, self.heads], &x.device());
        let [query, key, value] = self.maps.forward(x);
        let features = |x| match self.norm {
            Some(_) => gpicl_ops::unit_silu(x, self.heads),
            None => activation::elu(x, 1.0) + 1.0,
        };
        MemoryTokens { query: features(query), key: features(key), value, write, log_decay: None }
    }

    fn finish(&self, read: Tensor<3>, _x: Tensor<3>, residual: Tensor<3>) -> Tensor<3> {
        let read = if let Some(norm) = &self.norm { norm.forward(read) } else { read };
        self.out.forward_residual(read, residual)
    }
}
