//! Philox4x32-10: random bits as a function of (seed, stream, k, i), with no state.
//!
//! Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011). The same on every
//! platform, and any part of a sequence can be had without the parts before it.

const MULTIPLIER: [u64; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;
const LOW: u64 = 0xFFFF_FFFF;

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
        self.blocks([index]).map(|word| word[0] as u32)
    }

    /// The blocks at `indices`, word by word: `blocks[w][j]` is word `w` of block `indices[j]`.
    ///
    /// Only the low 32 bits of each number are the word. A 64-bit lane holds both halves of the product that
    /// a round needs, so that on vectors a round is two multiplications, two shifts and two xors.
    #[inline(always)]
    pub(crate) fn blocks<const L: usize>(self, indices: [u32; L]) -> [[u64; L]; 4] {
        let k = [self.k & LOW, self.k >> 32];
        let mut words = [indices.map(u64::from), [u64::from(self.stream); L], [k[0]; L], [k[1]; L]];
        let mut key = [self.seed as u32, (self.seed >> 32) as u32];
        for _ in 0..ROUNDS {
            let a = words[0].map(|word| (word & LOW) * MULTIPLIER[0]);
            let b = words[2].map(|word| (word & LOW) * MULTIPLIER[1]);
            for j in 0..L {
                words[0][j] = (b[j] >> 32) ^ words[1][j] ^ u64::from(key[0]);
                words[2][j] = (a[j] >> 32) ^ words[3][j] ^ u64::from(key[1]);
            }
            words[1] = b;
            words[3] = a;
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
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

    #[test]
    fn several_blocks_at_once_are_the_single_ones() {
        let sequence = Sequence { seed: 3 << 40 | 5, stream: 7, k: 11 << 40 | 13 };
        let indices = std::array::from_fn::<u32, 9, _>(|j| (j as u32).wrapping_mul(0x2000_0001));
        let blocks = sequence.blocks(indices);
        for (j, &index) in indices.iter().enumerate() {
            assert_eq!(blocks.map(|word| word[j] as u32), sequence.block(index));
        }
    }
}
