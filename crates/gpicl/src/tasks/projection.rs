//! `A_k`: the random linear map that hides what the inputs mean.

use gpicl_ops::cpu::philox::Sequence;
use gpicl_ops::cpu::project::RandomMatrix;

use crate::rng::Stream;

/// `A_k` as what makes it: `[input_dim, data_dim]`, entries from `N(0, 1/data_dim)` on 255 levels, a pure function
/// of (seed, task). It and its products are the same to the bit on every CPU.
pub fn random_matrix(seed: u64, task: u64, input_dim: usize, data_dim: usize) -> RandomMatrix {
    let sequence = Sequence { seed, stream: Stream::Projection as u32, k: task };
    RandomMatrix { sequence, out_dim: input_dim, in_dim: data_dim, std: 1.0 / (data_dim as f32).sqrt() }
}

/// The entries of `A_k`, row-major `[input_dim, data_dim]`.
pub fn projection(seed: u64, task: u64, input_dim: usize, data_dim: usize) -> Vec<f32> {
    random_matrix(seed, task, input_dim, data_dim).entries()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entries_have_mean_0_and_variance_one_over_the_input_size() {
        for (task, data_dim) in [(0, 64), (1, 196), (12_345, 784)] {
            let entries = projection(3, task, 256, data_dim);
            let n = entries.len() as f64;
            let mean = entries.iter().map(|&a| f64::from(a)).sum::<f64>() / n;
            let square = entries.iter().map(|&a| f64::from(a).powi(2)).sum::<f64>() / n * data_dim as f64;
            // Four standard errors: a chance of 1 in 16,000 each, settled by the fixed seed.
            assert!(mean.abs() < 4.0 / (n * data_dim as f64).sqrt(), "mean {mean}");
            assert!((square - 1.0).abs() < 4.0 * (2.0 / n).sqrt(), "variance times N_x {square}");
        }
    }

    #[test]
    fn tasks_and_seeds_have_their_own_matrices() {
        let matrices: Vec<Vec<f32>> = [(0, 0), (0, 1), (1, 0), (0, 1 << 32), (0, 1 << 63)]
            .into_iter()
            .map(|(seed, task)| projection(seed, task, 3, 5))
            .collect();
        for (i, a) in matrices.iter().enumerate() {
            assert!(matrices[..i].iter().all(|b| a.iter().zip(b).all(|(a, b)| a != b)));
        }
    }
}
