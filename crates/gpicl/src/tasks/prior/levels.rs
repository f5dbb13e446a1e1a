//! A column cut into levels: what thresholds, categories and bins have in common.

use super::chance::{coin, count};
use super::rows::{PROBES, quantile, sorted};
use crate::rng::Rng;

/// The level of every row, from 0: the number of thresholds that it lies above.
pub(super) fn levels(column: &[f32], thresholds: &[f32]) -> Vec<usize> {
    column.iter().map(|x| thresholds.iter().filter(|&threshold| x > threshold).count()).collect()
}

/// At most `most` levels: thresholds at even quantiles, or at the numbers of random probe rows. Where the column has few
/// values there are fewer.
pub(super) fn thresholds(rng: &mut Rng, column: &[f32], most: usize) -> Vec<f32> {
    let sorted = sorted(column);
    let even = coin(rng, 0.5);
    let cut = |level: usize| {
        let share = level as f32 / most as f32;
        if even { quantile(&sorted, share) } else { sorted[count(rng, 0, PROBES - 1)] }
    };
    let mut cuts: Vec<f32> = (1..most).map(cut).collect();
    // Nothing lies above the largest.
    cuts.retain(|&cut| cut < sorted[PROBES - 1]);
    cuts.sort_by(f32::total_cmp);
    cuts.dedup();
    cuts
}
