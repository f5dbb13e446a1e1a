//! The table after all examples but one (paper, table 2): a comparison of learners.

use super::verdict::Check;
use crate::compare::{Comparison, Outcome, Row};
use gpicl::eval::LearningCurve;

/// Accuracy at the last position on the first data set that is here.
fn last(row: &Row) -> Option<f64> {
    let Outcome::Measured { curves, .. } = &row.outcome else { return None };
    Some(curves.iter().flatten().next()?.summary().last.mean)
}

/// What the paper states about the table's rows.
pub(super) fn checks(table: &Comparison) -> Vec<Check> {
    let row = |name: &str| table.methods.iter().find(|row| row.name == name);
    let above = |paper: &str, better: &str, worse: &str| {
        let rule = format!(
            "{better} is at least 0.05 above {worse} on the first data set, after all examples but one"
        );
        let (better, worse) = (row(better).and_then(last), row(worse).and_then(last));
        match (better, worse) {
            (Some(better), Some(worse)) => {
                Check::new(paper, rule, format!("{better:.2}, {worse:.2}"), Some(better >= worse + 0.05))
            }
            _ => Check::new(paper, rule, "one of the two was not measured", None),
        }
    };
    vec![
        learns_everywhere(table),
        above("The Transformer learns better than the LSTM.", "transformer", "lstm"),
        above("An MLP that is meta-trained on many tasks does not learn new ones.", "transformer", "mlp"),
    ]
}

fn learns_everywhere(table: &Comparison) -> Check {
    let paper = "The meta-trained Transformer learns data sets that it never saw.";
    let rule =
        "its accuracy after all examples but one is at least 0.1 above chance on every data set that is here";
    let Some(Row { outcome: Outcome::Measured { curves, .. }, .. }) =
        table.methods.iter().find(|row| row.name == "transformer")
    else {
        return Check::new(paper, rule, "there is no measured row `transformer`", None);
    };
    let chance = |curve: &LearningCurve| curve.guessing(table.dims.classes).chance();
    let accuracy = |curve: &LearningCurve| curve.summary().last.mean;
    let found: Vec<String> = table
        .sets
        .iter()
        .zip(curves)
        .filter_map(|(set, curve)| Some(format!("{}: {:.2}", set.name, accuracy(curve.as_ref()?))))
        .collect();
    let holds = curves.iter().flatten().all(|curve| accuracy(curve) >= chance(curve) + 0.1);
    Check::new(paper, rule, found.join(", "), Some(holds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Column;
    use gpicl::eval::CurveAccumulator;
    use gpicl::models::Dims;

    fn curve(accuracy: f64) -> LearningCurve {
        let mut accumulator = CurveAccumulator::new(4);
        for episode in 0..100 {
            accumulator.add_episode(&[f64::from(episode) < 100.0 * accuracy; 4], &[1.0; 4]);
        }
        accumulator.finish("unseen tasks").unwrap()
    }

    fn holds(rows: &[(&str, f64)]) -> Vec<Option<bool>> {
        let row = |&(name, accuracy): &(&str, f64)| Row {
            name: name.into(),
            label: name.into(),
            ranked: true,
            outcome: Outcome::Measured {
                size: None,
                curves: vec![None, Some(curve(accuracy))],
                commits: Default::default(),
            },
        };
        let column = |name: &str, present| Column { name: name.into(), present };
        let table = Comparison {
            dims: Dims { input_dim: 4, classes: 10, episode_length: 4 },
            sample: gpicl::eval::Sample::episodes(100),
            seeds: vec![0],
            sets: vec![column("mnist", false), column("glyphs", true)],
            methods: rows.iter().map(row).collect(),
        };
        checks(&table).iter().map(|check| check.holds).collect()
    }

    #[test]
    fn the_paper_s_order_is_recognised_and_others_are_not() {
        assert_eq!(holds(&[("transformer", 0.7), ("lstm", 0.25), ("mlp", 0.1)]), [Some(true); 3]);
        assert_eq!(holds(&[("transformer", 0.15), ("lstm", 0.25), ("mlp", 0.14)]), [Some(false); 3]);
        assert_eq!(holds(&[("lstm", 0.25)]), [None; 3]);
    }
}
