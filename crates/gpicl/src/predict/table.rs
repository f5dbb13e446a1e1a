//! From CSV files to a CSV file.

use std::path::Path;

use serde::Serialize;

use super::{Context, PredictConfig, Predictor};
use crate::data::csv::{Encoder, Table, index_labels};
use crate::error::{Error, Result};
use crate::out_file::OutFile;

/// What was predicted.
#[derive(Clone, Debug, Serialize)]
pub struct PredictReport {
    /// Labelled rows.
    pub context: usize,
    /// Predicted rows.
    pub queries: usize,
    /// The classes, in the order of the probability columns.
    pub classes: Vec<String>,
    /// Share of right predictions, if the query file has the label column.
    pub accuracy: Option<f64>,
}

/// Predicts the rows of `query` from those of `context` and writes `out`: a column `prediction`, then
/// `p_<class>` for each class, one line a query row in its order.
///
/// # Errors
/// [`Error::File`] naming file, line and column at fault, or an `out` that is an input; nothing is written then.
pub fn predict_table(
    checkpoint: &Path,
    context: &Path,
    query: &Path,
    label: Option<&str>,
    out: &OutFile,
    config: &PredictConfig,
) -> Result<PredictReport> {
    if config.ensemble == 0 {
        return Err(Error::config("--ensemble", "is 0", "give at least 1"));
    }
    if out.is(context) || out.is(query) {
        return Err(Error::config("--out", format!("{out} is an input"), "name another file"));
    }
    let (known, asked) = (Table::read(context)?, Table::read(query)?);
    let label = match label {
        Some(name) => known.column(name)?,
        None => known.header().len() - 1,
    };
    let encoder = Encoder::fit(&known, Some(label))?;
    let labels = known.labels(label)?;
    let (classes, labels) = index_labels(&labels);
    let predictor = Predictor::load(checkpoint)?;
    let slots = predictor.info().dims.classes;
    if !(2..=slots).contains(&classes.len()) {
        let place = format!("column `{}`", known.header()[label]);
        let problem = format!("has {} different labels; this checkpoint takes 2 to {slots}", classes.len());
        let fix = "name the label column with --label, or meta-train with more classes (data.classes)";
        return Err(Error::file_at(context, place, problem, fix));
    }
    let features = encoder.encode(&known)?;
    let context = Context { features: &features, labels: &labels, classes: classes.len() };
    let probabilities = predictor.predict(context, &encoder.encode(&asked)?, config)?;

    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let mut predictions = Vec::with_capacity(asked.len());
    let header =
        std::iter::once("prediction".to_string()).chain(classes.iter().map(|class| format!("p_{class}")));
    writer.write_record(header).expect("writing to memory does not fail");
    for row in probabilities.chunks_exact(classes.len()) {
        let best =
            (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b]).then(b.cmp(&a))).unwrap_or_default();
        predictions.push(classes[best]);
        let cells = std::iter::once(classes[best].to_string()).chain(row.iter().map(|p| format!("{p:.6}")));
        writer.write_record(cells).expect("writing to memory does not fail");
    }
    out.write(&writer.into_inner().expect("writing to memory does not fail"))?;

    let truth = asked.column(&known.header()[label]).ok().and_then(|column| asked.labels(column).ok());
    let accuracy = truth.map(|truth| {
        let hits = truth.iter().zip(&predictions).filter(|(truth, prediction)| truth == prediction).count();
        hits as f64 / predictions.len() as f64
    });
    let classes = classes.into_iter().map(String::from).collect();
    Ok(PredictReport { context: known.len(), queries: asked.len(), classes, accuracy })
}
