//! The backward pass.

use std::f32::consts::{LN_2, LOG2_E};

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::ahead::{Ahead, ask_for_next_head};
use super::softmax::slopes;
use super::{ROWS, Segment, Sizes, offset};
use crate::cpu::{
    buffer::Buffer,
    dispatch::run,
    gather::{gather, gather_transposed},
    simd::update,
    tile::{Factor, dot, product},
};

/// Rows whose probabilities exist at once: they are summed over for the gradients of keys and values.
const BLOCK: usize = 3 * ROWS;

/// Times that a tile and its part of a block ask for what is ahead.
pub(super) const ASKS: usize = 6;

/// What the forward pass left: see [`super::forward`].
#[derive(Clone, Copy)]
pub struct Saved<'a> {
    /// Its input.
    pub qkv: &'a [f32],
    /// Its output.
    pub out: &'a [f32],
    /// Of every row's softmax.
    pub log_denominators: &'a [f32],
}

/// Writes `dqkv` given the gradient `dout` of the output.
pub fn backward(saved: Saved<'_>, dout: &[f32], dqkv: &mut [f32], sizes: Sizes) {
    let (d_model, time) = (sizes.d_model(), sizes.time);
    let sequences = (
        saved.qkv.par_chunks(3 * time * d_model),
        saved.out.par_chunks(time * d_model),
        saved.log_denominators.par_chunks(sizes.heads * time),
        dout.par_chunks(time * d_model),
        dqkv.par_chunks_mut(3 * time * d_model),
    );
    let whole = (saved, dout);
    sequences.into_par_iter().enumerate().for_each(|(number, (qkv, out, log_denominators, dout, dqkv))| {
        let ahead = |values, width| Ahead::of(values, time * width, number, ASKS * sizes.tiles());
        let ahead = [ahead(whole.0.qkv, 3 * d_model), ahead(whole.0.out, d_model), ahead(whole.1, d_model)];
        run(Backward { saved: Saved { qkv, out, log_denominators }, dout, dqkv, sizes, ahead });
    });
}

/// One sequence.
pub(super) struct Backward<'a> {
    pub(super) saved: Saved<'a>,
    pub(super) dout: &'a [f32],
    pub(super) dqkv: &'a mut [f32],
    pub(super) sizes: Sizes,
    pub(super) ahead: [Ahead<'a>; 3],
}

/// One head's factors and sums; rows are padded to whole vectors.
struct Head<'m> {
    h: usize,
    padded_keys: usize,
    padded_head: usize,
    /// Queries, such that scores are in units of `ln 2`, and the output's gradient, `[time, padded_head]`.
    q: &'m mut [f32],
    dout: &'m mut [f32],
    /// Scaled keys and the gradients of keys and values, `[keys, padded_head]`.
    k: &'m mut [f32],
    dk: &'m mut [f32],
    dv: &'m mut [f32],
    /// Keys and values transposed, `[d_head, padded_keys]`.
    k_t: &'m mut [f32],
    v_t: &'m mut [f32],
    /// Probabilities and the scores' gradient of a block of rows, `[BLOCK, padded_keys]`.
    p: &'m mut [f32],
    ds: &'m mut [f32],
    /// The queries' gradient of a tile of rows, `[ROWS, padded_head]`.
    dq: &'m mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let Sizes { time, heads, d_head, .. } = self.sizes;
        let keys = self.sizes.keys();
        let padded_keys = keys.next_multiple_of(S::F32_LANES);
        let padded_head = d_head.next_multiple_of(S::F32_LANES);
        let (queries, values) = (time * padded_head, keys * padded_head);
        let (transposed, block) = (d_head * padded_keys, BLOCK * padded_keys);
        let mut memory =
            Buffer::stale(2 * queries + 3 * values + 2 * transposed + 2 * block + ROWS * padded_head);
        let mut rest = &mut *memory;
        let mut take = |len| rest.split_off_mut(..len).expect("the sum of the parts");
        let mut head = Head {
            h: 0,
            padded_keys,
            padded_head,
            q: take(queries),
            dout: take(queries),
            k: take(values),
            dk: take(values),
            dv: take(values),
            k_t: take(transposed),
            v_t: take(transposed),
            p: take(block),
            ds: take(block),
            dq: take(ROWS * padded_head),
        };
        for h in 0..heads {
            head.h = h;
            self.gather(simd, &mut head);
            for segment in self.sizes.segments() {
                for (first, rows) in segment.tiles(BLOCK) {
                    self.block(simd, &mut head, segment, first, rows);
                }
            }
            for key in 0..keys {
                for (part, gradient, unit) in [(1, &head.dk, LN_2), (2, &head.dv, 1.0)] {
                    let unit = simd.splat_f32s(unit);
                    let from = &gradient[key * padded_head..][..d_head];
                    update!(simd: S, [from in from], [out in self.written(key, part, h)] {
                        out = simd.mul_f32s(from, unit);
                    });
                }
            }
        }
    }
}

