//! Missing cells: at random, or by what the cell or another of its row would have been.

use super::chance::{coin, count, log_within, weighted};
use super::rows::{Column, Rows, quantile, sorted};
use crate::rng::Rng;

/// Share of tables with missing cells.
pub(super) const TABLES: f32 = 0.3;
/// Largest share of a column's cells that are missing by chance or by a value.
pub(super) const MOST: f32 = 0.5;

/// Why cells are missing.
#[derive(Clone, Copy)]
enum Reason {
    Chance,
    /// The cell's own number is large, or small.
    Own,
    /// Another column's is.
    Other,
}

/// Puts NaN into some cells of some columns of some tables.
pub(super) fn omit(rng: &mut Rng, rows: &mut Rows, columns: &mut [Column]) {
    if !coin(rng, TABLES) {
        return;
    }
    let affected = rng.uniform();
    let usual = log_within(rng, 0.01, MOST);
    let whole = columns.to_vec();
    for number in 0..columns.len() {
        if !coin(rng, affected) {
            continue;
        }
        let share = (usual * log_within(rng, 0.5, 2.0)).min(MOST);
        let reason = [Reason::Chance, Reason::Own, Reason::Other][weighted(rng, &[2.0, 1.0, 1.0])];
        let by = match reason {
            Reason::Other => &whole[count(rng, 0, whole.len() - 1)],
            Reason::Own | Reason::Chance => &whole[number],
        };
        let large = coin(rng, 0.5);
        let sorted = sorted(by);
        let limit = quantile(&sorted, if large { 1.0 - share } else { share });
        let luck = rows.uniform();
        for ((cell, value), luck) in columns[number].iter_mut().zip(by).zip(luck) {
            // A value that would be beyond the limit is missing most of the time, or it could be told from its absence.
            let beyond = if large { *value > limit } else { *value < limit };
            let gone = match reason {
                Reason::Chance => luck < share,
                Reason::Own | Reason::Other => beyond && luck < 0.8,
            };
            if gone {
                *cell = f32::NAN;
            }
        }
    }
}
