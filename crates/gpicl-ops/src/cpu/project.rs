//! Projection of an episode's inputs, `x' = A x`, in integers: one product on one thread.
//!
//! Entries of `A` are bytes ([`entries`]), and an input is rounded to whole steps, 32512 to its largest number, of two
//! signed digits to the base 256. Sums of products of bytes are exact, so the result is the same to the bit on every
//! CPU, and vectors make four of them where they make one product of floats. Episodes are the unit of parallel work,
//! so the product must not spread; its matrix is never whole in memory, but made a few rows at a time, in the order
//! in which they are read.

use pulp::{Simd, WithSimd};

use super::buffer::Buffer;
use super::dispatch;
use super::entries::{self, LINE};
use super::philox::Sequence;

/// Numbers of the inner dimension that are multiplied by one instruction.
const QUAD: usize = 4;
/// Rows of a random matrix that share a line of entries.
const STRIP: usize = LINE / QUAD;
/// Inputs of a tile: two digits each times two strips are 24 of AVX-512's 32 registers.
const INPUTS: usize = 6;
/// Quads that are summed as integers: so many that two strips stay in the second-level cache, and sums below 2^31.
const DEPTH: usize = 4096;
/// The largest number of an input, in steps: 127 in the high digit.
const LARGEST: f32 = 32_512.0;

/// A matrix `[out_dim, in_dim]` of independent normals, as what makes it. Its entries have 255 levels, a thirtieth of
/// a standard deviation apart.
#[derive(Clone, Copy, Debug)]
pub struct RandomMatrix {
    /// Where the entries come from: line `(i / 16) ceil(in_dim / 4) + j / 4` holds the entry of row `i` and column
    /// `j`, at `4 (i % 16) + j % 4`.
    pub sequence: Sequence,
    /// Rows.
    pub out_dim: usize,
    /// Columns.
    pub in_dim: usize,
    /// Standard deviation of an entry.
    pub std: f32,
}

impl RandomMatrix {
    /// The entries, row-major `[out_dim, in_dim]`.
    pub fn entries(&self) -> Vec<f32> {
        let &Self { sequence, out_dim, in_dim, .. } = self;
        let quads = in_dim.div_ceil(QUAD);
        let mut lines = vec![[0; LINE]; quads];
        let mut out = vec![0.0; out_dim * in_dim];
        for (strip, out) in out.chunks_mut((STRIP * in_dim).max(1)).enumerate() {
            entries::fill(sequence, (strip * quads) as u32, &mut lines);
            for (i, row) in out.chunks_exact_mut(in_dim).enumerate() {
                for (j, out) in row.iter_mut().enumerate() {
                    let byte = lines[j / QUAD][i * QUAD + j % QUAD];
                    *out = (f32::from(byte) - f32::from(entries::ZERO)) * self.level();
                }
            }
        }
        out
    }

    /// How far apart two levels are.
    fn level(&self) -> f32 {
        self.std / entries::DEVIATION
    }

    /// `out[i] = A inputs[i]`: inputs of `in_dim` finite numbers, and `out` `[n, out_dim]`, row-major. An input is
    /// rounded to steps of 1/32512 of its largest number.
    ///
    /// # Panics
    /// If the sizes disagree.
    pub fn project<'a>(&self, inputs: impl ExactSizeIterator<Item = &'a [f32]> + Clone, out: &mut [f32]) {
        self.project_on(Machine::best(), inputs, out);
    }

    fn project_on<'a>(
        &self,
        machine: Machine,
        inputs: impl ExactSizeIterator<Item = &'a [f32]> + Clone,
        out: &mut [f32],
    ) {
        let &Self { sequence, out_dim, in_dim, .. } = self;
        let (n, quads) = (inputs.len(), in_dim.div_ceil(QUAD));
        assert_eq!(Some(out.len()), n.checked_mul(out_dim), "{n} outputs of {out_dim} numbers");
        out.fill(0.0);
        let (tiles, depth) = (n.div_ceil(INPUTS), DEPTH.min(quads));
        let mut digits = Buffer::stale(tiles * depth * size_of::<Quads>() / size_of::<f32>());
        let mut lines = Buffer::stale(2 * depth * LINE / size_of::<f32>());
        for first in (0..quads).step_by(DEPTH) {
            let depth = DEPTH.min(quads - first);
            let digits: &mut [Quads] = &mut bytemuck::cast_slice_mut(&mut digits)[..tiles * depth];
            let inputs = Inputs::new(inputs.clone(), in_dim, first, depth, digits);
            for strip in (0..out_dim.div_ceil(STRIP)).step_by(2) {
                let lines: &mut [[u8; LINE]] = bytemuck::cast_slice_mut(&mut lines);
                let (even, odd) = lines[..2 * depth].split_at_mut(depth);
                let line = |strip: usize| (strip * quads + first) as u32;
                let to = Target { level: self.level(), out_dim, column: strip * STRIP };
                entries::fill(sequence, line(strip), even);
                if (strip + 1) * STRIP < out_dim {
                    entries::fill(sequence, line(strip + 1), odd);
                    inputs.multiply(machine, [&*even, &*odd], to, out);
                } else {
                    inputs.multiply(machine, [&*even], to, out);
                }
            }
        }
    }
}

