//! Products of matrices small enough to stay in registers and the first caches: those inside a head.
#![allow(clippy::needless_range_loop, reason = "see `simd::update`")]

use pulp::{Simd, WithSimd};

use super::simd::sums;

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

/// [`product`] as a call: where there are many of them, their code in every place would be too much.
#[inline(always)]
pub fn multiply<S: Simd, const ADD: bool>(
    simd: S,
    a: Factor<'_>,
    b: &[f32],
    b_row: usize,
    c: &mut [f32],
    c_row: usize,
    sizes: [usize; 3],
) {
    simd.vectorize(Product::<ADD> { a, b, b_row, c, c_row, sizes });
}

struct Product<'a, const ADD: bool> {
    a: Factor<'a>,
    b: &'a [f32],
    b_row: usize,
    c: &'a mut [f32],
    c_row: usize,
    sizes: [usize; 3],
}

impl<const ADD: bool> WithSimd for Product<'_, ADD> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        product::<S, ADD>(simd, self.a, self.b, self.b_row, self.c, self.c_row, self.sizes);
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

/// Copies rows of `width` values that lie `stride` apart into `to`, `padded` apart, zeros between.
#[inline(always)]
pub fn gather(
    from: &[f32],
    stride: usize,
    rows: usize,
    width: usize,
    scale: f32,
    padded: usize,
    to: &mut [f32],
) {
    for (row, to) in to.chunks_exact_mut(padded).take(rows).enumerate() {
        let from = &from[row * stride..][..width];
        for (to, from) in to.iter_mut().zip(from) {
            *to = from * scale;
        }
        to[width..].fill(0.0);
    }
}

/// As [`gather`], transposed: `to` is `[width, padded]`.
#[inline(always)]
pub fn gather_transposed(
    from: &[f32],
    stride: usize,
    rows: usize,
    width: usize,
    padded: usize,
    to: &mut [f32],
) {
    // Row by row: `to` fits the first cache, rows of `from` may lie so that they push each other out.
    for row in 0..rows {
        for (column, &value) in from[row * stride..][..width].iter().enumerate() {
            to[column * padded + row] = value;
        }
    }
    for to in to.chunks_exact_mut(padded).take(width) {
        to[rows..].fill(0.0);
    }
}
