//! A tile of the product in integers: some inputs times some rows of the matrix.

use super::QUAD;
#[cfg(target_arch = "x86_64")]
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
    /// As [`Machine::arrange`] leaves them.
    pub digits: &'a [Quads],
    /// How many of the digits are there; products of the others are unspecified.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "the plain version multiplies all"))]
    pub used: usize,
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
            (Self::Avx2, dispatch::has_avx2()),
            (Self::Plain, true),
        ];
        machines.into_iter().filter_map(|(machine, is_there)| is_there.then_some(machine))
    }

    pub fn best() -> Self {
        Self::all().next().unwrap_or(Self::Plain)
    }

    /// How much room digits of inputs of `D` take after [`Self::arrange`], for each [`Quads`] before it.
    pub fn room<const D: usize>(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => 2 / D,
            _ => 1,
        }
    }

    /// Brings the first of `digits`, of inputs of `D`, into the order that [`Self::tile`] takes, in all the room there is.
    #[cfg_attr(not(target_arch = "x86_64"), allow(unused_variables, reason = "they are in order"))]
    pub fn arrange<const D: usize>(self, digits: &mut [Quads]) {
        #[cfg(target_arch = "x86_64")]
        if let Self::Avx2 = self {
            // SAFETY: the machine is there only if the CPU has its extensions.
            unsafe { x86::arrange_avx2::<D>(digits) };
        }
    }

    /// Writes the numbers of a tile of [`Self::arrange`]d digits to `out`.
    pub fn tile<const D: usize, const V: usize>(self, tile: Tile<'_, D, V>, out: &mut Products<V>) {
        match self {
            // SAFETY: the machine is there only if the CPU has its extensions.
            #[cfg(target_arch = "x86_64")]
            Self::Vnni => unsafe { x86::tile_vnni(tile, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { x86::tile_avx2(tile, out) },
            Self::Plain => tile.plain(out),
        }
    }
}

impl<const D: usize, const V: usize> Tile<'_, D, V> {
    fn plain(self, out: &mut Products<V>) {
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
        self.finish(&sums, out);
    }

    /// From the digits' sums to numbers: their sum rounded once, then times the factor.
    #[inline(always)]
    fn finish(&self, sums: &[[[i32; STRIP]; V]; DIGITS], out: &mut Products<V>) {
        for ((products, sums), factor) in out.iter_mut().zip(sums.as_chunks::<D>().0).zip(self.factors) {
            for (v, products) in products.iter_mut().enumerate() {
                // One digit is no loop: as one it is compiled to slower code.
                if D == 1 {
                    *products = sums[0][v].map(|sum| sum as f32 * factor);
                    continue;
                }
                // Digit by digit, so that the rows are a vector.
                let mut exact = [0.0; STRIP];
                for digit in sums {
                    for (exact, &sum) in exact.iter_mut().zip(&digit[v]) {
                        *exact = *exact * 256.0 + f64::from(sum);
                    }
                }
                *products = exact.map(|exact| exact as f32 * factor);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(clippy::needless_range_loop, reason = "see `simd::update`")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{DIGITS, LINE, Products, QUAD, Quads, STRIP, Tile};
    use crate::cpu::entries::ZERO;

    /// Numbers that AVX2 multiplies at a time.
    const TOGETHER: usize = 6;
    /// Rows that it multiplies at a time.
    const ROWS: usize = STRIP / 2;
    /// Quads that it sums before the next rows: their digits stay in the first cache, and sums of numbers of two digits, of
    /// at most 512 * 127 * 32512, below 2^31.
    const QUADS: usize = 128;

    /// Four products of bytes and their sum in every lane.
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub fn tile_vnni<const D: usize, const V: usize>(tile: Tile<'_, D, V>, out: &mut Products<V>) {
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
        tile.finish(&numbers, out);
    }

    /// Two products of 16-bit numbers and their sum in every lane. Half a line, two vectors of four rows, times
    /// [`TOGETHER`] numbers are 12 of AVX2's 16 registers.
    #[target_feature(enable = "avx2")]
    pub fn tile_avx2<const D: usize, const V: usize>(tile: Tile<'_, D, V>, out: &mut Products<V>) {
        const PARTS: usize = STRIP / ROWS;
        // Numbers of two digits take entries without what they are stored too large, and may sum to more than integers hold.
        let mut sums = [[[_mm256_setzero_si256(); PARTS]; V]; DIGITS];
        let mut exact = [[[[_mm256_setzero_pd(); 2]; PARTS]; V]; TOGETHER];
        if D == 1 {
            for i in 0..DIGITS {
                sums[i] = [[_mm256_set1_epi32(tile.starts[i]); PARTS]; V];
            }
        }
        let depth = tile.strips.map(<[_]>::len).into_iter().min().unwrap_or(0);
        for first in (0..depth).step_by(QUADS) {
            let span = first..(first + QUADS).min(depth);
            for v in 0..V {
                let lines = &tile.strips[v][span.clone()];
                for at in (0..tile.used / D).step_by(TOGETHER) {
                    for part in 0..PARTS {
                        if D == 1 {
                            let numbers: &[[i64; DIGITS]] = bytemuck::cast_slice(tile.digits);
                            let products =
                                products::<false, DIGITS>(lines, part * ROWS, &numbers[span.clone()], at);
                            for i in 0..TOGETHER {
                                let sum = &mut sums[at + i][v][part];
                                *sum = _mm256_add_epi32(*sum, products[i]);
                            }
                        } else {
                            let numbers: &[[i64; TOGETHER]] = bytemuck::cast_slice(tile.digits);
                            let products =
                                products::<true, TOGETHER>(lines, part * ROWS, &numbers[span.clone()], at);
                            for i in 0..TOGETHER {
                                let [low, high] = exact[at + i][v][part];
                                let product = products[i];
                                exact[at + i][v][part] = [
                                    _mm256_add_pd(low, _mm256_cvtepi32_pd(_mm256_castsi256_si128(product))),
                                    _mm256_add_pd(
                                        high,
                                        _mm256_cvtepi32_pd(_mm256_extracti128_si256::<1>(product)),
                                    ),
                                ];
                            }
                        }
                    }
                }
            }
        }
        for i in 0..tile.used / D {
            let factor = _mm256_set1_ps(tile.factors[i]);
            for v in 0..V {
                for part in 0..PARTS {
                    let sum = if D == 1 {
                        _mm256_cvtepi32_ps(sums[i][v][part])
                    } else {
                        let [low, high] = exact[i][v][part];
                        _mm256_set_m128(_mm256_cvtpd_ps(high), _mm256_cvtpd_ps(low))
                    };
                    let to = &mut out[i][v][part * ROWS..][..ROWS];
                    // SAFETY: eight floats are 256 bits.
                    unsafe { _mm256_storeu_ps(to.as_mut_ptr(), _mm256_mul_ps(sum, factor)) };
                }
            }
        }
    }

    /// Four 16-bit numbers for four digits, or for four pairs of them.
    #[target_feature(enable = "avx2")]
    pub fn arrange_avx2<const D: usize>(digits: &mut [Quads]) {
        const { assert!(D == 1 || D == 2) };
        // From the end, since the numbers of one digit take more room.
        for at in (0..digits.len() * D / 2).rev() {
            let wide = widen(digits[at]);
            if D == 1 {
                bytemuck::cast_slice_mut::<_, [i64; DIGITS]>(digits)[at] = wide;
                continue;
            }
            for (to, of_one) in digits[at].as_chunks_mut::<2>().0.iter_mut().zip(wide.as_chunks::<2>().0) {
                let [high, low] = of_one.map(bytemuck::cast::<i64, [i16; QUAD]>);
                *to = bytemuck::cast(std::array::from_fn::<i16, QUAD, _>(|i| high[i] * 256 + low[i]));
            }
        }
    }

    /// Digits as 16-bit numbers.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn widen(digits: Quads) -> [i64; DIGITS] {
        let mut wide = [0; DIGITS];
        for (digits, wide) in digits.as_chunks::<4>().0.iter().zip(wide.as_chunks_mut::<4>().0) {
            // SAFETY: 16 bytes to read, 32 to write.
            unsafe {
                let digits = _mm256_cvtepi8_epi16(_mm_loadu_si128(digits.as_ptr().cast()));
                _mm256_storeu_si256(wide.as_mut_ptr().cast(), digits);
            }
        }
        wide
    }

    /// Sums for [`ROWS`] rows from `row` and [`TOGETHER`] numbers from `at`, of entries as they are stored or as they are meant.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn products<const SIGNED: bool, const W: usize>(
        lines: &[[u8; LINE]],
        row: usize,
        numbers: &[[i64; W]],
        at: usize,
    ) -> [__m256i; TOGETHER] {
        // Of every row the sum of two products in one lane, that of the other two in the next.
        let mut halves = [[_mm256_setzero_si256(); 2]; TOGETHER];
        for (line, numbers) in lines.iter().zip(numbers) {
            let (bytes, numbers) = (&line[row * QUAD..][..ROWS * QUAD], &numbers[at..at + TOGETHER]);
            let mut entries = [_mm256_setzero_si256(); 2];
            for part in 0..2 {
                // SAFETY: 16 bytes.
                let bytes = unsafe { _mm_loadu_si128(bytes[part * 16..][..16].as_ptr().cast()) };
                entries[part] = if SIGNED {
                    _mm256_cvtepi8_epi16(_mm_xor_si128(bytes, _mm_set1_epi8(ZERO as i8)))
                } else {
                    _mm256_cvtepu8_epi16(bytes)
                };
            }
            for i in 0..TOGETHER {
                let quad = _mm256_set1_epi64x(numbers[i]);
                for part in 0..2 {
                    let pairs = _mm256_madd_epi16(entries[part], quad);
                    halves[i][part] = _mm256_add_epi32(halves[i][part], pairs);
                }
            }
        }
        let mut sums = [_mm256_setzero_si256(); TOGETHER];
        for i in 0..TOGETHER {
            // By halves of a register: rows 0, 1, 4, 5 and 2, 3, 6, 7.
            let rows = _mm256_hadd_epi32(halves[i][0], halves[i][1]);
            sums[i] = _mm256_permute4x64_epi64::<0b11_01_10_00>(rows);
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::entries::ZERO;

    /// A tile of `depth` quads in which all entries of a strip are one byte, and all inputs have the same `digits`.
    fn check<const D: usize>(machine: Machine, depth: usize, bytes: [u8; 2], digits: [i8; D], used: usize) {
        let strips = bytes.map(|byte| vec![[byte; LINE]; depth]);
        let quad: Quads = std::array::from_fn(|i| bytemuck::cast([digits[i % D]; QUAD]));
        let mut room = vec![0_i64; depth * machine.room::<D>() * DIGITS / 2];
        let quads: &mut [Quads] = bytemuck::cast_slice_mut(&mut room);
        quads[..depth].fill(quad);
        machine.arrange::<D>(quads);
        let count = (depth * QUAD) as i32;
        let starts = std::array::from_fn(|i| -i32::from(ZERO) * i32::from(digits[i % D]) * count);
        let factors = std::array::from_fn(|i| 0.5 / (i + 1) as f32);
        let tile = Tile::<D, 2> { strips: [&strips[0], &strips[1]], digits: quads, used, starts, factors };
        let mut products = [[[f32::NAN; STRIP]; 2]; DIGITS];
        machine.tile(tile, &mut products);
        let number = digits.iter().fold(0, |number, &digit| number * 256 + i64::from(digit));
        for (products, factor) in products[..used / D].iter().zip(factors) {
            for (products, byte) in products.iter().zip(bytes) {
                let sum = (i64::from(byte) - i64::from(ZERO)) * number * i64::from(count);
                assert_eq!(*products, [sum as f32 * factor; STRIP], "{machine:?}: {depth} {byte} {digits:?}");
            }
        }
    }

    #[test]
    fn the_largest_sums_are_exact() {
        for machine in Machine::all() {
            for depth in [1, 127, 129, 517, 4096] {
                for bytes in [[1, 255], [255, 1], [129, 127]] {
                    for digit in [-128, 127, 1] {
                        check(machine, depth, bytes, [digit], DIGITS);
                        check(machine, depth, bytes, [digit], 5);
                    }
                    // The numbers of two digits reach from -32512 to 32512.
                    for digits in [[127, 0], [-127, 0], [126, 127], [-127, 1], [127, -128], [0, -1]] {
                        check(machine, depth, bytes, digits, DIGITS);
                        check(machine, depth, bytes, digits, 2);
                    }
                }
            }
        }
    }
}
