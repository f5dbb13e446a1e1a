//! Attention across sequences that lie side by side: position `t` of a few neighbouring sequences is a sequence of its own,
//! in which everybody sees everybody. In a table of cells, kept column by column, those are its rows.

use std::iter::zip;

use rayon::prelude::*;

use super::ahead::Ahead;
use super::backward::{self, Backward};
use super::forward::{self, Forward};
use super::{Saved, Sizes};
use crate::AttentionMask;
use crate::cpu::dispatch::run;

/// The sizes of one call. `qkv` is `[columns, rows, 3 * heads * d_head]`, the output `[columns, rows, heads * d_head]`; the
/// log-denominators are those of a group after another, each `[rows, heads, its columns]`.
#[derive(Clone, Copy, Debug)]
pub struct AcrossSizes<'a> {
    /// Columns of every group: the neighbours that see each other.
    pub groups: &'a [usize],
    /// Rows of a column.
    pub rows: usize,
    /// Heads, side by side in the model's width.
    pub heads: usize,
    /// Width of a head.
    pub d_head: usize,
}

impl AcrossSizes<'_> {
    fn d_model(self) -> usize {
        self.heads * self.d_head
    }

    /// Of the rows of a group.
    fn row(self, columns: usize) -> Sizes {
        let (heads, d_head, mask) = (self.heads, self.d_head, AttentionMask::Context(columns));
        Sizes { time: columns, heads, d_head, mask, apart: self.rows }
    }

    /// What the row after `row` will read of the `values` of a group, `parts * d_model` numbers a cell, as a tile asks for it `asks` times.
    fn ahead(self, values: &[f32], parts: usize, row: usize, columns: usize, asks: usize) -> Ahead<'_> {
        let run = parts * self.d_model();
        let next = if row + 1 < self.rows { &values[(row + 1) * run..] } else { &[] };
        Ahead::runs(next, [columns, run, self.rows * run], asks * self.row(columns).tiles())
    }

    /// `values`, of `width` numbers a cell, group by group.
    fn split(self, mut values: &[f32], width: usize) -> Vec<&[f32]> {
        let take = |&columns: &usize| {
            let (group, rest) = values.split_at(columns * self.rows * width);
            values = rest;
            group
        };
        self.groups.iter().map(take).collect()
    }

    fn split_mut(self, mut values: &mut [f32], width: usize) -> Vec<&mut [f32]> {
        let take = |&columns: &usize| {
            values.split_off_mut(..columns * self.rows * width).expect("a group lies in the whole")
        };
        self.groups.iter().map(take).collect()
    }
}

/// Attention of every row of every group; writes the output and the log-denominators.
pub fn forward(qkv: &[f32], out: &mut [f32], log_denominators: &mut [f32], sizes: AcrossSizes<'_>) {
    let d_model = sizes.d_model();
    let groups = (
        sizes.groups.par_iter(),
        sizes.split(qkv, 3 * d_model),
        sizes.split_mut(out, d_model),
        sizes.split_mut(log_denominators, sizes.heads),
    );
    groups.into_par_iter().for_each(|(&columns, qkv, out, log_denominators)| {
        let rows = log_denominators.chunks_exact_mut(sizes.heads * columns);
        for (row, log_denominators) in rows.enumerate() {
            let ahead = sizes.ahead(qkv, 3, row, columns, forward::ASKS);
            let (qkv, out) = (&qkv[row * 3 * d_model..], &mut out[row * d_model..]);
            run(Forward { qkv, out, log_denominators, sizes: sizes.row(columns), ahead });
        }
    });
}

/// Writes `dqkv` given the gradient `dout` of the output.
pub fn backward(saved: Saved<'_>, dout: &[f32], dqkv: &mut [f32], sizes: AcrossSizes<'_>) {
    let d_model = sizes.d_model();
    let kept = zip(sizes.split(saved.qkv, 3 * d_model), sizes.split(saved.out, d_model));
    let kept = zip(kept, sizes.split(saved.log_denominators, sizes.heads));
    let groups = (
        sizes.groups.par_iter(),
        kept.collect::<Vec<_>>(),
        sizes.split(dout, d_model),
        sizes.split_mut(dqkv, 3 * d_model),
    );
    groups.into_par_iter().for_each(|(&columns, ((qkv, out), log_denominators), dout, dqkv)| {
        for (row, log_denominators) in log_denominators.chunks_exact(sizes.heads * columns).enumerate() {
            let (at, wide) = (row * d_model, row * 3 * d_model);
            let ahead = [(qkv, 3), (out, 1), (dout, 1)]
                .map(|(values, parts)| sizes.ahead(values, parts, row, columns, backward::ASKS));
            let saved = Saved { qkv: &qkv[wide..], out: &out[at..], log_denominators };
            let (dout, dqkv) = (&dout[at..], &mut dqkv[wide..]);
            run(Backward { saved, dout, dqkv, sizes: sizes.row(columns), ahead });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::ahead::asked;
    use super::*;

    #[test]
    fn the_next_row_of_every_column_is_asked_for() {
        let sizes = AcrossSizes { groups: &[3], rows: 4, heads: 2, d_head: 8 };
        for parts in [1, 3] {
            let values = vec![0.0; 3 * 4 * parts * 16];
            let of = |row| asked(sizes.ahead(&values, parts, row, 3, 1), &values);
            let cell = |column: usize, row: usize| (column * 4 + row) * parts * 16;
            let lines = |row| {
                (0..3).flat_map(move |column| (0..parts).map(move |part| cell(column, row) + 16 * part))
            };
            assert_eq!(of(1), lines(2).collect::<Vec<_>>());
            assert!(of(3).is_empty(), "there is no row after the last");
        }
    }

    #[test]
    fn the_next_sequence_begins_at_the_next_row() {
        let sizes = AcrossSizes { groups: &[3], rows: 4, heads: 2, d_head: 8 };
        assert_eq!(sizes.row(3).to_next_sequence(3), 3 * 16);
        let apart = Sizes { apart: 1, ..sizes.row(3) };
        assert_eq!(apart.to_next_sequence(3), 3 * 3 * 16);
    }
}
