//! The table after all examples but one (paper, table 2): a comparison of learners.

use super::verdict::{self, BY_INTERVAL, Check, at_least, written};
use crate::compare::{Comparison, Metric, Outcome, Row, difference};
use gpicl::eval::{Interval, LearningCurve};

/// What the paper states about the table's rows.
pub(super) fn checks(table: &Comparison) -> Vec<Check> {
    let row = |name: &str| table.methods.iter().find(|row| row.name == name);
    let above = |paper: &str, better: &str, worse: &str| {
        let rule = format!(
            "{better} is at least 0.05 above {worse} on the first data set, after all examples but one, {BY_INTERVAL}; over \
             the same episodes and two seeds at least"
        );
        let first = table.sets.iter().position(|set| set.present);
        let ahead = first.zip(row(better).zip(row(worse)));
        let ahead = ahead.and_then(|(at, (better, worse))| difference(better, worse, at, Metric::Last));
        match ahead {
            Some(ahead) => {
                let ahead = over_seeds(table, ahead);
                Check::new(paper, rule, format!("ahead by {}", written(ahead)), at_least(ahead, 0.05))
            }
            None => Check::new(paper, rule, "one of the two was not measured", None),
        }
    };
    vec![
        learns_everywhere(table),
        above("The Transformer learns better than the LSTM.", "transformer", "lstm"),
        above("An MLP that is meta-trained on many tasks does not learn new ones.", "transformer", "mlp"),
    ]
}

/// An interval that verdicts can go by: episodes say nothing about seeds.
fn over_seeds(table: &Comparison, interval: Interval) -> Option<Interval> {
    (table.seeds.len() > 1).then_some(interval)
}

fn learns_everywhere(table: &Comparison) -> Check {
    let paper = "The meta-trained Transformer learns data sets that it never saw.";
    let rule = format!(
        "its accuracy after all examples but one is, on every data set that is here, above chance by at least 0.1, {BY_INTERVAL}; \
         over two seeds at least"
    );
    let Some(Row { outcome: Outcome::Measured { curves, .. }, .. }) =
        table.methods.iter().find(|row| row.name == "transformer")
    else {
        return Check::new(paper, rule, "there is no measured row `transformer`", None);
    };
    let chance = |curve: &LearningCurve| curve.guessing(table.dims.classes).chance();
    let above = |curve: &LearningCurve| over_seeds(table, curve.summary().last.above_by(chance(curve)));
    let found: Vec<String> = table
        .sets
        .iter()
        .zip(curves)
        .filter_map(|(set, curve)| Some(format!("{}: {}", set.name, written(curve.as_ref()?.summary().last))))
        .collect();
    let holds = verdict::all(curves.iter().flatten().map(|curve| at_least(above(curve), 0.1)));
    Check::new(paper, rule, found.join(", "), holds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Column, RowKind};
    use gpicl::eval::CurveAccumulator;
    use gpicl::models::Dims;

    fn curve(accuracy: f64) -> LearningCurve {
        let mut accumulator = CurveAccumulator::new(4);
        for episode in 0..100 {
            accumulator.add_episode(&[f64::from(episode) < 100.0 * accuracy; 4], &[1.0; 4]);
        }
        let mut curve = accumulator.finish("unseen tasks").unwrap();
        curve.set = "episodes".into();
        curve
    }

    fn holds(rows: &[(&str, f64)]) -> Vec<Option<bool>> {
        of_seeds(rows, 2)
    }

    /// Seeds that agree.
    fn of_seeds(rows: &[(&str, f64)], seeds: u64) -> Vec<Option<bool>> {
        let row = |&(name, accuracy): &(&str, f64)| Row {
            name: name.into(),
            label: name.into(),
            kind: RowKind::Network,
            ranked: true,
            outcome: Outcome::Measured {
                size: None,
                curves: vec![None, Some(curve(accuracy))],
                by_seed: vec![Vec::new(), vec![curve(accuracy); seeds as usize]],
                commits: Default::default(),
            },
        };
        let column =
            |name: &str, present| Column { name: name.into(), head: name.into(), present, data: None };
        let table = Comparison {
            dims: Dims { input_dim: 4, classes: 10, episode_length: 4 },
            sample: gpicl::eval::Sample::episodes(100),
            seeds: (0..seeds).collect(),
            against: None,
            differences: Vec::new(),
            sets: vec![column("mnist", false), column("glyphs", true)],
            methods: rows.iter().map(row).collect(),
        };
        checks(&table).iter().map(|check| check.holds).collect()
    }

    #[test]
    fn the_paper_s_order_is_recognised_and_others_are_not() {
        assert_eq!(holds(&[("transformer", 0.7), ("lstm", 0.25), ("mlp", 0.1)]), [Some(true); 3]);
        let one = of_seeds(&[("transformer", 0.7), ("lstm", 0.25), ("mlp", 0.1)], 1);
        assert_eq!(one, [None; 3], "one seed");
        assert_eq!(
            holds(&[("transformer", 0.15), ("lstm", 0.25), ("mlp", 0.15)]),
            [None, Some(false), Some(false)],
            "100 episodes leave open whether 0.15 is 0.1 above chance"
        );
        assert_eq!(holds(&[("transformer", 0.05)])[0], Some(false));
        assert_eq!(
            holds(&[("transformer", 0.28), ("lstm", 0.25)])[1],
            None,
            "ahead by so little that it cannot be told"
        );
        assert_eq!(holds(&[("lstm", 0.25)]), [None; 3]);
    }
}
