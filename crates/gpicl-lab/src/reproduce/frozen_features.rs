//! Meta-training on features of a frozen network instead of pixels (paper, section 4.4).
//!
//! The features are files (`data.name = "safetensors"` or `"npy"`); `gpicl data embed` makes them with a network of
//! one's own. At cpu scale the program makes them by itself ([`super::frozen_network`]).

use std::path::Path;

use super::frozen_network::Frozen;
use super::interventions::Group;
use super::runs::{Run, gain, over_runs, table};
use super::verdict::{self, BY_INTERVAL, Check, at_least, written};
use super::{Made, Picture};
use gpicl::Result;
use gpicl::eval::{Interval, LearningCurve, OutcomeRule};

/// Learning curves on unseen tasks, of pixels and of features.
pub(super) fn make(runs: &[Run]) -> Result<Made> {
    drawn(runs, "Unseen tasks, made of pixels and of frozen features", checks)
}

/// The figure of runs on pixels and on features, with their curves on every data set.
pub(super) fn drawn(runs: &[Run], title: &str, checks: fn(&[Group<'_>]) -> Vec<Check>) -> Result<Made> {
    let groups = Group::all(runs);
    Ok(Made {
        tables: vec![("", table(runs))],
        checks: checks(&groups),
        picture: Picture::Curves { title: title.into(), chance: runs[0].chance, curves: curves(&groups)? },
    })
}

/// The curves of each group on unseen tasks of its own data set and of every further one, over its seeds.
fn curves(groups: &[Group<'_>]) -> Result<Vec<LearningCurve>> {
    let mut curves = Vec::new();
    for group in groups {
        let own = group.first().curves.iter().find(|curve| curve.label.starts_with("unseen"));
        let sets = own.into_iter().chain(group.first().further());
        for set in sets.map(|curve| &curve.label) {
            let of = |run: &&Run| run.curves.iter().find(|curve| curve.label == *set).cloned();
            let mut curve = LearningCurve::together(&group.runs.iter().filter_map(of).collect::<Vec<_>>())?;
            curve.label = format!("{}: {}", group.name, set.trim_start_matches("unseen tasks, "));
            curves.push(curve);
        }
    }
    Ok(curves)
}

fn checks(groups: &[Group<'_>]) -> Vec<Check> {
    let rise = OutcomeRule::default().rise;
    let learns = groups.iter().filter(|group| is_features(group)).map(|group| {
        let (first, last) =
            (group.mean(|run| run.unseen.first.mean), group.mean(|run| run.unseen.last_10.mean));
        let improvement = over_runs(&group.intervals(|run| run.unseen.improvement));
        Check::new(
            &format!("Meta-training on features of a frozen network learns to learn ({}).", group.name),
            format!(
                "mean accuracy on unseen tasks over the last 10 positions is at least {rise} above the first, {BY_INTERVAL}"
            ),
            format!("{first:.2} to {last:.2}, rise {}", written(improvement)),
            at_least(improvement, rise),
        )
    });
    let mut checks: Vec<Check> = learns.collect();
    checks.push(pretraining_helps(groups));
    checks
}

/// Whether a group's inputs are features of a network.
pub(super) fn is_features(group: &Group<'_>) -> bool {
    matches!(group.first().config.data.name.as_str(), "safetensors" | "npy" | "npz")
}

fn is_pretrained(group: &Group<'_>) -> bool {
    let path = group.first().config.data.path.as_deref().unwrap_or(Path::new(""));
    is_features(group) && !path.components().any(|part| part.as_os_str() == Frozen::Random.name())
}

fn pretraining_helps(groups: &[Group<'_>]) -> Check {
    let paper = "With features of a pretrained network the learner generalises further, to data sets that pixels do not \
        reach.";
    let rule = format!(
        "on the last unseen data set, mean accuracy over the last 10 positions is at least 0.05 higher for pretrained \
         features than for pixels and for every other features, {BY_INTERVAL}"
    );
    let further = |run: &Run| run.further().last().map(|curve| curve.summary().last_10);
    if groups.iter().flat_map(|group| &group.runs).any(|run| further(run).is_none()) {
        return Check::new(paper, rule, "there are runs without a further data set (eval.data)", None);
    }
    let last = |run: &Run| further(run).expect("every run has one");
    let (pretrained, others): (Vec<_>, Vec<_>) = groups.iter().partition(|group| is_pretrained(group));
    let pixels = others.iter().any(|group| !is_features(group));
    match pretrained.first() {
        Some(features) if pixels => {
            let gains: Vec<(Option<Interval>, &str)> =
                others.iter().map(|group| (gain(&features.runs, &group.runs, last), group.name)).collect();
            let list: Vec<String> =
                gains.iter().map(|(gain, name)| format!("over {name} by {}", written(*gain))).collect();
            let mean = features.mean(|run| last(run).mean);
            let found = format!("{}: {mean:.2}, {}", features.name, list.join(", "));
            let holds = verdict::all(gains.iter().map(|(gain, _)| at_least(*gain, 0.05)));
            Check::new(paper, rule, found, holds)
        }
        _ => Check::new(paper, rule, "there are no runs on pretrained features and on pixels", None),
    }
}

#[cfg(test)]
mod tests {
    use super::super::runs::toy;
    use super::*;

    #[test]
    fn pretrained_features_that_help_are_recognised_and_random_ones_cannot_tell() {
        let further = |run: Run, last: f64| {
            let mut run = run;
            run.curves.push(toy::learning_curve("unseen tasks, other test", 0.1, last));
            run
        };
        let pixels = || further(toy::run("pixels", &[], (0.1, 0.8), (0.1, 0.5)), 0.5);
        let alone = |path: &str, unseen: f64| {
            let data = format!("data={{ name = 'safetensors', path = '{path}' }}");
            toy::run(path, &[&data], (0.1, 0.8), (0.1, unseen))
        };
        let features = |path: &str, unseen: f64| further(alone(path, unseen), unseen);
        let one_seed =
            |runs: &[Run]| make(runs).unwrap().checks.iter().map(|check| check.holds).collect::<Vec<_>>();
        // Seeds that agree are as sure as their 100 episodes.
        let holds = |runs: &[Run]| {
            let seeds = |run: &Run| [run.clone(), run.clone().seeded(1)];
            one_seed(&runs.iter().flat_map(seeds).collect::<Vec<_>>())
        };
        let better = [pixels(), features("resnet.safetensors", 0.7)];
        assert_eq!(holds(&better), [Some(true), Some(true)]);
        assert_eq!(one_seed(&better), [None, None], "one seed");
        assert_eq!(holds(&[pixels(), features("resnet.safetensors", 0.12)]), [Some(false), Some(false)]);
        let random = |unseen| features("o/random-features/g.safetensors", unseen);
        assert_eq!(holds(&[pixels(), random(0.7)]), [Some(true), None]);
        // Features that chance gives as well are no gain of pretraining; 100 episodes cannot tell 0.7 from 0.68.
        let with_random = |unseen| holds(&[pixels(), features("resnet.safetensors", 0.7), random(unseen)]);
        assert_eq!(with_random(0.85), [Some(true), Some(true), Some(false)]);
        assert_eq!(with_random(0.68), [Some(true), Some(true), None]);
        // Held-out examples of the meta-training set are no further set, nor are those that it was meta-trained on.
        let own = alone("resnet.safetensors", 0.7);
        assert_eq!(own.curves[2].label, "unseen tasks, toy train");
        assert_eq!(holds(&[pixels(), own]), [Some(true), None]);
    }
}
