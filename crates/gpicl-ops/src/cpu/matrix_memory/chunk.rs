//! The tokens of one chunk, and what both passes compute of them.

use pulp::Simd;

use super::{Head, Sizes};
use crate::WriteRule;
use crate::cpu::{
    gather::gather,
    simd::{exp, update},
    tile::{Factor, dot, product},
};

/// Tokens of a chunk.
pub const CHUNK: usize = 32;
/// Rows of comparisons made at a time: they need not be compared with later tokens.
const TILE: usize = 16;
/// Rows that the substitution solves one after another; what earlier ones give to them is a product.
const SOLVED: usize = 8;

/// The sizes of a head's matrices; rows are padded to whole vectors.
#[derive(Clone, Copy)]
pub struct Shape {
    pub key: usize,
    pub value: usize,
    pub padded_key: usize,
    pub padded_value: usize,
    pub padded_chunk: usize,
}

impl Shape {
    pub fn new<S: Simd>(sizes: Sizes) -> Self {
        let (key, value) = (sizes.d_key, sizes.width());
        let padded = |len: usize| len.next_multiple_of(S::F32_LANES);
        Self { key, value, padded_key: padded(key), padded_value: padded(value), padded_chunk: padded(CHUNK) }
    }

    /// Values of a chunk's keys, of its values, of its comparisons, and of a state.
    pub fn keys(self) -> usize {
        CHUNK * self.padded_key
    }

    pub fn values(self) -> usize {
        CHUNK * self.padded_value
    }

    pub fn weights(self) -> usize {
        CHUNK * self.padded_chunk
    }

    pub fn state(self) -> usize {
        self.key * self.padded_value
    }
}

/// A chunk's tokens of one part of the sequence: the contexts, or the queries of the paired layout, each of which
/// writes for itself alone. The `r`-th token sees the writes of the chunk's first `r` contexts, and its own.
pub struct Rows<'m> {
    pub count: usize,
    /// `[CHUNK, padded_key]`.
    pub query: &'m mut [f32],
    pub key: &'m mut [f32],
    /// What each writes before and after its write strength, `[CHUNK, padded_value]`. Before [`write`], the values.
    pub change: &'m mut [f32],
    pub written: &'m mut [f32],
    /// Decay from each context before a token to the token, zero for other contexts, `[CHUNK, padded_chunk]`.
    pub fade: &'m mut [f32],
    /// Write strengths.
    pub write: [f32; CHUNK],
    /// Decay from the chunk's start to each token, and its logarithm.
    pub reach: [f32; CHUNK],
    pub log_reach: [f32; CHUNK],
}

impl<'m> Rows<'m> {
    /// Takes its memory from `take`.
    pub fn new(shape: Shape, mut take: impl FnMut(usize) -> &'m mut [f32]) -> Self {
        Self {
            count: 0,
            query: take(shape.keys()),
            key: take(shape.keys()),
            change: take(shape.values()),
            written: take(shape.values()),
            fade: take(shape.weights()),
            write: [0.0; CHUNK],
            reach: [1.0; CHUNK],
            log_reach: [0.0; CHUNK],
        }
    }

    /// Memory that [`Rows::new`] takes.
    pub fn memory(shape: Shape) -> usize {
        2 * shape.keys() + 2 * shape.values() + shape.weights()
    }

    /// Reads the chunk that starts with context `first`. Queries come after `contexts`, whose chunk is loaded.
    #[inline(always)]
    pub fn load<S: Simd>(
        &mut self,
        simd: S,
        head: &Head<'_>,
        shape: Shape,
        first: usize,
        contexts: Option<&Rows<'_>>,
    ) {
        let Sizes { heads, d_key, d_value, decays, .. } = head.sizes;
        self.count = CHUNK.min(head.sizes.contexts() - first);
        let start = first + if contexts.is_some() { head.sizes.contexts() } else { 0 };
        let (count, tokens) = (self.count, head.tokens);
        let (key, value) = (shape.padded_key, shape.padded_value);
        let rows = |of, width| head.rows(of, width, start);
        gather(simd, rows(tokens.query, d_key), heads * d_key, count, d_key, 1.0, key, self.query);
        gather(simd, rows(tokens.key, d_key), heads * d_key, count, d_key, 1.0, key, self.key);
        gather(simd, rows(tokens.value, d_value), heads * d_value, count, d_value, 1.0, value, self.change);
        if head.sizes.normaliser.is_some() {
            self.change.chunks_exact_mut(value).take(count).for_each(|row| row[d_value] = 1.0);
        }
        for r in 0..count {
            self.write[r] = head.scalar(tokens.write, start + r);
        }
        if decays {
            let mut sum = 0.0;
            for r in 0..count {
                let log_decay = head.scalar(tokens.log_decay, start + r);
                if let Some(contexts) = contexts {
                    sum = if r == 0 { 0.0 } else { contexts.log_reach[r - 1] };
                }
                sum += log_decay;
                self.log_reach[r] = sum;
            }
            update!(simd: S, [log in &self.log_reach[..]], [reach in &mut self.reach[..]] {
                reach = exp(simd, log);
            });
        }
        let until = contexts.map_or(&self.log_reach, |contexts| &contexts.log_reach);
        for r in 0..count {
            let (seen, unseen) = self.fade[r * shape.padded_chunk..][..shape.padded_chunk].split_at_mut(r);
            unseen.fill(0.0);
            if decays {
                let from = simd.splat_f32s(self.log_reach[r]);
                update!(simd: S, [until in &until[..r]], [fade in seen] {
                    fade = exp(simd, simd.sub_f32s(from, until));
                });
            } else {
                seen.fill(1.0);
            }
        }
    }

