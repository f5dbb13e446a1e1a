//! Episodes at the test longer than in meta-training: whether a learner goes on learning.

use super::interventions::Group;
use super::runs::{Run, mean, over_runs, table};
use super::verdict::{BY_INTERVAL, Check, at_least, written};
use super::{Made, Picture};
use gpicl::eval::{Interval, LearningCurve, OutcomeRule, TasksChange};
use gpicl::{Result, RunConfig};

/// The test on the longest episodes, and their length, if they are longer than meta-training's.
fn longest_test(config: &RunConfig) -> Option<(usize, TasksChange)> {
    let length = |change: &TasksChange| match *change {
        TasksChange { episode_length: Some(length), project: None, permute: None } => Some((length, *change)),
        _ => None,
    };
    let longest = config.eval.tasks.iter().filter_map(length).max_by_key(|(length, _)| *length);
    longest.filter(|(length, _)| *length > config.tasks.episode_length)
}

/// Whether a run is tested on longer episodes.
pub(super) fn tested(config: &RunConfig) -> bool {
    longest_test(config).is_some()
}

fn longest(run: &Run) -> Option<(usize, &LearningCurve)> {
    let (length, change) = longest_test(&run.config)?;
    Some((length, run.changed(change)?))
}

/// Learning curves over the longest episodes.
pub(super) fn make(runs: &[Run]) -> Result<Made> {
    let groups = Group::all(runs);
    let mut curves = Vec::new();
    for group in &groups {
        let of_all: Vec<LearningCurve> =
            group.runs.iter().filter_map(|run| Some(longest(run)?.1.clone())).collect();
        if !of_all.is_empty() {
            let mut curve = LearningCurve::together(&of_all)?;
            curve.label = group.label();
            curves.push(curve);
        }
    }
    let learned = runs[0].config.tasks.episode_length;
    Ok(Made {
        tables: vec![("", table(runs))],
        picture: Picture::Curves {
            title: format!("Longer episodes than meta-training's, which had {learned} examples"),
            chance: runs[0].chance,
            curves,
        },
        checks: groups.iter().map(goes_on).collect(),
    })
}

/// Gain that counts as having learned more.
const MORE: f64 = 0.02;

fn goes_on(group: &Group<'_>) -> Check {
    let paper = format!("It goes on learning beyond the length of its meta-training ({}).", group.label());
    let rule = format!(
        "over the last 10 positions of the longest episodes accuracy on unseen tasks is at least {MORE} above that over the \
         last 10 of episodes as long as meta-training's, {BY_INTERVAL}, as where it did not learn on those"
    );
    let all: Option<Vec<_>> = group.runs.iter().map(|run| Some((*run, longest(run)?))).collect();
    let Some(all) = all.filter(|all| !all.is_empty()) else {
        return Check::new(&paper, rule, "there is no longer test (eval.tasks)", None);
    };
    let ends: Vec<(Interval, Interval)> =
        all.iter().map(|(run, (_, curve))| (run.unseen.last_10, curve.summary().last_10)).collect();
    let more = over_runs(&ends.iter().map(|(own, longer)| longer.less(*own)).collect::<Vec<_>>());
    let mean_of = |of: &dyn Fn(&(Interval, Interval)) -> f64| mean(&ends.iter().map(of).collect::<Vec<_>>());
    let found = format!(
        "{:.2} at {}, {:.2} at {}, more by {}",
        mean_of(&|(own, _)| own.mean),
        group.first().config.tasks.episode_length,
        mean_of(&|(_, longer)| longer.mean),
        all[0].1.0,
        written(more),
    );
    let learned =
        at_least(over_runs(&group.intervals(|run| run.unseen.improvement)), OutcomeRule::default().rise);
    Check::new(&paper, rule, found, at_least(more, MORE).filter(|_| learned == Some(true)))
}

#[cfg(test)]
mod tests {
    use super::super::runs::toy;
    use super::*;

    fn seeds(name: &str, length: usize, last: f64) -> Vec<Run> {
        from(name, length, (0.7, last))
    }

    /// Of 0.7 or so at the end of their own episodes, and another accuracy at that of longer ones.
    fn from(name: &str, length: usize, (own, last): (f64, f64)) -> Vec<Run> {
        let settings = format!("eval.tasks=[{{ episode_length = {length} }}]");
        let run = |seed| {
            let mut run = toy::run(
                name,
                &["model.positions=false", "tasks.episode_length=25", &settings],
                (0.1, 0.8),
                (0.1, own),
            )
            .seeded(seed);
            let label = format!("unseen tasks (episode_length = {length}), toy test");
            run.curves.push(toy::learning_curve(&label, 0.1, last + 0.01 * seed as f64));
            run
        };
        vec![run(0), run(1), run(2)]
    }

    #[test]
    fn learners_that_go_on_are_told_from_those_that_stop() {
        let runs = [seeds("on", 100, 0.85), seeds("stops", 100, 0.6), seeds("shorter", 12, 0.9)].concat();
        let made = make(&runs).unwrap();
        let holds: Vec<_> = made.checks.iter().map(|check| check.holds).collect();
        assert_eq!(holds, [Some(true), Some(false), None]);
        assert!(made.checks[0].found.starts_with("0.70 at 25, 0.86 at 100"), "{}", made.checks[0].found);
        let nothing = make(&from("nothing", 100, (0.11, 0.11))).unwrap();
        assert_eq!(nothing.checks[0].holds, None, "it was never asked");
        let Picture::Curves { curves, .. } = made.picture else { panic!("curves") };
        assert_eq!(curves.iter().map(|curve| curve.label.as_str()).collect::<Vec<_>>(), ["on", "stops"]);
    }
}
