//! The backward pass.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{ROWS, Segment, Sizes, offset, prefetch};
use crate::cpu::{
    buffer::Buffer,
    dispatch::run,
    simd::{exp, update},
    tile::{Factor, dot, gather, gather_transposed, product},
};

/// Rows whose probabilities exist at once: they are summed over for the gradients of keys and values.
const BLOCK: usize = 3 * ROWS;

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
    sequences.into_par_iter().for_each(|(qkv, out, log_denominators, dout, dqkv)| {
        run(Backward { saved: Saved { qkv, out, log_denominators }, dout, dqkv, sizes });
    });
}

/// One sequence.
struct Backward<'a> {
    saved: Saved<'a>,
    dout: &'a [f32],
    dqkv: &'a mut [f32],
    sizes: Sizes,
}

/// One head's factors and sums; rows are padded to whole vectors.
struct Head<'m> {
    h: usize,
    padded_keys: usize,
    padded_head: usize,
    /// Scaled queries and the output's gradient, `[time, padded_head]`.
    q: &'m mut [f32],
    dout: &'m mut [f32],
    /// Keys and the gradients of keys and values, `[keys, padded_head]`.
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
        prefetch(self.saved.qkv);
        prefetch(self.saved.out);
        prefetch(self.dout);
        for h in 0..heads {
            head.h = h;
            self.gather(&mut head);
            for segment in self.sizes.segments() {
                for first in (0..segment.rows).step_by(BLOCK) {
                    let rows = BLOCK.min(segment.rows - first);
                    self.block(simd, &mut head, segment, first, rows);
                }
            }
            for key in 0..keys {
                for (part, gradient) in [(1, &head.dk), (2, &head.dv)] {
                    let to = &mut self.dqkv[offset(self.sizes, key, part, h)..][..d_head];
                    to.copy_from_slice(&gradient[key * padded_head..][..d_head]);
                }
            }
        }
    }
}

