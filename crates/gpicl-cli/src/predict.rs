//! `gpicl predict`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use gpicl::OutFile;
use gpicl::data::Delimiter;
use gpicl::data::table::TableConfig;
use gpicl::predict::{PredictConfig, PredictFiles, predict_table};
use gpicl_lab::results::doubt_of_verdict;

use crate::output::Output;

/// Arguments of `gpicl predict`.
#[derive(Debug, Args)]
pub struct PredictArgs {
    /// A checkpoint file, or a run folder (its newest checkpoint); default: the learner for tables that comes with the program.
    #[arg(long, value_name = "CHECKPOINT|RUN")]
    checkpoint: Option<PathBuf>,
    /// Table of the labelled rows to learn from.
    #[arg(long, value_name = "TABLE")]
    context: PathBuf,
    /// Table of the rows to predict; the label column may be missing.
    #[arg(long, value_name = "TABLE")]
    query: PathBuf,
    /// Where to write the predicted label and the class probabilities of every query row, as CSV; `-` is standard output.
    #[arg(long, value_name = "CSV")]
    out: PathBuf,
    /// Name of the label column; default: the last one of the context that is not dropped.
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// What stands between cells, or the word `tab`; default: found by itself.
    #[arg(long, value_name = "SIGN")]
    delimiter: Option<Delimiter>,
    /// Leave a column out, such as one of ids; may be given again.
    #[arg(long, value_name = "COLUMN")]
    drop: Vec<String>,
    /// Take a column of numbers as categories; may be given again.
    #[arg(long, value_name = "COLUMN")]
    categorical: Vec<String>,
    /// What else means that there is no value, besides an empty cell, NA, NaN, null and the like; may be given again.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    missing: Vec<String>,
    /// Members to average over, at most 1024; each sees columns in another order, or projected otherwise, and other rows where there are many.
    #[arg(long, default_value_t = PredictConfig::default().ensemble)]
    ensemble: usize,
    /// Seed of what the members see.
    #[arg(long, default_value_t = PredictConfig::default().seed)]
    seed: u64,
    /// Let no member see, beside a table's own columns, what regressions that are fitted to the labelled rows say of a row.
    #[arg(long)]
    no_stack: bool,
}

/// Predicts the query rows.
pub fn predict(args: &PredictArgs, output: &Output) -> Result<ExitCode> {
    let config = PredictConfig { ensemble: args.ensemble, seed: args.seed, stack: !args.no_stack };
    let tables = TableConfig {
        label: args.label.clone(),
        delimiter: args.delimiter,
        drop: args.drop.clone(),
        categorical: args.categorical.clone(),
        missing: args.missing.clone(),
    };
    let PredictArgs { checkpoint, context, query, .. } = args;
    let out = &OutFile::new(&args.out)?;
    let output = output.beside(out, "--out")?;
    let files = PredictFiles { checkpoint: checkpoint.as_deref(), context, query, out };
    let bar = output.counter("answers");
    let report = predict_table(&files, &tables, &config, &mut |answers, of| {
        bar.set_length(of as u64);
        bar.set_position(answers as u64);
    });
    bar.finish_and_clear();
    let mut report = report?;
    report.warnings.extend(checkpoint.as_deref().and_then(doubt_of_verdict));
    for warning in &report.warnings {
        tracing::warn!("{warning}");
    }
    let labelled = match report.judged {
        all if all == report.queries => "the query rows have labels".to_string(),
        some => format!("{some} query rows have a label"),
    };
    let known = match report.judged_known {
        0 => String::new(),
        count => format!("; {count} of them are among the labelled rows, and say nothing"),
    };
    let accuracy = match report.accuracy {
        Some(accuracy) => format!("; accuracy {:.1}% ({labelled}{known})", 100.0 * accuracy),
        None => String::new(),
    };
    output.text(format!(
        "{} rows predicted from {} labelled ones, {} classes of `{}`{accuracy}\nwrote {out}",
        report.queries,
        report.context,
        report.classes.len(),
        report.label,
    ));
    output.json(&report);
    Ok(ExitCode::SUCCESS)
}
