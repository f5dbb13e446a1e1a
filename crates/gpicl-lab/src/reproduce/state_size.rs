//! Accuracy against state size and against parameters, over all architectures (paper, figure 5).

use super::interventions::Group;
use super::runs::{Run, over_seeds, table};
use super::verdict::{Check, written};
use super::{Made, Picture};
use crate::figures::scatter::{Panel, Point, Scatter};
use gpicl::Result;
use gpicl::eval::{Interval, bootstrap, spearman};

/// A point an architecture, against either size.
pub(super) fn make(runs: &[Run]) -> Result<Made> {
    let groups = Group::all(runs);
    let state = |group: &Group<'_>| group.first().summary.state_size as f64;
    let params = |group: &Group<'_>| group.first().summary.num_params as f64;
    // A learner without a state, such as an MLP, is at chance by construction: it says nothing about state sizes.
    let ranked: Vec<&Group<'_>> = groups.iter().filter(|group| state(group) > 0.0).collect();
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
            matters(rho(&state), ranked.len()),
            matters_more(rho(&state), rho(&params), more, ranked.len()),
        ],
    })
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

fn matters(state: Option<Interval>, points: usize) -> Check {
    let found = format!("{} over {points} models", defined(state));
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
             {POINTS} models cannot tell"
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
             bootstrap interval of the difference over the models that excludes 0; fewer than {POINTS} models cannot tell"
        ),
        format!("state size {}, parameters {}, more by {}", defined(state), defined(params), defined(more)),
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
        make(&runs).unwrap().checks.iter().map(|check| check.holds).collect()
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
