//! Accuracy by number of tasks and model size, for seen and unseen tasks, and the regimes (paper, figure 2).

use super::runs::{
    IN_ORDER, OUTCOME_COLORS, OUTCOMES, Run, agreed, distinct, gain, in_order, mean, middle, over_runs, rank,
    table, tasks, visits,
};
use super::transition::count_name;
use super::verdict::{self, BY_INTERVAL, Check, at_least, less_than, written};
use super::{Made, Picture};
use crate::figures::heatmap::{Heatmaps, Map, Tint, Tinted};
use gpicl::Result;
use gpicl::eval::{Interval, Outcome, OutcomeRule};

/// All seeds of a model size and number of tasks.
struct Cell<'a> {
    seen: f64,
    unseen: f64,
    /// In the middle.
    outcome: Outcome,
    runs: Vec<&'a Run>,
}

impl Cell<'_> {
    /// What its seeds agree on.
    fn agreed(&self) -> Option<Outcome> {
        agreed(self.runs.iter().map(|run| run.outcome))
    }

    /// Whether they agree on general learning-to-learn.
    fn general(&self) -> Option<bool> {
        self.agreed().map(|outcome| outcome == Outcome::GeneralLearning)
    }

    /// Over the seeds.
    fn interval(&self, of: impl Fn(&Run) -> Interval) -> Option<Interval> {
        over_runs(&self.runs.iter().map(|run| of(run)).collect::<Vec<_>>())
    }
}

/// The cells of one architecture.
struct Kind<'a> {
    /// As `model.kind` has it.
    kind: &'static str,
    /// What its size is called.
    size: &'static str,
    sizes: Vec<usize>,
    counts: Vec<u64>,
    /// `cells[size][count]`.
    cells: Vec<Vec<Option<Cell<'a>>>>,
    chance: f64,
}

impl<'a> Kind<'a> {
    fn all(runs: &'a [Run]) -> Vec<Self> {
        // The Transformer below the MLP, as in the paper.
        let mut kinds = distinct(runs, |run| run.config.model.kind());
        kinds.sort_by_key(|kind| *kind != MLP);
        kinds.into_iter().map(|kind| Self::of(kind, runs)).collect()
    }

    fn of(kind: &'static str, runs: &'a [Run]) -> Self {
        let runs: Vec<&'a Run> = runs.iter().filter(|run| run.config.model.kind() == kind).collect();
        let sizes = distinct(runs.iter().copied(), |run| run.width().0);
        let counts = distinct(runs.iter().copied(), |run| tasks(run.config.tasks.count));
        let cell = |size: usize, count: u64| {
            let seeds: Vec<&'a Run> = runs
                .iter()
                .copied()
                .filter(|run| run.width().0 == size && tasks(run.config.tasks.count) == count)
                .collect();
            let of =
                |value: &dyn Fn(&Run) -> f64| mean(&seeds.iter().map(|run| value(run)).collect::<Vec<_>>());
            Some(Cell {
                outcome: middle(seeds.iter().map(|run| run.outcome))?,
                seen: of(&|run| run.seen.last_10.mean),
                unseen: of(&|run| run.unseen.last_10.mean),
                runs: seeds,
            })
        };
        let row = |&size: &usize| counts.iter().map(|&count| cell(size, count)).collect();
        Self {
            kind,
            size: runs[0].width().1,
            cells: sizes.iter().map(row).collect(),
            chance: runs[0].chance,
            sizes,
            counts,
        }
    }

