//! Learning curves and their intervals.
//!
//! Within one run an interval says how far the mean over all possible episodes may be: Wilson's for the
//! accuracy at a position (hits out of episodes), the normal one for means over several positions. Across
//! seeds it says how far the mean over all possible runs may be: Student's t over the runs' means.

use serde::{Deserialize, Serialize};

use super::{Guessing, Interval};
use crate::error::{Error, Result};

/// Positions of [`CurveSummary::last_10`].
const LAST: usize = 10;

/// A learning curve in a few numbers; each with its own 95% interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurveSummary {
    /// Accuracy before any example.
    pub first: Interval,
    /// Accuracy at the last position: after N - 1 examples.
    pub last: Interval,
    /// Mean accuracy over the last ten positions.
    pub last_10: Interval,
    /// Mean accuracy over all positions.
    pub mean: Interval,
    /// `last_10 - first`: what was learned within the episode.
    pub improvement: Interval,
    /// Mean cross-entropy over all positions, in nats.
    pub loss: f64,
}

/// Accuracy by the number of examples seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LearningCurve {
    /// The tasks and data behind it.
    pub label: String,
    /// The baseline behind it; none for the model that was meta-trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learner: Option<String>,
    /// Classes of its tasks, where they are fewer than the label slots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<usize>,
    /// Episodes behind it, of each seed.
    pub episodes: usize,
    /// Runs behind it. With one the intervals are over episodes, with several over runs.
    pub seeds: usize,
    /// `accuracy[j]`: after `j` examples.
    pub accuracy: Vec<Interval>,
    /// `loss[j]`: mean cross-entropy after `j` examples, in nats.
    pub loss: Vec<f64>,
    summary: CurveSummary,
}

impl LearningCurve {
    /// The curve in a few numbers.
    pub fn summary(&self) -> CurveSummary {
        self.summary
    }

    /// Guessing on its tasks, for a model of `slots` label slots.
    pub fn guessing(&self, slots: usize) -> Guessing {
        Guessing::new(slots, self.classes.unwrap_or(slots))
    }

    /// One curve from one curve a run: as it is where there is one, or where all runs agree to the last bit (a learner
    /// without chance); else as [`LearningCurve::across_seeds`].
    ///
    /// # Errors
    /// As [`LearningCurve::across_seeds`].
    pub fn together(curves: &[Self]) -> Result<Self> {
        match curves {
            [first, rest @ ..] if rest.iter().all(|curve| curve == first) => Ok(first.clone()),
            _ => Self::across_seeds(curves),
        }
    }

    /// One curve from one curve a seed: means of the seeds' means, Student's intervals over seeds; where all seeds agree,
    /// those of one seed over its episodes.
    ///
    /// # Errors
    /// [`Error::Argument`] for fewer than two curves, or curves of different lengths.
    pub fn across_seeds(curves: &[Self]) -> Result<Self> {
        let Some(first) = curves.first() else {
            return Err(Error::argument("across_seeds", "no curve is given"));
        };
        if curves.iter().any(|curve| curve.accuracy.len() != first.accuracy.len()) {
            return Err(Error::argument("across_seeds", "the curves have different lengths"));
        }
        // Where all seeds agree, their spread says nothing: what is left is the interval of one over its episodes.
        let student = |of: &dyn Fn(&Self) -> Interval| {
            let means: Vec<f64> = curves.iter().map(|curve| of(curve).mean).collect();
            if means.len() > 1 && means.iter().all(|&mean| mean == means[0]) {
                return Ok(of(first));
            }
            Interval::student(&means)
        };
        let over = |of: &dyn Fn(&Self) -> Interval| student(of).map(|interval| interval.within(0.0, 1.0));
        let mean = |value: &dyn Fn(&Self) -> f64| curves.iter().map(value).sum::<f64>() / curves.len() as f64;
        let positions = 0..first.accuracy.len();
        Ok(Self {
            label: first.label.clone(),
            learner: first.learner.clone(),
            classes: first.classes,
            episodes: first.episodes,
            seeds: curves.iter().map(|curve| curve.seeds).sum(),
            accuracy: positions.clone().map(|j| over(&|curve| curve.accuracy[j])).collect::<Result<_>>()?,
            loss: positions.map(|j| mean(&|curve| curve.loss[j])).collect(),
            summary: CurveSummary {
                first: over(&|curve| curve.summary.first)?,
                last: over(&|curve| curve.summary.last)?,
                last_10: over(&|curve| curve.summary.last_10)?,
                mean: over(&|curve| curve.summary.mean)?,
                improvement: student(&|curve| curve.summary.improvement)?.within(-1.0, 1.0),
                loss: mean(&|curve| curve.summary.loss),
            },
        })
    }
}

/// Collects episodes into a [`LearningCurve`].
#[derive(Clone, Debug)]
pub struct CurveAccumulator {
    hits: Vec<usize>,
    nll: Vec<f64>,
    episodes: Vec<EpisodeMeans>,
}

/// What the summary needs of an episode.
#[derive(Clone, Copy, Debug)]
struct EpisodeMeans {
    first: f64,
    last_10: f64,
    mean: f64,
}

impl CurveAccumulator {
    /// For episodes of `length` examples.
    pub fn new(length: usize) -> Self {
        Self { hits: vec![0; length], nll: vec![0.0; length], episodes: Vec::new() }
    }

