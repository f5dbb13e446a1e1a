//! The plateau of meta-training: how long nothing is learned, and when that ends.

use serde::{Deserialize, Serialize};

use super::OutcomeRule;
use super::metric::{Metric, Part};

/// A plateau at the start of meta-training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    /// Steps from the start to `left_at`; to the last measurement where the plateau was never left, a lower bound
    /// then. 0 would be no plateau at all; the least that can be seen is the step of the first measurement.
    pub length: u64,
    /// The measurement from which on something is learned; `None` if there is none.
    pub left_at: Option<u64>,
    /// Median of what is measured on the plateau; of the first measurement where it was left by then.
    pub level: f64,
}

/// When a plateau counts as left.
///
/// *Loss*: the training losses of `metrics.jsonl`, each replaced by the median of itself and up to two lines on either
/// side, which lets single bad batches pass and keeps a sudden fall where it is. The plateau is left at the first line
/// below `fraction` of the loss of guessing, `ln(classes)`, from which on at least `lasting` of all lines are below it
/// too: neither a dip that is lost again counts, nor does a short relapse take back what was reached. The threshold is the
/// same for every run of a number of classes, whatever loss it ends at, so that lengths compare.
///
/// *Meta-test*: the same with the mean accuracy over the last ten positions of unseen tasks, as it is, that has to be
/// `rise` above chance, that of guessing among the classes of the set's tasks. It says when learning generalises, also where a part of the training tasks is easier than the
/// others, as under [`crate::tasks::BiasConfig`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlateauRule {
    /// Part of `ln(classes)` that the loss has to fall below.
    pub fraction: f64,
    /// Part of the measurements that have to stay beyond the threshold.
    pub lasting: f64,
    /// Accuracy above chance that a meta-test has to reach.
    pub rise: f64,
}

impl Default for PlateauRule {
    fn default() -> Self {
        Self { fraction: 0.9, lasting: 0.9, rise: OutcomeRule::default().rise }
    }
}

impl PlateauRule {
    /// Lines on either side that the median is taken over.
    const REACH: usize = 2;

    /// The plateau of the training loss of a model of `classes` label slots; `None` without training lines.
    pub fn of_loss(&self, metrics: &[Metric], classes: usize) -> Option<Plateau> {
        self.of_loss_of(Part::All, metrics, classes)
    }

    /// The same of a part of the batches; `None` without lines that have it.
    pub fn of_loss_of(&self, part: Part, metrics: &[Metric], classes: usize) -> Option<Plateau> {
        let (steps, losses): (Vec<u64>, Vec<f64>) =
            metrics.iter().filter_map(|metric| metric.loss_of(part)).unzip();
        let threshold = self.fraction * (classes as f64).ln();
        self.detect(&steps, &smoothed(&losses), |loss| loss < threshold)
    }

    /// The plateau of the meta-tests on unseen tasks, of `classes` classes, during meta-training; `None` if there were none.
    pub fn of_meta_tests(&self, metrics: &[Metric], classes: usize) -> Option<Plateau> {
        // The first is of the meta-training data set, the others of data sets that may be harder.
        let first = metrics.iter().find_map(|metric| match metric {
            Metric::Eval { set, .. } if set.starts_with("unseen") => Some(set),
            _ => None,
        });
        self.of_meta_tests_on(metrics, first?, classes)
    }

    /// The plateau of the meta-tests on one set, of tasks of `classes` classes, during meta-training; `None` if there were
    /// none.
    pub fn of_meta_tests_on(&self, metrics: &[Metric], set: &str, classes: usize) -> Option<Plateau> {
        let (steps, accuracies): (Vec<u64>, Vec<f64>) = metrics
            .iter()
            .filter_map(|metric| match metric {
                Metric::Eval { step, set: other, summary } if other == set => {
                    Some((*step, summary.last_10.mean))
                }
                _ => None,
            })
            .unzip();
        let threshold = 1.0 / classes as f64 + self.rise;
        self.detect(&steps, &accuracies, |accuracy| accuracy >= threshold)
    }

    fn detect(&self, steps: &[u64], values: &[f64], beyond: impl Fn(f64) -> bool) -> Option<Plateau> {
        let last = *steps.last()?;
        // From the end on: how many of the measurements from here on are beyond the threshold.
        let (mut count, mut left) = (0, None);
        for at in (0..values.len()).rev() {
            if beyond(values[at]) {
                count += 1;
                if count as f64 >= self.lasting * (values.len() - at) as f64 {
                    left = Some(at);
                }
            }
        }
        let plateau = &values[..left.unwrap_or(values.len()).max(1)];
        let left_at = left.map(|at| steps[at]);
        Some(Plateau { length: left_at.unwrap_or(last), left_at, level: median(plateau) })
    }
}

/// Each value replaced by the median of its neighbourhood, which is smaller at the ends.
fn smoothed(values: &[f64]) -> Vec<f64> {
    let around = |at: usize| {
        let reach = PlateauRule::REACH.min(at).min(values.len() - 1 - at);
        median(&values[at - reach..=at + reach])
    };
    (0..values.len()).map(around).collect()
}

