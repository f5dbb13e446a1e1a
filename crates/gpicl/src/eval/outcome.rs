//! The paper's four outcomes of meta-training, told apart by learning curves.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{CurveSummary, Guessing, LearningCurve};

/// What meta-training led to (paper, section 4.1). The rule is [`OutcomeRule`]'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// At chance throughout, also on seen tasks.
    NoLearning,
    /// Right on seen tasks from the first position on; nothing is learned within the episode. The paper's instance
    /// memorisation too: single inputs of single tasks.
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
/// A rise counts only where its 95% interval is above zero; of tasks with fewer classes than label slots, the part of it
/// that noticing which slots occur explains does not count ([`Guessing`]). In this order: unseen improvement at least `rise` is
/// general learning-to-learn; else seen improvement at least `rise` is task identification, if seen tasks end above unseen
/// ones by the 95% interval of the difference over the last ten positions, and no learning if not; else seen accuracy on
/// average at least `known` above chance, and above that of unseen tasks by the interval, is task memorisation; else no
/// learning.
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
    pub fn classify(&self, seen: &LearningCurve, unseen: &LearningCurve, guessing: Guessing) -> Outcome {
        self.classify_summaries(&seen.summary(), &unseen.summary(), guessing)
    }

    /// [`OutcomeRule::classify`] of curves in short, which is all that the rule reads.
    pub fn classify_summaries(
        &self,
        seen: &CurveSummary,
        unseen: &CurveSummary,
        guessing: Guessing,
    ) -> Outcome {
        let chance = guessing.chance();
        let rises = |curve: &CurveSummary| {
            let noticing = guessing.noticing(curve.first.mean, curve.improvement.mean);
            curve.improvement.mean >= self.rise + noticing && curve.improvement.low > noticing
        };
        if rises(unseen) {
            Outcome::GeneralLearning
        } else if rises(seen) {
            // What rises on unseen tasks as well, by too little to count, tells no tasks apart.
            let apart = seen.last_10.less(unseen.last_10).above(0.0);
            if apart { Outcome::TaskIdentification } else { Outcome::NoLearning }
        } else if seen.mean.mean >= chance + self.known && seen.mean.less(unseen.mean).above(0.0) {
            // Who is as good on tasks never seen does not know these.
            Outcome::TaskMemorisation
        } else {
            Outcome::NoLearning
        }
    }
}

/// How much a run learns within an episode, and how much of that carries over to unseen tasks. An accuracy's part of
/// the way from chance to being always right, so that numbers of classes compare.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Rise within the episode on seen tasks: 1 from chance to always right.
    pub seen_learning: f64,
    /// Rise within the episode on unseen tasks.
    pub unseen_learning: f64,
    /// Accuracy above chance over the last ten positions of unseen tasks, divided by that of seen tasks: 0 if nothing
    /// carries over, 1 if all does. `None` where seen tasks are not known either.
    pub generalisation: Option<f64>,
}

impl Scores {
    /// From the curves of seen and unseen tasks.
    pub fn of(seen: &CurveSummary, unseen: &CurveSummary, guessing: Guessing) -> Self {
        let chance = guessing.chance();
        let above = |curve: &CurveSummary| curve.last_10.mean - chance;
        let learning = |curve: &CurveSummary| {
            (curve.improvement.mean - guessing.noticing(curve.first.mean, curve.improvement.mean))
                / (1.0 - chance)
        };
        let known = above(seen) >= OutcomeRule::default().known;
        Self {
            seen_learning: learning(seen),
            unseen_learning: learning(unseen),
            generalisation: known.then(|| (above(unseen) / above(seen)).max(0.0)),
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
            rule.classify(&curve(seen.0, seen.1), &curve(unseen.0, unseen.1), Guessing::among(10))
        };
        assert_eq!(classify((0.1, 0.1), (0.1, 0.1)), Outcome::NoLearning);
        assert_eq!(classify((0.9, 0.92), (0.1, 0.1)), Outcome::TaskMemorisation);
        assert_eq!(classify((0.9, 0.92), (0.9, 0.92)), Outcome::NoLearning, "known, but not as tasks");
        assert_eq!(classify((0.1, 0.9), (0.1, 0.12)), Outcome::TaskIdentification);
        assert_eq!(classify((0.1, 0.8), (0.1, 0.7)), Outcome::GeneralLearning);
    }

    /// Two classes in ten slots: noticing which slots occur takes accuracy from 10% to 50%.
    #[test]
    fn noticing_which_slots_occur_is_no_learning() {
        let classify = |seen: (f64, f64), unseen: (f64, f64), guessing| {
            let (seen, unseen) = (curve(seen.0, seen.1), curve(unseen.0, unseen.1));
            OutcomeRule::default().classify(&seen, &unseen, guessing)
        };
        let noticed = (0.1, 0.5);
        let (slots, own) = (Guessing::among(10), Guessing::new(10, 2));
        assert_eq!(classify(noticed, noticed, slots), Outcome::GeneralLearning);
        assert_eq!(classify(noticed, noticed, own), Outcome::NoLearning);
        assert_eq!(classify((0.1, 0.95), noticed, own), Outcome::TaskIdentification);
        assert_eq!(classify((0.1, 0.95), (0.1, 0.95), own), Outcome::GeneralLearning);
        // Who knows the slots before any example has nothing to notice.
        assert_eq!(classify((0.5, 0.8), (0.5, 0.8), own), Outcome::GeneralLearning);
        assert_eq!(classify((0.95, 0.95), noticed, own), Outcome::TaskMemorisation);
        let (curve, above) = (curve(0.1, 0.5).summary(), curve(0.1, 0.95).summary());
        let scores = Scores::of(&above, &curve, own);
        // Over the last ten positions, seen tasks are halfway from guessing between two to always right.
        assert_eq!(scores.unseen_learning, 0.0);
        assert!((scores.seen_learning - 0.5).abs() < 0.02, "{scores:?}");
        assert!(Scores::of(&curve, &curve, own).generalisation.is_none());
    }

    #[test]
    fn scores_say_what_is_learned_and_what_carries_over() {
        let scores = |seen: (f64, f64), unseen: (f64, f64)| {
            Scores::of(
                &curve(seen.0, seen.1).summary(),
                &curve(unseen.0, unseen.1).summary(),
                Guessing::among(10),
            )
        };
        let identified = scores((0.1, 0.9), (0.1, 0.1));
        assert!(identified.seen_learning > 0.6 && identified.unseen_learning.abs() < 1e-9);
        assert_eq!(identified.generalisation, Some(0.0));
        let general = scores((0.1, 0.8), (0.1, 0.8));
        assert_eq!((general.seen_learning, general.generalisation), (general.unseen_learning, Some(1.0)));
        assert_eq!(scores((0.1, 0.1), (0.1, 0.1)).generalisation, None);
    }
}
