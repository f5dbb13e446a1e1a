//! `silu` of rows, divided by their length.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    dispatch::run,
    rows_per_task,
    simd::{sigmoid, sums, update},
};

/// Added to the square of a length: a row of zeros stays one.
pub const EPS: f32 = 1e-6;

/// `y = s / sqrt(s . s + EPS)` with `s = x sigmoid(x)`, for every row of `width` values.
pub fn forward(x: &[f32], width: usize, y: &mut [f32]) {
    let piece = rows_per_task(width) * width;
    let pieces = (x.par_chunks(piece), y.par_chunks_mut(piece));
    pieces.into_par_iter().for_each(|(x, y)| run(Forward { x, width, y }));
}

/// Gradient of [`forward`] given `dy`.
pub fn backward(x: &[f32], width: usize, dy: &[f32], dx: &mut [f32]) {
    let piece = rows_per_task(width) * width;
    let pieces = (x.par_chunks(piece), dy.par_chunks(piece), dx.par_chunks_mut(piece));
    pieces.into_par_iter().for_each(|(x, dy, dx)| run(Backward { x, width, dy, dx }));
}

struct Forward<'a> {
    x: &'a [f32],
    width: usize,
    y: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let rows = self.x.chunks_exact(self.width).zip(self.y.chunks_exact_mut(self.width));
        for (x, y) in rows {
            update!(simd: S, [x in x], [s in &mut *y] {
                s = simd.mul_f32s(x, sigmoid(simd, x));
            });
            let [square] = sums!(simd: S, [s in &*y] { [simd.mul_f32s(s, s)] });
            let scale = simd.splat_f32s(1.0 / (square + EPS).sqrt());
            update!(simd: S, [], [y in y] {
                y = simd.mul_f32s(y, scale);
            });
        }
    }
}

struct Backward<'a> {
    x: &'a [f32],
    width: usize,
    dy: &'a [f32],
    dx: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let one = simd.splat_f32s(1.0);
        let rows = self.x.chunks_exact(self.width).zip(self.dy.chunks_exact(self.width));
        for ((x, dy), dx) in rows.zip(self.dx.chunks_exact_mut(self.width)) {
            // The gates wait in `dx` for the second walk.
            update!(simd: S, [x in x], [gate in &mut *dx] {
                gate = sigmoid(simd, x);
            });
            let [square, along] = sums!(simd: S, [x in x, gate in &*dx, dy in dy] {
                let s = simd.mul_f32s(x, gate);
                [simd.mul_f32s(s, s), simd.mul_f32s(s, dy)]
            });
            // What goes along the row changes its length alone, which is divided out.
            let scale = 1.0 / (square + EPS).sqrt();
            let (scale, along) = (simd.splat_f32s(scale), simd.splat_f32s(along * scale.powi(3)));
            update!(simd: S, [x in x, dy in dy], [out in dx] {
                let gate = out;
                let s = simd.mul_f32s(x, gate);
                let ds = simd.sub_f32s(simd.mul_f32s(dy, scale), simd.mul_f32s(s, along));
                // silu' = gate (1 + x (1 - gate)).
                let slope = simd.mul_add_e_f32s(simd.sub_f32s(one, gate), s, gate);
                out = simd.mul_f32s(ds, slope);
            });
        }
    }
}
