//! Draws that the families have in common.

use crate::rng::{Rng, Stream};

/// A sequence of its own, named by the next bits of `rng`.
pub(super) fn branch(rng: &mut Rng) -> Rng {
    Rng::new(rng.bits64(), Stream::Prior, 0)
}

/// True with probability `share`.
pub(super) fn coin(rng: &mut Rng, share: f32) -> bool {
    rng.uniform() < share
}

/// Uniform in `low..high`.
pub(super) fn within(rng: &mut Rng, low: f32, high: f32) -> f32 {
    low + (high - low) * rng.uniform()
}

/// Between `low` and `high`, its logarithm uniform.
pub(super) fn log_within(rng: &mut Rng, low: f32, high: f32) -> f32 {
    libm::expf(within(rng, libm::logf(low), libm::logf(high)))
}

/// A whole number from `low` to `high`, both included.
pub(super) fn count(rng: &mut Rng, low: usize, high: usize) -> usize {
    low + rng.below((high.max(low) - low) as u64 + 1) as usize
}

/// A whole number from `low` to `high`, both included, its logarithm uniform.
pub(super) fn log_count(rng: &mut Rng, low: usize, high: usize) -> usize {
    let high = high.max(low);
    (log_within(rng, low as f32, (high + 1) as f32) as usize).clamp(low, high)
}

/// One of `items`.
pub(super) fn pick<T: Copy>(rng: &mut Rng, items: &[T]) -> T {
    items[rng.below(items.len() as u64) as usize]
}

/// A number below that of the weights, with probabilities proportional to them.
pub(super) fn weighted(rng: &mut Rng, weights: &[f32]) -> usize {
    let mut point = rng.uniform() * weights.iter().sum::<f32>();
    let found = weights.iter().position(|weight| {
        point -= weight;
        point < 0.0
    });
    // Rounding may leave a point behind the last weight; none that is 0 is taken then.
    found.unwrap_or_else(|| weights.iter().rposition(|&weight| weight > 0.0).unwrap_or_default())
}

/// Exponential with mean 1.
pub(super) fn exponential(rng: &mut Rng) -> f32 {
    -libm::logf(1.0 - rng.uniform())
}

/// Shares of `parts` that sum to 1: Dirichlet with a whole `concentration`, as sums of exponentials.
pub(super) fn shares(rng: &mut Rng, parts: usize, concentration: usize) -> Vec<f32> {
    let mut sizes: Vec<f32> = (0..parts)
        .map(|_| (0..concentration).map(|_| exponential(rng)).sum::<f32>() + f32::EPSILON)
        .collect();
    let total: f32 = sizes.iter().sum();
    sizes.iter_mut().for_each(|size| *size /= total);
    sizes
}

/// Different numbers below `among`, as many as `wanted` if there are, in random order.
pub(super) fn distinct(rng: &mut Rng, among: usize, wanted: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (0..among).collect();
    rng.shuffle(&mut all);
    all.truncate(wanted);
    all
}
