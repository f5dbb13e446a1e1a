//! The backward pass.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::chunk::{
    CHUNK, Rows, Shape, add_scaled, columns_of, compare, negate, rows_of, scale_rows, solve_backward, tails,
    tiles, write,
};
use super::{Head, Sizes, Tokens, split_heads};
use crate::cpu::{
    buffer::Buffer,
    dispatch::run,
    gather::{gather, gather_transposed},
    simd::{sums, update},
    tile::{dot, product},
};
use crate::{TokenLayout, WriteRule};

/// What the forward pass left: see [`super::forward`].
#[derive(Clone, Copy)]
pub struct Saved<'a> {
    /// Its input.
    pub tokens: Tokens<'a>,
    /// Its output.
    pub out: &'a [f32],
    /// States at the chunks' starts.
    pub states: &'a [f32],
    /// Sums of the reads' weights, with a normaliser.
    pub weight_sums: &'a [f32],
}

/// Gradients of [`Tokens`].
#[allow(missing_docs, reason = "the names are those of the tokens")]
pub struct TokensMut<'a> {
    pub query: &'a mut [f32],
    pub key: &'a mut [f32],
    pub value: &'a mut [f32],
    pub write: &'a mut [f32],
    pub log_decay: &'a mut [f32],
}

/// Writes the gradients of the tokens given `dout`, that of the output; zeros for log-decays that are not looked at.
pub fn backward(saved: Saved<'_>, dout: &[f32], gradients: TokensMut<'_>, sizes: Sizes) {
    let Sizes { tokens, heads, d_key, d_value, .. } = sizes;
    let row = tokens * heads;
    let sequences = (
        gradients.query.par_chunks_mut(row * d_key),
        gradients.key.par_chunks_mut(row * d_key),
        gradients.value.par_chunks_mut(row * d_value),
        gradients.write.par_chunks_mut(row),
        gradients.log_decay.par_chunks_mut(row),
    );
    sequences.into_par_iter().enumerate().for_each(|(sequence, (query, key, value, write, log_decay))| {
        let heads = (
            split_heads(query, heads, d_key),
            split_heads(key, heads, d_key),
            split_heads(value, heads, d_value),
            split_heads(write, heads, 1),
            split_heads(log_decay, heads, 1),
        );
        heads.into_par_iter().enumerate().for_each(|(h, (query, key, value, write, log_decay))| {
            let head = Head { tokens: saved.tokens, sequence, h, sizes };
            run(Backward { head, saved, dout, query, key, value, write, log_decay });
        });
    });
}

/// One head of one sequence; the gradients are a row a token.
struct Backward<'a> {
    head: Head<'a>,
    saved: Saved<'a>,
    dout: &'a [f32],
    query: Vec<&'a mut [f32]>,
    key: Vec<&'a mut [f32]>,
    value: Vec<&'a mut [f32]>,
    write: Vec<&'a mut [f32]>,
    log_decay: Vec<&'a mut [f32]>,
}

/// Gradients of a chunk's tokens of one part, and what they are made of.
struct Gradients<'m> {
    /// Of what is read, `[CHUNK, padded_value]`.
    dout: &'m mut [f32],
    /// The negative one of the changes, which is the one of what the keys find, `[CHUNK, padded_value]`.
    dfound: &'m mut [f32],
    /// Of queries, and of keys as that by which the delta rule reads, `[CHUNK, padded_key]`.
    dquery: &'m mut [f32],
    dkey: &'m mut [f32],
    /// Weights of contexts for the keys, `[CHUNK, padded_chunk]`.
    similar: &'m mut [f32],
    /// Of the log-decay from the chunk's start to each token.
    dlog_reach: [f32; CHUNK],
}

