//! The Gaussian error linear unit and its gradient, value by value.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    dispatch::run,
    rows_per_task, simd,
    simd::{gelu_and_slope, update},
};

/// `y = gelu(x)`.
pub fn gelu(x: &[f32], y: &mut [f32]) {
    run(Gelu { x, y });
}

/// Turns `dy` into `dz = dy gelu'(z)`, and `z` into `gelu(z)`.
pub fn gelu_gradient(z: &mut [f32], gradient: &mut [f32]) {
    let piece = rows_per_task(1);
    let pieces = (z.par_chunks_mut(piece), gradient.par_chunks_mut(piece));
    pieces.into_par_iter().for_each(|(z, gradient)| run(GeluBackward { z, gradient }));
}

struct Gelu<'a> {
    x: &'a [f32],
    y: &'a mut [f32],
}

impl WithSimd for Gelu<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        update!(simd: S, [x in self.x], [y in self.y] {
            y = simd::gelu(simd, x);
        });
    }
}

struct GeluBackward<'a> {
    z: &'a mut [f32],
    gradient: &'a mut [f32],
}

impl WithSimd for GeluBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        update!(simd: S, [], [z in self.z, dy in self.gradient] {
            let [y, slope] = gelu_and_slope(simd, z);
            (z, dy) = (y, simd.mul_f32s(dy, slope));
        });
    }
}
