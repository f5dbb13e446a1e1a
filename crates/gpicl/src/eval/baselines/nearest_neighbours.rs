//! k-nearest neighbours (Fix and Hodges 1951) by Euclidean distance, of the inputs or of their directions.

use super::gram::Kernel;
use super::tune::{Chosen, Tuning};
use super::{Examples, Learner};
use crate::error::Result;

/// Numbers of neighbours to choose from.
const NEIGHBOURS: [usize; 3] = [1, 3, 5];
/// Metrics to choose from: the Euclidean one, and the cosine, which is the Euclidean one of inputs with a norm of 1.
const METRICS: [Kernel; 2] = [Kernel::Products, Kernel::Cosine];
/// Vote of the nearest neighbour beyond its one; each further neighbour has half of the one before, so that of
/// the classes with the most votes the one with the nearest example wins.
const TIE: f64 = 1e-3;

/// The majority among the `k` nearest examples. Its probabilities are the votes, with one vote spread over all
/// classes.
#[derive(Clone, Copy, Debug)]
pub struct NearestNeighbours {
    /// Neighbours that vote; all examples where there are fewer.
    pub k: usize,
    /// Distances are those of its features.
    pub metric: Kernel,
}

/// Chooses `k` from 1, 3, 5 and the metric.
pub(super) fn fit(tuning: &Tuning<'_>) -> Result<Chosen> {
    let candidates = METRICS.into_iter().flat_map(|metric| {
        NEIGHBOURS.map(|k| (format!("k = {k}, {metric}"), NearestNeighbours { k, metric }))
    });
    Ok(tuning.choose(candidates)?.into())
}

impl Learner for NearestNeighbours {
    fn logits(&self, episode: Examples<'_>, logits: &mut [f32]) {
        let gram = self.metric.gram(episode);
        let squares: Vec<f64> = (0..episode.labels.len()).map(|i| gram.square(i)).collect();
        for (j, logits) in logits.chunks_exact_mut(episode.classes).enumerate() {
            self.vote(gram.row(j, j), &squares, episode.labels, logits);
        }
    }

    fn answer(&self, context: Examples<'_>, queries: &[f32], logits: &mut [f32]) {
        let gram = self.metric.gram(context);
        let squares: Vec<f64> = (0..context.labels.len()).map(|i| gram.square(i)).collect();
        let cross = self.metric.cross(context, queries);
        for (q, logits) in logits.chunks_exact_mut(context.classes).enumerate() {
            self.vote(cross.row(q), &squares, context.labels, logits);
        }
    }
}

impl NearestNeighbours {
    /// The votes of the examples that have `products` with the query, and `squares` with themselves.
    fn vote(&self, products: &[f64], squares: &[f64], labels: &[u32], logits: &mut [f32]) {
        // The square of the query itself is the same for all.
        let mut nearest: Vec<(f64, u32)> = products
            .iter()
            .zip(squares)
            .zip(labels)
            .map(|((product, square), &label)| (square - 2.0 * product, label))
            .collect();
        // Stable: of equal distances the earlier example comes first.
        nearest.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut votes = vec![1.0 / logits.len() as f64; logits.len()];
        let mut tie = TIE;
        for &(_, label) in nearest.iter().take(self.k) {
            votes[label as usize] += 1.0 + tie;
            tie *= 0.5;
        }
        for (logit, votes) in logits.iter_mut().zip(&votes) {
            *logit = votes.ln() as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::baselines::tests::predictions;

    #[test]
    fn the_majority_of_the_nearest_decides_and_the_nearest_breaks_ties() {
        //            0    1    2    3    4    5
        let inputs = [0.0, 1.0, 5.0, 5.5, 6.0, 4.0];
        let labels = [2, 2, 1, 0, 1, 0];
        let by = |k| NearestNeighbours { k, metric: Kernel::Products };
        // Nothing seen: class 0. Then always the only class; 5 is nearer to 1 than to 0; and so on.
        assert_eq!(predictions(&by(1), &inputs, &labels), [0, 2, 2, 1, 0, 1]);
        // At 4: neighbours 5.5 (0), 5 (1), 1 (2): one vote each, the nearest's class. At 5: 5 (1), 5.5 (0), 6 (1).
        assert_eq!(predictions(&by(3), &inputs, &labels), [0, 2, 2, 2, 0, 1]);
        // At 5 with all examples: two votes for 2 and for 1, of which 1 has the nearest.
        assert_eq!(predictions(&by(5), &inputs, &labels)[5], 1);
    }
    #[test]
    fn the_cosine_knows_no_lengths() {
        let (inputs, labels) = ([1.0, 0.0, 3.0, 3.0, 0.9, 0.4], [0, 1, 0]);
        let nearest = |metric| {
            let mut out = [0.0; 6];
            let episode = Examples { inputs: &inputs, labels: &labels, input_dim: 2, classes: 2, index: 0 };
            NearestNeighbours { k: 1, metric }.logits(episode, &mut out);
            out[4] < out[5]
        };
        // The query is at 24 degrees; the examples at 0 and 45, the second one far away.
        assert!(!nearest(Kernel::Products) && nearest(Kernel::Cosine));
    }
}
