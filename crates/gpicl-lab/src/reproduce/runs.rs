//! The finished runs of a figure's sweep, and what all figures do with them: group, average, tabulate.

use toml::Value;

use super::Failure;
use crate::results::Results;
use crate::summary::RunSummary;
use crate::sweep::{RunState, Sweep, SweepResults};
use crate::table::Table;
use gpicl::RunConfig;
use gpicl::RunDir;
use gpicl::eval::Metric;
use gpicl::eval::{CurveSummary, Interval, LearningCurve, Outcome};
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
        self.metrics.iter().filter_map(Metric::loss).map(|(step, loss)| (step as f64, loss)).collect()
    }

    /// Accuracy on unseen tasks over the last ten positions, by step; of the last step, that of the final meta-test.
    pub fn meta_tests(&self) -> Vec<(f64, f64)> {
        let label =
            self.curves.iter().find(|curve| curve.label.starts_with("unseen")).map(|curve| &curve.label);
        let line = |metric: &Metric| match metric {
            Metric::Eval { step, set, summary } if Some(set) == label => {
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

/// Mean and interval over seeds (Student's t); the ends of a single value are the value.
pub(super) fn over_seeds(values: &[f64]) -> Interval {
    Interval::student(values).unwrap_or_else(|_| {
        let mean = mean(values);
        Interval { mean, low: mean, high: mean }
    })
}

/// The interval over runs from each one's own: Student's over their means, which holds what episodes change too where every
/// run has its own; of a single run its own, over its episodes.
pub(super) fn over_runs(each: &[Interval]) -> Interval {
    match each {
        [single] => *single,
        each => over_seeds(&each.iter().map(|interval| interval.mean).collect::<Vec<_>>()),
    }
}

/// What runs `with` a change have over those `without`: by pairs, in the order of their seeds, where there are as many of
/// both; else from their intervals.
pub(super) fn gain(with: &[Interval], without: &[Interval]) -> Interval {
    if with.len() == without.len() && with.len() > 1 {
        let pairs = with.iter().zip(without).map(|(with, without)| with.mean - without.mean);
        return over_seeds(&pairs.collect::<Vec<_>>());
    }
    over_runs(with).less(over_runs(without))
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

/// `name`, `step` and `loss_nats` of every run, for figures of losses.
pub(super) fn losses_table(runs: &[Run]) -> Table {
    let mut table = Table::new(["run", "step", "loss_nats"]);
    for run in runs {
        for (step, loss) in run.losses() {
            table.push([run.id.clone(), step.to_string(), loss.to_string()]);
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
        ];
        Run {
            id: format!("{name},{},seed={}", settings.join(","), config.seed),
            name: name.into(),
            point: vec![("name".into(), Value::String(name.into()))],
            summary: RunSummary {
                outcome: Some(outcome),
                sources: Vec::new(),
                scores: Some(Scores::of(&seen_curve, &unseen_curve, Guessing::among(10))),
                curves: vec![(curves[0].label.clone(), seen_curve), (curves[1].label.clone(), unseen_curve)],
                plateau: None,
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
        /// With a plateau of `length` steps that was left, or never.
        pub fn plateau_of(mut self, length: u64, left: bool) -> Self {
            let plateau = Plateau { length, left_at: left.then_some(length), level: 2.3 };
            (self.summary.plateau, self.summary.test_plateau) = (Some(plateau), Some(plateau));
            let steps = self.summary.steps;
            self.metrics = (1..=10)
                .map(|number| Metric::Train {
                    step: number * steps / 10,
                    loss: if number * steps / 10 >= length && left { 1.0 } else { 2.3 },
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
