//! Copies of a head's rows, which lie apart in a wider matrix: as they are, or transposed.
#![allow(clippy::needless_range_loop, reason = "see `simd::update`")]

use pulp::{Simd, WithSimd};

use super::simd::update;

/// Copies rows of `width` values that lie `stride` apart into `to`, `padded` apart, times `scale`, zeros between.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "where the rows are, and where they go")]
pub fn gather<S: Simd>(
    simd: S,
    from: &[f32],
    stride: usize,
    rows: usize,
    width: usize,
    scale: f32,
    padded: usize,
    to: &mut [f32],
) {
    let scale = simd.splat_f32s(scale);
    for (row, to) in to.chunks_exact_mut(padded).take(rows).enumerate() {
        let (to, between) = to.split_at_mut(width);
        update!(simd: S, [from in &from[row * stride..][..width]], [out in to] {
            out = simd.mul_f32s(from, scale);
        });
        between.fill(0.0);
    }
}

/// As [`gather`], transposed and not scaled: `to` is `[width, padded]`.
///
/// A call, not inlined, as [`product`](super::tile::product) is.
#[inline(always)]
pub fn gather_transposed<S: Simd>(
    simd: S,
    from: &[f32],
    stride: usize,
    rows: usize,
    width: usize,
    padded: usize,
    to: &mut [f32],
) {
    simd.vectorize(Transposed { from, stride, rows, width, padded, to });
}

struct Transposed<'a> {
    from: &'a [f32],
    stride: usize,
    rows: usize,
    width: usize,
    padded: usize,
    to: &'a mut [f32],
}

impl WithSimd for Transposed<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        #[cfg(target_arch = "x86_64")]
        if self.padded.is_multiple_of(S::F32_LANES) {
            let simd = &simd as &dyn std::any::Any;
            if let Some(&simd) = simd.downcast_ref::<pulp::x86::V4>() {
                return x86::in_blocks(simd, self);
            }
            if let Some(&simd) = simd.downcast_ref::<pulp::x86::V3>() {
                return x86::in_blocks(simd, self);
            }
        }
        let _ = simd;
        self.one_by_one();
    }
}

