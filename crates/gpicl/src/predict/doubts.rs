//! What may be wrong with a prediction, a sentence each.

use std::collections::{HashMap, HashSet};

use super::Predictor;
use super::features::CLIP;
use crate::data::scale::Scale;

impl Predictor {
    /// Doubts about this learner in front of rows of `features` numbers and so many classes, in an ensemble of `members`.
    pub fn doubts(&self, features: usize, classes: usize, members: usize) -> Vec<String> {
        /// An ensemble that tells groups of classes apart in many ways.
        const MANY: usize = 64;
        let mut doubts = Vec::new();
        if !self.learns() {
            let kind = self.info().config.model.kind();
            doubts.push(format!(
                "a learner of kind `{kind}` cannot learn from labelled rows; its answers are guesses"
            ));
        }
        let seen = self.most_features();
        if features > seen {
            doubts.push(format!(
                "there are {features} features, of which each member of the ensemble looks at {seen}; for pictures and other \
                 long vectors a checkpoint that was meta-trained on such may do better"
            ));
        }
        let slots = self.info().dims.classes;
        if classes > slots && members < MANY {
            doubts.push(format!(
                "{classes} classes are more than the {slots} that a member of the ensemble tells apart: each sees groups of them, and \
                 {members} members may mistake classes that few tell apart; an ensemble of {MANY} costs more and mistakes fewer"
            ));
        }
        doubts
    }
}

/// A doubt about the column `label` of labels that hardly repeat a value: a measurement, or not the labels at all.
pub(super) fn scarcely_classes(label: &str, classes: usize, rows: usize) -> Option<String> {
    /// Fewer may be the classes of a few rows.
    const MANY: usize = 10;
    (classes > MANY && 2 * classes > rows).then(|| {
        format!(
            "the label column `{label}` has {classes} values in {rows} rows: each is taken for a class; if they are numbers to \
             predict, or not the labels, name the column of classes with --label"
        )
    })
}

/// Doubts about numbers of query rows, `[q, dim]`, of which a fifth or more lie beyond [`CLIP`] deviations of the labelled rows',
/// `[n, dim]`, where they end. `columns`: places in a row, and what they are called.
pub fn far_off<'a>(
    columns: impl Iterator<Item = (usize, &'a str)>,
    known: &[f64],
    asked: &[f64],
    dim: usize,
) -> Vec<String> {
    let doubt = |(place, name): (usize, &str)| {
        let [known, asked] =
            [known, asked].map(|rows| rows.get(place..).unwrap_or_default().iter().step_by(dim).copied());
        let (scale, asked) = (Scale::of(known), asked.filter(|x| x.is_finite()));
        let (count, far) = (asked.clone().count(), asked.filter(|&x| scale.apply(x).abs() > CLIP).count());
        (far > 0 && 5 * far >= count).then(|| {
            format!(
                "{far} of {count} numbers of the query rows' column `{name}` lie more than {CLIP} standard deviations from the \
                 labelled rows' mean, and count as {CLIP}; are they in the same unit?"
            )
        })
    };
    columns.filter_map(doubt).collect()
}

/// A doubt about two labels that are one but for their case.
pub(super) fn twins(label: &str, names: &[String]) -> Option<String> {
    let mut folded = HashMap::new();
    let mut pairs = names.iter().map(|name| (folded.insert(name.to_lowercase(), name), name));
    let (first, later) = pairs.find_map(|(first, later)| Some((first?, later)))?;
    Some(format!(
        "`{first}` and `{later}` of the label column `{label}` differ in case alone, and are two classes"
    ))
}

/// How many rows with a label that were `judged` equal a labelled row, label and all: on those an accuracy says nothing.
pub(super) fn known_rows<'a>(
    labelled: impl Iterator<Item = (&'a [f64], u32)>,
    judged: impl Iterator<Item = (&'a [f64], u32)>,
) -> usize {
    let mut judged = judged.peekable();
    if judged.peek().is_none() {
        return 0;
    }
    let bits = |(row, label): (&[f64], u32)| (row.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), label);
    let labelled: HashSet<_> = labelled.map(bits).collect();
    judged.filter(|&row| labelled.contains(&bits(row))).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_another_unit_are_doubted() {
        let said = |known: &[f64], asked: &[f64]| far_off([(1, "mass")].into_iter(), known, asked, 2);
        let known = [0.0, 60.0, 0.0, 70.0, 0.0, 80.0];
        let doubts = said(&known, &[0.0, 61_000.0, 0.0, f64::NAN, 0.0, 75.0]);
        let [doubt] = &doubts[..] else { panic!("{doubts:?}") };
        assert!(
            doubt.contains("1 of 2 numbers") && doubt.contains("`mass`") && doubt.contains("unit"),
            "{doubt}"
        );
        let row = [0.0, 75.0];
        let outlier = [[0.0, 61_000.0], row, row, row, row, row].concat();
        let nothing: [&[f64]; 4] = [&outlier, &[9e9, 75.0, 0.0, 20.0], &[0.0, f64::NAN], &[]];
        assert!(nothing.into_iter().all(|asked| said(&known, asked).is_empty()));
        assert!(said(&[0.0, 7.0, 1.0, 7.0], &[0.0, 9.0]).is_empty(), "left out, as it is constant");
    }

    #[test]
    fn labels_that_differ_in_case_are_doubted() {
        let said = |names: [&str; 3]| twins("kind", &names.map(String::from));
        let doubt = said(["virgi", "setosa", "Virgi"]).unwrap();
        assert!(doubt.contains("`virgi` and `Virgi`") && doubt.contains("`kind`"), "{doubt}");
        assert_eq!(said(["virgi", "setosa", "versi"]), None);
    }

    #[test]
    fn labelled_rows_among_those_that_are_judged_are_counted() {
        let rows = [[1.0, f64::NAN], [2.0, f64::NAN], [3.0, f64::NAN]];
        let row = |at: usize, label| (&rows[at][..], label);
        let count =
            |judged: &[(&[f64], u32)]| known_rows([row(0, 0), row(1, 1)].into_iter(), judged.iter().copied());
        assert_eq!(count(&[row(0, 0), row(1, 1), row(2, 1)]), 2);
        assert_eq!(count(&[row(0, 1), row(2, 0)]), 0, "another label");
        assert_eq!(count(&[]), 0);
    }

    #[test]
    fn labels_that_hardly_repeat_are_doubted() {
        let said = |classes, rows| scarcely_classes("d", classes, rows);
        let doubt = said(39, 40).unwrap();
        assert!(doubt.contains("`d` has 39 values in 40 rows") && doubt.contains("--label"), "{doubt}");
        assert_eq!(said(20, 40), None, "two rows a class");
        assert_eq!(said(10, 10), None, "few rows");
    }
}