/// Four high and four low digits of every input of a tile.
type Quads = [[i32; 2]; INPUTS];

/// Where the columns of a product go.
#[derive(Clone, Copy)]
struct Target {
    level: f32,
    out_dim: usize,
    column: usize,
}

/// Some quads of all inputs as digits.
struct Inputs<'a> {
    /// Tile by tile, in each quad by quad.
    digits: &'a [Quads],
    depth: usize,
    /// What a sum starts from: entries are stored 128 too large.
    starts: Vec<[i32; 2]>,
    /// The size of a step.
    steps: Vec<f32>,
}

impl<'a> Inputs<'a> {
    /// Quads `first..first + depth` of inputs of `in_dim` numbers, written to `digits`.
    fn new<'b>(
        inputs: impl ExactSizeIterator<Item = &'b [f32]>,
        in_dim: usize,
        first: usize,
        depth: usize,
        digits: &'a mut [Quads],
    ) -> Self {
        let (mut starts, mut steps) = (Vec::with_capacity(inputs.len()), Vec::with_capacity(inputs.len()));
        let (mut high, mut low) = (vec![0; depth * QUAD], vec![0; depth * QUAD]);
        let columns = first * QUAD..((first + depth) * QUAD).min(in_dim);
        if let Some(last) = digits.chunks_exact_mut(depth).next_back() {
            last.fill([[0; 2]; INPUTS]);
        }
        for (i, input) in inputs.enumerate() {
            assert_eq!(input.len(), in_dim, "inputs are of {in_dim} numbers");
            let largest = dispatch::run(Largest(input));
            // Numbers so small that their steps have no inverse count as zeros.
            let per_step = if largest >= 1e-30 { LARGEST / largest } else { 0.0 };
            let split = Split { values: &input[columns.clone()], per_step, high: &mut high, low: &mut low };
            starts.push(dispatch::run(split).map(|sum| -i32::from(entries::ZERO) * sum));
            steps.push(largest / LARGEST);
            let tile = &mut digits[i / INPUTS * depth..][..depth];
            let quads = high.as_chunks::<QUAD>().0.iter().zip(low.as_chunks::<QUAD>().0);
            for (to, (&high, &low)) in tile.iter_mut().zip(quads) {
                to[i % INPUTS] = [high, low].map(|quad: [i8; QUAD]| bytemuck::cast(quad));
            }
        }
        Self { digits, depth, starts, steps }
    }

    /// Adds the products with the rows of `A` that are in the strips.
    fn multiply<const V: usize>(
        &self,
        machine: Machine,
        strips: [&[[u8; LINE]]; V],
        to: Target,
        out: &mut [f32],
    ) {
        for (tile, digits) in self.digits.chunks_exact(self.depth).enumerate() {
            let first = tile * INPUTS;
            let count = INPUTS.min(self.steps.len() - first);
            let (mut starts, mut factors) = ([[0; 2]; INPUTS], [0.0; INPUTS]);
            starts[..count].copy_from_slice(&self.starts[first..first + count]);
            factors.iter_mut().zip(&self.steps[first..]).for_each(|(factor, step)| *factor = step * to.level);
            let products = machine.tile(Tile { strips, digits, starts, factors });
            for (products, i) in products.iter().zip(first..first + count) {
                for (products, column) in products.iter().zip((to.column..to.out_dim).step_by(STRIP)) {
                    let end = (column + STRIP).min(to.out_dim);
                    let out = &mut out[i * to.out_dim + column..i * to.out_dim + end];
                    out.iter_mut().zip(products).for_each(|(out, product)| *out += product);
                }
            }
        }
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

/// Splits numbers into digits, and gives the digits' sums.
struct Split<'a> {
    values: &'a [f32],
    per_step: f32,
    high: &'a mut [i8],
    low: &'a mut [i8],
}