/// The memory that a chunk's tokens read from, and its gradients.
struct Memory<'m> {
    /// The state before the chunk as it is and transposed, `[d_value, padded_key]`.
    state: &'m mut [f32],
    state_t: &'m mut [f32],
    /// Gradient of the state after the chunk; later, before it.
    dstate: &'m mut [f32],
    dstate_t: &'m mut [f32],
    /// The contexts' keys and writes transposed, `[.., padded_chunk]`.
    key_t: &'m mut [f32],
    written_t: &'m mut [f32],
    /// Gradients of the contexts' writes and of their keys as where they write.
    dwritten: &'m mut [f32],
    dkey: &'m mut [f32],
    /// Those of a query's own write.
    own: &'m mut [f32],
    /// Weights, their gradients, and found or scaled values.
    weights: &'m mut [f32],
    dweights: &'m mut [f32],
    values: &'m mut [f32],
    /// Whether there is anything before the chunk.
    begins: bool,
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let sizes = self.head.sizes;
        let shape = Shape::new::<S>(sizes);
        let (keys, values, weights) = (shape.keys(), shape.values(), shape.weights());
        let state_t = shape.value * shape.padded_key;
        let (key_t, written_t) = (shape.key * shape.padded_chunk, shape.value * shape.padded_chunk);
        let mut buffer = Buffer::stale(
            2 * (Rows::memory(shape) + 2 * values + 2 * keys + weights)
                + 2 * (shape.state() + state_t)
                + key_t
                + written_t
                + keys
                + 3 * values
                + 2 * weights,
        );
        let mut rest = &mut *buffer;
        let mut take = |len| rest.split_off_mut(..len).expect("the sum of the parts");
        let [mut contexts, mut queries] = [(); 2].map(|()| Rows::new(shape, &mut take));
        let mut gradients = [(); 2].map(|()| Gradients {
            dout: take(values),
            dfound: take(values),
            dquery: take(keys),
            dkey: take(keys),
            similar: take(weights),
            dlog_reach: [0.0; CHUNK],
        });
        let [of_contexts, of_queries] = &mut gradients;
        let mut memory = Memory {
            state: take(shape.state()),
            state_t: take(state_t),
            dstate: take(shape.state()),
            dstate_t: take(state_t),
            key_t: take(key_t),
            written_t: take(written_t),
            dwritten: take(values),
            dkey: take(keys),
            own: take(values),
            weights: take(weights),
            dweights: take(weights),
            values: take(values),
            begins: false,
        };
        memory.dstate.fill(0.0);
        for chunk in (0..sizes.chunks()).rev() {
            let first = chunk * CHUNK;
            contexts.load(simd, &self.head, shape, first, None);
            self.load_gradient(simd, shape, of_contexts, first, contexts.count);
            self.load_state(simd, shape, &mut memory, chunk);
            let count = contexts.count;
            gather_transposed(
                simd,
                contexts.key,
                shape.padded_key,
                count,
                shape.key,
                shape.padded_chunk,
                memory.key_t,
            );
            self.write(simd, shape, &mut contexts, None, of_contexts, &mut memory);
            gather_transposed(
                simd,
                contexts.written,
                shape.padded_value,
                count,
                shape.value,
                shape.padded_chunk,
                memory.written_t,
            );
            let last = chunk + 1 == sizes.chunks();
            self.leave(simd, shape, &mut contexts, of_contexts, &mut memory, (!last).then_some(chunk + 1));
            if sizes.layout == TokenLayout::Paired {
                let start = sizes.contexts() + first;
                queries.load(simd, &self.head, shape, first, Some(&contexts));
                self.load_gradient(simd, shape, of_queries, start, count);
                self.write(simd, shape, &mut queries, Some(&contexts), of_queries, &mut memory);
                self.part(simd, shape, &queries, Some(&contexts), of_queries, &mut memory, start);
                // A query fades from the context before it: the first of a chunk from the state.
                for r in 1..count {
                    of_contexts.dlog_reach[r - 1] += of_queries.dlog_reach[r];
                }
                for r in 0..count {
                    self.log_decay[start + r][0] = of_queries.dlog_reach[r];
                }
            }
            self.part(simd, shape, &contexts, None, of_contexts, &mut memory, first);
            let mut sum = 0.0;
            for r in (0..count).rev() {
                sum += of_contexts.dlog_reach[r];
                self.log_decay[first + r][0] = sum;
            }
        }
    }
}

