//! What is learned within an episode, by the number of tasks, over several seeds (paper, section 4.1).

use std::ops::RangeInclusive;

use super::runs::{
    IN_ORDER, OUTCOME_COLORS, OUTCOMES, Run, agreed, distinct, in_order, mean, middle, rank, table, tasks,
    visits,
};
use super::verdict::{Check, less_than, written};
use super::{Made, Picture};
use crate::figures::panels::{Chart, Panels, Region, Style, Trace, XAxis};
use gpicl::Result;
use gpicl::eval::{Interval, Outcome, two_clusters};
use gpicl::tasks::TaskCount;

/// The seeds of one number of tasks.
struct Column<'a> {
    count: u64,
    runs: Vec<&'a Run>,
    outcome: Outcome,
}

impl<'a> Column<'a> {
    fn all(runs: &'a [Run]) -> Vec<Self> {
        let counts = distinct(runs, |run| tasks(run.config.tasks.count));
        let column = |count: u64| {
            let runs: Vec<&Run> = runs.iter().filter(|run| tasks(run.config.tasks.count) == count).collect();
            let outcome = middle(runs.iter().map(|run| run.outcome)).expect("a count has a run");
            Self { count, runs, outcome }
        };
        counts.into_iter().map(column).collect()
    }

    fn name(&self) -> String {
        count_name(self.count)
    }

    fn values(&self, of: impl Fn(&Run) -> f64) -> Vec<f64> {
        self.runs.iter().map(|run| of(run)).collect()
    }

    /// What its seeds agree on.
    fn agreed(&self) -> Option<Outcome> {
        agreed(self.runs.iter().map(|run| run.outcome))
    }
}

/// How a number of tasks is written below an axis.
pub(super) fn count_name(count: u64) -> String {
    match count {
        u64::MAX => "unlimited".into(),
        count => TaskCount::Finite(count).to_string(),
    }
}

fn unseen_rise(run: &Run) -> f64 {
    run.unseen.improvement.mean
}

/// Rise within the episode and accuracies against the number of tasks.
pub(super) fn make(runs: &[Run]) -> Result<Made> {
    let columns = Column::all(runs);
    let lines = |label: &str, color: usize, of: &dyn Fn(&Run) -> f64| {
        let at = |(x, column): (usize, &Column<'_>)| {
            column.values(of).into_iter().map(move |y| (x as f64, y)).collect::<Vec<_>>()
        };
        let means = columns.iter().map(|column| mean(&column.values(of)));
        let points = means.enumerate().map(|(x, y)| (x as f64, y)).collect();
        [
            Trace {
                color,
                points: columns.iter().enumerate().flat_map(at).collect(),
                style: Style::Scattered,
                ..Trace::default()
            },
            Trace { label: label.into(), color, points, ..Trace::default() },
        ]
    };
    // A rise can be a fall.
    let lowest = |traces: &[Trace]| {
        let values = traces.iter().flat_map(|trace| &trace.points).map(|&(_, y)| y);
        (values.fold(0.0, f64::min) - 0.05).max(-1.05)
    };
    let visits = |column: &Column<'_>| visits(&column.runs);
    let x_label = match (columns.first().and_then(visits), columns.last().and_then(visits)) {
        (Some(most), Some(least)) => format!("number of tasks, each drawn {most} to {least} times"),
        _ => "number of tasks".to_string(),
    };
    let chart = |title: &str, y_label: &str, traces: Vec<Trace>, reference| Chart {
        title: title.into(),
        x_label: x_label.clone(),
        y_label: y_label.into(),
        x_axis: XAxis::Names(columns.iter().map(Column::name).collect()),
        y_range: Some(lowest(&traces)..1.09),
        reference,
        regions: regions(&columns),
        traces,
    };
    let rises =
        [lines("seen tasks", 0, &|run| run.seen.improvement.mean), lines("unseen tasks", 1, &unseen_rise)];
    let accuracies = [
        lines("seen tasks, no example", 3, &|run| run.seen.first.mean),
        lines("seen tasks, last 10", 0, &|run| run.seen.last_10.mean),
        lines("unseen tasks, last 10", 1, &|run| run.unseen.last_10.mean),
    ];
    let chance = Some((runs[0].chance, "chance".to_string()));
    let losses = lines("meta-training batches", 4, &|run| run.summary.final_loss);
    let most = losses.iter().flat_map(|trace| &trace.points).map(|&(_, y)| y).fold(0.0, f64::max);
    let final_loss = Chart {
        y_range: Some(0.0..1.1 * most.max(0.1)),
        ..chart("Loss at the end of meta-training", "cross-entropy, nats", losses.to_vec(), None)
    };
    let figure = Panels {
        title: "Learning within an episode, by number of tasks; a dot a seed".into(),
        columns: 2,
        charts: vec![
            chart("Rise from no example to the last 10", "rise in accuracy", rises.concat(), None),
            chart("Accuracy", "accuracy", accuracies.concat(), chance),
            final_loss,
        ],
    };
    Ok(Made {
        tables: vec![("", table(runs))],
        picture: Picture::Panels(figure),
        checks: vec![regimes(&columns), bimodal(&columns)],
    })
}

