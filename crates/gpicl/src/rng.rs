//! Counter-based random numbers: (seed, stream, k, i) -> bits. The only source of chance.
//!
//! The bits are Philox's ([`Sequence`]): stateless, so that task k needs nothing of the tasks before it, and
//! the same on every platform and number of threads.

use gpicl_ops::cpu::normal::normal_pair;
use gpicl_ops::cpu::philox::Sequence;

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
    /// Initial weights of the baselines.
    Baseline = 9,
    /// Which source of a mixture an episode is of.
    SourceChoice = 10,
    /// Validation examples of a training split.
    Validation = 11,
    /// Which points a bootstrap draws.
    Bootstrap = 12,
    /// Functions of the prior of tables.
    Prior = 13,
    /// By which vector a column of a table is told from the others.
    Signature = 14,
    /// Where meta-training splits an episode into context and queries.
    Split = 15,
    /// Which labelled rows say how sure a prediction may be.
    HeldOut = 16,
    /// How the hidden units of a token differ that comes to hold the cells of more features.
    Place = 17,
}

/// A sequence of draws from one (seed, stream, k).
#[derive(Clone, Debug)]
pub struct Rng {
    sequence: Sequence,
    block: u32,
    words: [u32; 4],
    used: usize,
    /// The second of the last pair of normals.
    spare: Option<f32>,
}

impl Rng {
    /// The sequence of (seed, stream, k), from its start.
    pub fn new(seed: u64, stream: Stream, k: u64) -> Self {
        let sequence = Sequence { seed, stream: stream as u32, k };
        Self { sequence, block: 0, words: [0; 4], used: 4, spare: None }
    }

    /// 32 random bits.
    pub fn bits(&mut self) -> u32 {
        if self.used == 4 {
            self.words = self.sequence.block(self.block);
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

    /// Uniform in `0..n`, without bias (Lemire 2019).
    ///
    /// # Panics
    /// If `n` is 0.
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

    /// Standard normal.
    pub fn normal(&mut self) -> f32 {
        self.spare.take().unwrap_or_else(|| {
            let [first, second] = normal_pair(self.bits(), self.bits(), 1.0);
            self.spare = Some(second);
            first
        })
    }

    /// Puts `items` into a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert, prop_assert_eq, prop_assert_ne, proptest};

    use super::*;

    fn draws(seed: u64, stream: Stream, k: u64) -> Vec<u32> {
        let mut rng = Rng::new(seed, stream, k);
        (0..8).map(|_| rng.bits()).collect()
    }

    proptest! {
        #[test]
        fn a_draw_below_n_is_below_n(seed: u64, k: u64, n in 1..u64::MAX) {
            prop_assert!(Rng::new(seed, Stream::TaskChoice, k).below(n) < n);
        }

        #[test]
        fn sequences_repeat_and_differ_in_every_part_of_their_name(seed: u64, k: u64, bit in 0..64) {
            let base = draws(seed, Stream::Projection, k);
            prop_assert_eq!(&base, &draws(seed, Stream::Projection, k));
            prop_assert_ne!(&base, &draws(seed ^ 1_u64 << bit, Stream::Projection, k));
            prop_assert_ne!(&base, &draws(seed, Stream::Projection, k ^ 1_u64 << bit));
            prop_assert_ne!(&base, &draws(seed, Stream::Permutation, k));
        }
    }

    /// Chi squared over 10 values; 9 degrees of freedom, level 10^-4.
    #[test]
    fn integers_are_uniform() {
        let mut rng = Rng::new(5, Stream::ExampleChoice, 0);
        let mut counts = [0.0_f64; 10];
        for _ in 0..100_000 {
            counts[rng.below(10) as usize] += 1.0;
        }
        let chi: f64 = counts.iter().map(|count| (count - 10_000.0).powi(2) / 10_000.0).sum();
        assert!(chi < 33.7, "{counts:?}");
    }

    #[test]
    fn floats_have_the_moments_of_their_distributions() {
        let mut rng = Rng::new(5, Stream::Init, 1);
        let n = 100_000;
        let moments = |draw: &mut dyn FnMut() -> f32| {
            let values: Vec<f64> = (0..n).map(|_| f64::from(draw())).collect();
            let mean = values.iter().sum::<f64>() / n as f64;
            (mean, values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64)
        };
        let (mean, variance) = moments(&mut || rng.uniform());
        assert!((mean - 0.5).abs() < 0.004 && (variance - 1.0 / 12.0).abs() < 0.001, "{mean} {variance}");
        let (mean, variance) = moments(&mut || rng.normal());
        assert!(mean.abs() < 0.013 && (variance - 1.0).abs() < 0.018, "{mean} {variance}");
    }

    #[test]
    #[should_panic(expected = "no number is below 0")]
    fn nothing_is_below_zero() {
        Rng::new(0, Stream::Init, 0).below(0);
    }
}
