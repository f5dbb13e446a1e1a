//! The finished runs of a figure's sweep, and what all figures do with them: group, average, tabulate.

use toml::Value;

use super::Failure;
use crate::results::Results;
use crate::summary::RunSummary;
use crate::sweep::{RunState, Sweep, SweepResults};
use crate::table::Table;
use gpicl::RunConfig;
use gpicl::RunDir;
use gpicl::eval::{
    CurveSummary, Interval, LearningCurve, Metric, Outcome, Part, TasksChange, label_during_training,
    spearman,
};
use gpicl::models::ModelConfig;
use gpicl::tasks::TaskCount;
use gpicl::train::read_metrics;
use gpicl::{Error, Result};

/// A finished run.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub id: String,
    /// Name of its list entry; empty if it has none.
    pub name: String,
    /// What sets it apart from the others.
    pub point: Vec<(String, Value)>,
    pub config: RunConfig,
    pub summary: RunSummary,
    pub outcome: Outcome,
    /// Seen tasks.
    pub seen: CurveSummary,
    /// Unseen tasks over the meta-training data set.
    pub unseen: CurveSummary,
    /// Accuracy by chance.
    pub chance: f64,
    pub curves: Vec<LearningCurve>,
    pub metrics: Vec<Metric>,
}

impl Run {
    /// How often meta-training draws each of its tasks, on average: below 1 some are never drawn, and cannot be known.
    /// `None` where there is no end of them.
    pub fn visits(&self) -> Option<f64> {
        let TaskCount::Finite(count) = self.config.tasks.count else { return None };
        Some((self.config.train.steps * self.config.train.batch as u64) as f64 / count as f64)
    }

    /// The finished runs of `sweep`, whose `results` these are, in the order of the plan, and the errors of those that
    /// failed.
    pub fn of(sweep: &Sweep, results: SweepResults) -> Result<(Vec<Self>, Vec<Failure>)> {
        let (mut runs, mut failed) = (Vec::new(), Vec::new());
        for (planned, row) in sweep.runs().iter().zip(results.rows) {
            let summary = match (row.state, row.summary) {
                (RunState::Failed { error }, _) => {
                    failed.push(Failure { run: row.id, error });
                    continue;
                }
                (RunState::Finished, Some(summary)) => summary,
                _ => continue,
            };
            let dir = RunDir::at(sweep.run_path(planned));
            let path = dir.results_path();
            let results = Results::read(&path)?;
            let (Some(outcome), Some(seen), Some(unseen)) =
                (summary.outcome, summary.seen().copied(), summary.unseen().copied())
            else {
                let problem = "has no curves of seen and unseen tasks";
                return Err(Error::file(&path, problem, "remove the run's folder"));
            };
            let name =
                row.point.iter().find(|(field, _)| field == "name").and_then(|(_, name)| name.as_str());
            runs.push(Self {
                id: row.id,
                name: name.unwrap_or_default().to_string(),
                point: row.point,
                config: planned.config.clone(),
                outcome,
                seen,
                unseen,
                chance: results.chance(),
                summary,
                curves: results.curves,
                metrics: read_metrics(&dir.metrics_path())?,
            });
        }
        Ok((runs, failed))
    }

    /// Curves of unseen tasks over the data sets of `eval.data`: neither over its own, which come first, nor over examples of
    /// meta-training.
    pub fn further(&self) -> impl Iterator<Item = &LearningCurve> {
        let unseen = self.curves.iter().filter(|curve| curve.label.starts_with("unseen tasks,"));
        unseen.skip(1).filter(|curve| !curve.label.ends_with(" train"))
    }

    /// The curve of unseen tasks that are other than meta-training's, of `eval.tasks`.
    pub fn changed(&self, change: TasksChange) -> Option<&LearningCurve> {
        self.curves.iter().find(|curve| curve.label.starts_with(&change.label()))
    }

    /// Steps on the plateau of the training loss; where it was never left, all steps.
    pub fn plateau(&self) -> f64 {
        self.summary.plateau.map_or(0.0, |plateau| plateau.length as f64)
    }

    /// Whether the plateau of the training loss was left.
    pub fn left_plateau(&self) -> bool {
        self.summary.plateau.is_some_and(|plateau| plateau.left_at.is_some())
    }

