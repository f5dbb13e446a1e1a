//! NumPy arrays: a folder with `x.npy` and `y.npy`, or one `.npz` with `x` and `y`.

use std::io::{Cursor, Read};
use std::path::Path;

use npyz::{DType, NpyFile, Order, TypeChar};

use super::config::{DataConfig, Raw};
use super::{Dataset, InputShape};
use crate::error::{Error, Result};

pub(super) fn read_npy(config: &DataConfig, _: &Path) -> Result<Raw> {
    let folder = config.path.as_deref().unwrap_or(Path::new("."));
    let array = |name: &str| {
        let path = folder.join(name);
        let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
        parse(&path, Cursor::new(bytes))
    };
    dataset(folder, array("x.npy")?, array("y.npy")?)
}

pub(super) fn read_npz(config: &DataConfig, _: &Path) -> Result<Raw> {
    let path = config.path.as_deref().unwrap_or(Path::new("."));
    let file = std::fs::File::open(path).map_err(Error::io("open", path))?;
    let broken = |error: zip::result::ZipError| {
        Error::file(
            path,
            format!("cannot be read as .npz ({error})"),
            "write it with numpy.savez(file, x=..., y=...)",
        )
    };
    let mut zip = zip::ZipArchive::new(file).map_err(broken)?;
    let mut array = |name: &str| {
        let mut bytes = Vec::new();
        zip.by_name(name).map_err(broken)?.read_to_end(&mut bytes).map_err(Error::io("read", path))?;
        parse(&path.join(name), Cursor::new(bytes))
    };
    dataset(path, array("x.npy")?, array("y.npy")?)
}

struct Array {
    shape: Vec<usize>,
    values: Vec<f64>,
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

/// `x` is `[n, ..]`, `y` is `[n]` of whole numbers. `[n, h, w]` and `[n, h, w, 1 or 3]` are images; bytes
/// (numbers above 1) are scaled only by the normalisation.
fn dataset(path: &Path, x: Array, y: Array) -> Result<Raw> {
    let fail = |at: &str, problem: String, fix: &str| Err(Error::file_at(path, at, problem, fix));
    let Some((&count, sizes)) =
        x.shape.split_first().filter(|(count, sizes)| **count > 0 && !sizes.is_empty())
    else {
        return fail(
            "x",
            format!("has shape {:?}", x.shape),
            "give [n, features] or images [n, h, w(, channels)]",
        );
    };
    if y.values.len() != count {
        return fail(
            "y",
            format!("has {} entries for {count} rows of x", y.values.len()),
            "give one label a row",
        );
    }
    if let Some(at) = x.values.iter().position(|value| !value.is_finite()) {
        let row = at / (x.values.len() / count);
        return fail("x", format!("row {row} holds {}", x.values[at]), "replace it by a number");
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
            return fail("y", problem, "number the classes 0, 1, 2, ...");
        }
        labels.push(label as u32);
    }
    let classes = labels.iter().max().map_or(0, |&label| label + 1);
    let name = path.file_stem().map_or_else(|| "npy".into(), |stem| stem.to_string_lossy().into_owned());
    let inputs = x.values.iter().map(|&value| value as f32).collect();
    let names = (0..classes).map(|label| label.to_string()).collect();
    Ok(Raw { train: Dataset::new(name, shape, inputs, labels, names)?, test: None })
}
