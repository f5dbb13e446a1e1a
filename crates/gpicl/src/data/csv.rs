//! A table as a data set.

use std::path::Path;

use super::columns::{Classes, Encoder};
use super::config::DataConfig;
use super::raw::Raw;
use super::table::{Table, TableConfig};
use super::transform::Normalize;
use super::{Dataset, InputShape};
use crate::error::{Error, Result};

/// A data set from a table; missing numbers are an error here.
pub(super) fn read(config: &DataConfig, _: &Path) -> Result<Raw> {
    let path = config.path.as_deref().unwrap_or(Path::new("."));
    let how = TableConfig {
        label: config.label_column.clone(),
        delimiter: config.delimiter,
        drop: config.drop.clone(),
        categorical: config.categorical.clone(),
        missing: config.missing.clone(),
    };
    let table = Table::read(path, &how)?;
    let label = table.label(&how)?;
    let encoder = Encoder::fit(&table, label, &how)?;
    let inputs = encoder.encode(&table)?;
    let largest = if config.normalize == Normalize::None { f64::from(f32::MAX) } else { f64::MAX };
    if let Some(at) = inputs.iter().position(|number| number.is_nan() || number.abs() > largest) {
        let column = table.column(encoder.column_of(at % encoder.dim()))?;
        let place = table.place(at / encoder.dim(), column);
        let (problem, fix) = match inputs[at] {
            number if number.is_nan() => {
                ("a number is missing".into(), "fill it in, or leave out the row, or the column (data.drop)")
            }
            number => (format!("{number:e} is too large as it is"), "leave data.normalize out"),
        };
        return Err(Error::file_at(path, place, problem, fix));
    }
    let (classes, labels) = Classes::fit(&table, label)?;
    for remark in table.doubt_of_header().into_iter().chain(encoder.doubts(&table)?) {
        tracing::warn!("{}: {remark}", path.display());
    }
    let name = path.file_stem().map_or_else(|| "csv".into(), |stem| stem.to_string_lossy().into_owned());
    let shape = InputShape::Vector(encoder.dim());
    let data = Dataset::exact(name, shape, inputs, labels, classes.names().to_vec())?;
    Ok(Raw { train: data, test: None, files: Vec::new() })
}