impl Backward<'_> {
    #[inline(always)]
    fn gather<S: Simd>(&self, simd: S, head: &mut Head<'_>) {
        let Sizes { time, d_head, .. } = self.sizes;
        let (keys, scale, stride) = (self.sizes.keys(), self.sizes.scale(), self.sizes.stride(3));
        let part = |part| &self.saved.qkv[offset(self.sizes, 0, part, head.h)..];
        // The same scores as in the forward pass, to the last bit.
        gather(simd, part(0), stride, time, d_head, scale * LOG2_E, head.padded_head, head.q);
        gather(simd, part(1), stride, keys, d_head, scale, head.padded_head, head.k);
        gather_transposed(simd, part(1), stride, keys, d_head, head.padded_keys, head.k_t);
        gather_transposed(simd, part(2), stride, keys, d_head, head.padded_keys, head.v_t);
        let dout = &self.dout[head.h * d_head..];
        gather(simd, dout, self.sizes.stride(1), time, d_head, 1.0, head.padded_head, head.dout);
        head.dk.fill(0.0);
        head.dv.fill(0.0);
    }

    /// Where a gradient goes; asks for where the next head's will.
    #[inline(always)]
    fn written(&mut self, position: usize, part: usize, h: usize) -> &mut [f32] {
        let at = offset(self.sizes, position, part, h);
        ask_for_next_head(&self.dqkv[at..], h, 3, self.sizes);
        &mut self.dqkv[at..][..self.sizes.d_head]
    }

    /// Rows `first..first + rows` of a segment: their queries' gradient, and their share of keys' and values'.
    #[inline(always)]
    fn block<S: Simd>(&mut self, simd: S, head: &mut Head<'_>, segment: Segment, first: usize, rows: usize) {
        let &mut Head { padded_keys, padded_head, .. } = head;
        for r in (0..rows).step_by(ROWS) {
            self.ahead.iter_mut().for_each(Ahead::ask);
            self.tile(simd, head, segment, first + r, r, ROWS.min(rows - r));
        }
        // Keys that a tile is the first to see are seen by the rows from there on.
        let mut before = 0;
        for r in (0..rows).step_by(ROWS) {
            let keys = self.sizes.reach(first + rows.min(r + ROWS));
            if keys == before {
                break;
            }
            let at = r * padded_keys + before;
            let (from, to) = ((segment.start + first + r) * padded_head, before * padded_head);
            let sizes = [keys - before, rows - r, padded_head];
            let p = Factor { data: &head.p[at..], row: 1, column: padded_keys };
            let (dout, dv) = (&head.dout[from..], &mut head.dv[to..]);
            self.ahead.iter_mut().for_each(Ahead::ask);
            product::<S, true>(simd, p, dout, padded_head, dv, padded_head, sizes);
            let ds = Factor { data: &head.ds[at..], row: 1, column: padded_keys };
            let (q, dk) = (&head.q[from..], &mut head.dk[to..]);
            self.ahead.iter_mut().for_each(Ahead::ask);
            product::<S, true>(simd, ds, q, padded_head, dk, padded_head, sizes);
            before = keys;
        }
    }

    /// Rows `first..first + rows` of a segment, at `at` in their block.
    #[inline(always)]
    fn tile<S: Simd>(
        &mut self,
        simd: S,
        head: &mut Head<'_>,
        segment: Segment,
        first: usize,
        at: usize,
        rows: usize,
    ) {
        let &mut Head { h, padded_keys, padded_head, .. } = head;
        let Sizes { time, d_head, .. } = self.sizes;
        let start = segment.start + first;
        let keys = self.sizes.reach(first + rows);
        let columns = keys.next_multiple_of(S::F32_LANES);
        let mut deltas = [0.0; ROWS];
        for (r, delta) in deltas[..rows].iter_mut().enumerate() {
            *delta = self.delta(simd, head, start + r);
        }
        let (p, ds) = (&mut head.p[at * padded_keys..], &mut head.ds[at * padded_keys..]);
        let q = Factor { data: &head.q[start * padded_head..], row: padded_head, column: 1 };
        product::<S, false>(simd, q, head.k_t, padded_keys, p, padded_keys, [rows, d_head, columns]);
        self.ahead.iter_mut().for_each(Ahead::ask);
        let dout = Factor { data: &head.dout[start * padded_head..], row: padded_head, column: 1 };
        product::<S, false>(simd, dout, head.v_t, padded_keys, ds, padded_keys, [rows, d_head, columns]);
        self.ahead.iter_mut().for_each(Ahead::ask);
        for r in 0..rows {
            let log_denominator = self.saved.log_denominators[h * time + start + r];
            let row = [&mut *p, &mut *ds].map(|of| &mut of[r * padded_keys..][..columns]);
            slopes(simd, row, segment.prefix(first + r), log_denominator, deltas[r]);
        }
        self.ahead.iter_mut().for_each(Ahead::ask);
        let ds = Factor { data: ds, row: padded_keys, column: 1 };
        product::<S, false>(simd, ds, head.k, padded_head, head.dq, padded_head, [rows, keys, padded_head]);
        for r in 0..rows {
            if segment.sees_itself_apart {
                self.own(simd, head, start + r, r);
            }
            let dq = &head.dq[r * padded_head..][..d_head];
            update!(simd: S, [dq in dq], [out in self.written(start + r, 0, h)] {
                out = dq;
            });
        }
    }

    /// `sum_j p_j dp_j` of a row, which equals the product of the output and its gradient.
    #[inline(always)]
    fn delta<S: Simd>(&self, simd: S, head: &Head<'_>, position: usize) -> f32 {
        let d_head = self.sizes.d_head;
        let out = &self.saved.out[self.sizes.out(position, head.h)..][..d_head];
        dot(simd, out, &head.dout[position * head.padded_head..][..d_head])
    }

    /// A position's share in its own key and value where no other sees them; adds to row `r` of `dq`.
    #[inline(always)]
    fn own<S: Simd>(&mut self, simd: S, head: &mut Head<'_>, position: usize, r: usize) {
        let Sizes { time, d_head, .. } = self.sizes;
        let qkv = |part| &self.saved.qkv[offset(self.sizes, position, part, head.h)..][..d_head];
        let q = &head.q[position * head.padded_head..][..d_head];
        let dout = &head.dout[position * head.padded_head..][..d_head];
        let log_denominator = self.saved.log_denominators[head.h * time + position];
        let weight = (dot(simd, q, qkv(1)) - log_denominator).exp2();
        let slope = weight * (dot(simd, dout, qkv(2)) - self.delta(simd, head, position));
        let scaled = simd.splat_f32s(slope * self.sizes.scale());
        let (weight, slope) = (simd.splat_f32s(weight), simd.splat_f32s(slope * LN_2));
        let dq = &mut head.dq[r * head.padded_head..][..d_head];
        update!(simd: S, [k in qkv(1)], [dq in dq] {
            dq = simd.mul_add_e_f32s(k, scaled, dq);
        });
        let dk = self.written(position, 1, head.h);
        update!(simd: S, [q in q], [out in dk] {
            out = simd.mul_f32s(q, slope);
        });
        let dv = self.written(position, 2, head.h);
        update!(simd: S, [dout in dout], [out in dv] {
            out = simd.mul_f32s(dout, weight);
        });
    }
}
