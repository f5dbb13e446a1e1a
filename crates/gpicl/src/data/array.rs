//! Arrays of numbers as labelled examples: what NumPy's formats and safetensors have in common.

use std::path::Path;

use super::InputShape;
use super::labels::Examples;
use crate::error::{Error, Result};

/// Numbers of any type, row-major.
pub(super) struct Array {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

impl Array {
    /// From numbers whose first index runs fastest, as Fortran has them.
    pub fn from_column_major(shape: Vec<usize>, values: &[f64]) -> Self {
        let mut index = vec![0; shape.len()];
        let mut next = || {
            let at = index.iter().zip(&shape).rev().fold(0, |at, (&i, &size)| at * size + i);
            for (i, &size) in index.iter_mut().zip(&shape).rev() {
                *i += 1;
                if *i < size {
                    break;
                }
                *i = 0;
            }
            values[at]
        };
        let values = (0..values.len()).map(|_| next()).collect();
        Self { shape, values }
    }
}

/// The first whole number that an `f64` does not tell from the next.
const TOO_LARGE: f64 = (1_u64 << f64::MANTISSA_DIGITS) as f64;

/// Inputs and labels from named arrays: `x` is `[n, ..]`, `y` is `[n]` of whole numbers. `[n, h, w]` and
/// `[n, h, w, 1 or 3]` are images; bytes (numbers above 1) are scaled only by the normalisation.
pub(super) fn examples(
    path: &Path,
    (x_name, x): (&str, &Array),
    (y_name, y): (&str, &Array),
) -> Result<Examples> {
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
    let inputs: Vec<f32> = x.values.iter().map(|&value| value as f32).collect();
    if let Some(at) = inputs.iter().position(|value| !value.is_finite()) {
        let (row, value) = (at / (x.values.len() / count), x.values[at]);
        let fix = if value.is_finite() { "scale the numbers" } else { "replace it by a number" };
        return fail(x_name, format!("row {row} holds {value}"), fix);
    }
    let shape = match *sizes {
        [height, width] => InputShape::Image { height, width, channels: 1 },
        [height, width, channels @ (1 | 3)] => InputShape::Image { height, width, channels },
        _ => InputShape::Vector(sizes.iter().product()),
    };
    // Of vectors every digit may count, as of times.
    let is_rounded = |(&input, &value): (&f32, &f64)| f64::from(input).to_bits() != value.to_bits();
    let digits = matches!(shape, InputShape::Vector(_)) && inputs.iter().zip(&x.values).any(is_rounded);
    let exact = digits.then(|| x.values.clone());
    let mut labels = Vec::with_capacity(count);
    for (row, &label) in y.values.iter().enumerate() {
        if label.fract() != 0.0 || label.abs() >= TOO_LARGE || label.is_nan() {
            let problem = format!("entry {row} is {label}");
            return fail(y_name, problem, "give every class a whole number below 2^53");
        }
        labels.push(label as i64);
    }
    Ok(Examples { shape, inputs, exact, labels })
}

/// Both splits' inputs are alike.
///
/// # Errors
/// [`Error::File`] naming `x_name`, the array of the test split's inputs.
pub(super) fn check_alike(
    path: &Path,
    train: &Examples,
    test: Option<&Examples>,
    x_name: &str,
) -> Result<()> {
    match test {
        Some(test) if test.shape != train.shape => {
            let problem = format!("has inputs of {}, the training split of {}", test.shape, train.shape);
            Err(Error::file_at(path, x_name, problem, "give both splits the same features"))
        }
        _ => Ok(()),
    }
}