    /// Width of the model, in numbers, and what its field is called.
    pub fn width(&self) -> (usize, &'static str) {
        width(&self.config.model)
    }

    /// Loss of the meta-training batches, by step.
    pub fn losses(&self) -> Vec<(f64, f64)> {
        self.losses_of(Part::All)
    }

    /// Loss of a part of the batches, by step; none where they have no such part.
    pub fn losses_of(&self, part: Part) -> Vec<(f64, f64)> {
        let lines = self.metrics.iter().filter_map(|metric| metric.loss_of(part));
        lines.map(|(step, loss)| (step as f64, loss)).collect()
    }

    /// Accuracy on unseen tasks over the last ten positions, by step, on the validation split; of the last step, that of the
    /// final meta-test.
    pub fn meta_tests(&self) -> Vec<(f64, f64)> {
        let own = self.curves.iter().find(|curve| curve.label.starts_with("unseen"));
        let label = own.map(|curve| label_during_training(&curve.label));
        let line = |metric: &Metric| match metric {
            Metric::Eval { step, set, summary } if Some(set) == label.as_ref() => {
                Some((*step as f64, summary.last_10.mean))
            }
            _ => None,
        };
        let last = (self.summary.steps as f64, self.unseen.last_10.mean);
        self.metrics.iter().filter_map(line).chain([last]).collect()
    }
}

/// The field that makes a model larger, and its value.
fn width(model: &ModelConfig) -> (usize, &'static str) {
    let table = Value::try_from(model).expect("a configuration has a TOML form");
    let field = |name: &'static str| {
        let value = table.get(name)?.as_integer()?;
        Some((usize::try_from(value).ok()?, name))
    };
    ["d_model", "hidden", "size"].into_iter().find_map(field).unwrap_or((0, "size"))
}

/// Numbers of tasks in their order; unlimited is the most.
pub(super) fn tasks(count: TaskCount) -> u64 {
    match count {
        TaskCount::Finite(count) => count,
        TaskCount::Unlimited => u64::MAX,
    }
}

/// The different values of `key`, smallest first.
pub(super) fn distinct<'a, K: Ord>(
    runs: impl IntoIterator<Item = &'a Run>,
    key: impl Fn(&Run) -> K,
) -> Vec<K> {
    let mut keys: Vec<K> = runs.into_iter().map(key).collect();
    keys.sort();
    keys.dedup();
    keys
}

/// The different names of list entries, in the order of the plan.
pub(super) fn names(runs: &[Run]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for run in runs {
        if !names.contains(&run.name.as_str()) {
            names.push(&run.name);
        }
    }
    names
}

/// The value that most of `values` have; of several the first.
pub(super) fn most_common<T: PartialEq + Copy>(values: &[T]) -> Option<T> {
    let count = |value: &T| values.iter().filter(|other| *other == value).count();
    values.iter().rev().max_by_key(|value| count(value)).copied()
}

/// Mean and interval over seeds (Student's t), to be drawn; where there is no spread, the ends are the mean.
pub(super) fn over_seeds(values: &[f64]) -> Interval {
    Interval::student(values).unwrap_or_else(|_| {
        let mean = mean(values);
        Interval { mean, low: mean, high: mean }
    })
}

/// The interval over seeds from each one's own, for verdicts: Student's over their means. Means that are all alike tell no
/// spread; then it reaches as far as any seed's own. `None` for fewer than two seeds: episodes say nothing about seeds.
pub(super) fn over_runs(each: &[Interval]) -> Option<Interval> {
    let [first, _, ..] = each else { return None };
    let means: Vec<f64> = each.iter().map(|interval| interval.mean).collect();
    let wider = |all: Interval, one: &Interval| Interval {
        low: all.low.min(one.low),
        high: all.high.max(one.high),
        ..all
    };
    Some(Interval::student(&means).unwrap_or_else(|_| each.iter().fold(*first, wider)))
}

/// Runs of two groups under the same seed.
pub(super) fn pairs<'a>(with: &[&'a Run], without: &[&'a Run]) -> Vec<(&'a Run, &'a Run)> {
    let mut left = without.to_vec();
    let partner = |with: &&'a Run| {
        let at = left.iter().position(|run| run.config.seed == with.config.seed)?;
        Some((*with, left.remove(at)))
    };
    with.iter().filter_map(partner).collect()
}

