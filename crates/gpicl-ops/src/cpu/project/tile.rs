//! A tile of the product in integers: some inputs times some rows of the matrix.

use super::QUAD;
use crate::cpu::dispatch;
use crate::cpu::entries::LINE;

/// Rows of a random matrix that share a line of entries.
pub const STRIP: usize = LINE / QUAD;
/// Digits of a tile: each times two strips they are 24 of AVX-512's 32 registers.
pub const DIGITS: usize = 12;

/// Four of every digit of the inputs of a tile: one input's digits after another's, the high ones first.
pub type Quads = [i32; DIGITS];

/// Inputs of `D` digits, `DIGITS / D` of them, times the rows of `A` in `V` strips.
pub struct Tile<'a, const D: usize, const V: usize> {
    pub strips: [&'a [[u8; LINE]]; V],
    pub digits: &'a [Quads],
    /// What the digits' sums start from.
    pub starts: [i32; DIGITS],
    /// By what the sums of an input become numbers.
    pub factors: [f32; DIGITS],
}

/// The numbers of a tile, `[inputs, strips, rows of A]`.
pub type Products<const V: usize> = [[[f32; STRIP]; V]; DIGITS];

/// Which instructions multiply.
#[derive(Clone, Copy, Debug)]
pub enum Machine {
    #[cfg(target_arch = "x86_64")]
    Vnni,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Plain,
}

impl Machine {
    /// All that the CPU has and [`dispatch`] allows, the best one first.
    pub fn all() -> impl Iterator<Item = Self> {
        let machines = [
            #[cfg(target_arch = "x86_64")]
            (Self::Vnni, dispatch::is_avx512() && is_x86_feature_detected!("avx512vnni")),
            #[cfg(target_arch = "x86_64")]
            (Self::Avx2, dispatch::is_avx512() || dispatch::is_avx2()),
            (Self::Plain, true),
        ];
        machines.into_iter().filter_map(|(machine, is_there)| is_there.then_some(machine))
    }

    pub fn best() -> Self {
        Self::all().next().unwrap_or(Self::Plain)
    }

    pub fn tile<const D: usize, const V: usize>(self, tile: Tile<'_, D, V>) -> Products<V> {
        match self {
            // SAFETY: the machine is there only if the CPU has its extensions.
            #[cfg(target_arch = "x86_64")]
            Self::Vnni => unsafe { x86::tile_vnni(tile) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { x86::tile_avx2(tile) },
            Self::Plain => tile.plain(),
        }
    }
}

impl<const D: usize, const V: usize> Tile<'_, D, V> {
    fn plain(self) -> Products<V> {
        let mut sums = self.starts.map(|start| [[start; STRIP]; V]);
        for (at, quads) in self.digits.iter().enumerate() {
            for (sums, quad) in sums.iter_mut().zip(quads) {
                let digits: [i8; QUAD] = bytemuck::cast(*quad);
                for (sums, strip) in sums.iter_mut().zip(self.strips) {
                    for (sum, entries) in sums.iter_mut().zip(strip[at].as_chunks::<QUAD>().0) {
                        let terms = entries.iter().zip(digits).map(|(&a, x)| i32::from(a) * i32::from(x));
                        *sum += terms.sum::<i32>();
                    }
                }
            }
        }
        self.finish(&sums)
    }

    /// From the digits' sums to numbers.
    #[inline(always)]
    fn finish(&self, sums: &[[[i32; STRIP]; V]; DIGITS]) -> Products<V> {
        let mut products = [[[0.0; STRIP]; V]; DIGITS];
        for ((products, sums), factor) in products.iter_mut().zip(sums.as_chunks::<D>().0).zip(self.factors) {
            for (v, products) in products.iter_mut().enumerate() {
                // One digit is no loop: as one it is compiled to slower code.
                if D == 1 {
                    *products = sums[0][v].map(|sum| sum as f32 * factor);
                    continue;
                }
                // Digit by digit, so that the rows are a vector.
                for digit in sums {
                    for (product, &sum) in products.iter_mut().zip(&digit[v]) {
                        *product = *product * 256.0 + sum as f32;
                    }
                }
                products.iter_mut().for_each(|product| *product *= factor);
            }
        }
        products
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(clippy::needless_range_loop, reason = "see `simd::update`")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{DIGITS, LINE, Products, QUAD, STRIP, Tile};

    /// Four products of bytes and their sum in every lane.
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub fn tile_vnni<const D: usize, const V: usize>(tile: Tile<'_, D, V>) -> Products<V> {
        let mut sums = [[_mm512_setzero_si512(); V]; DIGITS];
        for i in 0..DIGITS {
            sums[i] = [_mm512_set1_epi32(tile.starts[i]); V];
        }
        let strips = tile.strips.map(|strip| &strip[..tile.digits.len()]);
        for (at, quads) in tile.digits.iter().enumerate() {
            let mut entries = [_mm512_setzero_si512(); V];
            for v in 0..V {
                // SAFETY: a line is 64 bytes.
                entries[v] = unsafe { _mm512_loadu_si512(strips[v][at].as_ptr().cast()) };
            }
            for i in 0..DIGITS {
                let quad = _mm512_set1_epi32(quads[i]);
                for v in 0..V {
                    sums[i][v] = _mm512_dpbusd_epi32(sums[i][v], entries[v], quad);
                }
            }
        }
        let mut numbers = [[[0; STRIP]; V]; DIGITS];
        for i in 0..DIGITS {
            for v in 0..V {
                // SAFETY: 16 integers are 512 bits without invalid values.
                numbers[i][v] = unsafe { std::mem::transmute::<__m512i, [i32; STRIP]>(sums[i][v]) };
            }
        }
        tile.finish(&numbers)
    }

    /// Two products of 16-bit numbers and their sum in every lane: a line is four vectors of four rows. Two digits at a
    /// time, so that their sums stay in registers.
    #[target_feature(enable = "avx2")]
    pub fn tile_avx2<const D: usize, const V: usize>(tile: Tile<'_, D, V>) -> Products<V> {
        const PARTS: usize = LINE / 16;
        let mut numbers = [[[0; STRIP]; V]; DIGITS];
        for first in (0..DIGITS).step_by(2) {
            for v in 0..V {
                let mut halves = [[_mm256_setzero_si256(); PARTS]; 2];
                for (line, quads) in tile.strips[v].iter().zip(tile.digits) {
                    let digits = [quads[first], quads[first + 1]]
                        .map(|quad| _mm256_broadcastq_epi64(_mm_cvtepi8_epi16(_mm_cvtsi32_si128(quad))));
                    for (part, entries) in line.as_chunks::<16>().0.iter().enumerate() {
                        // SAFETY: 16 bytes.
                        let entries = unsafe { _mm_loadu_si128(entries.as_ptr().cast()) };
                        let entries = _mm256_cvtepu8_epi16(entries);
                        for d in 0..2 {
                            let pairs = _mm256_madd_epi16(entries, digits[d]);
                            halves[d][part] = _mm256_add_epi32(halves[d][part], pairs);
                        }
                    }
                }
                for d in 0..2 {
                    // SAFETY: 32 integers are four times 256 bits without invalid values.
                    let halves = unsafe {
                        std::mem::transmute::<[__m256i; PARTS], [[i32; QUAD / 2]; STRIP]>(halves[d])
                    };
                    let start = tile.starts[first + d];
                    for (number, halves) in numbers[first + d][v].iter_mut().zip(halves) {
                        *number = start + halves[0] + halves[1];
                    }
                }
            }
        }
        tile.finish(&numbers)
    }
}
