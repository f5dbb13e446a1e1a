//! Where meta-training splits an episode into a context and queries.

use crate::rng::{Rng, Stream};

/// Least examples of a context, where an episode has as many.
const LEAST: usize = 8;

/// Examples of the context at `step` under `seed`, of an episode of `length` whose last `queries` are predicted: between
/// [`LEAST`] and as many as there are, by a uniform logarithm, so that a learner meets small contexts as often as large ones.
pub(super) fn context(seed: u64, step: u64, length: usize, queries: usize) -> usize {
    let most = length - queries;
    let least = LEAST.min(most);
    let along = f64::from(Rng::new(seed, Stream::Split, step).uniform());
    let (from, to) = ((least as f64).ln(), (most as f64 + 1.0).ln());
    ((from + along * (to - from)).exp() as usize).clamp(least, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_of_all_sizes_occur_and_small_ones_as_often_as_large_ones() {
        let drawn: Vec<usize> = (0..4000).map(|step| context(3, step, 112, 48)).collect();
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&8), Some(&64)));
        // ln 23 lies in the middle between ln 8 and ln 65.
        let small = drawn.iter().filter(|&&examples| examples < 23).count() as f64 / 4000.0;
        assert!((small - 0.5).abs() < 0.03, "{small}");
        assert_eq!(context(3, 7, 10, 8), 2, "no more than there are");
        assert_ne!(drawn, (0..4000).map(|step| context(4, step, 112, 48)).collect::<Vec<_>>());
    }
}
