//! Biasing the label permutations against the plateau, and taking the bias away again (paper, figure 8).

use super::interventions::{Group, Measure, SHORTER_RULE, shorter};
use super::runs::{Run, gain, losses_table, mean_line, over_runs, over_seeds, table};
use super::verdict::{BY_INTERVAL, Check, all, at_least, every_seed, less_than, written};
use super::{Made, Picture};
use crate::figures::panels::{Chart, Panels, Style, Trace, XAxis};
use gpicl::Result;
use gpicl::eval::{OutcomeRule, Part, Plateau};

/// Loss, accuracy on unseen tasks, plateau length and final accuracy of every bias.
pub(super) fn make(runs: &[Run]) -> Result<Made> {
    let groups = Group::all(runs);
    let measure = Measure::of(runs);
    let lines = |of: &dyn Fn(&Run) -> Vec<(f64, f64)>| {
        let line = |(color, group): (usize, &Group<'_>)| Trace {
            label: group.label(),
            color,
            points: mean_line(&group.runs.iter().map(|run| of(run)).collect::<Vec<_>>()),
            ..Trace::default()
        };
        groups.iter().enumerate().map(line).collect::<Vec<_>>()
    };
    let curves = |title: &str, y_label: &str, y_range, reference, traces| Chart {
        title: title.into(),
        x_label: "meta-training steps".into(),
        y_label: y_label.into(),
        x_axis: XAxis::Numbers,
        y_range,
        reference,
        regions: Vec::new(),
        traces,
    };
    let by_group = |title: &str, y_label: &str, y_range, of: &dyn Fn(&Run) -> f64| {
        let single = |(x, group): (usize, &Group<'_>)| {
            group.values(of).into_iter().map(move |y| (x as f64, y)).collect::<Vec<_>>()
        };
        let mean = |(x, group): (usize, &Group<'_>)| (x as f64, over_seeds(&group.values(of)).mean);
        Chart {
            title: title.into(),
            x_label: String::new(),
            y_label: y_label.into(),
            x_axis: XAxis::Names(groups.iter().map(Group::label).collect()),
            y_range,
            reference: None,
            regions: Vec::new(),
            traces: vec![
                Trace {
                    points: groups.iter().enumerate().flat_map(single).collect(),
                    style: Style::Scattered,
                    ..Trace::default()
                },
                Trace {
                    points: groups.iter().enumerate().map(mean).collect(),
                    style: Style::Marks,
                    ..Trace::default()
                },
            ],
        }
    };
    let loss = |title: &str, part| {
        curves(
            title,
            "cross-entropy (nats)",
            None,
            None,
            lines(&|run| match run.config.tasks.bias {
                // Without a bias all episodes are the others.
                None if part == Part::Unbiased => run.losses(),
                _ => run.losses_of(part),
            }),
        )
    };
    let chance = Some((runs[0].chance, "chance".to_string()));
    let tests = lines(&Run::meta_tests);
    let figure = Panels {
        title: "A part of every batch with one label permutation".into(),
        columns: 2,
        charts: vec![
            loss("Loss of the episodes with the bias", Part::Biased),
            loss("Loss of the others", Part::Unbiased),
            curves("Unseen tasks, no bias", "accuracy, last 10", Some(0.0..1.0), chance, tests),
            by_group("Plateau", measure.name(), None, &|run| measure.length(run).0),
            by_group("Unseen tasks, after the last step", "accuracy, last 10", Some(0.0..1.0), &unseen),
        ],
    };
    Ok(Made {
        tables: vec![
            ("", table(runs)),
            ("_loss", losses_table(runs, &[Part::All, Part::Biased, Part::Unbiased])),
        ],
        picture: Picture::Panels(figure),
        checks: checks(&groups, measure),
    })
}

fn unseen(run: &Run) -> f64 {
    run.unseen.last_10.mean
}

fn checks(groups: &[Group<'_>], measure: Measure) -> Vec<Check> {
    let bias = |group: &Group<'_>| group.first().config.tasks.bias;
    let base = groups.iter().find(|group| bias(group).is_none());
    let part = || {
        groups
            .iter()
            .filter(|group| bias(group).is_some_and(|bias| bias.fraction < 1.0 || bias.decay.is_some()))
    };
    let scheduled = groups.iter().find(|group| bias(group).is_some_and(|bias| bias.decay.is_some()));
    let length = |group: &Group<'_>| measure.mean(group);
    let none = "there is no such run";

    let paper = "A bias of the label permutations shortens the plateau.";
    let rule = format!(
        "of the biases of a part of the batch, the one with the shortest mean plateau ({}) has one that is, against none, \
         {SHORTER_RULE}",
        measure.name()
    );
    let best = part().min_by(|a, b| length(a).total_cmp(&length(b)));
    let shortens = match (base, best) {
        (Some(base), Some(best)) => {
            let (difference, holds) = shorter(&best.runs, &base.runs, measure);
            let found = format!(
                "{}: {:.0}, {}: {:.0}; {difference} (steps until the loss of the batches falls: {:.0}, {:.0})",
                best.label(),
                length(best),
                base.label(),
                length(base),
                best.mean(Run::plateau),
                base.mean(Run::plateau),
            );
            Check::new(paper, rule, found, holds)
        }
        _ => Check::new(paper, rule, none, None),
    };

    let paper = "Under a heavy bias the shared permutation is memorised first, and generalising follows.";
    let rule = "of the heaviest constant bias of a part of the batch, under every seed the loss of the episodes with the bias leaves \
        its plateau before that of the others does, by more than a line of the log, and that does before the last step; it is \
        refuted where under every seed the others are first by as much";
    let constant = |group: &&Group<'_>| bias(group).is_some_and(|bias| bias.decay.is_none());
    let fraction = |group: &Group<'_>| bias(group).map_or(0.0, |bias| bias.fraction);
    let heaviest = part().filter(constant).max_by(|a, b| fraction(a).total_cmp(&fraction(b)));
    let memorises = match heaviest {
        Some(heaviest) => {
            let (found, holds) = first_biased(&heaviest.runs);
            Check::new(paper, rule, format!("{}: {found}", heaviest.label()), holds)
        }
        None => Check::new(paper, rule, none, None),
    };

    let rise = OutcomeRule::default().rise;
    let paper = "A bias of a part of the batch, or one that is taken away again, generalises in the end.";
    let rule = format!(
        "accuracy on unseen tasks after the last step is at least {rise} above chance, {BY_INTERVAL}, and at most 0.05 below that \
         without a bias, with all of the 95% interval of the difference; of the schedule, else of the best bias"
    );
    let ends = scheduled.or_else(|| part().max_by(|a, b| a.mean(unseen).total_cmp(&b.mean(unseen))));
    let keeps = match (base, ends) {
        (Some(base), Some(ends)) => {
            let (without, with) = (base.mean(unseen), ends.mean(unseen));
            let lost = gain(&base.runs, &ends.runs, |run| run.unseen.last_10);
            let chance = ends.first().chance;
            let gained = over_runs(&ends.intervals(|run| run.unseen.last_10)).map(|at| at.shifted(-chance));
            let found = format!(
                "{}: {with:.2}, {} above chance; {}: {without:.2}; lost {}",
                ends.label(),
                written(gained),
                base.label(),
                written(lost)
            );
            Check::new(paper, rule, found, all([at_least(gained, rise), less_than(lost, 0.05)]))
        }
        _ => Check::new(paper, rule, none, None),
    };
    vec![shortens, memorises, keeps]
}

/// Whether under every seed the loss of biased episodes falls first and that of the others follows.
fn first_biased(runs: &[&Run]) -> (String, Option<bool>) {
    let both = |run: &&Run| Some((run.summary.biased_plateau?, run.summary.unbiased_plateau?));
    let both: Vec<(Plateau, Plateau)> = runs.iter().filter_map(both).collect();
    // The end of a plateau is known no better than from one line to the next.
    let line = runs.iter().map(|run| run.config.train.log_every).max().unwrap_or_default();
    let first = |(biased, others): &(Plateau, Plateau)| match others.length.abs_diff(biased.length) > line {
        // One that was never left is longer than it counts: nothing followed, so far.
        true if others.length > biased.length => others.left_at.map(|_| true),
        true => Some(false),
        false => None,
    };
    let steps = both.iter().map(|(biased, others)| {
        let never = if others.left_at.is_none() { " (never)" } else { "" };
        format!("{} and {}{never}", biased.length, others.length)
    });
    let steps = steps.collect::<Vec<_>>().join(", ");
    let holds = both.iter().map(first).collect::<Option<Vec<bool>>>().and_then(every_seed);
    (format!("{steps} steps with the bias and without, each seed"), holds)
}

#[cfg(test)]
mod tests {
    use super::super::runs::toy;
    use super::*;

    fn run(name: &str, bias: &str, length: u64, unseen: f64) -> Run {
        let mut settings = vec!["eval.every=10"];
        settings.extend((!bias.is_empty()).then_some(bias));
        toy::run(name, &settings, (0.1, 0.8), (0.1, unseen)).plateau_of(length, true)
    }

    fn plateau(length: u64) -> Option<Plateau> {
        Some(Plateau { length, left_at: Some(length), level: 2.3 })
    }

    /// With the plateaus of both parts of its batches.
    fn parts(mut run: Run, biased: u64, others: u64) -> Run {
        (run.summary.biased_plateau, run.summary.unbiased_plateau) = (plateau(biased), plateau(others));
        run
    }

    /// Under two seeds, which differ a little.
    fn seeds(runs: impl IntoIterator<Item = Run>) -> Vec<Run> {
        let length = |run: &Run| run.summary.plateau.map_or(0, |plateau| plateau.length);
        let both = |run: Run| [run.clone().plateau_of(length(&run) + 10, true).seeded(1), run];
        runs.into_iter().flat_map(both).collect()
    }

    fn holds(half: (u64, f64), schedule: f64) -> Vec<Option<bool>> {
        let runs = [
            run("none", "", 400, 0.7),
            parts(run("bias-0.5", "tasks.bias={ fraction = 0.5 }", half.0, half.1), 100, half.0),
            run("bias-1", "tasks.bias={ fraction = 1.0 }", 50, 0.12),
            run(
                "falling",
                "tasks.bias={ fraction = 0.5, decay = { to = 0.0, start = 1, end = 9 } }",
                380,
                schedule,
            ),
        ];
        make(&seeds(runs)).unwrap().checks.iter().map(|check| check.holds).collect()
    }

    #[test]
    fn the_paper_s_bias_is_recognised_and_others_are_not() {
        assert_eq!(holds((150, 0.7), 0.7), [Some(true); 3]);
        assert_eq!(holds((390, 0.7), 0.3), [Some(false), Some(true), Some(false)]);
        assert_eq!(holds((60, 0.7), 0.7)[1], Some(false), "the others first");
        assert_eq!(holds((105, 0.7), 0.7)[1], None, "no more than a line apart");
        let never = |holds: Vec<Run>| make(&seeds(holds)).unwrap().checks[1].holds;
        let mut run = parts(run("bias-0.5", "tasks.bias={ fraction = 0.5 }", 150, 0.7), 100, 900);
        run.summary.unbiased_plateau =
            Some(Plateau { left_at: None, ..run.summary.unbiased_plateau.unwrap() });
        assert_eq!(never(vec![run]), None, "nothing followed");
    }

    #[test]
    fn what_ends_at_chance_does_not_generalise() {
        let runs = [run("none", "", 400, 0.12), run("bias-0.5", "tasks.bias={ fraction = 0.5 }", 400, 0.12)];
        assert_eq!(make(&seeds(runs)).unwrap().checks[2].holds, Some(false), "though it loses nothing");
        let runs = [run("none", "", 400, 0.7)];
        let found: Vec<_> = make(&runs).unwrap().checks.iter().map(|check| check.holds).collect();
        assert_eq!(found, [None; 3]);
    }
}
