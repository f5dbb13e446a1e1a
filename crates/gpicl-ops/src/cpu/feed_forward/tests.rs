use rayon::ThreadPoolBuilder;

use super::super::gemm::emulated::Emulated;
use super::super::gemm::kernel::{Plain, bf16};
use super::*;

/// Numbers in [-1, 1) without structure.
fn numbers(n: usize, salt: u32) -> Vec<f32> {
    let hash =
        |i: usize| (i as u32 + salt).wrapping_mul(0x9E37_79B9).rotate_left(13).wrapping_mul(0x85EB_CA6B);
    (0..n).map(|i| hash(i) as i32 as f32 / 2_147_483_648.0).collect()
}

/// Rows, in, hidden, out: odd ones, one row, several tasks and spans of rows, inner dimensions over several blocks, and
/// several parts of the hidden units.
const SIZES: [[usize; 4]; 7] = [
    [1, 1, 1, 1],
    [1, 5, 33, 7],
    [2, 600, 70, 3],
    [97, 10, 545, 33],
    [193, 3, 31, 600],
    [801, 17, 40, 5],
    [100, 20, 1100, 24],
];

struct Case {
    sizes: [usize; 4],
    x: Vec<f32>,
    up: Vec<f32>,
    up_bias: Vec<f32>,
    down: Vec<f32>,
    down_bias: Vec<f32>,
    residual: Vec<f32>,
    dy: Vec<f32>,
}

/// What is computed of a case: values kept, result, and gradients in the order of the arguments.
struct Found {
    kept: Vec<f32>,
    y: Vec<f32>,
    gradients: [Vec<f32>; 5],
}

impl Case {
    fn new(sizes: [usize; 4]) -> Self {
        let [rows, fan_in, units, fan_out] = sizes;
        Self {
            sizes,
            x: numbers(rows * fan_in, 1),
            up: numbers(fan_in * units, 2),
            up_bias: numbers(units, 3),
            down: numbers(units * fan_out, 4),
            down_bias: numbers(fan_out, 5),
            residual: numbers(rows * fan_out, 6),
            dy: numbers(rows * fan_out, 7),
        }
    }

    fn weights(&self) -> Weights<'_> {
        let Self { up, up_bias, down, down_bias, .. } = self;
        Weights { up, up_bias, down, down_bias }
    }

    fn run(&self, machine: impl Machine) -> Found {
        let [rows, fan_in, units, fan_out] = self.sizes;
        let filled = |len: usize| vec![f32::NAN; len];
        let (mut kept, mut y) = (filled(rows * machine.sizes(units).groups), filled(rows * fan_out));
        forward::on(machine, &self.x, self.weights(), &self.residual, &mut kept, &mut y);
        let mut gradients = [rows * fan_in, fan_in * units, units, units * fan_out, fan_out].map(filled);
        let [x, up, up_bias, down, down_bias] = &mut gradients;
        let targets = Gradients { x, up, up_bias, down, down_bias };
        backward::on(machine, &self.x, self.weights(), &kept, &self.dy, targets);
        Found { kept, y, gradients }
    }

    /// On the machine that is chosen for the precision.
    fn run_on_best(&self, precision: Precision) -> Found {
        with_machine!(precision, machine => self.run(machine))
    }
}

/// `z` of what is kept of it.
fn unpacked(machine: impl Machine, kept: &[f32], rows: usize, units: usize) -> Vec<f32> {
    struct Unpack<'a>(&'a [f32], &'a mut [f32]);
    impl Work for Unpack<'_> {
        type Output = ();
        #[inline(always)]
        fn run<K: Kernel>(self, kernel: K) {
            kernel.unpack_along(self.0, self.1);
        }
    }
    let mut z = vec![0.0; rows * units];
    for (kept, z) in kept.chunks_exact(kept.len() / rows).zip(z.chunks_exact_mut(units)) {
        machine.run(Unpack(kept, z));
    }
    z
}

fn rounded(value: f32) -> f64 {
    f64::from(f32::from_bits(bf16(value) << 16))
}

fn gelu(x: f64) -> f64 {
    x / (1.0 + (-(8.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3))).exp())
}

/// `[m, k] [k, n]` in f64, each element with the sum of its terms' sizes and the root of that of their squares.
fn product(
    [m, k, n]: [usize; 3],
    a: impl Fn(usize, usize) -> f64,
    b: impl Fn(usize, usize) -> f64,
) -> Vec<[f64; 3]> {
    let element = |i: usize, j: usize| {
        let [sum, size, square] = (0..k).fold([0.0; 3], |[sum, size, square], p| {
            let term: f64 = a(i, p) * b(p, j);
            [sum + term, size + term.abs(), square + term * term]
        });
        [sum, size, square.sqrt()]
    };
    (0..m).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| element(i, j)).collect()
}

#[track_caller]
fn close(what: &str, found: &[f32], truth: impl ExactSizeIterator<Item = (f64, f64)>) {
    assert_eq!(found.len(), truth.len(), "{what}");
    for (at, (&found, (truth, allowed))) in found.iter().zip(truth).enumerate() {
        let off = (f64::from(found) - truth).abs();
        assert!(off <= allowed, "{what}: element {at}: {found} {truth}, allowed {allowed}");
    }
}

