//! The two numbers of a learning curve that a comparison is about.

use gpicl::eval::{CurveSummary, EpisodeScores, Interval, LearningCurve};
use serde::Serialize;

/// What a table shows of a learning curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// Accuracy at the last position.
    Last,
    /// Mean accuracy over the last ten positions.
    Last10,
}

impl Metric {
    pub(super) const ALL: [Self; 2] = [Self::Last, Self::Last10];

    pub(super) fn of_episodes(self, scores: &EpisodeScores) -> &[f64] {
        match self {
            Self::Last => &scores.last,
            Self::Last10 => &scores.last_10,
        }
    }

    pub(super) fn of(self, curve: &LearningCurve) -> Interval {
        let CurveSummary { last, last_10, .. } = curve.summary();
        match self {
            Self::Last => last,
            Self::Last10 => last_10,
        }
    }
}
