//! Learning curves, of one run and of several seeds.
//!
//! Within one run an interval says how far the mean over all possible episodes may be; across seeds, how far the mean over all
//! possible runs and episodes may be. How is [`Interval`]'s.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Design, Guessing, Interval};
use crate::error::{Error, Result};

/// The learner of a control's curve: the network as it was initialised.
pub const UNTRAINED: &str = "untrained";
/// Positions of [`CurveSummary::last_10`].
const LAST: usize = 10;

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

impl EpisodeScores {
    /// From the first position to the last ten.
    fn rises(&self) -> Vec<f64> {
        self.last_10.iter().zip(&self.first).map(|(last, first)| last - first).collect()
    }
}

/// Accuracy by the number of examples seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LearningCurve {
    /// The tasks and data behind it.
    pub label: String,
    /// The baseline behind it, or [`UNTRAINED`]; none for the model that was meta-trained.
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
    /// Fingerprint of what is drawn for the episodes, of whatever tasks: curves of one have the same examples in every
    /// episode, though their tasks may show them otherwise.
    #[serde(default)]
    pub draws: String,
    /// Every episode's; not kept in a run's results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_episode: Option<EpisodeScores>,
    /// Runs behind it. With one the intervals are over episodes, with several over runs and episodes.
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

    /// How the episodes of several seeds' curves relate: crossed if all have the same examples, be their tasks the same or not,
    /// else nested. A curve that does not say what it drew is of its own.
    pub fn design(curves: &[Self]) -> Design {
        let same = |curve: &Self| !curve.draws.is_empty() && curve.draws == curves[0].draws;
        if curves.iter().all(same) { Design::Crossed } else { Design::Nested }
    }

    /// What the learner of `ours` has over that of `theirs`, a curve a seed of each, on the same episodes; `of` says in which
    /// scores. A learner without chance counts under every seed of the other. `None` where the two met other episodes, or
    /// these are not kept.
    pub fn difference(
        ours: &[Self],
        theirs: &[Self],
        of: impl Fn(&EpisodeScores) -> &[f64],
    ) -> Option<Interval> {
        let rows = |curves: &'_ [Self]| -> Option<Vec<Vec<f64>>> {
            let scores = curves.iter().map(|curve| curve.per_episode.as_ref());
            scores.map(|scores| scores.map(|scores| of(scores).to_vec())).collect()
        };
        let (mut ours_rows, mut theirs_rows) = (rows(ours)?, rows(theirs)?);
        let set = &ours.first()?.set;
        let design = if ours.iter().chain(theirs).all(|curve| !set.is_empty() && curve.set == *set) {
            for rows in [&mut ours_rows, &mut theirs_rows] {
                if rows.iter().all(|row| *row == rows[0]) {
                    rows.truncate(1);
                }
            }
            Design::Crossed
        } else {
            let same = |(ours, theirs): (&Self, &Self)| !ours.set.is_empty() && ours.set == theirs.set;
            (ours.len() == theirs.len() && ours.iter().zip(theirs).all(same)).then(|| Self::design(ours))?
        };
        let [ours, theirs] =
            [&ours_rows, &theirs_rows].map(|rows| rows.iter().map(Vec::as_slice).collect::<Vec<_>>());
        Interval::paired(&ours, &theirs, design).ok()
    }

    /// One curve from one curve a seed: means of the seeds' means, with intervals over seeds and episodes by the
    /// [`LearningCurve::design`]. Single positions, of which no episodes are kept, have [`Interval::accuracy_over_seeds`],
    /// which is too wide unless the seeds err on the same episodes, and then hardly narrower (within a twentieth); so has the
    /// summary where a curve comes without its episodes.
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
        let design = Self::design(curves);
        let single = |of: &dyn Fn(&Self) -> Interval| {
            let seeds: Vec<Interval> = curves.iter().map(of).collect();
            Interval::accuracy_over_seeds(&seeds, first.episodes, design)
        };
        let kept: Option<Vec<&EpisodeScores>> =
            curves.iter().map(|curve| curve.per_episode.as_ref()).collect();
        let over = |scores: &dyn Fn(&EpisodeScores) -> &Vec<f64>, of: &dyn Fn(&Self) -> Interval| match &kept
        {
            Some(kept) if kept.len() > 1 => {
                let rows: Vec<&[f64]> = kept.iter().map(|kept| scores(kept).as_slice()).collect();
                Interval::accuracy(&rows, design)
            }
            _ => single(of),
        };
        let improvement = match &kept {
            Some(kept) if kept.len() > 1 => {
                let rises: Vec<Vec<f64>> = kept.iter().map(|kept| kept.rises()).collect();
                let rows: Vec<&[f64]> = rises.iter().map(Vec::as_slice).collect();
                Interval::mean_of(&rows, design)?
            }
            _ => {
                let seeds: Vec<Interval> = curves.iter().map(|curve| curve.summary.improvement).collect();
                Interval::over_seeds(&seeds, first.episodes, design)?
            }
        };
        let mean = |value: &dyn Fn(&Self) -> f64| curves.iter().map(value).sum::<f64>() / curves.len() as f64;
        let positions = 0..first.accuracy.len();
        let summary = CurveSummary {
            first: over(&|scores| &scores.first, &|curve| curve.summary.first)?,
            last: over(&|scores| &scores.last, &|curve| curve.summary.last)?,
            last_10: over(&|scores| &scores.last_10, &|curve| curve.summary.last_10)?,
            mean: over(&|scores| &scores.mean, &|curve| curve.summary.mean)?,
            improvement: improvement.within(-1.0, 1.0),
            loss: mean(&|curve| curve.summary.loss),
        };
        let mut accuracy: Vec<Interval> =
            positions.clone().map(|j| single(&|curve| curve.accuracy[j])).collect::<Result<_>>()?;
        // The same numbers in both places.
        if let [.., last] = accuracy.as_mut_slice() {
            *last = summary.last;
        }
        Ok(Self {
            label: first.label.clone(),
            learner: first.learner.clone(),
            classes: first.classes,
            episodes: first.episodes,
            queries: first.queries,
            images: first.images,
            replacement: first.replacement,
            set: if curves.iter().all(|curve| curve.set == first.set) {
                first.set.clone()
            } else {
                String::new()
            },
            draws: if design == Design::Crossed { first.draws.clone() } else { String::new() },
            per_episode: None,
            seeds: curves.iter().map(|curve| curve.seeds).sum(),
            accuracy,
            loss: positions.map(|j| mean(&|curve| curve.loss[j])).collect(),
            summary,
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
            accuracy[examples] = Interval::accuracy(&[&means], Design::Crossed)?;
            let losses = answers.iter().map(|answers| answers.nll / answers.count as f64);
            loss[examples] = losses.sum::<f64>() / count as f64;
            if examples + 1 == hits.len() {
                scores.last = means;
            }
        }
        let over = |values: &[f64]| Interval::accuracy(&[values], Design::Crossed);
        let (first, last_10) = (accuracy[0], over(&scores.last_10)?);
        let summary = CurveSummary {
            first,
            last: accuracy[accuracy.len() - 1],
            last_10,
            mean: over(&scores.mean)?,
            improvement: Interval::mean_of(&[&scores.rises()], Design::Crossed)?
                .or_wider(last_10.less(first))
                .within(-1.0, 1.0),
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
            draws: String::new(),
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
        let Interval { low, high, .. } = both.accuracy[0];
        assert!(low < 0.01 && high > 0.99, "two seeds say little");
        assert_eq!(both.summary().improvement.low, -1.0);
        assert_eq!(Interval { mean: 0.99, low: 0.97, high: 1.0 }.percent(), "99.0 ± 2.0");
        assert!(LearningCurve::across_seeds(&seeds[..1]).is_err());
    }

    /// As [`curve`], of episodes that are called `set`.
    fn of_set(rates: &[(usize, usize)], set: &str) -> LearningCurve {
        LearningCurve { set: set.into(), draws: set.into(), ..curve(rates) }
    }

    #[test]
    fn seeds_of_one_set_are_crossed_and_others_nested() {
        let width = |of: Interval| of.high - of.low;
        let two = |set: &str| {
            let seeds = [of_set(&[(8, 20), (4, 20)], "one"), of_set(&[(9, 20), (4, 20)], set)];
            (LearningCurve::design(&seeds), LearningCurve::across_seeds(&seeds).unwrap())
        };
        let ((crossed, one), (nested, other)) = (two("one"), two("other"));
        assert_eq!((crossed, nested), (Design::Crossed, Design::Nested));
        assert_eq!((one.set.as_str(), other.set.as_str()), ("one", ""));
        // The seeds' means are near each other; the episodes differ.
        let of_one = width(curve(&[(8, 20), (4, 20)]).summary().last_10);
        assert!(width(one.summary().last_10) > of_one, "what all seeds share is no less with more of them");
        assert!(one.summary().last_10.mean == other.summary().last_10.mean);
        let nameless = [curve(&[(8, 20)]), curve(&[(8, 20)])];
        assert_eq!(LearningCurve::design(&nameless), Design::Nested);
        // Without their episodes: hardly narrower, though the seeds differ alike in all of them.
        let short = [of_set(&[(8, 20), (4, 20)], "one"), of_set(&[(9, 20), (4, 20)], "one")]
            .map(LearningCurve::short);
        let short = LearningCurve::across_seeds(&short).unwrap();
        assert!(width(short.summary().last_10) >= 0.95 * width(one.summary().last_10), "{short:?}");
        assert_eq!(short.accuracy[11], short.summary().last);
    }

    #[test]
    fn a_difference_needs_the_same_episodes() {
        let difference = |ours: &[LearningCurve], theirs: &[LearningCurve]| {
            LearningCurve::difference(ours, theirs, |scores| &scores.last_10)
        };
        let ours = [of_set(&[(8, 20), (5, 20)], "one"), of_set(&[(7, 20), (6, 20)], "one")];
        let theirs = [of_set(&[(6, 20), (3, 20)], "one")];
        let found = difference(&ours, &theirs).unwrap();
        assert!(close(found.mean, 0.2) && found.low > -0.2 && found.high < 0.6, "{found:?}");
        // A learner without chance is the same under every seed.
        let twice = [theirs[0].clone(), theirs[0].clone()];
        assert_eq!(difference(&ours, &twice), Some(found));
        let other = [of_set(&[(6, 40)], "other")];
        assert_eq!(difference(&ours, &other), None);
        assert_eq!(difference(&ours[..1], &other), None);
        let short = [theirs[0].clone().short()];
        assert_eq!(difference(&ours, &short), None, "no episodes are kept");
        let nested = [ours[0].clone(), of_set(&[(7, 20), (6, 20)], "two")];
        let theirs = [theirs[0].clone(), of_set(&[(6, 20), (3, 20)], "two")];
        let found = difference(&nested, &theirs).unwrap();
        assert!(close(found.mean, 0.2) && found.high - found.low < 0.1, "both seeds differ alike: {found:?}");
    }
}