impl Backward<'_> {
    #[inline(always)]
    fn gather(&self, head: &mut Head<'_>) {
        let Sizes { time, d_head, .. } = self.sizes;
        let (keys, d_model) = (self.sizes.keys(), self.sizes.d_model());
        let stride = 3 * d_model;
        let part = |part| &self.saved.qkv[offset(self.sizes, 0, part, head.h)..];
        gather(part(0), stride, time, d_head, self.sizes.scale(), head.padded_head, head.q);
        gather(part(1), stride, keys, d_head, 1.0, head.padded_head, head.k);
        gather_transposed(part(1), stride, keys, d_head, head.padded_keys, head.k_t);
        gather_transposed(part(2), stride, keys, d_head, head.padded_keys, head.v_t);
        gather(&self.dout[head.h * d_head..], d_model, time, d_head, 1.0, head.padded_head, head.dout);
        head.dk.fill(0.0);
        head.dv.fill(0.0);
    }

    /// Rows `first..first + rows` of a segment: their queries' gradient, and their share of keys' and values'.
    #[inline(always)]
    fn block<S: Simd>(&mut self, simd: S, head: &mut Head<'_>, segment: Segment, first: usize, rows: usize) {
        let (padded_keys, padded_head) = (head.padded_keys, head.padded_head);
        let seen = segment.prefix(first + rows - 1);
        let columns = seen.next_multiple_of(S::F32_LANES);
        for r in (0..rows).step_by(ROWS) {
            self.tile(simd, head, segment, first + r, r, ROWS.min(rows - r), columns);
        }
        let queries = (segment.start + first) * padded_head;
        let sizes = [seen, rows, padded_head];
        let p = Factor { data: head.p, row: 1, column: padded_keys };
        product::<S, true>(simd, p, &head.dout[queries..], padded_head, head.dv, padded_head, sizes);
        let ds = Factor { data: head.ds, row: 1, column: padded_keys };
        product::<S, true>(simd, ds, &head.q[queries..], padded_head, head.dk, padded_head, sizes);
    }

    /// Rows `first..first + rows` of a segment, at `at` in their block, which looks at `columns` keys.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "where the tile is in its block and its segment")]
    fn tile<S: Simd>(
        &mut self,
        simd: S,
        head: &mut Head<'_>,
        segment: Segment,
        first: usize,
        at: usize,
        rows: usize,
        columns: usize,
    ) {
        let (padded_keys, padded_head) = (head.padded_keys, head.padded_head);
        let d_head = self.sizes.d_head;
        let start = segment.start + first;
        let seen = segment.prefix(first + rows - 1);
        let sizes = [rows, d_head, seen.next_multiple_of(S::F32_LANES)];
        let mut deltas = [0.0; ROWS];
        for (r, delta) in deltas[..rows].iter_mut().enumerate() {
            *delta = self.delta(simd, head, start + r);
        }
        let (p, ds) = (&mut head.p[at * padded_keys..], &mut head.ds[at * padded_keys..]);
        let q = Factor { data: &head.q[start * padded_head..], row: padded_head, column: 1 };
        product::<S, false>(simd, q, head.k_t, padded_keys, p, padded_keys, sizes);
        let dout = Factor { data: &head.dout[start * padded_head..], row: padded_head, column: 1 };
        product::<S, false>(simd, dout, head.v_t, padded_keys, ds, padded_keys, sizes);
        for r in 0..rows {
            let seen = segment.prefix(first + r);
            let log_denominator = self.saved.log_denominators[head.h * self.sizes.time + start + r];
            let shift = simd.splat_f32s(log_denominator);
            let delta = simd.splat_f32s(deltas[r]);
            let (p, ds) = (&mut p[r * padded_keys..][..columns], &mut ds[r * padded_keys..][..columns]);
            update!(simd: S, [], [score in &mut p[..seen], dp in &mut ds[..seen]] {
                let p = exp(simd, simd.sub_f32s(score, shift));
                (score, dp) = (p, simd.mul_f32s(p, simd.sub_f32s(dp, delta)));
            });
            p[seen..].fill(0.0);
            ds[seen..].fill(0.0);
        }
        let ds = Factor { data: ds, row: padded_keys, column: 1 };
        product::<S, false>(simd, ds, head.k, padded_head, head.dq, padded_head, [rows, seen, padded_head]);
        let scale = simd.splat_f32s(self.sizes.scale());
        for r in 0..rows {
            if segment.sees_itself_apart {
                self.own(simd, head, start + r, r);
            }
            let to = &mut self.dqkv[offset(self.sizes, start + r, 0, head.h)..][..d_head];
            update!(simd: S, [dq in &head.dq[r * padded_head..][..d_head]], [out in to] {
                out = simd.mul_f32s(dq, scale);
            });
        }
    }

    /// `sum_j p_j dp_j` of a row, which equals the product of the output and its gradient.
    #[inline(always)]
    fn delta<S: Simd>(&self, simd: S, head: &Head<'_>, position: usize) -> f32 {
        let d_head = self.sizes.d_head;
        let out = &self.saved.out[position * self.sizes.d_model() + head.h * d_head..][..d_head];
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
        let weight = (dot(simd, q, qkv(1)) - log_denominator).exp();
        let slope = weight * (dot(simd, dout, qkv(2)) - self.delta(simd, head, position));
        let (weight, slope) = (simd.splat_f32s(weight), simd.splat_f32s(slope));
        let dq = &mut head.dq[r * head.padded_head..][..d_head];
        update!(simd: S, [k in qkv(1)], [dq in dq] {
            dq = simd.mul_add_e_f32s(k, slope, dq);
        });
        let dk = &mut self.dqkv[offset(self.sizes, position, 1, head.h)..][..d_head];
        update!(simd: S, [q in q], [out in dk] {
            out = simd.mul_f32s(q, slope);
        });
        let dv = &mut self.dqkv[offset(self.sizes, position, 2, head.h)..][..d_head];
        update!(simd: S, [dout in dout], [out in dv] {
            out = simd.mul_f32s(dout, weight);
        });
    }
}
