//! The forward pass.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{APART, Before, Cell, Sizes, Token};
use crate::Precision;
use crate::cpu::gemm::{MatRef, Packed};
use crate::cpu::{buffer::Buffer, dispatch::run};

/// Steps `cell` through all sequences. `gates` holds the input's share and becomes the gates; `weight`:
/// `[hidden, GATES * hidden]`; `start`: what the first step finds, `[batch, hidden]` each, or zeros; writes the outputs
/// and the memory.
#[allow(clippy::too_many_arguments, reason = "what goes in, and where each result goes")]
pub fn forward<C: Cell>(
    cell: C,
    gates: &mut [f32],
    weight: &[f32],
    start: Option<Before<'_>>,
    out: &mut [f32],
    memory: &mut [f32],
    sizes: Sizes,
    precision: Precision,
) {
    let Sizes { tokens, hidden, .. } = sizes;
    let weight = Packed::new(MatRef::row_major(weight, hidden, C::GATES * hidden), precision);
    let piece = sizes.rows() * tokens * hidden;
    let pieces =
        (gates.par_chunks_mut(C::GATES * piece), out.par_chunks_mut(piece), memory.par_chunks_mut(piece));
    pieces.into_par_iter().enumerate().for_each(|(piece, (gates, out, memory))| {
        let rows = out.len() / (tokens * hidden);
        let (h_row, product_row) = (hidden + APART, weight.padded_cols() + APART);
        let (mut h, mut product) = (Buffer::zeros(rows * h_row), Buffer::zeros(rows * product_row));
        let start = start.map(|start| start.rows(piece * sizes.rows(), rows, hidden));
        if let Some(start) = start {
            let rows = h.chunks_exact_mut(h_row).zip(start.out.chunks_exact(hidden));
            rows.for_each(|(h, out)| h[..hidden].copy_from_slice(out));
        }
        for at in 0..sizes.steps() {
            if at > 0 || start.is_some() {
                weight.multiply(&h, h_row, &mut product, product_row, rows);
            }
            run(Step {
                cell,
                sizes,
                at,
                start,
                gates,
                out,
                memory,
                h: &mut h,
                h_row,
                product: &product,
                product_row,
            });
        }
    });
}

/// One step of some sequences.
struct Step<'a, C> {
    cell: C,
    sizes: Sizes,
    at: usize,
    start: Option<Before<'a>>,
    gates: &'a mut [f32],
    out: &'a mut [f32],
    memory: &'a mut [f32],
    /// The last outputs, which become those of this step, and their product with the weight.
    h: &'a mut [f32],
    h_row: usize,
    product: &'a [f32],
    product_row: usize,
}

impl<C: Cell> WithSimd for Step<'_, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Sizes { tokens, hidden, .. } = self.sizes;
        let width = C::GATES * hidden;
        let zeros = Buffer::zeros(if self.at == 0 { hidden } else { 0 });
        let rows =
            self.gates.chunks_exact_mut(tokens * width).zip(self.out.chunks_exact_mut(tokens * hidden));
        let rows = rows.zip(self.memory.chunks_exact_mut(tokens * hidden));
        let rows =
            rows.zip(self.h.chunks_exact_mut(self.h_row)).zip(self.product.chunks_exact(self.product_row));
        for (row, ((((gates, out), memory), h), product)) in rows.enumerate() {
            let token = std::iter::once(self.at).chain(self.sizes.query(self.at));
            for token in token {
                let (past_out, out) = out.split_at_mut(token * hidden);
                let (past_memory, memory) = memory.split_at_mut(token * hidden);
                let before = match (self.at, self.start) {
                    (0, Some(start)) => start.rows(row, 1, hidden),
                    (0, None) => Before { out: &zeros, memory: &zeros },
                    (at, _) => {
                        let before = (at - 1) * hidden..at * hidden;
                        Before { out: &past_out[before.clone()], memory: &past_memory[before] }
                    }
                };
                let token = Token {
                    gates: &mut gates[token * width..][..width],
                    product: &product[..width],
                    before,
                    out: &mut out[..hidden],
                    memory: &mut memory[..hidden],
                };
                self.cell.forward(simd, token);
            }
            h[..hidden].copy_from_slice(&out[self.at * hidden..][..hidden]);
        }
    }
}
