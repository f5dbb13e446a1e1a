//! Ridge regression (Hoerl and Kennard 1970) on one-hot labels, in closed form at every position, with any kernel.

use super::gram::{Gram, Kernel};
use super::tune::{Chosen, TEMPERATURES, Tuning};
use super::vector::{Rows, add_outer, dot};
use super::{Examples, Learner};
use crate::error::Result;

/// Regularisations to choose from; inputs have a norm of about 1.
const LAMBDAS: [f64; 6] = [0.01, 0.1, 0.3, 1.0, 3.0, 10.0];

/// `W = argmin sum_i |W x_i - (onehot(y_i) - 1/C)|^2 + lambda |W|^2` of the kernel's features `x`; logits are
/// `W x / temperature`.
///
/// In its dual form, `W x = k(x)^T (K + lambda I)^-1 Y`, a new example adds a row to the Cholesky factor `L` of
/// `K + lambda I`, and that row, `l = L^-1 k(x)`, is what the prediction needs as well: `l^T (L^-1 Y)`. So all
/// positions together cost one factorisation.
#[derive(Clone, Copy, Debug)]
pub struct Ridge {
    /// Products of two inputs' features.
    pub kernel: Kernel,
    /// Regularisation.
    pub lambda: f64,
    /// Changes the probabilities, not the predictions.
    pub temperature: f64,
}

/// Chooses `lambda`, then the temperature, of the linear one.
pub(super) fn fit(tuning: &Tuning<'_>) -> Result<Chosen> {
    let kernel = Kernel::Features;
    let Ridge { lambda, temperature, .. } = choose(tuning, &[kernel], &LAMBDAS)?;
    let settings = format!("lambda {lambda}, temperature {temperature}");
    Ok((settings, Ridge { kernel, lambda, temperature }).into())
}

/// Chooses kernel and `lambda`, then the temperature.
pub(super) fn choose(tuning: &Tuning<'_>, kernels: &[Kernel], lambdas: &[f64]) -> Result<Ridge> {
    let candidates = kernels.iter().flat_map(|&kernel| {
        lambdas.iter().map(move |&lambda| {
            (format!("{kernel}, lambda {lambda}"), Ridge { kernel, lambda, temperature: 1.0 })
        })
    });
    let (_, best) = tuning.choose(candidates)?;
    let candidates =
        TEMPERATURES.map(|temperature| (format!("temperature {temperature}"), Ridge { temperature, ..best }));
    Ok(tuning.choose(candidates)?.1)
}

impl Learner for Ridge {
    fn logits(&self, episode: Examples<'_>, logits: &mut [f32]) {
        let mut rows = logits.chunks_exact_mut(episode.classes);
        self.solve(episode, |scores| self.write(scores, rows.next().expect("a row an example")));
    }

    fn answer(&self, context: Examples<'_>, queries: &[f32], logits: &mut [f32]) {
        let classes = context.classes;
        let coefficients = self.solve(context, |_| ());
        let cross = self.kernel.cross(context, queries);
        let mut scores = vec![0.0; classes];
        for (q, logits) in logits.chunks_exact_mut(classes).enumerate() {
            scores.fill(0.0);
            Rows::new(&coefficients, classes).add_combination(cross.row(q), &mut scores);
            self.write(&scores, logits);
        }
    }
}

impl Ridge {
    fn solve(&self, episode: Examples<'_>, predicted: impl FnMut(&[f64])) -> Vec<f64> {
        let Examples { labels, classes, .. } = episode;
        coefficients(&self.kernel.gram(episode), self.lambda, labels, classes, predicted)
    }

    fn write(&self, scores: &[f64], logits: &mut [f32]) {
        for (logit, score) in logits.iter_mut().zip(scores) {
            *logit = (score / self.temperature) as f32;
        }
    }
}

/// What an example with this label is to a class: one-hot less 1/C.
pub(crate) fn target(label: u32, class: usize, classes: usize) -> f64 {
    f64::from(u8::from(class == label as usize)) - 1.0 / classes as f64
}

/// `(K + lambda I)^-1 Y`, `[N, classes]`. On the way `predicted` gets the scores of every example, from those before it.
pub(crate) fn coefficients(
    gram: &Gram,
    lambda: f64,
    labels: &[u32],
    classes: usize,
    mut predicted: impl FnMut(&[f64]),
) -> Vec<f64> {
    let length = labels.len();
    // L, its rows one after the other, and L^-1 Y.
    let mut factor = vec![0.0; length * length];
    let mut solved = vec![0.0; length * classes];
    let mut scores = vec![0.0; classes];
    for (j, &label) in labels.iter().enumerate() {
        let (above, row) = factor.split_at_mut(j * length);
        let row = &mut row[..=j];
        for (i, (&product, above)) in gram.row(j, j).iter().zip(above.chunks_exact(length)).enumerate() {
            row[i] = (product - dot(&row[..i], &above[..i])) / above[i];
        }
        scores.fill(0.0);
        Rows::new(&solved[..j * classes], classes).add_combination(&row[..j], &mut scores);
        predicted(&scores);
        row[j] = (gram.square(j) + lambda - dot(&row[..j], &row[..j])).sqrt();
        for (class, (solved, score)) in solved[j * classes..].iter_mut().zip(&scores).enumerate() {
            *solved = (target(label, class, classes) - score) / row[j];
        }
    }
    // L^-T (L^-1 Y), from the last row to the first.
    for j in (0..length).rev() {
        let row = &factor[j * length..=j * length + j];
        let (above, solved) = solved.split_at_mut(j * classes);
        let solved = &mut solved[..classes];
        solved.iter_mut().for_each(|value| *value /= row[j]);
        add_outer(above, -1.0, &row[..j], solved);
    }
    solved
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::baselines::tests::logits;

    #[test]
    fn two_examples_agree_with_the_closed_form() {
        let learner = Ridge { kernel: Kernel::Features, lambda: 0.5, temperature: 1.0 };
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
