//! Which examples of a data set an episode is made of.

use std::collections::HashMap;

use crate::rng::Rng;

/// `count` numbers below `size`, in random order, none of them twice unless `replacement`. Of one sequence, more of them
/// begin with the fewer.
///
/// # Panics
/// If without replacement there are not so many.
pub(super) fn choose(rng: &mut Rng, count: usize, size: usize, replacement: bool) -> Vec<usize> {
    if replacement {
        return (0..count).map(|_| rng.below(size as u64) as usize).collect();
    }
    assert!(count <= size, "{count} of {size} without replacement");
    // The first `count` places of Fisher's and Yates' shuffle; `moved` has what is not at its own place any more.
    let mut moved = HashMap::with_capacity(count);
    let choice = (0..count).map(|i| {
        let at = i + rng.below((size - i) as u64) as usize;
        let here = moved.get(&i).copied().unwrap_or(i);
        moved.insert(at, here).unwrap_or(at)
    });
    choice.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::rng::Stream;

    fn drawn(k: u64, count: usize, size: usize) -> Vec<usize> {
        choose(&mut Rng::new(3, Stream::ExampleChoice, k), count, size, false)
    }

    #[test]
    fn nothing_is_drawn_twice_and_more_begin_with_the_fewer() {
        for (k, (count, size)) in [(0, 7), (1, 1), (5, 9), (30, 30), (100, 60_000)].into_iter().enumerate() {
            let drawn = drawn(k as u64, count, size);
            assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), count);
            assert!(drawn.iter().all(|&i| i < size));
            let fewer = choose(&mut Rng::new(3, Stream::ExampleChoice, k as u64), count / 2, size, false);
            assert_eq!(fewer, drawn[..count / 2]);
        }
    }

    /// All 12 ordered pairs of 4; chi squared with 11 degrees of freedom at the level 10^-4.
    #[test]
    fn every_order_is_as_likely() {
        let mut counts = [0.0_f64; 16];
        for k in 0..12_000 {
            let pair = drawn(k, 2, 4);
            counts[pair[0] * 4 + pair[1]] += 1.0;
        }
        let chi: f64 =
            (0..16).filter(|i| i / 4 != i % 4).map(|i| (counts[i] - 1000.0).powi(2) / 1000.0).sum();
        assert!(chi < 37.4, "{counts:?}");
    }

    #[test]
    #[should_panic(expected = "5 of 4 without replacement")]
    fn more_than_there_are_cannot_be_drawn() {
        drawn(0, 5, 4);
    }
}