    pub fn query(&self, shape: Shape, r: usize) -> &[f32] {
        &self.query[r * shape.padded_key..][..shape.padded_key]
    }

    pub fn key(&self, shape: Shape, r: usize) -> &[f32] {
        &self.key[r * shape.padded_key..][..shape.padded_key]
    }

    pub fn written(&self, shape: Shape, r: usize) -> &[f32] {
        &self.written[r * shape.padded_value..][..shape.padded_value]
    }

    /// The weight of a token's own write in its read.
    #[inline(always)]
    pub fn own<S: Simd>(&self, simd: S, shape: Shape, r: usize) -> f32 {
        dot(simd, self.query(shape, r), self.key(shape, r))
    }
}

/// A matrix whose rows follow each other, each on its padding.
pub fn rows_of(data: &[f32], row: usize) -> Factor<'_> {
    Factor { data, row, column: 1 }
}

/// The transpose of such a matrix.
pub fn columns_of(data: &[f32], row: usize) -> Factor<'_> {
    Factor { data, row: 1, column: row }
}

/// Some rows of a chunk: the first of them, their number, and how many contexts the last of them sees.
#[derive(Clone, Copy)]
pub struct Tile {
    pub first: usize,
    pub rows: usize,
    pub seen: usize,
}

/// A chunk of `count` rows in tiles.
pub fn tiles(count: usize) -> impl Iterator<Item = Tile> {
    (0..count).step_by(TILE).map(move |first| {
        let rows = TILE.min(count - first);
        Tile { first, rows, seen: first + rows - 1 }
    })
}

/// `weights = fade * (x y)` for a tile, of the contexts that it sees: `x` are its rows `[rows, inner]`, `y` the
/// contexts transposed, `[inner, padded_chunk]`.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "a product of two factors, and what masks it")]
pub fn compare<S: Simd>(
    simd: S,
    shape: Shape,
    tile: Tile,
    x: Factor<'_>,
    y: &[f32],
    inner: usize,
    fade: &[f32],
    weights: &mut [f32],
) {
    let row = shape.padded_chunk;
    let columns = tile.seen.next_multiple_of(S::F32_LANES);
    product::<S, false>(simd, x, y, row, weights, row, [tile.rows, inner, columns]);
    for r in 0..tile.rows {
        let at = r * row;
        update!(simd: S, [fade in &fade[at..][..columns]], [weight in &mut weights[at..][..columns]] {
            weight = simd.mul_f32s(weight, fade);
        });
    }
}

/// Multiplies each of `count` rows with its factor.
#[inline(always)]
pub fn scale_rows<S: Simd>(simd: S, rows: &mut [f32], width: usize, factors: &[f32]) {
    for (row, &factor) in rows.chunks_exact_mut(width).zip(factors) {
        let factor = simd.splat_f32s(factor);
        update!(simd: S, [], [x in row] {
            x = simd.mul_f32s(x, factor);
        });
    }
}

/// `to += factor * from`.
#[inline(always)]
pub fn add_scaled<S: Simd>(simd: S, factor: f32, from: &[f32], to: &mut [f32]) {
    let factor = simd.splat_f32s(factor);
    update!(simd: S, [from in from], [to in to] {
        to = simd.mul_add_e_f32s(from, factor, to);
    });
}

/// What rows of keys or queries find in the state before the chunk; nothing in the first chunk's.
#[inline(always)]
pub fn recall<S: Simd>(
    simd: S,
    shape: Shape,
    rows: &Rows<'_>,
    read: &[f32],
    state: Option<&[f32]>,
    to: &mut [f32],
) {
    let width = shape.padded_value;
    let Some(state) = state else { return to[..rows.count * width].fill(0.0) };
    let sizes = [rows.count, shape.key, width];
    product::<S, false>(simd, rows_of(read, shape.padded_key), state, width, to, width, sizes);
    scale_rows(simd, to, width, &rows.reach[..rows.count]);
}

