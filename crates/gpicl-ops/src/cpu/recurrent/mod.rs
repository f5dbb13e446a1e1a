//! Scans of recurrent networks: one [`Cell`] stepped along the tokens of every sequence, and back.
//!
//! The input's share of the gates is a matrix product over all tokens and is made before. What is left of a step is
//! the product of the last outputs with the recurrent weight, `h W`, and the cell's functions. A thread takes some
//! sequences through all of their tokens, so that nobody waits for anybody between steps, and multiplies with a weight
//! that was packed once ([`Packed`]). Its gradient is one product over all steps at the end. No sum spans sequences
//! before that, so results do not depend on how they are shared out.
//!
//! In the paired layout only contexts carry the state along: query `j` starts from the same state as context `j`, and
//! shares its product `h W`.

mod backward;
mod forward;
mod gru;
mod lstm;
mod queries;

use pulp::Simd;

pub use backward::{Saved, backward};
pub use forward::forward;
pub use gru::Gru;
pub use lstm::Lstm;
pub use queries::queries;

use crate::TokenLayout;

/// Sequences that a thread steps at once: their products share one pass over the weight.
const ROWS: usize = 48;
/// Scratch rows begin this much further apart than they are long: a power of two would put all into one cache set.
const APART: usize = 16;

/// The sizes of one call. Gates are `[batch, tokens, GATES * hidden]`, outputs and memory `[batch, tokens, hidden]`.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Sequences.
    pub batch: usize,
    /// Tokens of a sequence.
    pub tokens: usize,
    /// Units.
    pub hidden: usize,
    /// Which tokens carry the state.
    pub layout: TokenLayout,
}

impl Sizes {
    /// Steps of the state: tokens that carry it. They come first.
    pub fn steps(self) -> usize {
        match self.layout {
            TokenLayout::Shifted => self.tokens,
            TokenLayout::Paired => self.tokens / 2,
        }
    }

    /// The token that starts from the same state as token `step` and whose own is thrown away.
    fn query(self, step: usize) -> Option<usize> {
        (self.layout == TokenLayout::Paired).then(|| self.steps() + step)
    }

    /// Sequences of a task: equal shares of the threads, at most [`ROWS`].
    fn rows(self) -> usize {
        let tasks = self.batch.div_ceil(ROWS).next_multiple_of(rayon::current_num_threads());
        self.batch.div_ceil(tasks).max(1)
    }
}

/// The functions of one token, `hidden` values of each of [`Cell::GATES`] gates side by side.
pub trait Cell: Copy + Send + Sync {
    /// Blocks of `hidden` columns in the gates and in the recurrent weight.
    const GATES: usize;
    /// Whether the gradient of the recurrent product is that of the gates.
    const ONE_GRADIENT: bool;

    /// One token of one sequence.
    fn forward<S: Simd>(self, simd: S, token: Token<'_>);
    /// The gradients of one token.
    fn backward<S: Simd>(self, simd: S, token: TokenGradient<'_>);
}

/// A token on the way forward.
pub struct Token<'a> {
    /// The input's share of the gates; becomes the gates.
    pub gates: &'a mut [f32],
    /// The recurrent share: last output times recurrent weight.
    pub product: &'a [f32],
    /// The token before; zeros at the start.
    pub before: Before<'a>,
    /// The output.
    pub out: &'a mut [f32],
    /// What the cell keeps besides: for the next token, or for its gradient.
    pub memory: &'a mut [f32],
}

/// A token on the way back.
pub struct TokenGradient<'a> {
    /// The gates; become the gradient of the input's share.
    pub gates: &'a mut [f32],
    /// What the cell kept.
    pub memory: &'a [f32],
    /// The token before; zeros at the start.
    pub before: Before<'a>,
    /// Gradients of the output: of its own uses, and through the next recurrent product.
    pub dout: [&'a [f32]; 2],
    /// Gradient that bypasses the product, from the next token to this one; becomes that to the one before.
    pub carry: &'a mut [f32],
    /// Becomes the gradient of the recurrent product.
    pub dproduct: &'a mut [f32],
}

/// Output and memory of the token before.
#[derive(Clone, Copy)]
pub struct Before<'a> {
    /// Its output.
    pub out: &'a [f32],
    /// What the cell kept.
    pub memory: &'a [f32],
}

impl Before<'_> {
    /// `count` sequences' rows of `hidden` values, from sequence `first` on.
    #[inline(always)]
    fn rows(self, first: usize, count: usize, hidden: usize) -> Self {
        let rows = first * hidden..(first + count) * hidden;
        Self { out: &self.out[rows.clone()], memory: &self.memory[rows] }
    }
}

/// A row's blocks of `hidden` values.
#[inline(always)]
fn blocks<const N: usize>(row: &[f32]) -> [&[f32]; N] {
    let mut blocks = row.chunks_exact(row.len() / N);
    std::array::from_fn(|_| blocks.next().expect("N blocks"))
}

/// As [`blocks`], to write.
#[inline(always)]
fn blocks_mut<const N: usize>(row: &mut [f32]) -> [&mut [f32]; N] {
    let mut blocks = row.chunks_exact_mut(row.len() / N);
    std::array::from_fn(|_| blocks.next().expect("N blocks"))
}
