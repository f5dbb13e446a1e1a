//! Softmax attention on cosines, with nothing to learn: the kernel smoother of Nadaraya (1964) and Watson (1964).

use super::gram::Kernel;
use super::mlp::softmax;
use super::tune::{Chosen, Tuning};
use super::{Examples, Learner};
use crate::error::Result;

/// Temperatures to choose from, between one nearest neighbour and the mean of all examples' labels.
const TEMPERATURES: [f64; 11] = [0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5];
/// Share of the probability that is spread over all classes, so that none has probability zero.
const FLOOR: f64 = 0.01;

/// Logits are `log sum_i a_i onehot(y_i)` with `a = softmax(cos(x, x_i) / temperature)`, but for the floor: what one
/// layer of one head computes whose queries and keys are the inputs' directions and whose values are the labels.
#[derive(Clone, Copy, Debug)]
pub struct Smoother {
    /// Difference of cosines at which a weight falls by a factor `e`.
    pub temperature: f64,
}

/// Chooses the temperature.
pub(super) fn fit(tuning: &Tuning<'_>) -> Result<Chosen> {
    let candidates =
        TEMPERATURES.map(|temperature| (format!("temperature {temperature}"), Smoother { temperature }));
    Ok(tuning.choose(candidates)?.into())
}

impl Learner for Smoother {
    fn logits(&self, episode: Examples<'_>, logits: &mut [f32]) {
        let gram = Kernel::Cosine.gram(episode);
        for (j, logits) in logits.chunks_exact_mut(episode.classes).enumerate() {
            self.attend(gram.row(j, j), episode.labels, logits);
        }
    }

    fn answer(&self, context: Examples<'_>, queries: &[f32], logits: &mut [f32]) {
        let cross = Kernel::Cosine.cross(context, queries);
        for (q, logits) in logits.chunks_exact_mut(context.classes).enumerate() {
            self.attend(cross.row(q), context.labels, logits);
        }
    }
}

impl Smoother {
    /// Reads the labels of the examples that have `cosines` with the query; without any all classes are alike.
    fn attend(&self, cosines: &[f64], labels: &[u32], logits: &mut [f32]) {
        let mut weights: Vec<f64> = cosines.iter().map(|cosine| cosine / self.temperature).collect();
        softmax(&mut weights);
        let mut shares = vec![FLOOR / logits.len() as f64; logits.len()];
        for (weight, &label) in weights.iter().zip(labels) {
            shares[label as usize] += (1.0 - FLOOR) * weight;
        }
        for (logit, share) in logits.iter_mut().zip(&shares) {
            *logit = share.ln() as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_by_the_softmax_of_cosines() {
        // Directions of 0, 90 and 60 degrees, of different lengths: the query's cosines are 0.5 and sqrt(3) / 2.
        let (inputs, labels) = ([2.0, 0.0, 0.0, 0.1, 0.5, 0.75_f32.sqrt()], [1, 0, 2]);
        let episode = Examples { inputs: &inputs, labels: &labels, input_dim: 2, classes: 3, index: 0 };
        let mut logits = [0.0; 9];
        Smoother { temperature: 0.5 }.logits(episode, &mut logits);
        let (a, b) = ((0.5_f64 / 0.5).exp(), (0.75_f64.sqrt() / 0.5).exp());
        let floor = FLOOR / 3.0;
        let shares = [0.99 * b / (a + b) + floor, 0.99 * a / (a + b) + floor, floor];
        for (is, expected) in logits[6..].iter().zip(shares) {
            assert!((f64::from(*is).exp() - expected).abs() < 1e-6, "{logits:?} {shares:?}");
        }
        assert!(
            logits[..3].iter().all(|&logit| logit == logits[0]),
            "without an example all classes are alike"
        );
    }
}
