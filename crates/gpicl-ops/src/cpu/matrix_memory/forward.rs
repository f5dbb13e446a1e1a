//! The forward pass.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::chunk::{
    CHUNK, Rows, Shape, add_scaled, columns_of, compare, recall, rows_of, scale_rows, tails, tiles, write,
};
use super::{Head, Sizes, Tokens, split_heads};
use crate::TokenLayout;
use crate::cpu::{buffer::Buffer, dispatch::run, gather::gather_transposed, simd::update, tile::product};

/// What every token reads, of every sequence. Leaves the states ([`Sizes::states`]) and, with a
/// normaliser, the sums of the reads' weights, `[batch, heads, tokens]`.
pub fn forward(
    tokens: Tokens<'_>,
    out: &mut [f32],
    states: &mut [f32],
    weight_sums: &mut [f32],
    sizes: Sizes,
) {
    let Sizes { tokens: time, heads, d_value, .. } = sizes;
    let sequences = (
        out.par_chunks_mut(time * heads * d_value),
        states.par_chunks_mut(sizes.states()),
        weight_sums.par_chunks_mut(heads * time),
    );
    sequences.into_par_iter().enumerate().for_each(|(sequence, (out, states, weight_sums))| {
        let heads = (
            split_heads(out, heads, d_value),
            states.par_chunks_mut(sizes.states() / heads),
            weight_sums.par_chunks_mut(time),
        );
        heads.into_par_iter().enumerate().for_each(|(h, (out, states, weight_sums))| {
            run(Forward { head: Head { tokens, sequence, h, sizes }, out, states, weight_sums });
        });
    });
}

/// One head of one sequence.
struct Forward<'a> {
    head: Head<'a>,
    out: Vec<&'a mut [f32]>,
    states: &'a mut [f32],
    weight_sums: &'a mut [f32],
}

/// Memory for a chunk's matrices.
struct Scratch<'m> {
    /// The contexts' keys transposed, `[d_key, padded_chunk]`.
    key_t: &'m mut [f32],
    /// Weights of contexts for keys or queries, `[CHUNK, padded_chunk]`.
    weights: &'m mut [f32],
    /// What keys or queries find, `[CHUNK, padded_value]`.
    found: &'m mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let sizes = self.head.sizes;
        let shape = Shape::new::<S>(sizes);
        let transposed = shape.key * shape.padded_chunk;
        let mut memory = Buffer::stale(
            2 * Rows::memory(shape) + shape.state() + transposed + shape.weights() + shape.values(),
        );
        let mut rest = &mut *memory;
        let mut take = |len| rest.split_off_mut(..len).expect("the sum of the parts");
        let mut contexts = Rows::new(shape, &mut take);
        let mut queries = Rows::new(shape, &mut take);
        let state = take(shape.state());
        let mut scratch =
            Scratch { key_t: take(transposed), weights: take(shape.weights()), found: take(shape.values()) };
        state.fill(0.0);
        for (chunk, first) in (0..sizes.contexts()).step_by(CHUNK).enumerate() {
            self.save(shape, chunk, state);
            let before = (chunk > 0).then_some(&*state);
            contexts.load(simd, &self.head, shape, first, None);
            gather_transposed(
                simd,
                contexts.key,
                shape.padded_key,
                contexts.count,
                shape.key,
                shape.padded_chunk,
                scratch.key_t,
            );
            self.part(simd, shape, &mut contexts, None, before, &mut scratch, first);
            if sizes.layout == TokenLayout::Paired {
                queries.load(simd, &self.head, shape, first, Some(&contexts));
                let start = sizes.contexts() + first;
                self.part(simd, shape, &mut queries, Some(&contexts), before, &mut scratch, start);
            }
            if first + CHUNK < sizes.contexts() || sizes.last {
                advance(simd, shape, sizes, &mut contexts, state);
            }
        }
        if sizes.last {
            self.save(shape, sizes.chunks(), state);
        }
    }
}

impl Forward<'_> {
    /// Keeps a state in its place.
    fn save(&mut self, shape: Shape, place: usize, state: &[f32]) {
        let len = self.head.sizes.state();
        let saved = self.states[place * len..][..len].chunks_exact_mut(shape.value);
        for (to, from) in saved.zip(state.chunks_exact(shape.padded_value)) {
            to.copy_from_slice(&from[..shape.value]);
        }
    }

    /// What one part of a chunk writes and reads; its first token is `start`.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "the tokens and what they see")]
    fn part<S: Simd>(
        &mut self,
        simd: S,
        shape: Shape,
        rows: &mut Rows<'_>,
        contexts: Option<&Rows<'_>>,
        state: Option<&[f32]>,
        scratch: &mut Scratch<'_>,
        start: usize,
    ) {
        let Scratch { key_t, weights, found } = scratch;
        let (width, chunk) = (shape.padded_value, shape.padded_chunk);
        write(simd, shape, self.head.sizes.rule, rows, contexts, key_t, state, weights, found);
        recall(simd, shape, rows, rows.query, state, found);
        let written = &*contexts.unwrap_or(rows).written;
        for tile in tiles(rows.count) {
            let query = rows_of(&rows.query[tile.first * shape.padded_key..], shape.padded_key);
            compare(simd, shape, tile, query, key_t, shape.key, &rows.fade[tile.first * chunk..], weights);
            let found = &mut found[tile.first * width..];
            let sizes = [tile.rows, tile.seen, width];
            product::<S, true>(simd, rows_of(weights, chunk), written, width, found, width, sizes);
        }
        for r in 0..rows.count {
            let found = &mut found[r * width..][..width];
            add_scaled(simd, rows.own(simd, shape, r), rows.written(shape, r), found);
            let out = &mut *self.out[start + r];
            let found = &found[..shape.value];
            match self.head.sizes.normaliser {
                None => out.copy_from_slice(found),
                Some(least) => {
                    let [values @ .., sum] = found else { unreachable!("a value and the normaliser") };
                    self.weight_sums[start + r] = *sum;
                    let inverse = simd.splat_f32s(1.0 / sum.abs().max(least));
                    update!(simd: S, [value in values], [out in out] {
                        out = simd.mul_f32s(value, inverse);
                    });
                }
            }
        }
    }
}

/// The state after a chunk. Leaves each write scaled by its decay to the chunk's end.
#[inline(always)]
fn advance<S: Simd>(simd: S, shape: Shape, sizes: Sizes, contexts: &mut Rows<'_>, state: &mut [f32]) {
    let width = shape.padded_value;
    if sizes.decays {
        let (tails, whole) = tails(simd, contexts);
        scale_rows(simd, contexts.written, width, &tails[..contexts.count]);
        scale_rows(simd, state, shape.state(), &[whole]);
    }
    let keys = columns_of(contexts.key, shape.padded_key);
    let sizes = [shape.key, contexts.count, width];
    product::<S, true>(simd, keys, contexts.written, width, state, width, sizes);
}
