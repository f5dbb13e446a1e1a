//! Products of an episode's inputs with each other: all that a linear method needs to know of them.

use super::Examples;
use super::vector::Rows;

/// `[N, N]`, symmetric.
#[derive(Clone, Debug)]
pub struct Gram {
    values: Vec<f64>,
    size: usize,
}

impl Gram {
    /// `x_i . x_j` of the inputs as they are.
    pub fn products(episode: Examples<'_>) -> Self {
        Self::of(episode, |product| product)
    }

    /// `x_i . x_j / input_dim + 1`: the inputs scaled to a norm of about 1, and a constant feature that stands
    /// for the bias and is penalised as the other weights are.
    pub fn features(episode: Examples<'_>) -> Self {
        let scale = 1.0 / episode.input_dim as f64;
        Self::of(episode, |product| product * scale + 1.0)
    }

    fn of(episode: Examples<'_>, kernel: impl Fn(f64) -> f64) -> Self {
        let size = episode.labels.len();
        let inputs: Vec<f64> = episode.inputs.iter().map(|&x| f64::from(x)).collect();
        let mut values = Rows::new(&inputs, episode.input_dim).gram();
        values.iter_mut().for_each(|value| *value = kernel(*value));
        Self { values, size }
    }

    /// Products of input `i` with the inputs before `to`.
    pub fn row(&self, i: usize, to: usize) -> &[f64] {
        &self.values[i * self.size..i * self.size + to]
    }

    /// Product of input `i` with itself.
    pub fn square(&self, i: usize) -> f64 {
        self.values[i * self.size + i]
    }
}