impl Backward<'_> {
    /// The gradients of what `count` tokens read, divided as the reads were.
    #[inline(always)]
    fn load_gradient<S: Simd>(
        &self,
        simd: S,
        shape: Shape,
        of: &mut Gradients<'_>,
        start: usize,
        count: usize,
    ) {
        let Head { sequence, h, sizes, .. } = self.head;
        let Sizes { tokens, heads, d_value, .. } = sizes;
        let dout = self.head.rows(self.dout, d_value, start);
        gather(simd, dout, heads * d_value, count, d_value, 1.0, shape.padded_value, of.dout);
        of.dlog_reach = [0.0; CHUNK];
        let Some(least) = sizes.normaliser else { return };
        for r in 0..count {
            let sum = self.saved.weight_sums[(sequence * heads + h) * tokens + start + r];
            let out = &self.head.rows(self.saved.out, d_value, start + r)[..d_value];
            let dout = &mut of.dout[r * shape.padded_value..];
            let denominator = sum.abs().max(least);
            let mut along = 0.0;
            for (dout, out) in dout.iter_mut().zip(out) {
                along += *dout * out;
                *dout /= denominator;
            }
            dout[d_value] = if sum.abs() > least { -along / sum } else { 0.0 };
        }
    }

    /// The state before a chunk, of its first values where they are kept.
    #[inline(always)]
    fn load_state<S: Simd>(&self, simd: S, shape: Shape, memory: &mut Memory<'_>, chunk: usize) {
        memory.begins = chunk == 0;
        if memory.begins {
            return;
        }
        let state = self.state(chunk);
        gather(simd, state, shape.value, shape.key, shape.value, 1.0, shape.padded_value, memory.state);
        gather_transposed(simd, state, shape.value, shape.key, shape.value, shape.padded_key, memory.state_t);
    }

    fn state(&self, chunk: usize) -> &[f32] {
        let Head { sequence, h, sizes, .. } = self.head;
        let first = ((sequence * sizes.heads + h) * sizes.chunks() + chunk) * sizes.state();
        &self.saved.states[first..][..sizes.state()]
    }

    /// What the tokens wrote, again.
    #[inline(always)]
    fn write<S: Simd>(
        &self,
        simd: S,
        shape: Shape,
        rows: &mut Rows<'_>,
        contexts: Option<&Rows<'_>>,
        of: &mut Gradients<'_>,
        memory: &mut Memory<'_>,
    ) {
        let rule = self.head.sizes.rule;
        let state = (!memory.begins).then_some(&*memory.state);
        write(simd, shape, rule, rows, contexts, memory.key_t, state, of.similar, memory.values);
    }

    /// From the gradient of the state after the chunk, which is that at the start of chunk `next`: the gradients of
    /// the contexts' keys and writes, and that of the state before.
    #[inline(always)]
    fn leave<S: Simd>(
        &self,
        simd: S,
        shape: Shape,
        contexts: &mut Rows<'_>,
        of: &mut Gradients<'_>,
        memory: &mut Memory<'_>,
        next: Option<usize>,
    ) {
        let (key, value, count) = (shape.padded_key, shape.padded_value, contexts.count);
        let Some(next) = next else {
            memory.dwritten[..count * value].fill(0.0);
            memory.dkey[..count * key].fill(0.0);
            return;
        };
        gather_transposed(simd, memory.dstate, value, shape.key, shape.value, key, memory.dstate_t);
        let keys = rows_of(contexts.key, key);
        let sizes = [count, shape.key, value];
        product::<S, false>(simd, keys, memory.dstate, value, memory.dwritten, value, sizes);
        let written = rows_of(contexts.written, value);
        let sizes = [count, shape.value, key];
        product::<S, false>(simd, written, memory.dstate_t, key, memory.dkey, key, sizes);
        if self.head.sizes.decays {
            let (tails, whole) = tails(simd, contexts);
            scale_rows(simd, memory.dwritten, value, &tails[..count]);
            scale_rows(simd, memory.dkey, key, &tails[..count]);
            let after = self.state(next).chunks_exact(shape.value);
            for (after, gradient) in after.zip(memory.dstate.chunks_exact(value)) {
                let [along] = sums!(simd: S, [after in after, gradient in &gradient[..shape.value]] {
                    [simd.mul_f32s(after, gradient)]
                });
                of.dlog_reach[count - 1] += along;
            }
            scale_rows(simd, memory.dstate, shape.state(), &[whole]);
        }
    }

    /// The gradients of one part of a chunk, whose first token is `start`; adds to those of the memory.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "the tokens and what they see")]
    fn part<S: Simd>(
        &mut self,
        simd: S,
        shape: Shape,
        rows: &Rows<'_>,
        contexts: Option<&Rows<'_>>,
        of: &mut Gradients<'_>,
        memory: &mut Memory<'_>,
        start: usize,
    ) {
        let Sizes { rule, d_key, d_value, decays, .. } = self.head.sizes;
        let (key, value, count) = (shape.padded_key, shape.padded_value, rows.count);
        let queries = contexts.is_some();
        let contexts = contexts.unwrap_or(rows);
        // The reads by queries: weights, then their gradients.
        for tile in tiles(count) {
            let query = rows_of(&rows.query[tile.first * key..], key);
            let at = tile.first * shape.padded_chunk;
            let weights = &mut memory.weights[at..];
            compare(simd, shape, tile, query, memory.key_t, shape.key, &rows.fade[at..], weights);
        }
        let dlog_reach = &mut of.dlog_reach;
        let weights = Some(&*memory.weights);
        let mut reads = Reads {
            written_t: memory.written_t,
            state_t: (!memory.begins).then_some(&*memory.state_t),
            dstate: memory.dstate,
            dwritten: memory.dwritten,
            dkey: memory.dkey,
            dweights: memory.dweights,
            values: memory.values,
            contexts,
            decays,
        };
        reads.backward(simd, shape, rows, rows.query, of.dout, weights, of.dquery, dlog_reach);
        let own = if queries { &mut *memory.own } else { &mut *reads.dwritten };
        for r in 0..count {
            let (gradient, row) = (&of.dout[r * value..][..value], &mut own[r * value..][..value]);
            if queries {
                row.fill(0.0);
            }
            add_scaled(simd, rows.own(simd, shape, r), gradient, row);
        }
        // The writes, and the reads by keys.
        if rule == WriteRule::Delta && !queries {
            solve_backward(simd, shape, rows, of.similar, own, of.dfound);
        } else {
            for r in 0..count {
                negate(simd, shape, rows, r, own, of.dfound);
            }
        }
        for r in 0..count {
            let change = &rows.change[r * value..][..value];
            self.write[start + r][0] = dot(simd, change, &own[r * value..][..value]);
        }
        if rule == WriteRule::Delta {
            let weights = queries.then_some(&*of.similar);
            reads.backward(simd, shape, rows, rows.key, of.dfound, weights, of.dkey, dlog_reach);
        } else {
            of.dkey[..count * key].fill(0.0);
        }
        for (r, dlog_reach) in dlog_reach.iter_mut().enumerate().take(count) {
            let (dquery, dkey) = (&mut of.dquery[r * key..][..key], &mut of.dkey[r * key..][..key]);
            if !queries {
                let where_written = &reads.dkey[r * key..][..key];
                if decays {
                    *dlog_reach -= dot(simd, rows.key(shape, r), where_written);
                }
                add_scaled(simd, 1.0, where_written, dkey);
            }
            let slope = dot(simd, &of.dout[r * value..][..value], rows.written(shape, r));
            add_scaled(simd, slope, rows.key(shape, r), dquery);
            add_scaled(simd, slope, rows.query(shape, r), dkey);
            self.query[start + r].copy_from_slice(&dquery[..d_key]);
            self.key[start + r].copy_from_slice(&dkey[..d_key]);
            let dfound = &of.dfound[r * value..][..d_value];
            update!(simd: S, [negative in dfound], [out in &mut *self.value[start + r]] {
                out = simd.neg_f32s(negative);
            });
        }
    }
}