    fn name(&self) -> &'static str {
        match self.kind {
            MLP => "MLP",
            TRANSFORMER => "Transformer",
            other => other,
        }
    }

    /// For each size: the largest number of tasks that it knows, and the largest that it may know, as numbers of columns;
    /// `None` where there is none.
    fn capacities(&self) -> Vec<[Option<usize>; 2]> {
        let best = self.cells.iter().flatten().flatten().map(|cell| cell.seen).fold(self.chance, f64::max);
        let known = self.chance + 0.5 * (best - self.chance);
        let row = |row: &Vec<Option<Cell<'_>>>| {
            let seen = row.iter().map(|cell| cell.as_ref()?.interval(|run| run.seen.last_10));
            let seen: Vec<Option<Interval>> = seen.collect();
            [
                seen.iter().rposition(|seen| seen.is_some_and(|seen| seen.above(known))),
                seen.iter().rposition(|seen| seen.is_none_or(|seen| !seen.below(known))),
            ]
        };
        self.cells.iter().map(row).collect()
    }

    /// How often each task is drawn, at the smallest and the largest number of them; empty where there is no end of these.
    fn visited(&self) -> String {
        let at = |count: u64| {
            let runs = self.cells.iter().flatten().flatten().flat_map(|cell| cell.runs.iter().copied());
            visits(&runs.filter(|run| tasks(run.config.tasks.count) == count).collect::<Vec<_>>())
        };
        let ends = self.counts.first().copied().and_then(at).zip(self.counts.last().copied().and_then(at));
        ends.map_or(String::new(), |(most, least)| format!(", each drawn {most} to {least} times"))
    }

    fn count_name(&self, column: usize) -> String {
        count_name(self.counts[column])
    }

    fn maps(&self) -> Vec<Map> {
        let x_label = format!("number of tasks{}", self.visited());
        let map = |what: &str, tinted: &dyn Fn(&Cell<'_>) -> Tinted| Map {
            title: format!("{}: {what}", self.name()),
            x_label: x_label.clone(),
            y_label: self.size.into(),
            columns: self.counts.iter().map(|&count| count_name(count)).collect(),
            rows: self.sizes.iter().map(usize::to_string).collect(),
            cells: self
                .cells
                .iter()
                .map(|row| row.iter().map(|cell| cell.as_ref().map(tinted)).collect())
                .collect(),
        };
        let value = |value: f64| Tinted { text: format!("{:.0}", 100.0 * value), tint: Tint::Value(value) };
        vec![
            map("seen tasks (%)", &|cell| value(cell.seen)),
            map("unseen tasks (%)", &|cell| value(cell.unseen)),
            map("regime", &|cell| Tinted {
                text: String::new(),
                tint: Tint::Class(OUTCOME_COLORS[rank(cell.outcome)]),
            }),
        ]
    }
}

const MLP: &str = "mlp";
const TRANSFORMER: &str = "transformer";

/// The map of every architecture.
pub(super) fn make(runs: &[Run]) -> Result<Made> {
    let kinds = Kind::all(runs);
    let figure = Heatmaps {
        title: "Accuracy over the last 10 positions, by number of tasks and model size".into(),
        maps: kinds.iter().map(Kind::maps).collect(),
        classes: OUTCOMES.map(str::to_string).into_iter().zip(OUTCOME_COLORS).collect(),
    };
    let find = |kind: &str| kinds.iter().find(|other| other.kind == kind);
    Ok(Made {
        tables: vec![("", table(runs))],
        picture: Picture::Heatmaps(figure),
        checks: [mlp_checks(find(MLP)), transformer_checks(find(TRANSFORMER))].concat(),
    })
}

fn mlp_checks(mlp: Option<&Kind<'_>>) -> Vec<Check> {
    let fits = "An MLP fits more tasks, the larger it is.";
    let fits_rule = "a size knows a number of tasks if its accuracy on seen tasks is more than halfway from chance to the \
        best of all MLPs, with all of its 95% interval, and may know it where part of the interval is; the largest number \
        that the largest MLP knows is above all that the smallest may know, and no MLP may know only fewer than the next \
        smaller one knows";
    let memorises = "An MLP does not generalise to unseen tasks.";
    let rise = OutcomeRule::default().rise;
    let memorises_rule = format!(
        "accuracy on unseen tasks is less than {rise} above chance in every cell, with all of its 95% interval"
    );
    let Some(mlp) = mlp else {
        let none = "there is no MLP among the runs";
        return vec![
            Check::new(fits, fits_rule, none, None),
            Check::new(memorises, memorises_rule, none, None),
        ];
    };
    let capacities = mlp.capacities();
    let grows = match capacities.as_slice() {
        [[_, smallest], .., [largest, _]] if largest > smallest => Some(true),
        [[smallest, _], .., [_, largest]] if largest <= smallest => Some(false),
        _ => None,
    };
    let shrinks = capacities.array_windows().any(|[[smaller, _], [_, larger]]| larger < smaller);
    let named: Vec<String> = capacities
        .iter()
        .zip(&mlp.sizes)
        .map(|([known, possible], size)| {
            let name = |column: &Option<usize>| column.map_or("none".into(), |column| mlp.count_name(column));
            let possible =
                if possible == known { String::new() } else { format!(" (perhaps {})", name(possible)) };
            format!("{} {size}: {}{possible}", mlp.size, name(known))
        })
        .collect();
    let cells = || mlp.cells.iter().flatten().flatten();
    let unseen: Vec<Option<Interval>> = cells().map(|cell| cell.interval(|run| run.unseen.last_10)).collect();
    let best = cells().max_by(|a, b| a.unseen.total_cmp(&b.unseen));
    let best = written(best.and_then(|cell| cell.interval(|run| run.unseen.last_10)));
    let several = mlp.sizes.len() > 1 && mlp.counts.len() > 1;
    let holds = verdict::all([grows, Some(!shrinks)]).filter(|_| several);
    vec![
        Check::new(fits, fits_rule, format!("tasks known{}: {}", mlp.visited(), named.join(", ")), holds),
        Check::new(
            memorises,
            memorises_rule,
            format!("best accuracy on unseen tasks {best}, chance {:.2}", mlp.chance),
            verdict::all(unseen.iter().map(|unseen| less_than(*unseen, mlp.chance + rise))),
        ),
    ]
}