impl WithSimd for Split<'_> {
    type Output = [i32; 2];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> [i32; 2] {
        // Adding 1.5 * 2^23 rounds to an integer, ties to even, and leaves it in the low bits.
        const ROUND: f32 = 12_582_912.0;
        let mut sums = [0; 2];
        for ((x, high), low) in self.values.iter().zip(&mut *self.high).zip(&mut *self.low) {
            let steps = (x * self.per_step).clamp(-LARGEST, LARGEST) + ROUND;
            let steps = steps.to_bits() as i32 - ROUND.to_bits() as i32;
            let top = (steps + 128) >> 8;
            let digits = [top, steps - (top << 8)];
            [*high, *low] = digits.map(|digit| digit as i8);
            sums = [sums[0] + digits[0], sums[1] + digits[1]];
        }
        self.high[self.values.len()..].fill(0);
        self.low[self.values.len()..].fill(0);
        sums
    }
}

/// A tile of the product: some inputs times the rows of `A` in `V` strips.
struct Tile<'a, const V: usize> {
    strips: [&'a [[u8; LINE]]; V],
    digits: &'a [Quads],
    starts: [[i32; 2]; INPUTS],
    factors: [f32; INPUTS],
}

/// The numbers of a tile, `[inputs, strips, rows of A]`.
type Products<const V: usize> = [[[f32; STRIP]; V]; INPUTS];

/// Which instructions multiply.
#[derive(Clone, Copy, Debug)]
enum Machine {
    #[cfg(target_arch = "x86_64")]
    Vnni,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Plain,
}

impl Machine {
    /// All that the CPU has and [`dispatch`] allows, the best one first.
    fn all() -> impl Iterator<Item = Self> {
        let machines = [
            #[cfg(target_arch = "x86_64")]
            (Self::Vnni, dispatch::is_avx512() && is_x86_feature_detected!("avx512vnni")),
            #[cfg(target_arch = "x86_64")]
            (Self::Avx2, dispatch::is_avx512() || dispatch::is_avx2()),
            (Self::Plain, true),
        ];
        machines.into_iter().filter_map(|(machine, is_there)| is_there.then_some(machine))
    }

    fn best() -> Self {
        Self::all().next().unwrap_or(Self::Plain)
    }

    fn tile<const V: usize>(self, tile: Tile<'_, V>) -> Products<V> {
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

impl<const V: usize> Tile<'_, V> {
    fn plain(self) -> Products<V> {
        let mut products = [[[0.0; STRIP]; V]; INPUTS];
        for (i, products) in products.iter_mut().enumerate() {
            for (strip, products) in self.strips.iter().zip(products) {
                let mut sums = self.starts[i].map(|start| [start; STRIP]);
                for (line, quads) in strip.iter().zip(self.digits) {
                    for (sums, quad) in sums.iter_mut().zip(quads[i]) {
                        let digits: [i8; QUAD] = bytemuck::cast(quad);
                        for (sum, entries) in sums.iter_mut().zip(line.as_chunks::<QUAD>().0) {
                            let terms = entries.iter().zip(digits).map(|(&a, x)| i32::from(a) * i32::from(x));
                            *sum += terms.sum::<i32>();
                        }
                    }
                }
                *products = finish(sums, self.factors[i]);
            }
        }
        products
    }
}

/// From the sums of both digits to numbers.
#[inline(always)]
fn finish([high, low]: [[i32; STRIP]; 2], factor: f32) -> [f32; STRIP] {
    std::array::from_fn(|c| (high[c] as f32 * 256.0 + low[c] as f32) * factor)
}

#[cfg(target_arch = "x86_64")]
#[allow(clippy::needless_range_loop, reason = "see `simd::update`")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{INPUTS, LINE, Products, QUAD, STRIP, Tile, finish};

