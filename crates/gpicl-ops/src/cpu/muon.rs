//! The Muon update of one matrix.

use rayon::prelude::*;

use super::buffer::Buffer;
use super::gemm::{Finish, MatRef, Start, gemm};
use crate::{MUON_EPS, MUON_POLYNOMIAL, MUON_STEPS, MuonStep, Precision};

const PIECE: usize = 16 * 1024;
/// Into how many strips of rows a symmetric product is cut at most, and what their heights are multiples of: the more, the less is
/// computed twice, and the more often the other factor is packed.
const STRIPS: usize = 4;
const STRIP: usize = 64;

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
        let x = orthogonalise(x, [rows, cols], step.precision);
        let rate = -step.lr * step.scale(rows, cols);
        param.par_chunks_mut(blocks * cols).zip(x.par_chunks(cols)).for_each(|(param, x)| {
            for (p, x) in param[block * cols..][..cols].iter_mut().zip(x) {
                *p = *p * shrink + x * rate;
            }
        });
    }
}

/// Brings the singular values of `x` `[rows, cols]` near 1, by the iteration of Newton and Schulz.
fn orthogonalise(mut x: Buffer, [rows, cols]: [usize; 2], precision: Precision) -> Buffer {
    // One sum after the other, whatever the number of threads.
    let sums = x.par_chunks(PIECE).map(|x| x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>());
    let norm = sums.collect::<Vec<_>>().into_iter().sum::<f64>().sqrt();
    let scale = (1.0 / norm.max(f64::from(MUON_EPS))) as f32;
    x.par_chunks_mut(PIECE).for_each(|x| x.iter_mut().for_each(|x| *x *= scale));
    // The smaller of `X X'` and `X' X`.
    let wide = rows <= cols;
    let small = rows.min(cols);
    let (mut gram, mut poly) = (Buffer::stale(small * small), Buffer::stale(small * small));
    let mut next = Buffer::stale(rows * cols);
    let [a, b, c] = MUON_POLYNOMIAL;
    for _ in 0..MUON_STEPS {
        let now = MatRef::row_major(&x, rows, cols);
        let (left, right) = if wide { (now, now.t()) } else { (now.t(), now) };
        symmetric(left, right, &mut gram, precision);
        let matrix = MatRef::row_major(&gram, small, small);
        symmetric(matrix, matrix, &mut poly, precision);
        poly.par_chunks_mut(PIECE).zip(gram.par_chunks(PIECE)).for_each(|(poly, gram)| {
            for (p, g) in poly.iter_mut().zip(gram) {
                *p = *p * c + g * b;
            }
        });
        next.par_chunks_mut(PIECE).zip(x.par_chunks(PIECE)).for_each(|(next, x)| {
            for (next, x) in next.iter_mut().zip(x) {
                *next = x * a;
            }
        });
        let poly = MatRef::row_major(&poly, small, small);
        let (left, right) = if wide { (poly, now) } else { (now, poly) };
        gemm(left, right, &mut next, Start::Keep, Finish::Nothing, precision);
        std::mem::swap(&mut x, &mut next);
    }
    x
}

/// `A B` where it is symmetric, to the bit, as `X X'` and the square of such a matrix are: what lies above the diagonal is copied
/// from below it, but for the squares on it.
fn symmetric(a: MatRef<'_>, b: MatRef<'_>, out: &mut [f32], precision: Precision) {
    let [n, _] = a.dims();
    let strip = n.div_ceil(STRIPS).next_multiple_of(STRIP);
    let mut part = Buffer::stale(strip.min(n) * n);
    for first in (0..n).step_by(strip) {
        let last = (first + strip).min(n);
        let part = &mut part[..(last - first) * last];
        gemm(a.rows(first..last), b.cols(0..last), part, Start::Zero, Finish::Nothing, precision);
        for (row, part) in (first..last).zip(part.chunks_exact(last)) {
            out[row * n..][..last].copy_from_slice(part);
            for (column, &value) in part[..first].iter().enumerate() {
                out[column * n + row] = value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symmetric_product_is_the_product() {
        for [n, inner] in [[1, 3], [7, 5], [64, 20], [65, 64], [200, 70], [256, 300]] {
            let x: Vec<f32> = (0..n * inner).map(|i| ((i * 7919) % 1009) as f32 / 1009.0 - 0.4).collect();
            let x = MatRef::row_major(&x, n, inner);
            for precision in [Precision::Fp32, Precision::Bf16] {
                let (mut expected, mut out) = (vec![0.0; n * n], vec![f32::NAN; n * n]);
                gemm(x, x.t(), &mut expected, Start::Zero, Finish::Nothing, precision);
                symmetric(x, x.t(), &mut out, precision);
                let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                assert!(bits(&expected) == bits(&out), "{n} {inner} {precision:?}");
            }
        }
    }
}