fn transformer_checks(transformer: Option<&Kind<'_>>) -> Vec<Check> {
    let size = "With enough tasks, a Transformer generalises to unseen tasks once it is large enough.";
    let size_rule = &format!(
        "at the largest number of tasks, two thirds of the seeds of the largest Transformer, and two at least, agree on \
         general learning-to-learn, and its accuracy on unseen tasks is at least 0.1 above that of the smallest, {BY_INTERVAL}"
    );
    let rise = OutcomeRule::default().rise;
    let count =
        "A large Transformer moves from a memorising solution to a learning one with the number of tasks.";
    let count_rule = &format!(
        "on unseen tasks the largest Transformer rises within the episode by less than {rise} at the smallest number of tasks, \
         with all of the 95% interval, and two thirds of its seeds, and two at least, agree on general learning-to-learn at \
         the largest"
    );
    let regimes =
        "The regimes follow each other: task memorisation, task identification, general learning-to-learn.";
    let regimes_rule =
        &format!("of some size: {IN_ORDER}; the statement is refuted where that is so for every size");
    let all: [(&str, &str); 3] = [(size, size_rule), (count, count_rule), (regimes, regimes_rule)];
    let undecided =
        |found: &str| all.iter().map(|(paper, rule)| Check::new(paper, *rule, found, None)).collect();
    let Some(map) = transformer else { return undecided("there is no Transformer among the runs") };
    let (Some(small), Some(large)) = (map.cells.first(), map.cells.last()) else {
        return undecided("there is no Transformer among the runs");
    };
    let (Some(Some(small_many)), Some(Some(few)), Some(Some(many))) =
        (small.last(), large.first(), large.last())
    else {
        return undecided("a corner of the map is missing");
    };
    let larger = gain(&many.runs, &small_many.runs, |run| run.unseen.last_10);
    let rises = few.interval(|run| run.unseen.improvement);
    let last = map.count_name(map.counts.len() - 1);
    let row = |row: &Vec<Option<Cell<'_>>>| -> Vec<Option<Outcome>> {
        row.iter().map(|cell| cell.as_ref()?.agreed()).collect()
    };
    let ordered: Vec<Option<bool>> = map.cells.iter().map(|cells| in_order(&row(cells))).collect();
    let ordered = if ordered.contains(&Some(true)) {
        Some(true)
    } else {
        ordered.iter().all(|holds| *holds == Some(false)).then_some(false)
    };
    let name = |cell: &Cell<'_>| cell.agreed().map_or("seeds differ", |outcome| OUTCOMES[rank(outcome)]);
    let letters = |cells: &Vec<Option<Cell<'_>>>| {
        let letter =
            |outcome: Option<Outcome>| outcome.map_or("?", |outcome| ["-", "M", "I", "G"][rank(outcome)]);
        row(cells).into_iter().map(letter).collect::<Vec<_>>().join(" ")
    };
    let listed: Vec<String> = map
        .sizes
        .iter()
        .zip(&map.cells)
        .map(|(size, cells)| format!("{} {size}: {}", map.size, letters(cells)))
        .collect();
    vec![
        Check::new(
            size,
            size_rule,
            format!(
                "at {last} tasks, unseen: {} {}: {:.2}, {} {}: {:.2} ({}), more by {}",
                map.size,
                map.sizes[0],
                small_many.unseen,
                map.size,
                map.sizes[map.sizes.len() - 1],
                many.unseen,
                name(many),
                written(larger),
            ),
            if map.sizes.len() > 1 { verdict::all([many.general(), at_least(larger, 0.1)]) } else { None },
        ),
        Check::new(
            count,
            count_rule,
            format!(
                "at {} tasks {} (unseen {:.2}, rise {}), at {last} tasks {} (unseen {:.2})",
                map.count_name(0),
                name(few),
                few.unseen,
                written(rises),
                name(many),
                many.unseen,
            ),
            verdict::all([less_than(rises, rise), many.general()]).filter(|_| map.counts.len() > 1),
        ),
        Check::new(
            regimes,
            regimes_rule,
            format!("along the number of tasks{}: {}", map.visited(), listed.join("; ")),
            ordered,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::runs::toy;
    use super::*;

    fn runs(mlp: impl Fn(usize, u32) -> f64, large_learns: bool) -> Vec<Run> {
        let mut runs = Vec::new();
        for seed in ["seed=0", "seed=1"] {
            for power in [0, 4, 8, 12] {
                let count = format!("tasks.count=2^{power}");
                for hidden in [16, 256] {
                    let hidden_set = format!("model={{ kind = 'mlp', hidden = {hidden} }}");
                    let seen = mlp(hidden, power);
                    runs.push(toy::run("mlp", &[&hidden_set, &count, seed], (seen, seen), (0.1, 0.1)));
                }
                for d_model in [8, 64] {
                    let size = format!("model.d_model={d_model}");
                    let (seen, unseen) = match (d_model, power) {
                        (_, 0) => ((0.9, 0.95), (0.1, 0.1)),
                        (8, _) => ((0.1, 0.12), (0.1, 0.1)),
                        (_, 4) => ((0.3, 0.9), (0.1, 0.1)),
                        _ if large_learns => ((0.1, 0.8), (0.1, 0.8)),
                        _ => ((0.1, 0.5), (0.1, 0.11)),
                    };
                    runs.push(toy::run("transformer", &[&size, "model.heads=4", &count, seed], seen, unseen));
                }
            }
        }
        runs
    }

    fn holds(runs: &[Run]) -> Vec<Option<bool>> {
        make(runs).unwrap().checks.iter().map(|check| check.holds).collect()
    }

    /// Seen accuracies of an MLP that knows the more tasks, the larger it is.
    fn paper(hidden: usize, power: u32) -> f64 {
        if power <= if hidden > 16 { 8 } else { 4 } { 0.9 } else { 0.2 }
    }

    #[test]
    fn the_paper_s_map_is_recognised_and_others_are_not() {
        assert_eq!(holds(&runs(paper, true)), [Some(true); 5]);
        let same = |_: usize, power: u32| if power <= 4 { 0.9 } else { 0.2 };
        assert_eq!(holds(&runs(same, true))[0], Some(false), "a larger MLP that fits no more");
        let none = holds(&runs(paper, false));
        assert_eq!(none[2..], [Some(false); 3], "a Transformer that only ever identifies");
        let mlp_only: Vec<Run> = runs(paper, true).into_iter().filter(|run| run.name == "mlp").collect();
        assert_eq!(holds(&mlp_only)[2..], [None; 3]);
    }

    #[test]
    fn what_seeds_leave_open_cannot_be_told() {
        let all = runs(paper, true);
        let one: Vec<Run> = all.iter().filter(|run| run.config.seed == 0).cloned().collect();
        assert_eq!(holds(&one), [None; 5], "one seed");
        let at = |size: usize, count: u64| {
            let of_seed =
                move |run: &&mut Run| run.width().0 == size && tasks(run.config.tasks.count) == count;
            move |run: &&mut Run| of_seed(run) && run.config.seed == 1
        };
        // Whether the large MLP knows 256 tasks depends on the seed: perhaps no more than the small one.
        let mut noisy = all.clone();
        noisy.iter_mut().find(at(256, 256)).unwrap().seen.last_10.mean = 0.3;
        let checks = make(&noisy).unwrap().checks;
        assert_eq!(checks[0].holds, None);
        let known =
            "tasks known, each drawn 16000 to 3.91 times: hidden 16: 2^4, hidden 256: 2^4 (perhaps 2^8)";
        assert_eq!(checks[0].found, known);
        // So does whether the large Transformer memorises a single task or learns.
        let mut noisy = all.clone();
        let run = noisy.iter_mut().find(at(64, 1)).unwrap();
        (run.unseen.improvement.mean, run.outcome) = (0.4, Outcome::GeneralLearning);
        let checks = make(&noisy).unwrap().checks;
        assert_eq!(checks[3..].iter().map(|check| check.holds).collect::<Vec<_>>(), [None, None]);
        assert!(checks[4].found.ends_with("d_model 8: M - - -; d_model 64: ? I G G"), "{}", checks[4].found);
    }

    #[test]
    fn the_figure_has_a_cell_for_each_size_and_count() {
        let made = make(&runs(|_, _| 0.5, true)).unwrap();
        let Picture::Heatmaps(figure) = &made.picture else { panic!("a map") };
        assert_eq!(figure.maps.len(), 2);
        assert_eq!(figure.maps[0][0].title, "MLP: seen tasks (%)");
        assert_eq!(figure.maps[1][0].columns, ["2^0", "2^4", "2^8", "2^12"]);
        assert_eq!(figure.maps[1][1].cells[1][3].as_ref().unwrap().text, "80");
        assert_eq!(made.tables[0].1.csv().lines().count(), 1 + 32);
    }
}
