//! What each half of a task is good for: meta-training with projections alone, with permutations alone, with both, judged on
//! all kinds of tasks.

use super::interventions::Group;
use super::runs::{Run, gain, mean, over_runs, over_seeds, table};
use super::verdict::{BY_INTERVAL, Check, at_least, written};
use super::{Made, Picture};
use crate::figures::panels::{Chart, Panels, Style, Trace, XAxis};
use crate::table::Table;
use gpicl::eval::{CurveSummary, Interval, OutcomeRule, TasksChange};
use gpicl::{Result, RunConfig};

/// Whether inputs are projected, and labels permuted.
type Kind = (bool, bool);

/// All kinds of tasks, as columns of the figure.
const KINDS: [Kind; 4] = [(false, false), (true, false), (false, true), BOTH];
const BOTH: Kind = (true, true);

fn name(kind: Kind) -> &'static str {
    match kind {
        (false, false) => "neither",
        (true, false) => "projections",
        (false, true) => "permutations",
        BOTH => "both",
    }
}

/// What meta-training had.
fn learned_from(run: &Run) -> Kind {
    (run.config.tasks.project, run.config.tasks.permute)
}

/// The test of a run on unseen tasks of `kind`.
fn test(config: &RunConfig, kind: Kind) -> Option<TasksChange> {
    let of = |change: &&TasksChange| {
        let tasks = change.on(&config.tasks);
        change.episode_length.is_none() && (tasks.project, tasks.permute) == kind
    };
    config.eval.tasks.iter().find(of).copied()
}

/// Whether a run is tested on tasks that have both.
pub(super) fn tested(config: &RunConfig) -> bool {
    test(config, BOTH).is_some()
}

/// Accuracy on unseen tasks of `kind`, in short; `None` where the run has no such test.
fn on(run: &Run, kind: Kind) -> Option<CurveSummary> {
    run.changed(test(&run.config, kind)?).map(|curve| curve.summary())
}

/// Accuracy of every learner on every kind of tasks.
pub(super) fn make(runs: &[Run]) -> Result<Made> {
    let groups = Group::all(runs);
    let trace = |(color, group): (usize, &Group<'_>)| {
        let at = |(x, kind): (usize, &Kind)| {
            let means: Vec<f64> =
                group.runs.iter().filter_map(|run| Some(on(run, *kind)?.last_10.mean)).collect();
            // Beside each other: several learners have the same accuracy.
            let x = x as f64 + 0.08 * (color as f64 - 0.5 * (groups.len() - 1) as f64);
            (!means.is_empty()).then(|| (x, over_seeds(&means)))
        };
        let points: Vec<(f64, Interval)> = KINDS.iter().enumerate().filter_map(at).collect();
        Trace {
            label: format!("meta-trained with {}", group.label()),
            color,
            points: points.iter().map(|(x, interval)| (*x, interval.mean)).collect(),
            intervals: points.iter().map(|(_, interval)| (interval.low, interval.high)).collect(),
            style: Style::Marks,
        }
    };
    let figure = Panels {
        title: "Projections, permutations, both, neither".into(),
        columns: 1,
        charts: vec![Chart {
            title: "Unseen tasks, last 10 positions".into(),
            x_label: "what the tasks of the meta-test have".into(),
            y_label: "accuracy".into(),
            x_axis: XAxis::Names(KINDS.map(|kind| name(kind).to_string()).to_vec()),
            y_range: Some(0.0..1.0),
            reference: Some((runs[0].chance, "chance".into())),
            regions: Vec::new(),
            traces: groups.iter().enumerate().map(trace).collect(),
        }],
    };
    Ok(Made {
        tables: vec![("", table(runs)), ("_kinds", kinds_table(runs))],
        picture: Picture::Panels(figure),
        checks: checks(&groups),
    })
}

/// A row a run and kind of tasks.
fn kinds_table(runs: &[Run]) -> Table {
    let mut table = Table::new(["run", "tasks", "first", "last_10", "low", "high"]);
    for run in runs {
        for kind in KINDS {
            let Some(CurveSummary { first, last_10: Interval { mean, low, high }, .. }) = on(run, kind)
            else {
                continue;
            };
            let numbers = [first.mean, mean, low, high].map(|number| number.to_string());
            table.push([run.id.clone(), name(kind).to_string()].into_iter().chain(numbers));
        }
    }
    table
}

