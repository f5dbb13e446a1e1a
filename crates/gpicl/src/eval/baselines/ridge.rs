//! Ridge regression (Hoerl and Kennard 1970) on one-hot labels, in closed form at every position.

use super::gram::Gram;
use super::tune::{Chosen, TEMPERATURES, Tuning};
use super::vector::{Rows, dot};
use super::{Examples, Learner};
use crate::error::Result;

/// Regularisations to choose from; inputs have a norm of about 1.
const LAMBDAS: [f64; 6] = [0.01, 0.1, 0.3, 1.0, 3.0, 10.0];

/// `W = argmin sum_i |W x_i - (onehot(y_i) - 1/C)|^2 + lambda |W|^2`; logits are `W x / temperature`.
///
/// In its dual form, `W x = k(x)^T (K + lambda I)^-1 Y`, a new example adds a row to the Cholesky factor `L` of
/// `K + lambda I`, and that row, `l = L^-1 k(x)`, is what the prediction needs as well: `l^T (L^-1 Y)`. So all
/// positions together cost one factorisation.
#[derive(Clone, Copy, Debug)]
pub struct Ridge {
    /// Regularisation.
    pub lambda: f64,
    /// Changes the probabilities, not the predictions.
    pub temperature: f64,
}

/// Chooses `lambda`, then the temperature.
pub(super) fn fit(tuning: &Tuning<'_>) -> Result<Chosen> {
    let candidates = LAMBDAS.map(|lambda| (String::new(), Ridge { lambda, temperature: 1.0 }));
    let (_, Ridge { lambda, .. }) = tuning.choose(candidates)?;
    let candidates = TEMPERATURES.map(|temperature| (String::new(), Ridge { lambda, temperature }));
    let (_, learner) = tuning.choose(candidates)?;
    Ok((format!("lambda {lambda}, temperature {}", learner.temperature), learner).into())
}

impl Learner for Ridge {
    fn logits(&self, episode: Examples<'_>, logits: &mut [f32]) {
        let (length, classes) = (episode.labels.len(), episode.classes);
        let gram = Gram::features(episode);
        // L, its rows one after the other, and L^-1 Y.
        let mut factor = vec![0.0; length * length];
        let mut solved = vec![0.0; length * classes];
        let mut scores = vec![0.0; classes];
        for (j, logits) in logits.chunks_exact_mut(classes).enumerate() {
            let (above, row) = factor.split_at_mut(j * length);
            let row = &mut row[..=j];
            for (i, (&product, above)) in gram.row(j, j).iter().zip(above.chunks_exact(length)).enumerate() {
                row[i] = (product - dot(&row[..i], &above[..i])) / above[i];
            }
            scores.fill(0.0);
            Rows::new(&solved[..j * classes], classes).add_combination(&row[..j], &mut scores);
            for (logit, score) in logits.iter_mut().zip(&scores) {
                *logit = (score / self.temperature) as f32;
            }
            row[j] = (gram.square(j) + self.lambda - dot(&row[..j], &row[..j])).sqrt();
            for (class, (solved, score)) in solved[j * classes..].iter_mut().zip(&scores).enumerate() {
                let target = f64::from(u8::from(class == episode.labels[j] as usize)) - 1.0 / classes as f64;
                *solved = (target - score) / row[j];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::baselines::tests::logits;

    #[test]
    fn two_examples_agree_with_the_closed_form() {
        let learner = Ridge { lambda: 0.5, temperature: 1.0 };
        let (a, b, c) = (1.0_f64, -2.0_f64, 0.5_f64);
        let rows = logits(&learner, &[a as f32, b as f32, c as f32], &[0, 1, 0]);
        let k = |x: f64, y: f64| x * y + 1.0;
        // The inverse of [[p, q], [q, r]] by hand.
        let (p, q, r) = (k(a, a) + 0.5, k(a, b), k(b, b) + 0.5);
        let det = p * r - q * q;
        let weights = [(k(c, a) * r - k(c, b) * q) / det, (k(c, b) * p - k(c, a) * q) / det];
        for class in 0..3 {
            let target = |label: usize| f64::from(u8::from(label == class)) - 1.0 / 3.0;
            let first = k(b, a) / p * target(0);
            let second = weights[0] * target(0) + weights[1] * target(1);
            assert_eq!(rows[class], 0.0, "nothing is known before the first example");
            assert!((f64::from(rows[3 + class]) - first).abs() < 1e-6);
            assert!((f64::from(rows[6 + class]) - second).abs() < 1e-6);
        }
    }
}
