//! Kernels on plain slices: no tensors, no automatic differentiation.
//!
//! A kernel is a struct of its arguments with [`pulp::WithSimd`]: one generic body, compiled for every vector
//! extension and chosen at run time by [`dispatch::run`]. Work is cut into pieces of a fixed size before it is given
//! to threads, and partial sums are added in the order of the pieces, so results do not depend on their number.

pub mod adamw;
pub mod affine;
pub mod attention;
pub mod buffer;
pub mod cross_entropy;
pub mod dispatch;
pub mod embed;
pub mod entries;
pub mod feed_forward;
pub mod gated;
mod gather;
pub mod gelu;
pub mod gemm;
pub mod layer_norm;
pub mod matrix_memory;
pub mod mesa;
pub mod muon;
pub mod normal;
pub mod outer_product_lstm;
pub mod philox;
mod prefetch;
pub mod project;
pub mod recurrent;
mod simd;
pub mod sum;
mod tile;
pub mod unit_silu;
pub mod vsml;

/// Rows of `width` values that one task takes: about 64 KiB of each operand.
fn rows_per_task(width: usize) -> usize {
    (16 * 1024 / width.max(1)).max(1)
}
