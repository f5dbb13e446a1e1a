//! The layers that architectures share, on the fused operations.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use gpicl_ops::{Activation, Precision};
use serde::{Deserialize, Serialize};

use super::Initializer;

/// Affine map of the last axis: `y = act(x W + b)`.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[in, out]`.
    pub weight: Param<Tensor<2>>,
    /// `[out]`.
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    precision: Precision,
}

impl Linear {
    /// Weights `N(0, scale^2 / fan_in)`, bias zero.
    pub fn new(
        fan_in: usize,
        fan_out: usize,
        scale: f32,
        precision: Precision,
        init: &mut Initializer,
    ) -> Self {
        Self::from_weight(init.weight(fan_in, fan_out, scale), precision, init)
    }

    /// A given weight `[in, out]`, bias zero.
    pub fn from_weight(weight: Param<Tensor<2>>, precision: Precision, init: &Initializer) -> Self {
        let [_, out] = weight.dims();
        Self { weight, bias: init.constant(0.0, [out]), precision }
    }

    /// The same weight with another bias, equal everywhere.
    pub fn with_bias(self, bias: f32, init: &Initializer) -> Self {
        let [out] = self.bias.dims();
        Self { bias: init.constant(bias, [out]), ..self }
    }

    /// `x`: `[.., in]`, returns `[.., out]`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>, activation: Activation) -> Tensor<D> {
        gpicl_ops::linear(x, self.weight.val(), self.bias.val(), activation, self.precision)
    }

    /// `residual + x W + b`.
    pub fn forward_residual<const D: usize>(&self, x: Tensor<D>, residual: Tensor<D>) -> Tensor<D> {
        gpicl_ops::linear_residual(x, self.weight.val(), self.bias.val(), residual, self.precision)
    }
}

/// Makes the queries of an attention larger or smaller by the logarithm of how many examples they look at, as the scalable
/// softmax does (Nakanishi 2025): over more examples a softmax is flatter. How much, is learned for every number of a query.
#[derive(Module, Debug)]
pub struct Sharpening {
    /// `[d_model]`.
    growth: Param<Tensor<1>>,
}

impl Sharpening {
    /// Examples at which queries stay as they are.
    const NEUTRAL: f32 = 64.0;

    /// No growth.
    pub fn new(d_model: usize, init: &Initializer) -> Self {
        Self { growth: init.constant(0.0, [d_model]) }
    }

    /// What `map` makes of `x` before a context of `examples`; its first `d_model` outputs are the queries.
    pub fn forward(&self, map: &Linear, x: Tensor<3>, examples: usize) -> Tensor<3> {
        let ([d_model], [_, out]) = (self.growth.dims(), map.weight.dims());
        let more = (examples.max(1) as f32 / Self::NEUTRAL).ln();
        let rest = Tensor::ones([out - d_model], &x.device());
        let factor = Tensor::cat(vec![self.growth.val() * more + 1.0, rest], 0);
        let weight = map.weight.val() * factor.clone().unsqueeze_dim(0);
        gpicl_ops::linear(x, weight, map.bias.val() * factor, Activation::Identity, map.precision)
    }
}

/// Layer normalisation over the last axis.
#[derive(Module, Debug)]
pub struct LayerNorm {
    gamma: Param<Tensor<1>>,
    beta: Param<Tensor<1>>,
}

impl LayerNorm {
    const EPS: f64 = 1e-5;

    /// Gain one, offset zero.
    pub fn new(dim: usize, init: &Initializer) -> Self {
        Self { gamma: init.constant(1.0, [dim]), beta: init.constant(0.0, [dim]) }
    }

    /// Same shape as `x`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        gpicl_ops::layer_norm(x, self.gamma.val(), self.beta.val(), Self::EPS)
    }
}

/// The second half of a block: `x + W_2 gelu(W_1 LN(x) + b_1) + b_2`.
#[derive(Module, Debug)]
pub struct FeedForward {
    norm: LayerNorm,
    up: Linear,
    down: Linear,
    #[module(skip)]
    precision: Precision,
}

impl FeedForward {
    /// `residual_scale` multiplies the initial weights that write to the residual stream.
    pub fn new(
        d_model: usize,
        d_ff: usize,
        residual_scale: f32,
        precision: Precision,
        init: &mut Initializer,
    ) -> Self {
        Self {
            norm: LayerNorm::new(d_model, init),
            up: Linear::new(d_model, d_ff, 1.0, precision, init),
            down: Linear::new(d_ff, d_model, residual_scale, precision, init),
            precision,
        }
    }

    /// Same shape as `x`.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let weights = gpicl_ops::FeedForward {
            up: self.up.weight.val(),
            up_bias: self.up.bias.val(),
            down: self.down.weight.val(),
            down_bias: self.down.bias.val(),
        };
        gpicl_ops::feed_forward(self.norm.forward(x.clone()), weights, x, self.precision)
    }
}

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

/// Queries, keys and values of all heads: three affine maps of the same tokens.
#[derive(Module, Debug)]
pub struct QueryKeyValue {
    query: Linear,
    key: Linear,
    value: Linear,
}

impl QueryKeyValue {
    /// Weights `N(0, 1 / d_model)`.
    pub fn new(d_model: usize, qk_init: QkInit, precision: Precision, init: &mut Initializer) -> Self {
        let shape = [d_model, d_model];
        let [query, key, value] =
            [(); 3].map(|()| init.normal(d_model * d_model, 1.0 / (d_model as f32).sqrt()));
        let key = if qk_init == QkInit::Equal { query.clone() } else { key };
        let [query, key, value] =
            [query, key, value].map(|weight| Linear::from_weight(init.param(weight, shape), precision, init));
        Self { query, key, value }
    }

    /// `x`: `[batch, tokens, d_model]`; returns queries, keys and values of that shape.
    pub fn forward(&self, x: Tensor<3>) -> [Tensor<3>; 3] {
        [&self.query, &self.key, &self.value].map(|map| map.forward(x.clone(), Activation::Identity))
    }

    /// Width of the residual stream.
    pub fn d_model(&self) -> usize {
        self.query.weight.dims()[0]
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn queries_grow_by_the_logarithm_of_the_examples_and_keys_do_not() {
        let device = Device::flex();
        let mut init = Initializer::new(3, &device);
        let map = Linear::new(4, 9, 1.0, Precision::Fp32, &mut init).with_bias(0.5, &init);
        let x = Tensor::<1>::from_floats([0.3, -1.0, 2.0, 0.1], &device).reshape([1, 1, 4]);
        let plain = map.forward(x.clone(), Activation::Identity);
        let start = Sharpening::new(3, &init);
        assert_eq!(
            (start.forward(&map, x.clone(), 900) - plain.clone()).abs().max().into_scalar::<f32>(),
            0.0
        );
        let sharpening = Sharpening { growth: init.constant(0.5, [3]) };
        // e^2 times as many as are neutral: 1 + 0.5 * 2.
        for (examples, factor) in [(64, 1.0), (473, 2.0), (0, 1.0 - 0.5 * 64_f32.ln())] {
            let found = sharpening.forward(&map, x.clone(), examples);
            let query = plain.clone().narrow(2, 0, 3) * factor;
            assert!(
                (found.clone().narrow(2, 0, 3) - query).abs().max().into_scalar::<f32>() < 2e-3,
                "{examples}"
            );
            let rest = (found.narrow(2, 3, 6) - plain.clone().narrow(2, 3, 6)).abs();
            assert_eq!(rest.max().into_scalar::<f32>(), 0.0, "keys and values");
        }
    }
}
