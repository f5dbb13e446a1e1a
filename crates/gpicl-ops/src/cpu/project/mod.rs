//! Projection of an episode's inputs, `x' = A x`, in integers: one product on one thread.
//!
//! Entries of `A` are bytes ([`entries`]), and an input is rounded to whole steps of signed digits to the base 256: of one
//! digit where all inputs lie on a [`Grid`], like images of bytes, and else of two, 32512 steps to its largest number.
//! Sums of products of bytes are exact, so the result is the same to the bit on every CPU, and vectors make four of them
//! where they make one product of floats. Episodes are the unit of parallel work, so the product must not spread; its
//! matrix is never whole in memory, but made a few rows at a time, in the order in which they are read.

mod digits;
mod tile;

pub use digits::{Grid, OnGrid};

use digits::{Digits, Two};
use tile::{DIGITS, Machine, Quads, STRIP, Tile};

use pulp::{Simd, WithSimd};

use super::buffer::Buffer;
use super::dispatch;
use super::entries::{self, LINE};
use super::philox::Sequence;
use super::prefetch::prefetch;

/// Numbers of the inner dimension that are multiplied by one instruction.
const QUAD: usize = 4;
/// Quads that are summed as integers: so many that two strips stay in the second-level cache, and sums below 2^31.
const DEPTH: usize = 4096;
/// Bytes of inputs that memory is asked for at once, as many as the first-level cache holds. An episode's examples lie
/// anywhere, mostly on pages whose address has to be looked up: several look-ups and fetches go on at a time.
const BURST: usize = 1 << 15;
/// Bytes of a line of the caches.
const CACHE_LINE: usize = 64;

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

    /// `out[i] = A inputs[i]`: inputs of `in_dim` finite numbers, and `out` `[n, out_dim]`, row-major. An input is rounded to
    /// steps of 1/32512 of its largest number.
    ///
    /// # Panics
    /// If the sizes disagree.
    pub fn project<'a>(&self, inputs: impl ExactSizeIterator<Item = &'a [f32]> + Clone, out: &mut [f32]) {
        self.project_on(Machine::best(), Two, inputs, out);
    }

    /// [`RandomMatrix::project`], without rounding, of those of `inputs` that `chosen` names by number.
    ///
    /// # Panics
    /// If the sizes disagree.
    pub fn project_on_grid(&self, inputs: &OnGrid, chosen: &[usize], out: &mut [f32]) {
        let rows = chosen.iter().map(|&i| inputs.input(i, self.in_dim));
        self.project_on(Machine::best(), inputs.grid(), rows, out);
    }

    fn project_on<'a, const D: usize, R: Digits<D, Number: 'a>>(
        &self,
        machine: Machine,
        rule: R,
        inputs: impl ExactSizeIterator<Item = &'a [R::Number]> + Clone,
        out: &mut [f32],
    ) {
        let &Self { sequence, out_dim, in_dim, .. } = self;
        let (n, quads) = (inputs.len(), in_dim.div_ceil(QUAD));
        assert_eq!(Some(out.len()), n.checked_mul(out_dim), "{n} outputs of {out_dim} numbers");
        if quads == 0 {
            return out.fill(0.0);
        }
        let (tiles, depth) = ((n + 1).div_ceil(DIGITS / D), DEPTH.min(quads));
        let room = machine.room::<D>();
        let mut digits = Buffer::stale(tiles * depth * room * size_of::<Quads>() / size_of::<f32>());
        let mut lines = Buffer::stale(2 * depth * LINE / size_of::<f32>());
        for first in (0..quads).step_by(DEPTH) {
            let depth = DEPTH.min(quads - first);
            let digits: &mut [Quads] = bytemuck::cast_slice_mut(&mut digits);
            let inputs = Inputs::new(machine, rule, inputs.clone(), in_dim, first, depth, digits);
            for strip in (0..out_dim.div_ceil(STRIP)).step_by(2) {
                let lines: &mut [[u8; LINE]] = bytemuck::cast_slice_mut(&mut lines);
                let (even, odd) = lines[..2 * depth].split_at_mut(depth);
                let line = |strip: usize| (strip * quads + first) as u32;
                let to = Target { level: self.level(), out_dim, column: strip * STRIP, is_first: first == 0 };
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

/// Where the columns of a product go.
#[derive(Clone, Copy)]
struct Target {
    level: f32,
    out_dim: usize,
    column: usize,
    /// Whether nothing is there yet.
    is_first: bool,
}

/// Some quads of all inputs as digits; before them, where all share an offset, an input of that offset alone.
struct Inputs<'a, const D: usize> {
    /// Tile by tile, in each quad by quad, as the machine takes them.
    digits: &'a [Quads],
    /// How many of `digits` a tile has.
    tile: usize,
    has_offset: bool,
    /// What a sum starts from: entries are stored 128 too large.
    starts: Vec<[i32; D]>,
    /// The size of a step.
    steps: Vec<f32>,
}

impl<'a, const D: usize> Inputs<'a, D> {
    /// Inputs of a tile.
    const WIDTH: usize = DIGITS / D;

    /// Quads `first..first + depth` of inputs of `in_dim` numbers, written to `digits` for `machine`.
    fn new<'b, R: Digits<D, Number: 'b>>(
        machine: Machine,
        rule: R,
        inputs: impl ExactSizeIterator<Item = &'b [R::Number]> + Clone,
        in_dim: usize,
        first: usize,
        depth: usize,
        digits: &'a mut [Quads],
    ) -> Self {
        let has_offset = rule.offset() != 0.0;
        let count = inputs.len() + usize::from(has_offset);
        let room = machine.room::<D>();
        let tiles = count.div_ceil(Self::WIDTH);
        let arranged = &mut digits[..tiles * depth * room];
        let digits = &mut arranged[..tiles * depth];
        let (mut starts, mut steps) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut own = [(); D].map(|()| vec![0; depth * QUAD]);
        let columns = first * QUAD..((first + depth) * QUAD).min(in_dim);
        if let Some(last) = digits.chunks_exact_mut(depth).next_back() {
            last.fill([0; DIGITS]);
        }
        let mut push = |own: &[Vec<i8>; D], sums: [i32; D], step: f32| {
            let (tile, at) = (starts.len() / Self::WIDTH, starts.len() % Self::WIDTH);
            for (d, digits_of_one) in own.iter().enumerate() {
                let quads = digits_of_one.as_chunks::<QUAD>().0;
                for (to, &quad) in digits[tile * depth..][..depth].iter_mut().zip(quads) {
                    to[at * D + d] = bytemuck::cast(quad);
                }
            }
            starts.push(sums.map(|sum| -i32::from(entries::ZERO) * sum));
            steps.push(step);
        };
        if has_offset {
            own[D - 1][..columns.len()].fill(1);
            let mut sums = [0; D];
            sums[D - 1] = columns.len() as i32;
            push(&own, sums, rule.offset());
        }
        let number = size_of::<R::Number>();
        let burst = BURST.checked_div(columns.len() * number).unwrap_or(1).max(1);
        let mut ahead = inputs.clone();
        for (i, input) in inputs.enumerate() {
            assert_eq!(input.len(), in_dim, "inputs are of {in_dim} numbers");
            if i % burst == 0 {
                for next in ahead.by_ref().take(burst).filter_map(|next| next.get(columns.clone())) {
                    let lines = next.iter().step_by(CACHE_LINE / number);
                    lines.for_each(|number| prefetch(std::ptr::from_ref(number).cast()));
                }
            }
            let scale = rule.scale(input);
            let sums = rule.split(scale, &input[columns.clone()], &mut own);
            push(&own, sums, scale.step);
        }
        machine.arrange::<D>(arranged);
        Self { digits: arranged, tile: depth * room, has_offset, starts, steps }
    }

    /// Writes or adds the products with the rows of `A` that are in the strips.
    fn multiply<const V: usize>(
        &self,
        machine: Machine,
        strips: [&[[u8; LINE]]; V],
        to: Target,
        out: &mut [f32],
    ) {
        let (mut products, mut shared) = ([[[0.0; STRIP]; V]; DIGITS], [[0.0; STRIP]; V]);
        let mut outputs = out.chunks_exact_mut(to.out_dim);
        for (tile, digits) in self.digits.chunks_exact(self.tile).enumerate() {
            let first = tile * Self::WIDTH;
            let count = Self::WIDTH.min(self.steps.len() - first);
            let (mut starts, mut factors) = ([0; DIGITS], [0.0; DIGITS]);
            let digits_starts = self.starts[first..first + count].as_flattened();
            starts[..digits_starts.len()].copy_from_slice(digits_starts);
            factors.iter_mut().zip(&self.steps[first..]).for_each(|(factor, step)| *factor = step * to.level);
            machine.tile(Tile::<D, V> { strips, digits, used: count * D, starts, factors }, &mut products);
            let mut products = &products[..count];
            if tile == 0 && self.has_offset {
                (shared, products) = (products[0], &products[1..]);
            }
            let outputs = outputs.by_ref().take(products.len());
            dispatch::run(Write { products, shared: &shared, to, outputs });
        }
    }
}

/// Adds what inputs share to their products, and that to `outputs`.
struct Write<'a, O, const V: usize> {
    products: &'a [[[f32; STRIP]; V]],
    shared: &'a [[f32; STRIP]; V],
    to: Target,
    outputs: O,
}

impl<'o, O: Iterator<Item = &'o mut [f32]>, const V: usize> WithSimd for Write<'_, O, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { products, shared, to, outputs } = self;
        for (products, out) in products.iter().zip(outputs) {
            for (v, (products, shared)) in products.iter().zip(shared).enumerate() {
                let column = to.column + v * STRIP;
                let out = &mut out[column..(column + STRIP).min(to.out_dim)];
                let mut sums = [0.0; STRIP];
                for i in 0..STRIP {
                    sums[i] = products[i] + shared[i];
                }
                // Whole strips have a length that is known: one run of vectors without a loop.
                match <&mut [f32; STRIP]>::try_from(&mut *out) {
                    Ok(out) => {
                        for i in 0..STRIP {
                            out[i] = if to.is_first { 0.0 } else { out[i] } + sums[i];
                        }
                    }
                    Err(_) => {
                        for (out, sum) in out.iter_mut().zip(sums) {
                            *out = if to.is_first { 0.0 } else { *out } + sum;
                        }
                    }
                }
            }
        }
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
        projected_by(Two, machine, matrix, inputs)
    }

    fn projected_by<const D: usize, R: Digits<D>>(
        rule: R,
        machine: Machine,
        matrix: RandomMatrix,
        inputs: &[R::Number],
    ) -> Vec<f32> {
        let mut out = vec![f32::NAN; inputs.len() / matrix.in_dim * matrix.out_dim];
        matrix.project_on(machine, rule, inputs.chunks_exact(matrix.in_dim), &mut out);
        out
    }

    /// Bytes without structure, brought to mean 0 and deviation 1.
    fn pixels(n: usize, salt: u32) -> Vec<f32> {
        numbers(n, salt).iter().map(|x| ((x * 128.0 + 128.0).floor() / 255.0 - 0.13) / 0.31).collect()
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
                    let tolerance = f64::from(size * largest) * (0.5001 / 32_512.0 + 2e-7);
                    assert!((f64::from(value) - terms.sum::<f64>()).abs() <= tolerance, "{in_dim} {out_dim}");
                }
            }
        }
    }

    #[test]
    fn whole_steps_are_projected_exactly() {
        // Levels of 1: then everything is an integer.
        let matrix = RandomMatrix { std: entries::DEVIATION, ..matrix(40, 30) };
        let mut inputs: Vec<f32> = numbers(30, 8).iter().map(|x| (x * 32_512.0).round()).collect();
        (inputs[3], inputs[4]) = (32_512.0, -32_512.0);
        let out = projected(Machine::best(), matrix, &inputs);
        for (row, value) in matrix.entries().chunks_exact(30).zip(out) {
            let sum: i64 = row.iter().zip(&inputs).map(|(&a, &x)| a.round() as i64 * x as i64).sum();
            assert!((i64::from(value as i32) - sum).abs() <= sum.abs() >> 23, "{value} {sum}");
        }
    }

    #[test]
    fn inputs_on_a_grid_are_projected_without_rounding() {
        for (n, in_dim, out_dim) in
            [(1, 2, 1), (9, 5, 63), (11, 49, 64), (12, 50, 32), (100, 20, 200), (7, 4 * DEPTH + 9, 3)]
        {
            let matrix = matrix(out_dim, in_dim);
            // Dense, and rarely one.
            let sparse = numbers(n * in_dim, 7).iter().map(|x| f32::from(*x > 0.9)).collect();
            for inputs in [pixels(n * in_dim, 6), sparse] {
                let (entries, grid) = (matrix.entries(), Grid::of(&inputs).unwrap());
                let mut out = vec![f32::NAN; n * out_dim];
                let all: Vec<usize> = (0..n).collect();
                matrix.project_on_grid(&OnGrid::new(grid, &inputs), &all, &mut out);
                for (x, out) in inputs.chunks_exact(in_dim).zip(out.chunks_exact(out_dim)) {
                    for (row, &value) in entries.chunks_exact(in_dim).zip(out) {
                        let terms = row.iter().zip(x).map(|(&a, &x)| f64::from(a) * f64::from(x));
                        let (sum, size) =
                            terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs()));
                        // What rounding to floats does to levels, factors and sums.
                        let error = (f64::from(value) - sum).abs();
                        assert!(error <= 1e-6 * (size + 1.0), "{in_dim} {out_dim}: {error} {size}");
                    }
                }
            }
        }
    }

    #[test]
    fn inputs_of_one_digit_are_projected_alone_and_nothing_is_nothing() {
        let (matrix, inputs) = (matrix(50, 17), pixels(30 * 17, 9));
        let grid = Grid::of(&inputs).unwrap();
        let digits = OnGrid::new(grid, &inputs);
        let digits = digits.input(0, inputs.len());
        let all = projected_by(grid, Machine::best(), matrix, digits);
        for (input, expected) in digits.chunks_exact(17).zip(all.chunks_exact(50)) {
            assert_eq!(projected_by(grid, Machine::best(), matrix, input), expected);
        }
        assert!(projected_by(grid, Machine::best(), matrix, &[]).is_empty());
    }

    #[test]
    fn levels_around_zero_need_no_offset() {
        let matrix = matrix(40, 30);
        // 0 is digit 0.
        let inputs: Vec<f32> = numbers(60, 2).iter().map(|x| (x * 128.0).floor()).collect();
        let mut inputs = [inputs, vec![-128.0, 127.0, 0.0]].concat();
        let grid = Grid::of(&inputs).unwrap();
        assert_eq!(grid.offset(), 0.0);
        inputs.truncate(60);
        let one = projected_by(grid, Machine::best(), matrix, OnGrid::new(grid, &inputs).input(0, 60));
        let two = projected(Machine::best(), matrix, &inputs);
        assert!(one.iter().zip(&two).all(|(a, b)| (a - b).abs() < 0.05), "{one:?} {two:?}");
    }

    #[test]
    fn every_machine_gives_the_same_bits() {
        for (n, in_dim, out_dim) in
            [(1, 2, 1), (6, 7, 16), (13, 30, 33), (7, 784, 33), (20, 4 * DEPTH + 1, 5)]
        {
            let matrix = matrix(out_dim, in_dim);
            let (inputs, pixels) = (numbers(n * in_dim, 4), pixels(n * in_dim, 4));
            let grid = Grid::of(&pixels).unwrap();
            let digits = OnGrid::new(grid, &pixels);
            let digits = digits.input(0, pixels.len());
            let all = |machine| {
                [projected(machine, matrix, &inputs), projected_by(grid, machine, matrix, digits)].concat()
            };
            let expected = all(Machine::Plain);
            for machine in Machine::all() {
                let out = all(machine);
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
