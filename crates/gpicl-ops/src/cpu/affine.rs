//! `activation(x W + b)` and its gradients: matrix products, and what is done to their results on the way.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::gemm::{Finish, MatRef, Start, gemm};
use super::{buffer::Buffer, dispatch::run, rows_per_task, simd::update, sum};
use crate::Precision;

/// `y = x W + b`, plus `residual` where there is one. `x`: `[rows, in]`, `weight`: `[in, out]`, `y`: `[rows, out]`.
///
/// Where `activated` is given, it becomes `gelu(y)`.
pub fn forward(
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    residual: Option<&[f32]>,
    y: &mut [f32],
    activated: Option<&mut [f32]>,
    precision: Precision,
) {
    let fan_out = bias.len();
    let (fan_in, rows) = (weight.len() / fan_out, y.len() / fan_out);
    let start = residual.map_or(Start::Bias(bias), |residual| Start::BiasAndResidual(bias, residual));
    let finish = activated.map_or(Finish::Nothing, Finish::Gelu);
    let (x, weight) = (MatRef::row_major(x, rows, fan_in), MatRef::row_major(weight, fan_in, fan_out));
    gemm(x, weight, y, start, finish, precision);
}

/// `dx = dy W^T`. `dy`: `[rows, out]`, `weight`: `[in, out]`.
pub fn input_gradient(dy: &[f32], weight: &[f32], fan_out: usize, dx: &mut [f32], precision: Precision) {
    let (fan_in, rows) = (weight.len() / fan_out, dy.len() / fan_out);
    let (dy, weight) = (MatRef::row_major(dy, rows, fan_out), MatRef::row_major(weight, fan_in, fan_out));
    gemm(dy, weight.t(), dx, Start::Zero, Finish::Nothing, precision);
}

/// `dW = x^T dy`. `x`: `[rows, in]`, `dy`: `[rows, out]`.
pub fn weight_gradient(x: &[f32], dy: &[f32], fan_out: usize, dweight: &mut [f32], precision: Precision) {
    let (fan_in, rows) = (dweight.len() / fan_out, dy.len() / fan_out);
    let (x, dy) = (MatRef::row_major(x, rows, fan_in), MatRef::row_major(dy, rows, fan_out));
    // The narrower factor is the one to be packed for all threads: less is handed from core to core.
    if fan_in >= fan_out || dweight.is_empty() {
        return gemm(x.t(), dy, dweight, Start::Zero, Finish::Nothing, precision);
    }
    let mut transposed = Buffer::stale(dweight.len());
    gemm(dy.t(), x, &mut transposed, Start::Zero, Finish::Nothing, precision);
    transpose(&transposed, fan_in, dweight);
}

/// Writes the transpose of a matrix of `cols` columns.
pub(super) fn transpose(from: &[f32], cols: usize, to: &mut [f32]) {
    const BLOCK: usize = 16;
    let rows = from.len() / cols;
    to.par_chunks_mut(BLOCK * rows).enumerate().for_each(|(block, to)| {
        for first in (0..rows).step_by(BLOCK) {
            for (to, col) in to.chunks_exact_mut(rows).zip(block * BLOCK..) {
                let last = (first + BLOCK).min(rows);
                for (to, row) in to[first..last].iter_mut().zip(first..last) {
                    *to = from[row * cols + col];
                }
            }
        }
    });
}

/// `db`: the sum of the rows of `dy`.
pub fn bias_gradient(dy: &[f32], dbias: &mut [f32]) {
    let fan_out = dbias.len();
    let piece = rows_per_task(fan_out) * fan_out;
    let mut partial = Buffer::zeros(dy.len().div_ceil(piece) * fan_out);
    let pieces = (dy.par_chunks(piece), partial.par_chunks_mut(fan_out));
    pieces.into_par_iter().for_each(|(dy, partial)| sum::add_rows(dy, partial));
    dbias.fill(0.0);
    sum::add_rows(&partial, dbias);
}

/// `sum = a + b`.
pub fn add(a: &[f32], b: &[f32], sum: &mut [f32]) {
    run(Add { a, b, sum });
}

struct Add<'a> {
    a: &'a [f32],
    b: &'a [f32],
    sum: &'a mut [f32],
}

impl WithSimd for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        update!(simd: S, [a in self.a, b in self.b], [sum in self.sum] {
            sum = simd.add_f32s(a, b);
        });
    }
}
