//! Distributions of raw features.

use super::chance::{coin, count, exponential, log_within, pick, shares, weighted, within};
use super::levels::{levels, thresholds};
use super::rows::{Column, Rows, combination, standardise};
use crate::rng::Rng;

/// How the features of a table are spread, before what columns get.
#[derive(Clone, Copy)]
enum Joint {
    Normal,
    Uniform,
    Clusters,
    LowRank,
    Discrete,
    /// Each column by itself.
    Mixed,
}

/// `features` columns of one random distribution, mean 0 and deviation 1.
pub(super) fn inputs(rng: &mut Rng, rows: &mut Rows, features: usize) -> Vec<Column> {
    let joints = [
        Joint::Normal,
        Joint::Uniform,
        Joint::Clusters,
        Joint::LowRank,
        Joint::LowRank,
        Joint::Discrete,
        Joint::Mixed,
    ];
    let mut columns: Vec<Column> = match pick(rng, &joints) {
        Joint::Normal => (0..features).map(|_| rows.normal()).collect(),
        Joint::Uniform => (0..features).map(|_| rows.uniform()).collect(),
        Joint::Clusters => clusters(rng, rows, features),
        Joint::LowRank => low_rank(rng, rows, features),
        Joint::Discrete => {
            let most = count(rng, 2, 6);
            (0..features).map(|_| discrete(rng, rows, most)).collect()
        }
        Joint::Mixed => (0..features).map(|_| marginal(rng, rows)).collect(),
    };
    columns.iter_mut().for_each(|column| standardise(column));
    columns
}

/// A column of a random distribution, mean 0 and deviation 1.
pub(super) fn marginal(rng: &mut Rng, rows: &mut Rows) -> Column {
    let mut column = match count(rng, 0, 6) {
        0 | 1 => rows.normal(),
        2 => rows.uniform(),
        3 => rows.each(exponential),
        4 => {
            let most = count(rng, 2, 8);
            discrete(rng, rows, most)
        }
        5 => {
            // Two bumps.
            let (share, apart) = (within(rng, 0.15, 0.85), within(rng, 1.0, 6.0));
            rows.each(|rng| if coin(rng, share) { rng.normal() + apart } else { rng.normal() })
        }
        // Student's with few degrees of freedom has such tails.
        _ => rows.each(|rng| {
            let scale = exponential(rng) + exponential(rng);
            rng.normal() / (scale * 0.5).max(0.05).sqrt()
        }),
    };
    standardise(&mut column);
    column
}

/// Whole numbers from 0 with random shares.
pub(super) fn discrete(rng: &mut Rng, rows: &mut Rows, values: usize) -> Column {
    let concentration = pick(rng, &[1, 4, 20]);
    let shares = shares(rng, values, concentration);
    rows.each(|rng| weighted(rng, &shares) as f32)
}

/// Normals around some centres.
fn clusters(rng: &mut Rng, rows: &mut Rows, features: usize) -> Vec<Column> {
    let (centres, width) = (count(rng, 2, 8), log_within(rng, 0.15, 1.0));
    let shares = shares(rng, centres, 3);
    let chosen = rows.each(|rng| weighted(rng, &shares));
    let column = |rng: &mut Rng, rows: &mut Rows| {
        let centre: Vec<f32> = (0..centres).map(|_| rng.normal()).collect();
        let mut column = rows.normal();
        column.iter_mut().zip(&chosen).for_each(|(x, &of)| *x = centre[of] + width * *x);
        column
    };
    (0..features).map(|_| column(rng, rows)).collect()
}

/// Mixtures of a few hidden numbers and a little noise: correlated columns.
fn low_rank(rng: &mut Rng, rows: &mut Rows, features: usize) -> Vec<Column> {
    let hidden = count(rng, 1, features.div_ceil(2));
    let hidden: Vec<Column> = (0..hidden).map(|_| marginal(rng, rows)).collect();
    let noise = log_within(rng, 0.05, 1.0);
    let column = |rng: &mut Rng, rows: &mut Rows| {
        let own = rows.normal();
        let terms = hidden.iter().map(|hidden| (rng.normal(), hidden)).chain([(noise, &own)]);
        combination(terms, rows.len())
    };
    (0..features).map(|_| column(rng, rows)).collect()
}

/// A column as at most `most` values, each random: a category that stands for a number.
pub(super) fn steps(rng: &mut Rng, column: &[f32], most: usize) -> Column {
    let cuts = thresholds(rng, column, most);
    let values: Vec<f32> = (0..=cuts.len()).map(|_| rng.normal()).collect();
    levels(column, &cuts).into_iter().map(|level| values[level]).collect()
}
