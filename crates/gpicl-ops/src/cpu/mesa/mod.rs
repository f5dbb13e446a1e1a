//! Ridge regression on kernels of keys, at every position: see [`crate::mesa`].
//!
//! A position regresses on the first keys, as many as it sees. With `G + ridge = U' U` (Cholesky) and `R = U^-1`, the regression
//! on the first `n` keys has the leading `n x n` blocks of `U` and `R`: one factor serves all positions. A position whose
//! kernel values with the keys it sees are `c` gets `(c R) (R' V)`.

mod factor;
mod head;

use rayon::prelude::*;

use self::head::Head;
use super::dispatch::run;
use crate::AttentionMask;

/// The sizes of one call. `qkv` is `[batch, time, 3 * heads * d_head]`, the output `[batch, time, heads * d_head]`.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Positions of a sequence.
    pub time: usize,
    /// Heads, side by side in the model's width.
    pub heads: usize,
    /// Width of a head.
    pub d_head: usize,
    /// Which positions have keys; each sees those before its own, which is none of them.
    pub mask: AttentionMask,
}

impl Sizes {
    fn d_model(self) -> usize {
        self.heads * self.d_head
    }

    /// Positions that others regress on: they come first.
    fn keys(self) -> usize {
        self.mask.keys(self.time)
    }

    /// Keys that a position sees.
    fn seen(self, position: usize) -> usize {
        if position < self.keys() { position } else { position - self.keys() }
    }
}

/// What a head has besides its tokens: `temperature` multiplies `cosine - 1` in the exponent, `ridge` is added to the
/// kernel matrix; `[heads]` each.
#[derive(Clone, Copy, Debug)]
pub struct Scales<'a> {
    /// Of the kernel.
    pub temperature: &'a [f32],
    /// Of the regression.
    pub ridge: &'a [f32],
}

/// All sequences of the batch; writes the output.
pub fn forward(qkv: &[f32], scales: Scales<'_>, out: &mut [f32], sizes: Sizes) {
    let (d_model, time) = (sizes.d_model(), sizes.time);
    let sequences = (qkv.par_chunks(3 * time * d_model), out.par_chunks_mut(time * d_model));
    sequences.into_par_iter().for_each(|(qkv, out)| run(Forward { qkv, scales, out, sizes }));
}

/// Gradients of the tokens and, `[batch, heads]`, of both scales.
pub struct Gradients<'a> {
    /// As `qkv`.
    pub qkv: &'a mut [f32],
    /// Of the temperature.
    pub temperature: &'a mut [f32],
    /// Of the ridge.
    pub ridge: &'a mut [f32],
}

/// The gradients for those of the output, `dout`; all values of `grads` are written.
pub fn backward(qkv: &[f32], scales: Scales<'_>, dout: &[f32], grads: Gradients<'_>, sizes: Sizes) {
    let (d_model, time, heads) = (sizes.d_model(), sizes.time, sizes.heads);
    let sequences = (
        qkv.par_chunks(3 * time * d_model),
        dout.par_chunks(time * d_model),
        grads.qkv.par_chunks_mut(3 * time * d_model),
        grads.temperature.par_chunks_mut(heads),
        grads.ridge.par_chunks_mut(heads),
    );
    sequences.into_par_iter().for_each(|(qkv, dout, dqkv, dtemperature, dridge)| {
        run(Backward { qkv, scales, dout, dqkv, dtemperature, dridge, sizes });
    });
}

/// Queries `[batch, queries, 3 * heads * d_head]` that each regress on the whole of a context, `[batch, examples, 2 * heads *
/// d_head]` of keys and values.
pub fn queries(
    qkv: &[f32],
    context: &[f32],
    scales: Scales<'_>,
    out: &mut [f32],
    [queries, examples]: [usize; 2],
    [heads, d_head]: [usize; 2],
) {
    let d_model = heads * d_head;
    let sequences = (
        qkv.par_chunks(3 * queries * d_model),
        context.par_chunks(2 * examples * d_model),
        out.par_chunks_mut(queries * d_model),
    );
    sequences.into_par_iter().for_each(|(qkv, context, out)| {
        run(Queries { qkv, context, scales, out, queries, examples, heads, d_head });
    });
}

struct Forward<'a> {
    qkv: &'a [f32],
    scales: Scales<'a>,
    out: &'a mut [f32],
    sizes: Sizes,
}

impl pulp::WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) {
        let Self { qkv, scales, out, sizes } = self;
        let (d_model, d_head) = (sizes.d_model(), sizes.d_head);
        for h in 0..sizes.heads {
            let [query, key, value] = [0, 1, 2].map(|part| &qkv[part * d_model + h * d_head..]);
            let mut head = Head::new(simd, sizes.keys(), sizes.time, d_head);
            head.read(simd, (key, 3 * d_model), (value, 3 * d_model), scales.at(h));
            head.ask(simd, (query, 3 * d_model), |position| sizes.seen(position));
            head.write(simd, &mut out[h * d_head..], d_model);
        }
    }
}

impl Scales<'_> {
    fn at(self, head: usize) -> [f32; 2] {
        [self.temperature[head], self.ridge[head]]
    }
}

struct Backward<'a> {
    qkv: &'a [f32],
    scales: Scales<'a>,
    dout: &'a [f32],
    dqkv: &'a mut [f32],
    dtemperature: &'a mut [f32],
    dridge: &'a mut [f32],
    sizes: Sizes,
}

impl pulp::WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) {
        let Self { qkv, scales, dout, dqkv, dtemperature, dridge, sizes } = self;
        let (d_model, d_head) = (sizes.d_model(), sizes.d_head);
        // Keys and values of positions that nobody sees have no gradient.
        dqkv.fill(0.0);
        for h in 0..sizes.heads {
            let [query, key, value] = [0, 1, 2].map(|part| &qkv[part * d_model + h * d_head..]);
            let mut head = Head::new(simd, sizes.keys(), sizes.time, d_head);
            head.read(simd, (key, 3 * d_model), (value, 3 * d_model), scales.at(h));
            head.ask(simd, (query, 3 * d_model), |position| sizes.seen(position));
            let at = [0, 1, 2].map(|part| part * d_model + h * d_head);
            let seen = |position| sizes.seen(position);
            let grads = head.backward(simd, (&dout[h * d_head..], d_model), seen, (dqkv, at, 3 * d_model));
            [dtemperature[h], dridge[h]] = grads;
        }
    }
}

struct Queries<'a> {
    qkv: &'a [f32],
    context: &'a [f32],
    scales: Scales<'a>,
    out: &'a mut [f32],
    queries: usize,
    examples: usize,
    heads: usize,
    d_head: usize,
}

impl pulp::WithSimd for Queries<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) {
        let Self { qkv, context, scales, out, queries, examples, heads, d_head } = self;
        let d_model = heads * d_head;
        for h in 0..heads {
            let [key, value] = [0, 1].map(|part| &context[part * d_model + h * d_head..]);
            let mut head = Head::new(simd, examples, queries, d_head);
            head.read(simd, (key, 2 * d_model), (value, 2 * d_model), scales.at(h));
            head.ask(simd, (&qkv[h * d_head..], 3 * d_model), |_| examples);
            head.write(simd, &mut out[h * d_head..], d_model);
        }
    }
}
