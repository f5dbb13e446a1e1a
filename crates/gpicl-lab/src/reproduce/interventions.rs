//! What shortens the plateau: one change at a time, ranked (paper, section 4.3).

use super::runs::{Run, losses_table, mean, names, over_seeds, table};
use super::verdict::Check;
use super::{Made, Picture};
use crate::figures::ranking::{Ranked, Ranking};
use gpicl::Result;
use gpicl::eval::Interval;

/// The seeds of one change.
pub(super) struct Group<'a> {
    pub name: &'a str,
    pub runs: Vec<&'a Run>,
}

impl<'a> Group<'a> {
    /// By the names of the list entries, in the order of the plan; the first is what the others are compared with.
    pub fn all(runs: &'a [Run]) -> Vec<Self> {
        let group = |name| Self { name, runs: runs.iter().filter(|run| run.name == name).collect() };
        names(runs).into_iter().map(group).collect()
    }

    /// For people: `batch 64` of `batch-64`.
    pub fn label(&self) -> String {
        if self.name.is_empty() { "all runs".into() } else { self.name.replacen('-', " ", 1) }
    }

    pub fn values(&self, of: impl Fn(&Run) -> f64) -> Vec<f64> {
        self.runs.iter().map(|run| of(run)).collect()
    }

    /// An interval of every seed.
    pub fn intervals(&self, of: impl Fn(&Run) -> Interval) -> Vec<Interval> {
        self.runs.iter().map(|run| of(run)).collect()
    }

    pub fn mean(&self, of: impl Fn(&Run) -> f64) -> f64 {
        mean(&self.values(of))
    }

    /// Any of the seeds: they differ in nothing else.
    pub fn first(&self) -> &'a Run {
        self.runs[0]
    }
}

/// Steps until learning generalises: the plateau of the meta-tests on unseen tasks where all runs have them, else that of
/// the training loss. Under a bias the loss falls sooner on the biased part, which says nothing about the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    Unseen,
    Loss,
}

impl Measure {
    pub fn of(runs: &[Run]) -> Self {
        if runs.iter().all(|run| run.summary.test_plateau.is_some()) { Self::Unseen } else { Self::Loss }
    }

    /// Steps, and whether the plateau was left.
    pub fn length(self, run: &Run) -> (f64, bool) {
        let plateau = match self {
            Self::Unseen => run.summary.test_plateau,
            Self::Loss => run.summary.plateau,
        };
        plateau.map_or((0.0, false), |plateau| (plateau.length as f64, plateau.left_at.is_some()))
    }

    /// Steps under every seed of a group.
    pub fn lengths(self, group: &Group<'_>) -> Vec<f64> {
        group.values(|run| self.length(run).0)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Unseen => "steps until unseen tasks are learned",
            Self::Loss => "steps until the loss falls",
        }
    }
}

/// Part of the base's plateau that has to go for a change to count as a shortening.
const SHORTER: f64 = 0.1;

/// What [`shorter`] asks for.
pub(super) const SHORTER_RULE: &str =
    "shorter by a tenth at least, and by a 95% interval of the differences, seed by seed, that is above 0";

/// Whether the lengths `with` a change are shorter than those `without`, seed by seed; not to be told if the mean is
/// and the interval is not. With what was found.
pub(super) fn shorter(with: &[f64], without: &[f64]) -> (String, Option<bool>) {
    let pairs: Vec<f64> = without.iter().zip(with).map(|(without, with)| without - with).collect();
    let enough = mean(with) <= (1.0 - SHORTER) * mean(without);
    match Interval::student(&pairs) {
        Ok(interval) if with.len() == without.len() => {
            let found =
                format!("shorter by {:.0} [{:.0}, {:.0}]", interval.mean, interval.low, interval.high);
            (found, if enough && interval.low <= 0.0 { None } else { Some(enough) })
        }
        _ => ("too few seeds for an interval".into(), if enough { None } else { Some(false) }),
    }
}

/// The changes, shortest plateau first.
pub(super) fn make(runs: &[Run]) -> Result<Made> {
    let measure = Measure::of(runs);
    let groups = Group::all(runs);
    let length = |run: &Run| measure.length(run).0;
    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.sort_by(|&a, &b| groups[a].mean(length).total_cmp(&groups[b].mean(length)));
    let row = |&at: &usize| {
        let group = &groups[at];
        let never = group.runs.iter().filter(|run| !measure.length(run).1).count();
        let value = over_seeds(&group.values(length));
        let mut remark = format!("{:.0}", value.mean);
        if never > 0 {
            remark.push_str(&format!(", never left: {never} of {}", group.runs.len()));
        }
        Ranked { label: group.label(), value, single: group.values(length), remark, base: at == 0 }
    };
    let seeds = groups.iter().map(|group| group.runs.len()).max().unwrap_or_default();
    let figure = Ranking {
        title: format!("Interventions, ranked by the length of the plateau ({seeds} seeds, 95% intervals)"),
        x_label: measure.name().into(),
        rows: order.iter().map(row).collect(),
    };
    Ok(Made {
        tables: vec![("", table(runs)), ("_loss", losses_table(runs))],
        picture: Picture::Ranking(figure),
        checks: checks(&groups, measure),
    })
}

