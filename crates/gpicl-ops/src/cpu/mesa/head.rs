//! One head of one sequence.

use pulp::Simd;

use super::factor::factor;
use crate::cpu::buffer::Buffer;
use crate::cpu::gather::{gather, gather_transposed};
use crate::cpu::simd::{exp, update};
use crate::cpu::tile::{Factor, dot, product};

/// Below it a key counts as that long, so that one of zeros has a direction: none.
const LEAST: f32 = 1e-12;

/// The matrices of a head. Rows of as many values as there are keys are `width` apart, rows of a head's width `padded`: whole
/// vectors, zeros behind.
pub struct Head {
    keys: usize,
    rows: usize,
    d_head: usize,
    width: usize,
    padded: usize,
    temperature: f32,
    ridge: f32,
    /// Keys of length 1, `[keys, padded]`, and what they were multiplied with.
    k: Buffer,
    k_scale: Buffer,
    /// The same transposed, `[d_head, width]`.
    k_t: Buffer,
    /// Values, `[keys, padded]`.
    v: Buffer,
    /// Cosines of keys, and the kernel of them, `[keys, width]`.
    cosines: Buffer,
    kernel: Buffer,
    /// `U` and its inverse, `[keys, width]`.
    u: Buffer,
    r: Buffer,
    /// `R' V`, `[keys, padded]`.
    w: Buffer,
    /// Queries of length 1, `[rows, padded]`, and what they were multiplied with.
    q: Buffer,
    q_scale: Buffer,
    /// Cosines of queries and keys; the kernel of those that are seen, zeros elsewhere; and that times `R`. `[rows, width]`.
    q_cosines: Buffer,
    q_kernel: Buffer,
    z: Buffer,
}

/// Rows of a matrix in memory, and their distance.
type Rows<'a> = (&'a [f32], usize);

impl Head {
    #[inline(always)]
    pub fn new<S: Simd>(_: S, keys: usize, rows: usize, d_head: usize) -> Self {
        let [width, padded] = [keys, d_head].map(|len| len.next_multiple_of(S::F32_LANES));
        let stale = Buffer::stale;
        Self {
            keys,
            rows,
            d_head,
            width,
            padded,
            temperature: 0.0,
            ridge: 0.0,
            k: stale(keys * padded),
            k_scale: stale(keys),
            k_t: stale(d_head * width),
            v: stale(keys * padded),
            cosines: stale(keys * width),
            kernel: stale(keys * width),
            u: stale(keys * width),
            r: stale(keys * width),
            w: stale(keys * padded),
            q: stale(rows * padded),
            q_scale: stale(rows),
            q_cosines: stale(rows * width),
            q_kernel: stale(rows * width),
            z: stale(rows * width),
        }
    }

    /// Factorises the kernel matrix of the keys.
    #[inline(always)]
    pub fn read<S: Simd>(
        &mut self,
        simd: S,
        keys: Rows<'_>,
        values: Rows<'_>,
        [temperature, ridge]: [f32; 2],
    ) {
        let Self { keys: n, d_head, width, padded, .. } = *self;
        (self.temperature, self.ridge) = (temperature, ridge);
        unit(simd, keys, n, d_head, padded, &mut self.k, &mut self.k_scale);
        gather_transposed(simd, &self.k, padded, n, d_head, width, &mut self.k_t);
        gather(simd, values.0, values.1, n, d_head, 1.0, padded, &mut self.v);
        let k = along(&self.k, padded);
        product::<S, false>(simd, k, &self.k_t, width, &mut self.cosines, width, [n, d_head, width]);
        for i in 0..n {
            let (cosines, kernel) =
                (&self.cosines[i * width..][..width], &mut self.kernel[i * width..][..width]);
            weigh(simd, cosines, kernel, temperature, n);
            let u = &mut self.u[i * width..][..width];
            u.copy_from_slice(kernel);
            u[i] += ridge;
        }
        factor(simd, &mut self.u, &mut self.r, n, width);
        let r_t = across(&self.r, width);
        product::<S, false>(simd, r_t, &self.v, padded, &mut self.w, padded, [n, n, padded]);
    }

