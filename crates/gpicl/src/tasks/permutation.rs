//! `rho_k`: the random relabelling that hides what the labels mean.

use crate::rng::{Rng, Stream};

/// The label slot of every class, injective into `0..slots` and uniform over all such maps: a pure function
/// of (seed, task). With as many classes as slots it is a permutation.
///
/// # Panics
/// If there are more classes than slots.
pub fn permutation(seed: u64, task: u64, classes: usize, slots: usize) -> Vec<u32> {
    assert!(classes <= slots, "{classes} classes do not fit into {slots} label slots");
    let mut rho: Vec<u32> = (0..slots as u32).collect();
    Rng::new(seed, Stream::Permutation, task).shuffle(&mut rho);
    rho.truncate(classes);
    rho
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn is_a_bijection(seed: u64, task: u64, slots in 1..200_usize) {
            let mut rho = permutation(seed, task, slots, slots);
            rho.sort_unstable();
            prop_assert!(rho.into_iter().eq(0..slots as u32));
        }

        #[test]
        fn fewer_classes_take_the_first_slots_of_the_same_permutation(
            seed: u64,
            task: u64,
            (classes, slots) in (1..50_usize).prop_flat_map(|slots| (1..=slots, Just(slots))),
        ) {
            let whole = permutation(seed, task, slots, slots);
            prop_assert_eq!(&permutation(seed, task, classes, slots)[..], &whole[..classes]);
        }
    }

    /// Chi squared over the 24 permutations of 4 labels; 23 degrees of freedom, level 10^-4.
    #[test]
    fn every_permutation_is_as_likely() {
        let tasks = 24_000;
        let mut counts = HashMap::new();
        for task in 0..tasks {
            *counts.entry(permutation(1, task, 4, 4)).or_insert(0.0) += 1.0;
        }
        assert_eq!(counts.len(), 24);
        let expected = tasks as f64 / 24.0;
        let chi: f64 = counts.values().map(|count: &f64| (count - expected).powi(2) / expected).sum();
        assert!(chi < 56.0, "{chi}");
    }

    /// As an independent implementation in Python gives them.
    #[test]
    fn the_definition_has_not_changed() {
        assert_eq!(permutation(0, 0, 10, 10), [2, 7, 1, 4, 9, 0, 5, 8, 6, 3]);
        assert_eq!(permutation(7, 1 << 63, 10, 10), [5, 6, 4, 0, 3, 7, 8, 1, 2, 9]);
    }
}
