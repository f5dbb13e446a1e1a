use std::process::ExitCode;
use anyhow::Result;
use clap::Args;
use crate::output::Output;
#[derive(Debug, Args)]
pub struct DataArgs {}
pub fn data(_: &DataArgs, _: &Output) -> Result<ExitCode> { anyhow::bail!("not yet") }
