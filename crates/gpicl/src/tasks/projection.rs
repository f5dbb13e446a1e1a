//! `A_k`: the random linear map that hides what the inputs mean.

use super::rng::{Rng, Stream};

/// `A_k`, row-major `[input_dim, data_dim]`, entries from `N(0, 1/data_dim)`: a pure function of (seed, task).
pub fn projection(seed: u64, task: u64, input_dim: usize, data_dim: usize) -> Vec<f32> {
    let mut rng = Rng::new(seed, Stream::Projection, task);
    let std = 1.0 / (data_dim as f32).sqrt();
    (0..input_dim * data_dim).map(|_| rng.normal() * std).collect()
}