/// What runs `with` a change have over those `without`, of the seeds that both have; `None` for fewer than two.
pub(super) fn gain(with: &[&Run], without: &[&Run], of: impl Fn(&Run) -> Interval) -> Option<Interval> {
    let pairs = pairs(with, without).into_iter().map(|(with, without)| of(with).less(of(without)));
    over_runs(&pairs.collect::<Vec<_>>())
}

/// Rank correlation of the groups' numbers with `of`, under every seed that all groups have; 0 where values are all alike.
pub(super) fn correlations(groups: &[(f64, &[&Run])], of: impl Fn(&Run) -> f64) -> Vec<f64> {
    let x: Vec<f64> = groups.iter().map(|(x, _)| *x).collect();
    let under = |seed: u64| {
        let value = |(_, runs): &(f64, &[&Run])| Some(of(runs.iter().find(|run| run.config.seed == seed)?));
        let values = groups.iter().map(value).collect::<Option<Vec<f64>>>()?;
        Some(spearman(&x, &values).unwrap_or_default())
    };
    let runs = groups.iter().flat_map(|(_, runs)| runs.iter().copied());
    distinct(runs, |run| run.config.seed).into_iter().filter_map(under).collect()
}

pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The outcome in the middle, from no learning to general learning-to-learn; the lesser of two.
pub(super) fn middle(outcomes: impl IntoIterator<Item = Outcome>) -> Option<Outcome> {
    let mut outcomes: Vec<Outcome> = outcomes.into_iter().collect();
    outcomes.sort_by_key(|outcome| rank(*outcome));
    outcomes.get(outcomes.len().saturating_sub(1) / 2).copied()
}

/// The outcome of at least two thirds of the seeds, and of two at least; `None` if there is none.
pub(super) fn agreed(outcomes: impl IntoIterator<Item = Outcome>) -> Option<Outcome> {
    let outcomes: Vec<Outcome> = outcomes.into_iter().collect();
    let most = most_common(&outcomes)?;
    let count = outcomes.iter().filter(|outcome| **outcome == most).count();
    (count >= 2 && 3 * count >= 2 * outcomes.len()).then_some(most)
}

/// What [`in_order`] asks for.
pub(super) const IN_ORDER: &str = "wherever two thirds of the seeds, and two at least, agree on an outcome, it is no step back \
    from one number of tasks to the next, and all three occur; a step back refutes it, and so does one of the three that is \
    missing where the seeds agree everywhere";

/// Whether memorisation, identification and general learning follow each other, from what seeds have [`agreed`] on along an
/// axis.
pub(super) fn in_order(outcomes: &[Option<Outcome>]) -> Option<bool> {
    let known: Vec<usize> = outcomes.iter().flatten().map(|outcome| rank(*outcome)).collect();
    if outcomes.len() < 3 {
        None
    } else if !known.is_sorted() {
        Some(false)
    } else if [1, 2, 3].iter().all(|rank| known.contains(rank)) {
        Some(true)
    } else {
        (known.len() == outcomes.len()).then_some(false)
    }
}

/// How often a task is drawn in meta-training, on average over `runs`: `4000`, or `0.98`.
pub(super) fn visits(runs: &[&Run]) -> Option<String> {
    let visits = mean(&runs.iter().map(|run| run.visits()).collect::<Option<Vec<f64>>>()?);
    Some(if visits < 10.0 { format!("{visits:.2}") } else { format!("{visits:.0}") })
}

/// From no learning to general learning-to-learn.
pub(super) fn rank(outcome: Outcome) -> usize {
    match outcome {
        Outcome::NoLearning => 0,
        Outcome::TaskMemorisation => 1,
        Outcome::TaskIdentification => 2,
        Outcome::GeneralLearning => 3,
    }
}

/// The outcomes in a word or two, by their [`rank`].
pub(super) const OUTCOMES: [&str; 4] =
    ["no learning", "task memorisation", "task identification", "general learning-to-learn"];
