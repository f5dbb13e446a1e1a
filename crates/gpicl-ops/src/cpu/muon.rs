//! The Muon update of one matrix.

use rayon::prelude::*;

use super::buffer::Buffer;
use super::gemm::{Finish, MatRef, Start, gemm, symmetric};
use crate::{MUON_EPS, MUON_POLYNOMIAL, MUON_STEPS, MuonStep, Precision};

const PIECE: usize = 16 * 1024;
/// How many times as long as wide a matrix is whose iteration is done on its product with itself.
const LONG: usize = 2;

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
fn orthogonalise(x: &mut Buffer, [rows, cols]: [usize; 2], precision: Precision) {
    // Pieces are summed one after the other, whatever the number of threads.
    let square = |x: &[f32]| x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
    let norm = x.par_chunks(PIECE).map(square).collect::<Vec<_>>().iter().sum::<f64>().sqrt();
    let scale = (1.0 / norm.max(f64::from(MUON_EPS))) as f32;
    x.par_chunks_mut(PIECE).for_each(|x| x.iter_mut().for_each(|x| *x *= scale));
    let mut next = Buffer::stale(rows * cols);
    if rows.max(cols) >= LONG * rows.min(cols) {
        let now = MatRef::row_major(x, rows, cols);
        multiply(&all_steps(now), now, &mut next, Start::Zero, Precision::Fp32);
        std::mem::swap(x, &mut next);
        return;
    }
    for _ in 0..MUON_STEPS {
        let now = MatRef::row_major(x, rows, cols);
        let poly = polynomial(&gram(now, precision), precision);
        next.par_chunks_mut(PIECE).zip(x.par_chunks(PIECE)).for_each(|(next, x)| {
            next.iter_mut().zip(x).for_each(|(next, x)| *next = x * MUON_POLYNOMIAL[0]);
        });
        multiply(&poly, now, &mut next, Start::Keep, precision);
        std::mem::swap(x, &mut next);
    }
}

/// What the steps together multiply `x` by, as a square of its shorter side.
///
/// A step multiplies by a polynomial `P` of `G = X X'`, which becomes `P G P`, so that `X` itself is not needed. All of these
/// are polynomials of the first `G`: they commute, and their products are symmetric. `G` has the squares of the singular
/// values, and the result is large where they are small: bfloat16 would leave too little of them.
fn all_steps(x: MatRef<'_>) -> Buffer {
    let mut gram = gram(x, Precision::Fp32);
    let side = gram.len().isqrt();
    let mut all: Option<Buffer> = None;
    for left in (0..MUON_STEPS).rev() {
        let mut poly = polynomial(&gram, Precision::Fp32);
        poly.iter_mut().step_by(side + 1).for_each(|p| *p += MUON_POLYNOMIAL[0]);
        if left > 0 {
            gram = squares(&squares(&poly, &gram, Precision::Fp32), &poly, Precision::Fp32);
        }
        all = Some(match all {
            None => poly,
            Some(all) => squares(&poly, &all, Precision::Fp32),
        });
    }
    all.expect("there are steps")
}

/// The smaller of `X X'` and `X' X`.
fn gram(x: MatRef<'_>, precision: Precision) -> Buffer {
    let [rows, cols] = x.dims();
    let side = rows.min(cols);
    let (left, right) = if rows <= cols { (x, x.t()) } else { (x.t(), x) };
    let mut gram = Buffer::stale(side * side);
    symmetric(left, right, &mut gram, precision);
    gram
}

/// `b G + c G G`.
fn polynomial(gram: &[f32], precision: Precision) -> Buffer {
    let [_, b, c] = MUON_POLYNOMIAL;
    let mut poly = squares(gram, gram, precision);
    poly.par_chunks_mut(PIECE).zip(gram.par_chunks(PIECE)).for_each(|(poly, gram)| {
        poly.iter_mut().zip(gram).for_each(|(p, g)| *p = *p * c + g * b);
    });
    poly
}

/// The product of two symmetric squares that commute.
fn squares(a: &[f32], b: &[f32], precision: Precision) -> Buffer {
    let side = a.len().isqrt();
    let [left, right] = [a, b].map(|x| MatRef::row_major(x, side, side));
    let mut out = Buffer::stale(side * side);
    symmetric(left, right, &mut out, precision);
    out
}

/// `x` times `square`, from the side on which it fits: that of [`gram`].
fn multiply(square: &[f32], x: MatRef<'_>, out: &mut [f32], start: Start<'_>, precision: Precision) {
    let [rows, cols] = x.dims();
    let side = rows.min(cols);
    let square = MatRef::row_major(square, side, side);
    let (left, right) = if rows <= cols { (square, x) } else { (x, square) };
    gemm(left, right, out, start, Finish::Nothing, precision);
}

#[cfg(test)]
mod tests {
    use rayon::ThreadPoolBuilder;

    use super::*;

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let number = |i: usize| ((i * 7919 + 13) % 1009) as f32 / 504.5 - 1.0;
        for ([rows, cols], blocks) in [([300, 300], 1), ([120, 360], 1), ([360, 120], 1), ([128, 128], 3)] {
            let n = rows * blocks * cols;
            let (start, grad): (Vec<f32>, Vec<f32>) = (0..n).map(|i| (number(i), number(i * i + 5))).unzip();
            for precision in [Precision::Fp32, Precision::Bf16] {
                let step = MuonStep { lr: 0.1, momentum: 0.9, weight_decay: 0.1, grad_scale: 0.5, precision };
                let on = |threads| {
                    let (mut param, mut momentum) = (start.clone(), start.clone());
                    ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
                        muon(&mut param, &grad, &mut momentum, [rows, cols], blocks, step);
                    });
                    (param, momentum)
                };
                let one = on(1);
                assert!(one.0.iter().all(|x| x.is_finite()));
                assert!(
                    [2, 3, 8].into_iter().all(|threads| on(threads) == one),
                    "{rows} {cols} {precision:?}"
                );
            }
        }
    }
}
