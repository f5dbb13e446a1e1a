//! Sums of functions of one feature each: what risks and prices in tables often are, and what boosted stumps learn.

use super::chance::{coin, count, exponential, log_within, pick, within};
use super::function::{Function, Shape, Target, odds};
use super::inputs::{inputs, steps};
use super::levels::{levels, thresholds};
use super::rows::{Column, Rows, combination, quantile, sorted, standardise};
use crate::rng::Rng;

/// What a feature's part of the sum looks like.
#[derive(Clone, Copy)]
enum Part {
    Straight,
    /// Steps that go one way.
    Ascent,
    /// A step at a threshold, sharp or not.
    Threshold,
    /// Flat up to a knee, straight beyond it.
    Hinge,
    /// Highest, or lowest, at some number.
    Hump,
    /// Any values on a few intervals.
    Steps,
}

/// Parts, those that go one way more often.
const PARTS: [Part; 8] = [
    Part::Straight,
    Part::Ascent,
    Part::Threshold,
    Part::Threshold,
    Part::Hinge,
    Part::Hinge,
    Part::Hump,
    Part::Steps,
];

/// One sum, or one a class.
pub(super) fn make(rng: &mut Rng, rows: &mut Rows, shape: Shape) -> Function {
    let features = inputs(rng, rows, shape.features);
    let used = shape.relevant(rng);
    let logistic = coin(rng, 0.5);
    let outputs = if logistic { shape.classes } else { shape.scores(rng) };
    // All parts are of one look in some tables.
    let look = coin(rng, 0.4).then(|| pick(rng, &PARTS));
    // Few parts that matter most, or all alike.
    let even = coin(rng, 0.5);
    let mut scores = Vec::with_capacity(outputs);
    for _ in 0..outputs {
        let mut score = vec![0.0; rows.len()];
        for &feature in &used {
            let look = look.unwrap_or_else(|| pick(rng, &PARTS));
            let mut part = part(rng, look, &features[feature]);
            standardise(&mut part);
            let size = if even { within(rng, 0.5, 1.5) } else { exponential(rng) * exponential(rng) };
            score = combination([(1.0, &score), (pick(rng, &[-1.0, 1.0]) * size, &part)], rows.len());
        }
        scores.push(score);
    }
    if logistic {
        let steep = log_within(rng, 0.7, 8.0);
        odds(rng, rows, &mut scores, steep);
    }
    Function { features, target: Target::Scores(scores) }
}

/// A function of a column with mean 0 and deviation 1.
fn part(rng: &mut Rng, look: Part, column: &[f32]) -> Column {
    /// Steps of a part at most.
    const STEPS: usize = 6;
    let share = within(rng, 0.1, 0.9);
    let place = quantile(&sorted(column), share);
    let sign = pick(rng, &[-1.0, 1.0]);
    let each = |value: &dyn Fn(f32) -> f32| column.iter().map(|&x| value(x)).collect();
    match look {
        Part::Straight => column.to_vec(),
        Part::Ascent => {
            let most = count(rng, 2, STEPS);
            let cuts = thresholds(rng, column, most);
            let mut height = 0.0;
            let heights: Vec<f32> = (0..=cuts.len())
                .map(|_| {
                    height += exponential(rng);
                    height
                })
                .collect();
            levels(column, &cuts).into_iter().map(|level| heights[level]).collect()
        }
        Part::Threshold => {
            let width = log_within(rng, 0.01, 1.0);
            each(&|x| libm::tanhf((x - place) / width))
        }
        Part::Hinge => each(&|x| (sign * (x - place)).max(0.0)),
        Part::Hump => {
            let width = log_within(rng, 0.3, 2.0);
            each(&|x| libm::expf(-0.5 * ((x - place) / width) * ((x - place) / width)))
        }
        Part::Steps => {
            let most = count(rng, 2, STEPS);
            steps(rng, column, most)
        }
    }
}
