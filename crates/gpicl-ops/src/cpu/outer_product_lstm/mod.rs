//! The outer-product LSTM as one scan: the recurrent product, the gates and the read-out of a step follow each other
//! in the cache, a few episodes a task.
//!
//! The forward pass keeps the memories of every `sqrt(steps)`-th step; the backward pass makes those in between again,
//! one stretch at a time. Products inside the scan are in f32 in both precisions: they have as few rows as a task has
//! episodes.

mod backward;
mod forward;
mod queries;

use pulp::Simd;

pub use backward::{Saved, backward, weight_gradient};
pub use forward::{Carried, Kept, forward};
pub use queries::queries;

use super::buffer::Buffer;
use super::simd::{sigmoid, tanh, update};
use crate::TokenLayout;

/// Episodes of a task.
const EPISODES: usize = 4;
/// Vectors of any extension have a length that divides this.
const LANES: usize = 16;

/// The sizes of one call. Gates are `[batch, tokens, heads * 8 * size]`, outputs `[batch, tokens, heads * size]`.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Tokens of an episode.
    pub tokens: usize,
    /// Matrices of the memory.
    pub heads: usize,
    /// Rows and columns of each.
    pub size: usize,
    /// Which tokens the memory is carried along.
    pub layout: TokenLayout,
}

impl Sizes {
    /// Width of the output.
    pub fn hidden(self) -> usize {
        self.heads * self.size
    }

    /// Width of the gates.
    pub fn gates(self) -> usize {
        8 * self.hidden()
    }

    /// Numbers in the memory.
    pub fn memory(self) -> usize {
        self.heads * self.size * self.size
    }

    /// Tokens that the memory is carried along; they come first.
    pub fn steps(self) -> usize {
        match self.layout {
            TokenLayout::Shifted => self.tokens,
            TokenLayout::Paired => self.tokens / 2,
        }
    }

    /// Memories kept of an episode: before steps `0`, `interval`, `2 interval`, ..
    pub fn checkpoints(self) -> usize {
        self.steps().div_ceil(self.interval())
    }

    fn interval(self) -> usize {
        (self.steps().isqrt()).max(1)
    }

    /// The token whose memory a step carries on, and the query that only looks.
    fn tokens_of(self, step: usize) -> (usize, Option<usize>) {
        (step, (self.layout == TokenLayout::Paired).then_some(self.steps() + step))
    }

    /// What a read-out is multiplied with.
    fn read_scale(self) -> f32 {
        1.0 / (self.size as f32).sqrt()
    }
}

/// The parts of one head's gates, each of `size` values.
#[derive(Clone, Copy)]
struct Parts<'a> {
    /// Factors of input gate, value and forget gate down the rows.
    rows: [&'a [f32]; 3],
    /// The same along the columns.
    columns: [&'a [f32]; 3],
    query: &'a [f32],
    output: &'a [f32],
}

impl<'a> Parts<'a> {
    fn of(gates: &'a [f32], size: usize) -> Self {
        let part = |at: usize| &gates[at * size..][..size];
        Self {
            rows: [part(0), part(1), part(2)],
            columns: [part(3), part(4), part(5)],
            query: part(6),
            output: part(7),
        }
    }
}

/// One head's step: the memory becomes the next one, and `read` what the query finds in it.
#[inline(always)]
fn remember<S: Simd>(simd: S, parts: Parts<'_>, scale: f32, memory: &mut [f32], read: &mut [f32]) {
    let [input_columns, value_columns, forget_columns] = parts.columns;
    read.fill(0.0);
    for (row, memory) in memory.chunks_exact_mut(read.len()).enumerate() {
        let factors = parts.rows.map(|part| simd.splat_f32s(part[row]));
        let query = simd.splat_f32s(parts.query[row] * scale);
        update!(
            simd: S,
            [input in input_columns, value in value_columns, forget in forget_columns],
            [memory in memory, read in &mut *read] {
                memory = next(simd, factors, [input, value, forget], memory);
                read = simd.mul_add_e_f32s(memory, query, read);
            }
        );
    }
}

/// As [`remember`], but the next memory is thrown away.
#[inline(always)]
fn look<S: Simd>(simd: S, parts: Parts<'_>, scale: f32, memory: &[f32], read: &mut [f32]) {
    let [input_columns, value_columns, forget_columns] = parts.columns;
    read.fill(0.0);
    for (row, memory) in memory.chunks_exact(read.len()).enumerate() {
        let factors = parts.rows.map(|part| simd.splat_f32s(part[row]));
        let query = simd.splat_f32s(parts.query[row] * scale);
        update!(
            simd: S,
            [input in input_columns, value in value_columns, forget in forget_columns, memory in memory],
            [read in &mut *read] {
                read = simd.mul_add_e_f32s(next(simd, factors, [input, value, forget], memory), query, read);
            }
        );
    }
}

/// Some numbers of a row of the next memory, given the row's and their columns' factors of input gate, value and forget
/// gate.
#[inline(always)]
fn next<S: Simd>(simd: S, row: [S::f32s; 3], column: [S::f32s; 3], memory: S::f32s) -> S::f32s {
    let input = sigmoid(simd, simd.mul_f32s(row[0], column[0]));
    let value = tanh(simd, simd.mul_f32s(row[1], column[1]));
    let forget = sigmoid(simd, simd.mul_add_e_f32s(row[2], column[2], simd.splat_f32s(1.0)));
    simd.mul_add_e_f32s(forget, memory, simd.mul_f32s(input, value))
}

/// What a head puts out, given what its query found.
#[inline(always)]
fn put_out<S: Simd>(simd: S, parts: Parts<'_>, read: &[f32], out: &mut [f32]) {
    update!(simd: S, [output in parts.output, read in read], [out in out] {
        out = simd.mul_f32s(sigmoid(simd, output), tanh(simd, read));
    });
}

/// A copy of `rows` rows of `width` values whose rows are padded with zeros to whole vectors.
fn padded(values: &[f32], width: usize) -> Buffer {
    let padded = width.next_multiple_of(LANES);
    let mut copy = Buffer::zeros(values.len() / width * padded);
    for (to, from) in copy.chunks_exact_mut(padded).zip(values.chunks_exact(width)) {
        to[..width].copy_from_slice(from);
    }
    copy
}
