//! The backward pass.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{EPISODES, LANES, Parts, Sizes, padded, remember};
use crate::Precision;
use crate::cpu::tile::{Factor, product};
use crate::cpu::{
    affine,
    buffer::Buffer,
    dispatch::run,
    simd::{sigmoid, slope_of_tanh, sums, tanh, update},
};

/// What the forward pass left: see [`super::Kept`].
#[derive(Clone, Copy)]
pub struct Saved<'a> {
    /// Gates with the recurrent share.
    pub gates: &'a [f32],
    /// What every query found.
    pub reads: &'a [f32],
    /// Memories before every stretch of steps.
    pub memories: &'a [f32],
}

/// Writes the gradient `dgates` of the gates given that of the outputs.
pub fn backward(saved: Saved<'_>, recurrent: &[f32], dout: &[f32], dgates: &mut [f32], sizes: Sizes) {
    let (width, hidden) = (sizes.gates(), sizes.hidden());
    let mut transposed = Buffer::stale(recurrent.len());
    for (row, values) in recurrent.chunks_exact(width).enumerate() {
        for (column, &value) in values.iter().enumerate() {
            transposed[column * hidden + row] = value;
        }
    }
    let transposed = &*padded(&transposed, hidden);
    let tasks = (
        saved.gates.par_chunks(EPISODES * sizes.tokens * width),
        saved.reads.par_chunks(EPISODES * sizes.tokens * hidden),
        saved.memories.par_chunks(EPISODES * sizes.checkpoints() * sizes.memory()),
        dout.par_chunks(EPISODES * sizes.tokens * hidden),
        dgates.par_chunks_mut(EPISODES * sizes.tokens * width),
    );
    tasks.into_par_iter().for_each(|(gates, reads, memories, dout, dgates)| {
        run(Backward { saved: Saved { gates, reads, memories }, transposed, dout, dgates, sizes });
    });
}

/// Writes the gradient of the recurrent weight, given the outputs and the gradient of the gates.
pub fn weight_gradient(
    out: &[f32],
    dgates: &[f32],
    drecurrent: &mut [f32],
    sizes: Sizes,
    precision: Precision,
) {
    let (hidden, width, steps) = (sizes.hidden(), sizes.gates(), sizes.steps());
    if steps == 1 {
        drecurrent.fill(0.0);
        return;
    }
    let episodes = out.len() / (sizes.tokens * hidden);
    // The outputs before every step but the first, and what they did to the gates.
    let mut before = Buffer::stale(episodes * (steps - 1) * hidden);
    let mut total = Buffer::stale(episodes * (steps - 1) * width);
    let parts = (
        before.par_chunks_mut((steps - 1) * hidden),
        total.par_chunks_mut((steps - 1) * width),
        out.par_chunks(sizes.tokens * hidden),
        dgates.par_chunks(sizes.tokens * width),
    );
    parts.into_par_iter().for_each(|(before, total, out, dgates)| {
        before.copy_from_slice(&out[..before.len()]);
        let (carried, queries) = dgates.split_at(steps * width);
        match queries.get(width..) {
            Some(queries) => affine::add(&carried[width..], queries, total),
            None => total.copy_from_slice(&carried[width..]),
        }
    });
    affine::weight_gradient(&before, &total, width, drecurrent, precision);
}

