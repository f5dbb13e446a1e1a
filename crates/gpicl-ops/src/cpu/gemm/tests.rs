use rayon::ThreadPoolBuilder;

use super::emulated::Emulated;
use super::*;
use crate::cpu::{dispatch::levels, gelu};

/// Numbers in [-1, 1) without structure.
fn numbers(n: usize, salt: u32) -> Vec<f32> {
    let hash =
        |i: usize| (i as u32 + salt).wrapping_mul(0x9E37_79B9).rotate_left(13).wrapping_mul(0x85EB_CA6B);
    (0..n).map(|i| hash(i) as i32 as f32 / 2_147_483_648.0).collect()
}

/// Every choice of a size below, at and above the tiles' and blocks' edges.
const SIZES: [[usize; 3]; 17] = [
    [1, 1, 1],
    [1, 7, 300],
    [2, 33, 5],
    [3, 16, 17],
    [11, 31, 257],
    [12, 32, 256],
    [13, 48, 511],
    [25, 100, 513],
    [49, 33, 1030],
    [50, 500, 30],
    [97, 10, 64],
    [100, 49, 196],
    [193, 65, 130],
    [300, 500, 600],
    [64, 2000, 700],
    [530, 40, 3],
    [50, 1100, 1500],
];

struct Case {
    sizes: [usize; 3],
    transposed: [bool; 2],
    a: Vec<f32>,
    b: Vec<f32>,
}

impl Case {
    fn all() -> impl Iterator<Item = Self> {
        let flags = [[false, false], [false, true], [true, false], [true, true]];
        SIZES.into_iter().flat_map(move |sizes| flags.map(|flags| Self::new(sizes, flags)))
    }

    fn new(sizes: [usize; 3], transposed: [bool; 2]) -> Self {
        let [m, n, k] = sizes;
        Self { sizes, transposed, a: numbers(m * k, 1), b: numbers(k * n, 99) }
    }

    fn factors(&self) -> [MatRef<'_>; 2] {
        let [m, n, k] = self.sizes;
        let matrix = |data, rows, cols, transposed| {
            if transposed {
                MatRef::row_major(data, cols, rows).t()
            } else {
                MatRef::row_major(data, rows, cols)
            }
        };
        [matrix(&self.a, m, k, self.transposed[0]), matrix(&self.b, k, n, self.transposed[1])]
    }

    fn product(&self, precision: Precision) -> Vec<f32> {
        let [m, n, _] = self.sizes;
        let [a, b] = self.factors();
        let mut c = vec![f32::NAN; m * n];
        gemm(a, b, &mut c, Start::Zero, Finish::Nothing, precision);
        c
    }

    /// On a matrix unit that is emulated.
    fn emulated(&self, start: Start<'_>, c: &mut [f32], hidden: &mut [f32]) {
        let [a, b] = self.factors();
        let finish = SharedFinish::Gelu(Shared::new(hidden));
        Product { a: Left::Values(a), b, c: Shared::new(c), start, finish, half: false }.run(Emulated);
    }

    /// Element by element in f64, with the sum of the terms' sizes.
    fn truth(&self, round: impl Fn(f32) -> f32) -> Vec<(f64, f64)> {
        let [m, n, k] = self.sizes;
        let at = |data: &[f32], i: usize, j: usize, [rows, cols]: [usize; 2], transposed: bool| {
            f64::from(round(if transposed { data[j * rows + i] } else { data[i * cols + j] }))
        };
        let element = |i: usize, j: usize| {
            (0..k).fold((0.0, 0.0), |(sum, size), p| {
                let a = at(&self.a, i, p, [m, k], self.transposed[0]);
                let b = at(&self.b, p, j, [k, n], self.transposed[1]);
                (sum + a * b, size + (a * b).abs())
            })
        };
        (0..m).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| element(i, j)).collect()
    }
}

fn assert_close(found: &[f32], truth: &[(f64, f64)], what: &str) {
    assert_within(3e-6, found, truth, what);
}

fn assert_within(tolerance: f64, found: &[f32], truth: &[(f64, f64)], what: &str) {
    assert_eq!(found.len(), truth.len());
    for (at, (&found, &(sum, size))) in found.iter().zip(truth).enumerate() {
        assert!((f64::from(found) - sum).abs() <= tolerance * size, "{what}: element {at}: {found} {sum}");
    }
}

fn rounded(value: f32) -> f32 {
    f32::from_bits(kernel::bf16(value) << 16)
}

#[test]
fn products_are_those_of_f64() {
    for case in Case::all() {
        let what = format!("{:?} {:?}", case.sizes, case.transposed);
        assert_close(&case.product(Precision::Fp32), &case.truth(|value| value), &what);
    }
}

#[test]
fn bf16_products_are_those_of_the_rounded_factors() {
    for case in Case::all() {
        let what = format!("bf16 {:?} {:?}", case.sizes, case.transposed);
        assert_close(&case.product(Precision::Bf16), &case.truth(rounded), &what);
    }
}

