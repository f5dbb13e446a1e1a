//! The paper's four outcomes of meta-training, told apart by learning curves.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{CurveSummary, LearningCurve};

/// What meta-training led to (paper, section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// At chance throughout, also on seen tasks.
    NoLearning,
    /// Right on seen tasks from the first position on; nothing is learned within the episode.
    TaskMemorisation,
    /// Accuracy rises within the episode on seen tasks only: the episode tells which of them it is.
    TaskIdentification,
    /// Accuracy rises within the episode on unseen tasks too.
    GeneralLearning,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoLearning => "no learning",
            Self::TaskMemorisation => {
                "task memorisation: seen tasks are known, nothing is learned within an episode"
            }
            Self::TaskIdentification => "task identification: learns within an episode, on seen tasks only",
            Self::GeneralLearning => "general learning-to-learn: learns within an episode on unseen tasks",
        })
    }
}

/// Thresholds, in accuracy above chance.
///
/// A rise counts only where its 95% interval is above zero. In this order: unseen improvement at least `rise` is general learning-to-learn; else seen improvement at
/// least `rise` is task identification; else seen accuracy at least `known` above chance on average is task
/// memorisation; else no learning.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutcomeRule {
    /// Least rise from the first position to the mean of the last ten that counts as learning.
    pub rise: f64,
    /// Least mean accuracy above chance that counts as knowing the task.
    pub known: f64,
}

impl Default for OutcomeRule {
    fn default() -> Self {
        Self { rise: 0.1, known: 0.1 }
    }
}

impl OutcomeRule {
    /// Applies the rule to the curves of seen and unseen tasks.
    pub fn classify(&self, seen: &LearningCurve, unseen: &LearningCurve, chance: f64) -> Outcome {
        let (seen, unseen) = (seen.summary(), unseen.summary());
        let rises = |curve: &CurveSummary| curve.improvement.mean >= self.rise && curve.improvement.low > 0.0;
        if rises(&unseen) {
            Outcome::GeneralLearning
        } else if rises(&seen) {
            Outcome::TaskIdentification
        } else if seen.mean.mean >= chance + self.known && seen.mean.low > chance {
            Outcome::TaskMemorisation
        } else {
            Outcome::NoLearning
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::CurveAccumulator;

    /// A curve whose accuracy goes from `first` to `last` on a line, over 100 episodes.
    fn curve(first: f64, last: f64) -> LearningCurve {
        let mut accumulator = CurveAccumulator::new(20);
        for episode in 0..100 {
            let at = |j: usize| first + (last - first) * j as f64 / 19.0;
            let correct: Vec<bool> = (0..20).map(|j| f64::from(episode) < 100.0 * at(j)).collect();
            accumulator.add_episode(&correct, &[0.0; 20]);
        }
        accumulator.finish("toy").unwrap()
    }

    #[test]
    fn the_four_archetypes_are_told_apart() {
        let rule = OutcomeRule::default();
        let classify = |seen: (f64, f64), unseen: (f64, f64)| {
            rule.classify(&curve(seen.0, seen.1), &curve(unseen.0, unseen.1), 0.1)
        };
        assert_eq!(classify((0.1, 0.1), (0.1, 0.1)), Outcome::NoLearning);
        assert_eq!(classify((0.9, 0.92), (0.1, 0.1)), Outcome::TaskMemorisation);
        assert_eq!(classify((0.1, 0.9), (0.1, 0.12)), Outcome::TaskIdentification);
        assert_eq!(classify((0.1, 0.8), (0.1, 0.7)), Outcome::GeneralLearning);
    }
}
