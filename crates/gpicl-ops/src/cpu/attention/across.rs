//! Attention across sequences that lie side by side: position `t` of a few neighbouring sequences is a sequence of its own,
//! in which everybody sees everybody. In a table of cells, kept column by column, those are its rows.

use std::iter::zip;

use rayon::prelude::*;

use super::ahead::Ahead;
use super::backward::Backward;
use super::forward::Forward;
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
            let (qkv, out) = (&qkv[row * 3 * d_model..], &mut out[row * d_model..]);
            let (sizes, ahead) = (sizes.row(columns), Ahead::nothing());
            run(Forward { qkv, out, log_denominators, sizes, ahead });
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
            let saved = Saved { qkv: &qkv[wide..], out: &out[at..], log_denominators };
            let (dout, dqkv) = (&dout[at..], &mut dqkv[wide..]);
            let ahead = std::array::from_fn(|_| Ahead::nothing());
            run(Backward { saved, dout, dqkv, sizes: sizes.row(columns), ahead });
        }
    });
}
