//! Inputs as signed digits of a byte.

use std::collections::BTreeSet;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::cpu::dispatch;

/// The largest number of an input of two digits, in steps: 127 in the high digit.
const LARGEST: f32 = 32_512.0;
/// Numbers that one thread looks at when levels are searched.
const CHUNK: usize = 1 << 16;

/// At most 256 levels at equal distances, `offset + step d` for a digit `d`: those of images of bytes, for example.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// The level of digit 0.
    offset: f32,
    /// The distance of two levels.
    step: f32,
}

impl Grid {
    /// The grid on which all of `numbers` lie, but for rounding. `None` if there is none, or none is found: somewhere two
    /// numbers have to be neighbours.
    pub fn of(numbers: &[f32]) -> Option<Self> {
        let levels = numbers.par_chunks(CHUNK).map(levels).try_reduce(BTreeSet::new, |mut all, some| {
            all.extend(some);
            (all.len() <= 256).then_some(all)
        })?;
        let mut levels: Vec<f64> = levels.into_iter().map(|bits| f64::from(f32::from_bits(bits))).collect();
        levels.sort_by(f64::total_cmp);
        let (&low, &high) = (levels.first()?, levels.last()?);
        let closest = levels.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
        // One level only: any step will do.
        let intervals = ((high - low) / closest).round().max(1.0);
        let step = if high > low { (high - low) / intervals } else { 1.0 };
        // Nearer than two digits come.
        let near = (1e-3 * step).min(low.abs().max(high.abs()) / f64::from(2.0 * LARGEST));
        let is_on = |level: &f64| (level - low - ((level - low) / step).round() * step).abs() <= near;
        if intervals > 255.0 || !levels.iter().all(is_on) {
            return None;
        }
        // Zero is digit 0 where it can be: the less is left to the offset, the less is rounded.
        let below = (-low / step).round().clamp((intervals - 127.0).max(0.0), intervals.min(128.0));
        let offset = low + below * step;
        let grid = Self { offset: if offset.abs() <= near { 0.0 } else { offset as f32 }, step: step as f32 };
        (grid.offset.is_finite() && grid.step.is_normal()).then_some(grid)
    }
}

/// Numbers that lie on a grid, as their digits: a byte each.
#[derive(Clone, Debug)]
pub struct OnGrid {
    grid: Grid,
    digits: Vec<i8>,
}

impl OnGrid {
    /// `numbers`, all of which lie on `grid`. On this thread alone: whoever makes them once, under a lock, must not take up
    /// other work of the pool meanwhile, which may ask for them too.
    pub fn new(grid: Grid, numbers: &[f32]) -> Self {
        let mut digits = vec![0; numbers.len()];
        dispatch::run(SplitOnGrid { values: numbers, grid, digits: &mut digits });
        Self { grid, digits }
    }

    pub(super) fn grid(&self) -> Grid {
        self.grid
    }

    /// Input `i` of those of `dim` numbers.
    pub(super) fn input(&self, i: usize, dim: usize) -> &[i8] {
        &self.digits[i * dim..][..dim]
    }
}

/// The different numbers, as bits; `None` if they are too many for a grid, or one is not finite.
fn levels(numbers: &[f32]) -> Option<BTreeSet<u32>> {
    let mut levels = BTreeSet::new();
    // What was met lately, so that the set is rarely asked; at first minus zero, which is made zero below.
    let mut recent = [(-0.0_f32).to_bits(); 1024];
    for x in numbers {
        let bits = (x + 0.0).to_bits();
        let place = &mut recent[(bits.wrapping_mul(0x9E37_79B9) >> 22) as usize];
        if *place != bits {
            *place = bits;
            levels.insert(bits);
            if levels.len() > 256 || !x.is_finite() {
                return None;
            }
        }
    }
    Some(levels)
}

/// How an input's numbers are rounded beside an offset: to `step d`, where `d` is a whole number of `D` digits to the base 256.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// The size of a step.
    pub step: f32,
    /// Its inverse.
    per_step: f32,
}

/// What rounds inputs to `D` digits.
pub(super) trait Digits<const D: usize>: Copy {
    /// What an input is made of.
    type Number: Copy;
    /// What every rounded number has besides its steps.
    fn offset(self) -> f32;
    /// How an input is rounded.
    fn scale(self, input: &[Self::Number]) -> Scale;
    /// Writes digits of `values`, the high ones first, and 0 behind them; gives the digits' sums.
    fn split(self, scale: Scale, values: &[Self::Number], digits: &mut [Vec<i8>; D]) -> [i32; D];
}

/// Two digits: steps of 1/32512 of an input's largest number.
#[derive(Clone, Copy)]
pub(super) struct Two;

impl Digits<2> for Two {
    type Number = f32;

    fn offset(self) -> f32 {
        0.0
    }

    fn scale(self, input: &[f32]) -> Scale {
        let largest = dispatch::run(Largest(input));
        // Numbers so small that their steps have no inverse count as zeros.
        let per_step = if largest >= 1e-30 { LARGEST / largest } else { 0.0 };
        Scale { step: largest / LARGEST, per_step }
    }

    fn split(self, scale: Scale, values: &[f32], digits: &mut [Vec<i8>; 2]) -> [i32; 2] {
        dispatch::run(SplitInTwo { values, per_step: scale.per_step, digits })
    }
}

impl Digits<1> for Grid {
    /// Already a digit.
    type Number = i8;

    fn offset(self) -> f32 {
        self.offset
    }

    fn scale(self, _: &[i8]) -> Scale {
        Scale { step: self.step, per_step: 1.0 }
    }