/// What the tokens write. With the delta rule, `similar` takes their keys' weights on the contexts', and `found` what
/// their keys find in the memory.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "the tokens, what they see, and two results")]
pub fn write<S: Simd>(
    simd: S,
    shape: Shape,
    rule: WriteRule,
    rows: &mut Rows<'_>,
    contexts: Option<&Rows<'_>>,
    key_t: &[f32],
    state: Option<&[f32]>,
    similar: &mut [f32],
    found: &mut [f32],
) {
    let (width, chunk) = (shape.padded_value, shape.padded_chunk);
    if rule == WriteRule::Delta {
        recall(simd, shape, rows, rows.key, state, found);
        for tile in tiles(rows.count) {
            let keys = rows_of(&rows.key[tile.first * shape.padded_key..], shape.padded_key);
            let at = tile.first * chunk;
            compare(simd, shape, tile, keys, key_t, shape.key, &rows.fade[at..], &mut similar[at..]);
            if let Some(contexts) = contexts {
                let sizes = [tile.rows, tile.seen, width];
                let found = &mut found[tile.first * width..];
                product::<S, true>(
                    simd,
                    rows_of(&similar[at..], chunk),
                    contexts.written,
                    width,
                    found,
                    width,
                    sizes,
                );
            }
        }
    }
    for first in (0..rows.count).step_by(SOLVED) {
        let solved = SOLVED.min(rows.count - first);
        let solves = rule == WriteRule::Delta && contexts.is_none();
        if solves {
            let weights = rows_of(&similar[first * chunk..], chunk);
            let found = &mut found[first * width..];
            product::<S, true>(simd, weights, rows.written, width, found, width, [solved, first, width]);
        }
        for r in first..first + solved {
            if solves {
                let weights = rows_of(&similar[r * chunk + first..], chunk);
                let (before, found) = (&rows.written[first * width..], &mut found[r * width..]);
                product::<S, true>(simd, weights, before, width, found, width, [1, r - first, width]);
            }
            let strength = simd.splat_f32s(rows.write[r]);
            let row = r * width..(r + 1) * width;
            let (change, written) = (&mut rows.change[row.clone()], &mut rows.written[row.clone()]);
            if rule == WriteRule::Delta {
                update!(simd: S, [found in &found[row]], [change in change, written in written] {
                    change = simd.sub_f32s(change, found);
                    written = simd.mul_f32s(change, strength);
                });
            } else {
                update!(simd: S, [change in &*change], [written in written] {
                    written = simd.mul_f32s(change, strength);
                });
            }
        }
    }
}

/// Substitution from the last context to the first: adds to the gradient of each write what the changes after it
/// get from it, and writes the negative gradients of the changes.
#[inline(always)]
pub fn solve_backward<S: Simd>(
    simd: S,
    shape: Shape,
    rows: &Rows<'_>,
    similar: &[f32],
    dwritten: &mut [f32],
    dfound: &mut [f32],
) {
    let (width, chunk) = (shape.padded_value, shape.padded_chunk);
    for first in (0..rows.count).step_by(SOLVED).rev() {
        let end = (first + SOLVED).min(rows.count);
        for r in (first..end).rev() {
            if r + 1 < end {
                let weights = columns_of(&similar[(r + 1) * chunk + r..], chunk);
                let (after, to) = (&dfound[(r + 1) * width..], &mut dwritten[r * width..]);
                product::<S, true>(simd, weights, after, width, to, width, [1, end - r - 1, width]);
            }
            negate(simd, shape, rows, r, dwritten, dfound);
        }
        let weights = columns_of(&similar[first * chunk..], chunk);
        let sizes = [first, end - first, width];
        product::<S, true>(simd, weights, &dfound[first * width..], width, dwritten, width, sizes);
    }
}

/// The negative gradient of a change, given that of what is written.
#[inline(always)]
pub fn negate<S: Simd>(
    simd: S,
    shape: Shape,
    rows: &Rows<'_>,
    r: usize,
    dwritten: &[f32],
    dfound: &mut [f32],
) {
    let row = r * shape.padded_value..(r + 1) * shape.padded_value;
    let strength = simd.splat_f32s(-rows.write[r]);
    update!(simd: S, [gradient in &dwritten[row.clone()]], [negative in &mut dfound[row]] {
        negative = simd.mul_f32s(gradient, strength);
    });
}

/// The decay from each context to the chunk's end, and from its start to its end.
#[inline(always)]
pub fn tails<S: Simd>(simd: S, contexts: &Rows<'_>) -> ([f32; CHUNK], f32) {
    let last = contexts.count - 1;
    let end = simd.splat_f32s(contexts.log_reach[last]);
    let mut tails = [1.0; CHUNK];
    update!(simd: S, [log in &contexts.log_reach[..=last]], [tail in &mut tails[..=last]] {
        tail = exp(simd, simd.sub_f32s(end, log));
    });
    (tails, contexts.reach[last])
}
