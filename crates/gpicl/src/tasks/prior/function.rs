//! What a family makes: features and what their label is read from.

use super::chance::{coin, distinct, exponential, log_count};
use super::rows::{Column, Rows, standardise};
use crate::rng::Rng;

/// What is asked of a family.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Features to make, at least 1.
    pub features: usize,
    /// Classes that there are at most, at least 2.
    pub classes: usize,
}

/// Features and label of a task, for every row.
pub(super) struct Function {
    pub features: Vec<Column>,
    pub target: Target,
}

/// What the label is.
pub(super) enum Target {
    /// One number, to be cut into classes; or one a class, the largest of which is the label's.
    Scores(Vec<Column>),
    /// The class itself.
    Classes(Vec<u32>),
}

/// A family: draws a function of that shape by `rng`, and its rows.
pub(super) type Make = fn(&mut Rng, &mut Rows, Shape) -> Function;

impl Shape {
    /// The features that matter: all of them in a third of the tasks, else any number, few as often as many.
    pub(super) fn relevant(self, rng: &mut Rng) -> Vec<usize> {
        let wanted = if coin(rng, 0.35) { self.features } else { log_count(rng, 1, self.features) };
        distinct(rng, self.features, wanted)
    }

    /// How many scores: one to cut, or one a class. The more classes, the rarer is it that they stand in an order.
    pub(super) fn scores(self, rng: &mut Rng) -> usize {
        let one = if self.classes == 2 { 0.7 } else { 1.2 / self.classes as f32 };
        if coin(rng, one) { 1 } else { self.classes }
    }
}

/// Scores whose largest is a class by their softmax: `steep` times each score, with a bias of its own and Gumbel's noise.
pub(super) fn odds(rng: &mut Rng, rows: &mut Rows, scores: &mut [Column], steep: f32) {
    for score in scores {
        standardise(score);
        let bias = rng.normal();
        let noise = rows.each(|rng| -libm::logf(exponential(rng).max(f32::MIN_POSITIVE)));
        score.iter_mut().zip(noise).for_each(|(x, noise)| *x = steep * *x + bias + noise);
    }
}
