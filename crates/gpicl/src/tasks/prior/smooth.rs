//! Smooth functions: random Fourier features, samples of a Gaussian process.

use super::chance::{coin, log_count, log_within, within};
use super::function::{Function, Shape, Target};
use super::inputs::inputs;
use super::rows::{Column, Rows, combination};
use crate::rng::Rng;

/// One function, or one a class. Often of few features: there borders bend.
pub(super) fn make(rng: &mut Rng, rows: &mut Rows, shape: Shape) -> Function {
    /// Waves of a function.
    const WAVES: usize = 32;
    /// Features that most such functions have at most.
    const FEW: usize = 4;
    let features = inputs(rng, rows, shape.features);
    let mut used = shape.relevant(rng);
    if coin(rng, 0.6) {
        used.truncate(log_count(rng, 1, FEW));
    }
    // In many dimensions points lie far apart: without the root a function would be noise there.
    let length = (used.len() as f32).sqrt() * log_within(rng, 0.4, 2.5);
    let lengths: Vec<f32> = if coin(rng, 0.5) {
        used.iter().map(|_| length * log_within(rng, 0.4, 2.5)).collect()
    } else {
        vec![length; used.len()]
    };
    // Rare long frequencies make a rough function.
    let rough = coin(rng, 0.3);
    let wave = |rng: &mut Rng| {
        let frequency = if rough { 1.0 / rng.normal().abs().max(0.1) } else { 1.0 };
        let terms =
            used.iter().zip(&lengths).map(|(&feature, l)| (frequency * rng.normal() / l, &features[feature]));
        let mut wave = combination(terms, rows.len());
        let phase = within(rng, 0.0, std::f32::consts::TAU);
        wave.iter_mut().for_each(|x| *x = libm::cosf(*x + phase));
        wave
    };
    let waves: Vec<Column> = (0..WAVES).map(|_| wave(rng)).collect();
    let scores = (0..shape.scores(rng))
        .map(|_| combination(waves.iter().map(|wave| (rng.normal(), wave)), rows.len()))
        .collect();
    Function { features, target: Target::Scores(scores) }
}
