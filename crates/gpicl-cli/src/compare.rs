//! `gpicl compare`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{ArgGroup, Args};
use gpicl::eval::Look;
use gpicl_lab::compare::{NamedSpec, Surroundings, compare as run_comparison};
use gpicl_lab::origin::Origin;
use gpicl_lab::program::Program;
use gpicl_lab::workers::Workers;

use crate::args::DataDirArgs;
use crate::ctrl_c::{CtrlC, INTERRUPTED};
use crate::output::Output;
use crate::train::FAILED;

/// Arguments of `gpicl compare`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("spec").required(true).args(["config", "preset"])))]
pub struct CompareArgs {
    /// TOML file with the methods, seeds and data sets.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A comparison that comes with the program; `gpicl presets` lists them.
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Set one field of what all runs have in common, like `train.steps=100`; can be repeated.
    #[arg(long, value_name = "FIELD=VALUE")]
    set: Vec<String>,
    /// Folder for runs, tables and figures; what is finished in it is not done again. Default: compare-NAME below
    /// `runs/`.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Runs to meta-train at a time, in processes that share the cores.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    #[command(flatten)]
    data_dir: DataDirArgs,
}

/// Meta-trains and meta-tests all methods, prints the table and writes it with its figures.
pub fn compare(args: &CompareArgs, program: &Program, output: &Output) -> Result<ExitCode> {
    let origin = Origin::of(args.config.as_deref(), args.preset.as_deref());
    let spec = NamedSpec::of(&origin, &args.set)?;
    let out = args.out.clone().unwrap_or_else(|| origin.folder("compare"));
    let ctrl_c = CtrlC::watch(output, "stopping; the runs save their step (Ctrl-C again: at once)")?;
    let comparison = run_comparison(
        &spec,
        &Surroundings {
            out: &out,
            data_dir: args.data_dir.data_dir.as_deref(),
            workers: Workers { program: program.clone(), jobs: args.jobs, threads: None, population: 1 },
            note: &|text| output.note(text),
            stop: ctrl_c.stop(),
            look: Look::default(),
        },
    )?;
    let Some(comparison) = comparison else {
        output.note("stopped; the same command goes on");
        return Ok(ExitCode::from(INTERRUPTED));
    };
    output.text(comparison.text());
    output.json(&comparison);
    for path in comparison.save(&out)? {
        output.note(format!("wrote {}", path.display()));
    }
    let failed = comparison.failures().count() > 0;
    Ok(if failed { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
}
