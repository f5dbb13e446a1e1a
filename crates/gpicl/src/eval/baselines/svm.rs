//! Support-vector machine (Cortes and Vapnik 1995) with a Gaussian kernel of the inputs' directions, one for each pair of
//! classes, solved at every position.
//!
//! Own code and not a library's: the machines of an episode share one matrix of kernels, and an example that is added
//! concerns only those of its class, which go on from where they were.

use super::gram::{Gram, Kernel};
use super::kernel_ridge::GAMMAS;
use super::tune::{Chosen, TEMPERATURES, Tuning};
use super::{Examples, Learner};
use crate::error::Result;

/// Bounds of the coefficients to choose from.
const BOUNDS: [f64; 5] = [0.3, 1.0, 3.0, 10.0, 30.0];
/// Violation of the optimality conditions at which a machine is solved.
const TOLERANCE: f64 = 1e-4;
/// Steps after which a machine is taken as it is.
const STEPS: usize = 10_000;
/// Least curvature along a step: two inputs may be the same.
const LEAST_CURVATURE: f64 = 1e-12;

/// C-SVM with a vote of the pairs. Logits are votes over the temperature; of classes with the same votes the one with
/// the larger sum of decisions `d` is ahead, by `d / 3 (1 + |d|)`, less than half a vote. A class without an example
/// scores 1 less than the worst class with one.
#[derive(Clone, Copy, Debug)]
pub struct Svm {
    /// `k(x, z)`.
    pub kernel: Kernel,
    /// `C`: the loss of an example on the wrong side of its margin, beside half the squared norm of the weights.
    pub bound: f64,
    /// Changes the probabilities, not the predictions.
    pub temperature: f64,
}

/// Chooses `gamma` and `C`, then the temperature.
pub(super) fn fit(tuning: &Tuning<'_>) -> Result<Chosen> {
    let candidates = GAMMAS.into_iter().flat_map(|gamma| {
        BOUNDS.map(|bound| {
            let kernel = Kernel::Rbf { gamma };
            (format!("{kernel}, C {bound}"), Svm { kernel, bound, temperature: 1.0 })
        })
    });
    let (settings, best) = tuning.choose(candidates)?;
    let candidates = TEMPERATURES
        .map(|temperature| (format!("{settings}, temperature {temperature}"), Svm { temperature, ..best }));
    Ok(tuning.choose(candidates)?.into())
}

impl Learner for Svm {
    fn logits(&self, episode: Examples<'_>, logits: &mut [f32]) {
        let gram = self.kernel.gram(episode);
        let mut machines = Machines::new(episode.classes, self.bound);
        for (j, logits) in logits.chunks_exact_mut(episode.classes).enumerate() {
            machines.solve(&gram);
            self.write(machines.scores(gram.row(j, j)), logits);
            machines.add(j, episode.labels[j] as usize, &gram);
        }
    }

    fn answer(&self, context: Examples<'_>, queries: &[f32], logits: &mut [f32]) {
        let gram = self.kernel.gram(context);
        let mut machines = Machines::new(context.classes, self.bound);
        for (i, &label) in context.labels.iter().enumerate() {
            machines.add(i, label as usize, &gram);
        }
        machines.solve(&gram);
        let cross = self.kernel.cross(context, queries);
        for (q, logits) in logits.chunks_exact_mut(context.classes).enumerate() {
            self.write(machines.scores(cross.row(q)), logits);
        }
    }
}

impl Svm {
    fn write(&self, scores: Vec<f64>, logits: &mut [f32]) {
        for (logit, score) in logits.iter_mut().zip(scores) {
            *logit = (score / self.temperature) as f32;
        }
    }
}

/// The machines of all pairs of classes.
struct Machines {
    /// Of classes `a < b` at `b (b - 1) / 2 + a`; `a` is the positive side.
    pairs: Vec<Machine>,
    /// Examples of every class.
    counts: Vec<usize>,
    bound: f64,
}

/// `a < b` for every pair, in the order of [`Machines::pairs`].
fn pairs(classes: usize) -> impl Iterator<Item = (usize, usize)> {
    (1..classes).flat_map(|b| (0..b).map(move |a| (a, b)))
}

impl Machines {
    fn new(classes: usize, bound: f64) -> Self {
        let pairs = pairs(classes).map(|_| Machine::default()).collect();
        Self { pairs, counts: vec![0; classes], bound }
    }

    /// Adds example `i` to the machines of its class.
    fn add(&mut self, i: usize, label: usize, gram: &Gram) {
        self.counts[label] += 1;
        for (machine, (a, b)) in self.pairs.iter_mut().zip(pairs(self.counts.len())) {
            if a == label || b == label {
                machine.add(i, if a == label { 1.0 } else { -1.0 }, gram);
            }
        }
    }

    /// Solves the machines that have new examples, and examples of both classes.
    fn solve(&mut self, gram: &Gram) {
        for (machine, (a, b)) in self.pairs.iter_mut().zip(pairs(self.counts.len())) {
            if !machine.solved && self.counts[a] > 0 && self.counts[b] > 0 {
                machine.solve(self.bound, gram);
            }
        }
    }

    /// Scores of every class for the query that has `products` with the examples.
    fn scores(&self, products: &[f64]) -> Vec<f64> {
        let classes = self.counts.len();
        let (mut votes, mut sums) = (vec![0.0; classes], vec![0.0; classes]);
        for (machine, (a, b)) in self.pairs.iter().zip(pairs(classes)) {
            if self.counts[a] > 0 && self.counts[b] > 0 {
                let decision = machine.decide(products);
                votes[if decision > 0.0 { a } else { b }] += 1.0;
                sums[a] += decision;
                sums[b] -= decision;
            }
        }
        let mut worst = 0.0_f64;
        for ((vote, sum), &count) in votes.iter_mut().zip(sums).zip(&self.counts) {
            *vote += sum / (3.0 * (1.0 + sum.abs()));
            worst = if count > 0 { worst.min(*vote) } else { worst };
        }
        for (vote, _) in votes.iter_mut().zip(&self.counts).filter(|&(_, &count)| count == 0) {
            *vote = worst - 1.0;
        }
        votes
    }
}

