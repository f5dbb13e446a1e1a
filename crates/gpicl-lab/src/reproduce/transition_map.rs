//! Accuracy by number of tasks and model size, for seen and unseen tasks, and the regimes (paper, figure 2).

use super::runs::{
    OUTCOME_COLORS, OUTCOMES, Run, distinct, gain, mean, middle, over_runs, rank, table, tasks,
};
use super::transition::count_name;
use super::verdict::{self, BY_INTERVAL, Check, at_least, less_than, written};
use super::{Made, Picture};
use crate::figures::heatmap::{Heatmaps, Map, Tint, Tinted};
use gpicl::Result;
use gpicl::eval::{Interval, Outcome, OutcomeRule};

/// All seeds of a model size and number of tasks.
struct Cell {
    seen: f64,
    unseen: f64,
    /// Of every seed.
    each_unseen: Vec<Interval>,
    outcome: Outcome,
}

/// The cells of one architecture.
struct Kind {
    /// As `model.kind` has it.
    kind: &'static str,
    /// What its size is called.
    size: &'static str,
    sizes: Vec<usize>,
    counts: Vec<u64>,
    /// `cells[size][count]`.
    cells: Vec<Vec<Option<Cell>>>,
    chance: f64,
}

impl Kind {
    fn all(runs: &[Run]) -> Vec<Self> {
        // The Transformer below the MLP, as in the paper.
        let mut kinds = distinct(runs, |run| run.config.model.kind());
        kinds.sort_by_key(|kind| *kind != MLP);
        kinds.into_iter().map(|kind| Self::of(kind, runs)).collect()
    }

