//! `gpicl report`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use gpicl::fs::{check_file, write_atomic};
use gpicl_lab::report::html;
use serde_json::json;

use crate::output::Output;

/// Arguments of `gpicl report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Folder of a run, finished or not, of a sweep, of a comparison, or of a reproduced figure.
    dir: PathBuf,
    /// File to write; default: report.html in the folder.
    #[arg(long, value_name = "HTML")]
    out: Option<PathBuf>,
}

/// Writes the page about a folder.
pub fn report(args: &ReportArgs, output: &Output) -> Result<ExitCode> {
    let out = args.out.clone().unwrap_or_else(|| args.dir.join("report.html"));
    if args.out.is_some() {
        check_file(&out)?;
    }
    let page = html(&args.dir)?;
    write_atomic(&out, page.as_bytes())?;
    output.text(format!("wrote {}", out.display()));
    output.json(&json!({"path": out}));
    Ok(ExitCode::SUCCESS)
}
