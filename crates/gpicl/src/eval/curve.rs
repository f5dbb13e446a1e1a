//! Learning curves and their intervals.
//!
//! Within one run an interval says how far the mean over all possible episodes may be: Wilson's for the
//! accuracy at a position (hits out of episodes), the normal one for means over several positions. Across
//! seeds it says how far the mean over all possible runs may be: Student's t over the runs' means.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF as _, StudentsT};

use super::Guessing;
use crate::error::{Error, Result};

/// 97.5% quantile of the standard normal distribution.
const Z: f64 = 1.959_963_984_540_054;
/// The learner of a control's curve: the network as it was initialised.
pub const UNTRAINED: &str = "untrained";
/// Positions of [`CurveSummary::last_10`].
const LAST: usize = 10;

/// A mean with its 95% interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// Wilson's interval for a proportion of `hits` in `count`.
    pub fn wilson(hits: usize, count: usize) -> Self {
        let (n, mean) = (count as f64, hits as f64 / count as f64);
        let z2 = Z * Z / n;
        let centre = (mean + 0.5 * z2) / (1.0 + z2);
        let half = Z * (mean * (1.0 - mean) / n + 0.25 * z2 / n).sqrt() / (1.0 + z2);
        Self { mean, low: (centre - half).max(0.0), high: (centre + half).min(1.0) }
    }

    /// The normal interval for the mean of many `values`.
    pub fn normal(values: &[f64]) -> Self {
        Self::symmetric(values, Z)
    }

    /// The interval for the mean of many episodes' accuracies, each of several answers. Where all agree their spread is none:
    /// then it is Wilson's, as if each episode had one answer.
    pub fn of_episodes(accuracies: &[f64]) -> Self {
        let interval = Self::normal(accuracies);
        if interval.low < interval.high {
            return Self { low: interval.low.max(0.0), high: interval.high.min(1.0), ..interval };
        }
        let hits = (interval.mean * accuracies.len() as f64).round() as usize;
        let wilson = Self::wilson(hits, accuracies.len());
        Self { mean: interval.mean, low: wilson.low.min(interval.mean), high: wilson.high.max(interval.mean) }
    }

    /// Student's interval for the mean of a few `values`, such as one a seed.
    ///
    /// # Errors
    /// [`Error::Argument`] for fewer than two.
    pub fn student(values: &[f64]) -> Result<Self> {
        if values.len() < 2 {
            return Err(Error::argument("Interval::student", format!("{} values, needs 2", values.len())));
        }
        let t = StudentsT::new(0.0, 1.0, (values.len() - 1) as f64).expect("at least one degree of freedom");
        Ok(Self::symmetric(values, t.inverse_cdf(0.975)))
    }

    /// The same with both ends inside `low..=high`, the values that there can be.
    fn within(self, low: f64, high: f64) -> Self {
        Self { low: self.low.max(low), high: self.high.min(high), ..self }
    }

    /// The interval of a difference from those of its terms, without their correlation (Newcombe 1998).
    fn less(self, other: Self) -> Self {
        let below = (self.mean - self.low).hypot(other.high - other.mean);
        let above = (self.high - self.mean).hypot(other.mean - other.low);
        let mean = self.mean - other.mean;
        Self { mean, low: mean - below, high: mean + above }
    }

    /// With the lower and the upper end of either that is further away. Of a few episodes all can be wrong at one position;
    /// then their spread is none, and Wilson's interval still has a width.
    fn or_wider(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high), ..self }
    }

    fn symmetric(values: &[f64], quantile: f64) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        let half = quantile * (variance / n).sqrt();
        Self { mean, low: mean - half, high: mean + half }
    }

    /// For a table: `73.7 ± 1.2`, in percent, with the end that is further away.
    pub fn percent(&self) -> String {
        let half = (self.mean - self.low).max(self.high - self.mean);
        format!("{:.1} ± {:.1}", 100.0 * self.mean, 100.0 * half)
    }
}

/// A learning curve in a few numbers; each with its own 95% interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurveSummary {
    /// Accuracy before any example.
    pub first: Interval,
    /// Accuracy at the last position: after N - 1 examples; of all queries there, if there are some.
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

/// The accuracies of every episode, in the order of the set's episodes: what differences between learners are paired by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EpisodeScores {
    /// Before any example.
    pub first: Vec<f64>,
    /// After N - 1 examples.
    pub last: Vec<f64>,
    /// Mean over the last ten positions.
    pub last_10: Vec<f64>,
    /// Mean over all positions.
    pub mean: Vec<f64>,
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
    /// Queries of each context at the last position; 0: an episode's own example there.
    #[serde(default)]
    pub queries: usize,
    /// Examples that the episodes are made of, if they are of a data set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<usize>,
    /// Whether a query can stand in its own context.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replacement: bool,
    /// Fingerprint of the episodes, but for the length of their inputs: curves of one have the same episodes.
    #[serde(default)]
    pub set: String,
    /// Every episode's; not kept in a run's results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_episode: Option<EpisodeScores>,
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

    /// As that of a network that was not meta-trained.
    pub fn of_untrained(self) -> Self {
        Self { learner: Some(UNTRAINED.into()), ..self }
    }

    /// Without every episode's scores.
    pub fn short(self) -> Self {
        Self { per_episode: None, ..self }
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
            queries: first.queries,
            images: first.images,
            replacement: first.replacement,
            set: first.set.clone(),
            per_episode: None,
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
    scores: EpisodeScores,
    /// By the number of examples before them: what was asked of every episode.
    asked: BTreeMap<usize, Vec<Answers>>,
}