    /// Four products of bytes and their sum in every lane.
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub fn tile_vnni<const V: usize>(tile: Tile<'_, V>) -> Products<V> {
        let mut sums = [[[_mm512_setzero_si512(); V]; 2]; INPUTS];
        for i in 0..INPUTS {
            for d in 0..2 {
                sums[i][d] = [_mm512_set1_epi32(tile.starts[i][d]); V];
            }
        }
        let strips = tile.strips.map(|strip| &strip[..tile.digits.len()]);
        for (at, quads) in tile.digits.iter().enumerate() {
            let mut entries = [_mm512_setzero_si512(); V];
            for v in 0..V {
                // SAFETY: a line is 64 bytes.
                entries[v] = unsafe { _mm512_loadu_si512(strips[v][at].as_ptr().cast()) };
            }
            for i in 0..INPUTS {
                for d in 0..2 {
                    let quad = _mm512_set1_epi32(quads[i][d]);
                    for v in 0..V {
                        sums[i][d][v] = _mm512_dpbusd_epi32(sums[i][d][v], entries[v], quad);
                    }
                }
            }
        }
        let mut products = [[[0.0; STRIP]; V]; INPUTS];
        for i in 0..INPUTS {
            for v in 0..V {
                // SAFETY: 16 integers are 512 bits without invalid values.
                let sums =
                    [0, 1].map(|d| unsafe { std::mem::transmute::<__m512i, [i32; STRIP]>(sums[i][d][v]) });
                products[i][v] = finish(sums, tile.factors[i]);
            }
        }
        products
    }

