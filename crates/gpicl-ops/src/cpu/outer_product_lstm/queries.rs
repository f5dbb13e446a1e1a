//! One step of many tokens that all start from the same state: queries.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{EPISODES, LANES, Parts, Sizes, look, padded, put_out};
use crate::cpu::tile::{Factor, product};
use crate::cpu::{buffer::Buffer, dispatch::run, rows_per_task, simd::update};

/// Writes the outputs `out` `[batch, tokens, heads * size]` of tokens that each make the step after the state of their
/// episode: the last output `hidden` `[batch, heads * size]` and the `memory` `[batch, heads, size, size]`. The recurrent
/// share of the gates is made once an episode, and nothing writes to the memory.
pub fn queries(
    gates: &[f32],
    recurrent: &[f32],
    hidden: &[f32],
    memory: &[f32],
    out: &mut [f32],
    sizes: Sizes,
) {
    let (width, units) = (sizes.gates(), sizes.hidden());
    let (recurrent, padded_width) = (&*padded(recurrent, width), width.next_multiple_of(LANES));
    let mut shares = Buffer::stale(hidden.len() / units * padded_width);
    let rows = hidden.par_chunks(EPISODES * units).zip(shares.par_chunks_mut(EPISODES * padded_width));
    rows.for_each(|(hidden, shares)| run(Share { hidden, recurrent, shares, sizes }));
    let piece = rows_per_task(width);
    let episodes = (
        gates.par_chunks(sizes.tokens * width),
        out.par_chunks_mut(sizes.tokens * units),
        memory.par_chunks(sizes.memory()),
        shares.par_chunks(padded_width),
    );
    episodes.into_par_iter().for_each(|(gates, out, memory, share)| {
        let pieces = gates.par_chunks(piece * width).zip(out.par_chunks_mut(piece * units));
        pieces.for_each(|(gates, out)| run(Tokens { gates, share: &share[..width], memory, out, sizes }));
    });
}

/// The recurrent share of a few episodes' gates.
struct Share<'a> {
    hidden: &'a [f32],
    recurrent: &'a [f32],
    shares: &'a mut [f32],
    sizes: Sizes,
}

impl WithSimd for Share<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (units, width) = (self.sizes.hidden(), self.sizes.gates().next_multiple_of(LANES));
        let hidden = Factor { data: self.hidden, row: units, column: 1 };
        let shape = [self.hidden.len() / units, units, width];
        product::<S, false>(simd, hidden, self.recurrent, width, self.shares, width, shape);
    }
}

/// Some tokens of one episode.
struct Tokens<'a> {
    gates: &'a [f32],
    share: &'a [f32],
    memory: &'a [f32],
    out: &'a mut [f32],
    sizes: Sizes,
}

impl WithSimd for Tokens<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (size, units, width) = (self.sizes.size, self.sizes.hidden(), self.sizes.gates());
        let (mut gates, mut read) = (Buffer::stale(width), Buffer::stale(size));
        for (input, out) in self.gates.chunks_exact(width).zip(self.out.chunks_exact_mut(units)) {
            update!(simd: S, [input in input, share in self.share], [gates in &mut *gates] {
                gates = simd.add_f32s(input, share);
            });
            let heads = gates.chunks_exact(8 * size).zip(self.memory.chunks_exact(size * size));
            for ((gates, memory), out) in heads.zip(out.chunks_exact_mut(size)) {
                let parts = Parts::of(gates, size);
                look(simd, parts, self.sizes.read_scale(), memory, &mut read);
                put_out(simd, parts, &read, out);
            }
        }
    }
}