/// Answers to the queries of one context.
#[derive(Clone, Copy, Debug, Default)]
struct Answers {
    count: usize,
    hits: usize,
    nll: f64,
}

impl Answers {
    fn accuracy(&self) -> f64 {
        self.hits as f64 / self.count as f64
    }
}

impl CurveAccumulator {
    /// For episodes of `length` examples.
    pub fn new(length: usize) -> Self {
        let (hits, nll) = (vec![0; length], vec![0.0; length]);
        Self { hits, nll, scores: EpisodeScores::default(), asked: BTreeMap::new() }
    }

    /// Episodes so far.
    pub fn episodes(&self) -> usize {
        self.scores.first.len()
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
        self.scores.first.push(mean(&correct[..1]));
        self.scores.last.push(mean(&correct[correct.len() - 1..]));
        self.scores.last_10.push(mean(&correct[correct.len().saturating_sub(LAST)..]));
        self.scores.mean.push(mean(correct));
    }

    /// Adds answers to queries after the first `examples` examples of an episode that was added: whether each was right, and
    /// its cross-entropy in nats. They stand for the accuracy at that position instead of the episode's own example.
    pub fn add_queries(&mut self, episode: usize, examples: usize, correct: &[bool], nll: &[f32]) {
        assert!(episode < self.episodes() && examples < self.hits.len(), "an episode that was added");
        let asked = self.asked.entry(examples).or_default();
        asked.resize(asked.len().max(episode + 1), Answers::default());
        let answers = &mut asked[episode];
        answers.count += correct.len();
        answers.hits += correct.iter().filter(|&&hit| hit).count();
        answers.nll += nll.iter().map(|&nll| f64::from(nll)).sum::<f64>();
    }

    /// The curve.
    ///
    /// # Errors
    /// [`Error::Argument`] for fewer than two episodes.
    pub fn finish(self, label: &str) -> Result<LearningCurve> {
        let count = self.episodes();
        if count < 2 {
            return Err(Error::argument("episodes", format!("{count} given, an interval needs at least 2")));
        }
        let Self { hits, nll, mut scores, asked } = self;
        let mut accuracy: Vec<Interval> = hits.iter().map(|&hits| Interval::wilson(hits, count)).collect();
        let mut loss: Vec<f64> = nll.iter().map(|sum| sum / count as f64).collect();
        for (examples, answers) in asked {
            assert_eq!(answers.len(), count, "every episode is asked the same");
            let means: Vec<f64> = answers.iter().map(Answers::accuracy).collect();
            accuracy[examples] = Interval::of_episodes(&means);
            let losses = answers.iter().map(|answers| answers.nll / answers.count as f64);
            loss[examples] = losses.sum::<f64>() / count as f64;
            if examples + 1 == hits.len() {
                scores.last = means;
            }
        }
        let over = |values: &[f64]| Interval::normal(values);
        let (first, last_10) = (accuracy[0], over(&scores.last_10));
        let rises: Vec<f64> =
            scores.last_10.iter().zip(&scores.first).map(|(last, first)| last - first).collect();
        let summary = CurveSummary {
            first,
            last: accuracy[accuracy.len() - 1],
            last_10,
            mean: over(&scores.mean),
            improvement: over(&rises).or_wider(last_10.less(first)),
            loss: loss.iter().sum::<f64>() / loss.len() as f64,
        };
        Ok(LearningCurve {
            label: label.into(),
            learner: None,
            classes: None,
            episodes: count,
            queries: 0,
            images: None,
            replacement: false,
            set: String::new(),
            per_episode: Some(scores),
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

    #[test]
    fn intervals_agree_with_published_values() {
        // Wilson 1927 for 8 of 10, and for 0 of 20, as statistics packages give them.
        let wilson = Interval::wilson(8, 10);
        assert!(close(wilson.low, 0.4902) && close(wilson.high, 0.9433), "{wilson:?}");
        let none = Interval::wilson(0, 20);
        assert!(none.low == 0.0 && close(none.high, 0.1611), "{none:?}");
        // t(2, 0.975) = 4.3027; deviation of 1, 2, 3 is 1.
        let student = Interval::student(&[1.0, 2.0, 3.0]).unwrap();
        assert!(close(student.high - student.mean, 4.3027 / 3.0_f64.sqrt()), "{student:?}");
        assert!(Interval::student(&[1.0]).is_err());
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
