//! The matrix product inside a head, small enough to stay in registers and the first caches.
use pulp::Simd;

use crate::cpu::gemm::kernel::{self, Addends, F32, Plain};
use crate::cpu::simd::sums;

/// Rows of scores that are made at a time.
pub const ROWS: usize = 12;

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
///
/// # Panics
/// If a slice is too short.
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
    if rows == 0 || columns == 0 {
        return;
    }
    let lanes = S::F32_LANES;
    assert!(columns.is_multiple_of(lanes) && columns <= c_row && (rows - 1) * c_row + columns <= c.len());
    if inner > 0 {
        assert!((rows - 1) * a.row + (inner - 1) * a.column < a.data.len());
        assert!((inner - 1) * b_row + columns <= b.len());
    }
    let kernel = Plain { round: false }.on(simd);
    let mut r = 0;
    while r < rows {
        let a = (a.data.as_ptr().wrapping_add(r * a.row), a.row, a.column);
        let c = (c.as_mut_ptr().wrapping_add(r * c_row), c_row);
        // SAFETY: the assertions above, for these rows.
        r += unsafe {
            match rows - r {
                12.. if lanes == 16 => rows_product::<S, 12, ADD>(kernel, a, (b, b_row), c, inner, columns),
                6.. => rows_product::<S, 6, ADD>(kernel, a, (b, b_row), c, inner, columns),
                3.. => rows_product::<S, 3, ADD>(kernel, a, (b, b_row), c, inner, columns),
                _ => rows_product::<S, 1, ADD>(kernel, a, (b, b_row), c, inner, columns),
            }
        };
    }
}

/// `R` rows of [`product`]; returns `R`.
///
/// # Safety
/// `R` rows of `inner` values lie at `a`, `inner` rows of `columns` values in `b`, and `R` rows of `columns` values,
/// which nothing else refers to, at `c`.
#[inline(always)]
unsafe fn rows_product<S: Simd, const R: usize, const ADD: bool>(
    kernel: F32<S>,
    a: (*const f32, usize, usize),
    (b, b_row): (&[f32], usize),
    (c, c_row): (*mut f32, usize),
    inner: usize,
    columns: usize,
) -> usize {
    let lanes = S::F32_LANES;
    let mut column = 0;
    while column < columns {
        let c = c.wrapping_add(column);
        let tile = if ADD { c.cast_const() } else { std::ptr::null() };
        let addends = Addends { row: std::ptr::null(), tile, tile_row: c_row };
        let b = (b.as_ptr().wrapping_add(column), b_row);
        // SAFETY: the caller's contract.
        unsafe {
            if column + 2 * lanes <= columns {
                kernel::tile::<F32<S>, R, 2>(kernel, inner, a, b, (c, c_row), addends);
            } else {
                kernel::tile::<F32<S>, R, 1>(kernel, inner, a, b, (c, c_row), addends);
            }
        }
        column += 2 * lanes;
    }
    R
}

/// Dot product of two vectors of one length.
#[inline(always)]
pub fn dot<S: Simd>(simd: S, a: &[f32], b: &[f32]) -> f32 {
    let [sum] = sums!(simd: S, [a in a, b in b] { [simd.mul_f32s(a, b)] });
    sum
}
