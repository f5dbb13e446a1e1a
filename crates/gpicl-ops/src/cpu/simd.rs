//! What the kernels share: walking slices a vector at a time, and functions Burn's backends take from libm.
#![allow(clippy::needless_range_loop, reason = "iterator adaptors are closures, too")]

use pulp::Simd;

/// `sqrt(8 / pi)` and the cubic term of GELU's tanh form.
const GELU_SCALE: f32 = 1.595_769;
const GELU_CUBIC: f32 = 0.044_715;

/// Walks slices of one length a vector at a time: `update!(simd: S, [x in xs, ..], [y in ys, ..] { .. })` runs the
/// block with every name bound to a vector, and stores what it leaves in the names of the second list.
///
/// A macro and not a function of a closure: closures do not inherit the caller's vector extension, so what is not
/// inlined into them becomes a function call an instruction.
macro_rules! update {
    ($simd:ident: $S:ty, [$($x:ident in $input:expr),*], [$($y:ident in $output:expr),+] $body:block) => {{
        $(let $x = <$S>::as_simd_f32s($input);)*
        $(let $y = <$S>::as_mut_simd_f32s($output);)+
        let lengths = [$([$x.0.len(), $x.1.len()],)* $([$y.0.len(), $y.1.len()]),+];
        assert!(lengths.iter().all(|length| *length == lengths[0]), "slices of different lengths");
        let [vectors, tail] = lengths[0];
        $(let $x = (&$x.0[..vectors], $x.1);)*
        $(let $y = (&mut $y.0[..vectors], $y.1);)+
        for at in 0..vectors {
            let values = {
                $(let $x = $x.0[at];)*
                $(#[allow(unused)] let mut $y = $y.0[at];)+
                $body
                ($($y,)+)
            };
            ($($y.0[at],)+) = values;
        }
        if tail > 0 {
            let values = {
                $(let $x = $simd.partial_load_f32s($x.1);)*
                $(#[allow(unused)] let mut $y = $simd.partial_load_f32s($y.1);)+
                $body
                [$($y),+]
            };
            let mut output = 0;
            $(
                $simd.partial_store_f32s($y.1, values[output]);
                output += 1;
            )+
            debug_assert_eq!(output, values.len());
        }
    }};
}

/// Sums over slices of one length: `sums!(simd: S, [x in xs, ..] { [..] })` adds up the terms that the block gives
/// for every element, and gives an array of the sums. A macro for the reason [`update`] is.
macro_rules! sums {
    ($simd:ident: $S:ident, [$($x:ident in $input:expr),+] $body:block) => {{
        $(let $x = $S::as_simd_f32s($input);)+
        let lengths = [$([$x.0.len(), $x.1.len()]),+];
        assert!(lengths.iter().all(|length| *length == lengths[0]), "slices of different lengths");
        let [vectors, tail] = lengths[0];
        $(let $x = (&$x.0[..vectors], $x.1);)+
        // Two sums in turn: an addition waits for the one before it.
        let mut even = $crate::cpu::simd::zeros($simd);
        let mut odd = even;
        for pair in 0..vectors / 2 {
            let terms = { $(let $x = $x.0[2 * pair];)+ $body };
            $crate::cpu::simd::add($simd, &mut even, terms);
            let terms = { $(let $x = $x.0[2 * pair + 1];)+ $body };
            $crate::cpu::simd::add($simd, &mut odd, terms);
        }
        if vectors % 2 == 1 {
            let terms = { $(let $x = $x.0[vectors - 1];)+ $body };
            $crate::cpu::simd::add($simd, &mut even, terms);
        }
        if tail > 0 {
            let terms = { $(let $x = $simd.partial_load_f32s($x.1);)+ $body };
            $crate::cpu::simd::add_first($simd, &mut odd, terms, tail);
        }
        $crate::cpu::simd::add($simd, &mut even, odd);
        $crate::cpu::simd::reduce($simd, even)
    }};
}

pub(super) use {sums, update};

#[inline(always)]
pub fn zeros<S: Simd, const A: usize>(simd: S) -> [S::f32s; A] {
    [simd.splat_f32s(0.0); A]
}

#[inline(always)]
pub fn add<S: Simd, const A: usize>(simd: S, total: &mut [S::f32s; A], terms: [S::f32s; A]) {
    for a in 0..A {
        total[a] = simd.add_f32s(total[a], terms[a]);
    }
}

/// Adds the first `count` elements of each vector.
#[inline(always)]
pub fn add_first<S: Simd, const A: usize>(
    simd: S,
    total: &mut [S::f32s; A],
    terms: [S::f32s; A],
    count: usize,
) {
    for a in 0..A {
        let mut valid = [0.0; 16];
        simd.partial_store_f32s(&mut valid[..count], terms[a]);
        total[a] = simd.add_f32s(total[a], simd.partial_load_f32s(&valid[..count]));
    }
}

#[inline(always)]
pub fn reduce<S: Simd, const A: usize>(simd: S, total: [S::f32s; A]) -> [f32; A] {
    let mut sums = [0.0; A];
    for a in 0..A {
        sums[a] = simd.reduce_sum_f32s(total[a]);
    }
    sums
}

/// Largest value, negative infinity for none.
#[inline(always)]
pub fn max<S: Simd>(simd: S, values: &[f32]) -> f32 {
    let (body, tail) = S::as_simd_f32s(values);
    let mut largest = simd.splat_f32s(f32::NEG_INFINITY);
    for at in 0..body.len() {
        largest = simd.max_f32s(largest, body[at]);
    }
    let mut largest = simd.reduce_max_f32s(largest);
    for &value in tail {
        largest = largest.max(value);
    }
    largest
}

/// `x` held between two bounds; NaN stays NaN.
#[inline(always)]
fn bound<S: Simd>(simd: S, x: S::f32s, low: f32, high: f32) -> S::f32s {
    let (low, high) = (simd.splat_f32s(low), simd.splat_f32s(high));
    let x = simd.select_f32s(simd.less_than_f32s(x, low), low, x);
    simd.select_f32s(simd.greater_than_f32s(x, high), high, x)
}

/// `e^x` to 2 units in the last place between -87 and 88, held there outside; NaN stays NaN.
#[inline(always)]
pub fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    // ln 2 in two parts: n times the first is exact for every n that occurs.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    // Minimax on [-ln 2 / 2, ln 2 / 2] of (e^r - 1 - r) / r^2, highest power first.
    const POLYNOMIAL: [f32; 6] =
        [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5.0e-1];
    let x = bound(simd, x, -87.3, 88.0);
    let rounded = simd.mul_add_e_f32s(x, simd.splat_f32s(LOG2_E), simd.splat_f32s(ROUND));
    let n = simd.sub_f32s(rounded, simd.splat_f32s(ROUND));
    let r = simd.mul_add_e_f32s(n, simd.splat_f32s(-LN_2_HIGH), x);
    let r = simd.mul_add_e_f32s(n, simd.splat_f32s(-LN_2_LOW), r);
    let mut p = simd.splat_f32s(POLYNOMIAL[0]);
    for power in 1..POLYNOMIAL.len() {
        p = simd.mul_add_e_f32s(p, r, simd.splat_f32s(POLYNOMIAL[power]));
    }
    let one_plus = simd.add_f32s(simd.splat_f32s(1.0), r);
    let fraction = simd.mul_add_e_f32s(simd.mul_f32s(r, r), p, one_plus);
    let exponent = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(rounded), simd.splat_u32s(23));
    simd.transmute_f32s_u32s(simd.add_u32s(simd.transmute_u32s_f32s(fraction), exponent))
}

