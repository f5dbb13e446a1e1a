//! Mesa-net: tokens learn of each other by ridge regression in the forward pass (von Oswald et al. 2023 and 2025), here on a
//! kernel of the keys: see [`gpicl_ops::mesa`].
//!
//! Where attention averages the values of keys like the query, a mesa layer solves for the values: of a paired token whose
//! value is its label that is kernel ridge regression on the examples so far. Temperature and ridge are learned, a head.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use gpicl_ops::{Activation, AttentionMask, Precision};

use super::blocks::{Mixer, Residual, block_config};
use super::layers::{Linear, QkInit};
use super::transformer::KeysValues;
use super::{Dims, Initializer, positive};
use crate::error::Result;

block_config! {
    /// Sizes and options of a [`MesaNet`].
    MesaNetConfig { positions: true, check: check_scales }
    /// What `cosine - 1` is multiplied with in the kernel's exponent, at first.
    temperature: f32 = 4.0,
    /// What is added to the diagonal of the kernel matrix, at first.
    ridge: f32 = 0.1,
    /// Whether the maps of inputs, queries and keys begin orthogonal, so that they keep angles.
    orthogonal: bool = false,
}

impl MesaNetConfig {
    /// Temperature and ridge must be such that their logarithms can be learned.
    fn check_scales(&self) -> Result<()> {
        positive("temperature", self.temperature)?;
        positive("ridge", self.ridge)
    }

    pub(super) fn init(&self, dims: Dims, precision: Precision, init: &mut Initializer) -> MesaNet {
        let model = self.sizes().init(dims, precision, init, |init| self.init_mesa(precision, init));
        if self.orthogonal { model.with_orthogonal_inputs(init) } else { model }
    }

    fn init_mesa(&self, precision: Precision, init: &mut Initializer) -> Mesa {
        let (d, heads) = (self.d_model, self.heads);
        let std = 1.0 / (d as f32).sqrt();
        let mut map = || if self.orthogonal { init.orthogonal(d, d, std) } else { init.normal(d * d, std) };
        let query = map();
        let key = if self.qk_init == QkInit::Equal { query.clone() } else { map() };
        let value = init.normal(d * d, std);
        let rows =
            [query, key, value].map(|map| map.chunks_exact(d).map(<[f32]>::to_vec).collect::<Vec<_>>());
        let qkv = (0..d).flat_map(|row| rows.iter().flat_map(move |map| map[row].clone())).collect();
        Mesa {
            qkv: Linear::from_weight(init.param(qkv, [d, 3 * d]), precision, init),
            log_temperature: init.constant(self.temperature.ln(), [heads]),
            log_ridge: init.constant(self.ridge.ln(), [heads]),
            out: Linear::new(d, d, self.sizes().residual_scale(), precision, init),
            mask: self.layout.mask(),
        }
    }
}

/// Mesa layers over the tokens of one episode.
pub type MesaNet = Residual<Mesa>;

/// Multi-head kernel ridge regression.
#[derive(Module, Debug)]
pub struct Mesa {
    qkv: Linear,
    log_temperature: Param<Tensor<1>>,
    log_ridge: Param<Tensor<1>>,
    out: Linear,
    #[module(skip)]
    mask: AttentionMask,
}

impl Mesa {
    fn scales(&self) -> [Tensor<1>; 2] {
        [&self.log_temperature, &self.log_ridge].map(|log| log.val().exp())
    }
}

impl Mixer for Mesa {
    type State = KeysValues;

    fn forward(&self, x: Tensor<3>, residual: Tensor<3>) -> Tensor<3> {
        let qkv = self.qkv.forward(x, Activation::Identity);
        let [temperature, ridge] = self.scales();
        self.out.forward_residual(gpicl_ops::mesa(qkv, temperature, ridge, self.mask), residual)
    }

    fn empty(&self, _batch: usize, _device: &Device) -> KeysValues {
        KeysValues::none()
    }

    fn read(&self, x: Tensor<3>, residual: Tensor<3>) -> (Tensor<3>, KeysValues) {
        let qkv = self.qkv.forward(x, Activation::Identity);
        let context = KeysValues::of(&qkv);
        let [temperature, ridge] = self.scales();
        let read = gpicl_ops::mesa(qkv, temperature, ridge, AttentionMask::Causal);
        (self.out.forward_residual(read, residual), context)
    }

    fn answer(&self, state: &KeysValues, x: Tensor<3>, residual: Tensor<3>) -> Tensor<3> {
        let qkv = self.qkv.forward(x, Activation::Identity);
        let [temperature, ridge] = self.scales();
        let read = gpicl_ops::mesa_queries(qkv, state.context(), temperature, ridge);
        self.out.forward_residual(read, residual)
    }

    /// Keys and values, as a Transformer has them: `2 x examples x d_model` a layer.
    fn state_size(&self, examples: usize) -> usize {
        KeysValues::size_after(examples, self.qkv.weight.dims()[0])
    }
}
