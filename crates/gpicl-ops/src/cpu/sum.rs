//! Sums over a whole slice or over rows.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    dispatch::run,
    simd::{sums, update},
};

/// Values that one task sums.
const PIECE: usize = 16 * 1024;

/// Sum of the squares, in f64 beyond pieces of 16384 values.
pub fn sum_of_squares(values: &[f32]) -> f32 {
    let mut partial = Vec::new();
    values.par_chunks(PIECE).map(|piece| run(SumOfSquares { values: piece })).collect_into_vec(&mut partial);
    partial.into_iter().map(f64::from).sum::<f64>() as f32
}

struct SumOfSquares<'a> {
    values: &'a [f32],
}

impl WithSimd for SumOfSquares<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let [sum] = sums!(simd: S, [x in self.values] { [simd.mul_f32s(x, x)] });
        sum
    }
}

/// Adds up rows of `total.len()` values, in order.
pub fn add_rows(rows: &[f32], total: &mut [f32]) {
    run(AddRows { rows, total });
}

struct AddRows<'a> {
    rows: &'a [f32],
    total: &'a mut [f32],
}

impl WithSimd for AddRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for row in self.rows.chunks_exact(self.total.len()) {
            update!(simd: S, [x in row], [sum in &mut *self.total] {
                sum = simd.add_f32s(sum, x);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_by_hand() {
        assert_eq!(sum_of_squares(&[]), 0.0);
        assert_eq!(sum_of_squares(&[3.0, -4.0]), 25.0);
        let count = 100_003;
        assert_eq!(sum_of_squares(&vec![2.0; count]), 4.0 * count as f32);
        let mut total = [1.0, 1.0, 1.0];
        add_rows(&[1.0, 2.0, 3.0, 10.0, 20.0, 30.0], &mut total);
        assert_eq!(total, [12.0, 23.0, 34.0]);
    }
}