fn checks(groups: &[Group<'_>]) -> Vec<Check> {
    let rise = OutcomeRule::default().rise;
    let of = |kind: Kind| groups.iter().find(|group| learned_from(group.first()) == kind);
    let both_on = |run: &Run| on(run, BOTH);
    let tested = |group: &&Group<'_>| group.runs.iter().all(|run| both_on(run).is_some());
    let accuracy = |run: &Run| both_on(run).expect("it was tested").last_10;
    let both = of(BOTH).filter(tested);
    let learns = {
        let rule = format!("the last 10 positions are at least {rise} above the first, {BY_INTERVAL}");
        let paper =
            "Meta-trained with projections and permutations, a learner learns unseen tasks that have both.";
        match both {
            Some(group) => {
                let found =
                    over_runs(&group.intervals(|run| both_on(run).expect("it was tested").improvement));
                Check::new(paper, rule, format!("rise {}", written(found)), at_least(found, rise))
            }
            None => Check::new(paper, rule, NO_TEST, None),
        }
    };
    let needed = |without: Kind, paper: &str| {
        let rule = format!(
            "on unseen tasks that have both, the one that was meta-trained with both is at least {rise} more accurate over \
             the last 10 positions, {BY_INTERVAL}, as where that one learned nothing"
        );
        match (both, of(without).filter(tested)) {
            (Some(both), Some(other)) => {
                let more = gain(&both.runs, &other.runs, accuracy);
                let [ours, theirs] = [both, other].map(|group| mean(&group.values(|run| accuracy(run).mean)));
                let found =
                    format!("both {ours:.2}, {} alone {theirs:.2}, more by {}", name(without), written(more));
                let holds = at_least(more, rise).filter(|_| learns.holds == Some(true));
                Check::new(paper, rule, found, holds)
            }
            _ => Check::new(paper, rule, NO_TEST, None),
        }
    };
    let permutations = needed(
        (false, true),
        "Permutations alone do not do: without projections a learner does not learn tasks that have both.",
    );
    let projections = needed(
        (true, false),
        "Projections alone do not do: without permutations a learner does not learn tasks that have both.",
    );
    vec![learns, permutations, projections]
}

const NO_TEST: &str = "there is no such run, or none that is tested on tasks with both (eval.tasks)";

#[cfg(test)]
mod tests {
    use super::super::runs::toy;
    use super::*;

    /// Two seeds of a learner of `kind`, and its accuracy on tasks with both.
    fn runs(kind: Kind, on_both: f64) -> Vec<Run> {
        let change = TasksChange { project: Some(true), permute: Some(true), ..TasksChange::default() };
        let (project, permute) = (format!("tasks.project={}", kind.0), format!("tasks.permute={}", kind.1));
        let settings =
            [project.as_str(), permute.as_str(), "eval.tasks=[{ project = true, permute = true }]"];
        let run = |seed| {
            let mut run = toy::run(name(kind), &settings, (0.1, 0.8), (0.1, 0.8)).seeded(seed);
            let label = format!("unseen tasks ({change}), toy test");
            run.curves.push(toy::learning_curve(&label, 0.1, on_both + 0.01 * seed as f64));
            run
        };
        vec![run(0), run(1)]
    }

    fn holds(runs: &[Run]) -> Vec<Option<bool>> {
        make(runs).unwrap().checks.iter().map(|check| check.holds).collect()
    }

    #[test]
    fn what_is_needed_is_told_from_what_is_not() {
        let all = |permutations, projections| {
            let runs = [runs(BOTH, 0.8), runs((false, true), permutations), runs((true, false), projections)];
            holds(&runs.concat())
        };
        assert_eq!(all(0.2, 0.3), [Some(true); 3]);
        assert_eq!(all(0.2, 0.9), [Some(true), Some(true), Some(false)]);
        let made = make(&[runs(BOTH, 0.8), runs((false, true), 0.2)].concat()).unwrap();
        assert_eq!(
            made.checks.iter().map(|check| check.holds).collect::<Vec<_>>(),
            [Some(true), Some(true), None]
        );
        // A row for each run, of the one kind that it is tested on.
        assert_eq!(made.tables[1].1.csv().lines().count(), 1 + 4);
        let nothing = [runs(BOTH, 0.11), runs((false, true), 0.11)].concat();
        assert_eq!(holds(&nothing), [Some(false), None, None], "who learned nothing needs nothing");
    }
}