fn checks(groups: &[Group<'_>], measure: Measure) -> Vec<Check> {
    let base = &groups[0];
    let config = &base.first().config;
    let length = |group: &Group<'_>| mean(&measure.lengths(group));
    let shortens = |paper: &str, what: &str, matches: &dyn Fn(&Run) -> bool| {
        let rule = format!(
            "of the changes with {what}, the one with the shortest mean plateau ({}) is, against the base, {SHORTER_RULE}",
            measure.name()
        );
        let changed = groups[1..].iter().filter(|group| matches(group.first()));
        let Some(best) = changed.min_by(|a, b| length(a).total_cmp(&length(b))) else {
            return Check::new(paper, rule, "there is no such run", None);
        };
        let (difference, holds) = shorter(&measure.lengths(best), &measure.lengths(base));
        let (ours, theirs) = (length(best), length(base));
        let found = format!("{}: {ours:.0}, {}: {theirs:.0}; {difference}", best.label(), base.label());
        Check::new(paper, rule, found, holds)
    };
    let batch = shortens("Larger batches shorten the plateau.", "a larger batch", &|run| {
        run.config.train.batch > config.train.batch
    });
    let bias = shortens(
        "Biasing the distribution of label permutations shortens the plateau.",
        "a bias of a part of the batch",
        &|run| run.config.tasks.bias.is_some_and(|bias| bias.fraction < 1.0),
    );
    vec![batch, bias, eps(groups, measure)]
}

/// The paper's eps is lowered below a default that limits the smallest gradients; here any two values tell.
fn eps(groups: &[Group<'_>], measure: Measure) -> Check {
    let paper =
        "A smaller eps of Adam, which scales up the plateau's small gradients more, shortens the plateau.";
    let rule = format!(
        "of the base and the changes of eps, the smallest eps has a plateau ({}) that is, against the largest, \
         {SHORTER_RULE}",
        measure.name()
    );
    let base = groups[0].first().config.train.eps;
    let mut by_eps: Vec<&Group<'_>> = groups
        .iter()
        .enumerate()
        .filter(|(at, group)| *at == 0 || group.first().config.train.eps != base)
        .map(|(_, group)| group)
        .collect();
    by_eps.sort_by(|a, b| a.first().config.train.eps.total_cmp(&b.first().config.train.eps));
    let [smallest, .., largest] = by_eps.as_slice() else {
        return Check::new(paper, rule, "there is no such run", None);
    };
    let length = |group: &Group<'_>| mean(&measure.lengths(group));
    let found =
        by_eps.iter().map(|group| format!("eps {:e}: {:.0}", group.first().config.train.eps, length(group)));
    let found = found.collect::<Vec<_>>().join(", ");
    let (difference, holds) = shorter(&measure.lengths(smallest), &measure.lengths(largest));
    Check::new(paper, rule, format!("{found}; {difference}"), holds)
}

#[cfg(test)]
mod tests {
    use super::super::runs::toy;
    use super::*;

    fn runs(changes: &[(&str, &str, u64)]) -> Vec<Run> {
        let run = |&(name, setting, length): &(&str, &str, u64), seed: u64| {
            let seed_setting = format!("seed={seed}");
            toy::run(name, &[setting, &seed_setting], (0.1, 0.8), (0.1, 0.8))
                .plateau_of(length + 10 * seed, length < 1000)
        };
        changes.iter().flat_map(|change| (0..3).map(move |seed| run(change, seed))).collect()
    }

    #[test]
    fn a_difference_that_seeds_do_not_agree_on_cannot_be_told() {
        assert_eq!(shorter(&[100.0, 110.0, 120.0], &[400.0, 420.0, 430.0]).1, Some(true));
        assert_eq!(shorter(&[390.0, 410.0, 420.0], &[400.0, 420.0, 430.0]).1, Some(false), "not by a tenth");
        assert_eq!(shorter(&[100.0, 110.0, 420.0], &[400.0, 420.0, 430.0]).1, None, "not under every seed");
        assert_eq!(shorter(&[100.0], &[400.0]).1, None, "one seed");
        assert_eq!(shorter(&[500.0], &[400.0]).1, Some(false));
        assert_eq!(shorter(&[100.0, 110.0], &[400.0, 420.0, 430.0]).1, None, "a run is missing");
    }

    const BASE: (&str, &str, u64) = ("base", "train.batch=16", 400);

    #[test]
    fn changes_are_ranked_and_the_paper_s_recognised() {
        let paper = runs(&[
            BASE,
            ("batch-64", "train.batch=64", 150),
            ("bias-0.5", "tasks.bias={ fraction = 0.5 }", 100),
            ("eps-1e-4", "train.eps=1e-4", 1000),
        ]);
        let made = make(&paper).unwrap();
        assert_eq!(made.checks.iter().map(|check| check.holds).collect::<Vec<_>>(), [Some(true); 3]);
        let Picture::Ranking(figure) = &made.picture else { panic!("a ranking") };
        let order: Vec<&str> = figure.rows.iter().map(|row| row.label.as_str()).collect();
        assert_eq!(order, ["bias 0.5", "batch 64", "base", "eps 1e-4"]);
        assert!(figure.rows[2].base && figure.rows[3].remark.contains("never left: 3 of 3"));
        assert_eq!(figure.x_label, "steps until unseen tasks are learned");
    }

    #[test]
    fn changes_that_do_nothing_are_not_the_paper_s_and_absent_ones_cannot_be_told() {
        let made =
            make(&runs(&[BASE, ("batch-64", "train.batch=64", 380), ("eps-1e-4", "train.eps=1e-4", 400)]));
        let holds: Vec<_> = made.unwrap().checks.iter().map(|check| check.holds).collect();
        assert_eq!(holds, [Some(false), None, Some(false)]);
    }
}
