//! Multinomial logistic regression with an L2 penalty, solved to convergence at every position.

use super::gram::{Gram, Kernel};
use super::mlp::softmax;
use super::tune::{Chosen, Tuning};
use super::vector::{Rows, add_scaled, dot};
use super::{Examples, Learner};
use crate::error::Result;

/// Regularisations to choose from; inputs have a norm of about 1.
const LAMBDAS: [f64; 7] = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1];
/// Norm of the gradient at which the weights are the optimum.
const TOLERANCE: f64 = 1e-5;
/// Newton steps and, within each, conjugate-gradient steps after which the weights are taken as they are.
const STEPS: usize = 50;

/// `W = argmin sum_i CE(W x_i, y_i) + lambda / 2 |W|^2`; logits are `W x`.
///
/// The optimum is a combination of the inputs, `W = sum_i a_i x_i^T`, so the unknowns are `A` `[n, C]` and only the
/// inputs' products `K` are needed. Newton's method with conjugate gradients (Nash and Sofer 1996), in the inner
/// product of the weights, `<W, W'> = tr(A^T K A')`; it starts from the optimum of the position before. The
/// problem is strictly convex, so where it starts does not matter.
#[derive(Clone, Copy, Debug)]
pub struct Logistic {
    /// Regularisation.
    pub lambda: f64,
}

/// Chooses `lambda`.
pub(super) fn fit(tuning: &Tuning<'_>) -> Result<Chosen> {
    Ok(tuning.choose(LAMBDAS.map(|lambda| (format!("lambda {lambda}"), Logistic { lambda })))?.into())
}

impl Learner for Logistic {
    fn logits(&self, episode: Examples<'_>, logits: &mut [f32]) {
        let classes = episode.classes;
        let gram = Kernel::Features.gram(episode);
        let mut problem = Problem { gram: &gram, labels: &[], classes, lambda: self.lambda };
        let mut solution = Point::default();
        for (j, logits) in logits.chunks_exact_mut(classes).enumerate() {
            let mut scores = vec![0.0; classes];
            Rows::new(&solution.a, classes).add_combination(gram.row(j, j), &mut scores);
            for (logit, &score) in logits.iter_mut().zip(&scores) {
                *logit = score as f32;
            }
            problem.labels = &episode.labels[..=j];
            solution.a.resize(solution.a.len() + classes, 0.0);
            solution.scores.extend(scores);
            problem.solve(&mut solution);
        }
    }

    fn answer(&self, context: Examples<'_>, queries: &[f32], logits: &mut [f32]) {
        let Examples { labels, classes, .. } = context;
        let gram = Kernel::Features.gram(context);
        let size = labels.len() * classes;
        let mut solution = Point { a: vec![0.0; size], scores: vec![0.0; size] };
        Problem { gram: &gram, labels, classes, lambda: self.lambda }.solve(&mut solution);
        let cross = Kernel::Features.cross(context, queries);
        let mut scores = vec![0.0; classes];
        for (q, logits) in logits.chunks_exact_mut(classes).enumerate() {
            scores.fill(0.0);
            Rows::new(&solution.a, classes).add_combination(cross.row(q), &mut scores);
            for (logit, &score) in logits.iter_mut().zip(&scores) {
                *logit = score as f32;
            }
        }
    }
}

/// Coefficients and what they predict.
#[derive(Clone, Debug, Default)]
struct Point {
    /// `A`, `[n, C]`.
    a: Vec<f64>,
    /// `K A`, `[n, C]`.
    scores: Vec<f64>,
}

/// The objective on the first examples.
#[derive(Clone, Copy)]
struct Problem<'a> {
    gram: &'a Gram,
    labels: &'a [u32],
    classes: usize,
    lambda: f64,
}