/// What reads of one part take part in.
struct Reads<'m> {
    written_t: &'m [f32],
    state_t: Option<&'m [f32]>,
    dstate: &'m mut [f32],
    dwritten: &'m mut [f32],
    dkey: &'m mut [f32],
    dweights: &'m mut [f32],
    values: &'m mut [f32],
    contexts: &'m Rows<'m>,
    decays: bool,
}

impl Reads<'_> {
    /// The gradients of reads by `by`, the queries or keys of `rows`, given those of what they find: writes that of
    /// `by`, and adds to those of the memory and of the decay. With `weights`, the reads' own, to those of the writes.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "a read, its gradients, and where they go")]
    fn backward<S: Simd>(
        &mut self,
        simd: S,
        shape: Shape,
        rows: &Rows<'_>,
        by: &[f32],
        dfound: &[f32],
        weights: Option<&[f32]>,
        dby: &mut [f32],
        dlog_reach: &mut [f32; CHUNK],
    ) {
        let (key, value, chunk) = (shape.padded_key, shape.padded_value, shape.padded_chunk);
        for tile in tiles(rows.count) {
            let (found, by) = (&dfound[tile.first * value..], &by[tile.first * key..]);
            let at = tile.first * chunk;
            let fade = &rows.fade[at..];
            compare(
                simd,
                shape,
                tile,
                rows_of(found, value),
                self.written_t,
                shape.value,
                fade,
                self.dweights,
            );
            let to = &mut dby[tile.first * key..];
            let sizes = [tile.rows, tile.seen, key];
            product::<S, false>(simd, rows_of(self.dweights, chunk), self.contexts.key, key, to, key, sizes);
            let sizes = [tile.seen, tile.rows, key];
            product::<S, true>(simd, columns_of(self.dweights, chunk), by, key, self.dkey, key, sizes);
            if let Some(weights) = weights {
                let sizes = [tile.seen, tile.rows, value];
                let weights = columns_of(&weights[at..], chunk);
                product::<S, true>(simd, weights, found, value, self.dwritten, value, sizes);
            }
        }
        if let Some(state_t) = self.state_t {
            self.values[..rows.count * value].copy_from_slice(&dfound[..rows.count * value]);
            scale_rows(simd, self.values, value, &rows.reach[..rows.count]);
            let faded = rows_of(self.values, value);
            product::<S, true>(simd, faded, state_t, key, dby, key, [rows.count, shape.value, key]);
            let sizes = [shape.key, rows.count, value];
            product::<S, true>(simd, columns_of(by, key), self.values, value, self.dstate, value, sizes);
        }
        for r in 0..if self.decays { rows.count } else { 0 } {
            dlog_reach[r] += dot(simd, &by[r * key..][..key], &dby[r * key..][..key]);
        }
    }
}