/// `2^x` to 2 units in the last place for `x` from -126 to 127, `2^-126` below; NaN stays NaN. It takes two thirds of
/// the time of [`exp`].
#[inline(always)]
pub fn exp2<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    // 2^r on [-1/2, 1/2], where 2^0 is exactly 1, through Chebyshev's points, highest power first.
    const POLYNOMIAL: [f32; 7] =
        [1.545_316_3e-4, 1.339_086_3e-3, 9.618_083e-3, 5.550_357e-2, 2.402_265e-1, 6.931_472e-1, 1.0];
    let least = simd.splat_f32s(-126.0);
    power_of_two(simd, simd.select_f32s(simd.less_than_f32s(x, least), least, x), &POLYNOMIAL)
}

/// `2^x` to 4e-6 of it between -126 and 126, held there outside: enough for what is rounded to bfloat16 afterwards.
#[inline(always)]
fn rough_exp2<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    // As in `exp2`, to a lower degree.
    const POLYNOMIAL: [f32; 5] = [9.666_368e-3, 5.592_197_6e-2, 2.402_235e-1, 6.931_21e-1, 1.0];
    let x = simd.min_f32s(simd.splat_f32s(126.0), simd.max_f32s(simd.splat_f32s(-126.0), x));
    power_of_two(simd, x, &POLYNOMIAL)
}

