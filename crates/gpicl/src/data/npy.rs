//! NumPy arrays: a folder of `.npy` files, or one `.npz`, with inputs and labels under the names that are usual.

use std::collections::HashMap;
use std::io::Cursor;
use std::path::Path;

use burn::tensor::f16;
use npyz::{DType, NpyFile, Order, TypeChar};

use super::archive::{names_in_zip, unzip};
use super::array::{Array, check_alike, examples};
use super::config::DataConfig;
use super::labels::number;
use super::raw::{Raw, files_in, own_name};
use crate::error::{Error, Result};

/// Names of inputs and labels, in lower case, the first pair that is there.
const TRAIN: [[&str; 2]; 7] = [
    ["x", "y"],
    ["x_train", "y_train"],
    ["inputs", "labels"],
    ["features", "labels"],
    ["data", "labels"],
    ["train_images", "train_labels"],
    // What `numpy.savez(file, x, y)` calls them.
    ["arr_0", "arr_1"],
];
/// The same of the held-out split.
const TEST: [[&str; 2]; 4] = [
    ["x_test", "y_test"],
    ["test_inputs", "test_labels"],
    ["test_features", "test_labels"],
    ["test_images", "test_labels"],
];
/// Deepest brackets in a header: a list of records' fields, which are pairs with shapes.
const DEPTH: usize = 8;

pub(super) fn read_npy(config: &DataConfig, _: &Path) -> Result<Raw> {
    let folder = config.path.as_deref().unwrap_or(Path::new("."));
    let names = files_in(folder, &["npy"])?;
    let names: Vec<&str> = names.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    let array = |name: &str| {
        let path = folder.join(name);
        let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
        parse(&path, &bytes)
    };
    dataset(folder, &names, array, "put the arrays x.npy and y.npy into it")
}

pub(super) fn read_npz(config: &DataConfig, _: &Path) -> Result<Raw> {
    let path = config.path.as_deref().unwrap_or(Path::new("."));
    let fix = "write it with numpy.savez(file, x=..., y=...)";
    let names = names_in_zip(path, fix)?;
    let names: Vec<&str> = names.iter().map(String::as_str).filter(|name| name.ends_with(".npy")).collect();
    let chosen = chosen(&names);
    let mut entries: HashMap<String, Vec<u8>> =
        unzip(path, |name| chosen.contains(&name), fix)?.into_iter().collect();
    let array = |name: &str| parse(&path.join(name), &entries.remove(name).unwrap_or_default());
    dataset(path, &names, array, fix)
}

/// The first of `pairs` that is among the files `names`, as they are spelled there.
fn find<'a>(names: &[&'a str], pairs: &[[&str; 2]]) -> Option<[&'a str; 2]> {
    let find = |wanted: &str| {
        let stem = |name: &str| name.strip_suffix(".npy").map(str::to_lowercase);
        // Of `x` and `X` the one that is spelled so.
        let exact = names.iter().find(|name| name.strip_suffix(".npy") == Some(wanted));
        exact.or_else(|| names.iter().find(|name| stem(name).as_deref() == Some(wanted))).copied()
    };
    pairs.iter().find_map(|[x, y]| Some([find(x)?, find(y)?]))
}

fn chosen<'a>(names: &[&'a str]) -> Vec<&'a str> {
    [find(names, &TRAIN), find(names, &TEST)].into_iter().flatten().flatten().collect()
}