/// Compares with f64, where in bfloat16 the factors of the first products are rounded. Of those made in between, the
/// rounding is one of up to 2^-9 of each term, and as random as the terms: 7 standard deviations are allowed.
fn check(machine: impl Machine, precision: Precision, what: &str) {
    let is_rounded = precision == Precision::Bf16;
    let rounded = |value: f32| if is_rounded { rounded(value) } else { f64::from(value) };
    let rounding = if is_rounded { 1.0 } else { 0.0 };
    for case in SIZES.map(Case::new) {
        let [rows, fan_in, units, fan_out] = case.sizes;
        let what = |part: &str| format!("{what} {:?}: {part}", case.sizes);
        let found = case.run(machine);
        let (x, up) =
            (|i: usize, j: usize| rounded(case.x[i * fan_in + j]), |i, j| rounded(case.up[i * units + j]));
        let (down, dy) =
            (|i, j| rounded(case.down[i * fan_out + j]), |i, j| rounded(case.dy[i * fan_out + j]));
        let biased = |bias: &[f32], at: usize| f64::from(bias[at % bias.len()]);

        let z = unpacked(machine, &found.kept, rows, units);
        let truth = product([rows, fan_in, units], x, up);
        let truth = truth.iter().enumerate().map(|(at, [sum, size, _])| {
            let z = sum + biased(&case.up_bias, at);
            (z, 3e-6 * (size + 1.0) + rounding * z.abs() / 256.0)
        });
        close(&what("kept"), &z, truth);

        let in_between =
            |terms: &[f64; 3], rest: f64| 3e-6 * (terms[1] + rest) + rounding * 1.2e-2 * terms[2];
        let hidden = |i: usize, j: usize| gelu(f64::from(z[i * units + j]));
        let truth = product([rows, units, fan_out], hidden, down);
        let truth = truth.iter().enumerate().map(|(at, terms)| {
            let y = terms[0] + biased(&case.down_bias, at) + f64::from(case.residual[at]);
            (y, in_between(terms, 2.0))
        });
        close(&what("result"), &found.y, truth);

        let [dx, dup, dup_bias, ddown, ddown_bias] = &found.gradients;
        let dhidden = product([rows, fan_out, units], dy, |i, j| down(j, i));
        let dz: Vec<f64> = dhidden
            .iter()
            .zip(&z)
            .map(|([sum, ..], &z)| {
                let z = f64::from(z);
                sum * (gelu(z + 1e-6) - gelu(z - 1e-6)) / 2e-6
            })
            .collect();
        let dz = |i: usize, j: usize| dz[i * units + j];
        let compare = |part: &str, found: &[f32], truth: Vec<[f64; 3]>| {
            // Terms that cancel inside dz leave their errors.
            let allowed = truth.iter().map(|terms| (terms[0], in_between(terms, fan_out as f64)));
            close(&what(part), found, allowed);
        };
        compare("input", dx, product([rows, units, fan_in], dz, |i, j| up(j, i)));
        compare("up", dup, product([fan_in, rows, units], |i, j| x(j, i), dz));
        compare("bias", dup_bias, product([1, rows, units], |_, _| 1.0, dz));
        compare("down", ddown, product([units, rows, fan_out], |i, j| hidden(j, i), dy));
        let dy = |i: usize, j: usize| f64::from(case.dy[i * fan_out + j]);
        let truth = product([1, rows, fan_out], |_, _| 1.0, dy);
        let truth = truth.iter().map(|[sum, size, _]| (*sum, 1e-6 * size));
        close(&what("second bias"), ddown_bias, truth);
    }
}

#[test]
fn it_is_that_of_f64() {
    for precision in [Precision::Bf16, Precision::Fp32] {
        with_machine!(precision, machine => check(machine, precision, "best"));
    }
}

#[test]
fn without_products_of_bfloat16_it_is_the_same() {
    check(Plain { round: true }, Precision::Bf16, "plain");
}

#[test]
fn through_a_matrix_unit_it_is_the_same() {
    check(Emulated, Precision::Bf16, "unit");
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let cases = SIZES.map(Case::new);
    let all =
        cases.iter().flat_map(|case| [Precision::Bf16, Precision::Fp32].map(|precision| (case, precision)));
    for (case, precision) in all {
        let [one, two, three] = [1, 2, 3].map(|threads| {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| case.run_on_best(precision))
        });
        let bits = |found: &Found| found.kept.iter().map(|kept| kept.to_bits()).collect::<Vec<_>>();
        assert!(bits(&one) == bits(&two) && bits(&two) == bits(&three), "kept of {:?}", case.sizes);
        assert!(one.y == two.y && two.y == three.y, "result of {:?}", case.sizes);
        assert!(one.gradients == two.gradients && two.gradients == three.gradients, "{:?}", case.sizes);
    }
}

#[test]
fn no_rows_have_no_gradient() {
    for precision in [Precision::Bf16, Precision::Fp32] {
        let found = Case::new([0, 3, 5, 4]).run_on_best(precision);
        assert!(found.y.is_empty() && found.gradients.iter().flatten().all(|&value| value == 0.0));
    }
}

#[test]
#[should_panic(expected = "the input")]
fn sizes_are_checked() {
    let case = Case::new([3, 2, 4, 5]);
    let precision = Precision::Fp32;
    let (mut kept, mut y) = (vec![0.0; 3 * kept(4, precision)], [0.0; 15]);
    forward(&case.x[1..], case.weights(), &case.residual, &mut kept, &mut y, precision);
}
