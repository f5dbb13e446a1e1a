//! What the columns of a table are to a model: numbers of mean 0 and deviation 1.

use crate::data::scale::Scale;

/// Deviations from the context's mean at which numbers end: a model has met none farther out, and an error of a digit must not
/// drown all other columns.
pub const CLIP: f64 = 10.0;

/// The columns that tell rows of a context apart, and their scales.
pub(super) struct Features {
    width: usize,
    scales: Vec<(usize, Scale)>,
}

impl Features {
    /// Of `rows` `[n, width]`, NaN where a number is missing, each of which counts as much as its weight says. A column that
    /// is constant or empty is as if it were not there.
    pub(super) fn fit(rows: &[f64], width: usize, weights: impl Iterator<Item = f64> + Clone) -> Self {
        let scale = |column: usize| {
            Scale::weighted(rows[column..].iter().step_by(width).copied().zip(weights.clone()))
        };
        let scales = (0..width).map(|column| (column, scale(column)));
        Self { width, scales: scales.filter(|(_, scale)| scale.deviation > 0.0).collect() }
    }

    /// Numbers in a row of [`Features::apply`].
    pub(super) fn count(&self) -> usize {
        self.scales.len()
    }

    /// `rows` `[n, width]` as `[n, count]`, within [`CLIP`] of 0; the mean where a number is missing, or NaN if those are
    /// `kept`.
    pub(super) fn apply(&self, rows: &[f64], kept: bool) -> Vec<f32> {
        let mut standard = Vec::with_capacity(rows.len() / self.width * self.count());
        for row in rows.chunks_exact(self.width) {
            standard.extend(self.scales.iter().map(|&(column, scale)| match row[column] {
                missing if kept && missing.is_nan() => f32::NAN,
                cell => scale.apply(cell).clamp(-CLIP, CLIP) as f32,
            }));
        }
        standard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_standardised_clipped_and_left_out_where_they_tell_nothing() {
        let nan = f64::NAN;
        let rows = [1e9, 7.0, nan, 1e-7, 1e9 + 2.0, 7.0, nan, 3e-7];
        let features = Features::fit(&rows, 4, std::iter::repeat(1.0));
        assert_eq!(features.count(), 2, "the second is constant, the third empty");
        let close = |found: Vec<f32>, wanted: &[f32]| {
            assert!(found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-5), "{found:?}");
        };
        close(features.apply(&rows, false), &[-1.0, -1.0, 1.0, 1.0]);
        let odd = [f64::MAX, 0.0, 0.0, nan, f64::MIN, -1e300, 1.0, f64::NEG_INFINITY];
        close(features.apply(&odd, false), &[10.0, 0.0, -10.0, -10.0]);
        let told = features.apply(&odd, true);
        assert!(told[0] == 10.0 && told[1].is_nan() && told[2..] == [-10.0, -10.0], "{told:?}");
    }
}
