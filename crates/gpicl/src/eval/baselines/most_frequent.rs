//! The most frequent label so far: what can be had without a look at the inputs.

use super::tune::{Chosen, Tuning};
use super::{Examples, Learner};
use crate::error::Result;

/// Probabilities are the labels' shares so far, with one label spread over all classes.
#[derive(Clone, Copy, Debug)]
pub struct MostFrequent;

/// Nothing is chosen.
pub(super) fn fit(_: &Tuning<'_>) -> Result<Chosen> {
    Ok(("nothing to choose".to_string(), MostFrequent).into())
}

/// Writes the logarithms of the `counts`.
fn predict(counts: &[f64], logits: &mut [f32]) {
    for (logit, count) in logits.iter_mut().zip(counts) {
        *logit = count.ln() as f32;
    }
}

impl Learner for MostFrequent {
    fn logits(&self, episode: Examples<'_>, logits: &mut [f32]) {
        let mut counts = vec![1.0 / episode.classes as f64; episode.classes];
        for (logits, &label) in logits.chunks_exact_mut(episode.classes).zip(episode.labels) {
            predict(&counts, logits);
            counts[label as usize] += 1.0;
        }
    }

    fn answer(&self, context: Examples<'_>, _: &[f32], logits: &mut [f32]) {
        let mut counts = vec![1.0 / context.classes as f64; context.classes];
        context.labels.iter().for_each(|&label| counts[label as usize] += 1.0);
        logits.chunks_exact_mut(context.classes).for_each(|logits| predict(&counts, logits));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::baselines::tests::{logits, predictions};

    #[test]
    fn the_label_that_came_most_often_is_predicted_with_its_share() {
        let (inputs, labels) = ([0.0, 5.0, 1.0, 2.0], [2, 1, 1, 0]);
        // Nothing seen, then 2, then the first of 1 and 2, then 1.
        assert_eq!(predictions(&MostFrequent, &inputs, &labels), [0, 2, 1, 1]);
        let shares: Vec<f32> = logits(&MostFrequent, &inputs, &labels)[9..].iter().map(|x| x.exp()).collect();
        for (share, expected) in shares.iter().zip([1.0 / 3.0, 2.0 + 1.0 / 3.0, 1.0 + 1.0 / 3.0]) {
            assert!((share - expected).abs() < 1e-6, "{shares:?}");
        }
    }
}
