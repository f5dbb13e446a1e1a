//! The forward pass.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{ROWS, Sizes, offset, prefetch};
use crate::cpu::{
    buffer::Buffer,
    dispatch::run,
    simd::{exp, max, sums, update},
    tile::{Factor, dot, gather, gather_transposed, product},
};

/// Attention of every sequence of the batch; writes the output and the log-denominators.
pub fn forward(qkv: &[f32], out: &mut [f32], log_denominators: &mut [f32], sizes: Sizes) {
    let (d_model, time) = (sizes.d_model(), sizes.time);
    let sequences = (
        qkv.par_chunks(3 * time * d_model),
        out.par_chunks_mut(time * d_model),
        log_denominators.par_chunks_mut(sizes.heads * time),
    );
    sequences.into_par_iter().for_each(|(qkv, out, log_denominators)| {
        run(Forward { qkv, out, log_denominators, sizes });
    });
}

/// One sequence.
struct Forward<'a> {
    qkv: &'a [f32],
    out: &'a mut [f32],
    log_denominators: &'a mut [f32],
    sizes: Sizes,
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Sizes { time, heads, d_head, .. } = self.sizes;
        let (keys, d_model) = (self.sizes.keys(), self.sizes.d_model());
        let padded_keys = keys.next_multiple_of(S::F32_LANES);
        let padded_head = d_head.next_multiple_of(S::F32_LANES);
        let mut memory = Buffer::stale(
            time * d_head + d_head * padded_keys + keys * padded_head + ROWS * (padded_keys + padded_head),
        );
        let (q, rest) = memory.split_at_mut(time * d_head);
        let (k_t, rest) = rest.split_at_mut(d_head * padded_keys);
        let (v, rest) = rest.split_at_mut(keys * padded_head);
        let (scores, sums) = rest.split_at_mut(ROWS * padded_keys);
        prefetch(self.qkv);
        for h in 0..heads {
            let part = |part| &self.qkv[offset(self.sizes, 0, part, h)..];
            gather(part(0), 3 * d_model, time, d_head, self.sizes.scale(), d_head, q);
            gather_transposed(part(1), 3 * d_model, keys, d_head, padded_keys, k_t);
            gather(part(2), 3 * d_model, keys, d_head, 1.0, padded_head, v);
            for segment in self.sizes.segments() {
                for first in (0..segment.rows).step_by(ROWS) {
                    let rows = ROWS.min(segment.rows - first);
                    let start = segment.start + first;
                    let seen = segment.prefix(first + rows - 1);
                    let columns = seen.next_multiple_of(S::F32_LANES);
                    let queries = Factor { data: &q[start * d_head..], row: d_head, column: 1 };
                    product::<S, false>(
                        simd,
                        queries,
                        k_t,
                        padded_keys,
                        scores,
                        padded_keys,
                        [rows, d_head, columns],
                    );
                    let mut own_weight = [0.0; ROWS];
                    let mut inverse = [0.0; ROWS];
                    for r in 0..rows {
                        let own_score = if segment.sees_itself_apart {
                            let k = &self.qkv[offset(self.sizes, start + r, 1, h)..][..d_head];
                            dot(simd, &q[(start + r) * d_head..][..d_head], k)
                        } else {
                            f32::NEG_INFINITY
                        };
                        let scores = &mut scores[r * padded_keys..][..columns];
                        let (largest, sum) = weigh(simd, scores, segment.prefix(first + r), own_score);
                        own_weight[r] =
                            if segment.sees_itself_apart { (own_score - largest).exp() } else { 0.0 };
                        let sum = sum + own_weight[r];
                        inverse[r] = 1.0 / sum;
                        self.log_denominators[h * time + start + r] = largest + sum.ln();
                    }
                    let weights = Factor { data: scores, row: padded_keys, column: 1 };
                    product::<S, false>(
                        simd,
                        weights,
                        v,
                        padded_head,
                        sums,
                        padded_head,
                        [rows, seen, padded_head],
                    );
                    for r in 0..rows {
                        let own = &self.qkv[offset(self.sizes, start + r, 2, h)..][..d_head];
                        let out = &mut self.out[(start + r) * d_model + h * d_head..][..d_head];
                        let (weight, inverse) = (simd.splat_f32s(own_weight[r]), simd.splat_f32s(inverse[r]));
                        update!(simd: S, [sum in &sums[r * padded_head..][..d_head], own in own], [out in out] {
                            out = simd.mul_f32s(simd.mul_add_e_f32s(own, weight, sum), inverse);
                        });
                    }
                }
            }
        }
    }
}

/// Turns the first `seen` scores of a row into `exp(score - largest)` and the rest into zeros; returns the largest
/// score, `own_score` among them, and the sum of the weights.
#[inline(always)]
fn weigh<S: Simd>(simd: S, scores: &mut [f32], seen: usize, own_score: f32) -> (f32, f32) {
    scores[seen..].fill(f32::NEG_INFINITY);
    let largest = max(simd, scores).max(own_score);
    let shift = simd.splat_f32s(largest);
    update!(simd: S, [], [x in &mut *scores] {
        x = exp(simd, simd.sub_f32s(x, shift));
    });
    scores[seen..].fill(0.0);
    let [sum] = sums!(simd: S, [x in &*scores] { [x] });
    (largest, sum)
}