    /// What the queries, each of which sees the first `seen(row)` keys, are to read.
    #[inline(always)]
    pub fn ask<S: Simd>(&mut self, simd: S, queries: Rows<'_>, seen: impl Fn(usize) -> usize) {
        let Self { keys: n, rows, d_head, width, padded, temperature, .. } = *self;
        unit(simd, queries, rows, d_head, padded, &mut self.q, &mut self.q_scale);
        let q = along(&self.q, padded);
        product::<S, false>(simd, q, &self.k_t, width, &mut self.q_cosines, width, [rows, d_head, width]);
        for row in 0..rows {
            let (cosines, kernel) =
                (&self.q_cosines[row * width..][..width], &mut self.q_kernel[row * width..][..width]);
            weigh(simd, cosines, kernel, temperature, seen(row));
        }
        let c = along(&self.q_kernel, width);
        product::<S, false>(simd, c, &self.r, width, &mut self.z, width, [rows, n, width]);
        for row in 0..rows {
            self.z[row * width..][..width][seen(row)..].fill(0.0);
        }
    }

    /// Writes what the queries read to rows `stride` apart.
    #[inline(always)]
    pub fn write<S: Simd>(&self, simd: S, out: &mut [f32], stride: usize) {
        let Self { keys: n, rows, d_head, width, padded, .. } = *self;
        let mut read = Buffer::stale(rows * padded);
        let z = along(&self.z, width);
        product::<S, false>(simd, z, &self.w, padded, &mut read, padded, [rows, n, padded]);
        for row in 0..rows {
            out[row * stride..][..d_head].copy_from_slice(&read[row * padded..][..d_head]);
        }
    }

    /// Adds the gradients of queries, keys and values to `grads`, where they begin at the three places, and returns those of
    /// temperature and ridge.
    #[inline(always)]
    pub fn backward<S: Simd>(
        &self,
        simd: S,
        (dout, dout_stride): Rows<'_>,
        seen: impl Fn(usize) -> usize,
        (grads, at, stride): (&mut [f32], [usize; 3], usize),
    ) -> [f32; 2] {
        let Self { keys: n, rows, d_head, width, padded, temperature, .. } = *self;
        let mut dread = Buffer::stale(rows * padded);
        gather(simd, dout, dout_stride, rows, d_head, 1.0, padded, &mut dread);
        let mut w_t = Buffer::stale(d_head * width);
        gather_transposed(simd, &self.w, padded, n, d_head, width, &mut w_t);
        let mut r_t = Buffer::stale(n * width);
        gather_transposed(simd, &self.r, width, n, n, width, &mut r_t);

        // out = Z W, Z = C R where seen, W = R' V.
        let mut dz = Buffer::stale(rows * width);
        product::<S, false>(simd, along(&dread, padded), &w_t, width, &mut dz, width, [rows, d_head, width]);
        for row in 0..rows {
            dz[row * width..][..width][seen(row)..].fill(0.0);
        }
        let mut dw = Buffer::stale(n * padded);
        product::<S, false>(simd, across(&self.z, width), &dread, padded, &mut dw, padded, [n, rows, padded]);
        let mut dv = Buffer::stale(n * padded);
        product::<S, false>(simd, along(&self.r, width), &dw, padded, &mut dv, padded, [n, n, padded]);
        let mut dc = Buffer::stale(rows * width);
        product::<S, false>(simd, along(&dz, width), &r_t, width, &mut dc, width, [rows, n, width]);

        // R = U^-1: dU' = -(dV W' + dC' Z), its lower triangle.
        let mut dl = Buffer::stale(n * width);
        product::<S, false>(simd, along(&dv, padded), &w_t, width, &mut dl, width, [n, d_head, width]);
        product::<S, true>(simd, across(&dc, width), &self.z, width, &mut dl, width, [n, rows, width]);
        for i in 0..n {
            let row = &mut dl[i * width..][..width];
            row[..=i].iter_mut().for_each(|x| *x = -*x);
            row[i + 1..].fill(0.0);
        }
        // The gradient of a Cholesky factor (Murray 2016): R phi(U dU') R', symmetric; phi takes the lower triangle, of the
        // diagonal one half.
        let mut phi = Buffer::stale(n * width);
        product::<S, false>(simd, along(&self.u, width), &dl, width, &mut phi, width, [n, n, width]);
        for i in 0..n {
            let row = &mut phi[i * width..][..width];
            row[i] *= 0.5;
            row[i + 1..].fill(0.0);
        }
        let (mut half, mut dg) = (Buffer::stale(n * width), Buffer::stale(n * width));
        product::<S, false>(simd, along(&self.r, width), &phi, width, &mut half, width, [n, n, width]);
        product::<S, false>(simd, along(&half, width), &r_t, width, &mut dg, width, [n, n, width]);
        let dridge = (0..n).map(|i| dg[i * width + i]).sum();

        // The kernel is exp(temperature (cosine - 1)). Both halves of dG count for a pair of keys.
        let mut dtemperature = 0.0;
        let mut dcosines = Buffer::zeros(n * width);
        for i in 0..n {
            for j in 0..n {
                let at = i * width + j;
                let slope = 0.5 * (dg[at] + dg[j * width + i]) * self.kernel[at];
                dtemperature += slope * (self.cosines[at] - 1.0);
                dcosines[at] = 2.0 * slope * temperature;
            }
        }
        for row in 0..rows {
            let at = row * width;
            for at in at..at + seen(row) {
                let slope = dc[at] * self.q_kernel[at];
                dtemperature += slope * (self.q_cosines[at] - 1.0);
                dc[at] = slope * temperature;
            }
            dc[at + seen(row)..at + width].fill(0.0);
        }
        let (mut dq, mut dk) = (Buffer::stale(rows * padded), Buffer::stale(n * padded));
        product::<S, false>(simd, along(&dc, width), &self.k, padded, &mut dq, padded, [rows, n, padded]);
        product::<S, false>(simd, along(&dcosines, width), &self.k, padded, &mut dk, padded, [n, n, padded]);
        product::<S, true>(simd, across(&dc, width), &self.q, padded, &mut dk, padded, [n, rows, padded]);

        let add = |grads: &mut [f32], at: usize, row: usize, values: &[f32]| {
            let grads = &mut grads[at + row * stride..][..d_head];
            grads.iter_mut().zip(values).for_each(|(grad, value)| *grad += value);
        };
        for row in 0..rows {
            let (q, dq) = (&self.q[row * padded..][..padded], &mut dq[row * padded..][..padded]);
            of_unit(simd, q, dq, self.q_scale[row]);
            add(grads, at[0], row, dq);
        }
        for row in 0..n {
            let (k, dk) = (&self.k[row * padded..][..padded], &mut dk[row * padded..][..padded]);
            of_unit(simd, k, dk, self.k_scale[row]);
            add(grads, at[1], row, dk);
            add(grads, at[2], row, &dv[row * padded..][..padded]);
        }
        [dtemperature, dridge]
    }
}