    /// Adds an episode: whether each prediction was right, and its cross-entropy in nats.
    pub fn add_episode(&mut self, correct: &[bool], nll: &[f32]) {
        assert_eq!((correct.len(), nll.len()), (self.hits.len(), self.hits.len()), "episode length");
        for (hits, &correct) in self.hits.iter_mut().zip(correct) {
            *hits += usize::from(correct);
        }
        for (sum, &nll) in self.nll.iter_mut().zip(nll) {
            *sum += f64::from(nll);
        }
        let mean = |part: &[bool]| part.iter().filter(|&&hit| hit).count() as f64 / part.len() as f64;
        self.episodes.push(EpisodeMeans {
            first: mean(&correct[..1]),
            last_10: mean(&correct[correct.len().saturating_sub(LAST)..]),
            mean: mean(correct),
        });
    }

    /// The curve.
    ///
    /// # Errors
    /// [`Error::Argument`] for fewer than two episodes.
    pub fn finish(self, label: &str) -> Result<LearningCurve> {
        let count = self.episodes.len();
        if count < 2 {
            return Err(Error::argument("episodes", format!("{count} given, an interval needs at least 2")));
        }
        let over = |value: &dyn Fn(&EpisodeMeans) -> f64| {
            Interval::normal(&self.episodes.iter().map(value).collect::<Vec<f64>>())
        };
        let accuracy: Vec<Interval> = self.hits.iter().map(|&hits| Interval::wilson(hits, count)).collect();
        let loss: Vec<f64> = self.nll.iter().map(|sum| sum / count as f64).collect();
        let (first, last_10) = (accuracy[0], over(&|episode| episode.last_10));
        let summary = CurveSummary {
            first,
            last: accuracy[accuracy.len() - 1],
            last_10,
            mean: over(&|episode| episode.mean),
            improvement: over(&|episode| episode.last_10 - episode.first).or_wider(last_10.less(first)),
            loss: loss.iter().sum::<f64>() / loss.len() as f64,
        };
        Ok(LearningCurve {
            label: label.into(),
            learner: None,
            classes: None,
            episodes: count,
            seeds: 1,
            accuracy,
            loss,
            summary,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 5e-4
    }

    #[test]
    fn a_curve_says_its_classes_where_they_are_fewer_than_the_slots() {
        let whole = curve(&[(1, 4), (3, 4)]);
        let text = serde_json::to_string(&whole).unwrap();
        assert!(!text.contains("classes"), "{text}");
        assert_eq!(serde_json::from_str::<LearningCurve>(&text).unwrap(), whole);
        assert_eq!((whole.guessing(10).classes(), whole.guessing(10).chance()), (10, 0.1));
        let fewer = LearningCurve { classes: Some(2), ..whole };
        let both = LearningCurve::across_seeds(&[fewer.clone(), curve(&[(2, 4), (3, 4)])]).unwrap();
        assert_eq!((both.classes, both.guessing(10).chance()), (Some(2), 0.5));
    }

    fn curve(rates: &[(usize, usize)]) -> LearningCurve {
        let length = 12;
        let mut accumulator = CurveAccumulator::new(length);
        for &(right, episodes) in rates {
            for _ in 0..episodes {
                let correct: Vec<bool> = (0..length).map(|j| j >= length - right).collect();
                accumulator.add_episode(&correct, &vec![0.5; length]);
            }
        }
        accumulator.finish("toy").unwrap()
    }

    #[test]
    fn a_curve_counts_hits_by_position_and_summarises_by_episode() {
        let curve = curve(&[(12, 10), (5, 30)]);
        assert_eq!(curve.episodes, 40);
        assert_eq!(curve.accuracy[0].mean, 0.25);
        assert_eq!(curve.accuracy[11].mean, 1.0);
        let summary = curve.summary();
        assert!(close(summary.last_10.mean, (10.0 + 30.0 * 0.5) / 40.0));
        assert!(close(summary.improvement.mean, 0.625 - 0.25));
        assert!(close(summary.loss, 0.5));
        assert!(CurveAccumulator::new(3).finish("none").is_err());
    }

    #[test]
    fn a_rise_from_a_position_that_a_few_episodes_all_missed_is_not_certain() {
        // Right at the last position or never: 10% over the last ten, after none at the first.
        let rise = |episodes: usize| curve(&[(1, episodes)]).summary().improvement;
        let (few, many) = (rise(8), rise(400));
        assert!(close(few.mean, 0.1) && few.low < 0.0, "{few:?}");
        assert!(close(many.mean, 0.1) && many.low > 0.05, "{many:?}");
    }

    #[test]
    fn seeds_are_averaged_with_an_interval_over_their_means() {
        let seeds = [curve(&[(5, 10)]), curve(&[(12, 10)])];
        let both = LearningCurve::across_seeds(&seeds).unwrap();
        assert_eq!((both.seeds, both.accuracy[0].mean), (2, 0.5));
        assert_eq!((both.accuracy[0].low, both.accuracy[0].high), (0.0, 1.0), "two seeds say little");
        assert_eq!(both.summary().improvement.low, -1.0);
        assert_eq!(Interval { mean: 0.99, low: 0.97, high: 1.0 }.percent(), "99.0 ± 2.0");
        assert!(LearningCurve::across_seeds(&seeds[..1]).is_err());
    }
}
