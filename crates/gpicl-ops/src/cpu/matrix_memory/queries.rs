//! Queries after a context: each takes one step from the same state, and leaves nothing behind.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::chunk::{Shape, rows_of};
use super::{Head, Sizes, Tokens};
use crate::WriteRule;
use crate::cpu::{
    buffer::Buffer,
    dispatch::run,
    gather::gather,
    simd::{exp, update},
    tile::{dot, product},
};

/// Queries of a task: enough that the copy of the states is little beside them.
const TASK: usize = 192;
/// Queries whose numbers are in the first cache together.
const ROWS: usize = 24;

/// What every query of every sequence reads, given the state before it, `[batch, heads, d_key, width]`. All tokens are
/// queries, whatever the layout.
pub fn queries(tokens: Tokens<'_>, states: &[f32], out: &mut [f32], sizes: Sizes) {
    let Sizes { tokens: count, heads, d_value, .. } = sizes;
    let sequences = (out.par_chunks_mut(count * heads * d_value), states.par_chunks(heads * sizes.state()));
    sequences.into_par_iter().enumerate().for_each(|(sequence, (out, states))| {
        let tasks = out.par_chunks_mut(TASK * heads * d_value).enumerate();
        tasks.for_each(|(task, out)| {
            run(Queries { tokens, sequence, first: task * TASK, states, out, sizes });
        });
    });
}

/// Some queries of one sequence.
struct Queries<'a> {
    tokens: Tokens<'a>,
    sequence: usize,
    first: usize,
    states: &'a [f32],
    out: &'a mut [f32],
    sizes: Sizes,
}

impl WithSimd for Queries<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { tokens, sequence, first, states, out, sizes } = self;
        let Sizes { heads, d_key, d_value, rule, normaliser, decays, .. } = sizes;
        let shape = Shape::new::<S>(sizes);
        let (key_row, row) = (shape.padded_key, shape.padded_value);
        let mut memory = Buffer::stale(shape.state() + ROWS * (2 * key_row + 3 * row));
        let mut rest = &mut *memory;
        let mut take = |len| rest.split_off_mut(..len).expect("the sum of the parts");
        let state = take(shape.state());
        let (query, key) = (take(ROWS * key_row), take(ROWS * key_row));
        // Before a query's own write: its read, and what its key finds.
        let (value, read, found) = (take(ROWS * row), take(ROWS * row), take(ROWS * row));
        let (mut decay, mut own) = ([1.0; ROWS], [0.0; ROWS]);
        for (h, from) in states.chunks_exact(sizes.state()).enumerate() {
            let head = Head { tokens, sequence, h, sizes };
            gather(simd, from, shape.value, d_key, shape.value, 1.0, row, state);
            for (tile, out) in out.chunks_mut(ROWS * heads * d_value).enumerate() {
                let (start, rows) = (first + tile * ROWS, out.len() / (heads * d_value));
                let part = |of, width| head.rows(of, width, start);
                gather(simd, part(tokens.query, d_key), heads * d_key, rows, d_key, 1.0, key_row, query);
                gather(simd, part(tokens.key, d_key), heads * d_key, rows, d_key, 1.0, key_row, key);
                gather(simd, part(tokens.value, d_value), heads * d_value, rows, d_value, 1.0, row, value);
                if normaliser.is_some() {
                    value.chunks_exact_mut(row).take(rows).for_each(|value| value[d_value] = 1.0);
                }
                if decays {
                    for (r, decay) in decay[..rows].iter_mut().enumerate() {
                        *decay = head.scalar(tokens.log_decay, start + r);
                    }
                    update!(simd: S, [], [decay in &mut decay[..rows]] {
                        decay = exp(simd, decay);
                    });
                }
                let sizes = [rows, d_key, row];
                product::<S, false>(simd, rows_of(query, key_row), state, row, read, row, sizes);
                if rule == WriteRule::Delta {
                    product::<S, false>(simd, rows_of(key, key_row), state, row, found, row, sizes);
                }
                // The weight of a query's own write in its read.
                for (r, own) in own[..rows].iter_mut().enumerate() {
                    let similar = dot(simd, &query[r * key_row..][..key_row], &key[r * key_row..][..key_row]);
                    *own = similar * head.scalar(tokens.write, start + r);
                }
                for (r, out) in out.chunks_exact_mut(heads * d_value).enumerate() {
                    let at = r * row..(r + 1) * row;
                    let (value, read) = (&mut value[at.clone()], &mut read[at.clone()]);
                    let (decay, own) = (simd.splat_f32s(decay[r]), simd.splat_f32s(own[r]));
                    if rule == WriteRule::Delta {
                        update!(simd: S, [found in &found[at]], [value in &mut *value] {
                            value = simd.sub_f32s(value, simd.mul_f32s(decay, found));
                        });
                    }
                    update!(simd: S, [value in &*value], [read in &mut *read] {
                        read = simd.mul_add_e_f32s(own, value, simd.mul_f32s(decay, read));
                    });
                    let scale = normaliser.map_or(1.0, |least| 1.0 / read[d_value].abs().max(least));
                    let scale = simd.splat_f32s(scale);
                    update!(simd: S, [read in &read[..d_value]], [out in &mut out[h * d_value..][..d_value]] {
                        out = simd.mul_f32s(read, scale);
                    });
                }
            }
        }
    }
}
