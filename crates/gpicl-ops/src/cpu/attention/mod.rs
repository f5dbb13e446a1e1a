//! Multi-head attention without a `time x time` matrix kept: the forward pass stores the log of each row's softmax
//! denominator, and the backward pass makes the probabilities again from it, a few rows at a time (Dao et al. 2022).
//!
//! A sequence is one or two [`Segment`]s of queries over a prefix of keys; hidden scores are skipped, not computed.
//! Both precisions compute in f32 here.

pub mod across;
mod ahead;
mod backward;
mod forward;
mod queries;
mod softmax;

pub use backward::{Saved, backward};
pub use forward::forward;
pub use queries::{QuerySizes, queries};

use crate::AttentionMask;

/// Rows of scores that are made at a time.
const ROWS: usize = 12;

/// The sizes of one call. `qkv` is `[batch, time, 3 * heads * d_head]`, the output `[batch, time, heads * d_head]`,
/// the log-denominators, to base 2, `[batch, heads, time]`. [`across`] has sequences that lie otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Positions of a sequence.
    pub time: usize,
    /// Heads, side by side in the model's width.
    pub heads: usize,
    /// Width of a head.
    pub d_head: usize,
    /// Who sees whom.
    pub mask: AttentionMask,
    /// Positions of the memory from one of a sequence to its next: 1 where sequences lie one after another.
    pub apart: usize,
}

impl Sizes {
    fn d_model(self) -> usize {
        self.heads * self.d_head
    }

    fn scale(self) -> f32 {
        1.0 / (self.d_head as f32).sqrt()
    }

    /// Positions that others attend to: they come first.
    fn keys(self) -> usize {
        self.mask.keys(self.time)
    }

    /// Keys that some of the first `rows` queries of a segment see, or one more.
    fn reach(self, rows: usize) -> usize {
        match self.mask {
            AttentionMask::Context(examples) => examples,
            _ => rows.min(self.keys()),
        }
    }

    /// Numbers from one position of a sequence to its next, in a matrix of `parts * d_model` numbers a position.
    fn stride(self, parts: usize) -> usize {
        parts * self.d_model() * self.apart
    }

    /// Numbers from a position of one sequence to that of the next, in a matrix of `parts * d_model` numbers a position.
    fn to_next_sequence(self, parts: usize) -> usize {
        let positions = if self.apart == 1 { self.time } else { 1 };
        positions * parts * self.d_model()
    }

    /// Where head `h`'s part of the output at a position starts.
    fn out(self, position: usize, h: usize) -> usize {
        position * self.stride(1) + h * self.d_head
    }

    /// Tiles of [`ROWS`] queries of all heads of a sequence.
    fn tiles(self) -> usize {
        self.heads * self.segments().map(|segment| segment.tiles(ROWS).count()).sum::<usize>()
    }

    fn segments(self) -> impl Iterator<Item = Segment> {
        let keys = self.keys();
        let all = matches!(self.mask, AttentionMask::Context(_)).then_some(keys);
        let first = Segment { start: 0, rows: keys, all, sees_itself_apart: false };
        let second = Segment { start: keys, rows: self.time - keys, all, sees_itself_apart: true };
        [first, second].into_iter().filter(|segment| segment.rows > 0)
    }
}

/// Queries `start..start + rows`; the `i`-th of them sees a prefix of the keys.
#[derive(Clone, Copy, Debug)]
struct Segment {
    start: usize,
    rows: usize,
    /// The prefix, if it is one for all of them.
    all: Option<usize>,
    /// Its own key is not in the prefix but in its own position: the queries of the paired layout.
    sees_itself_apart: bool,
}

impl Segment {
    /// How many keys row `i` of the segment sees in the prefix.
    fn prefix(self, i: usize) -> usize {
        self.all.unwrap_or(if self.sees_itself_apart { i } else { i + 1 })
    }

    /// Its rows, `step` at a time: the first row and their number.
    fn tiles(self, step: usize) -> impl Iterator<Item = (usize, usize)> {
        (0..self.rows).step_by(step).map(move |first| (first, step.min(self.rows - first)))
    }
}

/// Where head `h`'s query, key or value (`part` 0, 1, 2) of a position starts in `qkv`.
fn offset(sizes: Sizes, position: usize, part: usize, h: usize) -> usize {
    position * sizes.stride(3) + part * sizes.d_model() + h * sizes.d_head
}

#[cfg(test)]
mod tests;
