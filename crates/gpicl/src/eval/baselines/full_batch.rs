//! The perceptron on many examples at once: loss and gradient by matrix products.

use gpicl_ops::Precision;
use gpicl_ops::cpu::gemm::{Finish, MatRef, Start, gemm};
use gpicl_ops::cpu::sum::add_rows;

use super::mlp::{Mlp, cross_entropy_slope, mask};

/// A perceptron's training set, with room for what it makes of it.
#[derive(Debug)]
pub struct FullBatch<'a> {
    mlp: &'a Mlp,
    /// `[n, input_dim]`.
    inputs: &'a [f32],
    labels: &'a [u32],
    /// Of every layer above the input, `[n, units]`; the last ones are the logits.
    units: Vec<Vec<f32>>,
    /// Gradients by the sums of every layer, `[n, units]`.
    deltas: Vec<Vec<f32>>,
    /// Of the mean loss.
    gradient: Vec<f32>,
}

impl<'a> FullBatch<'a> {
    /// The examples `inputs` `[n, input_dim]`, `labels` `[n]`.
    pub fn new(mlp: &'a Mlp, inputs: &'a [f32], labels: &'a [u32]) -> Self {
        let rows: Vec<Vec<f32>> =
            (0..mlp.layers()).map(|layer| vec![0.0; labels.len() * mlp.layer(layer).1.len()]).collect();
        Self { mlp, inputs, labels, units: rows.clone(), deltas: rows, gradient: vec![0.0; mlp.num_params()] }
    }

    /// The mean cross-entropy in nats, and its gradient by the parameters.
    pub fn gradient(&mut self, params: &[f32]) -> (f32, &[f32]) {
        let Self { mlp, inputs, labels, units, deltas, gradient } = self;
        let (count, last) = (labels.len(), mlp.layers() - 1);
        let weights = |layer: usize| {
            let (weight, bias) = mlp.layer(layer);
            MatRef::row_major(&params[weight.clone()], weight.len() / bias.len(), bias.len())
        };
        for layer in 0..=last {
            let (below, above) = units.split_at_mut(layer);
            let below = below.last().map_or(*inputs, Vec::as_slice);
            let bias = &params[mlp.layer(layer).1];
            product(matrix(below, count), weights(layer), &mut above[0], Start::Bias(bias));
            if layer < last {
                above[0].iter_mut().for_each(|unit| *unit = unit.max(0.0));
            }
        }
        let (share, classes) = (1.0 / count as f32, units[last].len() / count);
        let mut loss = 0.0;
        deltas[last].copy_from_slice(&units[last]);
        for (row, &label) in deltas[last].chunks_exact_mut(classes).zip(*labels) {
            loss += share * cross_entropy_slope(row, label as usize);
            row.iter_mut().for_each(|delta| *delta *= share);
        }
        for layer in (0..=last).rev() {
            let (weight, bias) = mlp.layer(layer);
            let (below, above) = deltas.split_at_mut(layer);
            let delta = matrix(&above[0], count);
            let from = if layer == 0 { *inputs } else { &units[layer - 1] };
            product(matrix(from, count).t(), delta, &mut gradient[weight], Start::Zero);
            gradient[bias.clone()].fill(0.0);
            add_rows(&above[0], &mut gradient[bias]);
            if let Some(below) = below.last_mut() {
                product(delta, weights(layer).t(), below, Start::Zero);
                mask(below, from);
            }
        }
        (loss, gradient)
    }
}

fn product(a: MatRef<'_>, b: MatRef<'_>, c: &mut [f32], start: Start<'_>) {
    gemm(a, b, c, start, Finish::Nothing, Precision::Fp32);
}

fn matrix(values: &[f32], rows: usize) -> MatRef<'_> {
    MatRef::row_major(values, rows, values.len() / rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::baselines::tests::toy_episode;
    use crate::rng::{Rng, Stream};

    #[test]
    fn the_gradient_is_the_mean_of_those_of_single_examples() {
        for layers in [1, 2] {
            let (inputs, labels) = toy_episode(9, 5, 3, 6);
            let mlp = Mlp::new(5, 7, layers, 3);
            let params = mlp.init(&mut Rng::new(2, Stream::Baseline, 0));
            let (mut pass, mut expected) = (mlp.pass(), vec![0.0; params.len()]);
            let mut expected_loss = 0.0;
            for (x, &label) in inputs.chunks_exact(5).zip(&labels) {
                mlp.forward(&params, x, &mut pass);
                expected_loss += mlp.backward(&params, label as usize, &mut pass) / 9.0;
                mlp.add_gradient(0..mlp.layers(), &pass, |_| 1.0 / 9.0, &mut expected);
            }
            let mut batch = FullBatch::new(&mlp, &inputs, &labels);
            let (loss, gradient) = batch.gradient(&params);
            assert!((loss - expected_loss).abs() < 1e-5, "{loss} {expected_loss}");
            for (i, (&is, &expected)) in gradient.iter().zip(&expected).enumerate() {
                assert!((is - expected).abs() < 1e-5, "{layers} {i}: {is} {expected}");
            }
        }
    }
}
