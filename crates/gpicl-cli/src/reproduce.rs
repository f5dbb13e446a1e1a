//! `gpicl reproduce`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};
use gpicl::eval::Look;
use gpicl_lab::program::Program;
use gpicl_lab::reproduce::{Around, FIGURES, Failure, Figure, Scale, reproduce as reproduce_figure};
use serde_json::json;

use crate::args::DataDirArgs;
use crate::ctrl_c::{CtrlC, INTERRUPTED};
use crate::output::Output;
use crate::sweep::ExecutorArgs;
use crate::train::FAILED;

/// Arguments of `gpicl reproduce`.
#[derive(Debug, Args)]
pub struct ReproduceArgs {
    /// The figure; see --list.
    #[arg(required_unless_present = "list")]
    figure: Option<String>,
    /// List the figures.
    #[arg(long)]
    list: bool,
    /// cpu: within about an hour on two cores; paper: the paper's sizes, which need GPUs.
    #[arg(long, value_enum, default_value_t = ScaleArg::Cpu)]
    scale: ScaleArg,
    /// Folder for runs, data, figure and verdict; what is finished in it is not done again. Default:
    /// reproduce-FIGURE-SCALE below `runs/`.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the runs of the figure, as TOML, and do nothing.
    #[arg(long)]
    show_spec: bool,
    /// TOML file with other runs than the figure's own.
    #[arg(long, value_name = "FILE", conflicts_with = "scale")]
    spec: Option<PathBuf>,
    /// Lay one field on the base of all runs, like train.steps=3; may be given several times.
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Begin the runs again that failed before.
    #[arg(long)]
    retry_failed: bool,
    #[command(flatten)]
    executor: ExecutorArgs,
    #[command(flatten)]
    data_dir: DataDirArgs,
}

/// How large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ScaleArg {
    /// About an hour on two cores.
    Cpu,
    /// The paper's sizes.
    Paper,
}

impl From<ScaleArg> for Scale {
    fn from(scale: ScaleArg) -> Self {
        match scale {
            ScaleArg::Cpu => Self::Cpu,
            ScaleArg::Paper => Self::Paper,
        }
    }
}

/// Meta-trains the figure's runs, draws it and prints the verdict; or lists the figures.
pub fn reproduce(args: &ReproduceArgs, program: &Program, output: &Output) -> Result<ExitCode> {
    let Some(name) = args.figure.as_deref().filter(|_| !args.list) else {
        for figure in FIGURES {
            output.text(format!("{:<16} {}", figure.name, figure.summary));
            output.json(&json!({"name": figure.name, "summary": figure.summary}));
        }
        return Ok(ExitCode::SUCCESS);
    };
    args.executor.check(false)?;
    let figure = Figure::find(name)?;
    let (spec, scale) = figure.chosen(args.spec.as_deref(), args.scale.into(), &args.set)?;
    if args.show_spec {
        figure.check(&spec)?;
        output.text(spec.text().trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    let out = args.out.clone().unwrap_or_else(|| Path::new("runs").join(format!("reproduce-{name}-{scale}")));
    let ctrl_c = CtrlC::watch(output, "stopping; the runs save their step (Ctrl-C again: at once)")?;
    let reproduced = reproduce_figure(
        figure,
        &spec,
        &Around {
            out: &out,
            data_dir: args.data_dir.data_dir.as_deref(),
            program,
            executor: &|spec| args.executor.executor(spec, false),
            jobs: args.executor.jobs().unwrap_or(1),
            retry_failed: args.retry_failed,
            note: &|text| output.note(text),
            stop: ctrl_c.stop(),
            look: Look::default(),
        },
    )?;
    let Some(reproduced) = reproduced else {
        output.note("stopped; the same command goes on");
        return Ok(ExitCode::from(INTERRUPTED));
    };
    output.text(reproduced.verdict.text());
    output.json(&reproduced);
    for path in &reproduced.files {
        output.note(format!("wrote {}", path.display()));
    }
    for Failure { run, error } in &reproduced.failed {
        output.note(format!("{run} failed: {error}"));
    }
    Ok(if reproduced.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}
