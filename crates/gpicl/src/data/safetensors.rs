//! Features in a safetensors file: `inputs` (or `features`) `[n, d]` and `labels` `[n]`, and optionally the
//! held-out `test_inputs` (or `test_features`) and `test_labels`.

use std::collections::HashMap;
use std::path::Path;

use burn::tensor::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use super::array::{Array, check_alike, examples};
use super::config::DataConfig;
use super::labels::{Examples, number};
use super::raw::{Raw, own_name};
use super::{Dataset, Splits};
use crate::error::{Error, Result};
use crate::out_file::OutFile;

/// Where the metadata stands in the header: one key, so that the header's bytes are reproducible.
const METADATA_KEY: &str = "gpicl";
const FIX: &str = "give tensors inputs [n, d] and labels [n], and optionally test_inputs and test_labels";

/// What the tensors do not say.
#[derive(Serialize, Deserialize)]
struct Names {
    name: String,
    classes: Vec<String>,
}

impl Names {
    /// Whether every label is the index of a class.
    fn fit(&self, examples: &Examples) -> bool {
        let classes = 0..self.classes.len() as i64;
        examples.labels.iter().all(|label| classes.contains(label))
    }
}

pub(super) fn read(config: &DataConfig, _: &Path) -> Result<Raw> {
    let path = config.path.as_deref().unwrap_or(Path::new("."));
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    let broken = |error| {
        Error::file(
            path,
            format!("is no whole safetensors file ({error})"),
            "write it again, or copy it anew",
        )
    };
    let tensors = SafeTensors::deserialize(&bytes).map_err(broken)?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(broken)?;
    let names = header.metadata().as_ref().and_then(|metadata| metadata.get(METADATA_KEY));
    let names: Option<Names> = names.and_then(|json| serde_json::from_str(json).ok());

    let split = |prefix: &str| {
        let find = |suffix: &str| {
            let name = format!("{prefix}{suffix}");
            tensors.tensor(&name).ok().map(|tensor| (name, tensor))
        };
        let inputs = find("inputs").or_else(|| find("features"));
        match (inputs, find("labels")) {
            (None, None) => Ok(None),
            (Some((x_name, x)), Some((y_name, y))) => {
                let (x, y) = (array(path, &x_name, &x)?, array(path, &y_name, &y)?);
                if x.shape.len() != 2 {
                    return Err(Error::file_at(path, x_name, format!("has shape {:?}", x.shape), FIX));
                }
                examples(path, (&x_name, &x), (&y_name, &y)).map(Some)
            }
            (inputs, _) => {
                let missing = if inputs.is_some() { "labels" } else { "inputs" };
                Err(Error::file(path, format!("has no tensor `{prefix}{missing}`"), FIX))
            }
        }
    };
    let Some(train) = split("")? else {
        let found = tensors.names().join(", ");
        return Err(Error::file(path, format!("has no tensor `inputs`, only: {found}"), FIX));
    };
    let test = split("test_")?;
    check_alike(path, &train, test.as_ref(), "test_inputs")?;
    match names {
        Some(names) if names.fit(&train) && test.as_ref().is_none_or(|test| names.fit(test)) => {
            let dataset =
                |examples: Examples| examples.dataset(&names.name, &names.classes, |label| label as u32);
            Ok(Raw { train: dataset(train)?, test: test.map(dataset).transpose()?, files: Vec::new() })
        }
        _ => number(&own_name(path), train, test),
    }
}

/// Writes both splits, with the classes' names; reading gives the same back, images as vectors.
///
/// # Errors
/// [`Error::Io`].
pub fn write_features(out: &OutFile, splits: &Splits) -> Result<()> {
    let Splits { train, test } = splits;
    let floats = |data: &Dataset| data.inputs().iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let whole =
        |data: &Dataset| data.labels().iter().flat_map(|&y| i64::from(y).to_le_bytes()).collect::<Vec<u8>>();
    let (inputs, labels, test_inputs, test_labels) = (floats(train), whole(train), floats(test), whole(test));
    let view = |dtype, shape, bytes| TensorView::new(dtype, shape, bytes).expect("shape and data agree");
    let tensors = [
        ("inputs", view(Dtype::F32, vec![train.len(), train.dim()], &inputs)),
        ("labels", view(Dtype::I64, vec![train.len()], &labels)),
        ("test_inputs", view(Dtype::F32, vec![test.len(), test.dim()], &test_inputs)),
        ("test_labels", view(Dtype::I64, vec![test.len()], &test_labels)),
    ];
    let names = Names { name: train.name().into(), classes: train.class_names().to_vec() };
    let json = serde_json::to_string(&names).expect("names have a JSON form");
    let metadata = HashMap::from([(METADATA_KEY.to_string(), json)]);
    let bytes = safetensors::serialize(tensors, Some(metadata)).expect("plain tensors serialise");
    out.write(&bytes)
}

fn array(path: &Path, name: &str, tensor: &TensorView<'_>) -> Result<Array> {
    let bytes = tensor.data();
    macro_rules! values {
        ($type:ty, $value:expr) => {
            bytes
                .as_chunks::<{ size_of::<$type>() }>()
                .0
                .iter()
                .map(|bytes| $value(<$type>::from_le_bytes(*bytes)))
                .collect()
        };
    }
    let values = match tensor.dtype() {
        Dtype::F16 => values!(f16, f16::to_f64),
        Dtype::BF16 => values!(bf16, bf16::to_f64),
        Dtype::F32 => values!(f32, f64::from),
        Dtype::F64 => values!(f64, f64::from),
        Dtype::I8 => values!(i8, f64::from),
        Dtype::I16 => values!(i16, f64::from),
        Dtype::I32 => values!(i32, f64::from),
        Dtype::I64 => values!(i64, |value| value as f64),
        Dtype::U8 => values!(u8, f64::from),
        Dtype::U16 => values!(u16, f64::from),
        Dtype::U32 => values!(u32, f64::from),
        Dtype::U64 => values!(u64, |value| value as f64),
        other => {
            let fix = "save floats of 16 to 64 bits, or integers";
            return Err(Error::file_at(path, name, format!("has numbers of type {other:?}"), fix));
        }
    };
    Ok(Array { shape: tensor.shape().to_vec(), values })
}
