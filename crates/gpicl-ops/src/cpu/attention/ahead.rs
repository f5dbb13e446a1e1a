//! The next sequence's values on their way while one is worked on.

use super::Sizes;
use crate::cpu::prefetch::prefetch;

/// What the next sequence will read. Head by head its rows would come one latency after another, and all at once they
/// would hold up what else is read: so a few lines are asked for with every tile of rows.
pub struct Ahead<'a> {
    left: &'a [f32],
    share: usize,
}

impl<'a> Ahead<'a> {
    /// The part of `values`, `[batch, len]`, that follows sequence `number`, in `times` shares.
    pub fn of(values: &'a [f32], len: usize, number: usize, times: usize) -> Self {
        let left = values.get((number + 1) * len..).unwrap_or_default();
        Self { left: &left[..len.min(left.len())], share: len.div_ceil(times).next_multiple_of(16) }
    }

    /// Nothing: where one sequence's values lie between another's.
    pub fn nothing() -> Self {
        Self { left: &[], share: 0 }
    }

    /// Asks for the next share.
    #[inline(always)]
    pub fn ask(&mut self) {
        let (now, left) = self.left.split_at(self.share.min(self.left.len()));
        for line in now.chunks(16) {
            prefetch(line.as_ptr());
        }
        self.left = left;
    }
}

/// Asks for memory that will be written in the place of head `h`'s values by the head after it: the next one, or the
/// next sequence's first; sequences are `len` apart.
#[inline(always)]
pub fn ask_for_next_head(values: &[f32], h: usize, len: usize, sizes: Sizes) {
    let Sizes { heads, d_head, .. } = sizes;
    let next = if h + 1 < heads { d_head } else { len - h * d_head };
    for line in (0..d_head).step_by(16) {
        prefetch(values.as_ptr().wrapping_add(next + line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_the_next_sequence_is_asked_for() {
        let values = [0.0; 3 * 100];
        for times in [1, 3, 7, 200] {
            for (number, left) in [(0, 100), (1, 100), (2, 0)] {
                let mut ahead = Ahead::of(&values, 100, number, times);
                assert_eq!(ahead.left.len(), left);
                assert!(left == 0 || std::ptr::eq(&ahead.left[0], &values[100 * (number + 1)]));
                (0..times).for_each(|_| ahead.ask());
                assert!(ahead.left.is_empty(), "{times} times, sequence {number}");
            }
        }
    }
}
