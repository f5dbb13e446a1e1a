//! Layer normalisation of rows.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    buffer::Buffer,
    dispatch::run,
    rows_per_task,
    simd::{sums, update},
    sum,
};

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
            let [sum] = sums!(simd: S, [x in x] { [x] });
            let mean = sum / width as f32;
            let centre = simd.splat_f32s(mean);
            let [squares] = sums!(simd: S, [x in x] {
                let centred = simd.sub_f32s(x, centre);
                [simd.mul_f32s(centred, centred)]
            });
            let inverse = 1.0 / (squares / width as f32 + self.eps).sqrt();
            let scale = simd.splat_f32s(inverse);
            update!(simd: S, [x in x, gamma in self.gamma, beta in self.beta], [out in y] {
                let normal = simd.mul_f32s(simd.sub_f32s(x, centre), scale);
                out = simd.mul_add_e_f32s(normal, gamma, beta);
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
            let sums = sums!(simd: S, [x in x, dy in dy, gamma in self.gamma] {
                let slope = simd.mul_f32s(dy, gamma);
                [slope, simd.mul_f32s(slope, simd.mul_f32s(simd.sub_f32s(x, centre), scale))]
            });
            // The parts of the slope that shift or stretch the row do not change what is normalised.
            let (shift, stretch) =
                (simd.splat_f32s(sums[0] / width as f32), simd.splat_f32s(sums[1] / width as f32));
            update!(simd: S, [x in x, dy in dy, gamma in self.gamma], [out0 in dx, dgamma in &mut *self.dgamma, dbeta in &mut *self.dbeta] {
                let normal = simd.mul_f32s(simd.sub_f32s(x, centre), scale);
                let slope = simd.sub_f32s(simd.mul_f32s(dy, gamma), shift);
                let dx = simd.mul_f32s(simd.sub_f32s(slope, simd.mul_f32s(normal, stretch)), scale);
                (out0, dgamma, dbeta) = (dx, simd.mul_add_e_f32s(dy, normal, dgamma), simd.add_f32s(dbeta, dy));
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: usize = 37;

    fn wave(len: usize, pace: f32) -> Vec<f32> {
        (0..len).map(|at| (at as f32 * pace).sin() + 0.3).collect()
    }

    fn definition(x: &[f64], gamma: &[f64], beta: &[f64]) -> Vec<f64> {
        let row = |row: &[f64]| -> Vec<f64> {
            let mean = row.iter().sum::<f64>() / WIDTH as f64;
            let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / WIDTH as f64;
            let normal = row.iter().map(|x| (x - mean) / (variance + 1e-5).sqrt());
            normal.zip(gamma.iter().zip(beta)).map(|(x, (gamma, beta))| x * gamma + beta).collect()
        };
        x.chunks(WIDTH).flat_map(row).collect()
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        // More rows than one task takes.
        let rows = rows_per_task(WIDTH) + 3;
        let (x, dy) = (wave(rows * WIDTH, 0.7), wave(rows * WIDTH, 1.3));
        let (gamma, beta) = (wave(WIDTH, 0.9), wave(WIDTH, 0.2));
        let (mut y, mut statistics) = (vec![f32::NAN; x.len()], vec![f32::NAN; rows * STATISTICS]);
        forward(&x, &gamma, &beta, 1e-5, &mut y, &mut statistics);
        let (mut dx, mut dgamma, mut dbeta) =
            (vec![f32::NAN; x.len()], vec![f32::NAN; WIDTH], vec![f32::NAN; WIDTH]);
        backward(&x, &gamma, &statistics, &dy, &mut dx, &mut dgamma, &mut dbeta);

        let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
        let mut arguments = [wide(&x), wide(&gamma), wide(&beta)];
        let truth = definition(&arguments[0], &arguments[1], &arguments[2]);
        assert!(truth.iter().zip(&y).all(|(truth, &y)| (truth - f64::from(y)).abs() < 1e-5));
        let loss = |[x, gamma, beta]: &[Vec<f64>; 3]| -> f64 {
            definition(x, gamma, beta).iter().zip(&dy).map(|(y, &dy)| y * f64::from(dy)).sum()
        };
        for (argument, gradient) in [&dx, &dgamma, &dbeta].into_iter().enumerate() {
            for at in (0..gradient.len()).step_by(gradient.len() / 12) {
                let value = arguments[argument][at];
                arguments[argument][at] = value + 1e-4;
                let above = loss(&arguments);
                arguments[argument][at] = value - 1e-4;
                let truth = (above - loss(&arguments)) / 2e-4;
                arguments[argument][at] = value;
                let error = (truth - f64::from(gradient[at])).abs();
                assert!(error < 2e-5 * truth.abs().max(1.0), "argument {argument}, {at}: off by {error:e}");
            }
        }
    }
}