#[test]
fn a_matrix_unit_gives_them() {
    let pools = [1, 3].map(|threads| ThreadPoolBuilder::new().num_threads(threads).build().unwrap());
    let empty = [[false, false], [true, false]].map(|flags| Case::new([3, 4, 0], flags));
    let cases = Case::all().filter(|case| case.sizes.iter().product::<usize>() < 1 << 22);
    for case in cases.chain(empty) {
        let [m, n, _] = case.sizes;
        let products = case.truth(rounded);
        let (bias, other) = (numbers(n, 5), numbers(m * n, 6));
        // What the product is added to: whether it has the bias, and the other matrix.
        let starts = [
            (Start::Zero, [0.0, 0.0]),
            (Start::Keep, [0.0, 1.0]),
            (Start::Bias(&bias), [1.0, 0.0]),
            (Start::BiasAndResidual(&bias, &other), [1.0, 1.0]),
        ];
        for (start, with) in starts {
            let what = format!("unit {:?} {:?}, added {with:?}", case.sizes, case.transposed);
            let [found, again] = pools.each_ref().map(|pool| {
                let (mut c, mut hidden) = (other.clone(), vec![f32::NAN; m * n]);
                pool.install(|| case.emulated(start, &mut c, &mut hidden));
                (c, hidden)
            });
            assert!(found == again, "{what}: other bits on three threads");
            let truth = products.iter().enumerate().map(|(at, (sum, size))| {
                let [bias, other] = [with[0] * bias[at % n], with[1] * other[at]].map(f64::from);
                (sum + bias + other, size + bias.abs() + other.abs())
            });
            assert_close(&found.0, &truth.collect::<Vec<_>>(), &what);
            let mut hidden = vec![0.0; m * n];
            gelu::gelu(&found.0, &mut hidden);
            for (found, expected) in found.1.iter().zip(&hidden) {
                assert!((found - expected).abs() <= 1e-6 * expected.abs().max(1.0), "{what}: gelu");
            }
        }
    }
}

#[test]
fn every_extension_gives_them() {
    struct OnOne<'a>(&'a Product<'a>, bool, Range<usize>);
    impl WithSimd for OnOne<'_> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let panels = self.0.b.cols.div_ceil(PANEL_VECTORS * S::F32_LANES);
            let blocks = self.0.b.rows.div_ceil(DEPTH);
            // SAFETY: nothing else has the matrices.
            unsafe { self.0.block(Plain { round: self.1 }.on(simd), None, 0..blocks, self.2, 0..panels) }
        }
    }
    for case in Case::all().filter(|case| case.sizes.iter().product::<usize>() < 1 << 22) {
        let [m, n, _] = case.sizes;
        let [a, b] = case.factors();
        for (name, arch) in levels() {
            for round in [false, true] {
                let mut c = vec![f32::NAN; m * n];
                let product = Product {
                    a: Left::Values(a),
                    b,
                    c: Shared::new(&mut c),
                    start: Start::Zero,
                    finish: SharedFinish::Nothing,
                    half: false,
                };
                arch.dispatch(OnOne(&product, round, 0..m));
                let truth = case.truth(|value| if round { rounded(value) } else { value });
                assert_close(&c, &truth, &format!("{name} {:?} {:?}", case.sizes, case.transposed));
            }
        }
    }
}

