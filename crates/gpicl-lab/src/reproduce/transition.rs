//! What is learned within an episode, by the number of tasks, over several seeds (paper, section 4.1).

use super::runs::{OUTCOME_COLORS, OUTCOMES, Run, distinct, mean, middle, over_seeds, rank, table, tasks};
use super::verdict::Check;
use super::{Made, Picture};
use crate::figures::panels::{Chart, Panels, Region, Style, Trace, XAxis};
use gpicl::Result;
use gpicl::eval::Outcome;
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

    /// Whether some seeds learn to learn and others do not.
    fn mixed(&self) -> bool {
        let general = self.runs.iter().filter(|run| run.outcome == Outcome::GeneralLearning).count();
        general > 0 && general < self.runs.len()
    }

    /// The largest gap between the rises on unseen tasks of two seeds that are next to each other.
    fn gap(&self) -> f64 {
        let mut rises = self.values(unseen_rise);
        rises.sort_by(f64::total_cmp);
        rises.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max)
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
    let chart = |title: &str, y_label: &str, traces: Vec<Trace>, reference| Chart {
        title: title.into(),
        x_label: "number of tasks".into(),
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
    let figure = Panels {
        title: "Learning within an episode, by number of tasks; a dot a seed".into(),
        columns: 2,
        charts: vec![
            chart("Rise from no example to the last 10", "rise in accuracy", rises.concat(), None),
            chart("Accuracy", "accuracy", accuracies.concat(), chance),
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
    let ranks: Vec<usize> = columns.iter().map(|column| rank(column.outcome)).collect();
    let holds = ranks.is_sorted() && [1, 2, 3].iter().all(|rank| ranks.contains(rank));
    let found: Vec<String> = columns
        .iter()
        .map(|column| format!("{}: {}", column.name(), OUTCOMES[rank(column.outcome)]))
        .collect();
    Check::new(
        "With the number of tasks, meta-training passes from task memorisation over task identification to general \
         learning-to-learn.",
        "the median outcome over seeds never steps back from one number of tasks to the next, and all three occur",
        found.join(", "),
        (columns.len() > 2).then_some(holds),
    )
}

fn bimodal(columns: &[Column<'_>]) -> Check {
    let paper = "At the transition the solutions are bimodal: seeds learn in general, or do not, and little lies between.";
    let rule = "at some number of tasks there are seeds with and without general learning-to-learn, and a gap between \
        two neighbouring seeds' rises on unseen tasks of at least half the largest mean rise";
    let best =
        columns.iter().map(|column| mean(&column.values(unseen_rise))).fold(f64::NEG_INFINITY, f64::max);
    let widest = columns.iter().filter(|column| column.mixed()).max_by(|a, b| a.gap().total_cmp(&b.gap()));
    let seeds = columns.iter().map(|column| column.runs.len()).max().unwrap_or_default();
    if seeds < 2 {
        return Check::new(paper, rule, "there is one seed", None);
    }
    let Some(column) = widest else {
        let found = format!("at no number of tasks do the {seeds} seeds part; largest mean rise {best:.2}");
        return Check::new(paper, rule, found, Some(false));
    };
    let rises = column.values(unseen_rise);
    let interval = over_seeds(&rises);
    let rises: Vec<String> = rises.iter().map(|rise| format!("{rise:.2}")).collect();
    let found = format!(
        "at {} tasks rises of {} (mean {:.2}), widest gap {:.2}; largest mean rise {best:.2}",
        column.name(),
        rises.join(", "),
        interval.mean,
        column.gap(),
    );
    Check::new(paper, rule, found, Some(column.gap() >= 0.5 * best))
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

    #[test]
    fn regimes_in_order_and_seeds_that_part_are_recognised() {
        let all = |at_eight: [f64; 3]| {
            let runs =
                [0, 2, 4, 6].into_iter().flat_map(|power| (0..3).map(move |seed| run(power, seed, 0.0)));
            let parting = at_eight.into_iter().zip(0..).map(|(learns, seed)| run(8, seed, learns));
            let many = (0..3).map(|seed| run(12, seed, 0.7));
            runs.chain(parting).chain(many).collect::<Vec<_>>()
        };
        assert_eq!(holds(&all([0.0, 0.6, 0.65])), [Some(true), Some(true)]);
        // Everything between: no gap.
        assert_eq!(holds(&all([0.02, 0.2, 0.35]))[1], Some(false));
        // All seeds alike.
        assert_eq!(holds(&all([0.6, 0.6, 0.6])), [Some(true), Some(false)]);
        let few: Vec<Run> = [0, 4, 6].map(|power| run(power, 0, 0.0)).to_vec();
        assert_eq!(holds(&few), [Some(false), None], "never general; one seed");
    }

    #[test]
    fn regions_join_what_belongs_together() {
        let runs: Vec<Run> = [0, 2, 4, 12].map(|power| run(power, 0, 0.7)).to_vec();
        let labels: Vec<(String, f64)> =
            regions(&Column::all(&runs)).into_iter().map(|region| (region.label, region.x.end)).collect();
        assert_eq!(labels, [("memorises".into(), 1.5), ("identifies".into(), 2.5), ("learns".into(), 3.5)]);
    }
}
