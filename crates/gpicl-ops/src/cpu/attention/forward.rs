//! The forward pass.

use std::f32::consts::LOG2_E;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::ahead::{Ahead, ask_for_next_head};
use super::softmax::{largest, weigh};
use super::{ROWS, Segment, Sizes, offset};
use crate::cpu::{
    buffer::Buffer,
    dispatch::run,
    gather::{gather, gather_transposed},
    simd::update,
    tile::{Factor, dot, product},
};

/// Times that a tile asks for what is ahead.
pub(super) const ASKS: usize = 4;

/// Attention of every sequence of the batch; writes the output and the log-denominators.
pub fn forward(qkv: &[f32], out: &mut [f32], log_denominators: &mut [f32], sizes: Sizes) {
    let (d_model, time) = (sizes.d_model(), sizes.time);
    let len = 3 * time * d_model;
    let sequences = (
        qkv.par_chunks(len),
        out.par_chunks_mut(time * d_model),
        log_denominators.par_chunks_mut(sizes.heads * time),
    );
    sequences.into_par_iter().enumerate().for_each(|(number, (sequence, out, log_denominators))| {
        let ahead = Ahead::of(qkv, len, number, ASKS * sizes.tiles());
        run(Forward { qkv: sequence, out, log_denominators, sizes, ahead });
    });
}

/// One sequence.
pub(super) struct Forward<'a> {
    pub(super) qkv: &'a [f32],
    pub(super) out: &'a mut [f32],
    pub(super) log_denominators: &'a mut [f32],
    pub(super) sizes: Sizes,
    pub(super) ahead: Ahead<'a>,
}

/// One head's factors and a tile of rows; rows are padded to whole vectors.
struct Head<'m> {
    h: usize,
    padded_keys: usize,
    padded_head: usize,
    /// Keys transposed, `[d_head, padded_keys]`.
    k_t: &'m mut [f32],
    /// Values, `[keys, padded_head]`.
    v: &'m mut [f32],
    /// Scaled queries and sums of values of a tile, `[ROWS, padded_head]`.
    q: &'m mut [f32],
    sums: &'m mut [f32],
    /// Scores of a tile, `[ROWS, padded_keys]`.
    scores: &'m mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let Sizes { heads, d_head, .. } = self.sizes;
        let (keys, stride) = (self.sizes.keys(), self.sizes.stride(3));
        let padded_keys = keys.next_multiple_of(S::F32_LANES);
        let padded_head = d_head.next_multiple_of(S::F32_LANES);
        let (transposed, values) = (d_head * padded_keys, keys * padded_head);
        let mut memory = Buffer::stale(transposed + values + ROWS * (2 * padded_head + padded_keys));
        let mut rest = &mut *memory;
        let mut take = |len| rest.split_off_mut(..len).expect("the sum of the parts");
        let mut head = Head {
            h: 0,
            padded_keys,
            padded_head,
            k_t: take(transposed),
            v: take(values),
            q: take(ROWS * padded_head),
            sums: take(ROWS * padded_head),
            scores: take(ROWS * padded_keys),
        };
        for h in 0..heads {
            head.h = h;
            let part = |part| &self.qkv[offset(self.sizes, 0, part, h)..];
            gather_transposed(simd, part(1), stride, keys, d_head, padded_keys, head.k_t);
            gather(simd, part(2), stride, keys, d_head, 1.0, padded_head, head.v);
            for segment in self.sizes.segments() {
                for (first, rows) in segment.tiles(ROWS) {
                    self.ahead.ask();
                    self.tile(simd, &mut head, segment, first, rows);
                }
            }
        }
    }
}

impl Forward<'_> {
    /// Rows `first..first + rows` of a segment.
    #[inline(always)]
    fn tile<S: Simd>(&mut self, simd: S, head: &mut Head<'_>, segment: Segment, first: usize, rows: usize) {
        let Sizes { time, d_head, .. } = self.sizes;
        let &mut Head { h, padded_keys, padded_head, .. } = head;
        let start = segment.start + first;
        let keys = self.sizes.reach(first + rows);
        let columns = keys.next_multiple_of(S::F32_LANES);
        let queries = &self.qkv[offset(self.sizes, start, 0, h)..];
        // Scores in units of `ln 2`.
        let scale = self.sizes.scale() * LOG2_E;
        gather(simd, queries, self.sizes.stride(3), rows, d_head, scale, padded_head, head.q);
        let q = Factor { data: head.q, row: padded_head, column: 1 };
        let sizes = [rows, d_head, columns];
        product::<S, false>(simd, q, head.k_t, padded_keys, head.scores, padded_keys, sizes);

        self.ahead.ask();
        // One kind of work for all rows after another: what a row waits for, others fill.
        let mut own = [f32::NEG_INFINITY; ROWS];
        if segment.sees_itself_apart {
            for (r, own) in own[..rows].iter_mut().enumerate() {
                let k = &self.qkv[offset(self.sizes, start + r, 1, h)..][..d_head];
                *own = dot(simd, &head.q[r * padded_head..][..d_head], k);
            }
        }
        let mut shifts = [0.0; ROWS];
        for (r, shift) in shifts[..rows].iter_mut().enumerate() {
            let scores = &head.scores[r * padded_keys..][..columns];
            *shift = largest(simd, scores, segment.prefix(first + r)).max(own[r]);
        }
        let mut sums = [0.0; ROWS];
        for (r, sum) in sums[..rows].iter_mut().enumerate() {
            let scores = &mut head.scores[r * padded_keys..][..columns];
            *sum = weigh(simd, scores, segment.prefix(first + r), shifts[r]);
        }
        for r in 0..rows {
            own[r] = if segment.sees_itself_apart { (own[r] - shifts[r]).exp2() } else { 0.0 };
            sums[r] += own[r];
            self.log_denominators[h * time + start + r] = shifts[r] + sums[r].log2();
        }

        self.ahead.ask();
        let weights = Factor { data: head.scores, row: padded_keys, column: 1 };
        let sizes = [rows, keys, padded_head];
        product::<S, false>(simd, weights, head.v, padded_head, head.sums, padded_head, sizes);
        self.ahead.ask();
        for r in 0..rows {
            let v = &self.qkv[offset(self.sizes, start + r, 2, h)..][..d_head];
            let sum = &head.sums[r * padded_head..][..d_head];
            let at = self.sizes.out(start + r, h);
            ask_for_next_head(&self.out[at..], h, 1, self.sizes);
            let out = &mut self.out[at..][..d_head];
            let (weight, inverse) = (simd.splat_f32s(own[r]), simd.splat_f32s(1.0 / sums[r]));
            if segment.sees_itself_apart {
                update!(simd: S, [sum in sum, v in v], [out in out] {
                    out = simd.mul_f32s(simd.mul_add_e_f32s(v, weight, sum), inverse);
                });
            } else {
                update!(simd: S, [sum in sum], [out in out] {
                    out = simd.mul_f32s(sum, inverse);
                });
            }
        }
    }
}
