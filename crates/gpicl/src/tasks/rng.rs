//! Counter-based random numbers: (seed, stream, k, i) -> bits. The only source of chance.
//!
//! Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): stateless, so that task
//! k needs nothing of the tasks before it, and the same on every platform and number of threads.

/// What a random number is for. Streams never share a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Stream {
    /// Entries of `A_k`.
    Projection = 1,
    /// `rho_k`.
    Permutation = 2,
    /// Which task an episode is of.
    TaskChoice = 3,
    /// Which examples an episode draws.
    ExampleChoice = 4,
    /// Initial weights.
    Init = 5,
    /// Subsets and orders of a user's context rows.
    Context = 6,
    /// Seeds of meta-test episodes.
    MetaTest = 7,
    /// Splits and made data sets.
    Data = 8,
}

const MULTIPLIER: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// Four 32-bit words for `counter` under `key`.
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..ROUNDS {
        let a = u64::from(MULTIPLIER[0]) * u64::from(counter[0]);
        let b = u64::from(MULTIPLIER[1]) * u64::from(counter[2]);
        counter =
            [(b >> 32) as u32 ^ counter[1] ^ key[0], b as u32, (a >> 32) as u32 ^ counter[3] ^ key[1], a as u32];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

/// A sequence of draws from one (seed, stream, k).
#[derive(Clone, Debug)]
pub struct Rng {
    key: [u32; 2],
    k: u64,
    stream: u32,
    block: u32,
    words: [u32; 4],
    used: usize,
}

impl Rng {
    /// The sequence of (seed, stream, k), from its start.
    pub fn new(seed: u64, stream: Stream, k: u64) -> Self {
        let key = [seed as u32, (seed >> 32) as u32];
        Self { key, k, stream: stream as u32, block: 0, words: [0; 4], used: 4 }
    }

    /// 32 random bits.
    pub fn bits(&mut self) -> u32 {
        if self.used == 4 {
            self.words = philox([self.block, self.stream, self.k as u32, (self.k >> 32) as u32], self.key);
            self.block = self.block.checked_add(1).expect("one sequence holds 2^34 draws");
            self.used = 0;
        }
        self.used += 1;
        self.words[self.used - 1]
    }

    /// 64 random bits.
    pub fn bits64(&mut self) -> u64 {
        u64::from(self.bits()) << 32 | u64::from(self.bits())
    }

    /// Uniform in `0..n`, without bias (Lemire 2019). `n` must not be 0.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "no number is below 0");
        let threshold = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.bits64()) * u128::from(n);
            if product as u64 >= threshold {
                return (product >> 64) as u64;
            }
        }
    }

    /// Uniform in `[0, 1)`, a multiple of 2^-24.
    pub fn uniform(&mut self) -> f32 {
        (self.bits() >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    /// Standard normal: the sum form of Marsaglia's polar method, whose only transcendental is one `ln`.
    pub fn normal(&mut self) -> f32 {
        loop {
            let u = 2.0 * f64::from(self.uniform()) - 1.0;
            let v = 2.0 * f64::from(self.uniform()) - 1.0;
            let s = u * u + v * v;
            if s > 0.0 && s < 1.0 {
                return (u * (-2.0 * libm::log(s) / s).sqrt()) as f32;
            }
        }
    }

    /// Puts `items` into a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64 + 1) as usize);
        }
    }
}
