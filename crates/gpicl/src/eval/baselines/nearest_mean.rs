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
        let mut means = Means::new(episode);
        let rows =
            logits.chunks_exact_mut(episode.classes).zip(episode.inputs.chunks_exact(episode.input_dim));
        for ((logits, x), &label) in rows.zip(episode.labels) {
            means.predict(self.temperature, x, logits);
            means.add(x, label);
        }
    }

    fn answer(&self, context: Examples<'_>, queries: &[f32], logits: &mut [f32]) {
        let mut means = Means::new(context);
        for (x, &label) in context.inputs.chunks_exact(context.input_dim).zip(context.labels) {
            means.add(x, label);
        }
        let rows = logits.chunks_exact_mut(context.classes);
        rows.zip(queries.chunks_exact(context.input_dim))
            .for_each(|(logits, x)| means.predict(self.temperature, x, logits));
    }
}

/// The means of the examples so far.
struct Means {
    /// `[classes, input_dim]`.
    sums: Vec<f64>,
    /// `[classes]`.
    counts: Vec<u32>,
    /// Of the last query, `[classes]`.
    scores: Vec<f64>,
}

impl Means {
    /// Of no example yet.
    fn new(Examples { input_dim, classes, .. }: Examples<'_>) -> Self {
        Self { sums: vec![0.0; classes * input_dim], counts: vec![0; classes], scores: vec![0.0; classes] }
    }

    fn add(&mut self, x: &[f32], label: u32) {
        let label = label as usize;
        self.counts[label] += 1;
        let sum = &mut self.sums[label * x.len()..(label + 1) * x.len()];
        sum.iter_mut().zip(x).for_each(|(sum, &x)| *sum += f64::from(x));
    }

    fn predict(&mut self, temperature: f64, x: &[f32], logits: &mut [f32]) {
        let Self { sums, counts, scores } = self;
        let scale = -1.0 / (x.len() as f64 * temperature);
        let mut worst = 0.0_f64;
        for ((score, sum), &count) in scores.iter_mut().zip(sums.chunks_exact(x.len())).zip(&*counts) {
            if count > 0 {
                let share = 1.0 / f64::from(count);
                let distance: f64 =
                    sum.iter().zip(x).map(|(sum, &x)| (f64::from(x) - sum * share).powi(2)).sum();
                *score = scale * distance;
                worst = worst.min(*score);
            }
        }
        for ((logit, &score), &count) in logits.iter_mut().zip(&*scores).zip(&*counts) {
            *logit = if count > 0 { score } else { worst - 1.0 } as f32;
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
