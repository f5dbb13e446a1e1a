//! Accuracy against state size and against parameters, over all architectures (paper, figure 5).

use super::interventions::Group;
use super::runs::{Run, over_seeds, table};
use super::verdict::Check;
use super::{Made, Picture};
use crate::figures::scatter::{Panel, Point, Scatter};
use gpicl::Result;
use gpicl::eval::spearman;

/// A point an architecture, against either size.
pub(super) fn make(runs: &[Run]) -> Result<Made> {
    let groups = Group::all(runs);
    let state = |group: &Group<'_>| group.first().summary.state_size as f64;
    let params = |group: &Group<'_>| group.first().summary.num_params as f64;
    // A learner without a state, such as an MLP, is at chance by construction: it says nothing about state sizes.
    let ranked: Vec<&Group<'_>> = groups.iter().filter(|group| state(group) > 0.0).collect();
    let accuracy: Vec<f64> = ranked.iter().map(|group| group.mean(unseen)).collect();
    let rho = |size: &dyn Fn(&Group<'_>) -> f64| {
        spearman(&ranked.iter().map(|group| size(group)).collect::<Vec<_>>(), &accuracy)
    };
    let panel = |name: &str, x_label: &str, size: &dyn Fn(&Group<'_>) -> f64| Panel {
        title: format!(
            "{name}: rank correlation {} over {} of {}",
            written(rho(size)),
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
            matters_more(rho(&state), rho(&params), ranked.len()),
        ],
    })
}

fn unseen(run: &Run) -> f64 {
    run.unseen.last_10.mean
}

fn written(rho: Option<f64>) -> String {
    rho.map_or("not defined".into(), |rho| format!("{rho:.2}"))
}

/// Fewer points say nothing about ranks.
const POINTS: usize = 5;

fn matters(state: Option<f64>, points: usize) -> Check {
    let found = format!("{} over {points} models", written(state));
    let holds = (points >= POINTS).then_some(state.is_some_and(|rho| rho >= 0.5));
    Check::new(
        "The accuracy of the learners is bounded by their state size.",
        "the rank correlation of accuracy on unseen tasks with state size, over the models, is at least 0.5",
        found,
        holds,
    )
}

fn matters_more(state: Option<f64>, params: Option<f64>, points: usize) -> Check {
    let holds = (points >= POINTS).then(|| state.unwrap_or(0.0) > params.unwrap_or(0.0));
    Check::new(
        "State size matters more than the number of parameters.",
        "the rank correlation of accuracy on unseen tasks with state size is above that with parameters",
        format!("state size {}, parameters {}", written(state), written(params)),
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
        let state = [(5, 500, 0.1), (10, 400, 0.2), (100, 300, 0.4), (1000, 200, 0.6), (9000, 450, 0.8)];
        assert_eq!(holds(&state), [Some(true), Some(true)]);
        let mut stateless = state;
        stateless[0].0 = 0;
        assert_eq!(holds(&stateless), [None, None], "one without a state does not count");
        let params: Vec<_> = state.iter().map(|&(state, params, unseen)| (params, state, unseen)).collect();
        assert_eq!(holds(&params), [Some(false), Some(false)]);
        assert_eq!(holds(&state[..3]), [None, None], "too few");
    }
}
