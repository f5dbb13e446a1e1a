//! Standard normals by Box and Muller's transform of random bits: initial weights, made data.
//!
//! Two words make a pair: `r = sqrt(-2 ln u)` from the first, an angle from the second. Logarithm, sine and
//! cosine are polynomials, and every element is the same fixed sequence of IEEE operations (no libm, no
//! contraction to FMA), the same to the bit on every CPU. The tails end at 6.66; three in 10^11 normals would
//! lie beyond.

/// `-2 ln(1 + f) / f` for `1 + f` in `[sqrt(1/2), sqrt(2))`; relative error 2e-7.
const LN: [f32; 8] =
    [-1.9999999, 1.0000075, -0.66669214, 0.49937814, -0.39826697, 0.34556413, -0.32252496, 0.19790702];
/// `sin(pi/4 t) / t` in powers of `t^2`, `|t| <= 1`; relative error 4e-9.
const SIN: [f32; 4] = [std::f32::consts::FRAC_PI_4, -0.080745436, 0.0024900069, -3.595429e-05];
/// `cos(pi/4 t)` in powers of `t^2`, `|t| <= 1`; relative error 4e-8.
const COS: [f32; 4] = [1.0, -0.30842426, 0.01584991, -0.0003188775];

/// Bits of `sqrt(1/2)`: where the mantissa's range starts, so that `f` is small on both sides of 0.
const SQRT_HALF: u32 = 0x3F35_04F3;
const MANTISSA: u32 = 0x007F_FFFF;
const TWO_LN_2: f32 = 2.0 * std::f32::consts::LN_2;
const TWO_POW_MINUS_31: f32 = 1.0 / 2_147_483_648.0;

#[inline(always)]
fn polynomial<const N: usize>(coefficients: [f32; N], x: f32) -> f32 {
    let mut sum = coefficients[N - 1];
    for i in (0..N - 1).rev() {
        sum = sum * x + coefficients[i];
    }
    sum
}