/// `2^x`, with `polynomial` for what is left of `x` by the nearest integer.
#[inline(always)]
fn power_of_two<S: Simd, const N: usize>(simd: S, x: S::f32s, polynomial: &[f32; N]) -> S::f32s {
    // As in `exp`.
    const ROUND: f32 = 12_582_912.0;
    let rounded = simd.add_f32s(x, simd.splat_f32s(ROUND));
    let r = simd.sub_f32s(x, simd.sub_f32s(rounded, simd.splat_f32s(ROUND)));
    let mut p = simd.splat_f32s(polynomial[0]);
    for power in 1..N {
        p = simd.mul_add_e_f32s(p, r, simd.splat_f32s(polynomial[power]));
    }
    let exponent = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(rounded), simd.splat_u32s(23));
    simd.transmute_f32s_u32s(simd.add_u32s(simd.transmute_u32s_f32s(p), exponent))
}

/// Keeps the first `count` values of a vector; the others become `other`.
#[inline(always)]
pub fn first<S: Simd>(simd: S, count: usize, x: S::f32s, other: f32) -> S::f32s {
    const PLACES: [f32; 16] = [0., 1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11., 12., 13., 14., 15.];
    let places = S::as_simd_f32s(&PLACES).0[0];
    let kept = simd.less_than_f32s(places, simd.splat_f32s(count.min(16) as f32));
    simd.select_f32s(kept, x, simd.splat_f32s(other))
}

/// `[e / (1 + e), 1 / (1 + e)]` with `e = exp(-sqrt(8 / pi) (x + 0.044715 x^3))`: the shares of `x` that GELU
/// holds back and lets through.
#[inline(always)]
fn gates<S: Simd>(simd: S, x: S::f32s) -> [S::f32s; 2] {
    let square = simd.mul_f32s(x, x);
    let cubic = simd.splat_f32s(-GELU_SCALE * GELU_CUBIC);
    let inner = simd.mul_f32s(x, simd.mul_add_e_f32s(square, cubic, simd.splat_f32s(-GELU_SCALE)));
    let one = simd.splat_f32s(1.0);
    let e = exp(simd, inner);
    let open = simd.div_f32s(one, simd.add_f32s(one, e));
    [simd.mul_f32s(e, open), open]
}

/// [`gates`] to 4e-6 of each.
#[inline(always)]
fn rough_gates<S: Simd>(simd: S, x: S::f32s) -> [S::f32s; 2] {
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    let square = simd.mul_f32s(x, x);
    let cubic = simd.splat_f32s(-GELU_SCALE * GELU_CUBIC * LOG2_E);
    let inner = simd.mul_f32s(x, simd.mul_add_e_f32s(square, cubic, simd.splat_f32s(-GELU_SCALE * LOG2_E)));
    let one = simd.splat_f32s(1.0);
    let e = rough_exp2(simd, inner);
    let open = simd.div_f32s(one, simd.add_f32s(one, e));
    [simd.mul_f32s(e, open), open]
}

/// GELU in its tanh form.
#[inline(always)]
pub fn gelu<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let [_, open] = gates(simd, x);
    simd.mul_f32s(x, open)
}

/// [`gelu`] and its derivative.
#[inline(always)]
pub fn gelu_and_slope<S: Simd>(simd: S, x: S::f32s) -> [S::f32s; 2] {
    let gates = gates(simd, x);
    value_and_slope(simd, x, gates)
}

