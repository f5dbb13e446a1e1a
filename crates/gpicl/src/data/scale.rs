//! A column's mean and deviation, in double precision and safe at both ends of its range.

/// Largest rounding error of a number, relative to it, over which a deviation must be to count as one.
const PRECISION: f64 = 4.0 * f64::EPSILON;

/// What brings a column to mean 0 and deviation 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// The mean.
    pub mean: f64,
    /// The standard deviation; 0 of a column that is empty, or constant to the precision of its numbers.
    pub deviation: f64,
}

impl Scale {
    /// Of the finite ones among `values`.
    pub fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        Self::weighted(values.map(|x| (x, 1.0)))
    }

    /// Of the finite ones among `values`, each with how much it counts.
    pub fn weighted(values: impl Iterator<Item = (f64, f64)> + Clone) -> Self {
        let values = values.filter(|(x, _)| x.is_finite());
        // Squares of the largest and the smallest doubles are none; in units of the largest all are.
        let size = values.clone().fold(0.0, |size: f64, (x, _)| size.max(x.abs()));
        let Some(first) = values.clone().next().filter(|_| size > 0.0).map(|(x, _)| x / size) else {
            return Self { mean: 0.0, deviation: 0.0 };
        };
        let average = |of: &dyn Fn(f64) -> f64| {
            let add = |(sum, total), (x, weight)| (sum + weight * of(x / size), total + weight);
            let (sum, total) = values.clone().fold((0.0, 0.0), add);
            sum / total
        };
        // Counted from the first value: that of equal ones is exact.
        let mean = first + average(&|x| x - first);
        let deviation = average(&|x| (x - mean).powi(2)).sqrt();
        let deviation = if deviation > PRECISION { deviation * size } else { 0.0 };
        Self { mean: mean * size, deviation }
    }

    /// `x` in deviations from the mean; 0 of a missing number (NaN) and in a column without deviation.
    pub fn apply(&self, x: f64) -> f64 {
        if x.is_nan() || self.deviation == 0.0 { 0.0 } else { in_deviations(x, self.mean, self.deviation) }
    }
}

/// `x` in deviations from `mean`, also where their difference is larger than any double.
pub(super) fn in_deviations(x: f64, mean: f64, deviation: f64) -> f64 {
    let difference = x - mean;
    if difference.is_finite() { difference / deviation } else { x / deviation - mean / deviation }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deviation_is_one_in_relation_to_the_numbers_size() {
        for (shift, unit) in
            [(0.0, 1.0), (0.0, 1e-7), (0.0, 1e-300), (0.0, 1e300), (1.7e9, 1.0), (-3e5, 1e-3)]
        {
            let values = [0.0, 1.0, 2.0, 5.0].map(|x| shift + unit * x);
            let scale = Scale::of(values.into_iter());
            assert!((scale.mean / (shift + 2.0 * unit) - 1.0).abs() < 1e-12, "{shift} {unit}: {scale:?}");
            assert!((scale.deviation / unit - 3.5_f64.sqrt()).abs() < 1e-6, "{shift} {unit}: {scale:?}");
        }
        for constant in [[0.0; 3], [0.1; 3], [1e300; 3], [0.3, 0.1 + 0.2, 0.3], [f64::NAN; 3]] {
            assert_eq!(Scale::of(constant.into_iter()).deviation, 0.0, "{constant:?}");
        }
    }

    #[test]
    fn missing_numbers_count_for_nothing_and_become_the_mean() {
        let scale = Scale::of([1.0, f64::NAN, 3.0, f64::INFINITY].into_iter());
        assert_eq!(scale, Scale { mean: 2.0, deviation: 1.0 });
        assert_eq!([1.0, f64::NAN, 4.0].map(|x| scale.apply(x)), [-1.0, 0.0, 2.0]);
        let largest = Scale::of([f64::MIN, f64::MIN, f64::MAX].into_iter());
        assert!((largest.apply(f64::MAX) - 2.0_f64.sqrt()).abs() < 1e-9, "{largest:?}");
        let twice = [(1.0, 0.5), (3.0, 1.0), (5.0, 0.5)];
        let wanted = Scale::of([1.0, 3.0, 3.0, 5.0].into_iter());
        assert_eq!(Scale::weighted(twice.into_iter()), wanted, "half counts half");
        assert_eq!(Scale::of([7.0, 7.0].into_iter()).apply(1e9), 0.0, "a constant column tells nothing");
    }
}
