//! Accuracy by the number of examples seen, on seen and unseen tasks and data sets (paper, figure 3).

use super::runs::{Run, table};
use super::verdict::{BY_INTERVAL, Check, at_least, written};
use super::{Made, Picture};
use crate::table::Table;
use gpicl::Result;
use gpicl::eval::{LearningCurve, OutcomeRule};

/// One curve a set, over the seeds.
pub(super) fn make(runs: &[Run]) -> Result<Made> {
    let mut labels: Vec<&str> = Vec::new();
    for curve in runs.iter().flat_map(|run| &run.curves) {
        if !labels.contains(&curve.label.as_str()) {
            labels.push(&curve.label);
        }
    }
    let runs_of = |label: &str| -> Vec<LearningCurve> {
        let of = |run: &Run| run.curves.iter().find(|curve| curve.label == label).cloned();
        runs.iter().filter_map(of).collect()
    };
    let together = |label: &&str| LearningCurve::together(&runs_of(label));
    let curves = labels.iter().map(together).collect::<Result<Vec<_>>>()?;
    Ok(Made {
        tables: vec![("", positions(&curves)), ("_runs", table(runs))],
        checks: curves.iter().map(|curve| learns(curve, &runs_of(&curve.label))).collect(),
        picture: Picture::Curves {
            title: "Accuracy within an episode".into(),
            chance: runs[0].chance,
            curves,
        },
    })
}

/// A row a set and position.
fn positions(curves: &[LearningCurve]) -> Table {
    let mut table = Table::new(["set", "seeds", "examples_seen", "accuracy", "low", "high", "loss_nats"]);
    for curve in curves {
        for (position, (accuracy, loss)) in curve.accuracy.iter().zip(&curve.loss).enumerate() {
            let numbers =
                [accuracy.mean, accuracy.low, accuracy.high, *loss].map(|number| number.to_string());
            let names = [curve.label.clone(), curve.seeds.to_string(), position.to_string()];
            table.push(names.into_iter().chain(numbers));
        }
    }
    table
}

fn learns(curve: &LearningCurve, runs: &[LearningCurve]) -> Check {
    let rise = OutcomeRule::default().rise;
    let summary = curve.summary();
    // Episodes say nothing about seeds.
    let improvement = (runs.len() > 1).then_some(summary.improvement);
    Check::new(
        &format!("Accuracy rises with the examples seen on {}.", curve.label),
        format!(
            "the mean over the last 10 positions is at least {rise} above the first, {BY_INTERVAL}; over seeds and \
             episodes"
        ),
        format!("{:.2} to {:.2}, rise {}", summary.first.mean, summary.last_10.mean, written(improvement)),
        at_least(improvement, rise),
    )
}

#[cfg(test)]
mod tests {
    use super::super::runs::toy;
    use super::*;

    #[test]
    fn one_seed_cannot_tell() {
        let made = make(&[toy::run("", &[], (0.1, 0.8), (0.1, 0.7))]).unwrap();
        assert!(made.checks.iter().all(|check| check.holds.is_none()), "{:?}", made.checks);
    }

    fn holds(unseen: f64) -> Vec<Option<bool>> {
        let run = |seed: &str, shift: f64| toy::run("", &[seed], (0.1, 0.8 + shift), (0.1, unseen + shift));
        let made = make(&[run("seed=0", 0.0), run("seed=1", 0.01)]).unwrap();
        assert_eq!(made.tables[0].1.csv().lines().count(), 1 + 3 * 12, "three sets of 12 positions");
        made.checks.iter().map(|check| check.holds).collect()
    }

    #[test]
    fn a_rise_on_every_set_is_recognised_and_a_flat_curve_is_not() {
        assert_eq!(holds(0.7), [Some(true); 3]);
        assert_eq!(holds(0.12), [Some(true), Some(false), Some(false)]);
    }
}