/// The machine of two classes: decides by `sum_i beta_i k(x, x_i) + bias`, with `beta_i` the label's sign times a
/// coefficient in `[0, C]`, and the sum of all `beta_i` zero.
#[derive(Debug, Default)]
struct Machine {
    /// Which examples of the episode.
    members: Vec<usize>,
    /// 1 or -1.
    signs: Vec<f64>,
    beta: Vec<f64>,
    /// Signs less the decisions without the bias: what the bias would have to be for a member to lie on its margin.
    errors: Vec<f64>,
    bias: f64,
    solved: bool,
}

impl Machine {
    fn add(&mut self, i: usize, sign: f64, gram: &Gram) {
        let score = self.score(gram.row(i, i));
        self.members.push(i);
        self.signs.push(sign);
        self.beta.push(0.0);
        self.errors.push(sign - score);
        self.solved = false;
    }

    fn decide(&self, products: &[f64]) -> f64 {
        self.score(products) + self.bias
    }

    fn score(&self, products: &[f64]) -> f64 {
        self.members.iter().zip(&self.beta).map(|(&i, beta)| beta * products[i]).sum()
    }

    /// Sequential minimal optimisation (Platt 1998): one `beta` rises by what another one falls, those two that promise
    /// most to second order (Fan, Chen and Lin 2005).
    fn solve(&mut self, bound: f64, gram: &Gram) {
        let Self { members, signs, beta, errors, .. } = self;
        let rows: Vec<&[f64]> =
            members.iter().map(|&i| gram.row(i, members[members.len() - 1] + 1)).collect();
        let kernel = |m: usize, n: usize| rows[m][members[n]];
        let high = |m: usize| if signs[m] > 0.0 { bound } else { 0.0 };
        let low = |m: usize| if signs[m] > 0.0 { 0.0 } else { -bound };
        for _ in 0..STEPS {
            let rising = (0..beta.len()).filter(|&m| beta[m] < high(m));
            let up = rising.max_by(|&m, &n| errors[m].total_cmp(&errors[n])).expect("not all are at the top");
            let (mut least, mut best) = (f64::INFINITY, None);
            for m in (0..beta.len()).filter(|&m| beta[m] > low(m)) {
                least = least.min(errors[m]);
                let gap = errors[up] - errors[m];
                if gap > 0.0 {
                    let curvature =
                        (kernel(up, up) + kernel(m, m) - 2.0 * kernel(up, m)).max(LEAST_CURVATURE);
                    let gain = gap * gap / curvature;
                    if best.is_none_or(|(_, _, most)| gain > most) {
                        best = Some((m, gap / curvature, gain));
                    }
                }
            }
            // At the optimum the members inside their bounds are on the margin, all others are not beyond it.
            self.bias = 0.5 * (errors[up] + least);
            let Some((down, step, _)) = best.filter(|_| errors[up] - least > TOLERANCE) else { break };
            let (rise, fall) = (high(up) - beta[up], beta[down] - low(down));
            let step = step.min(rise).min(fall);
            // Exactly to the bound: one that is there to rounding would be taken for one inside.
            beta[up] = if step == rise { high(up) } else { beta[up] + step };
            beta[down] = if step == fall { low(down) } else { beta[down] - step };
            for (m, error) in errors.iter_mut().enumerate() {
                *error -= step * (kernel(up, m) - kernel(down, m));
            }
        }
        self.solved = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::baselines::tests::{logits, plane_answers, predictions};

    #[test]
    fn answers_agree_with_scikit_learn() {
        // SVC(C, kernel="precomputed", tol=1e-9, break_ties=True, decision_function_shape="ovr").
        for (gamma, bound, expected) in [
            (
                2.0,
                1.0,
                [
                    [1.01018862, 2.19534043, -0.19711838],
                    [-0.1786695, 1.06166821, 2.16046153],
                    [0.98082213, -0.20240014, 2.20546623],
                ],
            ),
            (
                8.0,
                10.0,
                [
                    [0.87038972, 2.21981166, -0.18841138],
                    [-0.11221192, 2.09282441, 1.03611699],
                    [0.83509598, -0.17524845, 2.22537607],
                ],
            ),
            (
                2.0,
                30.0,
                [
                    [0.85469291, 2.21883866, -0.17746386],
                    [-0.20944416, 1.10832401, 2.1824462],
                    [0.83602905, -0.17636976, 2.22552132],
                ],
            ),
        ] {
            let answers = plane_answers(&Svm { kernel: Kernel::Rbf { gamma }, bound, temperature: 1.0 });
            for (is, expected) in answers.iter().zip(expected.as_flattened()) {
                assert!((f64::from(*is) - expected).abs() < 1e-4, "{gamma} {bound}: {answers:?}");
            }
        }
    }

    #[test]
    fn a_class_without_an_example_is_behind_all_others() {
        let learner = Svm { kernel: Kernel::Products, bound: 10.0, temperature: 2.0 };
        let (inputs, labels) = ([-1.0, -0.5, 1.0, 2.0], [2, 2, 1, 1]);
        assert_eq!(logits(&learner, &inputs, &labels)[..6], [-0.5, -0.5, -0.5, -0.5, -0.5, 0.0]);
        assert_eq!(predictions(&learner, &inputs, &labels)[3], 1);
    }
}