/// The median of at least one value.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { 0.5 * (sorted[middle - 1] + sorted[middle]) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::{CurveSummary, Interval};

    const CLASSES: usize = 10;

    fn lines(every: u64, steps: u64, loss: impl Fn(u64) -> f64) -> Vec<Metric> {
        let line = |step| Metric::Train {
            step,
            loss: loss(step),
            loss_biased: None,
            loss_unbiased: None,
            accuracy_first: 0.1,
            accuracy_last: 0.1,
            lr: 1e-3,
            grad_norm: 1.0,
        };
        (1..=steps / every).map(|number| line(number * every)).collect()
    }

    fn plateau(every: u64, steps: u64, loss: impl Fn(u64) -> f64) -> Plateau {
        PlateauRule::default().of_loss(&lines(every, steps, loss), CLASSES).unwrap()
    }

    /// Noise of a batch: a fixed sequence in [-1, 1].
    fn noise(step: u64) -> f64 {
        let bits = step.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
        (bits % 2001) as f64 / 1000.0 - 1.0
    }

    /// From `high` down to 2.3, flat until `leave`, then an exponential fall to 0.5.
    fn typical(step: u64, leave: u64) -> f64 {
        let settling = 0.6 * (-(step as f64) / 10.0).exp();
        let fallen = step.saturating_sub(leave) as f64 / 50.0;
        2.303 + settling - 1.8 * (1.0 - (-fallen).exp())
    }

    #[test]
    fn a_plateau_is_left_where_the_loss_falls() {
        for leave in [100, 400, 900] {
            let found = plateau(10, 1500, |step| typical(step, leave));
            let left = found.left_at.unwrap();
            assert!((leave..leave + 20).contains(&left), "{leave}: {found:?}");
            assert_eq!(found.length, left);
            assert!((found.level - 2.303).abs() < 0.02, "{found:?}");
        }
    }

    #[test]
    fn noise_spikes_and_coarse_lines_move_the_end_by_little() {
        for every in [1, 10, 50] {
            let found = plateau(every, 2000, |step| typical(step, 800) + 0.15 * noise(step));
            let left = found.left_at.unwrap();
            assert!((790..=800 + 2 * every.max(20)).contains(&left), "{every}: {found:?}");
        }
        // One lucky batch on the plateau, one bad one after it.
        let found = plateau(10, 1500, |step| match step {
            200 => 0.4,
            1200 => 5.0,
            step => typical(step, 600),
        });
        assert!((600..620).contains(&found.left_at.unwrap()), "{found:?}");
    }

    #[test]
    fn a_dip_that_is_lost_does_not_count_and_a_short_relapse_changes_nothing() {
        let dip = plateau(10, 1000, |step| if (300..400).contains(&step) { 1.5 } else { typical(step, 700) });
        assert!((700..720).contains(&dip.left_at.unwrap()), "{dip:?}");
        let relapse =
            plateau(10, 1000, |step| if (700..740).contains(&step) { 2.3 } else { typical(step, 200) });
        assert!((200..220).contains(&relapse.left_at.unwrap()), "{relapse:?}");
    }

    #[test]
    fn no_plateau_and_no_end_of_one() {
        let none = plateau(10, 500, |_| 1.0);
        assert_eq!((none.left_at, none.length, none.level), (Some(10), 10, 1.0));
        let endless = plateau(10, 500, |step| 2.31 + 0.02 * noise(step));
        assert_eq!((endless.left_at, endless.length), (None, 500));
        assert!((endless.level - 2.31).abs() < 0.02);
        assert_eq!(PlateauRule::default().of_loss(&[], CLASSES), None);
        // A single line, and one that is the last of a coarse log.
        assert_eq!(plateau(100, 100, |_| 2.3).left_at, None);
        assert_eq!(plateau(100, 200, |step| if step == 200 { 1.0 } else { 2.3 }).left_at, Some(200));
    }

    #[test]
    fn meta_tests_on_the_training_data_set_give_a_plateau_of_their_own() {
        let at = |mean| Interval { mean, low: mean, high: mean };
        let test = |step: u64, set: &str, accuracy: f64| Metric::Eval {
            step,
            set: set.into(),
            summary: CurveSummary {
                first: at(0.1),
                last: at(accuracy),
                last_10: at(accuracy),
                mean: at(accuracy),
                improvement: at(accuracy - 0.1),
                loss: 1.0,
            },
        };
        let metrics: Vec<Metric> = (1..=10)
            .flat_map(|number| {
                let unseen = if number >= 6 { 0.5 } else { 0.12 };
                [
                    test(50 * number, "seen tasks, toy train", 0.9),
                    test(50 * number, "unseen tasks, toy test", unseen),
                    test(50 * number, "unseen tasks, other test", 0.1),
                ]
            })
            .collect();
        let found = PlateauRule::default().of_meta_tests(&metrics, CLASSES).unwrap();
        assert_eq!(found, Plateau { length: 300, left_at: Some(300), level: 0.12 });
        assert_eq!(PlateauRule::default().of_meta_tests(&lines(10, 100, |_| 1.0), CLASSES), None);
    }
}
