//! k-nearest neighbours (Fix and Hodges 1951) by Euclidean distance.

use super::gram::Gram;
use super::tune::{Chosen, Tuning};
use super::{Examples, Learner};
use crate::error::Result;

/// Numbers of neighbours to choose from.
const NEIGHBOURS: [usize; 3] = [1, 3, 5];
/// Vote of the nearest neighbour beyond its one; each further neighbour has half of the one before, so that of
/// the classes with the most votes the one with the nearest example wins.
const TIE: f64 = 1e-3;

/// The majority among the `k` nearest examples. Its probabilities are the votes, with one vote spread over all
/// classes.
#[derive(Clone, Copy, Debug)]
pub struct NearestNeighbours {
    /// Neighbours that vote; all examples where there are fewer.
    pub k: usize,
}

/// Chooses `k` from 1, 3, 5.
pub(super) fn fit(tuning: &Tuning<'_>) -> Result<Chosen> {
    let candidates = NEIGHBOURS.map(|k| (format!("k = {k}"), NearestNeighbours { k }));
    Ok(tuning.choose(candidates)?.into())
}

impl Learner for NearestNeighbours {
    fn logits(&self, episode: Examples<'_>, logits: &mut [f32]) {
        let gram = Gram::products(episode);
        let spread = 1.0 / episode.classes as f64;
        let mut nearest: Vec<(f64, usize)> = Vec::new();
        let mut votes = vec![0.0; episode.classes];
        for (j, logits) in logits.chunks_exact_mut(episode.classes).enumerate() {
            nearest.clear();
            // The square of the query itself is the same for all.
            nearest.extend(
                gram.row(j, j).iter().enumerate().map(|(i, product)| (gram.square(i) - 2.0 * product, i)),
            );
            nearest.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            votes.fill(spread);
            let mut tie = TIE;
            for &(_, i) in nearest.iter().take(self.k) {
                votes[episode.labels[i] as usize] += 1.0 + tie;
                tie *= 0.5;
            }
            for (logit, votes) in logits.iter_mut().zip(&votes) {
                *logit = votes.ln() as f32;
            }
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
        // Nothing seen: class 0. Then always the only class; 5 is nearer to 1 than to 0; and so on.
        assert_eq!(predictions(&NearestNeighbours { k: 1 }, &inputs, &labels), [0, 2, 2, 1, 0, 1]);
        // At 4: neighbours 5.5 (0), 5 (1), 1 (2): one vote each, the nearest's class. At 5: 5 (1), 5.5 (0), 6 (1).
        assert_eq!(predictions(&NearestNeighbours { k: 3 }, &inputs, &labels), [0, 2, 2, 2, 0, 1]);
        // At 5 with all examples: two votes for 2 and for 1, of which 1 has the nearest.
        assert_eq!(predictions(&NearestNeighbours { k: 5 }, &inputs, &labels)[5], 1);
    }
}