/// [`gelu`], for results that are rounded to bfloat16.
#[inline(always)]
pub fn rough_gelu<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let [_, open] = rough_gates(simd, x);
    simd.mul_f32s(x, open)
}

/// [`gelu_and_slope`], for results that are rounded to bfloat16.
#[inline(always)]
pub fn rough_gelu_and_slope<S: Simd>(simd: S, x: S::f32s) -> [S::f32s; 2] {
    let gates = rough_gates(simd, x);
    value_and_slope(simd, x, gates)
}

#[inline(always)]
fn value_and_slope<S: Simd>(simd: S, x: S::f32s, [shut, open]: [S::f32s; 2]) -> [S::f32s; 2] {
    let cubic = simd.splat_f32s(3.0 * GELU_SCALE * GELU_CUBIC);
    let inner_slope = simd.mul_add_e_f32s(simd.mul_f32s(x, x), cubic, simd.splat_f32s(GELU_SCALE));
    let change = simd.mul_f32s(simd.mul_f32s(x, shut), inner_slope);
    let slope = simd.mul_f32s(open, simd.add_f32s(simd.splat_f32s(1.0), change));
    [simd.mul_f32s(x, open), slope]
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub fn sigmoid<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let one = simd.splat_f32s(1.0);
    simd.div_f32s(one, simd.add_f32s(one, exp(simd, simd.neg_f32s(x))))
}

/// Hyperbolic tangent, to 2e-7.
#[inline(always)]
pub fn tanh<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let one = simd.splat_f32s(1.0);
    let e = exp(simd, simd.mul_f32s(x, simd.splat_f32s(-2.0)));
    simd.div_f32s(simd.sub_f32s(one, e), simd.add_f32s(one, e))
}

/// Derivative of [`tanh`], by its value `y`.
#[inline(always)]
pub fn slope_of_tanh<S: Simd>(simd: S, y: S::f32s) -> S::f32s {
    simd.sub_f32s(simd.splat_f32s(1.0), simd.mul_f32s(y, y))
}

#[cfg(test)]
mod tests {
    use pulp::WithSimd;

    use super::*;
    use crate::cpu::dispatch::levels;

    struct Map<'a, F>(F, &'a [f32], &'a mut [f32]);

    #[derive(Clone, Copy)]
    enum Function {
        Exp,
        Exp2,
        Gelu,
        GeluSlope,
        RoughGelu,
        RoughGeluSlope,
        Sigmoid,
        Tanh,
    }

