//! The layers that architectures share, on the fused operations.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use gpicl_ops::{Activation, Precision};

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

    /// `x`: `[.., in]`, returns `[.., out]`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>, activation: Activation) -> Tensor<D> {
        gpicl_ops::linear(x, self.weight.val(), self.bias.val(), activation, self.precision)
    }

    /// `residual + x W + b`.
    pub fn forward_residual<const D: usize>(&self, x: Tensor<D>, residual: Tensor<D>) -> Tensor<D> {
        gpicl_ops::linear_residual(x, self.weight.val(), self.bias.val(), residual, self.precision)
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
