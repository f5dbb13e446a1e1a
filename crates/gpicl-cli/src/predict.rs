//! `gpicl predict`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use gpicl::OutFile;
use gpicl::predict::{PredictConfig, predict_table};

use crate::output::Output;

/// Arguments of `gpicl predict`.
#[derive(Debug, Args)]
pub struct PredictArgs {
    /// A checkpoint file, or a run folder (its newest checkpoint).
    #[arg(long, value_name = "CHECKPOINT|RUN")]
    checkpoint: PathBuf,
    /// CSV with a header: the labelled rows to learn from.
    #[arg(long, value_name = "CSV")]
    context: PathBuf,
    /// CSV with a header: the rows to predict; the label column may be missing.
    #[arg(long, value_name = "CSV")]
    query: PathBuf,
    /// Where to write the predicted label and the class probabilities of every query row; `-` is standard output.
    #[arg(long, value_name = "CSV")]
    out: PathBuf,
    /// Name of the label column; default: the last one of the context.
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// Random projections to average over.
    #[arg(long, default_value_t = PredictConfig::default().ensemble)]
    ensemble: usize,
    /// Seed of the projections.
    #[arg(long, default_value_t = PredictConfig::default().seed)]
    seed: u64,
}

/// Predicts the query rows.
pub fn predict(args: &PredictArgs, output: &Output) -> Result<ExitCode> {
    let config = PredictConfig { ensemble: args.ensemble, seed: args.seed };
    let (context, query) = (&args.context, &args.query);
    let out = OutFile::new(&args.out)?;
    let output = output.beside(&out, "--out")?;
    let report = predict_table(&args.checkpoint, context, query, args.label.as_deref(), &out, &config)?;
    let accuracy = match report.accuracy {
        Some(accuracy) => format!("; accuracy {:.1}% (the query file has the labels)", 100.0 * accuracy),
        None => String::new(),
    };
    output.text(format!(
        "{} rows predicted from {} labelled ones, {} classes{accuracy}\nwrote {out}",
        report.queries,
        report.context,
        report.classes.len(),
    ));
    output.json(&report);
    Ok(ExitCode::SUCCESS)
}
