//! From tables to a table.

use std::path::Path;

use serde::Serialize;

use super::doubts::{far_off, known_rows, scarcely_classes, twins};
use super::features::Features;
use super::{Context, PredictConfig, Predictor};
use crate::data::columns::Classes;
use crate::data::table::{Table, TableConfig};
use crate::error::{Error, Result};
use crate::out_file::OutFile;

/// What a prediction reads and writes.
#[derive(Clone, Copy, Debug)]
pub struct PredictFiles<'a> {
    /// A checkpoint file, or a run folder; none: the learner for tables that comes with the program.
    pub checkpoint: Option<&'a Path>,
    /// The labelled rows; `-` for standard input.
    pub context: &'a Path,
    /// The rows to predict, with or without labels; `-` for standard input.
    pub query: &'a Path,
    /// The predictions.
    pub out: &'a OutFile,
}

/// What was predicted.
#[derive(Clone, Debug, Serialize)]
pub struct PredictReport {
    /// Labelled rows.
    pub context: usize,
    /// Predicted rows.
    pub queries: usize,
    /// Name of the column of labels.
    pub label: String,
    /// The classes, in the order of the probability columns.
    pub classes: Vec<String>,
    /// Query rows with a label.
    pub judged: usize,
    /// Of these, rows that equal a labelled row, label and all: on them the accuracy says nothing.
    pub judged_known: usize,
    /// Share of right predictions, over all that are judged; none if there are none.
    pub accuracy: Option<f64>,
    /// What may be wrong with the tables or the learner, a sentence each.
    pub warnings: Vec<String>,
}

/// Predicts the query rows from the labelled ones and writes a column `prediction`, then `p_<class>` for each class, one line
/// a query row in its order. `progress` hears how many answers there are, and of how many.
///
/// # Errors
/// [`Error::File`] naming file, line and column at fault, or an output that is an input; nothing is written then.
pub fn predict_table(
    files: &PredictFiles<'_>,
    tables: &TableConfig,
    config: &PredictConfig,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<PredictReport> {
    config.validate()?;
    let &PredictFiles { checkpoint, context, query, out } = files;
    check_files(files)?;
    let known = Table::read(context, tables)?;
    let label = known.label(tables)?;
    let (classes, labels) = Classes::fit(&known, label)?;
    let predictor = match checkpoint {
        Some(checkpoint) => Predictor::load(checkpoint)?,
        None => Predictor::built_in()?,
    };
    let asked = Table::read(query, tables)?;
    // A column that only the queries have is left out anyway.
    let drop = tables.drop.iter().filter(|name| known.column(name).is_ok() || asked.column(name).is_err());
    let columns = TableConfig { drop: drop.cloned().collect(), ..tables.clone() };
    let encoder = predictor.encoder(&known, label, &columns)?;
    let most = predictor.most_classes();
    let names = classes.names();
    if names.len() > most {
        let place = format!("column `{}`", known.header()[label]);
        let problem = format!("has {} different labels; this checkpoint takes 2 to {most}", names.len());
        let fix = "name the label column with --label, or meta-train with more classes (data.classes)";
        return Err(Error::file_at(context, place, problem, fix));
    }
    let least = predictor.least_ensemble(names.len());
    if config.ensemble < least {
        let problem = format!("is {}, too few to tell {} classes apart", config.ensemble, names.len());
        return Err(Error::config("--ensemble", problem, format!("give at least {least}")));
    }
    let features = encoder.encode(&known)?;
    if Features::fit(&features, encoder.dim(), std::iter::repeat(1.0)).count() == 0 {
        let problem = "every feature column is constant or empty, so that no row differs from another";
        return Err(Error::file(context, problem, "add features, or more rows"));
    }
    let queries = encoder.encode(&asked)?;
    let mut warnings: Vec<String> = known.doubt_of_header().into_iter().collect();
    warnings.extend(encoder.doubts(&known)?);
    warnings.extend(encoder.strangers(&asked)?);
    warnings.extend(far_off(encoder.plain_numbers(), &features, &queries, encoder.dim()));
    warnings.extend(twins(&known.header()[label], names));
    warnings.extend(scarcely_classes(&known.header()[label], names.len(), known.len()));
    warnings.extend(predictor.doubts(encoder.dim(), names.len(), config.ensemble));
    let context = Context { features: &features, labels: &labels, classes: names.len() };
    let probabilities = predictor.predict_watched(context, &queries, config, progress)?;

    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let mut predictions = Vec::with_capacity(asked.len());
    let header =
        std::iter::once("prediction".to_string()).chain(names.iter().map(|class| format!("p_{class}")));
    writer.write_record(header).expect("writing to memory does not fail");
    for row in probabilities.chunks_exact(names.len()) {
        let best =
            (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b]).then(b.cmp(&a))).unwrap_or_default();
        predictions.push(best as u32);
        let cells = std::iter::once(names[best].clone()).chain(row.iter().map(|p| format!("{p:.6}")));
        writer.write_record(cells).expect("writing to memory does not fail");
    }
    out.write(&writer.into_inner().expect("writing to memory does not fail"))?;

    let name = &known.header()[label];
    // Of every query row with a label: its number, the class, if the labelled rows have it, and the prediction.
    let column = asked.column(name).ok();
    let judged: Vec<(usize, Option<u32>, u32)> = match column {
        Some(column) => {
            let find = classes.finder(&asked, column);
            let rows = asked.cells(column).zip(&predictions).enumerate();
            rows.filter_map(|(row, (truth, &prediction))| Some((row, find(truth?), prediction))).collect()
        }
        None => Vec::new(),
    };
    let strange = judged.iter().filter(|(_, truth, _)| truth.is_none());
    if let (Some(column), Some(&(row, ..))) = (column, strange.clone().next()) {
        let (count, of) = (strange.count(), judged.len());
        let cell = asked.cell(row, column).unwrap_or_default();
        warnings.push(format!(
            "{count} of {of} labels of the queries' column `{name}` are not among the labelled rows' and count as wrong; \
             the first is `{cell}`, {}",
            asked.place(row, column)
        ));
    }
    let place = |row: usize| row * encoder.dim()..(row + 1) * encoder.dim();
    let judged_known = known_rows(
        labels.iter().enumerate().map(|(row, &label)| (&features[place(row)], label)),
        judged.iter().filter_map(|&(row, truth, _)| Some((&queries[place(row)], truth?))),
    );
    let hits = judged.iter().filter(|(_, truth, prediction)| *truth == Some(*prediction)).count();
    let accuracy = (!judged.is_empty()).then(|| hits as f64 / judged.len() as f64);
    Ok(PredictReport {
        context: known.len(),
        queries: asked.len(),
        label: name.clone(),
        classes: names.to_vec(),
        judged: judged.len(),
        judged_known,
        accuracy,
        warnings,
    })
}

/// Checks that no input is asked for twice or written over.
fn check_files(files: &PredictFiles<'_>) -> Result<()> {
    let &PredictFiles { context, query, out, .. } = files;
    let standard = |path: &Path| path == Path::new(Table::STANDARD);
    if standard(context) && standard(query) {
        let problem = "is standard input, as --context is, which is read once";
        return Err(Error::config("--query", problem, "give one of them as a file"));
    }
    let over = |input: &Path| !standard(input) && out.is(input);
    if over(context) || over(query) {
        return Err(Error::config("--out", format!("{out} is an input"), "name another file"));
    }
    Ok(())
}
