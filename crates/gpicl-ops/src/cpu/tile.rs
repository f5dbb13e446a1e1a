//! Products of matrices small enough to stay in registers and the first caches: those inside a head.

use pulp::{Simd, WithSimd};

use super::gemm::fit;
use super::gemm::kernel::{self, Addends, F32, Plain};
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
/// `b`: `inner` rows, `b_row` apart; `c`: `c_row` apart. A call, not inlined: in every place its tiles for every vector
/// extension would be minutes of compilation.
///
/// # Panics
/// If a slice is too short.
#[inline(always)]
pub fn product<S: Simd, const ADD: bool>(
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
        let Self { a, b, b_row, c, c_row, sizes: [rows, inner, columns] } = self;
        if rows == 0 || columns == 0 {
            return;
        }
        let lanes = S::F32_LANES;
        assert!(columns.is_multiple_of(lanes) && (rows == 1 || columns <= c_row));
        assert!(fit(rows, c_row, columns, c.len()), "rows of the product");
        if inner > 0 {
            let last = (rows - 1).checked_mul(a.row).zip((inner - 1).checked_mul(a.column));
            assert!(
                last.is_some_and(|(row, column)| fit(2, row, column + 1, a.data.len())),
                "the first factor"
            );
            assert!(fit(inner, b_row, columns, b.len()), "rows of the second factor");
        }
        let kernel = Plain { round: false }.on(simd);
        let mut r = 0;
        while r < rows {
            let a = (a.data.as_ptr().wrapping_add(r * a.row), a.row, a.column);
            let c = (c.as_mut_ptr().wrapping_add(r * c_row), c_row);
            // SAFETY: the assertions above, for these rows.
            r += unsafe {
                match rows - r {
                    12.. if lanes == 16 => {
                        rows_product::<S, 12, ADD>(kernel, a, (b, b_row), c, inner, columns)
                    }
                    6.. => rows_product::<S, 6, ADD>(kernel, a, (b, b_row), c, inner, columns),
                    3.. => rows_product::<S, 3, ADD>(kernel, a, (b, b_row), c, inner, columns),
                    _ => rows_product::<S, 1, ADD>(kernel, a, (b, b_row), c, inner, columns),
                }
            };
        }
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
