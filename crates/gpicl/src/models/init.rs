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

    /// A matrix `[rows, cols]` whose rows (columns, if there are fewer of them) are orthogonal, with entries of the root mean
    /// square `std`: Gaussian ones, made orthogonal one after the other.
    pub fn orthogonal(&mut self, rows: usize, cols: usize, std: f32) -> Vec<f32> {
        let (short, long) = (rows.min(cols), rows.max(cols));
        let drawn = self.normal(short * long, 1.0);
        let mut lines: Vec<Vec<f64>> = Vec::with_capacity(short);
        for line in drawn.chunks_exact(long) {
            let mut line: Vec<f64> = line.iter().map(|&x| x.into()).collect();
            // Twice, as rounding leaves something of the first time.
            for _ in 0..2 {
                for earlier in &lines {
                    let along: f64 = line.iter().zip(earlier).map(|(x, y)| x * y).sum();
                    line.iter_mut().zip(earlier).for_each(|(x, y)| *x -= along * y);
                }
            }
            let length = line.iter().map(|x| x * x).sum::<f64>().sqrt();
            line.iter_mut().for_each(|x| *x /= length);
            lines.push(line);
        }
        let scale = f64::from(std) * (long as f64).sqrt();
        let at = |row: usize, col: usize| if rows <= cols { lines[row][col] } else { lines[col][row] };
        (0..rows * cols).map(|i| (at(i / cols, i % cols) * scale) as f32).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orthogonal_matrices_keep_angles() {
        let mut init = Initializer::new(1, &Device::flex());
        for (rows, cols) in [(3, 8), (8, 3), (40, 40)] {
            let matrix = init.orthogonal(rows, cols, 0.5);
            let short = rows.min(cols);
            let line =
                |i: usize, k: usize| if rows <= cols { matrix[i * cols + k] } else { matrix[k * cols + i] };
            for i in 0..short {
                for j in 0..=i {
                    let product: f32 = (0..rows.max(cols)).map(|k| line(i, k) * line(j, k)).sum();
                    let expected = if i == j { 0.25 * rows.max(cols) as f32 } else { 0.0 };
                    assert!((product - expected).abs() < 1e-4, "{rows} {cols} {i} {j}: {product}");
                }
            }
        }
    }
}
