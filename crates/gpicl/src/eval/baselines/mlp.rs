//! The multi-layer perceptron of the gradient-based baselines, one example at a time, with first derivatives.

use std::ops::Range;

use num_traits::Float;

use super::vector::{Rows, add_outer, add_scaled};
use crate::rng::Rng;

/// The sizes of a perceptron with ReLU units. Its parameters are one slice: weight `[in, out]` and bias `[out]` of
/// each layer, one layer after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mlp {
    /// Units of every layer: input, hidden ones, classes.
    sizes: Vec<usize>,
}

impl Mlp {
    /// `layers` hidden layers of `hidden` units.
    pub fn new(input_dim: usize, hidden: usize, layers: usize, classes: usize) -> Self {
        let mut sizes = vec![hidden; layers + 2];
        sizes[0] = input_dim;
        sizes[layers + 1] = classes;
        Self { sizes }
    }

    /// Affine maps.
    pub fn layers(&self) -> usize {
        self.sizes.len() - 1
    }

    /// Where the parameters of `layer` are: weight and bias.
    pub fn layer(&self, layer: usize) -> (Range<usize>, Range<usize>) {
        let count = |layer: usize| (self.sizes[layer] + 1) * self.sizes[layer + 1];
        let start: usize = (0..layer).map(count).sum();
        let (middle, end) = (start + self.sizes[layer] * self.sizes[layer + 1], start + count(layer));
        (start..middle, middle..end)
    }

    /// Number of parameters.
    pub fn num_params(&self) -> usize {
        self.layer(self.layers() - 1).1.end
    }

    /// Weights `N(0, 2 / in)` (He et al. 2015), of the last layer `N(0, 1 / in)`; biases zero.
    pub fn init(&self, rng: &mut Rng) -> Vec<f32> {
        let mut params = vec![0.0; self.num_params()];
        for layer in 0..self.layers() {
            let gain = if layer + 1 < self.layers() { 2.0 } else { 1.0 };
            let std = (gain / self.sizes[layer] as f32).sqrt();
            params[self.layer(layer).0].fill_with(|| std * rng.normal());
        }
        params
    }

    /// Room for one example.
    pub fn pass<T: Float>(&self) -> Pass<T> {
        let zeros = |sizes: &[usize]| sizes.iter().map(|&size| vec![T::zero(); size]).collect();
        Pass { units: zeros(&self.sizes), deltas: zeros(&self.sizes[1..]) }
    }

    /// Fills `pass.units` for the input `x`; the last ones are the logits.
    pub fn forward<T: Float>(&self, params: &[T], x: &[T], pass: &mut Pass<T>) {
        pass.units[0].copy_from_slice(x);
        self.add_up(0, params, pass);
        self.forward_above(params, pass);
    }

    /// [`Mlp::forward`] from the sums of the first layer on, which `pass.units[1]` holds. Reads neither the input nor the
    /// first layer's parameters.
    pub fn forward_above<T: Float>(&self, params: &[T], pass: &mut Pass<T>) {
        for layer in 1..self.layers() {
            pass.units[layer].iter_mut().for_each(|unit| *unit = unit.max(T::zero()));
            self.add_up(layer, params, pass);
        }
    }

    /// The sums of a layer, from the units below it.
    fn add_up<T: Float>(&self, layer: usize, params: &[T], pass: &mut Pass<T>) {
        let (weight, bias) = self.layer(layer);
        let (below, above) = pass.units.split_at_mut(layer + 1);
        above[0].copy_from_slice(&params[bias]);
        Rows::new(&params[weight], above[0].len()).add_combination(&below[layer], &mut above[0]);
    }

    /// Fills `logits` `[Q, classes]` for `inputs` `[Q, in]`.
    pub fn predict<T: Float>(&self, params: &[T], inputs: &[T], logits: &mut [T]) {
        let mut pass = self.pass();
        let rows = logits.chunks_exact_mut(self.sizes[self.layers()]).zip(inputs.chunks_exact(self.sizes[0]));
        for (logits, x) in rows {
            self.forward(params, x, &mut pass);
            logits.copy_from_slice(pass.logits());
        }
    }

