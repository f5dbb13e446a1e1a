//! Linear rules, and logistic ones: classes by the odds that a linear function gives.

use super::chance::{coin, exponential, log_within, pick};
use super::function::{Function, Shape, Target, odds};
use super::inputs::inputs;
use super::rows::{Rows, combination};
use crate::rng::Rng;

/// How the weights of features are spread.
#[derive(Clone, Copy)]
enum Weights {
    Normal,
    /// A few large ones.
    Heavy,
    /// Equal but for their sign.
    Signs,
}

/// One rule.
pub(super) fn make(rng: &mut Rng, rows: &mut Rows, shape: Shape) -> Function {
    let features = inputs(rng, rows, shape.features);
    let used = shape.relevant(rng);
    let kind = pick(rng, &[Weights::Normal, Weights::Heavy, Weights::Signs]);
    let weight = |rng: &mut Rng| match kind {
        Weights::Normal => rng.normal(),
        Weights::Heavy => rng.normal() * exponential(rng) * exponential(rng),
        Weights::Signs => pick(rng, &[-1.0, 1.0]),
    };
    let logistic = coin(rng, 0.5);
    let outputs = if logistic { shape.classes } else { shape.scores(rng) };
    let steep = log_within(rng, 0.7, 8.0);
    let mut scores: Vec<_> = (0..outputs)
        .map(|_| {
            let terms: Vec<_> = used.iter().map(|&feature| (weight(rng), &features[feature])).collect();
            combination(terms, rows.len())
        })
        .collect();
    if logistic {
        odds(rng, rows, &mut scores, steep);
    }
    Function { features, target: Target::Scores(scores) }
}
