//! Sums of products on slices, compiled for every vector extension.
//!
//! Every sum has a fixed order, so the numbers are the same on every machine.

use gpicl_ops::cpu::dispatch;
use num_traits::Float;

/// Partial sums of a reduction.
const LANES: usize = 16;

/// A matrix `[rows, cols]`, row-major; rows are as many as there are.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a, T> {
    values: &'a [T],
    cols: usize,
}

impl<'a, T: Float> Rows<'a, T> {
    /// Rows of `cols` values.
    pub fn new(values: &'a [T], cols: usize) -> Self {
        debug_assert!(values.len().is_multiple_of(cols), "whole rows");
        Self { values, cols }
    }

    /// `out[j] += sum_i x[i] self[i, j]`.
    pub fn add_combination(self, x: &[T], out: &mut [T]) {
        debug_assert_eq!((self.values.len(), self.cols), (x.len() * out.len(), out.len()));
        dispatch::run(|| {
            let (fours, rest) = x.as_chunks::<4>();
            let (front, back) = self.values.split_at(fours.len() * 4 * self.cols);
            for (x, rows) in fours.iter().zip(front.chunks_exact(4 * self.cols)) {
                let (a, rows) = rows.split_at(out.len());
                let (b, rows) = rows.split_at(out.len());
                let (c, d) = rows.split_at(out.len());
                for ((((out, &a), &b), &c), &d) in out.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                    *out = *out + x[0] * a + x[1] * b + x[2] * c + x[3] * d;
                }
            }
            for (&x, row) in rest.iter().zip(back.chunks_exact(self.cols)) {
                for (out, &value) in out.iter_mut().zip(row) {
                    *out = *out + x * value;
                }
            }
        });
    }

    /// `out[i] = sum_j self[i, j] x[j]`.
    pub fn products(self, x: &[T], out: &mut [T]) {
        debug_assert_eq!((self.values.len(), self.cols), (x.len() * out.len(), x.len()));
        dispatch::run(|| {
            for (out, row) in out.iter_mut().zip(self.values.chunks_exact(self.cols)) {
                *out = sum_of_products(row, x);
            }
        });
    }

    /// `out[i, j] = sum_f self[i, f] self[j, f]`, symmetric.
    pub fn gram(self) -> Vec<T> {
        let size = self.values.len() / self.cols;
        let mut out = vec![T::zero(); size * size];
        for (i, x) in self.values.chunks_exact(self.cols).enumerate() {
            let before = Rows::new(&self.values[..(i + 1) * self.cols], self.cols);
            before.products(x, &mut out[i * size..=i * size + i]);
            for j in 0..i {
                out[j * size + i] = out[i * size + j];
            }
        }
        out
    }

    /// `out[i, j] += sum_n x[n, i] self[n, j]`.
    pub fn add_transposed_product(self, x: Self, out: &mut [T]) {
        debug_assert_eq!(self.values.len() * x.cols, x.values.len() * self.cols);
        debug_assert_eq!(out.len(), x.cols * self.cols);
        let mut column = Vec::with_capacity(self.values.len() / self.cols);
        for (i, out) in out.chunks_exact_mut(self.cols).enumerate() {
            column.clear();
            column.extend(x.values[i..].iter().step_by(x.cols).copied());
            self.add_combination(&column, out);
        }
    }
}

/// `matrix[i, j] += scale x[i] y[j]`.
pub fn add_outer<T: Float>(matrix: &mut [T], scale: T, x: &[T], y: &[T]) {
    debug_assert_eq!(matrix.len(), x.len() * y.len());
    dispatch::run(|| {
        for (row, &x) in matrix.chunks_exact_mut(y.len()).zip(x) {
            let x = scale * x;
            for (value, &y) in row.iter_mut().zip(y) {
                *value = *value + x * y;
            }
        }
    });
}

/// `y += scale x`.
pub fn add_scaled<T: Float>(y: &mut [T], scale: T, x: &[T]) {
    dispatch::run(|| {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = *y + scale * x;
        }
    });
}

/// `sum_i x[i] y[i]`.
pub fn dot<T: Float>(x: &[T], y: &[T]) -> T {
    dispatch::run(|| sum_of_products(x, y))
}

#[inline(always)]
fn sum_of_products<T: Float>(x: &[T], y: &[T]) -> T {
    let mut sums = [T::zero(); LANES];
    let ((x, x_rest), (y, y_rest)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
    for (x, y) in x.iter().zip(y) {
        for lane in 0..LANES {
            sums[lane] = sums[lane] + x[lane] * y[lane];
        }
    }
    for (sum, (&x, &y)) in sums.iter_mut().zip(x_rest.iter().zip(y_rest)) {
        *sum = *sum + x * y;
    }
    sums.into_iter().fold(T::zero(), |total, sum| total + sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_agree_with_naive_loops_for_odd_sizes() {
        for (rows, cols) in [(1, 1), (5, 3), (18, 37)] {
            let matrix: Vec<f64> = (0..rows * cols).map(|i| ((i * 7) % 11) as f64 - 5.0).collect();
            let x: Vec<f64> = (0..rows).map(|i| i as f64 - 2.0).collect();
            let y: Vec<f64> = (0..cols).map(|j| 1.0 - j as f64).collect();
            let mut combination = vec![1.0; cols];
            Rows::new(&matrix, cols).add_combination(&x, &mut combination);
            let mut products = vec![9.0; rows];
            Rows::new(&matrix, cols).products(&y, &mut products);
            let mut outer = matrix.clone();
            add_outer(&mut outer, 2.0, &x, &y);
            let gram = Rows::new(&matrix, cols).gram();
            let mut square = vec![1.0; cols * cols];
            Rows::new(&matrix, cols).add_transposed_product(Rows::new(&matrix, cols), &mut square);
            for i in 0..rows {
                for j in 0..rows {
                    let expected: f64 = (0..cols).map(|f| matrix[i * cols + f] * matrix[j * cols + f]).sum();
                    assert_eq!(gram[i * rows + j], expected);
                }
            }
            for i in 0..cols {
                for j in 0..cols {
                    let expected: f64 = (0..rows).map(|n| matrix[n * cols + i] * matrix[n * cols + j]).sum();
                    assert_eq!(square[i * cols + j], 1.0 + expected);
                }
            }
            for j in 0..cols {
                let expected: f64 = (0..rows).map(|i| x[i] * matrix[i * cols + j]).sum();
                assert_eq!(combination[j], 1.0 + expected);
            }
            for i in 0..rows {
                let expected: f64 = (0..cols).map(|j| y[j] * matrix[i * cols + j]).sum();
                assert_eq!(products[i], expected);
                assert_eq!(dot(&matrix[i * cols..(i + 1) * cols], &y), expected);
                assert!((0..cols).all(|j| outer[i * cols + j] == matrix[i * cols + j] + 2.0 * x[i] * y[j]));
            }
        }
    }
}