/// The splits in `path`, which has the files `names`; `array` reads one, each once.
fn dataset(
    path: &Path,
    names: &[&str],
    mut array: impl FnMut(&str) -> Result<Array>,
    fix: &str,
) -> Result<Raw> {
    let mut split = |[x_name, y_name]: [&str; 2]| {
        let (x, y) = (array(x_name)?, array(y_name)?);
        let array_name = |name: &str| name.trim_end_matches(".npy").to_string();
        examples(path, (&array_name(x_name), &x), (&array_name(y_name), &y))
    };
    let Some(train) = find(names, &TRAIN) else {
        let found = names.iter().map(|name| name.trim_end_matches(".npy")).collect::<Vec<_>>().join(", ");
        let found = if found.is_empty() { "none at all".into() } else { format!("only: {found}") };
        let known = TRAIN.map(|[x, y]| format!("{x} and {y}")).join(", ");
        let problem = format!("has no arrays of inputs and labels that are known by name, {found}");
        return Err(Error::file(path, problem, format!("{fix}; names that are known: {known}")));
    };
    let train = split(train)?;
    let held_out = find(names, &TEST);
    let test = held_out.map(split).transpose()?;
    check_alike(path, &train, test.as_ref(), held_out.map_or("", |[x, _]| x.trim_end_matches(".npy")))?;
    number(&own_name(path), train, test)
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Array> {
    let problem = |problem: String| {
        Error::file(path, format!("is no whole .npy file ({problem})"), "write it with numpy.save")
    };
    let broken = |error: std::io::Error| problem(error.to_string());
    check_header(bytes).map_err(problem)?;
    let npy = NpyFile::new(Cursor::new(bytes)).map_err(broken)?;
    let shape: Vec<usize> = npy.shape().iter().map(|&size| size as usize).collect();
    let order = npy.order();
    let DType::Plain(kind) = npy.dtype() else {
        return Err(Error::file(path, "holds records", "save a plain array of numbers"));
    };
    macro_rules! values {
        ($type:ty, $number:expr) => {
            npy.data::<$type>()
                .map_err(|error| Error::file(path, error.to_string(), "save numbers in native byte order"))?
                .map(|value| value.map($number))
                .collect::<std::io::Result<Vec<f64>>>()
        };
        ($type:ty) => {
            values!($type, |value| value as f64)
        };
    }
    let values = match (kind.type_char(), kind.size_field()) {
        (TypeChar::Float, 2) => values!(f16, f16::to_f64),
        (TypeChar::Float, 4) => values!(f32),
        (TypeChar::Float, 8) => values!(f64),
        (TypeChar::Int, 1) => values!(i8),
        (TypeChar::Int, 2) => values!(i16),
        (TypeChar::Int, 4) => values!(i32),
        (TypeChar::Int, 8) => values!(i64),
        (TypeChar::Uint, 1) => values!(u8),
        (TypeChar::Uint, 2) => values!(u16),
        (TypeChar::Uint, 4) => values!(u32),
        (TypeChar::Uint, 8) => values!(u64),
        (TypeChar::Bool, 1) => values!(bool, |value| f64::from(u8::from(value))),
        _ => {
            let problem = format!("has values of type {kind}");
            return Err(Error::file(path, problem, "save floats of 16 to 64 bits, integers or booleans"));
        }
    }
    .map_err(broken)?;
    Ok(match order {
        Order::C => Array { shape, values },
        Order::Fortran => Array::from_column_major(shape, &values),
    })
}

/// A header that cannot be right is found before anything is made of its numbers: it ends inside the file, its brackets
/// are not deep, and its shape needs no more values than there are bytes.
fn check_header(bytes: &[u8]) -> Result<(), String> {
    let cut = || "it ends in the header".to_string();
    let version = *bytes.get(6).ok_or_else(cut)?;
    let size = |range: std::ops::Range<usize>| {
        let size = bytes.get(range)?.iter().rev().fold(0, |size, &byte| size << 8 | usize::from(byte));
        Some(size)
    };
    let (start, size) = if version < 2 { (10_usize, size(8..10)) } else { (12, size(8..12)) };
    let header = size.and_then(|size| bytes.get(start..start.checked_add(size)?)).ok_or_else(cut)?;
    let mut depth = 0_usize;
    for byte in header {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH {
            return Err("its header has brackets in brackets".into());
        }
    }
    let header = String::from_utf8_lossy(header);
    let shape = header.split_once("shape").and_then(|(_, rest)| rest.split_once('(')?.1.split_once(')'));
    let (shape, _) = shape.ok_or("its header gives no shape")?;
    let sizes = shape.split(',').map(str::trim).filter(|size| !size.is_empty());
    // Python 2 wrote `3L`.
    let mut sizes = sizes.map(|size| size.trim_end_matches('L').parse::<usize>());
    let count = sizes.try_fold(1_usize, |product, size| product.checked_mul(size.ok()?));
    match count {
        Some(count) if count <= bytes.len() - start => Ok(()),
        _ => Err(format!("{} bytes are too few for the shape ({shape})", bytes.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_names_are_found_in_any_case_and_the_exact_one_first() {
        assert_eq!(find(&["X.npy", "y.npy"], &TRAIN), Some(["X.npy", "y.npy"]));
        assert_eq!(find(&["X.npy", "x.npy", "Y.npy"], &TRAIN), Some(["x.npy", "Y.npy"]));
        assert_eq!(find(&["arr_1.npy", "arr_0.npy"], &TRAIN), Some(["arr_0.npy", "arr_1.npy"]));
        let keras = ["x_test.npy", "x_train.npy", "y_test.npy", "y_train.npy"];
        assert_eq!(chosen(&keras), ["x_train.npy", "y_train.npy", "x_test.npy", "y_test.npy"]);
        assert_eq!(find(&["x.npy", "labels.npy"], &TRAIN), None);
    }
}
