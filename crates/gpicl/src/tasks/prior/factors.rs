//! Features that share large causes: what tells classes apart is small beside them, or is the causes themselves.

use super::activation::activation;
use super::chance::{coin, count, log_count, log_within, pick, shares, weighted};
use super::function::{Function, Shape, Target, odds};
use super::inputs::marginal;
use super::rows::{Column, Rows, combination, standardise};
use crate::rng::Rng;

/// What tells classes apart.
#[derive(Clone, Copy)]
enum Told {
    /// Their means, in what the features do not share: a size hides what kind it is of.
    Means,
    /// Linear rules over what the features do not share.
    Rule,
    /// Where they lie among the causes, of which each feature is a view.
    Places,
}

/// One set of causes.
pub(super) fn make(rng: &mut Rng, rows: &mut Rows, shape: Shape) -> Function {
    match pick(rng, &[Told::Means, Told::Rule, Told::Places]) {
        Told::Means => {
            let classes = classes(rng, rows, shape);
            let own = means(rng, rows, shape, &classes);
            let features = hidden(rng, rows, own);
            Function { features, target: Target::Classes(classes) }
        }
        Told::Rule => {
            let own: Vec<Column> = (0..shape.features).map(|_| marginal(rng, rows)).collect();
            let target = rule(rng, rows, shape, &own);
            Function { features: hidden(rng, rows, own), target }
        }
        Told::Places => places(rng, rows, shape),
    }
}

/// A class for every row.
fn classes(rng: &mut Rng, rows: &mut Rows, shape: Shape) -> Vec<u32> {
    let concentration = pick(rng, &[2, 5, 20]);
    let of_class = shares(rng, shape.classes, concentration);
    rows.each(|rng| weighted(rng, &of_class) as u32)
}

/// Normals around a mean of each class, in the features that matter; so far apart that the distance of two means does not depend
/// on how many these are.
fn means(rng: &mut Rng, rows: &mut Rows, shape: Shape, classes: &[u32]) -> Vec<Column> {
    let used = shape.relevant(rng);
    let apart = log_within(rng, 1.0, 10.0) / (used.len() as f32).sqrt();
    let column = |number: usize| {
        let mut column = rows.normal();
        if used.contains(&number) {
            let means: Vec<f32> = (0..shape.classes).map(|_| apart * rng.normal()).collect();
            column.iter_mut().zip(classes).for_each(|(x, &class)| *x += means[class as usize]);
        }
        column
    };
    (0..shape.features).map(column).collect()
}

/// One score a class of the columns that matter, or one to cut.
fn rule(rng: &mut Rng, rows: &mut Rows, shape: Shape, own: &[Column]) -> Target {
    let used = shape.relevant(rng);
    let soft = coin(rng, 0.5);
    let outputs = if soft { shape.classes } else { shape.scores(rng) };
    let mut scores: Vec<Column> = (0..outputs)
        .map(|_| combination(used.iter().map(|&feature| (rng.normal(), &own[feature])), rows.len()))
        .collect();
    if soft {
        let steep = log_within(rng, 1.0, 10.0);
        odds(rng, rows, &mut scores, steep);
    }
    Target::Scores(scores)
}

/// The columns with causes added that many of them share. There are less causes than columns, so that what is not shared can be
/// told.
fn hidden(rng: &mut Rng, rows: &mut Rows, mut own: Vec<Column>) -> Vec<Column> {
    if own.len() < 2 {
        return own;
    }
    let causes = log_count(rng, 1, own.len() / 2);
    // Measures of one thing grow together: a size.
    let (size, same_sign) = (log_within(rng, 1.5, 25.0), coin(rng, 0.5));
    for _ in 0..causes {
        let (cause, size) = (marginal(rng, rows), size * log_within(rng, 0.3, 1.0));
        for column in &mut own {
            let weight = if same_sign { 1.0 + 0.3 * rng.normal() } else { rng.normal() };
            *column = combination([(1.0, &*column), (size * weight, &cause)], rows.len());
        }
    }
    own
}

/// Some clouds a class in a space of few dimensions, and features that are smooth views of it.
fn places(rng: &mut Rng, rows: &mut Rows, shape: Shape) -> Function {
    let dimensions = log_count(rng, 2, 8);
    let clouds = if coin(rng, 0.6) { 1 } else { count(rng, 2, 3) };
    let classes = classes(rng, rows, shape);
    let cloud = rows.each(|rng| rng.below(clouds as u64) as usize);
    let width = log_within(rng, 0.1, 1.0);
    let causes: Vec<Column> = (0..dimensions)
        .map(|_| {
            let centres: Vec<f32> = (0..shape.classes * clouds).map(|_| rng.normal()).collect();
            let mut cause = rows.normal();
            let of = classes.iter().zip(&cloud);
            cause.iter_mut().zip(of).for_each(|(x, (&class, cloud))| {
                *x = centres[class as usize * clouds + cloud] + width * *x;
            });
            cause
        })
        .collect();
    let bend = coin(rng, 0.6).then(|| activation(rng));
    // A view is of few causes or of all, and hardly or well measured.
    let (few, gain, noise) = (coin(rng, 0.4), log_within(rng, 0.3, 2.0), log_within(rng, 0.01, 0.7));
    let view = |rng: &mut Rng, rows: &mut Rows| {
        let seen = if few { count(rng, 1, 2) } else { dimensions };
        let terms = (0..seen).map(|number| {
            let cause = if few { count(rng, 0, dimensions - 1) } else { number };
            (rng.normal(), &causes[cause])
        });
        let mut view = combination(terms.collect::<Vec<_>>(), rows.len());
        standardise(&mut view);
        if let Some(bend) = bend {
            let shift = rng.normal();
            view.iter_mut().for_each(|x| *x = bend(gain * *x + shift));
            standardise(&mut view);
        }
        view.iter_mut().zip(rows.normal()).for_each(|(x, error)| *x += noise * error);
        view
    };
    let features = (0..shape.features).map(|_| view(rng, rows)).collect();
    Function { features, target: Target::Classes(classes) }
}