/// A matrix as it is in memory, rows `row` apart.
fn along(data: &[f32], row: usize) -> Factor<'_> {
    Factor { data, row, column: 1 }
}

/// The transpose of a matrix whose rows are `row` apart.
fn across(data: &[f32], row: usize) -> Factor<'_> {
    Factor { data, row: 1, column: row }
}

/// Rows of length 1 into `to`, `padded` apart, and what each was multiplied with into `scales`.
#[inline(always)]
fn unit<S: Simd>(
    simd: S,
    (from, stride): Rows<'_>,
    rows: usize,
    width: usize,
    padded: usize,
    to: &mut [f32],
    scales: &mut [f32],
) {
    for row in 0..rows {
        let from = &from[row * stride..][..width];
        let scale = 1.0 / dot(simd, from, from).max(LEAST).sqrt();
        scales[row] = scale;
        gather(simd, from, width, 1, width, scale, padded, &mut to[row * padded..][..padded]);
    }
}

/// The gradient of what was divided by its length to `x`, for that of `x`: `scale (d - x (x' d))`, in place.
#[inline(always)]
fn of_unit<S: Simd>(simd: S, x: &[f32], d: &mut [f32], scale: f32) {
    let along = simd.splat_f32s(-dot(simd, x, d));
    let scale = simd.splat_f32s(scale);
    update!(simd: S, [x in x], [d in d] {
        d = simd.mul_f32s(simd.mul_add_e_f32s(x, along, d), scale);
    });
}

/// `exp(temperature (cosine - 1))` of the first `seen` cosines, zeros after them.
#[inline(always)]
fn weigh<S: Simd>(simd: S, cosines: &[f32], kernel: &mut [f32], temperature: f32, seen: usize) {
    let (factor, shift) = (simd.splat_f32s(temperature), simd.splat_f32s(-temperature));
    update!(simd: S, [cosine in cosines], [out in kernel] {
        out = exp(simd, simd.mul_add_e_f32s(cosine, factor, shift));
    });
    kernel[seen..].fill(0.0);
}
