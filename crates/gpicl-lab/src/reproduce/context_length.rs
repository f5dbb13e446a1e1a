//! Accuracy by the number of examples in an episode (paper, appendix).

use super::runs::{Run, correlations, distinct, gain, mean, mean_line, over_seeds, table};
use super::verdict::{self, BY_INTERVAL, Check, at_least, every_seed, written};
use super::{Made, Picture};
use crate::figures::panels::{Chart, Panels, Style, Trace, XAxis};
use gpicl::Result;

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
    let groups: Vec<Vec<&Run>> = lengths.iter().map(|&length| of_length(length).collect()).collect();
    Ok(Made {
        tables: vec![("", table(runs))],
        picture: Picture::Panels(figure),
        checks: vec![longer_is_better(&lengths, &groups)],
    })
}

/// Accuracy on unseen tasks by examples seen.
fn unseen_curve(run: &Run) -> Vec<(f64, f64)> {
    let curve = run.curves.iter().find(|curve| curve.label.starts_with("unseen"));
    let accuracy = curve.map_or(&[][..], |curve| &curve.accuracy);
    accuracy.iter().enumerate().map(|(at, interval)| (at as f64, interval.mean)).collect()
}

fn longer_is_better(lengths: &[usize], groups: &[Vec<&Run>]) -> Check {
    let end = |run: &Run| run.unseen.last.mean;
    let mut found: Vec<String> = lengths
        .iter()
        .zip(groups)
        .map(|(length, runs)| {
            format!("{length}: {:.2}", mean(&runs.iter().map(|run| end(run)).collect::<Vec<_>>()))
        })
        .collect();
    let holds = match groups {
        [first, .., last] => {
            let gain = gain(last, first, |run| run.unseen.last);
            let groups: Vec<(f64, &[&Run])> =
                lengths.iter().zip(groups).map(|(&length, runs)| (length as f64, runs.as_slice())).collect();
            let each = correlations(&groups, end);
            let listed: Vec<String> = each.iter().map(|rho| format!("{rho:.2}")).collect();
            found.push(format!("rank correlations {}; gain {}", listed.join(", "), written(gain)));
            verdict::all([at_least(gain, 0.05), every_seed(each.iter().map(|rho| *rho >= 0.5))])
        }
        _ => None,
    };
    Check::new(
        "The learner makes use of more examples: with a longer context it ends more accurate.",
        format!(
            "over the episode lengths, accuracy on unseen tasks at the last position has a rank correlation of at least 0.5 \
             with the length under every seed, and is at least 0.05 higher for the longest than for the shortest, {BY_INTERVAL}"
        ),
        found.join(", "),
        holds,
    )
}

#[cfg(test)]
mod tests {
    use super::super::runs::toy;
    use super::*;

    fn holds(ends: [f64; 3], seeds: u64) -> Option<bool> {
        let run = |(length, end): (usize, f64)| {
            let run = toy::run("", &[&format!("tasks.episode_length={length}")], (0.1, end), (0.1, end));
            (0..seeds).map(move |seed| run.clone().seeded(seed))
        };
        let runs: Vec<Run> = [10, 50, 100].into_iter().zip(ends).flat_map(run).collect();
        make(&runs).unwrap().checks[0].holds
    }

    #[test]
    fn accuracy_that_rises_with_the_context_is_recognised() {
        assert_eq!(holds([0.3, 0.6, 0.7], 2), Some(true));
        assert_eq!(holds([0.3, 0.6, 0.7], 1), None, "one seed");
        assert_eq!(holds([0.7, 0.6, 0.3], 2), Some(false));
        assert_eq!(holds([0.5, 0.5, 0.5], 2), Some(false));
    }
}