    /// Two products of 16-bit numbers and their sum in every lane: a line is four vectors of four rows.
    #[target_feature(enable = "avx2")]
    pub fn tile_avx2<const V: usize>(tile: Tile<'_, V>) -> Products<V> {
        const PARTS: usize = LINE / 16;
        let mut products = [[[0.0; STRIP]; V]; INPUTS];
        for i in 0..INPUTS {
            for v in 0..V {
                let mut halves = [[_mm256_setzero_si256(); PARTS]; 2];
                for (line, quads) in tile.strips[v].iter().zip(tile.digits) {
                    let digits = quads[i]
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
                let mut sums = tile.starts[i].map(|start| [start; STRIP]);
                for d in 0..2 {
                    // SAFETY: 32 integers are four times 256 bits without invalid values.
                    let halves = unsafe {
                        std::mem::transmute::<[__m256i; PARTS], [[i32; QUAD / 2]; STRIP]>(halves[d])
                    };
                    for (sum, halves) in sums[d].iter_mut().zip(halves) {
                        *sum += halves[0] + halves[1];
                    }
                }
                products[i][v] = finish(sums, tile.factors[i]);
            }
        }
        products
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers in [-1, 1) without structure.
    fn numbers(n: usize, salt: u32) -> Vec<f32> {
        let hash =
            |i: usize| (i as u32 + salt).wrapping_mul(0x9E37_79B9).rotate_left(13).wrapping_mul(0x85EB_CA6B);
        (0..n).map(|i| hash(i) as i32 as f32 / 2_147_483_648.0).collect()
    }

    fn matrix(out_dim: usize, in_dim: usize) -> RandomMatrix {
        RandomMatrix { sequence: Sequence { seed: 5, stream: 1, k: 2 }, out_dim, in_dim, std: 0.2 }
    }

    fn projected(machine: Machine, matrix: RandomMatrix, inputs: &[f32]) -> Vec<f32> {
        let mut out = vec![f32::NAN; inputs.len() / matrix.in_dim * matrix.out_dim];
        matrix.project_on(machine, inputs.chunks_exact(matrix.in_dim), &mut out);
        out
    }

    #[test]
    fn a_random_matrix_projects_as_its_entries_do() {
        for (n, in_dim, out_dim) in
            [(1, 1, 1), (9, 5, 63), (10, 49, 64), (2, 31, 65), (100, 20, 200), (7, 4 * DEPTH + 9, 3)]
        {
            let matrix = matrix(out_dim, in_dim);
            let (inputs, entries) = (numbers(n * in_dim, 3), matrix.entries());
            let out = projected(Machine::best(), matrix, &inputs);
            for (x, out) in inputs.chunks_exact(in_dim).zip(out.chunks_exact(out_dim)) {
                let largest = x.iter().fold(0.0, |largest: f32, x| largest.max(x.abs()));
                for (row, &value) in entries.chunks_exact(in_dim).zip(out) {
                    let terms = row.iter().zip(x).map(|(&a, &x)| f64::from(a) * f64::from(x));
                    let size: f32 = row.iter().map(|a| a.abs()).sum();
                    // Half a step, and a little of the sum.
                    let tolerance = f64::from(size * largest) * (0.5001 / f64::from(LARGEST) + 2e-7);
                    assert!((f64::from(value) - terms.sum::<f64>()).abs() <= tolerance, "{in_dim} {out_dim}");
                }
            }
        }
    }

    #[test]
    fn whole_steps_are_projected_exactly() {
        // Levels of 1: then everything is an integer.
        let matrix = RandomMatrix { std: entries::DEVIATION, ..matrix(40, 30) };
        let mut inputs: Vec<f32> = numbers(30, 8).iter().map(|x| (x * LARGEST).round()).collect();
        (inputs[3], inputs[4]) = (LARGEST, -LARGEST);
        let out = projected(Machine::best(), matrix, &inputs);
        for (row, value) in matrix.entries().chunks_exact(30).zip(out) {
            let sum: i64 = row.iter().zip(&inputs).map(|(&a, &x)| a.round() as i64 * x as i64).sum();
            assert!((i64::from(value as i32) - sum).abs() <= sum.abs() >> 23, "{value} {sum}");
        }
    }

    #[test]
    fn every_machine_gives_the_same_bits() {
        for (n, in_dim, out_dim) in [(1, 1, 1), (6, 7, 16), (13, 30, 33), (20, 4 * DEPTH + 1, 5)] {
            let matrix = matrix(out_dim, in_dim);
            let inputs = numbers(n * in_dim, 4);
            let expected = projected(Machine::Plain, matrix, &inputs);
            for machine in Machine::all() {
                let out = projected(machine, matrix, &inputs);
                assert!(out.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits()), "{machine:?}");
            }
        }
    }

    #[test]
    fn an_input_is_projected_alone_and_to_its_own_scale() {
        let matrix = matrix(50, 17);
        let inputs = numbers(11 * 17, 9);
        let all = projected(Machine::best(), matrix, &inputs);
        for (input, expected) in inputs.chunks_exact(17).zip(all.chunks_exact(50)) {
            assert_eq!(projected(Machine::best(), matrix, input), expected);
            let scaled: Vec<f32> = input.iter().map(|x| x * 1024.0).collect();
            let expected: Vec<f32> = expected.iter().map(|x| x * 1024.0).collect();
            assert_eq!(projected(Machine::best(), matrix, &scaled), expected);
        }
        for zeros in [0.0, 1e-38] {
            assert_eq!(projected(Machine::best(), matrix, &[zeros; 17]), [0.0; 50]);
        }
    }

    #[test]
    fn nothing_in_is_nothing_out() {
        projected(Machine::best(), matrix(3, 2), &[]);
        matrix(0, 2).project([[1.0, 2.0].as_slice()].into_iter(), &mut []);
        let mut out = [f32::NAN; 2];
        matrix(2, 0).project([[].as_slice()].into_iter(), &mut out);
        assert_eq!(out, [0.0; 2]);
    }

    #[test]
    #[should_panic(expected = "2 outputs of 3 numbers")]
    fn sizes_are_checked() {
        matrix(3, 4).project([[0.0; 4].as_slice(); 2].into_iter(), &mut [0.0; 5]);
    }
}
