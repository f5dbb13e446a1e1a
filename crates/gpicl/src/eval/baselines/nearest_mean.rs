//! Nearest class mean: the classifier of one prototype a class.

use super::tune::{Chosen, TEMPERATURES, Tuning};
use super::{Examples, Learner};
use crate::error::Result;

/// Logits are `-|x - mean_c|^2 / input_dim / temperature`. A class without an example scores 1 less than the worst
/// class with one, so it is never predicted while another can be.
#[derive(Clone, Copy, Debug)]
pub struct NearestMean {
    /// Changes the probabilities, not the predictions.
    pub temperature: f64,
}

/// Nothing but the temperature is chosen.
pub(super) fn fit(tuning: &Tuning<'_>) -> Result<Chosen> {
    let candidates = TEMPERATURES.map(|temperature| (String::new(), NearestMean { temperature }));
    let (_, learner) = tuning.choose(candidates)?;
    Ok((format!("temperature {}", learner.temperature), learner).into())
}

impl Learner for NearestMean {
    fn logits(&self, episode: Examples<'_>, logits: &mut [f32]) {
        let Examples { inputs, labels, input_dim, classes, .. } = episode;
        let mut sums = vec![0.0; classes * input_dim];
        let mut counts = vec![0_u32; classes];
        let mut scores = vec![0.0; classes];
        let scale = -1.0 / (input_dim as f64 * self.temperature);
        let rows = logits.chunks_exact_mut(classes).zip(inputs.chunks_exact(input_dim)).zip(labels);
        for ((logits, x), &label) in rows {
            let mut worst = 0.0_f64;
            for ((score, sum), &count) in scores.iter_mut().zip(sums.chunks_exact(input_dim)).zip(&counts) {
                if count > 0 {
                    let share = 1.0 / f64::from(count);
                    let distance: f64 =
                        sum.iter().zip(x).map(|(sum, &x)| (f64::from(x) - sum * share).powi(2)).sum();
                    *score = scale * distance;
                    worst = worst.min(*score);
                }
            }
            for ((logit, &score), &count) in logits.iter_mut().zip(&scores).zip(&counts) {
                *logit = if count > 0 { score } else { worst - 1.0 } as f32;
            }
            let label = label as usize;
            counts[label] += 1;
            let sum = &mut sums[label * input_dim..(label + 1) * input_dim];
            sum.iter_mut().zip(x).for_each(|(sum, &x)| *sum += f64::from(x));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::baselines::tests::{logits, predictions};

    #[test]
    fn the_nearest_mean_decides() {
        let inputs = [0.0, 4.0, 6.0, 2.9, 3.0, 2.0];
        let labels = [1, 1, 0, 0, 2, 0];
        let learner = NearestMean { temperature: 2.0 };
        // Means of 1: 0, then 2; of 0: 6, then 4.45; the last query is on the mean of 1.
        assert_eq!(predictions(&learner, &inputs, &labels), [0, 1, 1, 1, 1, 1]);
        let rows = logits(&learner, &inputs, &labels);
        let close = |a: f32, b: f64| assert!((f64::from(a) - b).abs() < 1e-6, "{a} {b}");
        close(rows[3 * 3], -(2.9_f64 - 6.0).powi(2) / 2.0);
        close(rows[3 * 3 + 1], -0.9_f64.powi(2) / 2.0);
        close(rows[3 * 3 + 2], -(3.1_f64.powi(2)) / 2.0 - 1.0);
    }
}
