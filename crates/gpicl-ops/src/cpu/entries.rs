//! Entries of random matrices: normals rounded to 255 levels, by Walker's alias method (1977) on Philox bits.
//!
//! Entry `e` is made of two bytes, number `e % 8` of either half of block `e / 8`: the first chooses a cell of a table
//! of 256, the second one of the two levels that share it. With AVX-512's vectors of bytes the table stays in registers.

#[cfg(target_arch = "x86_64")]
use super::dispatch;
use super::philox::Sequence;

/// Entries made at a time: eight blocks, a byte each.
pub const LINE: usize = 64;
const BLOCKS: u32 = 8;
/// Levels are stored as bytes, with this one as 0.
pub const ZERO: u8 = 128;
/// Standard deviation of an entry, in levels: `sqrt(58_985_148 / 2^16)`.
pub const DEVIATION: f32 = 30.000_698;

/// Of 2^16 entries, how many are at level `i`, and as many at `-i`: those of a normal of standard deviation 30 that
/// round to it. Sums of them from any level up are off by at most a half.
#[rustfmt::skip]
const COUNTS: [u32; 128] = [
    872, 871, 869, 867, 864, 860, 854, 848, 841, 833, 824, 815, 805, 793, 782, 769,
    756, 742, 728, 713, 698, 682, 666, 649, 633, 616, 599, 581, 564, 546, 528, 511,
    494, 476, 458, 442, 424, 407, 391, 374, 359, 342, 327, 312, 297, 283, 269, 256,
    242, 230, 217, 206, 194, 183, 172, 163, 152, 144, 134, 126, 118, 110, 103, 96,
    90, 83, 78, 72, 67, 62, 57, 53, 49, 45, 41, 39, 35, 32, 30, 27,
    25, 23, 21, 19, 17, 16, 14, 13, 12, 11, 9, 9, 8, 7, 6, 6,
    6, 4, 4, 4, 4, 3, 2, 3, 2, 2, 1, 2, 1, 1, 1, 1,
    1, 1, 1, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 1,
];

/// Cell `c` holds `own[c]` of 256 shares of byte `c`, the rest of `other[c]`.
struct Table {
    own: [u8; 256],
    other: [u8; 256],
}

static TABLE: Table = Table::new();

impl Table {
    /// Fills each byte's cell with it, or, if there is too little of it, up with one of which there is too much.
    const fn new() -> Self {
        let mut left = [0; 256];
        let mut i = 0;
        while i < 128 {
            left[128 + i] = COUNTS[i];
            left[128 - i] = COUNTS[i];
            i += 1;
        }
        let mut table = Self { own: [255; 256], other: [0; 256] };
        let mut done = [false; 256];
        // As many rounds as cells that are not full of their own byte; the rest are filled below.
        loop {
            let (mut little, mut much) = (0, 0);
            while little < 256 && (done[little] || left[little] >= 256) {
                little += 1;
            }
            if little == 256 {
                break;
            }
            while left[much] <= 256 {
                much += 1;
            }
            table.own[little] = left[little] as u8;
            table.other[little] = much as u8;
            left[much] -= 256 - left[little];
            done[little] = true;
        }
        let mut cell = 0;
        while cell < 256 {
            if !done[cell] {
                table.other[cell] = cell as u8;
            }
            cell += 1;
        }
        table
    }
}

/// Lines `first..` of a sequence's entries, as bytes: [`ZERO`] is level 0. The same on every CPU.
pub fn fill(sequence: Sequence, first: u32, lines: &mut [[u8; LINE]]) {
    #[cfg(target_arch = "x86_64")]
    {
        if x86::is_available() {
            // SAFETY: the CPU has the features that the function is compiled for.
            return unsafe { x86::fill(sequence, first, lines) };
        }
        if dispatch::has_avx2() {
            // SAFETY: as above.
            return unsafe { avx2::fill(sequence, first, lines) };
        }
    }
    fill_one_by_one(sequence, first, lines);
}

