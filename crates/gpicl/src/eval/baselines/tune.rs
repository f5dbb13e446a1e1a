//! Choosing a baseline's numbers on the meta-training distribution.

use super::{BaselinesConfig, Learner, curve};
use crate::error::Result;
use crate::eval::{Sample, TestSet};

/// Divisors of scores to choose from where a method gives scores and no probabilities.
pub(super) const TEMPERATURES: [f64; 11] = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0];

/// What a baseline is fitted with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tuning<'a> {
    pub config: &'a BaselinesConfig,
    /// Meta-training episodes.
    pub set: &'a TestSet,
    pub seed: u64,
}

/// A learner with all numbers chosen, and what they are, for people.
pub(super) struct Chosen {
    pub settings: String,
    pub learner: Box<dyn Learner>,
}

impl<L: Learner + 'static> From<(String, L)> for Chosen {
    fn from((settings, learner): (String, L)) -> Self {
        Self { settings, learner: Box::new(learner) }
    }
}

impl Tuning<'_> {
    /// The candidate with the best accuracy over the last ten positions; of equal ones that of the lower loss, then
    /// the first.
    pub fn choose<L: Learner>(
        &self,
        candidates: impl IntoIterator<Item = (String, L)>,
    ) -> Result<(String, L)> {
        let mut best: Option<(f64, f64, (String, L))> = None;
        for candidate in candidates {
            let summary =
                curve(&candidate.1, self.set, Sample::episodes(self.config.tune_episodes))?.summary();
            let (accuracy, loss) = (summary.last_10.mean, summary.loss);
            tracing::debug!(settings = candidate.0, accuracy, loss, "candidate");
            let better = |best: &(f64, f64, _)| accuracy > best.0 || accuracy == best.0 && loss < best.1;
            if best.as_ref().is_none_or(better) {
                best = Some((accuracy, loss, candidate));
            }
        }
        Ok(best.expect("a baseline has at least one candidate").2)
    }
}
