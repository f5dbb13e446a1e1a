//! `rho_k`: the random relabelling that hides what the labels mean.

use super::rng::{Rng, Stream};

/// The label slot of every class, injective into `0..slots`: a pure function of (seed, task).
pub fn permutation(seed: u64, task: u64, classes: usize, slots: usize) -> Vec<u32> {
    let mut rho: Vec<u32> = (0..slots as u32).collect();
    Rng::new(seed, Stream::Permutation, task).shuffle(&mut rho);
    rho.truncate(classes);
    rho
}
