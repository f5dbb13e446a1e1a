//! Philox4x32-10: random bits as a function of (seed, stream, k, i), with no state.
//!
//! Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011). The same on every
//! platform, and any part of a sequence can be had without the parts before it.

const MULTIPLIER: [u64; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// Names one sequence of random bits; sequences that differ in any field are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sequence {
    /// The caller's seed.
    pub seed: u64,
    /// What the numbers are for.
    pub stream: u32,
    /// Which of the things of that kind.
    pub k: u64,
}

impl Sequence {
    /// The four 32-bit words at `index`.
    pub fn block(self, index: u32) -> [u32; 4] {
        let [k_low, k_high] = halves(self.k);
        let mut words = [index, self.stream, k_low, k_high];
        let mut key = halves(self.seed);
        for _ in 0..ROUNDS {
            let a = halves(u64::from(words[0]) * MULTIPLIER[0]);
            let b = halves(u64::from(words[2]) * MULTIPLIER[1]);
            words = [b[1] ^ words[1] ^ key[0], b[0], a[1] ^ words[3] ^ key[1], a[0]];
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        words
    }
}

/// The low and the high 32 bits.
fn halves(wide: u64) -> [u32; 2] {
    [wide as u32, (wide >> 32) as u32]
}

/// Several blocks at once.
#[cfg(target_arch = "x86_64")]
pub(super) mod x86 {
    use std::arch::x86_64::*;

    use super::{MULTIPLIER, ROUNDS, Sequence, WEYL, halves};

    /// The eight blocks at `indices`, word by word, in the low halves of 64-bit lanes; the high halves are anything.
    ///
    /// A lane holds both halves of the product that a round needs: the round is two multiplications, two shifts and
    /// two xors of three.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn blocks(sequence: Sequence, indices: __m512i) -> [__m512i; 4] {
        let splat = |word: u32| _mm512_set1_epi64(i64::from(word));
        let multiplier = MULTIPLIER.map(|factor| _mm512_set1_epi64(factor as i64));
        let [k_low, k_high] = halves(sequence.k).map(splat);
        let mut words = [indices, splat(sequence.stream), k_low, k_high];
        let mut key = halves(sequence.seed);
        for _ in 0..ROUNDS {
            let a = _mm512_mul_epu32(words[0], multiplier[0]);
            let b = _mm512_mul_epu32(words[2], multiplier[1]);
            let xor = |product, word, key| {
                _mm512_ternarylogic_epi64::<0b1001_0110>(_mm512_srli_epi64::<32>(product), word, splat(key))
            };
            words = [xor(b, words[1], key[0]), b, xor(a, words[3], key[1]), a];
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        words
    }

    /// The keys of all rounds.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn keys(sequence: Sequence) -> [[__m256i; 2]; ROUNDS] {
        let mut key = halves(sequence.seed);
        let mut keys = [[_mm256_setzero_si256(); 2]; ROUNDS];
        for to in &mut keys {
            *to = [_mm256_set1_epi64x(i64::from(key[0])), _mm256_set1_epi64x(i64::from(key[1]))];
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        keys
    }

    /// [`blocks`], `N` times four of them, by [`keys`]: a round waits for its products, and the others fill the time.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn fours<const N: usize>(
        sequence: Sequence,
        keys: &[[__m256i; 2]; ROUNDS],
        indices: [__m256i; N],
    ) -> [[__m256i; 4]; N] {
        let splat = |word: u32| _mm256_set1_epi64x(i64::from(word));
        let multiplier = MULTIPLIER.map(|factor| _mm256_set1_epi64x(factor as i64));
        let [k_low, k_high] = halves(sequence.k).map(splat);
        let mut words = indices.map(|indices| [indices, splat(sequence.stream), k_low, k_high]);
        for key in keys {
            for words in &mut words {
                let a = _mm256_mul_epu32(words[0], multiplier[0]);
                let b = _mm256_mul_epu32(words[2], multiplier[1]);
                let xor = |product, word, key| {
                    _mm256_xor_si256(_mm256_srli_epi64::<32>(product), _mm256_xor_si256(word, key))
                };
                *words = [xor(b, words[1], key[0]), b, xor(a, words[3], key[1]), a];
            }
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers that come with the authors' own implementation.
    #[test]
    fn gives_the_published_answers() {
        // (index, stream, k) are the counter's words 0, 1 and 2 with 3; the seed is the key.
        let answer = |[a, b, c, d]: [u32; 4], [low, high]: [u32; 2]| {
            let wide = |low, high| u64::from(high) << 32 | u64::from(low);
            Sequence { seed: wide(low, high), stream: b, k: wide(c, d) }.block(a)
        };
        assert_eq!(answer([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(answer([!0; 4], [!0; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            answer([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn several_blocks_at_once_are_the_single_ones() {
        use std::arch::x86_64::{__m256i, __m512i, _mm256_loadu_si256, _mm512_loadu_si512};

        let sequence = Sequence { seed: 3 << 40 | 5, stream: 7, k: 11 << 40 | 13 };
        let indices = std::array::from_fn::<u32, 8, _>(|j| (j as u32).wrapping_mul(0x2000_0001));
        let (wide, expected) = (indices.map(u64::from), indices.map(|index| sequence.block(index)));
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the machine has the extension; both types are 512 bits without invalid values.
            let blocks = unsafe {
                let blocks = x86::blocks(sequence, _mm512_loadu_si512(wide.as_ptr().cast()));
                std::mem::transmute::<[__m512i; 4], [[u64; 8]; 4]>(blocks)
            };
            for (j, expected) in expected.iter().enumerate() {
                assert_eq!(blocks.map(|word| word[j] as u32), *expected);
            }
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: as above, with 256 bits, four indices each.
            let fours = unsafe {
                let at = |first: usize| _mm256_loadu_si256(wide[first..][..4].as_ptr().cast());
                let fours = x86::fours(sequence, &x86::keys(sequence), [at(0), at(4)]);
                std::mem::transmute::<[[__m256i; 4]; 2], [[[u64; 4]; 4]; 2]>(fours)
            };
            for (j, expected) in expected.iter().enumerate() {
                assert_eq!(fours[j / 4].map(|word| word[j % 4] as u32), *expected);
            }
        }
    }
}
