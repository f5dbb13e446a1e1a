//! The Muon update of one matrix.

use rayon::prelude::*;

use super::buffer::Buffer;
use super::gemm::{Finish, MatRef, Start, gemm};
use crate::{MUON_EPS, MUON_POLYNOMIAL, MUON_STEPS, MuonStep, Precision};

const PIECE: usize = 16 * 1024;

/// Updates `param` and `momentum` in place; see [`crate::muon`]. All slices hold `blocks` matrices `[rows, cols]` side by
/// side, `[rows, blocks * cols]`.
pub fn muon(
    param: &mut [f32],
    grad: &[f32],
    momentum: &mut [f32],
    [rows, cols]: [usize; 2],
    blocks: usize,
    step: MuonStep,
) {
    let (keep, rest, scale) = (step.momentum, 1.0 - step.momentum, step.grad_scale);
    momentum.par_chunks_mut(PIECE).zip(grad.par_chunks(PIECE)).for_each(|(momentum, grad)| {
        for (m, g) in momentum.iter_mut().zip(grad) {
            *m = *m * keep + g * scale * rest;
        }
    });
    let momentum = &*momentum;
    let shrink = 1.0 - step.lr * step.weight_decay;
    for block in 0..blocks {
        let mut x = Buffer::stale(rows * cols);
        x.par_chunks_mut(cols).enumerate().for_each(|(row, x)| {
            let first = (row * blocks + block) * cols;
            let (m, g) = (&momentum[first..][..cols], &grad[first..][..cols]);
            for ((x, m), g) in x.iter_mut().zip(m).zip(g) {
                *x = m * keep + g * scale * rest;
            }
        });
        orthogonalise(&mut x, [rows, cols], step.precision);
        let rate = -step.lr * step.scale(rows, cols);
        param.par_chunks_mut(blocks * cols).zip(x.par_chunks(cols)).for_each(|(param, x)| {
            for (p, x) in param[block * cols..][..cols].iter_mut().zip(x) {
                *p = *p * shrink + x * rate;
            }
        });
    }
}

/// Brings the singular values of `x` `[rows, cols]` near 1, by the iteration of Newton and Schulz.
fn orthogonalise(x: &mut [f32], [rows, cols]: [usize; 2], precision: Precision) {
    // One sum after the other, whatever the number of threads.
    let norm =
        x.chunks(PIECE).map(|x| x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>()).sum::<f64>().sqrt();
    let scale = (1.0 / norm.max(f64::from(MUON_EPS))) as f32;
    x.iter_mut().for_each(|x| *x *= scale);
    // The smaller of `X X'` and `X' X`.
    let wide = rows <= cols;
    let small = rows.min(cols);
    let (mut gram, mut poly) = (Buffer::stale(small * small), Buffer::stale(small * small));
    let mut next = Buffer::stale(rows * cols);
    let [a, b, c] = MUON_POLYNOMIAL;
    for _ in 0..MUON_STEPS {
        let now = MatRef::row_major(x, rows, cols);
        let (left, right) = if wide { (now, now.t()) } else { (now.t(), now) };
        gemm(left, right, &mut gram, Start::Zero, Finish::Nothing, precision);
        let matrix = MatRef::row_major(&gram, small, small);
        gemm(matrix, matrix, &mut poly, Start::Zero, Finish::Nothing, precision);
        for (p, g) in poly.iter_mut().zip(gram.iter()) {
            *p = *p * c + g * b;
        }
        next.iter_mut().zip(x.iter()).for_each(|(next, x)| *next = x * a);
        let poly = MatRef::row_major(&poly, small, small);
        let (left, right) = if wide { (poly, now) } else { (now, poly) };
        gemm(left, right, &mut next, Start::Keep, Finish::Nothing, precision);
        x.copy_from_slice(&next);
    }
}