    fn of(kind: &'static str, runs: &[Run]) -> Self {
        let runs: Vec<&Run> = runs.iter().filter(|run| run.config.model.kind() == kind).collect();
        let sizes = distinct(runs.iter().copied(), |run| run.width().0);
        let counts = distinct(runs.iter().copied(), |run| tasks(run.config.tasks.count));
        let cell = |size: usize, count: u64| {
            let seeds: Vec<&Run> = runs
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
                each_unseen: seeds.iter().map(|run| run.unseen.last_10).collect(),
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

    /// For each size: the largest number of tasks it knows, as a number of its columns; `None` if it knows none.
    fn capacities(&self) -> Vec<Option<usize>> {
        let best = self.cells.iter().flatten().flatten().map(|cell| cell.seen).fold(self.chance, f64::max);
        let known = self.chance + 0.5 * (best - self.chance);
        let row = |row: &Vec<Option<Cell>>| {
            row.iter().rposition(|cell| cell.as_ref().is_some_and(|cell| cell.seen >= known))
        };
        self.cells.iter().map(row).collect()
    }

    fn count_name(&self, column: usize) -> String {
        count_name(self.counts[column])
    }

    fn maps(&self) -> Vec<Map> {
        let map = |what: &str, tinted: &dyn Fn(&Cell) -> Tinted| Map {
            title: format!("{}: {what}", self.name()),
            x_label: "number of tasks".into(),
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

fn mlp_checks(mlp: Option<&Kind>) -> Vec<Check> {
    let fits = "An MLP fits more tasks, the larger it is.";
    let fits_rule = "a size knows a number of tasks if its mean accuracy on seen tasks is at least halfway from chance \
        to the best of all MLPs; the largest such number is larger for the largest MLP than for the smallest, and \
        smaller for no MLP than for the next smaller one";
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
    let grows = capacities.last() > capacities.first() && capacities.is_sorted();
    let named: Vec<String> = capacities
        .iter()
        .zip(&mlp.sizes)
        .map(|(known, size)| {
            let known = known.map_or("none".into(), |column| mlp.count_name(column));
            format!("{} {size}: {known}", mlp.size)
        })
        .collect();
    let unseen: Vec<Interval> =
        mlp.cells.iter().flatten().flatten().map(|cell| over_runs(&cell.each_unseen)).collect();
    let best = unseen.iter().max_by(|a, b| a.mean.total_cmp(&b.mean)).map(written).unwrap_or_default();
    let several = mlp.sizes.len() > 1 && mlp.counts.len() > 1;
    vec![
        Check::new(fits, fits_rule, format!("tasks known: {}", named.join(", ")), several.then_some(grows)),
        Check::new(
            memorises,
            memorises_rule,
            format!("best accuracy on unseen tasks {best}, chance {:.2}", mlp.chance),
            verdict::all(unseen.iter().map(|unseen| less_than(unseen, mlp.chance + rise))),
        ),
    ]
}

fn transformer_checks(transformer: Option<&Kind>) -> Vec<Check> {
    let size = "With enough tasks, a Transformer generalises to unseen tasks once it is large enough.";
    let size_rule = &format!(
        "at the largest number of tasks, the largest Transformer is general learning-to-learn, and its accuracy on unseen \
         tasks is at least 0.1 above that of the smallest, {BY_INTERVAL}"
    );
    let count =
        "A large Transformer moves from a memorising solution to a learning one with the number of tasks.";
    let count_rule = "the largest Transformer is not general learning-to-learn at the smallest number of tasks, and is \
        at the largest";
    let regimes =
        "The regimes follow each other: task memorisation, task identification, general learning-to-learn.";
    let regimes_rule = "some size has all three in this order along the number of tasks, from the first to the last \
        without a step back";
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
    let general = |cell: &Cell| cell.outcome == Outcome::GeneralLearning;
    let larger = gain(&many.each_unseen, &small_many.each_unseen);
    let last = map.count_name(map.counts.len() - 1);
    let row =
        |row: &Vec<Option<Cell>>| row.iter().flatten().map(|cell| rank(cell.outcome)).collect::<Vec<_>>();
    let ordered = map.cells.iter().position(|cells| {
        let ranks = row(cells);
        ranks.is_sorted() && [1, 2, 3].iter().all(|rank| ranks.contains(rank))
    });
    let letters = |cells: &Vec<Option<Cell>>| {
        row(cells).into_iter().map(|rank| ["-", "M", "I", "G"][rank]).collect::<Vec<_>>().join(" ")
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
                OUTCOMES[rank(many.outcome)],
                written(&larger),
            ),
            if map.sizes.len() > 1 {
                verdict::all([Some(general(many)), at_least(&larger, 0.1)])
            } else {
                None
            },
        ),
        Check::new(
            count,
            count_rule,
            format!(
                "at {} tasks {} (unseen {:.2}), at {last} tasks {} (unseen {:.2})",
                map.count_name(0),
                OUTCOMES[rank(few.outcome)],
                few.unseen,
                OUTCOMES[rank(many.outcome)],
                many.unseen,
            ),
            (map.counts.len() > 1).then_some(!general(few) && general(many)),
        ),
        Check::new(
            regimes,
            regimes_rule,
            format!("median over seeds along the number of tasks: {}", listed.join("; ")),
            (map.counts.len() > 2).then_some(ordered.is_some()),
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

    #[test]
    fn the_paper_s_map_is_recognised_and_others_are_not() {
        let paper =
            |hidden: usize, power: u32| if power <= if hidden > 16 { 8 } else { 4 } { 0.9 } else { 0.2 };
        assert_eq!(holds(&runs(paper, true)), [Some(true); 5]);
        let same = |_: usize, power: u32| if power <= 4 { 0.9 } else { 0.2 };
        assert_eq!(holds(&runs(same, true))[0], Some(false), "a larger MLP that fits no more");
        let none = holds(&runs(paper, false));
        assert_eq!(none[2..], [Some(false); 3], "a Transformer that only ever identifies");
        let mlp_only: Vec<Run> = runs(paper, true).into_iter().filter(|run| run.name == "mlp").collect();
        assert_eq!(holds(&mlp_only)[2..], [None; 3]);
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