fn fill_one_by_one(sequence: Sequence, first: u32, lines: &mut [[u8; LINE]]) {
    let mut block = first.wrapping_mul(BLOCKS);
    for line in lines {
        for out in line.as_chunks_mut::<8>().0 {
            let [a, b, c, d] = sequence.block(block).map(u64::from);
            let (cells, shares) = ((a | b << 32).to_le_bytes(), (c | d << 32).to_le_bytes());
            for ((out, cell), share) in out.iter_mut().zip(cells).zip(shares) {
                let is_own = share < TABLE.own[usize::from(cell)];
                *out = if is_own { cell } else { TABLE.other[usize::from(cell)] };
            }
            block = block.wrapping_add(1);
        }
    }
}

/// 64 bytes a register, with the table in eight of them.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{BLOCKS, LINE, Sequence, TABLE};
    use crate::cpu::{dispatch, philox};

    pub fn is_available() -> bool {
        dispatch::is_avx512()
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vbmi")
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi")]
    pub fn fill(sequence: Sequence, first: u32, lines: &mut [[u8; LINE]]) {
        let (own, other) = (quarters(&TABLE.own), quarters(&TABLE.other));
        let mut blocks = _mm512_add_epi64(
            _mm512_set1_epi64(i64::from(first.wrapping_mul(BLOCKS))),
            _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7),
        );
        for line in lines {
            let [a, b, c, d] = philox::x86::blocks(sequence, blocks);
            let (cells, shares) = (interleave(a, b), interleave(c, d));
            let is_own = _mm512_cmplt_epu8_mask(shares, look_up(own, cells));
            let values = _mm512_mask_blend_epi8(is_own, look_up(other, cells), cells);
            // SAFETY: a line is 64 bytes.
            unsafe { _mm512_storeu_si512(line.as_mut_ptr().cast(), values) };
            blocks = _mm512_add_epi64(blocks, _mm512_set1_epi64(i64::from(BLOCKS)));
        }
    }

    #[target_feature(enable = "avx512f")]
    fn quarters(table: &[u8; 256]) -> [__m512i; 4] {
        // SAFETY: 64 bytes from each of the places in 256.
        [0, 64, 128, 192].map(|at| unsafe { _mm512_loadu_si512(table.as_ptr().add(at).cast()) })
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    fn look_up([a, b, c, d]: [__m512i; 4], at: __m512i) -> __m512i {
        let (low, high) = (_mm512_permutex2var_epi8(a, at, b), _mm512_permutex2var_epi8(c, at, d));
        _mm512_mask_blend_epi8(_mm512_movepi8_mask(at), low, high)
    }

    /// The low halves of `even`'s and `odd`'s 64-bit lanes in turn.
    #[target_feature(enable = "avx512f")]
    fn interleave(even: __m512i, odd: __m512i) -> __m512i {
        _mm512_mask_shuffle_epi32::<0b10_10_00_00>(even, 0b1010_1010_1010_1010, odd)
    }
}

