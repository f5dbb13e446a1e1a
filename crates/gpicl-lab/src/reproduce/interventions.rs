//! What shortens the plateau: one change at a time, ranked (paper, section 4.3).

use super::runs::{Run, losses_table, mean, names, over_seeds, pairs, table};
use super::verdict::{Check, FEW, at_least};
use super::{Made, Picture};
use crate::figures::ranking::{Ranked, Ranking};
use gpicl::eval::{Interval, Metric, Part};
use gpicl::{Result, RunConfig};

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

    /// Mean steps over the seeds of a group.
    pub fn mean(self, group: &Group<'_>) -> f64 {
        group.mean(|run| self.length(run).0)
    }

    /// Mean steps over the seeds of a group in words, and how many of them never left the plateau.
    fn written(self, group: &Group<'_>) -> String {
        let never = group.runs.iter().filter(|run| !self.length(run).1).count();
        let of = group.runs.len();
        let remark = if never > 0 { format!(" (never left: {never} of {of})") } else { String::new() };
        format!("{:.0}{remark}", self.mean(group))
    }

    /// Steps from one measurement to the next: an end is known no better.
    fn grid(self, run: &Run) -> f64 {
        let steps = match self {
            Self::Unseen => run.config.eval.every,
            Self::Loss => run.config.train.log_every,
        };
        steps as f64
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
pub(super) const SHORTER_RULE: &str = "shorter by a tenth at least, and by a 95% interval of the differences, seed by seed, \
    that is above 0; it is refuted where the whole interval is below a tenth";

/// Whether plateaus `with` a change are shorter than those `without`, by the seeds that both have, with what was found. The
/// interval reaches to either side no less than from one measurement to the next: seeds that agree to the step are no
/// certainty. A plateau that was never left is longer than it counts, so that one `without` refutes nothing, and one `with`
/// shows nothing.
pub(super) fn shorter(with: &[&Run], without: &[&Run], measure: Measure) -> (String, Option<bool>) {
    let pairs = pairs(with, without);
    if pairs.len() < 2 {
        return (FEW.into(), None);
    }
    let length = |run: &Run| measure.length(run).0;
    let differences: Vec<f64> = pairs.iter().map(|(with, without)| length(without) - length(with)).collect();
    let base = mean(&pairs.iter().map(|(_, without)| length(without)).collect::<Vec<_>>());
    let grid = pairs.iter().map(|(with, without)| measure.grid(with).max(measure.grid(without)));
    let grid = grid.fold(0.0, f64::max);
    let Interval { mean, low, high } = over_seeds(&differences);
    let difference = Interval { mean, low: low.min(mean - grid), high: high.max(mean + grid) };
    let never = |run: &Run| !measure.length(run).1;
    let holds = at_least(difference, SHORTER * base).filter(|holds| {
        !pairs.iter().any(|(with, without)| if *holds { never(with) } else { never(without) })
    });
    (format!("shorter by {mean:.0} [{:.0}, {:.0}]", difference.low, difference.high), holds)
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
        let value = over_seeds(&group.values(length));
        let remark = measure.written(group);
        Ranked { label: group.label(), value, single: group.values(length), remark, base: at == 0 }
    };
    let seeds = groups.iter().map(|group| group.runs.len()).max().unwrap_or_default();
    let figure = Ranking {
        title: format!("Interventions, ranked by the length of the plateau ({seeds} seeds, 95% intervals)"),
        x_label: measure.name().into(),
        rows: order.iter().map(row).collect(),
    };
    Ok(Made {
        tables: vec![("", table(runs)), ("_loss", losses_table(runs, &[Part::All]))],
        picture: Picture::Ranking(figure),
        checks: checks(&groups, measure),
    })
}

