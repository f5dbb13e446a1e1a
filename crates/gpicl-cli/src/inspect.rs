//! `gpicl inspect`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use gpicl::train::{Inspection, inspect as look};

use crate::output::Output;

/// Arguments of `gpicl inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// A run folder (its newest checkpoint) or a checkpoint file.
    path: PathBuf,
}

/// Prints what a checkpoint is.
pub fn inspect(args: &InspectArgs, output: &Output) -> Result<ExitCode> {
    let inspection: Inspection = look(&args.path)?;
    output.text(inspection.text());
    output.json(&inspection);
    Ok(ExitCode::SUCCESS)
}
