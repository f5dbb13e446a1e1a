//! What may be wrong with a prediction, a sentence each.

use super::Predictor;

impl Predictor {
    /// Doubts about this learner in front of rows of `features` numbers.
    pub fn doubts(&self, features: usize) -> Vec<String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_hardly_repeat_are_doubted() {
        let said = |classes, rows| scarcely_classes("d", classes, rows);
        let doubt = said(39, 40).unwrap();
        assert!(doubt.contains("`d` has 39 values in 40 rows") && doubt.contains("--label"), "{doubt}");
        assert_eq!(said(20, 40), None, "two rows a class");
        assert_eq!(said(10, 10), None, "few rows");
    }
}