fn checks(groups: &[Group<'_>], measure: Measure) -> Vec<Check> {
    let base = &groups[0];
    let config = &base.first().config;
    let length = |group: &Group<'_>| measure.mean(group);
    let fraction = |config: &RunConfig| config.tasks.bias.map_or(0.0, |bias| bias.fraction);
    let shortens = |paper: &str, what: &str, matches: &dyn Fn(&Run) -> bool| {
        let rule = format!(
            "of the changes with {what}, the one with the shortest mean plateau ({}) is, against the base, {SHORTER_RULE}",
            measure.name()
        );
        let changed = groups[1..].iter().filter(|group| matches(group.first()));
        let Some(best) = changed.min_by(|a, b| length(a).total_cmp(&length(b))) else {
            return Check::new(paper, rule, "there is no such run", None);
        };
        let (difference, holds) = shorter(&best.runs, &base.runs, measure);
        let (ours, theirs) = (measure.written(best), measure.written(base));
        let found = format!("{}: {ours}, {}: {theirs}; {difference}", best.label(), base.label());
        Check::new(paper, rule, found, holds)
    };
    let batch = shortens("Larger batches shorten the plateau.", "a larger batch", &|run| {
        run.config.train.batch > config.train.batch
    });
    let bias = shortens(
        "Biasing the distribution of label permutations shortens the plateau.",
        "a bias of a larger part of the batch",
        &|run| fraction(&run.config) > fraction(config) && fraction(&run.config) < 1.0,
    );
    vec![batch, bias, eps(groups, measure)]
}

/// How many times larger or smaller than a gradient an eps may be that is of its size.
const OF_ITS_SIZE: f64 = 10.0;

/// The paper lowers eps where it limits the smallest gradients. Whether it does is a matter of their size: an eps far below them
/// does nothing, whatever it is.
fn eps(groups: &[Group<'_>], measure: Measure) -> Check {
    let paper =
        "A smaller eps of Adam, which scales up the plateau's small gradients more, shortens the plateau.";
    let rule = format!(
        "of the base and the changes of eps, the smallest eps has a plateau ({}) that is, against the one that is nearest the size \
         of a weight's gradient on the base's plateau, and within a factor of {OF_ITS_SIZE} of it, {SHORTER_RULE}",
        measure.name()
    );
    let of = |group: &Group<'_>| group.first().config.train.eps;
    let base = of(&groups[0]);
    let mut by_eps: Vec<&Group<'_>> = groups
        .iter()
        .enumerate()
        .filter(|(at, group)| *at == 0 || of(group) != base)
        .map(|(_, group)| group)
        .collect();
    by_eps.sort_by(|a, b| of(a).total_cmp(&of(b)));
    let [smallest, .., _] = by_eps.as_slice() else {
        return Check::new(paper, rule, "there is no such run", None);
    };
    let mut found: Vec<String> =
        by_eps.iter().map(|group| format!("eps {:e}: {}", of(group), measure.written(group))).collect();
    let Some(gradient) = gradient(groups[0].first(), measure) else {
        return Check::new(paper, rule, found.join(", "), None);
    };
    found.push(format!("a weight's gradient: {gradient:.0e}"));
    let off = |group: &Group<'_>| (of(group) / gradient).ln().abs();
    let nearest = by_eps.iter().min_by(|a, b| off(a).total_cmp(&off(b))).expect("there are two and more");
    let holds = if of(nearest) > of(smallest) && off(nearest) <= OF_ITS_SIZE.ln() {
        let (difference, holds) = shorter(&smallest.runs, &nearest.runs, measure);
        found.push(format!("{:e} against {:e} {difference}", of(smallest), of(nearest)));
        holds
    } else {
        found.push("none is of its size".into());
        None
    };
    Check::new(paper, rule, found.join(", "), holds)
}

/// The size of a weight's gradient, the norm over the root of their number, in the middle of a run's plateau after the warm-up; `None`
/// without a log of it.
fn gradient(run: &Run, measure: Measure) -> Option<f64> {
    let plateau = run.config.train.warmup..=measure.length(run).0 as u64;
    let norm = |metric: &Metric| match metric {
        Metric::Train { step, grad_norm, .. } if plateau.contains(step) => Some(*grad_norm),
        _ => None,
    };
    let mut norms: Vec<f64> = run.metrics.iter().filter_map(norm).collect();
    norms.sort_by(f64::total_cmp);
    Some(norms.get(norms.len() / 2)? / (run.summary.num_params as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::super::runs::toy;
    use super::*;

    fn runs(changes: &[(&str, &str, u64)]) -> Vec<Run> {
        let run = |&(name, setting, length): &(&str, &str, u64), seed: u64| {
            let seed_setting = format!("seed={seed}");
            toy::run(name, &[setting, &seed_setting, "eval.every=10"], (0.1, 0.8), (0.1, 0.8))
                .plateau_of(length + 10 * seed, length < 1000)
        };
        changes.iter().flat_map(|change| (0..3).map(move |seed| run(change, seed))).collect()
    }

    #[test]
    fn a_difference_that_seeds_do_not_agree_on_cannot_be_told() {
        let seeds = |lengths: &[u64]| -> Vec<Run> {
            let run = |(&length, seed): (&u64, u64)| {
                toy::run("", &[], (0.1, 0.8), (0.1, 0.8)).plateau_of(length, length < 1000).seeded(seed)
            };
            lengths.iter().zip(0..).map(run).collect()
        };
        let holds = |with: &[u64], without: &[u64]| {
            let (with, without) = (seeds(with), seeds(without));
            let [with, without] = [&with, &without].map(|runs| runs.iter().collect::<Vec<_>>());
            shorter(&with, &without, Measure::Loss).1
        };
        let base = [400, 420, 430];
        assert_eq!(holds(&[100, 110, 120], &base), Some(true));
        assert_eq!(holds(&[390, 410, 420], &base), Some(false), "not by a tenth");
        assert_eq!(holds(&[350, 370, 440], &base), None, "not under every seed");
        assert_eq!((holds(&[100], &[400]), holds(&[500], &[400])), (None, None), "one seed");
        assert_eq!(holds(&[100, 110], &base), Some(true), "two seeds in common");
        // Losses are written every 10 steps.
        assert_eq!(
            holds(&[40, 40, 40], &[50, 50, 50]),
            None,
            "a step of the measurement, under all seeds alike"
        );
        assert_eq!(holds(&[30, 30, 30], &[50, 50, 50]), Some(true));
        assert_eq!(
            holds(&[990, 980, 990], &[1000, 1000, 1000]),
            None,
            "who knows how long it would have been"
        );
        assert_eq!(holds(&[1000, 1000, 1000], &[1500, 1500, 1500]), None);
    }

    const BASE: (&str, &str, u64) = ("base", "train.batch=16", 400);

    #[test]
    fn changes_are_ranked_and_the_paper_s_recognised() {
        let paper = runs(&[
            BASE,
            ("batch-64", "train.batch=64", 150),
            ("bias-0.5", "tasks.bias={ fraction = 0.5 }", 100),
            ("eps-1e-12", "train.eps=1e-12", 390),
            ("eps-1e-2", "train.eps=1e-2", 1000),
        ]);
        let made = make(&paper).unwrap();
        assert_eq!(made.checks.iter().map(|check| check.holds).collect::<Vec<_>>(), [Some(true); 3]);
        // A norm of 1 over 1000 weights.
        assert!(made.checks[2].found.contains("gradient: 3e-2"), "{}", made.checks[2].found);
        let Picture::Ranking(figure) = &made.picture else { panic!("a ranking") };
        let order: Vec<&str> = figure.rows.iter().map(|row| row.label.as_str()).collect();
        assert_eq!(order, ["bias 0.5", "batch 64", "eps 1e-12", "base", "eps 1e-2"]);
        assert!(figure.rows[3].base && figure.rows[4].remark.contains("never left: 3 of 3"));
        assert_eq!(figure.x_label, "steps until unseen tasks are learned");
        // Of a base with a bias that is a larger one: the batch has the base's.
        let half = "tasks.bias={ fraction = 0.5 }";
        let biased = runs(&[
            ("base", half, 400),
            ("batch", half, 100),
            ("more", "tasks.bias={ fraction = 0.9 }", 390),
        ]);
        assert_eq!(make(&biased).unwrap().checks[1].holds, Some(false));
    }

    #[test]
    fn changes_that_do_nothing_are_not_the_paper_s_and_absent_ones_cannot_be_told() {
        let made =
            make(&runs(&[BASE, ("batch-64", "train.batch=64", 380), ("eps-1e-2", "train.eps=1e-2", 400)]));
        let holds: Vec<_> = made.unwrap().checks.iter().map(|check| check.holds).collect();
        assert_eq!(holds, [Some(false), None, Some(false)]);
    }
    #[test]
    fn an_eps_far_below_the_gradients_says_nothing() {
        let made = make(&runs(&[BASE, ("eps-1e-6", "train.eps=1e-6", 400)])).unwrap();
        assert_eq!(made.checks[2].holds, None);
        assert!(made.checks[2].found.ends_with("none is of its size"), "{}", made.checks[2].found);
    }
}