/// Their colours in figures, as numbers of the palette.
pub(super) const OUTCOME_COLORS: [usize; 4] = [7, 1, 5, 2];

/// The mean of several runs' lines at the steps that all of them have.
pub(super) fn mean_line(lines: &[Vec<(f64, f64)>]) -> Vec<(f64, f64)> {
    let Some(first) = lines.first() else { return Vec::new() };
    let at = |step: f64| {
        let values: Vec<f64> = lines
            .iter()
            .filter_map(|line| line.iter().find(|point| point.0 == step).map(|point| point.1))
            .collect();
        (values.len() == lines.len()).then(|| (step, mean(&values)))
    };
    first.iter().filter_map(|point| at(point.0)).collect()
}

/// A row a run: what sets it apart, and what it amounts to.
pub(super) fn table(runs: &[Run]) -> Table {
    let mut fields: Vec<&str> = Vec::new();
    for (field, _) in runs.iter().flat_map(|run| &run.point) {
        if !fields.contains(&field.as_str()) {
            fields.push(field);
        }
    }
    let numbers = [
        "tasks",
        "visits",
        "seed",
        "outcome",
        "seen_first",
        "seen_last_10",
        "seen_rise",
        "unseen_first",
        "unseen_last_10",
        "unseen_rise",
        "generalisation",
        "plateau_steps",
        "plateau_left_at",
        "plateau_level",
        "unseen_plateau_steps",
        "unseen_plateau_left_at",
        "final_loss_nats",
        "state_size",
        "params",
        "steps",
    ];
    let heads = std::iter::once("run").chain(fields.iter().copied()).chain(numbers);
    let mut table = Table::new(heads);
    let option = |value: Option<String>| value.unwrap_or_default();
    for run in runs {
        let summary = &run.summary;
        let value = |field: &&str| {
            let value = run.point.iter().find(|(other, _)| other == field).map(|(_, value)| value);
            option(value.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_string)))
        };
        let (plateau, test) = (summary.plateau, summary.test_plateau);
        let curve = |curve: &CurveSummary| [curve.first.mean, curve.last_10.mean, curve.improvement.mean];
        let scores = summary.scores.and_then(|scores| scores.generalisation);
        let mut row = vec![run.id.clone()];
        row.extend(fields.iter().map(value));
        row.push(run.config.tasks.count.to_string());
        row.push(option(run.visits().map(|visits| visits.to_string())));
        row.push(run.config.seed.to_string());
        row.push(OUTCOMES[rank(run.outcome)].into());
        row.extend([curve(&run.seen), curve(&run.unseen)].concat().iter().map(f64::to_string));
        row.push(option(scores.map(|score| score.to_string())));
        row.push(option(plateau.map(|plateau| plateau.length.to_string())));
        row.push(option(plateau.and_then(|plateau| plateau.left_at).map(|step| step.to_string())));
        row.push(option(plateau.map(|plateau| plateau.level.to_string())));
        row.push(option(test.map(|plateau| plateau.length.to_string())));
        row.push(option(test.and_then(|plateau| plateau.left_at).map(|step| step.to_string())));
        row.push(summary.final_loss.to_string());
        row.extend([
            summary.state_size.to_string(),
            summary.num_params.to_string(),
            summary.steps.to_string(),
        ]);
        table.push(row);
    }
    table
}

/// `run`, `step` and the losses of some parts of the batches, for figures of losses.
pub(super) fn losses_table(runs: &[Run], parts: &[Part]) -> Table {
    let column = |part: &Part| match part {
        Part::All => "loss_nats",
        Part::Biased => "biased_nats",
        Part::Unbiased => "unbiased_nats",
    };
    let mut table = Table::new(["run", "step"].into_iter().chain(parts.iter().map(column)));
    for run in runs {
        for metric in &run.metrics {
            let Some((step, _)) = metric.loss() else { continue };
            let loss =
                |part: &Part| metric.loss_of(*part).map(|(_, loss)| loss.to_string()).unwrap_or_default();
            table.push([run.id.clone(), step.to_string()].into_iter().chain(parts.iter().map(loss)));
        }
    }
    table
}

