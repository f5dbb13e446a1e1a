//! Features of a pretrained network on data of its domain and on others (paper, section 4.4): what they make easier, and what not.
//!
//! Runs are meta-trained on data of the network's domain; the data sets of `eval.data` are of other domains.

use super::Made;
use super::frozen_features::{drawn, is_features};
use super::interventions::Group;
use super::runs::{Run, gain, over_runs, pairs};
use super::verdict::{self, BY_INTERVAL, Check, at_least, written};
use gpicl::Result;
use gpicl::eval::Interval;

/// Accuracy that features have to win over pixels, and that they have to win more on their own domain.
const MORE: f64 = 0.05;

/// Learning curves of pixels and of features, on every data set.
pub(super) fn make(runs: &[Run]) -> Result<Made> {
    drawn(runs, "Unseen tasks, on the network's domain and on others", checks)
}

/// Accuracy at the end on unseen tasks of the run's own data set.
fn own(run: &Run) -> Interval {
    run.unseen.last_10
}

/// The same on each further data set, by the number that it has in `eval.data`.
fn others(run: &Run) -> Vec<Interval> {
    run.further().map(|curve| curve.summary().last_10).collect()
}

fn checks(groups: &[Group<'_>]) -> Vec<Check> {
    let helps = "Features of a pretrained network make learning easier on data of its domain.";
    let helps_rule = format!(
        "on its own data set mean accuracy over the last 10 positions is {MORE} above that of pixels, {BY_INTERVAL}"
    );
    let apart = "They make it domain-specific: on other data they win less, if anything.";
    let apart_rule = format!(
        "what they have over pixels is on its own data set at least {MORE} more than on each other one, {BY_INTERVAL}"
    );
    let (features, pixels): (Vec<_>, Vec<_>) = groups.iter().partition(|group| is_features(group));
    let ([features], [pixels]) = (features.as_slice(), pixels.as_slice()) else {
        let found = "it takes runs on pixels and runs on features, one of each";
        return vec![Check::new(helps, helps_rule, found, None), Check::new(apart, apart_rule, found, None)];
    };
    let won = gain(&features.runs, &pixels.runs, own);
    let found = format!(
        "{}: {:.2}, {}: {:.2}, ahead by {}",
        features.name,
        features.mean(|run| own(run).mean),
        pixels.name,
        pixels.mean(|run| own(run).mean),
        written(won)
    );
    let helps = Check::new(helps, helps_rule, found, at_least(won, MORE));

    let sets =
        groups.iter().flat_map(|group| &group.runs).map(|run| others(run).len()).min().unwrap_or_default();
    if sets == 0 {
        let found = "there are runs without another data set (eval.data)";
        return vec![helps, Check::new(apart, apart_rule, found, None)];
    }
    let on = |set: usize| {
        let more = |(with, without): (&Run, &Run)| {
            let elsewhere = others(with)[set].less(others(without)[set]);
            own(with).less(own(without)).less(elsewhere)
        };
        let more = over_runs(&pairs(&features.runs, &pixels.runs).into_iter().map(more).collect::<Vec<_>>());
        let won = gain(&features.runs, &pixels.runs, |run| others(run)[set]);
        (won, more)
    };
    let all: Vec<(Option<Interval>, Option<Interval>)> = (0..sets).map(on).collect();
    let said: Vec<String> = all
        .iter()
        .enumerate()
        .map(|(set, (won, more))| {
            let name = features.first().further().nth(set).expect("all runs have it").label.as_str();
            let name = name.trim_start_matches("unseen tasks, ");
            format!("on {name} ahead by {}, {} less than on its own", written(*won), written(*more))
        })
        .collect();
    let holds = verdict::all(all.iter().map(|(_, more)| at_least(*more, MORE)));
    vec![helps, Check::new(apart, apart_rule, said.join("; "), holds)]
}

#[cfg(test)]
mod tests {
    use super::super::runs::toy;
    use super::*;

    /// Two seeds on pixels or features, with accuracies at the end on their own data and on others.
    fn runs(path: Option<&str>, own: f64, others: &[f64]) -> Vec<Run> {
        let data = path.map(|path| format!("data={{ name = 'safetensors', path = '{path}' }}"));
        let settings: Vec<&str> = data.iter().map(String::as_str).collect();
        let run = |seed| {
            let mut run = toy::run(path.unwrap_or("pixels"), &settings, (0.1, 0.8), (0.1, own)).seeded(seed);
            for (number, last) in others.iter().enumerate() {
                let label = format!("unseen tasks, other {number} test");
                run.curves.push(toy::learning_curve(&label, 0.1, *last));
            }
            run
        };
        vec![run(0), run(1)]
    }

    fn holds(pixels: (f64, &[f64]), features: (f64, &[f64])) -> Vec<Option<bool>> {
        let all =
            [runs(None, pixels.0, pixels.1), runs(Some("f.safetensors"), features.0, features.1)].concat();
        make(&all).unwrap().checks.iter().map(|check| check.holds).collect()
    }

    #[test]
    fn features_that_help_on_their_domain_alone_are_told_from_those_that_help_everywhere() {
        assert_eq!(holds((0.5, &[0.6]), (0.9, &[0.5])), [Some(true), Some(true)]);
        assert_eq!(holds((0.3, &[0.1]), (0.7, &[0.9])), [Some(true), Some(false)], "more elsewhere");
        assert_eq!(holds((0.8, &[0.8]), (0.4, &[0.1])), [Some(false), Some(true)], "none at all");
        assert_eq!(
            holds((0.3, &[0.6, 0.1]), (0.7, &[0.5, 0.9])),
            [Some(true), Some(false)],
            "each other set"
        );
        assert_eq!(holds((0.5, &[]), (0.9, &[])), [Some(true), None]);
        let alone = make(&runs(None, 0.5, &[0.5])).unwrap();
        assert!(alone.checks.iter().all(|check| check.holds.is_none()), "nothing to compare with");
    }
}