/// A few episodes.
struct Backward<'a> {
    saved: Saved<'a>,
    transposed: &'a [f32],
    dout: &'a [f32],
    dgates: &'a mut [f32],
    sizes: Sizes,
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let sizes = self.sizes;
        let (tokens, hidden, width, memory) = (sizes.tokens, sizes.hidden(), sizes.gates(), sizes.memory());
        let episodes = self.dout.len() / (tokens * hidden);
        let padded_hidden = hidden.next_multiple_of(LANES);
        let mut memories = Buffer::stale(sizes.interval() * episodes * memory);
        let mut dmemory = Buffer::zeros(episodes * memory);
        let mut dbefore = Buffer::zeros(episodes * padded_hidden);
        let mut total = Buffer::stale(episodes * width);
        let mut scratch = Scratch::new(sizes.size, hidden);
        for stretch in (0..sizes.checkpoints()).rev() {
            let first = stretch * sizes.interval();
            let last = sizes.steps().min(first + sizes.interval());
            self.make_again(simd, stretch, &mut memories, &mut scratch);
            for step in (first..last).rev() {
                let (carried, query) = sizes.tokens_of(step);
                for episode in 0..episodes {
                    let memory_at = ((step - first) * episodes + episode) * memory;
                    let before = &memories[memory_at..][..memory];
                    let dmemory = &mut dmemory[episode * memory..][..memory];
                    let at = episode * tokens + carried;
                    let dout = &self.dout[at * hidden..][..hidden];
                    let dnext = &dbefore[episode * padded_hidden..][..hidden];
                    update!(simd: S, [dout in dout, dnext in dnext], [sum in &mut *scratch.dout] {
                        sum = simd.add_f32s(dout, dnext);
                    });
                    self.token::<S, false>(simd, at, before, dmemory, &mut scratch);
                    let total = &mut total[episode * width..][..width];
                    total.copy_from_slice(&self.dgates[at * width..][..width]);
                    if let Some(query) = query {
                        let at = episode * tokens + query;
                        scratch.dout.copy_from_slice(&self.dout[at * hidden..][..hidden]);
                        self.token::<S, true>(simd, at, before, dmemory, &mut scratch);
                        update!(simd: S, [d in &self.dgates[at * width..][..width]], [total in total] {
                            total = simd.add_f32s(total, d);
                        });
                    }
                }
                let total = Factor { data: &total, row: width, column: 1 };
                let shape = [episodes, width, padded_hidden];
                product::<S, false>(
                    simd,
                    total,
                    self.transposed,
                    padded_hidden,
                    &mut dbefore,
                    padded_hidden,
                    shape,
                );
            }
        }
    }
}

