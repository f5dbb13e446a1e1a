//! How sure a learner may be of a table: one number, fitted to rows of the context that the others predict (Guo et al. 2017).

use std::ops::Range;

/// Parts of a context that are held out in turn.
const FOLDS: usize = 5;
/// Held-out rows that are enough.
const ENOUGH: usize = 256;
/// How far ln T is expected to be from 0: few rows move it little.
const SPREAD: f64 = 0.25;
/// Where ln T ends.
const MOST: f64 = 1.0;
/// No held-out row counts for more than the logarithm of this.
const LEAST_PROBABILITY: f64 = 1e-6;

/// The places of rows, in random order, that are held out one after another; each time all others are the context. Of many rows
/// a few are.
pub(super) fn folds(rows: usize) -> impl Iterator<Item = Range<usize>> {
    let fold = rows.div_ceil(FOLDS).clamp(1, ENOUGH);
    (0..rows).step_by(fold).take(ENOUGH.div_ceil(fold)).map(move |from| from..(from + fold).min(rows))
}

/// The T under which `p^(1 / T)`, made to add up to 1, predicts the labels best, among those that are likely beforehand. `held_out`
/// has the probabilities `[classes]` of a row and its label, whose class was in the context.
pub(super) fn fit(held_out: &[(Vec<f32>, u32)]) -> f64 {
    let logs: Vec<(Vec<f64>, usize)> = held_out
        .iter()
        .map(|(p, label)| {
            (p.iter().map(|&p| f64::from(p).max(LEAST_PROBABILITY).ln()).collect(), *label as usize)
        })
        .collect();
    let loss = |log_t: f64| {
        let sharper = (-log_t).exp();
        let of_row = |(logs, label): &(Vec<f64>, usize)| {
            let top = logs.iter().copied().fold(f64::MIN, f64::max);
            let total: f64 = logs.iter().map(|log| (sharper * (log - top)).exp()).sum();
            total.ln() - sharper * (logs[*label] - top)
        };
        logs.iter().map(of_row).sum::<f64>() + 0.5 * (log_t / SPREAD).powi(2)
    };
    golden(loss, -MOST, MOST).exp()
}

/// Where a function with one valley between `low` and `high` is least.
fn golden(f: impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> f64 {
    /// After these the bounds are a thousandth of a percent apart.
    const STEPS: usize = 26;
    let part = (5.0_f64.sqrt() - 1.0) / 2.0;
    for _ in 0..STEPS {
        let (a, b) = (high - part * (high - low), low + part * (high - low));
        if f(a) < f(b) { high = b } else { low = a }
    }
    0.5 * (low + high)
}

/// Makes of all rows `[n, classes]` what [`fit`] says.
pub(super) fn apply(temperature: f64, probabilities: &mut [f32], classes: usize) {
    let power = (1.0 / temperature) as f32;
    for row in probabilities.chunks_exact_mut(classes) {
        let top = row.iter().copied().fold(0.0, f32::max);
        row.iter_mut().for_each(|p| *p = libm::powf(*p / top, power));
        let total: f32 = row.iter().sum();
        row.iter_mut().for_each(|p| *p /= total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_held_out_once_or_as_many_as_are_enough() {
        let all = |rows| folds(rows).collect::<Vec<_>>();
        assert_eq!(all(12), [0..3, 3..6, 6..9, 9..12]);
        assert_eq!(all(100).len(), FOLDS);
        assert_eq!(all(1000), [0..200, 200..400]);
        assert_eq!((all(100_000).len(), all(100_000)[0].len()), (1, ENOUGH));
        assert_eq!((all(0).len(), all(1).len()), (0, 1));
    }

    /// Rows that say 0.9 for class 0, `right` of 100 of them right.
    fn sure(rows: usize, right: usize) -> Vec<(Vec<f32>, u32)> {
        (0..rows).map(|row| (vec![0.9, 0.1], u32::from(row % 100 >= right))).collect()
    }

    #[test]
    fn who_was_too_sure_becomes_less_so_and_few_rows_change_little() {
        let many = fit(&sure(10_000, 75));
        let mut p = [0.9, 0.1, 0.1, 0.9];
        apply(many, &mut p, 2);
        assert!((p[0] - 0.75).abs() < 0.01 && (p[3] - p[0]).abs() < 1e-6, "{p:?}");
        assert!((fit(&sure(10_000, 90)) - 1.0).abs() < 0.01);
        assert!(fit(&sure(10_000, 99)) < 0.9);
        assert!((fit(&[]) - 1.0).abs() < 1e-4);
        let few = fit(&sure(4, 75));
        assert!((0.9..1.1).contains(&few), "{few}");
    }

    #[test]
    fn order_and_zeros_stay() {
        let mut p = [0.5, 0.3, 0.2, 0.0];
        apply(1.7, &mut p, 4);
        assert!(p[0] > p[1] && p[1] > p[2] && p[3] == 0.0 && p[0] < 0.5, "{p:?}");
        assert!((p.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        let mut sure = [1.0, 0.0];
        apply(0.4, &mut sure, 2);
        assert_eq!(sure, [1.0, 0.0]);
    }
}