    fn split(self, _: Scale, values: &[i8], [digits]: &mut [Vec<i8>; 1]) -> [i32; 1] {
        let (own, behind) = digits.split_at_mut(values.len());
        own.copy_from_slice(values);
        behind.fill(0);
        [dispatch::run(Sum(values))]
    }
}

/// The largest absolute value.
struct Largest<'a>(&'a [f32]);

impl WithSimd for Largest<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f32 {
        // The order of floats without a sign is that of their bits.
        f32::from_bits(self.0.iter().fold(0, |largest, x| largest.max(x.to_bits() & 0x7FFF_FFFF)))
    }
}

/// Adding 1.5 * 2^23 rounds to an integer, ties to even, and leaves it in the low bits.
const ROUND: f32 = 12_582_912.0;

#[inline(always)]
fn round(x: f32) -> i32 {
    (x + ROUND).to_bits() as i32 - ROUND.to_bits() as i32
}

struct SplitInTwo<'a> {
    values: &'a [f32],
    per_step: f32,
    digits: &'a mut [Vec<i8>; 2],
}

impl WithSimd for SplitInTwo<'_> {
    type Output = [i32; 2];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> [i32; 2] {
        let [high, low] = self.digits;
        let mut sums = [0; 2];
        for ((x, high), low) in self.values.iter().zip(&mut *high).zip(&mut *low) {
            let steps = round((x * self.per_step).clamp(-LARGEST, LARGEST));
            let top = (steps + 128) >> 8;
            let digits = [top, steps - (top << 8)];
            [*high, *low] = digits.map(|digit| digit as i8);
            sums = [sums[0] + digits[0], sums[1] + digits[1]];
        }
        high[self.values.len()..].fill(0);
        low[self.values.len()..].fill(0);
        sums
    }
}

struct SplitOnGrid<'a> {
    values: &'a [f32],
    grid: Grid,
    digits: &'a mut [i8],
}

impl WithSimd for SplitOnGrid<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Grid { offset, step } = self.grid;
        let per_step = 1.0 / step;
        for (x, to) in self.values.iter().zip(self.digits) {
            *to = round(((x - offset) * per_step).clamp(-128.0, 127.0)) as i8;
        }
    }
}

/// The sum of some digits.
struct Sum<'a>(&'a [i8]);

impl WithSimd for Sum<'_> {
    type Output = i32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> i32 {
        self.0.iter().map(|&digit| i32::from(digit)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_lie_on_a_grid_however_they_are_scaled() {
        for (scale, shift) in [(1.0, 0.0), (1.0 / 255.0, 0.0), (1.0 / 78.567, -0.4241), (-0.01, 3e-3)] {
            let numbers: Vec<f32> =
                (0..5000_i64).map(|i| (((i * 7919) % 256) as f64 * scale + shift) as f32).collect();
            let grid = Grid::of(&numbers).unwrap();
            assert!((f64::from(grid.step) / f64::abs(scale) - 1.0).abs() < 1e-5, "{grid:?}");
            let (stored, mut digits, mut others) =
                (OnGrid::new(grid, &numbers), [vec![1; 5004]], vec![0.0; 5000]);
            let stored = stored.input(0, 5000);
            let sums = grid.split(grid.scale(stored), stored, &mut digits);
            for (other, &digit) in others.iter_mut().zip(&digits[0]) {
                *other = grid.offset + grid.step * f32::from(digit);
            }
            let error = numbers.iter().zip(&others).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(error < 1e-5 * 255.0 * grid.step, "{error} {grid:?}");
            assert_eq!(sums[0], digits[0].iter().map(|&digit| i32::from(digit)).sum::<i32>());
            assert_eq!(digits[0][5000..], [0; 4]);
        }
    }

    #[test]
    fn what_has_too_many_levels_or_uneven_ones_has_no_grid() {
        let sines: Vec<f32> = (0..1000).map(|i| (i as f32).sin()).collect();
        assert_eq!(Grid::of(&sines), None);
        let bytes = |count: i32| (0..count).map(|i| i as f32).collect::<Vec<f32>>();
        assert!(Grid::of(&bytes(256)).is_some());
        assert_eq!(Grid::of(&bytes(257)), None);
        // Almost even, but not so that a digit would do.
        assert_eq!(Grid::of(&[0.0, 1.0, 2.0015]), None);
        // What floats do not hold.
        assert_eq!(Grid::of(&[-3e38, 3e38]), None);
        assert_eq!(Grid::of(&[0.0, 1e-40]), None);
        // Two levels next to each other among few.
        assert_eq!(Grid::of(&[0.0, 0.01, 200.0]), None);
        assert_eq!(Grid::of(&[0.0, 0.3, 1.0]), None);
        assert_eq!(Grid::of(&[0.0, f32::NAN]), None);
        // Every chunk has few levels, both together too many.
        let many: Vec<f32> = (0..2 * CHUNK).map(|i| (i / CHUNK * 200 + i % 200) as f32).collect();
        assert_eq!(Grid::of(&many), None);
    }

    #[test]
    fn few_levels_lie_on_a_grid() {
        assert_eq!(Grid::of(&[]), None);
        assert_eq!(Grid::of(&[2.5; 9]), Some(Grid { offset: 2.5, step: 1.0 }));
        assert_eq!(Grid::of(&[-0.0, 1.0, 0.0]), Some(Grid { offset: 0.0, step: 1.0 }));
        assert_eq!(Grid::of(&[-1.0, 1.0]), Some(Grid { offset: 1.0, step: 2.0 }));
        // Every third of a range of bytes, and one more.
        let numbers: Vec<f32> = (0..86).map(|i| (3 * i) as f32).chain([1.0]).collect();
        assert_eq!(Grid::of(&numbers), Some(Grid { offset: 128.0, step: 1.0 }));
    }
}
