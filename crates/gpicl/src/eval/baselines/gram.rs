//! What a kernel makes of an episode's inputs: all that a linear method needs to know of them.

use std::fmt;

use super::Examples;
use super::vector::{Rows, dot};

/// A product of two inputs `x`, `z` in some space of features.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kernel {
    /// `x . z`: the inputs as they are.
    Products,
    /// `x . z / input_dim + 1`: the inputs scaled to a norm of about 1, and a constant feature that stands for the
    /// bias and is penalised as the other weights are.
    Features,
    /// `cos(x, z)`: the inputs scaled to a norm of 1. Zero where an input is zero.
    Cosine,
    /// `exp(-gamma (1 - cos(x, z)))`: the Gaussian kernel of inputs with a norm of 1.
    Rbf {
        /// Half the squared distance over which the kernel falls by a factor `e` is `1 / gamma`.
        gamma: f64,
    },
    /// `exp(-gamma |x - z|^2 / (2 input_dim)) + 1`: the Gaussian kernel of the inputs as they are, and a constant feature.
    Gaussian {
        /// Half the squared distance a number over which the kernel falls by a factor `e` is `1 / gamma`.
        gamma: f64,
    },
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Products => write!(f, "Euclidean"),
            Self::Features => write!(f, "linear"),
            Self::Cosine => write!(f, "cosine"),
            Self::Rbf { gamma } => write!(f, "gamma {gamma}"),
            Self::Gaussian { gamma } => write!(f, "Gaussian, gamma {gamma}"),
        }
    }
}

impl Kernel {
    /// Of `x . z`, `x . x`, `z . z` of inputs of length `dim`.
    fn of(self, product: f64, x: f64, z: f64, dim: usize) -> f64 {
        let cosine = || if x > 0.0 && z > 0.0 { product / (x * z).sqrt() } else { 0.0 };
        match self {
            Self::Products => product,
            Self::Features => product / dim as f64 + 1.0,
            Self::Cosine => cosine(),
            Self::Rbf { gamma } => (-gamma * (1.0 - cosine())).exp(),
            Self::Gaussian { gamma } => 1.0 + (-gamma * (x + z - 2.0 * product) / (2.0 * dim as f64)).exp(),
        }
    }

    /// Of the inputs of an episode with each other.
    pub fn gram(self, episode: Examples<'_>) -> Gram {
        let (size, dim) = (episode.labels.len(), episode.input_dim);
        let mut values = Rows::new(&wide(episode.inputs), dim).gram();
        let squares: Vec<f64> = values.iter().step_by(size + 1).copied().collect();
        for (i, row) in values.chunks_exact_mut(size.max(1)).enumerate() {
            for (value, &square) in row.iter_mut().zip(&squares) {
                *value = self.of(*value, squares[i], square, dim);
            }
        }
        Gram { values, size }
    }

    /// Of `queries` `[Q, input_dim]` with the inputs of `context`.
    pub fn cross(self, context: Examples<'_>, queries: &[f32]) -> Cross {
        let (size, dim) = (context.labels.len(), context.input_dim);
        let (inputs, queries) = (wide(context.inputs), wide(queries));
        let rows = Rows::new(&inputs, dim);
        let squares: Vec<f64> = inputs.chunks_exact(dim).map(|z| dot(z, z)).collect();
        let mut values = vec![0.0; queries.len() / dim * size];
        for (row, query) in values.chunks_exact_mut(size.max(1)).zip(queries.chunks_exact(dim)) {
            rows.products(query, row);
            let x = dot(query, query);
            for (value, &z) in row.iter_mut().zip(&squares) {
                *value = self.of(*value, x, z, dim);
            }
        }
        Cross { values, size }
    }
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

/// A kernel between the inputs of an episode, `[N, N]`, symmetric.
#[derive(Clone, Debug)]
pub struct Gram {
    values: Vec<f64>,
    size: usize,
}

impl Gram {
    /// Of input `i` with the inputs before `to`.
    pub fn row(&self, i: usize, to: usize) -> &[f64] {
        &self.values[i * self.size..i * self.size + to]
    }

    /// Of the inputs at `places` alone.
    pub fn among(&self, places: &[usize]) -> Self {
        let of = |&i: &usize| places.iter().map(move |&j| self.values[i * self.size + j]);
        Self { values: places.iter().flat_map(of).collect(), size: places.len() }
    }

    /// Of input `i` with itself.
    pub fn square(&self, i: usize) -> f64 {
        self.values[i * self.size + i]
    }
}

/// A kernel between queries and a context, `[Q, N]`.
#[derive(Clone, Debug)]
pub struct Cross {
    values: Vec<f64>,
    size: usize,
}

impl Cross {
    /// Of query `q` with all inputs.
    pub fn row(&self, q: usize) -> &[f64] {
        &self.values[q * self.size..(q + 1) * self.size]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::baselines::tests::toy_episode;

    #[test]
    fn kernels_are_their_definitions_within_an_episode_and_between_it_and_queries() {
        let (inputs, labels) = toy_episode(5, 3, 2, 1);
        let episode = Examples { inputs: &inputs, labels: &labels, input_dim: 3, classes: 2, index: 0 };
        let x = |i: usize| &inputs[i * 3..][..3];
        let dot = |i: usize, j: usize| -> f64 {
            x(i).iter().zip(x(j)).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
        };
        let cosine = |i: usize, j: usize| dot(i, j) / (dot(i, i).sqrt() * dot(j, j).sqrt());
        for (kernel, expected) in [
            (Kernel::Products, &dot as &dyn Fn(usize, usize) -> f64),
            (Kernel::Features, &|i, j| dot(i, j) / 3.0 + 1.0),
            (Kernel::Cosine, &cosine),
            (Kernel::Rbf { gamma: 2.0 }, &|i, j| (2.0 * cosine(i, j) - 2.0).exp()),
            (Kernel::Gaussian { gamma: 2.0 }, &|i, j| {
                1.0 + (-(dot(i, i) - 2.0 * dot(i, j) + dot(j, j)) / 3.0).exp()
            }),
        ] {
            let (gram, cross) = (kernel.gram(episode), kernel.cross(episode, &inputs[3..]));
            for i in 0..5 {
                for j in 0..5 {
                    let is = gram.row(i, 5)[j];
                    assert!((is - expected(i, j)).abs() < 1e-12, "{kernel:?} {i} {j}: {is}");
                }
                assert_eq!(gram.square(i), gram.row(i, 5)[i]);
                assert_eq!(gram.among(&[4, i]).row(1, 2), [gram.row(i, 5)[4], gram.square(i)]);
            }
            for q in 0..4 {
                assert_eq!(cross.row(q), gram.row(q + 1, 5), "{kernel:?} {q}");
            }
        }
    }

    #[test]
    fn an_input_of_zeros_is_at_right_angles_to_all() {
        let (inputs, labels) = ([0.0, 0.0, 3.0, 4.0], [0, 1]);
        let episode = Examples { inputs: &inputs, labels: &labels, input_dim: 2, classes: 2, index: 0 };
        assert_eq!(Kernel::Cosine.gram(episode).row(0, 2), [0.0, 0.0]);
        assert_eq!(Kernel::Rbf { gamma: 1.0 }.gram(episode).row(1, 2), [(-1.0_f64).exp(), 1.0]);
    }
}
