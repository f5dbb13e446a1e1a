//! The next sequence's values on their way while one is worked on.

use super::Sizes;
use crate::cpu::prefetch::prefetch;

/// Values of a line of the cache.
const LINE: usize = 16;

/// What the next sequence will read: runs of values, `apart` from each other. Head by head its rows would come one latency after
/// another, and all at once they would hold up what else is read: so a few lines are asked for with every tile of rows.
pub struct Ahead<'a> {
    /// From the run at hand on.
    left: &'a [f32],
    run: usize,
    apart: usize,
    /// Values of the run that were asked for.
    done: usize,
    /// Lines that are asked for at a time.
    share: usize,
}

impl<'a> Ahead<'a> {
    /// The part of `values`, `[batch, len]`, that follows sequence `number`, in `times` shares.
    pub fn of(values: &'a [f32], len: usize, number: usize, times: usize) -> Self {
        let left = values.get((number + 1) * len..).unwrap_or_default();
        Self::runs(left, [1, len, len], times)
    }

    /// `count` runs of `run` values, `apart` from each other, of which the first begins `values`, in `times` shares. What lies beyond the
    /// end of `values` is left out.
    pub fn runs(values: &'a [f32], [count, run, apart]: [usize; 3], times: usize) -> Self {
        let len = count.saturating_sub(1) * apart + run;
        let share = (count * run.div_ceil(LINE)).div_ceil(times);
        Self { left: &values[..len.min(values.len())], run, apart, done: 0, share }
    }

    /// Asks for the next share.
    #[inline(always)]
    pub fn ask(&mut self) {
        for _ in 0..self.share {
            let Some(next) = self.left.get(self.done..).filter(|left| !left.is_empty()) else { return };
            prefetch(next.as_ptr());
            self.done += LINE;
            if self.done >= self.run {
                self.left = self.left.get(self.apart..).unwrap_or_default();
                self.done = 0;
            }
        }
    }
}

/// Asks for memory that will be written in the place of head `h`'s values by the head after it: the next one, or the
/// next sequence's first. A position has `parts * d_model` values.
#[inline(always)]
pub fn ask_for_next_head(values: &[f32], h: usize, parts: usize, sizes: Sizes) {
    let Sizes { heads, d_head, .. } = sizes;
    let next = if h + 1 < heads { d_head } else { sizes.to_next_sequence(parts) - h * d_head };
    for line in (0..d_head).step_by(LINE) {
        prefetch(values.as_ptr().wrapping_add(next + line));
    }
}

/// Where in `values` lines are asked for, one after another.
#[cfg(test)]
pub fn asked(mut ahead: Ahead<'_>, values: &[f32]) -> Vec<usize> {
    ahead.share = 1;
    let mut asked = Vec::new();
    while ahead.done < ahead.left.len() {
        let start = ahead.left.as_ptr().addr() - values.as_ptr().addr();
        asked.push(start / size_of::<f32>() + ahead.done);
        ahead.ask();
    }
    asked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_the_next_sequence_is_asked_for() {
        let values = [0.0; 3 * 100];
        for number in 0..3 {
            let lines = (100 * (number + 1)..300).step_by(LINE);
            let lines: Vec<usize> = lines.take(if number < 2 { 7 } else { 0 }).collect();
            assert_eq!(asked(Ahead::of(&values, 100, number, 3), &values), lines);
        }
        for times in [1, 3, 7, 200] {
            let mut ahead = Ahead::of(&values, 100, 0, times);
            (0..times).for_each(|_| ahead.ask());
            assert!(ahead.left.is_empty(), "{times} times");
        }
    }

    #[test]
    fn runs_are_asked_for_one_after_another() {
        let values = [0.0; 100];
        let runs = |count, run, apart| asked(Ahead::runs(&values, [count, run, apart], 1), &values);
        assert_eq!(runs(3, 20, 30), [0, 16, 30, 46, 60, 76]);
        assert_eq!(runs(2, 16, 16), [0, 16]);
        // The memory ends before the runs do.
        assert_eq!(runs(4, 20, 40), [0, 16, 40, 56, 80, 96]);
        assert_eq!(runs(2, 120, 120), [0, 16, 32, 48, 64, 80, 96]);
    }
}