/// Runs with made numbers, for the tests of the verdicts.
#[cfg(test)]
pub(super) mod toy {
    use super::*;
    use gpicl::eval::{Guessing, OutcomeRule, Plateau, Scores};

    fn curve(first: f64, last: f64) -> CurveSummary {
        let at = |mean: f64| Interval { mean, low: mean - 0.01, high: mean + 0.01 };
        CurveSummary {
            first: at(first),
            last: at(last),
            last_10: at(last),
            mean: at(0.5 * (first + last)),
            improvement: at(last - first),
            loss: 1.0,
        }
    }

    pub fn learning_curve(label: &str, first: f64, last: f64) -> LearningCurve {
        let mut accumulator = gpicl::eval::CurveAccumulator::new(12);
        for episode in 0..100 {
            let at = |j: usize| if j < 2 { first } else { last };
            let correct: Vec<bool> = (0..12).map(|j| f64::from(episode) < 100.0 * at(j)).collect();
            accumulator.add_episode(&correct, &[1.0; 12]);
        }
        accumulator.finish(label).unwrap()
    }

    /// A run of `settings`, as `--set` takes them, with accuracies `(first, last)` on seen and unseen tasks.
    pub fn run(name: &str, settings: &[&str], seen: (f64, f64), unseen: (f64, f64)) -> Run {
        let mut layers = gpicl::Layers::default();
        for setting in settings {
            layers.set(setting).unwrap();
        }
        let config = layers.build().unwrap();
        let (seen_curve, unseen_curve) = (curve(seen.0, seen.1), curve(unseen.0, unseen.1));
        let outcome =
            OutcomeRule::default().classify_summaries(&seen_curve, &unseen_curve, Guessing::among(10));
        let curves = vec![
            learning_curve("seen tasks, toy train", seen.0, seen.1),
            learning_curve("unseen tasks, toy test", unseen.0, unseen.1),
            learning_curve("unseen tasks, toy train", unseen.0, unseen.1),
        ];
        Run {
            id: format!("{name},{},seed={}", settings.join(","), config.seed),
            name: name.into(),
            point: vec![("name".into(), Value::String(name.into()))],
            summary: RunSummary {
                outcome: Some(outcome),
                sources: Vec::new(),
                scores: Some(Scores::of(&seen_curve, &unseen_curve, Guessing::among(10))),
                curves: curves
                    .iter()
                    .map(|curve| &curve.label)
                    .cloned()
                    .zip([seen_curve, unseen_curve, unseen_curve])
                    .collect(),
                plateau: None,
                biased_plateau: None,
                unbiased_plateau: None,
                test_plateau: None,
                final_loss: 1.0,
                state_size: 100,
                num_params: 1000,
                steps: config.train.steps,
            },
            config,
            outcome,
            seen: seen_curve,
            unseen: unseen_curve,
            chance: 0.1,
            curves,
            metrics: Vec::new(),
        }
    }

    impl Run {
        /// Under another seed.
        pub fn seeded(mut self, seed: u64) -> Self {
            self.config.seed = seed;
            self
        }

        /// With a plateau of `length` steps that was left, or never.
        pub fn plateau_of(mut self, length: u64, left: bool) -> Self {
            let plateau = Plateau { length, left_at: left.then_some(length), level: 2.3 };
            (self.summary.plateau, self.summary.test_plateau) = (Some(plateau), Some(plateau));
            let steps = self.summary.steps;
            self.metrics = (1..=10)
                .map(|number| Metric::Train {
                    step: number * steps / 10,
                    loss: if number * steps / 10 >= length && left { 1.0 } else { 2.3 },
                    loss_biased: None,
                    loss_unbiased: None,
                    accuracy_first: 0.1,
                    accuracy_last: 0.1,
                    lr: 1e-3,
                    grad_norm: 1.0,
                })
                .collect();
            self
        }

        /// With another size.
        pub fn sized(mut self, state_size: usize, num_params: usize) -> Self {
            (self.summary.state_size, self.summary.num_params) = (state_size, num_params);
            self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mean: f64) -> Interval {
        Interval { mean, low: mean - 0.1, high: mean + 0.1 }
    }

