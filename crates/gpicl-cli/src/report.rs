//! `gpicl report`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use gpicl::OutFile;
use gpicl_lab::report::html;
use serde_json::json;

use crate::output::Output;

/// Arguments of `gpicl report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Folder of a run, finished or not, of a sweep, of a comparison, or of a reproduced figure.
    dir: PathBuf,
    /// File to write, `-` for standard output; default: report.html in the folder.
    #[arg(long, value_name = "HTML")]
    out: Option<PathBuf>,
}

/// Writes the page about a folder.
pub fn report(args: &ReportArgs, output: &Output) -> Result<ExitCode> {
    let named = args.out.as_deref().map(OutFile::new).transpose()?;
    let page = html(&args.dir)?;
    let out = match named {
        Some(out) => out,
        None => OutFile::new(&args.dir.join("report.html"))?,
    };
    let output = output.beside(&out, "--out")?;
    out.write(page.as_bytes())?;
    output.text(format!("wrote {out}"));
    output.json(&json!({"path": out.path()}));
    Ok(ExitCode::SUCCESS)
}
