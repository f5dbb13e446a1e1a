//! Classes that are Gaussians, or mixtures of some.

use super::activation::activation;
use super::chance::{coin, count, log_within, pick, shares, weighted};
use super::function::{Function, Shape, Target};
use super::rows::{Column, Rows, combination};
use crate::rng::Rng;

/// Which numbers a class has for itself.
#[derive(Clone, Copy, PartialEq)]
enum Widths {
    /// All classes are as wide: borders are linear.
    Common,
    /// A width a class.
    Class,
    /// A width a class and feature: borders are quadratic.
    Feature,
}

/// The classes.
pub(super) fn make(rng: &mut Rng, rows: &mut Rows, shape: Shape) -> Function {
    let concentration = pick(rng, &[1, 4, 20]);
    let of_class = shares(rng, shape.classes, concentration);
    let parts = if coin(rng, 0.6) { 1 } else { count(rng, 2, 3) };
    let classes = rows.each(|rng| weighted(rng, &of_class));
    let part: Vec<usize> = classes
        .iter()
        .zip(rows.each(|rng| rng.below(parts as u64)))
        .map(|(class, part)| class * parts + part as usize)
        .collect();
    let used = shape.relevant(rng);
    // So far apart that the distance of two centres does not depend on how many features tell them apart.
    let apart = log_within(rng, 0.8, 6.0) / (used.len() as f32).sqrt();
    let widths = pick(rng, &[Widths::Common, Widths::Class, Widths::Feature]);
    let of_width = |rng: &mut Rng| log_within(rng, 0.4, 2.5);
    let common: Vec<f32> = (0..shape.classes).map(|_| of_width(rng)).collect();
    let feature = |rng: &mut Rng, rows: &mut Rows, number: usize| {
        let mut column = rows.normal();
        if !used.contains(&number) {
            return column;
        }
        let centres: Vec<f32> = (0..shape.classes * parts).map(|_| apart * rng.normal()).collect();
        let width: Vec<f32> = match widths {
            Widths::Common => vec![1.0; shape.classes],
            Widths::Class => common.clone(),
            Widths::Feature => (0..shape.classes).map(|_| of_width(rng)).collect(),
        };
        let places = classes.iter().zip(&part);
        column.iter_mut().zip(places).for_each(|(x, (&class, &part))| *x = centres[part] + width[class] * *x);
        column
    };
    let mut features: Vec<Column> = (0..shape.features).map(|number| feature(rng, rows, number)).collect();
    if coin(rng, 0.4) {
        features = turned(rng, &features, rows.len());
        // Clouds that are bent, as views of a thing are.
        if coin(rng, 0.4) {
            let bend = activation(rng);
            let bent = |column: &Column| column.iter().map(|&x| x + bend(x)).collect();
            let bent: Vec<Column> = features.iter().map(bent).collect();
            features = turned(rng, &bent, rows.len());
        }
    }
    let classes = classes.into_iter().map(|class| class as u32).collect();
    Function { features, target: Target::Classes(classes) }
}

/// Correlated: to every feature comes a little of the others.
fn turned(rng: &mut Rng, features: &[Column], len: usize) -> Vec<Column> {
    let much = log_within(rng, 0.2, 2.0) / (features.len() as f32).sqrt();
    let column = |own: usize| {
        let weight = |other: usize, rng: &mut Rng| much * rng.normal() + f32::from(u8::from(other == own));
        combination(features.iter().enumerate().map(|(other, x)| (weight(other, rng), x)), len)
    };
    (0..features.len()).map(column).collect()
}
