use std::process::ExitCode;
use anyhow::Result;
use clap::Args;
use crate::output::Output;
#[derive(Debug, Args)]
pub struct PredictArgs {}
pub fn predict(_: &PredictArgs, _: &Output) -> Result<ExitCode> { anyhow::bail!("not yet") }
