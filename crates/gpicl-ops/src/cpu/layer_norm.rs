//! Layer normalisation of rows.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{buffer::Buffer, dispatch::run, rows_per_task, simd, sum};

/// Mean and inverse standard deviation of a row.
pub const STATISTICS: usize = 2;

/// `y = (x - mean) / sqrt(variance + eps) * gamma + beta` for every row of `gamma.len()` values; `statistics` takes
/// `[mean, 1 / sqrt(variance + eps)]` of each row.
pub fn forward(x: &[f32], gamma: &[f32], beta: &[f32], eps: f32, y: &mut [f32], statistics: &mut [f32]) {
    let rows = rows_per_task(gamma.len());
    let piece = rows * gamma.len();
    let pieces = (x.par_chunks(piece), y.par_chunks_mut(piece), statistics.par_chunks_mut(rows * STATISTICS));
    pieces.into_par_iter().for_each(|(x, y, statistics)| run(Forward { x, gamma, beta, eps, y, statistics }));
}

/// Gradients of [`forward`] given `dy`; `dx` is written, `dgamma` and `dbeta` as well.
pub fn backward(
    x: &[f32],
    gamma: &[f32],
    statistics: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    dgamma: &mut [f32],
    dbeta: &mut [f32],
) {
    let width = gamma.len();
    let rows = rows_per_task(width);
    let piece = rows * width;
    let mut partial = Buffer::zeros(x.len().div_ceil(piece) * 2 * width);
    let pieces = (
        x.par_chunks(piece),
        dy.par_chunks(piece),
        statistics.par_chunks(rows * STATISTICS),
        dx.par_chunks_mut(piece),
        partial.par_chunks_mut(2 * width),
    );
    pieces.into_par_iter().for_each(|(x, dy, statistics, dx, partial)| {
        let (dgamma, dbeta) = partial.split_at_mut(width);
        run(Backward { x, gamma, statistics, dy, dx, dgamma, dbeta });
    });
    let mut total = Buffer::zeros(2 * width);
    sum::add_rows(&partial, &mut total);
    dgamma.copy_from_slice(&total[..width]);
    dbeta.copy_from_slice(&total[width..]);
}

struct Forward<'a> {
    x: &'a [f32],
    gamma: &'a [f32],
    beta: &'a [f32],
    eps: f32,
    y: &'a mut [f32],
    statistics: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.gamma.len();
        let rows = self.x.chunks_exact(width).zip(self.y.chunks_exact_mut(width));
        for ((x, y), statistics) in rows.zip(self.statistics.chunks_exact_mut(STATISTICS)) {
            let [sum] = simd::sums(simd, [x], |[x]| [x]);
            let mean = sum / width as f32;
            let centre = simd.splat_f32s(mean);
            let [squares] = simd::sums(simd, [x], |[x]| {
                let centred = simd.sub_f32s(x, centre);
                [simd.mul_f32s(centred, centred)]
            });
            let inverse = 1.0 / (squares / width as f32 + self.eps).sqrt();
            let scale = simd.splat_f32s(inverse);
            simd::update(simd, [x, self.gamma, self.beta], [y], |[x, gamma, beta], _| {
                let normal = simd.mul_f32s(simd.sub_f32s(x, centre), scale);
                [simd.mul_add_e_f32s(normal, gamma, beta)]
            });
            statistics.copy_from_slice(&[mean, inverse]);
        }
    }
}

struct Backward<'a> {
    x: &'a [f32],
    gamma: &'a [f32],
    statistics: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
    dgamma: &'a mut [f32],
    dbeta: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.gamma.len();
        let rows = self.x.chunks_exact(width).zip(self.dy.chunks_exact(width));
        let rows = rows.zip(self.dx.chunks_exact_mut(width)).zip(self.statistics.chunks_exact(STATISTICS));
        for (((x, dy), dx), statistics) in rows {
            let (centre, scale) = (simd.splat_f32s(statistics[0]), simd.splat_f32s(statistics[1]));
            let normal = |x| simd.mul_f32s(simd.sub_f32s(x, centre), scale);
            let sums = simd::sums(simd, [x, dy, self.gamma], |[x, dy, gamma]| {
                let slope = simd.mul_f32s(dy, gamma);
                [slope, simd.mul_f32s(slope, normal(x))]
            });
            // The parts of the slope that shift or stretch the row do not change what is normalised.
            let [shift, stretch] = sums.map(|sum| simd.splat_f32s(sum / width as f32));
            simd::update(
                simd,
                [x, dy, self.gamma],
                [dx, &mut *self.dgamma, &mut *self.dbeta],
                |[x, dy, gamma], [_, dgamma, dbeta]| {
                    let normal = normal(x);
                    let slope = simd.sub_f32s(simd.mul_f32s(dy, gamma), shift);
                    let dx = simd.mul_f32s(simd.sub_f32s(slope, simd.mul_f32s(normal, stretch)), scale);
                    [dx, simd.mul_add_e_f32s(dy, normal, dgamma), simd.add_f32s(dbeta, dy)]
                },
            );
        }
    }
}
