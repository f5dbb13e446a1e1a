//! Random networks: some layers of units over the features that matter.

use super::activation::activation;
use super::chance::{coin, count, log_count, log_within, weighted, within};
use super::function::{Function, Shape, Target};
use super::inputs::inputs;
use super::rows::{Column, Rows, combination, standardise};
use crate::rng::Rng;

/// One network.
pub(super) fn make(rng: &mut Rng, rows: &mut Rows, shape: Shape) -> Function {
    /// Units of a layer.
    const WIDEST: usize = 24;
    /// How often there are 1, 2, 3 layers: deep ones are hard to learn from few rows.
    const DEPTHS: [f32; 3] = [0.5, 0.35, 0.15];
    let features = inputs(rng, rows, shape.features);
    let mut layer: Vec<Column> =
        shape.relevant(rng).into_iter().map(|feature| features[feature].clone()).collect();
    // Steep units make many borders, flat ones few.
    let gain = log_within(rng, 0.5, 2.5);
    let density = within(rng, 0.3, 1.0);
    for _ in 0..=weighted(rng, &DEPTHS) {
        let width = log_count(rng, 3, WIDEST);
        let one_kind = coin(rng, 0.5).then(|| activation(rng));
        let unit = |rng: &mut Rng| {
            let mut unit = sparse_sum(rng, &layer, density, rows.len());
            standardise(&mut unit);
            let bend = one_kind.unwrap_or_else(|| activation(rng));
            let shift = rng.normal();
            unit.iter_mut().for_each(|x| *x = bend(gain * *x + shift));
            unit
        };
        let mut next: Vec<Column> = (0..width).map(|_| unit(rng)).collect();
        next.iter_mut().for_each(|unit| standardise(unit));
        layer = next;
    }
    let scores = (0..shape.scores(rng)).map(|_| sparse_sum(rng, &layer, density, rows.len())).collect();
    Function { features, target: Target::Scores(scores) }
}

/// A sum of some of the columns, one at least.
fn sparse_sum(rng: &mut Rng, columns: &[Column], density: f32, len: usize) -> Column {
    let sure = count(rng, 0, columns.len() - 1);
    let mut terms = Vec::with_capacity(columns.len());
    for (number, column) in columns.iter().enumerate() {
        if number == sure || coin(rng, density) {
            terms.push((rng.normal(), column));
        }
    }
    combination(terms, len)
}
