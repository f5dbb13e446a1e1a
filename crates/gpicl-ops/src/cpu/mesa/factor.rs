//! Cholesky factors and their inverses, of matrices that fit the second-level cache.

use pulp::Simd;

use crate::cpu::simd::update;

/// The least pivot: a matrix that rounding made indefinite goes on with it.
const LEAST: f32 = 1e-12;

/// Overwrites the upper triangle of the symmetric `matrix`, `n` rows `row` apart, with `U` of `U' U`, and writes `U^-1` into
/// `inverse`; what is below the diagonals is zero.
#[inline(always)]
pub fn factor<S: Simd>(simd: S, matrix: &mut [f32], inverse: &mut [f32], n: usize, row: usize) {
    for j in 0..n {
        let (upper, rest) = matrix.split_at_mut((j + 1) * row);
        let pivot = &mut upper[j * row..];
        pivot[..j].fill(0.0);
        let root = 1.0 / pivot[j].max(LEAST).sqrt();
        scale(simd, &mut pivot[j..n], root);
        for i in j + 1..n {
            subtract(simd, &mut rest[(i - j - 1) * row + i..][..n - i], &pivot[i..n], pivot[i]);
        }
    }
    // Row i of the inverse: z U = e_i, from left to right.
    for i in 0..n {
        let z = &mut inverse[i * row..][..row];
        z.fill(0.0);
        z[i] = 1.0;
        for l in i..n {
            z[l] /= matrix[l * row + l];
            let (done, rest) = z.split_at_mut(l + 1);
            subtract(simd, &mut rest[..n - l - 1], &matrix[l * row + l + 1..][..n - l - 1], done[l]);
        }
    }
}

/// `x *= factor`.
#[inline(always)]
fn scale<S: Simd>(simd: S, x: &mut [f32], factor: f32) {
    let factor = simd.splat_f32s(factor);
    update!(simd: S, [], [x in x] {
        x = simd.mul_f32s(x, factor);
    });
}

/// `x -= factor y`.
#[inline(always)]
fn subtract<S: Simd>(simd: S, x: &mut [f32], y: &[f32], factor: f32) {
    let factor = simd.splat_f32s(-factor);
    update!(simd: S, [y in y], [x in x] {
        x = simd.mul_add_e_f32s(y, factor, x);
    });
}
