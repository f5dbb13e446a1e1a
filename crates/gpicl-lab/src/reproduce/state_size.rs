//! Accuracy against state size and against parameters, over all architectures (paper, figure 5).

use super::interventions::Group;
use super::runs::{Run, correlations, gain, over_seeds, table};
use super::verdict::{BY_INTERVAL, Check, all, at_least, every_seed, written};
use super::{Made, Picture};
use crate::figures::scatter::{Panel, Point, Scatter};
use gpicl::Result;
use gpicl::eval::{Interval, bootstrap, spearman};

/// A point an architecture, against either size.
pub(super) fn make(runs: &[Run]) -> Result<Made> {
    let groups = Group::all(runs);
    let state = |group: &Group<'_>| group.first().summary.state_size as f64;
    let params = |group: &Group<'_>| group.first().summary.num_params as f64;
    // A learner without a state, such as an MLP, is at chance by construction, and one that is still on the plateau was not asked
    // for what it can hold: neither says anything about state sizes.
    let (ranked, left_out): (Vec<&Group<'_>>, Vec<&Group<'_>>) =
        groups.iter().partition(|group| state(group) > 0.0 && !group.runs.iter().any(|run| stuck(run)));
    let accuracy: Vec<f64> = ranked.iter().map(|group| group.mean(unseen)).collect();
    let of = |points: &[usize], size: &dyn Fn(&Group<'_>) -> f64| {
        let accuracy: Vec<f64> = points.iter().map(|&at| accuracy[at]).collect();
        spearman(&points.iter().map(|&at| size(ranked[at])).collect::<Vec<_>>(), &accuracy)
    };
    let rho = |size: &dyn Fn(&Group<'_>) -> f64| bootstrap(ranked.len(), |points| of(points, size));
    let more = bootstrap(ranked.len(), |points| Some(of(points, &state)? - of(points, &params)?));
    let panel = |name: &str, x_label: &str, size: &dyn Fn(&Group<'_>) -> f64| Panel {
        title: format!(
            "{name}: rank correlation {} over {} of {}",
            defined(rho(size)),
            ranked.len(),
            groups.len()
        ),
        x_label: x_label.into(),
        points: groups
            .iter()
            .map(|group| {
                let interval = over_seeds(&group.values(unseen));
                // One without a state stands at the left end: 0 has no logarithm.
                let x = size(group).max(1.0);
                Point { label: group.name.into(), x, y: [interval.mean, interval.low, interval.high] }
            })
            .collect(),
    };
    let figure = Scatter {
        title: "Accuracy on unseen tasks, mean over the last 10 positions".into(),
        y_label: "accuracy".into(),
        reference: Some((runs[0].chance, "chance".into())),
        panels: vec![
            panel("State size", "state size (numbers)", &state),
            panel("Parameters", "parameters", &params),
        ],
    };
    Ok(Made {
        tables: vec![("", table(runs))],
        picture: Picture::Scatter(figure),
        checks: vec![
            matters(rho(&state), ranked.len(), &left_out),
            matters_more(rho(&state), rho(&params), more, ranked.len()),
            at_equal_parameters(&ranked),
        ],
    })
}

/// Whether it is known to have stayed on the plateau of its loss.
fn stuck(run: &Run) -> bool {
    run.summary.plateau.is_some_and(|plateau| plateau.left_at.is_none())
}

fn unseen(run: &Run) -> f64 {
    run.unseen.last_10.mean
}

fn defined(rho: Option<Interval>) -> String {
    rho.map_or("not defined".into(), written)
}

/// Fewer models say nothing about ranks: of five in line, every sample is in line too.
const POINTS: usize = 8;
/// Least rank correlation that counts as a bound.
const BOUND: f64 = 0.5;

fn matters(state: Option<Interval>, points: usize, left_out: &[&Group<'_>]) -> Check {
    let mut found = format!("{} over {points} models", defined(state));
    if !left_out.is_empty() {
        let names: Vec<&str> = left_out.iter().map(|group| group.name).collect();
        found.push_str(&format!("; without a state or still on the plateau: {}", names.join(", ")));
    }
    let holds = match state {
        _ if points < POINTS => None,
        Some(rho) if rho.mean >= BOUND && rho.above(0.0) => Some(true),
        Some(rho) => rho.below(BOUND).then_some(false),
        None => None,
    };
    Check::new(
        "The accuracy of the learners is bounded by their state size.",
        format!(
            "the rank correlation of accuracy on unseen tasks with state size, over the models, is at least {BOUND}, with a \
             95% bootstrap interval over the models above 0; it is refuted where the interval is below {BOUND}; fewer than \
             {POINTS} models cannot tell; models that a seed left on the plateau do not count"
        ),
        found,
        holds,
    )
}

fn matters_more(
    state: Option<Interval>,
    params: Option<Interval>,
    more: Option<Interval>,
    points: usize,
) -> Check {
    let holds = match more {
        Some(more) if points >= POINTS && more.above(0.0) => Some(true),
        Some(more) if points >= POINTS && more.below(0.0) => Some(false),
        _ => None,
    };
    Check::new(
        "State size matters more than the number of parameters.",
        format!(
            "the rank correlation of accuracy on unseen tasks with state size is above that with parameters, by a 95% \
             bootstrap interval of the difference over the models that excludes 0; fewer than {POINTS} models cannot tell; models \
             that a seed left on the plateau do not count"
        ),
        format!("state size {}, parameters {}, more by {}", defined(state), defined(params), defined(more)),
        holds,
    )
}

/// Part of the parameters by which learners that count as equal may differ.
const EQUAL: f64 = 0.05;
/// Gain in accuracy that counts.
const GAIN: f64 = 0.05;

/// The learners of one architecture whose parameters are within [`EQUAL`] of the fewest of them, smallest state first: the largest such
/// family, if it has two sizes of state at least.
fn family<'a, 'b>(ranked: &[&'b Group<'a>], kind: &str) -> Option<Vec<&'b Group<'a>>> {
    let params = |group: &Group<'_>| group.first().summary.num_params as f64;
    let state = |group: &Group<'_>| group.first().summary.state_size;
    let of_kind: Vec<&Group<'_>> =
        ranked.iter().filter(|group| group.first().config.model.kind() == kind).copied().collect();
    let alike = |fewest: &&Group<'_>| -> Vec<&'b Group<'a>> {
        let within = params(fewest)..=(1.0 + EQUAL) * params(fewest);
        of_kind.iter().filter(|group| within.contains(&params(group))).copied().collect()
    };
    let mut family = of_kind.iter().map(alike).max_by_key(Vec::len)?;
    family.sort_by_key(|group| state(group));
    (state(family.first()?) < state(family.last()?)).then_some(family)
}

/// Of every architecture the learners of equal parameters whose states differ.
fn at_equal_parameters(ranked: &[&Group<'_>]) -> Check {
    let mut kinds: Vec<&str> = ranked.iter().map(|group| group.first().config.model.kind()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let (mut found, mut holds) = (Vec::new(), Vec::new());
    for kind in kinds {
        let Some(family) = family(ranked, kind) else { continue };
        let sizes: Vec<f64> = family.iter().map(|group| group.first().summary.state_size as f64).collect();
        let by_size: Vec<(f64, &[&Run])> =
            sizes.iter().zip(&family).map(|(&size, group)| (size, group.runs.as_slice())).collect();
        let each = correlations(&by_size, unseen);
        let (smallest, largest) = (family[0], family[family.len() - 1]);
        let more = gain(&largest.runs, &smallest.runs, |run| run.unseen.last_10);
        let listed =
            sizes.iter().zip(&family).map(|(size, group)| format!("{size}: {:.2}", group.mean(unseen)));
        let ranks: Vec<String> = each.iter().map(|rho| format!("{rho:.2}")).collect();
        found.push(format!(
            "{kind} {}, rank correlations {}, more by {}",
            listed.collect::<Vec<_>>().join(", "),
            ranks.join(", "),
            written(more)
        ));
        holds.push(at_least(more, GAIN));
        holds.push(every_seed(each.iter().map(|rho| *rho >= BOUND)));
    }
    let holds = if holds.is_empty() { None } else { all(holds) };
    Check::new(
        "At equal parameters a learner with a larger state is more accurate.",
        format!(
            "of every architecture that has learners within {:.0}% of parameters with states of several sizes, accuracy on unseen \
             tasks has a rank correlation of at least {BOUND} with the state under every seed, and the largest state is at least \
             {GAIN} more accurate than the smallest, {BY_INTERVAL}; models that a seed left on the plateau do not count",
            100.0 * EQUAL
        ),
        if found.is_empty() { "there are no such learners".into() } else { found.join("; ") },
        holds,
    )
}

#[cfg(test)]
mod tests {
    use super::super::runs::toy;
    use super::*;

    fn holds(points: &[(usize, usize, f64)]) -> Vec<Option<bool>> {
        let run = |(number, &(state, params, unseen)): (usize, &(usize, usize, f64))| {
            toy::run(&format!("model-{number}"), &[], (0.1, 0.8), (0.1, unseen)).sized(state, params)
        };
        let runs: Vec<Run> = points.iter().enumerate().map(run).collect();
        let checks = make(&runs).unwrap().checks;
        assert_eq!(checks[2].holds, None, "one seed of each");
        checks[..2].iter().map(|check| check.holds).collect()
    }

    #[test]
    fn at_equal_parameters_the_state_is_told_from_the_rest() {
        let seeds = |name: &str, kind: &str, size: (usize, usize), unseen: f64| {
            let run = |seed: u64| {
                let run = toy::run(name, &[kind], (0.1, 0.8), (0.1, unseen + 0.01 * seed as f64));
                run.sized(size.0, size.1).seeded(seed)
            };
            [run(0), run(1), run(2)]
        };
        let delta = "model.kind='delta-net'";
        let runs = |small: f64, large: f64| {
            [
                seeds("small", delta, (256, 1000), small),
                seeds("middle", delta, (1024, 1020), 0.5 * (small + large)),
                seeds("large", delta, (4096, 1010), large),
                seeds("wide", delta, (9000, 4000), 0.1),
                seeds("other", "model.kind='gla'", (500, 1000), 0.3),
            ]
            .concat()
        };
        let third = |runs: &[Run]| make(runs).unwrap().checks.remove(2);
        assert_eq!(third(&runs(0.3, 0.6)).holds, Some(true));
        assert_eq!(third(&runs(0.6, 0.6)).holds, Some(false));
        // Not along the way: the one in the middle is the worst.
        let mut dip = runs(0.3, 0.6);
        dip.splice(3..6, seeds("middle", delta, (1024, 1020), 0.1));
        assert_eq!(third(&dip).holds, Some(true), "one of three out of line: a rank correlation of 0.5");
        dip.splice(0..3, seeds("small", delta, (256, 1000), 0.62));
        assert_eq!(third(&dip).holds, Some(false));
        // One that never learned was not asked.
        let mut stuck = runs(0.3, 0.6);
        stuck[0] = stuck[0].clone().plateau_of(1000, false);
        let made = make(&stuck).unwrap();
        assert_eq!(made.checks[2].holds, Some(true), "two sizes are left");
        assert!(made.checks[0].found.ends_with("on the plateau: small"), "{}", made.checks[0].found);
    }

    #[test]
    fn accuracy_that_goes_with_the_state_is_recognised() {
        let state = [
            (5, 500, 0.1),
            (10, 400, 0.2),
            (50, 600, 0.3),
            (100, 300, 0.4),
            (500, 700, 0.5),
            (1000, 200, 0.6),
            (5000, 350, 0.7),
            (9000, 450, 0.8),
        ];
        assert_eq!(holds(&state), [Some(true), Some(true)]);
        let mut stateless = state;
        stateless[..4].iter_mut().for_each(|point| point.0 = 0);
        assert_eq!(holds(&stateless), [None, None], "one without a state does not count");
        let params: Vec<_> = state.iter().map(|&(state, params, unseen)| (params, state, unseen)).collect();
        assert_eq!(holds(&params), [None, Some(false)], "so few models do not refute a bound");
        assert_eq!(holds(&state[..5]), [None, None], "five in line would have an interval without a width");
        let alike: Vec<_> = state.iter().map(|&(state, params, _)| (state, params, 0.4)).collect();
        assert_eq!(holds(&alike), [None, None], "no ranks");
    }
}
