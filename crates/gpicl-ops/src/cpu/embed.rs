//! Tokens from embedded inputs, and back: what stands beside the matrix product of the embedding.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{buffer::Buffer, dispatch::run, simd::update, sum};
use crate::TokenLayout;

/// Episodes whose share in the gradients of labels and positions is summed by one task.
const EPISODES: usize = 8;

/// Sizes, and what is not a gradient.
#[derive(Clone, Copy)]
pub struct Tokens<'a> {
    /// Label of every example, `[batch, time]`.
    pub labels: &'a [usize],
    /// Examples of an episode.
    pub time: usize,
    /// Width of a token.
    pub d_model: usize,
    /// Factor of the label's row.
    pub scale: f32,
    /// Which token carries which label.
    pub layout: TokenLayout,
}

impl Tokens<'_> {
    /// The label on token `at` of an episode with these labels; none on a query and on the first shifted token.
    fn label(&self, labels: &[usize], at: usize) -> Option<usize> {
        match self.layout {
            TokenLayout::Shifted => at.checked_sub(1).map(|before| labels[before]),
            TokenLayout::Paired => labels.get(at).copied(),
        }
    }
}

/// Writes the tokens `[batch, tokens, d_model]`: embedded inputs `[batch, time, d_model]`, plus positions
/// `[time, d_model]`, plus the scaled row of `label` `[classes, d_model]`.
pub fn forward(inputs: &[f32], label: &[f32], position: &[f32], out: &mut [f32], tokens: Tokens<'_>) {
    let Tokens { time, d_model, layout, .. } = tokens;
    let zeros = Buffer::zeros(d_model);
    let episodes = (
        out.par_chunks_mut(layout.tokens(time) * d_model),
        inputs.par_chunks(time * d_model),
        tokens.labels.par_chunks(time),
    );
    episodes.into_par_iter().for_each(|(out, inputs, labels)| {
        for (at, out) in out.chunks_exact_mut(d_model).enumerate() {
            let row = at % time * d_model..(at % time + 1) * d_model;
            let label = match tokens.label(labels, at) {
                Some(class) => &label[class * d_model..][..d_model],
                None => &zeros,
            };
            run(Token {
                input: &inputs[row.clone()],
                position: &position[row],
                label,
                scale: tokens.scale,
                out,
            });
        }
    });
}

/// Given the gradient `dout` of the tokens, writes those of the embedded inputs (the paired layout only: in the shifted
/// one it is `dout`), labels and positions.
pub fn backward(
    dout: &[f32],
    dinputs: &mut [f32],
    dlabel: &mut [f32],
    dposition: &mut [f32],
    tokens: Tokens<'_>,
) {
    let Tokens { time, d_model, layout, .. } = tokens;
    let count = layout.tokens(time);
    if layout == TokenLayout::Paired {
        let episodes = (dinputs.par_chunks_mut(time * d_model), dout.par_chunks(2 * time * d_model));
        episodes.into_par_iter().for_each(|(dinputs, dout)| {
            let (context, query) = dout.split_at(time * d_model);
            super::affine::add(context, query, dinputs);
        });
    }
    let size = dlabel.len() + dposition.len();
    let pieces = tokens.labels.len().div_ceil(EPISODES * time);
    let mut partial = Buffer::zeros(pieces * size);
    let parts = (
        partial.par_chunks_mut(size),
        tokens.labels.par_chunks(EPISODES * time),
        dout.par_chunks(EPISODES * count * d_model),
    );
    parts.into_par_iter().for_each(|(partial, labels, dout)| {
        let (dlabel, dposition) = partial.split_at_mut(dlabel.len());
        for (labels, dout) in labels.chunks_exact(time).zip(dout.chunks_exact(count * d_model)) {
            for (at, dout) in dout.chunks_exact(d_model).enumerate() {
                sum::add_rows(dout, &mut dposition[at % time * d_model..][..d_model]);
                if let Some(class) = tokens.label(labels, at) {
                    sum::add_rows(dout, &mut dlabel[class * d_model..][..d_model]);
                }
            }
        }
    });
    let mut total = Buffer::zeros(size);
    sum::add_rows(&partial, &mut total);
    dposition.copy_from_slice(&total[dlabel.len()..]);
    dlabel.iter_mut().zip(total.iter()).for_each(|(out, sum)| *out = tokens.scale * sum);
}

struct Token<'a> {
    input: &'a [f32],
    position: &'a [f32],
    label: &'a [f32],
    scale: f32,
    out: &'a mut [f32],
}

impl WithSimd for Token<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let scale = simd.splat_f32s(self.scale);
        update!(simd: S, [x in self.input, position in self.position, label in self.label], [out in self.out] {
            out = simd.mul_add_e_f32s(label, scale, simd.add_f32s(x, position));
        });
    }
}