    /// After [`Mlp::forward`]: fills `pass.deltas`, the gradient of the cross-entropy with `label` by every layer's
    /// sums. Returns the cross-entropy in nats.
    pub fn backward<T: Float>(&self, params: &[T], label: usize, pass: &mut Pass<T>) -> T {
        let Pass { units, deltas } = pass;
        let last = self.layers() - 1;
        deltas[last].copy_from_slice(&units[last + 1]);
        let loss = cross_entropy_slope(&mut deltas[last], label);
        for layer in (1..=last).rev() {
            let (below, above) = deltas.split_at_mut(layer);
            Rows::new(&params[self.layer(layer).0], above[0].len())
                .products(&above[0], &mut below[layer - 1]);
            mask(&mut below[layer - 1], &units[layer]);
        }
        loss
    }

    /// After [`Mlp::backward`]: `sum += scale gradient` for the parameters of `layers`, with the scale of each tensor
    /// (weight, bias, weight, ..).
    pub fn add_gradient<T: Float>(
        &self,
        layers: Range<usize>,
        pass: &Pass<T>,
        scale: impl Fn(usize) -> T,
        sum: &mut [T],
    ) {
        for layer in layers {
            let (weight, bias) = self.layer(layer);
            add_outer(&mut sum[weight], scale(2 * layer), &pass.units[layer], &pass.deltas[layer]);
            add_scaled(&mut sum[bias], scale(2 * layer + 1), &pass.deltas[layer]);
        }
    }
}

/// What one example makes of a network.
#[derive(Clone, Debug)]
pub struct Pass<T> {
    /// Of every layer, the input's and the logits included.
    pub units: Vec<Vec<T>>,
    /// Gradients by the sums of every affine map.
    pub deltas: Vec<Vec<T>>,
}

impl<T> Pass<T> {
    /// The last layer's units.
    pub fn logits(&self) -> &[T] {
        &self.units[self.units.len() - 1]
    }
}

/// Zero where the unit is off: the derivative of ReLU.
pub fn mask<T: Float>(values: &mut [T], units: &[T]) {
    for (value, &unit) in values.iter_mut().zip(units) {
        if unit <= T::zero() {
            *value = T::zero();
        }
    }
}

/// The cross-entropy of logits with `label`, in nats; the logits become its gradient.
pub fn cross_entropy_slope<T: Float>(logits: &mut [T], label: usize) -> T {
    softmax(logits);
    // At least the smallest positive number: a saturated network has a large loss, not an infinite one.
    let loss = -logits[label].max(T::min_positive_value()).ln();
    logits[label] = logits[label] - T::one();
    loss
}

/// Logits to probabilities.
pub fn softmax<T: Float>(values: &mut [T]) {
    let top = values.iter().copied().fold(T::neg_infinity(), T::max);
    let mut total = T::zero();
    for value in &mut *values {
        *value = (*value - top).exp();
        total = total + *value;
    }
    values.iter_mut().for_each(|value| *value = *value / total);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    #[test]
    fn the_gradient_agrees_with_central_differences() {
        let mlp = Mlp::new(3, 4, 2, 3);
        let mut rng = Rng::new(1, Stream::Baseline, 0);
        let mut params: Vec<f64> = mlp.init(&mut rng).into_iter().map(f64::from).collect();
        assert_eq!(params.len(), 3 * 4 + 4 + 4 * 4 + 4 + 4 * 3 + 3);
        let x = [0.5, -1.0, 2.0];
        let mut pass = mlp.pass();
        mlp.forward(&params, &x, &mut pass);
        mlp.backward(&params, 1, &mut pass);
        let mut gradient = vec![0.0; params.len()];
        mlp.add_gradient(0..3, &pass, |_| 1.0, &mut gradient);
        let mut pass = mlp.pass();
        let mut loss = |params: &[f64]| {
            mlp.forward(params, &x, &mut pass);
            mlp.backward(params, 1, &mut pass)
        };
        for i in 0..params.len() {
            let (kept, step) = (params[i], 1e-5);
            params[i] = kept + step;
            let up = loss(&params);
            params[i] = kept - step;
            let down = loss(&params);
            params[i] = kept;
            let expected = (up - down) / (2.0 * step);
            assert!((gradient[i] - expected).abs() < 1e-8, "{i}: {} {expected}", gradient[i]);
        }
    }
}
