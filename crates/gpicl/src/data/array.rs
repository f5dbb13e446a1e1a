//! Arrays of numbers as labelled examples: what NumPy's formats and safetensors have in common.

use std::path::Path;

use super::InputShape;
use crate::error::{Error, Result};

/// Numbers of any type, row-major.
pub(super) struct Array {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

/// Inputs and labels from named arrays: `x` is `[n, ..]`, `y` is `[n]` of whole numbers. `[n, h, w]` and
/// `[n, h, w, 1 or 3]` are images; bytes (numbers above 1) are scaled only by the normalisation.
pub(super) fn examples(
    path: &Path,
    (x_name, x): (&str, &Array),
    (y_name, y): (&str, &Array),
) -> Result<(InputShape, Vec<f32>, Vec<u32>)> {
    let fail = |at: &str, problem: String, fix: &str| Err(Error::file_at(path, at, problem, fix));
    let Some((&count, sizes)) = x.shape.split_first().filter(|_| x.shape.len() > 1 && !x.values.is_empty())
    else {
        let problem = format!("has shape {:?}", x.shape);
        return fail(x_name, problem, "give [n, features] or images [n, h, w(, channels)]");
    };
    if y.values.len() != count {
        let problem = format!("has {} entries for {count} rows of {x_name}", y.values.len());
        return fail(y_name, problem, "give one label a row");
    }
    if let Some(at) = x.values.iter().position(|value| !value.is_finite()) {
        let row = at / (x.values.len() / count);
        return fail(x_name, format!("row {row} holds {}", x.values[at]), "replace it by a number");
    }
    let shape = match *sizes {
        [height, width] => InputShape::Image { height, width, channels: 1 },
        [height, width, channels @ (1 | 3)] => InputShape::Image { height, width, channels },
        _ => InputShape::Vector(sizes.iter().product()),
    };
    let mut labels = Vec::with_capacity(count);
    for (row, &label) in y.values.iter().enumerate() {
        if !(0.0..65536.0).contains(&label) || label.fract() != 0.0 {
            let problem = format!("entry {row} is {label}");
            return fail(y_name, problem, "number the classes 0, 1, 2, ...");
        }
        labels.push(label as u32);
    }
    Ok((shape, x.values.iter().map(|&value| value as f32).collect(), labels))
}

/// Names for the classes up to the largest label: their numbers.
pub(super) fn numbered(labels: &[u32]) -> Vec<String> {
    let classes = labels.iter().max().map_or(0, |&label| label + 1);
    (0..classes).map(|label| label.to_string()).collect()
}
