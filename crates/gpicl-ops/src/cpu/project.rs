//! Projection of an episode's inputs, `x' = A x`: one matrix product on one thread.
//!
//! Episodes are the unit of parallel work, so the product itself must not spread. The matrix of a random
//! projection is never whole in memory: it is made a few rows at a time, and used while it is in the cache.

use gemm::Parallelism;

use super::normal::fill_normal;
use super::philox::Sequence;

/// Rows of a random matrix made at a time: with 784 columns, 200 kB of a core's second-level cache.
const PANEL: usize = 64;

/// A matrix `[out_dim, in_dim]` of independent normals, as what makes it.
#[derive(Clone, Copy, Debug)]
pub struct RandomMatrix {
    /// Where the entries come from, row by row.
    pub sequence: Sequence,
    /// Rows.
    pub out_dim: usize,
    /// Columns.
    pub in_dim: usize,
    /// Standard deviation of an entry.
    pub std: f32,
}

impl RandomMatrix {
    /// The entries, row-major `[out_dim, in_dim]`.
    pub fn entries(&self) -> Vec<f32> {
        let mut entries = vec![0.0; self.out_dim * self.in_dim];
        fill_normal(self.sequence, 0, self.std, &mut entries);
        entries
    }

    /// `out[i] = A inputs[i]`: `inputs` is `[n, in_dim]` and `out` is `[n, out_dim]`, both row-major. `panel`
    /// is memory to work in; its contents do not matter.
    ///
    /// # Panics
    /// If the sizes disagree.
    pub fn project(&self, inputs: &[f32], panel: &mut Vec<f32>, out: &mut [f32]) {
        let &Self { sequence, out_dim, in_dim, std } = self;
        panel.resize(PANEL.min(out_dim) * in_dim, 0.0);
        for first in (0..out_dim).step_by(PANEL) {
            let rows = PANEL.min(out_dim - first);
            let panel = &mut panel[..rows * in_dim];
            fill_normal(sequence, first * in_dim, std, panel);
            project_columns(inputs, panel, in_dim, out, out_dim, first);
        }
    }
}

/// `out[i] = A inputs[i]`: `inputs` is `[n, in_dim]`, `matrix` is `A` `[out_dim, in_dim]` and `out` is
/// `[n, out_dim]`, all row-major.
///
/// # Panics
/// If the sizes disagree.
pub fn project(inputs: &[f32], matrix: &[f32], in_dim: usize, out: &mut [f32]) {
    if in_dim == 0 {
        assert!(inputs.is_empty() && matrix.is_empty(), "inputs of no numbers");
        return out.fill(0.0);
    }
    project_columns(inputs, matrix, in_dim, out, matrix.len() / in_dim, 0);
}

/// Columns `first..` of `out` `[n, out_dim]`, as many as `matrix` `[_, in_dim]` has rows.
fn project_columns(
    inputs: &[f32],
    matrix: &[f32],
    in_dim: usize,
    out: &mut [f32],
    out_dim: usize,
    first: usize,
) {
    let (n, rows) = (inputs.len() / in_dim, matrix.len() / in_dim);
    assert_eq!(inputs.len(), n * in_dim, "inputs are rows of {in_dim} numbers");
    assert_eq!(matrix.len(), rows * in_dim, "the matrix has rows of {in_dim} numbers");
    assert_eq!(out.len(), n * out_dim, "{n} outputs of {out_dim} numbers");
    assert!(first + rows <= out_dim, "columns {first}..{} of {out_dim}", first + rows);
    if n == 0 || rows == 0 {
        return;
    }
    let strides = [out_dim, in_dim].map(|stride| isize::try_from(stride).expect("a slice's length"));
    let [out_stride, in_stride] = strides;
    // SAFETY: the pointers and strides describe, in this order, columns `first..first + rows` of `out`
    // `[n, out_dim]`, `inputs` `[n, in_dim]` and the transpose of `matrix` `[rows, in_dim]`; the assertions
    // above put every element inside its slice, and `out` is borrowed mutably, so it overlaps neither.
    unsafe {
        gemm::gemm(
            n,
            rows,
            in_dim,
            out.as_mut_ptr().add(first),
            1,
            out_stride,
            false,
            inputs.as_ptr(),
            1,
            in_stride,
            matrix.as_ptr(),
            in_stride,
            1,
            0.0_f32,
            1.0_f32,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers in [-1, 1) without structure.
    fn numbers(n: usize, salt: u32) -> Vec<f32> {
        let hash =
            |i: usize| (i as u32 + salt).wrapping_mul(0x9E37_79B9).rotate_left(13).wrapping_mul(0x85EB_CA6B);
        (0..n).map(|i| hash(i) as i32 as f32 / 2_147_483_648.0).collect()
    }

    fn assert_is_product(inputs: &[f32], matrix: &[f32], in_dim: usize, out: &[f32]) {
        let out_dim = matrix.len() / in_dim;
        for (x, out) in inputs.chunks_exact(in_dim).zip(out.chunks_exact(out_dim)) {
            for (row, &value) in matrix.chunks_exact(in_dim).zip(out) {
                let terms = row.iter().zip(x).map(|(&a, &x)| f64::from(a) * f64::from(x));
                let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs()));
                assert!((f64::from(value) - sum).abs() <= 2e-6 * size, "{value} {sum}");
            }
        }
    }

    #[test]
    fn is_the_matrix_product_at_odd_sizes() {
        for (n, in_dim, out_dim) in [(1, 1, 1), (2, 3, 5), (100, 17, 33), (7, 196, 65), (3, 64, 130)] {
            let (inputs, matrix) = (numbers(n * in_dim, 1), numbers(out_dim * in_dim, 77));
            let mut out = vec![f32::NAN; n * out_dim];
            project(&inputs, &matrix, in_dim, &mut out);
            assert_is_product(&inputs, &matrix, in_dim, &out);
        }
    }

    #[test]
    fn a_random_matrix_projects_as_its_entries_do() {
        let sequence = Sequence { seed: 5, stream: 1, k: 2 };
        let mut panel = vec![f32::NAN; 3];
        for (n, in_dim, out_dim) in [(1, 1, 1), (9, 5, 63), (10, 49, 64), (2, 31, 65), (100, 20, 200)] {
            let matrix = RandomMatrix { sequence, out_dim, in_dim, std: 0.2 };
            let inputs = numbers(n * in_dim, 3);
            let mut out = vec![f32::NAN; n * out_dim];
            matrix.project(&inputs, &mut panel, &mut out);
            assert_is_product(&inputs, &matrix.entries(), in_dim, &out);
        }
    }

    #[test]
    fn nothing_in_is_nothing_out() {
        project(&[], &numbers(6, 0), 3, &mut []);
        project(&numbers(6, 0), &[], 3, &mut []);
        let mut out = [f32::NAN; 2];
        project(&[], &[], 0, &mut out);
        assert_eq!(out, [0.0; 2]);
    }

    #[test]
    #[should_panic(expected = "2 outputs of 3 numbers")]
    fn sizes_are_checked() {
        project(&[0.0; 8], &[0.0; 12], 4, &mut [0.0; 5]);
    }
}
