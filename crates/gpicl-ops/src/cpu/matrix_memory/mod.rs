//! Matrix memories: a head's state is a matrix that every token decays, writes an outer product to, and reads.
//!
//! Both passes work on chunks of [`CHUNK`] tokens. Within a chunk a read is a masked product of queries, keys and
//! writes, as in attention; between chunks the state is carried (Hua et al. 2022; Sun et al. 2023). With the delta rule
//! a chunk's writes are the solution of a triangular system, the UT transform of Yang et al. (2024), solved by
//! substitution as the state before it is known. The backward pass has the states at the chunks' starts, and makes the
//! rest again.
//!
//! A forward scan token by token, with the state in the first cache, was measured beside it for heads of 16, 32 and 64
//! at 100 examples. It was never clearly faster, and up to 2.7 times slower where the state fades.
//!
//! Decays enter as sums of their logarithms: the factor from one token to a later one is the exponential of a
//! difference that is never positive, so nothing overflows however fast the memory fades.

mod backward;
mod chunk;
mod forward;
mod queries;

pub use backward::{Saved, TokensMut, backward};
pub use chunk::CHUNK;
pub use forward::forward;
pub use queries::queries;

use crate::{TokenLayout, WriteRule};

/// The sizes and choices of one call. Queries and keys are `[batch, tokens, heads * d_key]`, values
/// `[batch, tokens, heads * d_value]`, write strengths and log-decays `[batch, tokens, heads]`.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Tokens of a sequence.
    pub tokens: usize,
    /// Heads, side by side in a token.
    pub heads: usize,
    /// Length of a head's query and key.
    pub d_key: usize,
    /// Length of a head's value.
    pub d_value: usize,
    /// What a token writes.
    pub rule: WriteRule,
    /// Which tokens write.
    pub layout: TokenLayout,
    /// The least denominator of reads that are divided by the sum of their weights.
    pub normaliser: Option<f32>,
    /// Whether the state decays; log-decays are not looked at if not.
    pub decays: bool,
    /// Whether [`forward`] also leaves the state after the last context; [`backward`] has no use for it.
    pub last: bool,
}

impl Sizes {
    /// Tokens whose writes last: they come first.
    fn contexts(self) -> usize {
        match self.layout {
            TokenLayout::Shifted => self.tokens,
            TokenLayout::Paired => self.tokens / 2,
        }
    }

    fn chunks(self) -> usize {
        self.contexts().div_ceil(CHUNK)
    }

    /// Columns of the state: the normaliser is the memory of a value that is always 1.
    pub fn width(self) -> usize {
        self.d_value + usize::from(self.normaliser.is_some())
    }

    fn state(self) -> usize {
        self.d_key * self.width()
    }

    /// States that [`forward`] leaves a head: those at the chunks' starts, which [`backward`] reads, and maybe the last.
    pub fn saved(self) -> usize {
        self.chunks() + usize::from(self.last)
    }

    /// Their values, `[heads, saved, d_key, width]` a sequence.
    pub fn states(self) -> usize {
        self.heads * self.saved() * self.state()
    }
}

/// The tokens of some sequences; see [`Sizes`].
#[derive(Clone, Copy)]
pub struct Tokens<'a> {
    /// What is read.
    pub query: &'a [f32],
    /// Where is written.
    pub key: &'a [f32],
    /// What is written.
    pub value: &'a [f32],
    /// Factor of what is written.
    pub write: &'a [f32],
    /// Logarithm of the factor of the state before the token, at most 0.
    pub log_decay: &'a [f32],
}

/// One head of one sequence.
#[derive(Clone, Copy)]
struct Head<'a> {
    tokens: Tokens<'a>,
    sequence: usize,
    h: usize,
    sizes: Sizes,
}

impl<'a> Head<'a> {
    /// `width` values of this head, from token `first` on; those of the next token are `heads * width` further.
    fn rows(&self, of: &'a [f32], width: usize, first: usize) -> &'a [f32] {
        let Sizes { tokens, heads, .. } = self.sizes;
        &of[((self.sequence * tokens + first) * heads + self.h) * width..]
    }

    fn scalar(&self, of: &[f32], token: usize) -> f32 {
        of[(self.sequence * self.sizes.tokens + token) * self.sizes.heads + self.h]
    }
}

/// `[tokens, heads * width]` as one list of rows a head, so that heads can be written at the same time.
fn split_heads(rows: &mut [f32], heads: usize, width: usize) -> Vec<Vec<&mut [f32]>> {
    let tokens = rows.len() / (heads * width);
    let mut split: Vec<Vec<&mut [f32]>> = (0..heads).map(|_| Vec::with_capacity(tokens)).collect();
    for (at, row) in rows.chunks_exact_mut(width).enumerate() {
        split[at % heads].push(row);
    }
    split
}
