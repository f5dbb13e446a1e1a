//! The backward pass, through time.
//!
//! The forward pass keeps gates, output and memory of every token; only the tanh of an LSTM's cell is made again.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{APART, Before, Cell, Sizes, TokenGradient};
use crate::Precision;
use crate::cpu::gemm::{MatRef, Packed};
use crate::cpu::{affine, buffer::Buffer, dispatch::run, sum::add_rows};

/// What the forward pass left besides the gates: see [`super::forward`].
#[derive(Clone, Copy)]
pub struct Saved<'a> {
    /// `[hidden, GATES * hidden]`.
    pub weight: &'a [f32],
    /// The outputs.
    pub out: &'a [f32],
    /// What the cell kept.
    pub memory: &'a [f32],
}

/// Turns `gates` into the gradient of the input's share given the gradient `dout` of the outputs; writes `dweight`, and
/// `dbias` of a bias that is added to the recurrent product.
#[allow(clippy::too_many_arguments, reason = "what goes in, and where each gradient goes")]
pub fn backward<C: Cell>(
    cell: C,
    gates: &mut [f32],
    saved: Saved<'_>,
    dout: &[f32],
    dweight: &mut [f32],
    dbias: Option<&mut [f32]>,
    sizes: Sizes,
    precision: Precision,
) {
    let Sizes { batch, tokens, hidden, .. } = sizes;
    let (rows, steps, width) = (sizes.rows(), sizes.steps(), C::GATES * hidden);
    let weight = Packed::new(MatRef::row_major(saved.weight, hidden, width).t(), precision);
    let mut before = Buffer::stale(batch * steps * hidden);
    // The gradient of every product; where it is that of one token's gates, it is already there.
    let apart = !C::ONE_GRADIENT || steps < tokens;
    let mut dproducts = apart.then(|| Buffer::stale(batch * steps * width));
    let dproduct_pieces: Vec<_> = match &mut dproducts {
        Some(dproducts) => dproducts.chunks_mut(rows * steps * width).map(Some).collect(),
        None => (0..batch).step_by(rows).map(|_| None).collect(),
    };
    let piece = rows * tokens * hidden;
    let pieces = (
        gates.par_chunks_mut(C::GATES * piece),
        saved.out.par_chunks(piece),
        saved.memory.par_chunks(piece),
        dout.par_chunks(piece),
        before.par_chunks_mut(rows * steps * hidden),
        dproduct_pieces,
    );
    pieces.into_par_iter().for_each(|(gates, out, memory, dout, before, mut dproducts)| {
        let rows = out.len() / (tokens * hidden);
        let (d_row, dh_row) = (width + APART, weight.padded_cols() + APART);
        let (mut d, mut dh) = (Buffer::stale(rows * d_row), Buffer::zeros(rows * dh_row));
        let mut carry = Buffer::zeros(rows * hidden);
        for at in (0..steps).rev() {
            if at + 1 < steps {
                weight.multiply(&d, d_row, &mut dh, dh_row, rows);
            }
            run(Step {
                cell,
                sizes,
                at,
                gates,
                out,
                memory,
                dout,
                before,
                carry: &mut carry,
                dh: &dh,
                dh_row,
                d: &mut d,
                d_row,
            });
            if let Some(dproducts) = &mut dproducts {
                let rows = dproducts.chunks_exact_mut(steps * width).zip(d.chunks_exact(d_row));
                rows.for_each(|(to, from)| to[at * width..][..width].copy_from_slice(&from[..width]));
            }
        }
    });
    let dproducts = dproducts.as_deref().unwrap_or(gates);
    affine::weight_gradient(&before, dproducts, width, dweight, precision);
    if let Some(dbias) = dbias {
        affine::bias_gradient(dproducts, dbias);
    }
}

/// One step of some sequences.
struct Step<'a, C> {
    cell: C,
    sizes: Sizes,
    at: usize,
    gates: &'a mut [f32],
    out: &'a [f32],
    memory: &'a [f32],
    dout: &'a [f32],
    /// `[rows, steps, hidden]`: takes the outputs that the step started from.
    before: &'a mut [f32],
    /// `[rows, hidden]`: see [`TokenGradient::carry`].
    carry: &'a mut [f32],
    /// The next product's gradient, brought back to the outputs.
    dh: &'a [f32],
    dh_row: usize,
    /// Becomes this product's gradient.
    d: &'a mut [f32],
    d_row: usize,
}

impl<C: Cell> WithSimd for Step<'_, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Sizes { tokens, hidden, .. } = self.sizes;
        let (steps, width) = (self.sizes.steps(), C::GATES * hidden);
        let zeros = Buffer::zeros(hidden);
        let mut of_query = Buffer::stale(width + hidden);
        let (query_d, query_carry) = of_query.split_at_mut(width);
        let rows =
            self.gates.chunks_exact_mut(tokens * width).zip(self.before.chunks_exact_mut(steps * hidden));
        let rows = rows.zip(self.carry.chunks_exact_mut(hidden)).zip(self.d.chunks_exact_mut(self.d_row));
        let rows = rows.zip(self.dh.chunks_exact(self.dh_row)).enumerate();
        for (row, ((((gates, before), carry), d), dh)) in rows {
            let values = |all, token| row_of(all, row * tokens + token, hidden);
            let last = match self.at {
                0 => Before { out: &zeros, memory: &zeros },
                at => Before { out: values(self.out, at - 1), memory: values(self.memory, at - 1) },
            };
            before[self.at * hidden..][..hidden].copy_from_slice(last.out);
            let d = &mut d[..width];
            let token = TokenGradient {
                gates: &mut gates[self.at * width..][..width],
                memory: values(self.memory, self.at),
                before: last,
                dout: [values(self.dout, self.at), &dh[..hidden]],
                carry: &mut *carry,
                dproduct: &mut *d,
            };
            self.cell.backward(simd, token);
            if let Some(query) = self.sizes.query(self.at) {
                // Nothing comes after it; what it sends back is added.
                query_carry.fill(0.0);
                let token = TokenGradient {
                    gates: &mut gates[query * width..][..width],
                    memory: values(self.memory, query),
                    before: last,
                    dout: [values(self.dout, query), &zeros],
                    carry: &mut *query_carry,
                    dproduct: &mut *query_d,
                };
                self.cell.backward(simd, token);
                add_rows(query_carry, carry);
                add_rows(query_d, d);
            }
        }
    }
}

fn row_of(all: &[f32], row: usize, len: usize) -> &[f32] {
    &all[row * len..][..len]
}
