//! The plateau of the meta-training loss, by batch size and by number of tasks (paper, figures 6 and 7).

use super::interventions::{Measure, SHORTER_RULE, shorter};
use super::runs::{
    Run, correlations, distinct, losses_table, mean, mean_line, most_common, over_seeds, table, tasks,
};
use super::transition::count_name;
use super::verdict::{self, Check, every_seed};
use super::{Made, Picture};
use crate::figures::panels::{Chart, Panels, Style, Trace, XAxis};
use gpicl::Result;
use gpicl::eval::{Part, PlateauRule};

/// Runs that differ in one thing, grouped by it.
struct Axis<'a> {
    label: &'static str,
    /// Value as a number for ranks, its name, its runs.
    groups: Vec<(f64, String, Vec<&'a Run>)>,
}

impl<'a> Axis<'a> {
    fn of(
        label: &'static str,
        runs: &[&'a Run],
        key: impl Fn(&Run) -> u64,
        name: impl Fn(u64) -> String,
    ) -> Self {
        let group = |value: u64| {
            let runs = runs.iter().copied().filter(|run| key(run) == value).collect();
            (value as f64, name(value), runs)
        };
        Self { label, groups: distinct(runs.iter().copied(), &key).into_iter().map(group).collect() }
    }

    /// Mean plateau length of every group.
    fn lengths(&self) -> Vec<f64> {
        let length = |runs: &[&Run]| mean(&runs.iter().map(|run| run.plateau()).collect::<Vec<_>>());
        self.groups.iter().map(|(_, _, runs)| length(runs)).collect()
    }

    fn losses(&self, classes: usize) -> Chart {
        let line = |(color, (_, name, runs)): (usize, &(f64, String, Vec<&Run>))| Trace {
            label: name.clone(),
            color,
            points: mean_line(&runs.iter().map(|run| run.losses()).collect::<Vec<_>>()),
            ..Trace::default()
        };
        let threshold = PlateauRule::default().fraction * (classes as f64).ln();
        Chart {
            title: format!("Loss, by {}", self.label),
            x_label: "meta-training steps".into(),
            y_label: "cross-entropy (nats)".into(),
            x_axis: XAxis::Numbers,
            y_range: None,
            reference: Some((threshold, "plateau left".into())),
            regions: Vec::new(),
            traces: self.groups.iter().enumerate().map(line).collect(),
        }
    }

    fn length_chart(&self) -> Chart {
        let single = |(x, (_, _, runs)): (usize, &(f64, String, Vec<&Run>))| {
            runs.iter().map(|run| (x as f64, run.plateau())).collect::<Vec<_>>()
        };
        let values = |(_, _, runs): &(f64, String, Vec<&Run>)| {
            over_seeds(&runs.iter().map(|run| run.plateau()).collect::<Vec<_>>())
        };
        let means: Vec<_> = self.groups.iter().map(values).collect();
        let top = runs_of(&self.groups).map(Run::plateau).fold(1.0, f64::max);
        Chart {
            title: format!("Plateau length, by {}", self.label),
            x_label: self.label.into(),
            y_label: "plateau length (steps)".into(),
            x_axis: XAxis::Names(self.groups.iter().map(|(_, name, _)| name.clone()).collect()),
            y_range: Some(0.0..1.1 * top),
            reference: None,
            regions: Vec::new(),
            traces: vec![
                Trace {
                    points: self.groups.iter().enumerate().flat_map(single).collect(),
                    style: Style::Scattered,
                    ..Trace::default()
                },
                Trace {
                    points: means.iter().enumerate().map(|(x, interval)| (x as f64, interval.mean)).collect(),
                    style: Style::Dots,
                    ..Trace::default()
                },
            ],
        }
    }

    /// Whether lengths rise (`sign` 1) or fall (-1) along the axis.
    fn trend(&self, paper: &str, sign: f64) -> Check {
        let (rises, longer, shorter_end) =
            if sign > 0.0 { ("at least 0.5", "last", "first") } else { ("at most -0.5", "first", "last") };
        let rule = format!(
            "the rank correlation of {} and plateau length is {rises} under every seed, and the plateau of the {shorter_end} \
             is, against the {longer}, {SHORTER_RULE}; a plateau that was never left counts with all steps",
            self.label
        );
        let named: Vec<String> = self
            .groups
            .iter()
            .zip(self.lengths())
            .map(|((_, name, runs), length)| {
                let never = runs.iter().filter(|run| !run.left_plateau()).count();
                let never = if never > 0 { format!(" (never left by {never})") } else { String::new() };
                format!("{name}: {length:.0}{never}")
            })
            .collect();
        let [(_, _, first), .., (_, _, last)] = self.groups.as_slice() else {
            return Check::new(paper, rule, named.join(", "), None);
        };
        let groups: Vec<(f64, &[&Run])> =
            self.groups.iter().map(|(value, _, runs)| (*value, runs.as_slice())).collect();
        let each = correlations(&groups, Run::plateau);
        let (with, without) = if sign > 0.0 { (first, last) } else { (last, first) };
        let (difference, holds) = shorter(with, without, Measure::Loss);
        let listed: Vec<String> = each.iter().map(|rho| format!("{rho:.2}")).collect();
        let found = format!(
            "{}; rank correlations {}; the {shorter_end} {difference}",
            named.join(", "),
            listed.join(", ")
        );
        let ranks = every_seed(each.iter().map(|rho| sign * rho >= 0.5));
        Check::new(paper, rule, found, verdict::all([ranks, holds]))
    }
}

/// All runs of an axis.
fn runs_of<'a>(groups: &'a [(f64, String, Vec<&'a Run>)]) -> impl Iterator<Item = &'a Run> {
    groups.iter().flat_map(|(_, _, runs)| runs.iter().copied())
}

/// Loss curves and plateau lengths along the batch sizes and along the numbers of tasks.
pub(super) fn make(runs: &[Run]) -> Result<Made> {
    let batches: Vec<u64> = runs.iter().map(|run| run.config.train.batch as u64).collect();
    let counts: Vec<u64> = runs.iter().map(|run| tasks(run.config.tasks.count)).collect();
    let batch = most_common(&batches).expect("there is a run");
    let count = most_common(&counts).expect("there is a run");
    let at_count: Vec<&Run> = runs.iter().filter(|run| tasks(run.config.tasks.count) == count).collect();
    let at_batch: Vec<&Run> = runs.iter().filter(|run| run.config.train.batch as u64 == batch).collect();
    let by_batch =
        Axis::of("batch size", &at_count, |run| run.config.train.batch as u64, |batch| batch.to_string());
    let by_count = Axis::of("number of tasks", &at_batch, |run| tasks(run.config.tasks.count), count_name);
    let classes = (1.0 / runs[0].chance).round() as usize;
    let figure = Panels {
        title: format!(
            "The plateau: {} tasks by batch size, batch {batch} by number of tasks",
            count_name(count)
        ),
        columns: 2,
        charts: vec![
            by_batch.losses(classes),
            by_count.losses(classes),
            by_batch.length_chart(),
            by_count.length_chart(),
        ],
    };
    let base: Vec<&Run> =
        at_count.iter().copied().filter(|run| run.config.train.batch as u64 == batch).collect();
    Ok(Made {
        tables: vec![("", table(runs)), ("_loss", losses_table(runs, &[Part::All]))],
        picture: Picture::Panels(figure),
        checks: vec![
            exists(&base, classes),
            by_batch.trend("The plateau is the shorter, the larger the batch.", -1.0),
            by_count.trend("The plateau is the longer, the more tasks there are.", 1.0),
        ],
    })
}

/// Whether there is a plateau in the first place.
fn exists(base: &[&Run], classes: usize) -> Check {
    let chance = (classes as f64).ln();
    let plateaus: Vec<(f64, f64)> = base
        .iter()
        .filter_map(|run| Some((run.plateau() / run.summary.steps as f64, run.summary.plateau?.level)))
        .collect();
    let (fractions, levels): (Vec<f64>, Vec<f64>) = plateaus.iter().copied().unzip();
    Check::new(
        "Meta-training is stuck on a plateau for long before the loss falls.",
        "at the common batch size and number of tasks, under every seed, the plateau takes up at least a tenth of the steps, \
         within a tenth of the loss of guessing; it is refuted where that is so under none",
        format!(
            "{:.0}% of the steps at {:.2} nats over {} seeds; guessing has {chance:.2}",
            100.0 * mean(&fractions),
            mean(&levels),
            plateaus.len()
        ),
        every_seed(
            plateaus.iter().map(|(part, level)| *part >= 0.1 && (level - chance).abs() <= 0.1 * chance),
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::super::runs::toy;
    use super::*;

    fn runs(length: impl Fn(u64, u32) -> u64) -> Vec<Run> {
        let run = |batch: u64, power: u32, seed: u32| {
            let settings =
                [format!("train.batch={batch}"), format!("tasks.count=2^{power}"), format!("seed={seed}")];
            let length = length(batch, power);
            toy::run("", &settings.each_ref().map(String::as_str), (0.1, 0.8), (0.1, 0.8))
                .plateau_of(length, length < 1000)
        };
        let points = [(4, 14), (16, 14), (64, 14), (16, 8), (16, 11)];
        points.iter().flat_map(|&(batch, power)| (0..2).map(move |seed| run(batch, power, seed))).collect()
    }

    fn holds(runs: &[Run]) -> Vec<Option<bool>> {
        make(runs).unwrap().checks.iter().map(|check| check.holds).collect()
    }

    #[test]
    fn lengths_that_fall_with_the_batch_and_rise_with_the_tasks_are_recognised() {
        let paper = runs(|batch, power| 4000 / batch + 20 * u64::from(power));
        assert_eq!(holds(&paper), [Some(true); 3]);
        assert_eq!(
            holds(&runs(|batch, power| 10 * batch + 20 * u64::from(14 - power))),
            [Some(true), Some(false), Some(false)]
        );
        assert_eq!(holds(&runs(|_, _| 10)), [Some(false); 3], "no plateau, no trend");
        let one: Vec<Run> = paper.iter().step_by(2).cloned().collect();
        assert_eq!(holds(&one), [None; 3], "one seed");
        assert_eq!(holds(&paper[..2])[1..], [None; 2], "one batch size, one number of tasks");
    }

    #[test]
    fn a_plateau_that_was_never_left_is_named() {
        let made = make(&runs(|batch, _| if batch == 4 { 1000 } else { 300 })).unwrap();
        assert!(
            made.checks[1].found.starts_with("4: 1000 (never left by 2), 16: 300"),
            "{}",
            made.checks[1].found
        );
        assert!(made.tables[1].1.csv().lines().count() > 10);
    }
}
