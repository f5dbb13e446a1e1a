//! Queries after a context whose keys and values were kept: each sees all of them and itself, and none sees another.

use std::f32::consts::LOG2_E;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::ROWS;
use super::ahead::Ahead;
use super::softmax::{largest, weigh};
use crate::cpu::{
    buffer::Buffer,
    dispatch::run,
    gather::{gather, gather_transposed},
    simd::update,
    tile::{Factor, dot, product},
};

/// Queries of a task: enough that the copy of the context's keys and values is little beside them.
const TASK: usize = 16 * ROWS;

/// Times that a tile asks for what is ahead.
const ASKS: usize = 4;

/// The sizes of one call. `qkv` is `[batch, queries, 3 * heads * d_head]`, the context `[batch, examples,
/// 2 * heads * d_head]`, keys and then values, the output `[batch, queries, heads * d_head]`.
#[derive(Clone, Copy, Debug)]
pub struct QuerySizes {
    /// Queries of a sequence.
    pub queries: usize,
    /// Tokens of its context, at least one.
    pub examples: usize,
    /// Heads, side by side in the model's width.
    pub heads: usize,
    /// Width of a head.
    pub d_head: usize,
}

/// What every query of every sequence attends to.
pub fn queries(qkv: &[f32], context: &[f32], out: &mut [f32], sizes: QuerySizes) {
    let QuerySizes { queries, examples, heads, d_head } = sizes;
    let d_model = heads * d_head;
    let sequences = (
        qkv.par_chunks(queries * 3 * d_model),
        context.par_chunks(examples * 2 * d_model),
        out.par_chunks_mut(queries * d_model),
    );
    sequences.into_par_iter().for_each(|(qkv, context, out)| {
        let tasks = (qkv.par_chunks(TASK * 3 * d_model), out.par_chunks_mut(TASK * d_model));
        tasks.into_par_iter().for_each(|(qkv, out)| run(Queries { qkv, context, out, sizes }));
    });
}

/// Some queries of one sequence.
struct Queries<'a> {
    qkv: &'a [f32],
    context: &'a [f32],
    out: &'a mut [f32],
    sizes: QuerySizes,
}

impl WithSimd for Queries<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { qkv, context, out, sizes: QuerySizes { examples, heads, d_head, .. } } = self;
        let d_model = heads * d_head;
        let columns = examples.next_multiple_of(S::F32_LANES);
        let padded = d_head.next_multiple_of(S::F32_LANES);
        let mut memory = Buffer::stale(d_head * columns + examples * padded + ROWS * (2 * padded + columns));
        let mut rest = &mut *memory;
        let mut take = |len| rest.split_off_mut(..len).expect("the sum of the parts");
        // Rows are padded to whole vectors; keys lie transposed.
        let (k_t, v) = (take(d_head * columns), take(examples * padded));
        let (q, sums, scores) = (take(ROWS * padded), take(ROWS * padded), take(ROWS * columns));
        // Scores in units of `ln 2`.
        let scale = LOG2_E / (d_head as f32).sqrt();
        for h in 0..heads {
            let (keys, values) = (&context[h * d_head..], &context[d_model + h * d_head..]);
            gather_transposed(simd, keys, 2 * d_model, examples, d_head, columns, k_t);
            gather(simd, values, 2 * d_model, examples, d_head, 1.0, padded, v);
            let tile = ROWS * 3 * d_model;
            for (number, out) in out.chunks_mut(ROWS * d_model).enumerate() {
                // Query, key, value and the next row's query of a head each lie `d_model` after the one before.
                let next = qkv.get((number + 1) * tile + h * d_head..).unwrap_or_default();
                let mut ahead = Ahead::runs(next, [3 * ROWS, d_head, d_model], ASKS);
                let qkv = &qkv[number * tile..];
                let rows = out.len() / d_model;
                let part = |part: usize| &qkv[part * d_model + h * d_head..];
                gather(simd, part(0), 3 * d_model, rows, d_head, scale, padded, q);
                ahead.ask();
                let queries = Factor { data: q, row: padded, column: 1 };
                product::<S, false>(simd, queries, k_t, columns, scores, columns, [rows, d_head, columns]);
                // One kind of work for all rows after another: what a row waits for, others fill.
                let (mut own, mut shifts, mut inverse) = ([0.0; ROWS], [0.0; ROWS], [0.0; ROWS]);
                for r in 0..rows {
                    own[r] = dot(simd, &q[r * padded..][..d_head], &part(1)[r * 3 * d_model..][..d_head]);
                    shifts[r] = largest(simd, &scores[r * columns..][..columns], examples).max(own[r]);
                }
                ahead.ask();
                for r in 0..rows {
                    let sum = weigh(simd, &mut scores[r * columns..][..columns], examples, shifts[r]);
                    own[r] = (own[r] - shifts[r]).exp2();
                    inverse[r] = 1.0 / (sum + own[r]);
                }
                ahead.ask();
                let weights = Factor { data: scores, row: columns, column: 1 };
                product::<S, false>(simd, weights, v, padded, sums, padded, [rows, examples, padded]);
                ahead.ask();
                for r in 0..rows {
                    let value = &part(2)[r * 3 * d_model..][..d_head];
                    let out = &mut out[r * d_model + h * d_head..][..d_head];
                    let (weight, inverse) = (simd.splat_f32s(own[r]), simd.splat_f32s(inverse[r]));
                    update!(simd: S, [sum in &sums[r * padded..][..d_head], v in value], [out in out] {
                        out = simd.mul_f32s(simd.mul_add_e_f32s(v, weight, sum), inverse);
                    });
                }
            }
        }
    }
}
