//! Softmax of a row of scores, and its slope. Scores are in units of `ln 2`: powers of two cost less than those of `e`.
#![allow(clippy::needless_range_loop, reason = "see `simd::update`")]

use pulp::Simd;

use crate::cpu::simd::{exp2, first};

/// Largest of the first `seen` scores, negative infinity for none.
#[inline(always)]
pub fn largest<S: Simd>(simd: S, scores: &[f32], seen: usize) -> f32 {
    let scores = S::as_simd_f32s(scores).0;
    let mut largest = simd.splat_f32s(f32::NEG_INFINITY);
    let whole = seen / S::F32_LANES;
    for at in 0..whole {
        largest = simd.max_f32s(largest, scores[at]);
    }
    let rest = seen % S::F32_LANES;
    if rest > 0 {
        largest = simd.max_f32s(largest, first(simd, rest, scores[whole], f32::NEG_INFINITY));
    }
    simd.reduce_max_f32s(largest)
}

/// Turns the first `seen` scores of a row, whole vectors, into `2^(score - shift)` and the rest into zeros; returns
/// the sum.
#[inline(always)]
pub fn weigh<S: Simd>(simd: S, scores: &mut [f32], seen: usize, shift: f32) -> f32 {
    let scores = S::as_mut_simd_f32s(scores).0;
    let shift = simd.splat_f32s(shift);
    let mut sum = simd.splat_f32s(0.0);
    let whole = seen / S::F32_LANES;
    for at in 0..whole {
        let weight = exp2(simd, simd.sub_f32s(scores[at], shift));
        scores[at] = weight;
        sum = simd.add_f32s(sum, weight);
    }
    for at in whole..scores.len() {
        let weight = exp2(simd, simd.sub_f32s(scores[at], shift));
        scores[at] = first(simd, seen.saturating_sub(at * S::F32_LANES), weight, 0.0);
        sum = simd.add_f32s(sum, scores[at]);
    }
    simd.reduce_sum_f32s(sum)
}

/// Turns the first `seen` scores of a row, whole vectors, into probabilities `p`, given the log of their denominator,
/// and the probabilities' gradient into the scores' gradient `p (dp - delta)`; the rest into zeros.
#[inline(always)]
pub fn slopes<S: Simd>(simd: S, [p, dp]: [&mut [f32]; 2], seen: usize, log_denominator: f32, delta: f32) {
    let (p, dp) = (S::as_mut_simd_f32s(p).0, S::as_mut_simd_f32s(dp).0);
    let dp = &mut dp[..p.len()];
    let (shift, delta) = (simd.splat_f32s(log_denominator), simd.splat_f32s(delta));
    let whole = seen / S::F32_LANES;
    for at in 0..whole {
        let probability = exp2(simd, simd.sub_f32s(p[at], shift));
        p[at] = probability;
        dp[at] = simd.mul_f32s(probability, simd.sub_f32s(dp[at], delta));
    }
    for at in whole..p.len() {
        let probability = exp2(simd, simd.sub_f32s(p[at], shift));
        let seen = seen.saturating_sub(at * S::F32_LANES);
        p[at] = first(simd, seen, probability, 0.0);
        let slope = simd.mul_f32s(probability, simd.sub_f32s(dp[at], delta));
        dp[at] = first(simd, seen, slope, 0.0);
    }
}
