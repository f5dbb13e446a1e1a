//! Initial weights: a pure function of (seed, order of creation).

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};

use crate::rng::{Rng, Stream};

/// Draws the parameters of a model, one after the other, each from its own counter-based stream.
#[derive(Debug)]
pub struct Initializer {
    seed: u64,
    drawn: u64,
    device: Device,
}

impl Initializer {
    /// Starts the sequence of parameters for `seed`; they are created on `device`.
    pub fn new(seed: u64, device: &Device) -> Self {
        Self { seed, drawn: 0, device: device.clone() }
    }

    /// `n` draws from `N(0, std^2)`.
    pub fn normal(&mut self, n: usize, std: f32) -> Vec<f32> {
        let mut rng = Rng::new(self.seed, Stream::Init, self.drawn);
        self.drawn += 1;
        (0..n).map(|_| rng.normal() * std).collect()
    }

    /// A parameter of shape `[D]` that holds `values`.
    pub fn param<const D: usize>(&self, values: Vec<f32>, shape: [usize; D]) -> Param<Tensor<D>> {
        Param::from_data(TensorData::new(values, shape), &self.device)
    }

    /// A constant parameter.
    pub fn constant<const D: usize>(&self, value: f32, shape: [usize; D]) -> Param<Tensor<D>> {
        self.param(vec![value; shape.iter().product()], shape)
    }

    /// A weight `[fan_in, fan_out]` with entries `N(0, scale^2 / fan_in)`.
    pub fn weight(&mut self, fan_in: usize, fan_out: usize, scale: f32) -> Param<Tensor<2>> {
        let values = self.normal(fan_in * fan_out, scale / (fan_in as f32).sqrt());
        self.param(values, [fan_in, fan_out])
    }
}
