//! Whether numbers fall into two clusters.

use crate::rng::{Rng, Stream};

/// Samples of [`two_clusters`].
const SAMPLES: u64 = 4_000;
/// Least values on either side of a gap: a single one is an outlier.
const LEAST: usize = 2;

/// The largest gap between neighbouring values with at least two on either side, as a part of their range. `None` for fewer than
/// four values, and for values that are all equal.
pub fn largest_gap(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let range = sorted.last()? - sorted.first()?;
    let inner = sorted.get(LEAST - 1..=sorted.len().checked_sub(LEAST)?)?;
    let gap = inner.windows(2).map(|pair| pair[1] - pair[0]).reduce(f64::max)?;
    (range > 0.0).then(|| gap / range)
}

/// Distributions with one hump that [`two_clusters`] asks: without tails; with the hump at an end and a tail; and with a part of all
/// values at one point, as of learners that never left a plateau, the others spread evenly.
const ONE_HUMP: [fn(&mut Rng) -> f64; 5] = [
    uniform,
    |rng| -(1.0 - uniform(rng)).ln(),
    |rng| spike(rng, 0.3),
    |rng| spike(rng, 0.5),
    |rng| spike(rng, 0.7),
];

fn uniform(rng: &mut Rng) -> f64 {
    f64::from(rng.uniform())
}

fn spike(rng: &mut Rng, part: f64) -> f64 {
    if uniform(rng) < part { 0.0 } else { uniform(rng) }
}

/// A p-value against one cluster: how often as many values have a [`largest_gap`] as large, where they are drawn from a distribution with one
/// hump; the largest over several of those. The same on every call. `None` where there is no such gap.
pub fn two_clusters(values: &[f64]) -> Option<f64> {
    let gap = largest_gap(values)?;
    let p = |draw: &fn(&mut Rng) -> f64| {
        let as_large = |number: &u64| {
            let mut rng = Rng::new(0, Stream::Bootstrap, *number);
            let drawn: Vec<f64> = values.iter().map(|_| draw(&mut rng)).collect();
            largest_gap(&drawn).is_some_and(|other| other >= gap)
        };
        (1 + (0..SAMPLES).filter(as_large).count()) as f64 / (1 + SAMPLES) as f64
    };
    ONE_HUMP.iter().map(p).reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gap_is_inside_and_relative_to_the_range() {
        assert_eq!(largest_gap(&[0.0, 10.0, 1.0, 9.0]), Some(0.8));
        assert_eq!(largest_gap(&[0.0, 0.1, 0.2, 0.3, 10.0]), Some(0.1 / 10.0), "an outlier is no cluster");
        assert_eq!(
            (largest_gap(&[]), largest_gap(&[0.0, 1.0, 2.0]), largest_gap(&[3.0; 6])),
            (None, None, None)
        );
    }

    #[test]
    fn two_clusters_are_told_from_one() {
        let p = |values: &[f64]| two_clusters(values).unwrap();
        let two = [0.02, 0.04, 0.05, 0.01, 0.03, 0.04, 0.02, 0.62, 0.65, 0.61, 0.66, 0.63, 0.64, 0.6];
        assert!(p(&two) < 0.05);
        assert!(p(&two[5..9]) > 0.02, "four values say little");
        let smear = [0.0, 0.01, 0.0, 0.02, 0.1, 0.3, 0.45, 0.6];
        assert!(p(&smear) > 0.3, "{}", p(&smear));
        assert!(p(&[0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]) > 0.5, "evenly spread");
    }

    #[test]
    fn one_cluster_is_called_two_as_often_as_the_p_value_says() {
        // None of them is a reference.
        let normal = |rng: &mut Rng| f64::from(rng.normal());
        let at_an_end = |rng: &mut Rng| uniform(rng).powi(2);
        let stuck = |rng: &mut Rng| if uniform(rng) < 0.4 { 0.02 * normal(rng) } else { uniform(rng) };
        for draw in [&normal as &dyn Fn(&mut Rng) -> f64, &at_an_end, &stuck] {
            let often = (0..100u64).filter(|number| {
                let mut rng = Rng::new(1, Stream::Bootstrap, *number);
                let values: Vec<f64> = (0..8).map(|_| draw(&mut rng)).collect();
                two_clusters(&values).unwrap() < 0.05
            });
            let part = often.count() as f64 / 100.0;
            assert!(part < 0.11, "{part}");
        }
    }
}