impl Transposed<'_> {
    /// Row by row: `to` fits the first cache, rows of `from` may lie so that they push each other out.
    #[inline(always)]
    fn one_by_one(self) {
        let Self { from, stride, rows, width, padded, to } = self;
        for row in 0..rows {
            for (column, &value) in from[row * stride..][..width].iter().enumerate() {
                to[column * padded + row] = value;
            }
        }
        for to in to.chunks_exact_mut(padded).take(width) {
            to[rows..].fill(0.0);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::__m512;

    use pulp::x86::{V3, V4};
    use pulp::{Simd, cast, f32x8, f32x16};

    use super::Transposed;

    /// What transposes a block of `SIDE` rows and columns in registers.
    pub trait Block<const SIDE: usize>: Simd {
        fn transpose(self, rows: [Self::f32s; SIDE]) -> [Self::f32s; SIDE];
    }

    /// Blocks that reach beyond the rows are filled up with zeros, as `padded` is a multiple of `SIDE`.
    #[inline(always)]
    pub fn in_blocks<S: Block<SIDE>, const SIDE: usize>(simd: S, of: Transposed<'_>) {
        for column in (0..of.width).step_by(SIDE) {
            let columns = SIDE.min(of.width - column);
            for row in (0..of.padded).step_by(SIDE) {
                let mut block = [simd.splat_f32s(0.0); SIDE];
                for r in 0..SIDE {
                    if row + r < of.rows {
                        let values = &of.from[(row + r) * of.stride + column..][..columns];
                        block[r] = match S::as_simd_f32s(values) {
                            ([whole], _) => *whole,
                            (_, part) => simd.partial_load_f32s(part),
                        };
                    }
                }
                let block = simd.transpose(block);
                for c in 0..SIDE {
                    if c < columns {
                        let to = &mut of.to[(column + c) * of.padded + row..][..SIDE];
                        S::as_mut_simd_f32s(to).0[0] = block[c];
                    }
                }
            }
        }
    }

    impl Block<16> for V4 {
        /// Pairs of values, then pairs of pairs inside quarters of the registers, then the quarters.
        #[inline(always)]
        fn transpose(self, rows: [f32x16; 16]) -> [f32x16; 16] {
            let avx = self.avx512f;
            let mut pairs = [avx._mm512_setzero_pd(); 16];
            for r in (0..16).step_by(2) {
                let (a, b): (__m512, __m512) = (cast(rows[r]), cast(rows[r + 1]));
                pairs[r] = avx._mm512_castps_pd(avx._mm512_unpacklo_ps(a, b));
                pairs[r + 1] = avx._mm512_castps_pd(avx._mm512_unpackhi_ps(a, b));
            }
            let mut fours = [avx._mm512_setzero_ps(); 16];
            for r in (0..16).step_by(4) {
                for half in 0..2 {
                    let (a, b) = (pairs[r + half], pairs[r + 2 + half]);
                    fours[r + 2 * half] = avx._mm512_castpd_ps(avx._mm512_unpacklo_pd(a, b));
                    fours[r + 2 * half + 1] = avx._mm512_castpd_ps(avx._mm512_unpackhi_pd(a, b));
                }
            }
            let mut columns = rows;
            for c in 0..4 {
                let (a, b) = (fours[c], fours[4 + c]);
                let upper = [avx._mm512_shuffle_f32x4::<0x44>(a, b), avx._mm512_shuffle_f32x4::<0xEE>(a, b)];
                let (a, b) = (fours[8 + c], fours[12 + c]);
                let lower = [avx._mm512_shuffle_f32x4::<0x44>(a, b), avx._mm512_shuffle_f32x4::<0xEE>(a, b)];
                for half in 0..2 {
                    let (a, b) = (upper[half], lower[half]);
                    columns[8 * half + c] = cast(avx._mm512_shuffle_f32x4::<0x88>(a, b));
                    columns[8 * half + 4 + c] = cast(avx._mm512_shuffle_f32x4::<0xDD>(a, b));
                }
            }
            columns
        }
    }

    impl Block<8> for V3 {
        /// Pairs of values, then pairs of pairs inside halves of the registers, then the halves.
        #[inline(always)]
        fn transpose(self, rows: [f32x8; 8]) -> [f32x8; 8] {
            let avx = self.avx;
            let mut pairs = [avx._mm256_setzero_ps(); 8];
            for r in (0..8).step_by(2) {
                let (a, b) = (cast(rows[r]), cast(rows[r + 1]));
                pairs[r] = avx._mm256_unpacklo_ps(a, b);
                pairs[r + 1] = avx._mm256_unpackhi_ps(a, b);
            }
            let mut fours = [avx._mm256_setzero_ps(); 8];
            for r in (0..8).step_by(4) {
                for half in 0..2 {
                    let (a, b) = (pairs[r + half], pairs[r + 2 + half]);
                    fours[r + 2 * half] = avx._mm256_shuffle_ps::<0x44>(a, b);
                    fours[r + 2 * half + 1] = avx._mm256_shuffle_ps::<0xEE>(a, b);
                }
            }
            let mut columns = rows;
            for c in 0..4 {
                let (upper, lower) = (fours[c], fours[4 + c]);
                columns[c] = cast(avx._mm256_permute2f128_ps::<0x20>(upper, lower));
                columns[4 + c] = cast(avx._mm256_permute2f128_ps::<0x31>(upper, lower));
            }
            columns
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::dispatch::levels;

    struct Both<'a> {
        from: &'a [f32],
        stride: usize,
        rows: usize,
        width: usize,
        padded: [usize; 2],
        to: &'a mut [f32],
        transposed: &'a mut [f32],
    }

    impl WithSimd for Both<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let Self { from, stride, rows, width, padded, to, transposed } = self;
            gather(simd, from, stride, rows, width, 2.0, padded[0], to);
            gather_transposed(simd, from, stride, rows, width, padded[1], transposed);
        }
    }

    #[test]
    fn every_value_and_every_zero() {
        for (name, arch) in levels() {
            // The last width leaves no room between rows, the last padding is no multiple of a vector.
            for (rows, width, stride, padded) in [
                (1, 1, 3, 16),
                (16, 16, 16, 16),
                (37, 33, 40, 48),
                (100, 32, 96, 112),
                (20, 9, 9, 24),
                (5, 7, 7, 9),
            ] {
                let from: Vec<f32> = (1..=rows * stride).map(|at| at as f32).collect();
                let wide = width + 3;
                let (mut to, mut transposed) = (vec![f32::NAN; rows * wide], vec![f32::NAN; width * padded]);
                let padded = [wide, padded];
                arch.dispatch(Both {
                    from: &from,
                    stride,
                    rows,
                    width,
                    padded,
                    to: &mut to,
                    transposed: &mut transposed,
                });
                let truth = |row: usize, column: usize| {
                    if row < rows && column < width { from[row * stride + column] } else { 0.0 }
                };
                for (at, &found) in to.iter().enumerate() {
                    assert_eq!(found, 2.0 * truth(at / wide, at % wide), "{name}, {rows} x {width}: {at}");
                }
                for (at, &found) in transposed.iter().enumerate() {
                    let (column, row) = (at / padded[1], at % padded[1]);
                    assert_eq!(found, truth(row, column), "{name}, {rows} x {width}: {row}, {column}");
                }
            }
        }
    }
}
