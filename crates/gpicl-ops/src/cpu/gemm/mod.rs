//! Matrix products on the `gemm` crate.

use crate::Precision;

/// A matrix to read; element `(row, col)` is `data[row * row_stride + col * col_stride]`.
#[derive(Clone, Copy)]
pub struct MatRef<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> MatRef<'a> {
    /// A matrix in `data`.
    ///
    /// # Panics
    /// If an element lies outside `data`.
    pub fn new(data: &'a [f32], rows: usize, cols: usize, row_stride: usize, col_stride: usize) -> Self {
        assert!(
            rows == 0 || cols == 0 || (rows - 1) * row_stride + (cols - 1) * col_stride < data.len(),
            "matrix [{rows}, {cols}] outside its {} values",
            data.len()
        );
        Self { data, rows, cols, row_stride, col_stride }
    }

    /// A matrix whose rows follow each other.
    pub fn row_major(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Self::new(data, rows, cols, cols, 1)
    }

    /// The transpose, of the same memory.
    pub fn t(self) -> Self {
        Self::new(self.data, self.cols, self.rows, self.col_stride, self.row_stride)
    }
}

/// A matrix to write, row after row.
pub struct MatMut<'a> {
    data: &'a mut [f32],
    rows: usize,
    cols: usize,
}

impl<'a> MatMut<'a> {
    /// A matrix in the first `rows * cols` values of `data`.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn row_major(data: &'a mut [f32], rows: usize, cols: usize) -> Self {
        assert!(rows * cols <= data.len(), "matrix [{rows}, {cols}] outside its {} values", data.len());
        Self { data, rows, cols }
    }
}

/// `C = A B + beta C`. Both precisions multiply in f32.
///
/// # Panics
/// If the sizes disagree.
pub fn gemm(a: MatRef<'_>, b: MatRef<'_>, c: MatMut<'_>, beta: f32, _precision: Precision) {
    assert!(a.rows == c.rows && b.cols == c.cols && a.cols == b.rows);
    // SAFETY: the constructors checked that every index is inside its slice.
    unsafe {
        gemm::gemm(
            c.rows,
            c.cols,
            a.cols,
            c.data.as_mut_ptr(),
            1,
            c.cols as isize,
            beta != 0.0,
            a.data.as_ptr(),
            a.col_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.col_stride as isize,
            b.row_stride as isize,
            beta,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::Rayon(0),
        );
    }
}