impl Backward<'_> {
    /// The memories before every step of a stretch, `[step, episode, heads, size, size]`.
    #[inline(always)]
    fn make_again<S: Simd>(&self, simd: S, stretch: usize, memories: &mut [f32], scratch: &mut Scratch) {
        let (size, memory, width) = (self.sizes.size, self.sizes.memory(), self.sizes.gates());
        let episodes = self.dout.len() / (self.sizes.tokens * self.sizes.hidden());
        let first = stretch * self.sizes.interval();
        let last = self.sizes.steps().min(first + self.sizes.interval());
        for episode in 0..episodes {
            let kept = (episode * self.sizes.checkpoints() + stretch) * memory;
            memories[episode * memory..][..memory].copy_from_slice(&self.saved.memories[kept..][..memory]);
            for step in first..last - 1 {
                let (before, after) = memories.split_at_mut((step + 1 - first) * episodes * memory);
                let before = &before[((step - first) * episodes + episode) * memory..][..memory];
                let after = &mut after[episode * memory..][..memory];
                after.copy_from_slice(before);
                let gates = &self.saved.gates[(episode * self.sizes.tokens + step) * width..][..width];
                for (gates, after) in gates.chunks_exact(8 * size).zip(after.chunks_exact_mut(size * size)) {
                    remember(
                        simd,
                        Parts::of(gates, size),
                        self.sizes.read_scale(),
                        after,
                        &mut scratch.dread,
                    );
                }
            }
        }
    }

    /// One token, at `at` among all of the task's, given the memory before it and, in the scratch, the gradient of its
    /// output. `dmemory` is the gradient of the memory after it and becomes that of the memory before; of a query,
    /// whose memory is thrown away, it is the gradient of the memory before, to be added to.
    #[inline(always)]
    fn token<S: Simd, const QUERY: bool>(
        &mut self,
        simd: S,
        at: usize,
        before: &[f32],
        dmemory: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let (size, hidden, width) = (self.sizes.size, self.sizes.hidden(), self.sizes.gates());
        let scale = self.sizes.read_scale();
        let one = simd.splat_f32s(1.0);
        for head in 0..self.sizes.heads {
            let parts = Parts::of(&self.saved.gates[at * width..][head * 8 * size..], size);
            let read = &self.saved.reads[at * hidden + head * size..][..size];
            let dout = &scratch.dout[head * size..][..size];
            let dgates = &mut self.dgates[at * width..][head * 8 * size..][..8 * size];
            let (drows, rest) = dgates.split_at_mut(3 * size);
            let (dcolumns, rest) = rest.split_at_mut(3 * size);
            let (dquery, doutput) = rest.split_at_mut(size);
            update!(
                simd: S,
                [output in parts.output, read in read, dout in dout],
                [dread in &mut *scratch.dread, doutput in doutput] {
                    let (open, found) = (sigmoid(simd, output), tanh(simd, read));
                    let d = simd.mul_f32s(dout, open);
                    dread = simd.mul_f32s(d, slope_of_tanh(simd, found));
                    doutput = simd.mul_f32s(simd.mul_f32s(d, found), simd.sub_f32s(one, open));
                }
            );
            dcolumns.fill(0.0);
            let (dinput_columns, rest) = dcolumns.split_at_mut(size);
            let (dvalue_columns, dforget_columns) = rest.split_at_mut(size);
            let [input_columns, value_columns, forget_columns] = parts.columns;
            let place = head * size * size;
            let memories = before[place..][..size * size].chunks_exact(size);
            let dmemories = dmemory[place..][..size * size].chunks_exact_mut(size);
            for (row, (before, dmemory)) in memories.zip(dmemories).enumerate() {
                let [input_row, value_row, forget_row] = parts.rows.map(|part| simd.splat_f32s(part[row]));
                let query = simd.splat_f32s(parts.query[row] * scale);
                update!(
                    simd: S,
                    [
                        input in input_columns, value in value_columns, forget in forget_columns,
                        before in before, dread in &*scratch.dread
                    ],
                    [
                        dmemory in dmemory, after in &mut *scratch.after,
                        dinput in &mut *scratch.dinput, dvalue in &mut *scratch.dvalue,
                        dforget in &mut *scratch.dforget, dinput_column in &mut *dinput_columns,
                        dvalue_column in &mut *dvalue_columns, dforget_column in &mut *dforget_columns
                    ] {
                        let input = sigmoid(simd, simd.mul_f32s(input_row, input));
                        let value = tanh(simd, simd.mul_f32s(value_row, value));
                        let forget = sigmoid(simd, simd.mul_add_e_f32s(forget_row, forget, one));
                        after = simd.mul_add_e_f32s(forget, before, simd.mul_f32s(input, value));
                        let d = simd.mul_f32s(query, dread);
                        let d = if QUERY { d } else { simd.add_f32s(d, dmemory) };
                        let carried = simd.mul_f32s(d, forget);
                        dmemory = if QUERY { simd.add_f32s(dmemory, carried) } else { carried };
                        let new = simd.mul_f32s(d, input);
                        dvalue = simd.mul_f32s(new, slope_of_tanh(simd, value));
                        dinput = simd.mul_f32s(simd.mul_f32s(new, value), simd.sub_f32s(one, input));
                        dforget = simd.mul_f32s(simd.mul_f32s(carried, before), simd.sub_f32s(one, forget));
                        dinput_column = simd.mul_add_e_f32s(dinput, input_row, dinput_column);
                        dvalue_column = simd.mul_add_e_f32s(dvalue, value_row, dvalue_column);
                        dforget_column = simd.mul_add_e_f32s(dforget, forget_row, dforget_column);
                    }
                );
                let [by_input, by_value, by_forget, by_query] = sums!(
                    simd: S,
                    [
                        dinput in &scratch.dinput, input in input_columns,
                        dvalue in &scratch.dvalue, value in value_columns,
                        dforget in &scratch.dforget, forget in forget_columns,
                        after in &scratch.after, dread in &scratch.dread
                    ] {
                        [
                            simd.mul_f32s(dinput, input),
                            simd.mul_f32s(dvalue, value),
                            simd.mul_f32s(dforget, forget),
                            simd.mul_f32s(after, dread),
                        ]
                    }
                );
                drows[row] = by_input;
                drows[size + row] = by_value;
                drows[2 * size + row] = by_forget;
                dquery[row] = by_query * scale;
            }
        }
    }
}

/// Rows of one head, and the gradient of one token's output.
struct Scratch {
    dout: Buffer,
    dread: Buffer,
    after: Buffer,
    dinput: Buffer,
    dvalue: Buffer,
    dforget: Buffer,
}

impl Scratch {
    fn new(size: usize, hidden: usize) -> Self {
        let row = || Buffer::stale(size);
        Self {
            dout: Buffer::stale(hidden),
            dread: row(),
            after: row(),
            dinput: row(),
            dvalue: row(),
            dforget: row(),
        }
    }
}
