//! What the kernels share: walking slices a vector at a time, and functions Burn's backends take from libm.

use pulp::Simd;

/// `sqrt(8 / pi)` and the cubic term of GELU's tanh form.
const GELU_SCALE: f32 = 1.595_769;
const GELU_CUBIC: f32 = 0.044_715;

/// Sets `outputs` to `f(inputs, outputs)`, element by element. All slices have one length.
#[inline(always)]
pub fn update<S: Simd, const I: usize, const O: usize>(
    simd: S,
    inputs: [&[f32]; I],
    outputs: [&mut [f32]; O],
    f: impl Fn([S::f32s; I], [S::f32s; O]) -> [S::f32s; O],
) {
    let inputs = inputs.map(S::as_simd_f32s);
    let outputs = outputs.map(S::as_mut_simd_f32s);
    let vectors = outputs[0].0.len();
    let tail = outputs[0].1.len();
    assert!(inputs.iter().all(|(body, rest)| body.len() == vectors && rest.len() == tail));
    assert!(outputs.iter().all(|(body, rest)| body.len() == vectors && rest.len() == tail));
    for at in 0..vectors {
        let values = f(inputs.map(|(body, _)| body[at]), std::array::from_fn(|o| outputs[o].0[at]));
        for o in 0..O {
            outputs[o].0[at] = values[o];
        }
    }
    if tail > 0 {
        let old = std::array::from_fn(|o| simd.partial_load_f32s(outputs[o].1));
        let values = f(inputs.map(|(_, rest)| simd.partial_load_f32s(rest)), old);
        for o in 0..O {
            simd.partial_store_f32s(outputs[o].1, values[o]);
        }
    }
}

/// Sums of the terms `f(inputs)` over all elements. All slices have one length.
#[inline(always)]
pub fn sums<S: Simd, const I: usize, const A: usize>(
    simd: S,
    inputs: [&[f32]; I],
    f: impl Fn([S::f32s; I]) -> [S::f32s; A],
) -> [f32; A] {
    let inputs = inputs.map(S::as_simd_f32s);
    let (vectors, tail) = (inputs[0].0.len(), inputs[0].1.len());
    assert!(inputs.iter().all(|(body, rest)| body.len() == vectors && rest.len() == tail));
    let zero = simd.splat_f32s(0.0);
    // Two sums in turn: an addition waits for the one before it.
    let mut total = [[zero; A]; 2];
    for at in 0..vectors {
        let terms = f(inputs.map(|(body, _)| body[at]));
        for a in 0..A {
            total[at % 2][a] = simd.add_f32s(total[at % 2][a], terms[a]);
        }
    }
    if tail > 0 {
        let terms = f(inputs.map(|(_, rest)| simd.partial_load_f32s(rest)));
        for a in 0..A {
            let mut valid = [0.0; 16];
            simd.partial_store_f32s(&mut valid[..tail], terms[a]);
            total[0][a] = simd.add_f32s(total[0][a], simd.partial_load_f32s(&valid[..tail]));
        }
    }
    std::array::from_fn(|a| simd.reduce_sum_f32s(simd.add_f32s(total[0][a], total[1][a])))
}

/// Largest value, negative infinity for none.
#[inline(always)]
pub fn max<S: Simd>(simd: S, values: &[f32]) -> f32 {
    let (body, tail) = S::as_simd_f32s(values);
    let largest = body.iter().fold(simd.splat_f32s(f32::NEG_INFINITY), |a, &b| simd.max_f32s(a, b));
    tail.iter().fold(simd.reduce_max_f32s(largest), |a, &b| a.max(b))
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
    let bound = |x, low, high| {
        let (low, high) = (simd.splat_f32s(low), simd.splat_f32s(high));
        let x = simd.select_f32s(simd.less_than_f32s(x, low), low, x);
        simd.select_f32s(simd.greater_than_f32s(x, high), high, x)
    };
    let x = bound(x, -87.3, 88.0);
    let rounded = simd.mul_add_e_f32s(x, simd.splat_f32s(LOG2_E), simd.splat_f32s(ROUND));
    let n = simd.sub_f32s(rounded, simd.splat_f32s(ROUND));
    let r = simd.mul_add_e_f32s(n, simd.splat_f32s(-LN_2_HIGH), x);
    let r = simd.mul_add_e_f32s(n, simd.splat_f32s(-LN_2_LOW), r);
    let mut p = simd.splat_f32s(POLYNOMIAL[0]);
    for &coefficient in &POLYNOMIAL[1..] {
        p = simd.mul_add_e_f32s(p, r, simd.splat_f32s(coefficient));
    }
    let one_plus = simd.add_f32s(simd.splat_f32s(1.0), r);
    let fraction = simd.mul_add_e_f32s(simd.mul_f32s(r, r), p, one_plus);
    let exponent = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(rounded), simd.splat_u32s(23));
    simd.transmute_f32s_u32s(simd.add_u32s(simd.transmute_u32s_f32s(fraction), exponent))
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

/// GELU in its tanh form.
#[inline(always)]
pub fn gelu<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let [_, open] = gates(simd, x);
    simd.mul_f32s(x, open)
}

/// Derivative of [`gelu`].
#[inline(always)]
pub fn gelu_slope<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let [shut, open] = gates(simd, x);
    let cubic = simd.splat_f32s(3.0 * GELU_SCALE * GELU_CUBIC);
    let inner_slope = simd.mul_add_e_f32s(simd.mul_f32s(x, x), cubic, simd.splat_f32s(GELU_SCALE));
    let change = simd.mul_f32s(simd.mul_f32s(x, shut), inner_slope);
    simd.mul_f32s(open, simd.add_f32s(simd.splat_f32s(1.0), change))
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
        Gelu,
        GeluSlope,
    }

    impl WithSimd for Map<'_, Function> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            update(simd, [self.1], [self.2], |[x], _| {
                [match self.0 {
                    Function::Exp => exp(simd, x),
                    Function::Gelu => gelu(simd, x),
                    Function::GeluSlope => gelu_slope(simd, x),
                }]
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
    fn gelu_and_its_slope() {
        let inner = |x: f64| (8.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
        let gelu = move |x: f64| x / (1.0 + (-inner(x)).exp());
        agrees(Function::Gelu, &grid(-8.0, 8.0), gelu, |truth| 1e-6 * truth.abs().max(0.1));
        let slope = move |x: f64| (gelu(x + 1e-6) - gelu(x - 1e-6)) / 2e-6;
        agrees(Function::GeluSlope, &grid(-8.0, 8.0), slope, |truth| 1e-6 * truth.abs().max(1.0));
    }

    struct Sums<'a>(&'a [f32]);

    impl WithSimd for Sums<'_> {
        type Output = ([f32; 2], f32);

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
            // The first term is one for every element, padding included if it leaked in.
            let sums = sums(simd, [self.0], |[x]| [simd.splat_f32s(1.0), x]);
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