    impl WithSimd for Map<'_, Function> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let function = self.0;
            update!(simd: S, [x in self.1], [y in self.2] {
                y = match function {
                    Function::Exp => exp(simd, x),
                    Function::Exp2 => exp2(simd, x),
                    Function::Gelu => gelu(simd, x),
                    Function::GeluSlope => gelu_and_slope(simd, x)[1],
                    Function::RoughGelu => rough_gelu(simd, x),
                    Function::RoughGeluSlope => rough_gelu_and_slope(simd, x)[1],
                    Function::Sigmoid => sigmoid(simd, x),
                    Function::Tanh => tanh(simd, x),
                };
            });
        }
    }

    fn agrees(
        function: Function,
        inputs: &[f32],
        truth: impl Fn(f64) -> f64,
        tolerance: impl Fn(f64) -> f64,
    ) {
        for (name, arch) in levels() {
            let mut found = vec![0.0; inputs.len()];
            arch.dispatch(Map(function, inputs, &mut found));
            for (&x, &found) in inputs.iter().zip(&found) {
                let truth = truth(f64::from(x));
                let error = (f64::from(found) - truth).abs();
                assert!(error <= tolerance(truth), "{name}: f({x}) is {found}, not {truth}");
            }
        }
    }

    fn grid(low: f32, high: f32) -> Vec<f32> {
        (0..10_007).map(|at| low + (high - low) * at as f32 / 10_006.0).collect()
    }

    #[test]
    fn exponential() {
        agrees(Function::Exp, &grid(-87.0, 88.0), f64::exp, |truth| 2.5e-7 * truth);
        agrees(Function::Exp, &[-1e9, f32::NEG_INFINITY], |_| 0.0, |_| 2e-38);
        for (_, arch) in levels() {
            let mut found = [0.0; 3];
            arch.dispatch(Map(Function::Exp, &[f32::NAN; 3], &mut found));
            assert!(found.iter().all(|value| value.is_nan()));
        }
    }

    #[test]
    fn exponential_of_base_two() {
        agrees(Function::Exp2, &grid(-126.0, 127.0), f64::exp2, |truth| 1.5e-7 * truth);
        agrees(Function::Exp2, &[-1e9, f32::NEG_INFINITY], |_| 0.0, |_| 2e-38);
        for (_, arch) in levels() {
            let mut found = [-1.0; 2];
            arch.dispatch(Map(Function::Exp2, &[f32::NAN, 0.0], &mut found));
            assert!(found[0].is_nan() && found[1] == 1.0, "{found:?}");
        }
    }

    struct First<'a>(usize, &'a mut [f32]);

    impl WithSimd for First<'_> {
        type Output = usize;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> usize {
            S::as_mut_simd_f32s(self.1).0[0] = first(simd, self.0, simd.splat_f32s(f32::NAN), -1.0);
            S::F32_LANES
        }
    }

    #[test]
    fn the_first_values_are_kept() {
        for (name, arch) in levels() {
            for count in [0, 1, 3, 8, 15, 16, 40] {
                let mut found = [0.0; 16];
                let lanes = arch.dispatch(First(count, &mut found));
                for (at, value) in found[..lanes].iter().enumerate() {
                    assert_eq!(value.is_nan(), at < count, "{name}: {at} of {count}");
                }
            }
        }
    }

    #[test]
    fn gelu_and_its_slope() {
        let inner = |x: f64| (8.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
        let gelu = move |x: f64| x / (1.0 + (-inner(x)).exp());
        agrees(Function::Gelu, &grid(-8.0, 8.0), gelu, |truth| 1e-6 * truth.abs().max(0.1));
        let slope = move |x: f64| (gelu(x + 1e-6) - gelu(x - 1e-6)) / 2e-6;
        agrees(Function::GeluSlope, &grid(-8.0, 8.0), slope, |truth| 1e-6 * truth.abs().max(1.0));
        // Beside the 4e-3 of a rounding to bfloat16; the true slope here is a difference quotient, good to 1e-9 or so.
        agrees(Function::RoughGelu, &grid(-8.0, 8.0), gelu, |truth| 3e-5 * truth.abs());
        agrees(Function::RoughGeluSlope, &grid(-8.0, 8.0), slope, |truth| 1e-5 * truth.abs().max(1.0));
        for (name, arch) in levels() {
            let mut found = [0.0; 5];
            let inputs = [f32::NAN, 0.0, 1e6, f32::INFINITY, -1e6];
            arch.dispatch(Map(Function::RoughGelu, &inputs, &mut found));
            assert!(found[0].is_nan() && found[4].abs() < 1e-20, "{name}: {found:?}");
            assert_eq!(found[1..4], [0.0, 1e6, f32::INFINITY], "{name}");
        }
    }

    #[test]
    fn sigmoid_and_tanh() {
        for inputs in [grid(-9.0, 9.0), vec![-1e9, -90.0, 90.0, 1e9]] {
            agrees(Function::Sigmoid, &inputs, |x| 1.0 / (1.0 + (-x).exp()), |_| 2e-7);
            agrees(Function::Tanh, &inputs, f64::tanh, |_| 2e-7);
        }
    }

    struct Sums<'a>(&'a [f32]);

    impl WithSimd for Sums<'_> {
        type Output = ([f32; 2], f32);

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
            // The first term is one for every element, padding included if it leaked in.
            let sums = sums!(simd: S, [x in self.0] { [simd.splat_f32s(1.0), x] });
            (sums, max(simd, self.0))
        }
    }

    #[test]
    fn sums_count_every_element_once() {
        for (name, arch) in levels() {
            for len in 1..70 {
                let values: Vec<f32> = (0..len).map(|at| at as f32 - 40.0).collect();
                let expected = ([len as f32, values.iter().sum()], len as f32 - 41.0);
                assert_eq!(arch.dispatch(Sums(&values)), expected, "{name}, {len} values");
            }
        }
    }
}
