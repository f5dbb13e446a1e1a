//! Accuracy by the number of examples in an episode (paper, appendix).

use super::runs::{Run, distinct, gain, mean, mean_line, over_seeds, table};
use super::verdict::{BY_INTERVAL, Check, at_least, written};
use super::{Made, Picture};
use crate::figures::panels::{Chart, Panels, Style, Trace, XAxis};
use gpicl::Result;
use gpicl::eval::{Interval, spearman};

/// Learning curves of every episode length, and where they end.
pub(super) fn make(runs: &[Run]) -> Result<Made> {
    let lengths = distinct(runs, |run| run.config.tasks.episode_length);
    let of_length = |length: usize| runs.iter().filter(move |run| run.config.tasks.episode_length == length);
    let curve = |(color, &length): (usize, &usize)| Trace {
        label: format!("{length} examples"),
        color,
        points: mean_line(&of_length(length).map(unseen_curve).collect::<Vec<_>>()),
        ..Trace::default()
    };
    let lines = |label: &str, color: usize, of: &dyn Fn(&Run) -> f64| {
        let intervals: Vec<_> = lengths
            .iter()
            .map(|&length| over_seeds(&of_length(length).map(of).collect::<Vec<_>>()))
            .collect();
        Trace {
            label: label.into(),
            color,
            points: intervals.iter().enumerate().map(|(x, interval)| (x as f64, interval.mean)).collect(),
            intervals: intervals.iter().map(|interval| (interval.low, interval.high)).collect(),
            style: Style::Dots,
        }
    };
    let chart = |title: &str, x_label: &str, x_axis, traces| Chart {
        title: title.into(),
        x_label: x_label.into(),
        y_label: "accuracy".into(),
        x_axis,
        y_range: Some(0.0..1.0),
        reference: Some((runs[0].chance, "chance".into())),
        regions: Vec::new(),
        traces,
    };
    let figure = Panels {
        title: "Meta-training with episodes of several lengths".into(),
        columns: 2,
        charts: vec![
            chart(
                "Unseen tasks",
                "examples seen",
                XAxis::Numbers,
                lengths.iter().enumerate().map(curve).collect(),
            ),
            chart(
                "After all examples but one",
                "examples in an episode",
                XAxis::Names(lengths.iter().map(usize::to_string).collect()),
                vec![
                    lines("seen tasks", 0, &|run| run.seen.last.mean),
                    lines("unseen tasks", 1, &|run| run.unseen.last.mean),
                ],
            ),
        ],
    };
    let ends: Vec<Vec<Interval>> =
        lengths.iter().map(|&length| of_length(length).map(|run| run.unseen.last).collect()).collect();
    Ok(Made {
        tables: vec![("", table(runs))],
        picture: Picture::Panels(figure),
        checks: vec![longer_is_better(&lengths, &ends)],
    })
}

/// Accuracy on unseen tasks by examples seen.
fn unseen_curve(run: &Run) -> Vec<(f64, f64)> {
    let curve = run.curves.iter().find(|curve| curve.label.starts_with("unseen"));
    let accuracy = curve.map_or(&[][..], |curve| &curve.accuracy);
    accuracy.iter().enumerate().map(|(at, interval)| (at as f64, interval.mean)).collect()
}

fn longer_is_better(lengths: &[usize], ends: &[Vec<Interval>]) -> Check {
    let x: Vec<f64> = lengths.iter().map(|&length| length as f64).collect();
    let of = |end: &Vec<Interval>| mean(&end.iter().map(|interval| interval.mean).collect::<Vec<_>>());
    let means: Vec<f64> = ends.iter().map(of).collect();
    let rho = spearman(&x, &means);
    let mut found: Vec<String> =
        lengths.iter().zip(&means).map(|(length, end)| format!("{length}: {end:.2}")).collect();
    let holds = match ends {
        [first, .., last] => {
            let gain = gain(last, first);
            found.push(format!("gain {}", written(&gain)));
            let rises = rho.is_some_and(|rho| rho >= 0.5);
            at_least(&gain, 0.05).map(|longer| longer && rises)
        }
        _ => None,
    };
    Check::new(
        "The learner makes use of more examples: with a longer context it ends more accurate.",
        format!(
            "over the episode lengths, mean accuracy on unseen tasks at the last position has a rank correlation of at \
             least 0.5 with the length, and is at least 0.05 higher for the longest than for the shortest, {BY_INTERVAL}"
        ),
        found.join(", "),
        holds,
    )
}

#[cfg(test)]
mod tests {
    use super::super::runs::toy;
    use super::*;

    fn holds(ends: [f64; 3]) -> Option<bool> {
        let run = |(length, end): (usize, f64)| {
            toy::run("", &[&format!("tasks.episode_length={length}")], (0.1, end), (0.1, end))
        };
        let runs: Vec<Run> = [10, 50, 100].into_iter().zip(ends).map(run).collect();
        make(&runs).unwrap().checks[0].holds
    }

    #[test]
    fn accuracy_that_rises_with_the_context_is_recognised() {
        assert_eq!(holds([0.3, 0.6, 0.7]), Some(true));
        assert_eq!(holds([0.7, 0.6, 0.3]), Some(false));
        assert_eq!(holds([0.5, 0.5, 0.5]), Some(false));
    }
}
