//! Memory that is used again: a step asks for the same sizes over and over, and fresh pages cost more than the
//! arithmetic on them.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytemuck::{Pod, Zeroable};

/// A cache line, so that vector loads never straddle two.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// A slice of `f32` on its own cache lines whose memory returns to a pool shared by all threads.
pub struct Buffer {
    lines: Vec<Line>,
    len: usize,
}

impl Buffer {
    /// `len` values that are whatever the memory held before.
    pub fn stale(len: usize) -> Self {
        Self { lines: pool().take(len.div_ceil(16)), len }
    }

    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        let mut buffer = Self::stale(len);
        buffer.fill(0.0);
        buffer
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        pool().give_back(std::mem::take(&mut self.lines));
    }
}

/// Memory not in use, least recently used first. It holds at most a quarter more than was in use at once: a step's
/// sizes have their peaks one after another, and with no more than the largest each would drop what the next one asks
/// for. A process needs at most 9/4 of its peak; a steady loop just the peak of what it asks for, since what would be
/// dropped comes back as fresh pages.
#[derive(Default)]
struct Pool {
    idle: VecDeque<Vec<Line>>,
    idle_lines: usize,
    used_lines: usize,
    peak_lines: usize,
}

/// Lines of a buffer that is small beside the tensors of a step: 1 MiB.
const SMALL: usize = 1 << 14;

fn pool() -> MutexGuard<'static, Pool> {
    static POOL: Mutex<Pool> =
        Mutex::new(Pool { idle: VecDeque::new(), idle_lines: 0, used_lines: 0, peak_lines: 0 });
    // No invariant spans a panic here: a poisoned pool is as good as any.
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    fn take(&mut self, lines: usize) -> Vec<Line> {
        // The most recent fit is the likeliest to be in cache. An eighth too large is good enough. A small one may rather
        // be far larger than of fresh pages; with large ones that would waste what others soon ask for.
        let fits = |most: usize| move |idle: &Vec<Line>| (lines..=most).contains(&idle.len());
        let found = self.idle.iter().rposition(fits(lines + lines / 8));
        let far = if lines < SMALL { 4 * lines } else { 0 };
        let taken = match found.or_else(|| self.idle.iter().rposition(fits(far))) {
            Some(at) => {
                let taken = self.idle.remove(at).expect("position of an idle buffer");
                self.idle_lines -= taken.len();
                taken
            }
            None => bytemuck::zeroed_vec(lines),
        };
        self.used_lines += taken.len();
        self.peak_lines = self.peak_lines.max(self.used_lines);
        taken
    }

    fn give_back(&mut self, lines: Vec<Line>) {
        self.used_lines -= lines.len();
        self.idle_lines += lines.len();
        self.idle.push_back(lines);
        while self.idle_lines > self.peak_lines + self.peak_lines / 4 {
            let Some(oldest) = self.idle.pop_front() else { break };
            self.idle_lines -= oldest.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_aligned_and_used_again() {
        // A size no other test asks for.
        let buffer = Buffer::stale(1_234_567);
        assert_eq!(buffer.len(), 1_234_567);
        let place = buffer.as_ptr();
        assert!(place.cast::<Line>().is_aligned());
        drop(buffer);
        assert_eq!(Buffer::stale(1_234_560).as_ptr(), place);
        assert!(Buffer::zeros(33).iter().all(|&value| value == 0.0));
        assert!(Buffer::stale(0).is_empty());
    }

    #[test]
    fn idle_memory_stays_near_the_peak() {
        let mut pool = Pool::default();
        let taken: Vec<_> = [10, 20, 30].map(|lines| pool.take(lines)).into();
        taken.into_iter().for_each(|lines| pool.give_back(lines));
        assert_eq!((pool.idle_lines, pool.used_lines, pool.peak_lines), (60, 0, 60));
        let other = pool.take(50);
        pool.give_back(other);
        assert_eq!(pool.idle.iter().map(Vec::len).collect::<Vec<_>>(), [50]);
    }

    /// 10 and 11 at a time, 13 in all.
    #[test]
    fn sizes_with_peaks_at_different_times_are_all_kept() {
        let mut pool = Pool::default();
        for _ in 0..2 {
            for sizes in [[8 * SMALL, 2 * SMALL], [8 * SMALL, 3 * SMALL]] {
                let taken = sizes.map(|lines| pool.take(lines));
                assert!(taken.iter().map(Vec::len).eq(sizes));
                taken.into_iter().for_each(|lines| pool.give_back(lines));
            }
        }
        assert_eq!((pool.peak_lines, pool.idle_lines), (11 * SMALL, 13 * SMALL));
    }

    #[test]
    fn large_memory_is_kept_for_large_requests() {
        let mut pool = Pool::default();
        let taken: Vec<_> = [100, 4 * SMALL].map(|lines| pool.take(lines)).into();
        taken.into_iter().for_each(|lines| pool.give_back(lines));
        // Far too large either way, but the first wastes little.
        assert_eq!(pool.take(25).len(), 100);
        assert_eq!(pool.take(2 * SMALL).len(), 2 * SMALL);
        assert_eq!(pool.take(4 * SMALL - 1).len(), 4 * SMALL);
    }
}