/// Neighbouring numbers of tasks with one outcome share a ground.
fn regions(columns: &[Column<'_>]) -> Vec<Region> {
    let mut regions: Vec<Region> = Vec::new();
    let mut last = None;
    for (x, column) in columns.iter().enumerate() {
        let (x, rank) = (x as f64, rank(column.outcome));
        if last == Some(rank) {
            regions.last_mut().expect("there is one before").x.end = x + 0.5;
        } else {
            let label = ["none", "memorises", "identifies", "learns"][rank].into();
            regions.push(Region { x: x - 0.5..x + 0.5, label, color: OUTCOME_COLORS[rank] });
        }
        last = Some(rank);
    }
    regions
}

fn regimes(columns: &[Column<'_>]) -> Check {
    let outcomes: Vec<Option<Outcome>> = columns.iter().map(Column::agreed).collect();
    let found = columns.iter().zip(&outcomes).map(|(column, outcome)| {
        let outcome = outcome.map_or("seeds differ", |outcome| OUTCOMES[rank(outcome)]);
        let visits =
            visits(&column.runs).map_or(String::new(), |visits| format!(" ({visits} visits a task)"));
        format!("{}{visits}: {outcome}", column.name())
    });
    Check::new(
        "With the number of tasks, meta-training passes from task memorisation over task identification to general \
         learning-to-learn.",
        IN_ORDER,
        found.collect::<Vec<_>>().join(", "),
        in_order(&outcomes),
    )
}

/// The part of the largest mean rise that a rise between learning and not learning has.
const BETWEEN: RangeInclusive<f64> = 0.25..=0.75;

fn bimodal(columns: &[Column<'_>]) -> Check {
    let paper = "At the transition the solutions are bimodal: seeds learn in general, or do not, and little lies between.";
    let rule = "at the numbers of tasks whose mean rise on unseen tasks lies between a quarter and three quarters of the \
        largest mean rise, less than half of the runs rise by so much themselves, with all of Wilson's 95% interval, and at \
        one of them the seeds' rises fall into two clusters (p below 0.05 over their number; the largest gap with two seeds \
        on either side, over the range, against draws with one hump); it is refuted where all of Wilson's interval is above half";
    let rise = |column: &Column<'_>| mean(&column.values(unseen_rise));
    let best = columns.iter().map(rise).fold(f64::NEG_INFINITY, f64::max);
    let between = |rise: f64| best > 0.0 && BETWEEN.contains(&(rise / best));
    // One seed is its own mean.
    let several = columns.iter().filter(|column| column.runs.len() > 1);
    let at: Vec<&Column<'_>> = several.filter(|column| between(rise(column))).collect();
    let rises: Vec<f64> = at.iter().flat_map(|column| column.values(unseen_rise)).collect();
    if rises.is_empty() {
        let found = format!(
            "no number of tasks with several seeds is at the transition; largest mean rise {best:.2}"
        );
        return Check::new(paper, rule, found, None);
    }
    let count = rises.iter().filter(|rise| between(**rise)).count();
    let part = Interval::wilson(count, rises.len());
    let clusters: Vec<Option<f64>> =
        at.iter().map(|column| two_clusters(&column.values(unseen_rise))).collect();
    let listed = at.iter().zip(&clusters).map(|(column, clusters)| {
        let mut rises = column.values(unseen_rise);
        rises.sort_by(f64::total_cmp);
        let rises: Vec<String> = rises.iter().map(|rise| format!("{rise:.2}")).collect();
        let p = clusters.map_or(String::new(), |p| format!(" (two clusters: p = {p:.3})"));
        format!("at {} tasks rises of {}{p}", column.name(), rises.join(", "))
    });
    let two = clusters.iter().flatten().any(|p| *p < 0.05 / at.len() as f64);
    let found = format!(
        "{}; largest mean rise {best:.2}; {count} of {} between, {}",
        listed.collect::<Vec<_>>().join("; "),
        rises.len(),
        written(part),
    );
    let holds = less_than(part, 0.5).filter(|few| two || !few);
    Check::new(paper, rule, found, holds)
}

#[cfg(test)]
mod tests {
    use super::super::runs::toy;
    use super::*;

    /// A run at 2^`power` tasks; `learns` where it learns in general.
    fn run(power: u32, seed: u32, learns: f64) -> Run {
        let settings = [format!("tasks.count=2^{power}"), format!("seed={seed}")];
        let (seen, unseen) = match power {
            0..=2 => ((0.9, 0.95), (0.1, 0.1)),
            3..=6 => ((0.2, 0.9), (0.1, 0.1)),
            _ => ((0.1, 0.8), (0.1, 0.1 + learns)),
        };
        toy::run("", &settings.each_ref().map(String::as_str), seen, unseen)
    }

    fn holds(runs: &[Run]) -> Vec<Option<bool>> {
        make(runs).unwrap().checks.iter().map(|check| check.holds).collect()
    }

    /// Six seeds at each number of tasks, with these rises at the transition.
    fn all(at_eight: [f64; 6]) -> Vec<Run> {
        let runs = [0, 2, 4, 6].into_iter().flat_map(|power| (0..6).map(move |seed| run(power, seed, 0.0)));
        let parting = at_eight.into_iter().zip(0..).map(|(learns, seed)| run(8, seed, learns));
        runs.chain(parting).chain((0..6).map(|seed| run(12, seed, 0.7))).collect()
    }

    #[test]
    fn regimes_in_order_and_seeds_that_part_are_recognised() {
        assert_eq!(holds(&all([0.0, 0.6, 0.65, 0.0, 0.02, 0.62])), [Some(true), Some(true)]);
        let between = all([0.2, 0.25, 0.3, 0.35, 0.3, 0.28]);
        assert_eq!(holds(&between), [Some(true), Some(false)]);
        assert_eq!(holds(&all([0.0, 0.6, 0.3, 0.0, 0.25, 0.62]))[1], None, "two of six between");
        assert_eq!(holds(&all([0.6; 6])), [Some(true), None], "no number of tasks at the transition");
        // Six seeds can tell that little lies between, three cannot.
        let three: Vec<Run> =
            all([0.0, 0.6, 0.65, 0.0, 0.0, 0.0]).into_iter().filter(|run| run.config.seed < 3).collect();
        assert_eq!(holds(&three), [Some(true), None]);
    }

    #[test]
    fn regimes_that_one_seed_has_or_seeds_differ_on_cannot_be_told() {
        let one: Vec<Run> = [0, 4, 12].map(|power| run(power, 0, 0.7)).to_vec();
        assert_eq!(holds(&one), [None, None]);
        let never: Vec<Run> =
            all([0.0; 6]).into_iter().filter(|run| run.unseen.improvement.mean < 0.1).collect();
        assert_eq!(holds(&never)[0], Some(false), "never general");
        let mut back = all([0.7; 6]);
        back.extend((0..6).map(|seed| run(5, seed, 0.0)).map(|mut run| {
            run.config.tasks.count = TaskCount::Finite(1 << 14);
            run
        }));
        assert_eq!(holds(&back)[0], Some(false), "a step back");
    }

    #[test]
    fn visits_stand_beside_the_numbers_of_tasks() {
        let made = make(&all([0.6; 6])).unwrap();
        assert!(
            made.checks[0].found.starts_with("2^0 (16000 visits a task): task memorisation, 2^2 (4000"),
            "{}",
            made.checks[0].found
        );
        let Picture::Panels(figure) = &made.picture else { panic!("panels") };
        assert_eq!(figure.charts[0].x_label, "number of tasks, each drawn 16000 to 3.91 times");
    }

    #[test]
    fn regions_join_what_belongs_together() {
        let runs: Vec<Run> = [0, 2, 4, 12].map(|power| run(power, 0, 0.7)).to_vec();
        let labels: Vec<(String, f64)> =
            regions(&Column::all(&runs)).into_iter().map(|region| (region.label, region.x.end)).collect();
        assert_eq!(labels, [("memorises".into(), 1.5), ("identifies".into(), 2.5), ("learns".into(), 3.5)]);
    }
}
