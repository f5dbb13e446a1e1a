//! From what a family says to classes: cuts, the largest of some scores, noise.

use super::chance::{coin, count, log_within, pick, shares, within};
use super::function::Target;
use super::levels::levels;
use super::rows::{Column, PROBES, Rows, moments, quantile, sorted, standardise};
use crate::rng::Rng;

/// Classes below `classes` for every row.
pub(super) fn labels(rng: &mut Rng, rows: &mut Rows, target: Target, classes: usize) -> Vec<u32> {
    let mut labels = match target {
        Target::Classes(labels) => labels,
        Target::Scores(mut scores) => {
            blur(rng, rows, &mut scores);
            match &mut scores[..] {
                [score] => cut(rng, score, classes),
                several => largest(rng, several),
            }
        }
    };
    if coin(rng, 0.2) {
        let wrong = within(rng, 0.0, 0.25);
        let other = rows.each(|rng| coin(rng, wrong).then(|| rng.below(classes as u64) as u32));
        labels.iter_mut().zip(other).for_each(|(label, other)| *label = other.unwrap_or(*label));
    }
    labels
}

/// Adds noise to scores, none in almost half of the tasks: what makes the best accuracy anything from near chance to 1.
fn blur(rng: &mut Rng, rows: &mut Rows, scores: &mut [Column]) {
    if coin(rng, 0.45) {
        return;
    }
    let level = log_within(rng, 0.02, 1.0);
    for score in scores {
        let (_, deviation) = moments(score);
        score.iter_mut().zip(rows.normal()).for_each(|(x, noise)| *x += level * deviation * noise);
    }
}

/// Bands of one score. Their shares are unequal; classes stand in the order of the score, or in any, or one in several bands.
fn cut(rng: &mut Rng, score: &[f32], classes: usize) -> Vec<u32> {
    /// Bands for a class, where it has several.
    const BANDS: usize = 3;
    let bands = if coin(rng, 0.12) { count(rng, classes, BANDS * classes) } else { classes };
    let concentration = pick(rng, &[1, 3, 10]);
    let sorted = sorted(score);
    let highest = sorted[PROBES - 1];
    // Above the largest number is no band: the cut moves below it.
    let below = sorted.iter().rev().copied().find(|&x| x < highest).unwrap_or(highest);
    let mut at = 0.0;
    let cuts: Vec<f32> = shares(rng, bands, concentration)[1..]
        .iter()
        .map(|share| {
            at += share;
            quantile(&sorted, at).min(below)
        })
        .collect();
    let mut order: Vec<u32> = (0..bands).map(|band| (band % classes) as u32).collect();
    if bands > classes || coin(rng, 0.3) {
        rng.shuffle(&mut order);
    }
    levels(score, &cuts).into_iter().map(|band| order[band]).collect()
}

/// Which of the scores is the largest, for every row. In half of the tasks they are first made even, then uneven again.
fn largest(rng: &mut Rng, scores: &mut [Column]) -> Vec<u32> {
    if coin(rng, 0.5) {
        let uneven = pick(rng, &[0.0, 0.3, 0.8]);
        for score in &mut *scores {
            standardise(score);
            let bias = uneven * rng.normal();
            score.iter_mut().for_each(|x| *x += bias);
        }
    }
    let best = |row: usize| (0..scores.len()).max_by(|&a, &b| scores[a][row].total_cmp(&scores[b][row]));
    (0..scores[0].len()).map(|row| best(row).unwrap_or_default() as u32).collect()
}
