//! The matrix product inside a head, small enough to stay in registers and the first caches.
#![allow(clippy::needless_range_loop, reason = "see `simd::update`")]

use pulp::Simd;

use crate::cpu::simd::sums;

/// Rows of scores that are made at a time.
pub const ROWS: usize = 8;

/// A matrix read one value at a time: element `(r, k)` is `data[r * row + k * column]`.
#[derive(Clone, Copy)]
pub struct Factor<'a> {
    pub data: &'a [f32],
    pub row: usize,
    pub column: usize,
}

/// `c = a b`, or `c += a b`, for `rows` rows and `columns` columns, a multiple of the vector length.
///
/// `b`: `inner` rows, `b_row` apart; `c`: `c_row` apart.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "a matrix product has three matrices and their sizes")]
pub fn product<S: Simd, const ADD: bool>(
    simd: S,
    a: Factor<'_>,
    b: &[f32],
    b_row: usize,
    c: &mut [f32],
    c_row: usize,
    [rows, inner, columns]: [usize; 3],
) {
    let mut r = 0;
    while r < rows {
        let a = Factor { data: &a.data[r * a.row..], ..a };
        let c = &mut c[r * c_row..];
        // Two vectors of sums a row: 16 of AVX-512's 32 registers, 8 of AVX2's 16.
        r += match rows - r {
            8.. if S::F32_LANES == 16 => {
                rows_product::<S, 8, ADD>(simd, a, b, b_row, c, c_row, inner, columns)
            }
            4.. => rows_product::<S, 4, ADD>(simd, a, b, b_row, c, c_row, inner, columns),
            _ => rows_product::<S, 1, ADD>(simd, a, b, b_row, c, c_row, inner, columns),
        };
    }
}

/// `R` rows of [`product`]; returns `R`.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "as above")]
fn rows_product<S: Simd, const R: usize, const ADD: bool>(
    simd: S,
    a: Factor<'_>,
    b: &[f32],
    b_row: usize,
    c: &mut [f32],
    c_row: usize,
    inner: usize,
    columns: usize,
) -> usize {
    let lanes = S::F32_LANES;
    let mut column = 0;
    while column + 2 * lanes <= columns {
        block::<S, R, 2, ADD>(simd, a, b, b_row, c, c_row, inner, column);
        column += 2 * lanes;
    }
    while column < columns {
        block::<S, R, 1, ADD>(simd, a, b, b_row, c, c_row, inner, column);
        column += lanes;
    }
    R
}

#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "as above")]
fn block<S: Simd, const R: usize, const C: usize, const ADD: bool>(
    simd: S,
    a: Factor<'_>,
    b: &[f32],
    b_row: usize,
    c: &mut [f32],
    c_row: usize,
    inner: usize,
    column: usize,
) {
    let width = C * S::F32_LANES;
    let mut sums = [[simd.splat_f32s(0.0); C]; R];
    for k in 0..inner {
        let (b, _) = S::as_simd_f32s(&b[k * b_row + column..][..width]);
        for r in 0..R {
            let a = simd.splat_f32s(a.data[r * a.row + k * a.column]);
            for v in 0..C {
                sums[r][v] = simd.mul_add_e_f32s(a, b[v], sums[r][v]);
            }
        }
    }
    for r in 0..R {
        let (c, _) = S::as_mut_simd_f32s(&mut c[r * c_row + column..][..width]);
        for v in 0..C {
            c[v] = if ADD { simd.add_f32s(c[v], sums[r][v]) } else { sums[r][v] };
        }
    }
}

/// Dot product of two vectors of one length.
#[inline(always)]
pub fn dot<S: Simd>(simd: S, a: &[f32], b: &[f32]) -> f32 {
    let [sum] = sums!(simd: S, [a in a, b in b] { [simd.mul_f32s(a, b)] });
    sum
}
