//! Rank correlation, and how far other points might move it.

use super::Interval;
use crate::rng::{Rng, Stream};

/// Resamples of [`bootstrap`].
const RESAMPLES: u64 = 4000;

/// A 95% interval for a `statistic` of `points` points: percentiles over samples of as many, drawn with replacement and
/// given as numbers of points. Samples that have no statistic, such as many times one point, do not count. The same on every
/// call. `None` where all points have none.
pub fn bootstrap(points: usize, statistic: impl Fn(&[usize]) -> Option<f64>) -> Option<Interval> {
    let all: Vec<usize> = (0..points).collect();
    let mean = statistic(&all)?;
    let sample = |number: u64| {
        let mut rng = Rng::new(0, Stream::Bootstrap, number);
        let drawn: Vec<usize> = (0..points).map(|_| rng.below(points as u64) as usize).collect();
        statistic(&drawn)
    };
    let mut found: Vec<f64> = (0..RESAMPLES).filter_map(sample).collect();
    found.sort_by(f64::total_cmp);
    let at = |part: f64| found.get((part * (found.len() as f64 - 1.0)).round() as usize).copied();
    Some(Interval { mean, low: at(0.025).unwrap_or(mean), high: at(0.975).unwrap_or(mean) })
}

/// Spearman's rank correlation of `x` and `y`; equal values share the mean of their ranks. `None` where it is
/// not defined: fewer than two pairs, or all values of one side equal.
///
/// # Panics
/// If the lengths differ.
pub fn spearman(x: &[f64], y: &[f64]) -> Option<f64> {
    assert_eq!(x.len(), y.len(), "pairs");
    pearson(&ranks(x), &ranks(y))
}

/// Ranks from 1; ties get the mean of the ranks they take up.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut below = 0;
    for ties in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let mean = below as f64 + (ties.len() + 1) as f64 / 2.0;
        for &at in ties {
            ranks[at] = mean;
        }
        below += ties.len();
    }
    ranks
}

fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mx, my) = (mean(x), mean(y));
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        xy += (x - mx) * (y - my);
        xx += (x - mx).powi(2);
        yy += (y - my).powi(2);
    }
    (xx > 0.0 && yy > 0.0).then(|| xy / (xx * yy).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotone_is_one_whatever_the_distances() {
        assert_eq!(spearman(&[1.0, 10.0, 1000.0], &[0.1, 0.2, 0.9]), Some(1.0));
        assert_eq!(spearman(&[1.0, 10.0, 1000.0], &[0.9, 0.2, 0.1]), Some(-1.0));
    }

    #[test]
    fn ties_share_their_mean_rank() {
        assert_eq!(ranks(&[2.0, 1.0, 2.0, 5.0]), [2.5, 1.0, 2.5, 4.0]);
        // As scipy.stats.spearmanr gives it.
        let rho = spearman(&[1.0, 2.0, 2.0, 3.0, 4.0], &[1.0, 3.0, 2.0, 5.0, 4.0]).unwrap();
        assert!((rho - 0.872_081_599_272_381).abs() < 1e-12, "{rho}");
    }

    #[test]
    fn a_bootstrap_is_narrow_for_many_points_in_line_and_wide_for_few_that_are_not() {
        let rho = |y: &[f64]| {
            let of = |points: &[usize]| {
                let x: Vec<f64> = points.iter().map(|&at| at as f64).collect();
                spearman(&x, &points.iter().map(|&at| y[at]).collect::<Vec<_>>())
            };
            bootstrap(y.len(), of).unwrap()
        };
        let line: Vec<f64> = (0..30).map(|at| f64::from(at + at % 3)).collect();
        let narrow = rho(&line);
        assert!(narrow.low > 0.95 && narrow.low < narrow.high && narrow.high <= 1.0, "{narrow:?}");
        let wide = rho(&[1.0, 5.0, 2.0, 3.0, 4.0]);
        assert!(wide.low < 0.0 && wide.high > 0.9, "{wide:?}");
        assert_eq!(rho(&line), narrow, "the same again");
        assert_eq!(bootstrap(1, |_| None), None);
    }

    #[test]
    fn no_correlation_without_two_different_values() {
        assert_eq!(spearman(&[], &[]), None);
        assert_eq!(spearman(&[1.0], &[1.0]), None);
        assert_eq!(spearman(&[1.0, 1.0], &[1.0, 2.0]), None);
    }
}
