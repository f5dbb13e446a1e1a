//! The AdamW update of one parameter.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{dispatch::run, simd::update};
use crate::AdamWStep;

const PIECE: usize = 16 * 1024;

/// Updates `param`, `m` and `v` in place; see [`crate::adamw`]. All slices have one length.
pub fn adamw(param: &mut [f32], grad: &[f32], m: &mut [f32], v: &mut [f32], step: AdamWStep) {
    let pieces = (
        param.par_chunks_mut(PIECE),
        grad.par_chunks(PIECE),
        m.par_chunks_mut(PIECE),
        v.par_chunks_mut(PIECE),
    );
    pieces.into_par_iter().for_each(|(param, grad, m, v)| run(Update { param, grad, m, v, step }));
}

struct Update<'a> {
    param: &'a mut [f32],
    grad: &'a [f32],
    m: &'a mut [f32],
    v: &'a mut [f32],
    step: AdamWStep,
}

impl WithSimd for Update<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let step = self.step;
        let scale = simd.splat_f32s(step.grad_scale);
        let (beta1, beta2) = (simd.splat_f32s(step.beta1), simd.splat_f32s(step.beta2));
        let (rest1, rest2) = (simd.splat_f32s(1.0 - step.beta1), simd.splat_f32s(1.0 - step.beta2));
        let correct1 = simd.splat_f32s(1.0 / step.bias_correction1);
        let correct2 = simd.splat_f32s(1.0 / step.bias_correction2);
        let keep = simd.splat_f32s(1.0 - step.lr * step.weight_decay);
        let (rate, eps) = (simd.splat_f32s(-step.lr), simd.splat_f32s(step.eps));
        update!(simd: S, [grad in self.grad], [param in self.param, m in self.m, v in self.v] {
            let grad = simd.mul_f32s(grad, scale);
            m = simd.mul_add_e_f32s(m, beta1, simd.mul_f32s(grad, rest1));
            v = simd.mul_add_e_f32s(v, beta2, simd.mul_f32s(simd.mul_f32s(grad, grad), rest2));
            let root = simd.add_f32s(simd.sqrt_f32s(simd.mul_f32s(v, correct2)), eps);
            let direction = simd.div_f32s(simd.mul_f32s(m, correct1), root);
            param = simd.mul_add_e_f32s(direction, rate, simd.mul_f32s(param, keep));
        });
    }
}
