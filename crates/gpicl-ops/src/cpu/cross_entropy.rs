//! Softmax cross-entropy of rows of logits.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    dispatch::run,
    rows_per_task,
    simd::{exp, max, sums, update},
};

/// Negative log-likelihood of each row's target; rows have `classes` logits.
///
/// # Panics
/// If a target is not below `classes`.
pub fn forward(logits: &[f32], targets: &[usize], classes: usize, nll: &mut [f32]) {
    let rows = rows_per_task(classes);
    let pieces = (logits.par_chunks(rows * classes), targets.par_chunks(rows), nll.par_chunks_mut(rows));
    pieces.into_par_iter().for_each(|(logits, targets, nll)| run(Forward { logits, targets, classes, nll }));
}

/// `dlogits = (softmax(logits) - onehot(target)) * dnll` of each row.
pub fn backward(logits: &[f32], targets: &[usize], classes: usize, dnll: &[f32], dlogits: &mut [f32]) {
    let rows = rows_per_task(classes);
    let piece = rows * classes;
    let pieces = (
        logits.par_chunks(piece),
        targets.par_chunks(rows),
        dnll.par_chunks(rows),
        dlogits.par_chunks_mut(piece),
    );
    pieces.into_par_iter().for_each(|(logits, targets, dnll, dlogits)| {
        run(Backward { logits, targets, classes, dnll, dlogits });
    });
}

struct Forward<'a> {
    logits: &'a [f32],
    targets: &'a [usize],
    classes: usize,
    nll: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let rows = self.logits.chunks_exact(self.classes).zip(self.targets);
        for ((logits, &target), nll) in rows.zip(self.nll) {
            let largest = max(simd, logits);
            let shift = simd.splat_f32s(largest);
            let [sum] = sums!(simd: S, [x in logits] { [exp(simd, simd.sub_f32s(x, shift))] });
            *nll = largest - logits[target] + sum.ln();
        }
    }
}

struct Backward<'a> {
    logits: &'a [f32],
    targets: &'a [usize],
    classes: usize,
    dnll: &'a [f32],
    dlogits: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let rows = self.logits.chunks_exact(self.classes).zip(self.dlogits.chunks_exact_mut(self.classes));
        for ((logits, dlogits), (&target, &dnll)) in rows.zip(self.targets.iter().zip(self.dnll)) {
            let shift = simd.splat_f32s(max(simd, logits));
            update!(simd: S, [x in logits], [out in &mut *dlogits] {
                out = exp(simd, simd.sub_f32s(x, shift));
            });
            let [sum] = sums!(simd: S, [x in &*dlogits] { [x] });
            let scale = simd.splat_f32s(dnll / sum);
            update!(simd: S, [], [x in &mut *dlogits] {
                x = simd.mul_f32s(x, scale);
            });
            dlogits[target] -= dnll;
        }
    }
}
