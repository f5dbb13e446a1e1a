//! `activation(x W + b)` and its gradients: matrix products, and what is done to their results on the way.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::gemm::{MatMut, MatRef, gemm};
use super::{
    buffer::Buffer,
    dispatch::run,
    rows_per_task, simd,
    simd::{gelu_slope, update},
    sum,
};
use crate::Precision;

/// `y = x W + b`, plus `residual` where there is one. `x`: `[rows, in]`, `weight`: `[in, out]`, `y`: `[rows, out]`.
pub fn forward(
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    residual: Option<&[f32]>,
    y: &mut [f32],
    precision: Precision,
) {
    let fan_out = bias.len();
    let fan_in = weight.len() / fan_out;
    let rows = y.len() / fan_out;
    let piece = rows_per_task(fan_out) * fan_out;
    match residual {
        Some(residual) => {
            let pieces = (y.par_chunks_mut(piece), residual.par_chunks(piece));
            pieces.into_par_iter().for_each(|(y, residual)| run(AddBias { residual, bias, y }));
        }
        None => y.par_chunks_mut(piece).for_each(|y| {
            y.chunks_exact_mut(fan_out).for_each(|row| row.copy_from_slice(bias));
        }),
    }
    let (x, weight) = (MatRef::row_major(x, rows, fan_in), MatRef::row_major(weight, fan_in, fan_out));
    gemm(x, weight, MatMut::row_major(y, rows, fan_out), 1.0, precision);
}

/// `y = gelu(x)`.
pub fn gelu(x: &[f32], y: &mut [f32]) {
    let piece = rows_per_task(1);
    (x.par_chunks(piece), y.par_chunks_mut(piece)).into_par_iter().for_each(|(x, y)| run(Gelu { x, y }));
}

/// Turns `dy` into `dx = dy gelu'(x)`.
pub fn gelu_backward(x: &[f32], gradient: &mut [f32]) {
    let piece = rows_per_task(1);
    let pieces = (x.par_chunks(piece), gradient.par_chunks_mut(piece));
    pieces.into_par_iter().for_each(|(x, gradient)| run(GeluBackward { x, gradient }));
}

/// `dx = dy W^T`. `dy`: `[rows, out]`, `weight`: `[in, out]`.
pub fn input_gradient(dy: &[f32], weight: &[f32], fan_out: usize, dx: &mut [f32], precision: Precision) {
    let fan_in = weight.len() / fan_out;
    let rows = dy.len() / fan_out;
    let (dy, weight) = (MatRef::row_major(dy, rows, fan_out), MatRef::row_major(weight, fan_in, fan_out));
    gemm(dy, weight.t(), MatMut::row_major(dx, rows, fan_in), 0.0, precision);
}

/// `dW = x^T dy`. `x`: `[rows, in]`, `dy`: `[rows, out]`.
pub fn weight_gradient(x: &[f32], dy: &[f32], fan_out: usize, dweight: &mut [f32], precision: Precision) {
    let fan_in = dweight.len() / fan_out;
    let rows = dy.len() / fan_out;
    let (x, dy) = (MatRef::row_major(x, rows, fan_in), MatRef::row_major(dy, rows, fan_out));
    gemm(x.t(), dy, MatMut::row_major(dweight, fan_in, fan_out), 0.0, precision);
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

struct AddBias<'a> {
    residual: &'a [f32],
    bias: &'a [f32],
    y: &'a mut [f32],
}

impl WithSimd for AddBias<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.bias.len();
        for (residual, y) in self.residual.chunks_exact(width).zip(self.y.chunks_exact_mut(width)) {
            update!(simd: S, [residual in residual, bias in self.bias], [out in y] {

            out = simd.add_f32s(residual, bias);
            });
        }
    }
}

struct Gelu<'a> {
    x: &'a [f32],
    y: &'a mut [f32],
}

impl WithSimd for Gelu<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        update!(simd: S, [x in self.x], [out in self.y] {

        out = simd::gelu(simd, x);
        });
    }
}

struct GeluBackward<'a> {
    x: &'a [f32],
    gradient: &'a mut [f32],
}

impl WithSimd for GeluBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        update!(simd: S, [x in self.x], [dy in self.gradient] {

        dy = simd.mul_f32s(dy, gelu_slope(simd, x));
        });
    }
}
