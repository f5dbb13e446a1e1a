//! One step of many tokens that all start from the same state: queries.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{Before, Cell, ROWS, Sizes, Token};
use crate::Precision;
use crate::cpu::gemm::{MatRef, Packed};
use crate::cpu::{buffer::Buffer, dispatch::run, rows_per_task};

/// Steps `cell` once for every token, from the state `before` of its sequence, `[batch, hidden]` each, which is multiplied
/// with the weight once. `gates` holds the input's share and becomes the gates; `weight`: `[hidden, GATES * hidden]`;
/// writes the outputs. `sizes.layout` is of no concern: no token carries a state.
pub fn queries<C: Cell>(
    cell: C,
    gates: &mut [f32],
    weight: &[f32],
    before: Before<'_>,
    out: &mut [f32],
    sizes: Sizes,
    precision: Precision,
) {
    let Sizes { batch, tokens, hidden, .. } = sizes;
    let width = C::GATES * hidden;
    let weight = Packed::new(MatRef::row_major(weight, hidden, width), precision);
    let product_row = weight.padded_cols();
    let mut products = Buffer::stale(batch * product_row);
    let rows = before.out.par_chunks(ROWS * hidden).zip(products.par_chunks_mut(ROWS * product_row));
    rows.for_each(|(h, product)| weight.multiply(h, hidden, product, product_row, h.len() / hidden));
    let piece = rows_per_task(width);
    let sequences = (gates.par_chunks_mut(tokens * width), out.par_chunks_mut(tokens * hidden));
    sequences.into_par_iter().enumerate().for_each(|(sequence, (gates, out))| {
        let before = before.rows(sequence, 1, hidden);
        let product = &products[sequence * product_row..][..width];
        let pieces = (gates.par_chunks_mut(piece * width), out.par_chunks_mut(piece * hidden));
        pieces.into_par_iter().for_each(|(gates, out)| run(Tokens { cell, gates, product, before, out }));
    });
}

/// Some tokens of one sequence.
struct Tokens<'a, C> {
    cell: C,
    gates: &'a mut [f32],
    product: &'a [f32],
    before: Before<'a>,
    out: &'a mut [f32],
}

impl<C: Cell> WithSimd for Tokens<'_, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { cell, gates, product, before, out } = self;
        let hidden = before.out.len();
        // Nobody asks for it.
        let mut memory = Buffer::stale(hidden);
        for (gates, out) in gates.chunks_exact_mut(product.len()).zip(out.chunks_exact_mut(hidden)) {
            cell.forward(simd, Token { gates, product, before, out, memory: &mut memory });
        }
    }
}
