//! Which learner is ahead of which: differences on the same episodes, with their intervals.

use serde::Serialize;

use super::metric::Metric;
use super::{Comparison, Outcome, Row, RowKind, untrained_name};
use gpicl::eval::{Interval, LearningCurve};

/// What a learner stands against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The one that is named by the spec, or the best classical method on the set.
    Reference,
    /// Its own network as it was initialised.
    Untrained,
}

/// What a learner has over another on a set.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// Name of its row.
    pub learner: String,
    /// Name of the set's column.
    pub set: String,
    /// Of what.
    pub metric: Metric,
    /// What the other is.
    pub role: Role,
    /// Name of the other's row.
    pub against: String,
    /// The difference in accuracy, over seeds and episodes.
    pub difference: Interval,
}

impl Comparison {
    /// With all [`Comparison::differences`].
    pub(super) fn with_differences(mut self) -> Self {
        let mut differences = Vec::new();
        for metric in Metric::ALL {
            for (at, set) in self.sets.iter().enumerate() {
                let reference = self.reference(at, metric);
                for row in &self.methods {
                    let control = self.row(&untrained_name(&row.name));
                    for (role, other) in [(Role::Reference, reference), (Role::Untrained, control)] {
                        let Some(other) = other.filter(|other| other.name != row.name) else { continue };
                        let Some(difference) = difference(row, other, at, metric) else { continue };
                        let (learner, set) = (row.name.clone(), set.name.clone());
                        let against = other.name.clone();
                        differences.push(Difference { learner, set, metric, role, against, difference });
                    }
                }
            }
        }
        self.differences = differences;
        self
    }

    pub(super) fn row(&self, name: &str) -> Option<&Row> {
        self.methods.iter().find(|row| row.name == name)
    }

    /// The row that the others stand against on the set of this number.
    pub(super) fn reference(&self, set: usize, metric: Metric) -> Option<&Row> {
        if let Some(name) = &self.against {
            return self.row(name);
        }
        let mean = |row: &Row| match &row.outcome {
            Outcome::Measured { curves, .. } => curves[set].as_ref().map(|curve| metric.of(curve).mean),
            Outcome::Failed(_) => None,
        };
        let classical = self.methods.iter().filter(|row| row.kind == RowKind::Baseline);
        let means = classical.filter_map(|row| Some((row, mean(row)?)));
        // Of equal ones the first.
        means.rev().max_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(row, _)| row)
    }

    /// What `learner` has over what stands in `role` to it.
    pub(super) fn difference(
        &self,
        learner: &str,
        set: &str,
        metric: Metric,
        role: Role,
    ) -> Option<&Difference> {
        let same = |it: &&Difference| {
            (it.learner.as_str(), it.set.as_str(), it.metric, it.role) == (learner, set, metric, role)
        };
        self.differences.iter().find(same)
    }

    /// In a sentence each: which networks are ahead of what they stand against at the last position and which are ahead of
    /// their controls, by how much, and which cannot be told.
    pub(super) fn sentences(&self) -> Vec<String> {
        let label = |name: &str| self.row(name).map_or(name.to_string(), |row| row.label.clone());
        let networks = self.methods.iter().filter(|row| row.kind == RowKind::Network);
        let mut sentences = Vec::new();
        for row in networks {
            for role in [Role::Reference, Role::Untrained] {
                for set in &self.sets {
                    let Some(it) = self.difference(&row.name, &set.name, Metric::Last, role) else {
                        continue;
                    };
                    let (ours, set, difference) = (&row.label, &set.head, it.difference);
                    let theirs = match (role, self.row(&it.against).map(|row| row.kind)) {
                        (Role::Untrained, _) => "its untrained control".to_string(),
                        (_, Some(RowKind::Baseline)) if self.against.is_none() => {
                            format!("the best classical method, {},", label(&it.against))
                        }
                        _ => label(&it.against),
                    };
                    sentences.push(if difference.above(0.0) {
                        format!("On {set}, {ours} is ahead of {theirs} by {} points.", lead(difference))
                    } else if difference.below(0.0) {
                        let Interval { mean, low, high } = difference;
                        let behind = Interval { mean: -mean, low: -high, high: -low };
                        format!("On {set}, {ours} is behind {theirs} by {} points.", lead(behind))
                    } else {
                        let points = difference.points();
                        format!("On {set}, {ours} and {theirs} cannot be told apart: {points} points.")
                    });
                }
            }
        }
        sentences
    }
}

/// A lead in points, all of it above 0, which needs no sign.
fn lead(interval: Interval) -> String {
    interval.points().replace('+', "")
}

/// What `ours` has over `theirs` on the set of this number.
pub(crate) fn difference(ours: &Row, theirs: &Row, set: usize, metric: Metric) -> Option<Interval> {
    let curves = |row: &'_ Row| match &row.outcome {
        Outcome::Measured { by_seed, .. } => by_seed.get(set).cloned(),
        Outcome::Failed(_) => None,
    };
    LearningCurve::difference(&curves(ours)?, &curves(theirs)?, |scores| metric.of_episodes(scores))
}
