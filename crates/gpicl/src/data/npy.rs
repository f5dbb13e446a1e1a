//! NumPy arrays: a folder with `x.npy` and `y.npy`, or one `.npz` with `x` and `y`.

use std::collections::HashMap;
use std::io::{Cursor, Read};
use std::path::Path;

use npyz::{DType, NpyFile, Order, TypeChar};

use super::Dataset;
use super::archive::unzip;
use super::array::{Array, examples, numbered};
use super::config::DataConfig;
use super::raw::Raw;
use crate::error::{Error, Result};

pub(super) fn read_npy(config: &DataConfig, _: &Path) -> Result<Raw> {
    let folder = config.path.as_deref().unwrap_or(Path::new("."));
    let array = |name: &str| {
        let path = folder.join(name);
        let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
        parse(&path, Cursor::new(bytes))
    };
    dataset(folder, &array("x.npy")?, &array("y.npy")?)
}

pub(super) fn read_npz(config: &DataConfig, _: &Path) -> Result<Raw> {
    let path = config.path.as_deref().unwrap_or(Path::new("."));
    let fix = "write it with numpy.savez(file, x=..., y=...)";
    let mut entries: HashMap<String, Vec<u8>> =
        unzip(path, |name| matches!(name, "x.npy" | "y.npy"), fix)?.into_iter().collect();
    let mut array = |name: &str| {
        let problem = || Error::file(path, format!("has no array {name}"), fix);
        let bytes = entries.remove(&format!("{name}.npy")).ok_or_else(problem)?;
        parse(&path.join(format!("{name}.npy")), Cursor::new(bytes))
    };
    dataset(path, &array("x")?, &array("y")?)
}

fn parse(path: &Path, reader: impl Read) -> Result<Array> {
    let broken = |error: std::io::Error| {
        Error::file(path, format!("is no whole .npy file ({error})"), "write it with numpy.save")
    };
    let npy = NpyFile::new(reader).map_err(broken)?;
    let shape: Vec<usize> = npy.shape().iter().map(|&size| size as usize).collect();
    if npy.order() != Order::C {
        let fix = "save numpy.ascontiguousarray(array)";
        return Err(Error::file(path, "is in Fortran order", fix));
    }
    let DType::Plain(kind) = npy.dtype() else {
        return Err(Error::file(path, "holds records", "save a plain array of numbers"));
    };
    macro_rules! values {
        ($type:ty) => {
            npy.data::<$type>()
                .map_err(|error| Error::file(path, error.to_string(), "save numbers in native byte order"))?
                .map(|value| value.map(|value| value as f64))
                .collect::<std::io::Result<Vec<f64>>>()
        };
    }
    let values = match (kind.type_char(), kind.size_field()) {
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
        _ => {
            let problem = format!("has numbers of type {kind}");
            return Err(Error::file(path, problem, "save float32, float64 or integers"));
        }
    }
    .map_err(broken)?;
    Ok(Array { shape, values })
}

fn dataset(path: &Path, x: &Array, y: &Array) -> Result<Raw> {
    let (shape, inputs, labels) = examples(path, ("x", x), ("y", y))?;
    let name = path.file_stem().map_or_else(|| "npy".into(), |stem| stem.to_string_lossy().into_owned());
    let names = numbered(&labels);
    Ok(Raw { train: Dataset::new(name, shape, inputs, labels, names)?, test: None, files: Vec::new() })
}
