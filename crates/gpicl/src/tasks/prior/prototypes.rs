//! Nearest prototypes: rows of the task, each with a class, in the features that matter.

use super::chance::{coin, count, exponential, log_count};
use super::function::{Function, Shape, Target};
use super::inputs::inputs;
use super::rows::{PROBES, Rows};
use crate::rng::Rng;

/// The prototypes of one task.
pub(super) fn make(rng: &mut Rng, rows: &mut Rows, shape: Shape) -> Function {
    /// Prototypes of a class.
    const MOST: usize = 4;
    let features = inputs(rng, rows, shape.features);
    let used = shape.relevant(rng);
    let each = log_count(rng, 1, MOST);
    let (squared, even) = (coin(rng, 0.6), coin(rng, 0.5));
    let weights: Vec<f32> =
        used.iter().map(|_| if even { 1.0 } else { exponential(rng) + f32::EPSILON }).collect();
    let mut scores = vec![vec![f32::MIN; rows.len()]; shape.classes];
    for score in &mut scores {
        for _ in 0..each {
            let prototype = count(rng, 0, PROBES - 1);
            let mut distance = vec![0.0; rows.len()];
            for (&feature, weight) in used.iter().zip(&weights) {
                let column = &features[feature];
                let at = column[prototype];
                distance.iter_mut().zip(column).for_each(|(distance, x)| {
                    let apart = x - at;
                    *distance += weight * if squared { apart * apart } else { apart.abs() };
                });
            }
            score.iter_mut().zip(distance).for_each(|(score, distance)| *score = score.max(-distance));
        }
    }
    Function { features, target: Target::Scores(scores) }
}