impl Problem<'_> {
    /// `K v` of `v` `[n, C]`.
    fn products(&self, v: &[f64]) -> Vec<f64> {
        let n = self.labels.len();
        let mut out = vec![0.0; v.len()];
        for (i, out) in out.chunks_exact_mut(self.classes).enumerate() {
            Rows::new(v, self.classes).add_combination(self.gram.row(i, n), out);
        }
        out
    }

    fn objective(&self, point: &Point) -> f64 {
        let rows = point.scores.chunks_exact(self.classes);
        let loss: f64 = rows
            .zip(self.labels)
            .map(|(row, &label)| {
                let top = row.iter().copied().fold(f64::MIN, f64::max);
                top + row.iter().map(|score| (score - top).exp()).sum::<f64>().ln() - row[label as usize]
            })
            .sum();
        loss + 0.5 * self.lambda * dot(&point.a, &point.scores)
    }

    /// The gradient's coefficients, `P - Y + lambda A`, and the probabilities `P`.
    fn gradient(&self, point: &Point) -> (Vec<f64>, Vec<f64>) {
        let mut probabilities = point.scores.clone();
        probabilities.chunks_exact_mut(self.classes).for_each(softmax);
        let mut gradient = probabilities.clone();
        for (row, &label) in gradient.chunks_exact_mut(self.classes).zip(self.labels) {
            row[label as usize] -= 1.0;
        }
        add_scaled(&mut gradient, self.lambda, &point.a);
        (gradient, probabilities)
    }

    /// Moves `point` to the optimum.
    fn solve(&self, point: &mut Point) {
        for _ in 0..STEPS {
            let (gradient, probabilities) = self.gradient(point);
            let images = self.products(&gradient);
            let norm = dot(&gradient, &images).max(0.0).sqrt();
            if norm <= TOLERANCE {
                return;
            }
            let step = self.newton_step(&gradient, images, &probabilities, norm);
            if !self.search(point, &gradient, &step) {
                return;
            }
        }
    }

    /// Goes along `step` as far as the objective falls enough (Armijo); false where it does not fall any more.
    fn search(&self, point: &mut Point, gradient: &[f64], step: &Point) -> bool {
        let (before, slope) = (self.objective(point), dot(gradient, &step.scores));
        let mut size = 1.0;
        while size > 1e-6 {
            let mut next = point.clone();
            add_scaled(&mut next.a, size, &step.a);
            add_scaled(&mut next.scores, size, &step.scores);
            if self.objective(&next) <= before + 1e-4 * size * slope {
                *point = next;
                return true;
            }
            size *= 0.5;
        }
        false
    }

    /// Solves `(H K + lambda) D = -G` by conjugate gradients; `H` is the Hessian of the loss by the scores, and
    /// `images` is `K G`.
    fn newton_step(&self, gradient: &[f64], mut images: Vec<f64>, probabilities: &[f64], norm: f64) -> Point {
        let target = norm * 0.1_f64.min(norm.sqrt());
        let mut step = Point { a: vec![0.0; gradient.len()], scores: vec![0.0; gradient.len()] };
        let mut residual: Vec<f64> = gradient.iter().map(|value| -value).collect();
        images.iter_mut().for_each(|value| *value = -*value);
        let mut direction = Point { a: residual.clone(), scores: images.clone() };
        let mut square = norm * norm;
        for _ in 0..STEPS {
            let mut curved = self.curvature(probabilities, &direction.scores);
            add_scaled(&mut curved, self.lambda, &direction.a);
            let size = square / dot(&curved, &direction.scores);
            add_scaled(&mut step.a, size, &direction.a);
            add_scaled(&mut step.scores, size, &direction.scores);
            add_scaled(&mut residual, -size, &curved);
            let images = self.products(&residual);
            let next = dot(&residual, &images);
            if next <= target * target {
                break;
            }
            let keep = next / square;
            square = next;
            for (to, from) in [(&mut direction.a, &residual), (&mut direction.scores, &images)] {
                to.iter_mut().zip(from).for_each(|(to, from)| *to = from + keep * *to);
            }
        }
        step
    }

    /// `H v`, row by row `p * (v - p . v)`.
    fn curvature(&self, probabilities: &[f64], v: &[f64]) -> Vec<f64> {
        let mut out = v.to_vec();
        for (out, p) in out.chunks_exact_mut(self.classes).zip(probabilities.chunks_exact(self.classes)) {
            let mean: f64 = out.iter().zip(p).map(|(v, p)| v * p).sum();
            out.iter_mut().zip(p).for_each(|(v, p)| *v = p * (*v - mean));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::baselines::tests::toy_episode;

    #[test]
    fn the_gradient_by_the_weights_vanishes_at_the_optimum() {
        let (inputs, labels) = toy_episode(30, 6, 3, 4);
        let (length, input_dim, classes) = (30, 6, 3);
        let episode = Examples { inputs: &inputs, labels: &labels, input_dim, classes, index: 0 };
        for lambda in [0.001, 0.1] {
            let gram = Kernel::Features.gram(episode);
            let problem = Problem { gram: &gram, labels: &labels, classes, lambda };
            let mut point = Point { a: vec![0.0; length * classes], scores: vec![0.0; length * classes] };
            let start = problem.objective(&point);
            assert!((start - length as f64 * 3.0_f64.ln()).abs() < 1e-9);
            problem.solve(&mut point);
            // From scratch, in the weights: x with the constant feature is [x / sqrt(dim), 1].
            let x = |i: usize, f: usize| match f < input_dim {
                true => f64::from(inputs[i * input_dim + f]) / (input_dim as f64).sqrt(),
                false => 1.0,
            };
            let weight =
                |f: usize, c: usize| (0..length).map(|i| point.a[i * classes + c] * x(i, f)).sum::<f64>();
            let mut worst = 0.0_f64;
            for f in 0..=input_dim {
                for c in 0..classes {
                    let mut slope = lambda * weight(f, c);
                    for (i, &label) in labels.iter().enumerate() {
                        let mut p: Vec<f64> = (0..classes)
                            .map(|c| (0..=input_dim).map(|f| weight(f, c) * x(i, f)).sum())
                            .collect();
                        softmax(&mut p);
                        slope += (p[c] - f64::from(u8::from(label as usize == c))) * x(i, f);
                    }
                    worst = worst.max(slope.abs());
                }
            }
            assert!(worst < 2.0 * TOLERANCE, "{worst}");
        }
    }
}