/// Two independent normals of standard deviation `std`, from 64 random bits.
#[inline(always)]
pub fn normal_pair(radius: u32, angle: u32, std: f32) -> [f32; 2] {
    // u = v / 2^31 with v in (0, 2^31]; signed, because that conversion is one instruction everywhere.
    let v = (radius >> 1) as i32 as f32 + 0.5;
    let shifted = v.to_bits().wrapping_sub(SQRT_HALF);
    let exponent = (shifted as i32 >> 23) - 31;
    let f = f32::from_bits((shifted & MANTISSA) + SQRT_HALF) - 1.0;
    let r = std * (f * polynomial(LN, f) - exponent as f32 * TWO_LN_2).sqrt();
    // A direction within 45 degrees of the x axis; one bit mirrors it at the y axis, one at the diagonal.
    let t = angle as i32 as f32 * TWO_POW_MINUS_31;
    let sin = t * polynomial(SIN, t * t);
    let cos = f32::from_bits(polynomial(COS, t * t).to_bits() ^ (angle << 31));
    let [x, y] = if angle & 2 == 0 { [cos, sin] } else { [sin, cos] };
    [r * x, r * y]
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::cpu::philox::Sequence;

    /// Four of every block of a sequence.
    fn normals(k: u64, n: usize) -> Vec<f32> {
        let sequence = Sequence { seed: 20_221_208, stream: 1, k };
        let block = |index| {
            let [a, b, c, d] = sequence.block(index);
            [normal_pair(a, b, 1.0), normal_pair(c, d, 1.0)].into_iter().flatten()
        };
        (0..n as u32 / 4).flat_map(block).collect()
    }

    /// By the power series near 0 and the continued fraction in the tails.
    pub(in crate::cpu) fn normal_cdf(x: f64) -> f64 {
        let z = x.abs() / std::f64::consts::SQRT_2;
        let erfc = if z < 2.5 {
            let (mut term, mut sum) = (z, z);
            for n in 1..60 {
                term *= -z * z / f64::from(n);
                sum += term / f64::from(2 * n + 1);
            }
            1.0 - sum * std::f64::consts::FRAC_2_SQRT_PI
        } else {
            let fraction = (1..60).rev().fold(z, |below, n| z + f64::from(n) / 2.0 / below);
            (-z * z).exp() / fraction * std::f64::consts::FRAC_2_SQRT_PI / 2.0
        };
        if x < 0.0 { erfc / 2.0 } else { 1.0 - erfc / 2.0 }
    }

    #[test]
    fn a_pair_is_box_and_mullers_to_float_precision() {
        let mut words = 1_u32;
        for _ in 0..100_000 {
            let radius = words.wrapping_mul(0x9E37_79B9);
            words = words.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
            let angle = words;
            let [x, y] = normal_pair(radius, angle, 1.0).map(f64::from);
            // Float rounding of u next to 1 is part of the method.
            let u = f64::from((radius >> 1) as f32 + 0.5) / 2_147_483_648.0;
            let r = (-2.0 * u.ln()).sqrt();
            assert!((x.hypot(y) - r).abs() <= 4e-7 * r, "{radius} {angle}: {} {r}", x.hypot(y));
            let theta = f64::from(angle as i32) / 2_147_483_648.0 * std::f64::consts::FRAC_PI_4;
            let cos = if angle & 1 == 0 { theta.cos() } else { -theta.cos() };
            let [a, b] = if angle & 2 == 0 { [x, y] } else { [y, x] };
            assert!((a - r * cos).abs() <= 4e-7 * r && (b - r * theta.sin()).abs() <= 4e-7 * r);
        }
    }

    #[test]
    fn the_extreme_bits_give_finite_numbers() {
        for radius in [0, 1, 2, u32::MAX / 2, u32::MAX - 1, u32::MAX] {
            for angle in [0, 1, 2, 3, 1 << 31, u32::MAX, i32::MAX as u32] {
                let pair = normal_pair(radius, angle, 1.0);
                assert!(pair.iter().all(|x| x.abs() < 6.67), "{radius} {angle}: {pair:?}");
            }
        }
        assert!(normal_pair(0, 0, 1.0)[0] > 6.65, "the tail is reached");
    }

    /// Four standard errors of each statistic at this sample size.
    #[test]
    fn moments_and_tails_are_those_of_the_normal_distribution() {
        let n = 1 << 22;
        let values = normals(1, n);
        let moment = |power: i32| values.iter().map(|&x| f64::from(x).powi(power)).sum::<f64>() / n as f64;
        let root = (n as f64).sqrt();
        for (power, expected, variance) in
            [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0), (6, 15.0, 10_170.0_f64)]
        {
            let error = (moment(power) - expected).abs();
            assert!(error < 4.0 * variance.sqrt() / root, "moment {power}: {error}");
        }
        for bound in [1.0, 2.0, 3.0, 4.0, 4.5] {
            let expected = 2.0 * normal_cdf(-bound) * n as f64;
            let beyond = values.iter().filter(|x| f64::from(x.abs()) > bound).count() as f64;
            assert!(
                (beyond - expected).abs() < 4.0 * expected.sqrt() + 1.0,
                "{beyond} beyond {bound}: {expected}"
            );
        }
    }

    /// Kolmogorov and Smirnov's statistic, at the level 10^-4.
    #[test]
    fn the_distribution_is_normal() {
        let n = 1 << 20;
        let mut values = normals(2, n);
        values.sort_by(f32::total_cmp);
        let distance = values.iter().enumerate().fold(0.0, |worst: f64, (i, &x)| {
            let cdf = normal_cdf(f64::from(x));
            worst.max((cdf - i as f64 / n as f64).abs()).max((cdf - (i + 1) as f64 / n as f64).abs())
        });
        assert!(distance * (n as f64).sqrt() < 2.23, "{distance}");
    }

    #[test]
    fn numbers_do_not_depend_on_each_other() {
        let n = 1 << 20;
        let (values, others) = (normals(3, n), normals(4, n));
        let correlation = |a: &[f32], b: &[f32]| {
            a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>() / a.len() as f64
        };
        // Of a pair, of a block, of neighbouring blocks, of two tasks.
        for lag in [1, 2, 3, 4, 8] {
            let linear = correlation(&values[lag..], &values[..n - lag]);
            assert!(linear.abs() < 4.0 / (n as f64).sqrt(), "lag {lag}: {linear}");
            let squares: Vec<f32> = values.iter().map(|x| x * x - 1.0).collect();
            let square = correlation(&squares[lag..], &squares[..n - lag]);
            assert!(square.abs() < 8.0 / (n as f64).sqrt(), "squares, lag {lag}: {square}");
        }
        assert!(correlation(&values, &others).abs() < 4.0 / (n as f64).sqrt());
    }
}