    #[test]
    fn meta_tests_by_step_are_those_of_the_validation_split() {
        let mut run = toy::run("a", &["train.steps=40"], (0.1, 0.8), (0.1, 0.7));
        let eval = |step, set: &str, summary| Metric::Eval { step, set: set.into(), summary };
        let (seen, unseen) = (run.seen, run.unseen);
        run.metrics = vec![
            eval(20, "seen tasks, toy train", seen),
            eval(20, "unseen tasks, toy validation", unseen),
            eval(20, "unseen tasks, other validation", seen),
        ];
        assert_eq!(
            run.meta_tests(),
            [(20.0, unseen.last_10.mean), (run.summary.steps as f64, unseen.last_10.mean)]
        );
    }

    #[test]
    fn seeds_that_agree_to_the_last_bit_are_no_certainty_and_one_is_no_evidence() {
        assert_eq!(over_runs(&[at(0.5)]), None);
        let alike = over_runs(&[at(0.5), at(0.5), Interval { high: 0.7, ..at(0.5) }]).unwrap();
        assert_eq!((alike.mean, alike.low, alike.high), (0.5, 0.4, 0.7));
        let apart = over_runs(&[at(0.5), at(0.51)]).unwrap();
        assert!(apart.low > 0.44 && apart.high < 0.57, "{apart:?}");
    }

    #[test]
    fn runs_are_paired_by_seed_whatever_failed() {
        let run = |seed: u64, unseen: f64| toy::run("", &[], (0.1, 0.8), (0.1, unseen)).seeded(seed);
        let with = [run(0, 0.5), run(1, 0.6), run(3, 0.8)];
        let without = [run(3, 0.61), run(1, 0.4), run(2, 0.7)];
        let [with, without] = [&with, &without].map(|runs| runs.iter().collect::<Vec<_>>());
        let seeds: Vec<_> =
            pairs(&with, &without).iter().map(|pair| (pair.0.config.seed, pair.1.config.seed)).collect();
        assert_eq!(seeds, [(1, 1), (3, 3)]);
        let found = gain(&with, &without, |run| run.unseen.last_10).unwrap();
        assert!((found.mean - 0.195).abs() < 1e-9 && found.above(0.0), "{found:?}");
        assert_eq!(gain(&with[..2], &without, |run| run.unseen.last_10), None, "one seed in common");
    }

    #[test]
    fn correlations_are_by_seed() {
        let run = |seed: u64, unseen: f64| toy::run("", &[], (0.1, 0.8), (0.1, unseen)).seeded(seed);
        let groups = [[0.2, 0.5, 0.3], [0.3, 0.4, 0.3], [0.4, 0.3, 0.3]]
            .map(|group| (0..3).map(|seed| run(seed, group[seed as usize])).collect::<Vec<_>>());
        let groups = groups.each_ref().map(|runs| runs.iter().collect::<Vec<_>>());
        let named: Vec<(f64, &[&Run])> =
            groups.iter().enumerate().map(|(x, runs)| (x as f64, runs.as_slice())).collect();
        assert_eq!(correlations(&named, |run| run.unseen.last_10.mean), [1.0, -1.0, 0.0]);
        let short = [named[0], (1.0, &named[1].1[..1])];
        assert_eq!(correlations(&short, |run| run.unseen.last_10.mean), [1.0], "only one seed is everywhere");
    }

    #[test]
    fn regimes_take_seeds_that_agree() {
        use Outcome::{
            GeneralLearning as G, NoLearning as N, TaskIdentification as I, TaskMemorisation as M,
        };
        assert_eq!(
            (agreed([G]), agreed([G, G]), agreed([G, M]), agreed([G, M, G])),
            (None, Some(G), None, Some(G))
        );
        assert_eq!(agreed([G, G, G, M, M, M]), None);
        let order = |outcomes: &[Option<Outcome>]| in_order(outcomes);
        assert_eq!(order(&[Some(M), Some(I), None, Some(G)]), Some(true));
        assert_eq!(order(&[Some(M), None, Some(G)]), None, "what lies between is not known");
        assert_eq!(order(&[Some(M), Some(M), Some(G)]), Some(false));
        assert_eq!(order(&[Some(M), None, Some(I), Some(N)]), Some(false), "a step back");
        assert_eq!(order(&[Some(M), Some(I)]), None);
    }
}