#[test]
fn half_of_a_symmetric_product_gives_the_whole() {
    // More threads than some have strips to share out.
    let pools =
        [1, 2, 3, 6, 16].map(|threads| ThreadPoolBuilder::new().num_threads(threads).build().unwrap());
    let sizes = [
        (1, 1),
        (13, 300),
        (48, 5),
        (49, 33),
        (64, 256),
        (96, 40),
        (97, 64),
        (128, 300),
        (200, 530),
        (256, 256),
    ];
    for (side, k) in sizes {
        let case = Case::new([side, side, k], [false, true]);
        let x = MatRef::row_major(&case.a, side, k);
        for (a, b) in [(x, x.t()), (x.t(), x)] {
            let side = a.dims()[0];
            for precision in [Precision::Fp32, Precision::Bf16] {
                let mut whole = vec![f32::NAN; side * side];
                gemm(a, b, &mut whole, Start::Zero, Finish::Nothing, precision);
                for pool in &pools {
                    let mut half = vec![f32::NAN; side * side];
                    pool.install(|| symmetric(a, b, &mut half, precision));
                    assert!(half == whole, "{side} {k} {precision:?}: other bits");
                }
            }
            let on_unit = |half| {
                let mut out = vec![f32::NAN; side * side];
                let (start, finish, c) = (Start::Zero, SharedFinish::Nothing, Shared::new(&mut out));
                Product { a: Left::Values(a), b, c, start, finish, half }.run(Emulated);
                out
            };
            let whole = on_unit(false);
            for pool in &pools {
                let mut half = pool.install(|| on_unit(true));
                mirror(&mut half, side);
                assert!(half == whole, "{side} {k}: other bits on a matrix unit");
            }
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let pools = [1, 2, 3].map(|threads| ThreadPoolBuilder::new().num_threads(threads).build().unwrap());
    for case in Case::all().filter(|case| case.sizes[0] > 60) {
        for precision in [Precision::Fp32, Precision::Bf16] {
            let [one, two, three] = pools.each_ref().map(|pool| pool.install(|| case.product(precision)));
            assert!(one == two && two == three, "{:?} {:?} {precision:?}", case.sizes, case.transposed);
        }
    }
}

#[test]
fn what_comes_before_and_after() {
    let gelu = |x: f32| {
        let mut y = [0.0];
        gelu::gelu(&[x], &mut y);
        y[0]
    };
    for sizes in [[5, 7, 3], [100, 70, 300], [40, 1200, 600], [3, 4, 0]] {
        let case = Case::new(sizes, [false, false]);
        let [m, n, _] = sizes;
        let [a, b] = case.factors();
        let product = case.product(Precision::Fp32);
        let (bias, other) = (numbers(n, 5), numbers(m * n, 6));
        let run = |start, finish: Finish<'_>| {
            let mut c = other.clone();
            gemm(a, b, &mut c, start, finish, Precision::Fp32);
            c
        };
        let close = |found: &[f32], expected: &dyn Fn(usize) -> f32| {
            for (at, &found) in found.iter().enumerate() {
                let expected = expected(at);
                assert!((found - expected).abs() <= 1e-4, "{sizes:?} at {at}: {found} {expected}");
            }
        };
        close(&run(Start::Keep, Finish::Nothing), &|at| other[at] + product[at]);
        close(&run(Start::Bias(&bias), Finish::Nothing), &|at| bias[at % n] + product[at]);
        let residual = run(Start::BiasAndResidual(&bias, &other), Finish::Nothing);
        close(&residual, &|at| bias[at % n] + other[at] + product[at]);
        let mut hidden = vec![f32::NAN; m * n];
        let z = run(Start::Bias(&bias), Finish::Gelu(&mut hidden));
        close(&hidden, &|at| gelu(z[at]));
    }
}

#[test]
#[should_panic(expected = "the inner dimension")]
fn sizes_are_checked() {
    let values = [0.0; 12];
    let (a, b) = (MatRef::row_major(&values, 3, 4), MatRef::row_major(&values, 3, 4));
    gemm(a, b, &mut [0.0; 12], Start::Zero, Finish::Nothing, Precision::Fp32);
}

#[test]
fn bf16_rounds_to_nearest_even_and_keeps_nan() {
    for (value, bits) in [(1.0, 0x3F80), (1.003_906_3, 0x3F80), (1.011_718_8, 0x3F82), (-0.0, 0x8000)] {
        assert_eq!(kernel::bf16(value), bits, "{value}");
    }
    assert_eq!(kernel::bf16(f32::MAX), 0x7F80);
    assert!(rounded(f32::NAN).is_nan());
}

#[test]
fn a_packed_factor_gives_the_same_products() {
    for (precision, round) in
        [(Precision::Fp32, (|value| value) as fn(f32) -> f32), (Precision::Bf16, rounded)]
    {
        with_machine!(precision, machine => packed_factors(machine, precision, usize::MAX, round));
    }
    packed_factors(Emulated, Precision::Bf16, 1 << 22, rounded);
}

/// Of up to `most` multiplications.
fn packed_factors(machine: impl Machine, precision: Precision, most: usize, round: fn(f32) -> f32) {
    for case in Case::all().filter(|case| !case.transposed[0]) {
        let [m, n, k] = case.sizes;
        if m * n * k > most {
            continue;
        }
        let [_, b] = case.factors();
        let packed = Packed::on(machine, b, precision);
        let (a_row, c_row) = (k + 3, packed.padded_cols() + 5);
        let mut apart = vec![f32::NAN; m * a_row];
        for (to, from) in apart.chunks_exact_mut(a_row).zip(case.a.chunks_exact(k)) {
            to[..k].copy_from_slice(from);
        }
        let mut c = vec![f32::NAN; m * c_row];
        packed.multiply_on(machine, &apart, a_row, &mut c, c_row, m);
        let found: Vec<f32> = c.chunks_exact(c_row).flat_map(|row| &row[..n]).copied().collect();
        // One sum over all of the inner dimension, where `gemm` adds up blocks.
        assert_within(1e-5, &found, &case.truth(round), &format!("{precision:?} {:?}", case.sizes));
        // Few rows at a time: the same bits.
        let mut again = vec![f32::NAN; m * c_row];
        for first in (0..m).step_by(5) {
            let rows = 5.min(m - first);
            let (a, c) = (&apart[first * a_row..], &mut again[first * c_row..]);
            packed.multiply_on(machine, a, a_row, c, c_row, rows);
        }
        for (one, other) in c.chunks_exact(c_row).zip(again.chunks_exact(c_row)) {
            assert_eq!(one[..n], other[..n], "{:?}", case.sizes);
        }
    }
}
