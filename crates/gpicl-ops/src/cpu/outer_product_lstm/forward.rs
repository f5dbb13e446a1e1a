//! The forward pass.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{EPISODES, LANES, Parts, Sizes, padded, put_out, remember};
use crate::cpu::tile::{Factor, product};
use crate::cpu::{buffer::Buffer, dispatch::run, simd::update};

/// What the backward pass needs of the forward pass, which writes it.
pub struct Kept<'a> {
    /// Gates with the recurrent share, `[batch, tokens, heads * 8 * size]`.
    pub gates: &'a mut [f32],
    /// What every query found, `[batch, tokens, heads * size]`.
    pub reads: &'a mut [f32],
    /// Memories, `[batch, checkpoints, heads, size, size]`.
    pub memories: &'a mut [f32],
}

/// What is carried into the first step and out of the last.
pub struct Carried<'a> {
    /// The output before, `[batch, heads * size]`.
    pub hidden: &'a [f32],
    /// The memory before, `[batch, heads, size, size]`; becomes the one after.
    pub memory: &'a mut [f32],
}

/// Writes the outputs `out` `[batch, tokens, heads * size]`, and what the backward pass needs, given the inputs' share
/// of the gates and the recurrent weight `[heads * size, heads * 8 * size]`. Where nothing is `carried`, the scan starts
/// from zeros.
pub fn forward(
    gates: &[f32],
    recurrent: &[f32],
    carried: Option<Carried<'_>>,
    out: &mut [f32],
    kept: Kept<'_>,
    sizes: Sizes,
) {
    let recurrent = &*padded(recurrent, sizes.gates());
    let (gates_width, hidden) =
        (EPISODES * sizes.tokens * sizes.gates(), EPISODES * sizes.tokens * sizes.hidden());
    let batch = out.len() / (sizes.tokens * sizes.hidden());
    let carried: Vec<Option<Carried<'_>>> = match carried {
        Some(Carried { hidden, memory }) => {
            let hidden = hidden.chunks(EPISODES * sizes.hidden());
            let parts = hidden.zip(memory.chunks_mut(EPISODES * sizes.memory()));
            parts.map(|(hidden, memory)| Some(Carried { hidden, memory })).collect()
        }
        None => (0..batch).step_by(EPISODES).map(|_| None).collect(),
    };
    let tasks = (
        carried,
        gates.par_chunks(gates_width),
        out.par_chunks_mut(hidden),
        kept.gates.par_chunks_mut(gates_width),
        kept.reads.par_chunks_mut(hidden),
        kept.memories.par_chunks_mut(EPISODES * sizes.checkpoints() * sizes.memory()),
    );
    tasks.into_par_iter().for_each(|(carried, inputs, out, gates, reads, memories)| {
        run(Forward { inputs, recurrent, carried, out, kept: Kept { gates, reads, memories }, sizes });
    });
}

/// A few episodes.
struct Forward<'a> {
    inputs: &'a [f32],
    recurrent: &'a [f32],
    carried: Option<Carried<'a>>,
    out: &'a mut [f32],
    kept: Kept<'a>,
    sizes: Sizes,
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let sizes = self.sizes;
        let (tokens, hidden, width) = (sizes.tokens, sizes.hidden(), sizes.gates());
        let episodes = self.out.len() / (tokens * hidden);
        let padded_width = width.next_multiple_of(LANES);
        let mut own = Buffer::zeros(if self.carried.is_none() { episodes * sizes.memory() } else { 0 });
        let (start, memory) = match self.carried.take() {
            Some(Carried { hidden, memory }) => (Some(hidden), memory),
            None => (None, &mut *own),
        };
        let mut share = Buffer::zeros(episodes * padded_width);
        let mut looked_at = Buffer::stale(sizes.memory());
        for step in 0..sizes.steps() {
            if step % sizes.interval() == 0 {
                let kept = self.kept.memories.chunks_exact_mut(sizes.checkpoints() * sizes.memory());
                for (kept, memory) in kept.zip(memory.chunks_exact(sizes.memory())) {
                    kept[step / sizes.interval() * sizes.memory()..][..sizes.memory()]
                        .copy_from_slice(memory);
                }
            }
            let before = match step {
                0 => start.map(|data| Factor { data, row: hidden, column: 1 }),
                _ => Some(Factor { data: &self.out[(step - 1) * hidden..], row: tokens * hidden, column: 1 }),
            };
            if let Some(before) = before {
                let shape = [episodes, hidden, padded_width];
                product::<S, false>(
                    simd,
                    before,
                    self.recurrent,
                    padded_width,
                    &mut share,
                    padded_width,
                    shape,
                );
            }
            let (carried, query) = sizes.tokens_of(step);
            let memories = memory.chunks_exact_mut(sizes.memory()).zip(share.chunks_exact(padded_width));
            for (episode, (memory, share)) in memories.enumerate() {
                if let Some(query) = query {
                    looked_at.copy_from_slice(memory);
                    self.token(simd, episode * tokens + query, share, &mut looked_at);
                }
                self.token(simd, episode * tokens + carried, share, memory);
            }
        }
    }
}

impl Forward<'_> {
    /// One token, at `at` among all of the task's, given the recurrent share of its gates.
    #[inline(always)]
    fn token<S: Simd>(&mut self, simd: S, at: usize, share: &[f32], memory: &mut [f32]) {
        let (size, hidden, width) = (self.sizes.size, self.sizes.hidden(), self.sizes.gates());
        let gates = &mut self.kept.gates[at * width..][..width];
        update!(simd: S, [input in &self.inputs[at * width..][..width], share in &share[..width]], [out in &mut *gates] {
            out = simd.add_f32s(input, share);
        });
        let reads = self.kept.reads[at * hidden..][..hidden].chunks_exact_mut(size);
        let outs = self.out[at * hidden..][..hidden].chunks_exact_mut(size);
        let heads = gates.chunks_exact(8 * size).zip(memory.chunks_exact_mut(size * size));
        for ((gates, memory), (read, out)) in heads.zip(reads.zip(outs)) {
            let parts = Parts::of(gates, size);
            remember(simd, parts, self.sizes.read_scale(), memory, read);
            put_out(simd, parts, read, out);
        }
    }
}
