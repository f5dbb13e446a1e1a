//! Linear rules, and logistic ones: classes by the odds that a linear function gives.

use super::chance::{coin, exponential, log_within, pick};
use super::function::{Function, Shape, Target};
use super::inputs::inputs;
use super::rows::{Rows, combination, standardise};
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
    let mut scores = Vec::with_capacity(outputs);
    for _ in 0..outputs {
        let terms: Vec<_> = used.iter().map(|&feature| (weight(rng), &features[feature])).collect();
        let mut score = combination(terms, rows.len());
        if logistic {
            standardise(&mut score);
            // The largest of scores with Gumbel's noise is a class by its softmax.
            let bias = rng.normal();
            let noise = rows.each(|rng| -libm::logf(exponential(rng).max(f32::MIN_POSITIVE)));
            score.iter_mut().zip(noise).for_each(|(x, noise)| *x = steep * *x + bias + noise);
        }
        scores.push(score);
    }
    Function { features, target: Target::Scores(scores) }
}
