//! Multi-head attention without a `time x time` matrix kept: the forward pass stores the log of each row's softmax
//! denominator, and the backward pass makes the probabilities again from it, a few rows at a time (Dao et al. 2022).
//!
//! A sequence is one or two [`Segment`]s of queries over a prefix of keys; hidden scores are skipped, not computed.
//! Both precisions compute in f32 here.

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
/// the log-denominators, to base 2, `[batch, heads, time]`.
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
        rows.min(self.keys())
    }

    /// Tiles of [`ROWS`] queries of all heads of a sequence.
    fn tiles(self) -> usize {
        self.heads * self.segments().map(|segment| segment.tiles(ROWS).count()).sum::<usize>()
    }

    fn segments(self) -> impl Iterator<Item = Segment> {
        let first = Segment { start: 0, rows: self.keys(), sees_itself_apart: false };
        let second = Segment { start: self.keys(), rows: self.time - self.keys(), sees_itself_apart: true };
        [first, second].into_iter().filter(|segment| segment.rows > 0)
    }
}

/// Queries `start..start + rows`; the `i`-th of them sees a prefix of the keys.
#[derive(Clone, Copy, Debug)]
struct Segment {
    start: usize,
    rows: usize,
    /// Its own key is not in the prefix but in its own position: the queries of the paired layout.
    sees_itself_apart: bool,
}

impl Segment {
    /// How many keys row `i` of the segment sees in the prefix.
    fn prefix(self, i: usize) -> usize {
        if self.sees_itself_apart { i } else { i + 1 }
    }

    /// Its rows, `step` at a time: the first row and their number.
    fn tiles(self, step: usize) -> impl Iterator<Item = (usize, usize)> {
        (0..self.rows).step_by(step).map(move |first| (first, step.min(self.rows - first)))
    }
}

/// Where head `h`'s query, key or value (`part` 0, 1, 2) of a position starts in `qkv`.
fn offset(sizes: Sizes, position: usize, part: usize, h: usize) -> usize {
    (3 * position + part) * sizes.d_model() + h * sizes.d_head
}

#[cfg(test)]
mod tests;
