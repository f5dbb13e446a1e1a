//! Labels that are whole numbers: the classes are those there are, whichever numbers they skip.

use super::raw::Raw;
use super::{Dataset, InputShape};
use crate::error::Result;

/// The examples of one split: what an input is, inputs `[n, N_x]`, and labels `[n]` as the source has them.
pub(super) struct Examples {
    pub shape: InputShape,
    pub inputs: Vec<f32>,
    /// The inputs before they were rounded, where they have more digits.
    pub exact: Option<Vec<f64>>,
    pub labels: Vec<i64>,
}

impl Examples {
    /// As a data set of `classes`; `index` is the class of a label.
    pub fn dataset(self, name: &str, classes: &[String], index: impl Fn(i64) -> u32) -> Result<Dataset> {
        let Self { shape, inputs, exact, labels } = self;
        let (labels, classes) = (labels.into_iter().map(index).collect(), classes.to_vec());
        match exact {
            Some(exact) => Dataset::exact(name, shape, exact, labels, classes),
            None => Dataset::new(name, shape, inputs, labels, classes),
        }
    }
}

/// Data sets of both splits. Classes are numbered in the order of their labels, a class of either split in both; their
/// names are the labels. The shapes agree.
pub(super) fn number(name: &str, train: Examples, test: Option<Examples>) -> Result<Raw> {
    let held_out = test.iter().flat_map(|test| &test.labels);
    let mut classes: Vec<i64> = train.labels.iter().chain(held_out).copied().collect();
    classes.sort_unstable();
    classes.dedup();
    let names: Vec<String> = classes.iter().map(i64::to_string).collect();
    let index = |label: i64| classes.binary_search(&label).expect("every label is among them") as u32;
    let dataset = |examples: Examples| examples.dataset(name, &names, index);
    Ok(Raw { train: dataset(train)?, test: test.map(dataset).transpose()?, files: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples(labels: &[i64]) -> Examples {
        let inputs = vec![0.0; labels.len()];
        Examples { shape: InputShape::Vector(1), inputs, exact: None, labels: labels.to_vec() }
    }

    #[test]
    fn a_class_is_a_label_that_is_there_in_either_split() {
        let Raw { train, test, .. } =
            number("toy", examples(&[9999, -1, 4]), Some(examples(&[7, 4]))).unwrap();
        assert_eq!(train.class_names(), ["-1", "4", "7", "9999"]);
        let test = test.unwrap();
        assert_eq!((train.labels(), test.labels()), (&[3, 0, 1][..], &[2, 1][..]));
        assert_eq!(train.class_names(), test.class_names());
    }
}