/// 32 bytes a register, with 16 of the table in each half of one.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;
    use std::array::from_fn;

    use super::{BLOCKS, LINE, Sequence, TABLE};
    use crate::cpu::philox;

    /// Bytes of a register: half a line, of half its blocks.
    const HALF: usize = LINE / 2;

    #[target_feature(enable = "avx2")]
    pub fn fill(sequence: Sequence, first: u32, lines: &mut [[u8; LINE]]) {
        let (own, other) = (sixteenths(&TABLE.own), sixteenths(&TABLE.other));
        let start = _mm256_add_epi64(
            _mm256_set1_epi64x(i64::from(first.wrapping_mul(BLOCKS))),
            _mm256_setr_epi64x(0, 1, 2, 3),
        );
        let half = _mm256_set1_epi64x(i64::from(BLOCKS / 2));
        let mut blocks = [start, _mm256_add_epi64(start, half)];
        let keys = philox::x86::keys(sequence);
        for line in lines {
            let words = philox::x86::fours(sequence, &keys, blocks);
            for (half, [a, b, c, d]) in line.as_chunks_mut::<HALF>().0.iter_mut().zip(words) {
                let (cells, shares) = (interleave(a, b), interleave(c, d));
                let [own, other] = look_up([&own, &other], cells);
                let is_other = _mm256_cmpeq_epi8(_mm256_max_epu8(shares, own), shares);
                let values = _mm256_blendv_epi8(cells, other, is_other);
                // SAFETY: half a line is 32 bytes.
                unsafe { _mm256_storeu_si256(half.as_mut_ptr().cast(), values) };
            }
            for blocks in &mut blocks {
                *blocks = _mm256_add_epi64(*blocks, _mm256_set1_epi64x(i64::from(BLOCKS)));
            }
        }
    }

    #[target_feature(enable = "avx2")]
    fn sixteenths(table: &[u8; 256]) -> [__m256i; 16] {
        let parts = table.as_chunks::<16>().0;
        // SAFETY: a part is 16 bytes.
        from_fn(|i| _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(parts[i].as_ptr().cast()) }))
    }

    /// A shuffle finds the byte's place in its 16 by the lower four bits, and gives 0 where the highest is set. The three
    /// between them choose among eight results.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn look_up(tables: [&[__m256i; 16]; 2], at: __m256i) -> [__m256i; 2] {
        let above = _mm256_xor_si256(at, _mm256_set1_epi8(-128));
        let bits = [_mm256_slli_epi16::<3>(at), _mm256_slli_epi16::<2>(at), _mm256_slli_epi16::<1>(at)];
        [look_up_in(tables[0], at, above, bits), look_up_in(tables[1], at, above, bits)]
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn look_up_in(table: &[__m256i; 16], at: __m256i, above: __m256i, bits: [__m256i; 3]) -> __m256i {
        let eighth = |i: usize| {
            _mm256_or_si256(_mm256_shuffle_epi8(table[i], at), _mm256_shuffle_epi8(table[i + 8], above))
        };
        let quarter = |i: usize| _mm256_blendv_epi8(eighth(2 * i), eighth(2 * i + 1), bits[0]);
        let half = |i: usize| _mm256_blendv_epi8(quarter(2 * i), quarter(2 * i + 1), bits[1]);
        _mm256_blendv_epi8(half(0), half(1), bits[2])
    }

    /// The low halves of `even`'s and `odd`'s 64-bit lanes in turn.
    #[target_feature(enable = "avx2")]
    fn interleave(even: __m256i, odd: __m256i) -> __m256i {
        _mm256_blend_epi32::<0b1010_1010>(even, _mm256_slli_epi64::<32>(odd))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::normal::tests::normal_cdf;

    fn sequence(k: u64) -> Sequence {
        Sequence { seed: 20_221_208, stream: 1, k }
    }

    fn lines(k: u64, n: usize) -> Vec<[u8; LINE]> {
        let mut lines = vec![[0; LINE]; n];
        fill(sequence(k), 0, &mut lines);
        lines
    }

    /// Levels over their standard deviation.
    fn entries(k: u64, n: usize) -> Vec<f64> {
        let level = |&byte: &u8| (f64::from(byte) - f64::from(ZERO)) / f64::from(DEVIATION);
        lines(k, n / LINE).as_flattened().iter().map(level).collect()
    }

    #[test]
    fn levels_have_the_shares_of_a_rounded_normal() {
        let from = |level: usize| COUNTS[level..].iter().sum::<u32>();
        for level in 1..128 {
            let expected = normal_cdf(-(level as f64 - 0.5) / 30.0) * 65_536.0;
            assert!((f64::from(from(level)) - expected).abs() <= 0.5 + 1e-6, "from level {level}");
        }
        assert_eq!(COUNTS[0] + 2 * from(1), 1 << 16);
        let squares: u32 = (0..128).map(|i| 2 * i * i * COUNTS[i as usize]).sum();
        assert!((f64::from(squares) / 65_536.0 - f64::from(DEVIATION).powi(2)).abs() < 1e-4, "{squares}");
    }

    #[test]
    fn the_table_gives_every_level_its_share() {
        let mut found = [0_u32; 256];
        for cell in 0..256 {
            let own = u32::from(TABLE.own[cell]);
            found[cell] += own;
            found[usize::from(TABLE.other[cell])] += 256 - own;
        }
        assert_eq!(found[0], 0);
        for (i, &count) in COUNTS.iter().enumerate() {
            assert_eq!([found[128 - i], found[128 + i]], [count; 2], "level {i}");
        }
    }

    type Fill = fn(Sequence, u32, &mut [[u8; LINE]]);

    /// All that this machine can run.
    fn versions() -> Vec<Fill> {
        #[allow(unused_mut, reason = "only x86 has more than one")]
        let mut versions: Vec<Fill> = vec![fill_one_by_one, fill];
        #[cfg(target_arch = "x86_64")]
        if dispatch::has_avx2() {
            // SAFETY: the CPU has AVX2.
            versions.push(|sequence, first, lines| unsafe { avx2::fill(sequence, first, lines) });
        }
        versions
    }

    #[test]
    fn every_version_gives_the_same_bytes_from_any_line() {
        let whole = lines(9, 40);
        // Where the counter of blocks ends.
        let mut end = [[0; LINE]; 3];
        fill_one_by_one(sequence(9), (1 << 29) - 2, &mut end);
        assert_eq!(end[2], whole[0]);
        for version in versions() {
            for (first, n) in [(0, 40), (1, 1), (7, 0), (13, 27)] {
                let mut part = vec![[0; LINE]; n];
                version(sequence(9), first, &mut part);
                assert_eq!(part, whole[first as usize..][..n]);
            }
            let mut other = [[0; LINE]; 3];
            version(sequence(9), (1 << 29) - 2, &mut other);
            assert_eq!(end, other);
        }
    }

    /// Four standard errors of each statistic at this sample size.
    #[test]
    fn moments_and_tails_are_those_of_the_normal_distribution() {
        let n = 1 << 22;
        let values = entries(1, n);
        let moment = |power: i32| values.iter().map(|x| x.powi(power)).sum::<f64>() / n as f64;
        let root = (n as f64).sqrt();
        for (power, expected, variance) in
            [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0), (6, 15.0, 10_170.0_f64)]
        {
            let error = (moment(power) - expected).abs();
            assert!(error < 4.0 * variance.sqrt() / root, "moment {power}: {error}");
        }
        // Between two levels, where rounding moves nothing across.
        for level in [29.5, 59.5, 89.5, 119.5] {
            let bound = level / f64::from(DEVIATION);
            let expected = 2.0 * normal_cdf(-bound) * n as f64;
            let beyond = values.iter().filter(|x| x.abs() > bound).count() as f64;
            // The shares are whole 65536ths.
            let tolerance = 4.0 * expected.sqrt() + 1.0 + n as f64 / 65_536.0;
            assert!((beyond - expected).abs() < tolerance, "{beyond} beyond {bound}: {expected}");
        }
    }

    /// Kolmogorov and Smirnov's statistic between the levels, at the level 10^-4.
    #[test]
    fn the_distribution_is_normal() {
        let n = 1 << 20;
        let mut counts = [0_u32; 256];
        lines(2, n / LINE).as_flattened().iter().for_each(|&byte| counts[usize::from(byte)] += 1);
        let mut below = 0;
        let distance = (0..256).fold(0.0, |worst: f64, byte| {
            below += counts[byte];
            let edge = (byte as f64 - f64::from(ZERO) + 0.5) / f64::from(DEVIATION);
            worst.max((normal_cdf(edge) - f64::from(below) / n as f64).abs())
        });
        assert!(distance * (n as f64).sqrt() < 2.23, "{distance}");
    }

    #[test]
    fn entries_do_not_depend_on_each_other() {
        let n = 1 << 20;
        let (values, others) = (entries(3, n), entries(4, n));
        let correlation =
            |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / a.len() as f64;
        // Next to each other, bytes of one word and of two, blocks, lines, two tasks.
        for lag in [1, 2, 4, 8, 16, 64, 128] {
            let linear = correlation(&values[lag..], &values[..n - lag]);
            assert!(linear.abs() < 4.0 / (n as f64).sqrt(), "lag {lag}: {linear}");
            let squares: Vec<f64> = values.iter().map(|x| x * x - 1.0).collect();
            let square = correlation(&squares[lag..], &squares[..n - lag]);
            assert!(square.abs() < 8.0 / (n as f64).sqrt(), "squares, lag {lag}: {square}");
        }
        assert!(correlation(&values, &others).abs() < 4.0 / (n as f64).sqrt());
    }
}
