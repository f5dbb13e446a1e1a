//! `gpicl train` and `gpicl resume`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use clap::Args;
use gpicl::Layers;
use gpicl::presets::Preset;
use gpicl::report::write_results;
use gpicl::train::{Ended, Trainer};

use crate::args::DataDirArgs;
use crate::output::Output;

/// Exit code of a run that Ctrl-C stopped: 128 + SIGINT, as shells expect.
pub const INTERRUPTED: u8 = 130;

/// Arguments of `gpicl train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// Start from a configuration that comes with the program: quickstart, mnist, paper.
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Lay a TOML file on top of it; a run's `config.toml` reruns the run.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set one field on top of both, like `train.lr=0.0003` or `data.name=mnist`; can be repeated.
    #[arg(long, value_name = "FIELD=VALUE")]
    set: Vec<String>,
    /// Folder of the run; default: a new one below `runs/`.
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    #[command(flatten)]
    data_dir: DataDirArgs,
}

/// Arguments of `gpicl resume`.
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// Folder of the run.
    run: PathBuf,
    /// End at once when stdin closes: how `gpicl compare` takes its runs with it, however it ends.
    #[arg(long, hide = true)]
    until_stdin_closes: bool,
    #[command(flatten)]
    data_dir: DataDirArgs,
}

/// Meta-trains from the start.
pub fn train(args: &TrainArgs, output: &Output) -> Result<ExitCode> {
    let mut layers = Layers::default();
    let preset = match (&args.preset, &args.config) {
        (Some(name), _) => Some(name.as_str()),
        // A file is complete unless a preset is asked for; nothing at all means the quick start.
        (None, Some(_)) => None,
        (None, None) => Some("quickstart"),
    };
    if let Some(name) = preset {
        Preset::find(name)?.apply(&mut layers)?;
    }
    if let Some(path) = &args.config {
        layers.file(path)?;
    }
    for assignment in &args.set {
        layers.set(assignment)?;
    }
    let config = layers.build()?;
    let run = match &args.run {
        Some(run) => run.clone(),
        None => unused_folder(preset.unwrap_or(&config.data.name), config.seed),
    };
    let trainer = Trainer::start(config, args.data_dir.data_dir.as_deref(), &run);
    let trainer = trainer.map_err(|error| layers.blame(error))?;
    output.note(format!("run folder: {}", run.display()));
    finish(trainer, output)
}

/// Meta-trains on from the newest checkpoint.
pub fn resume(args: &ResumeArgs, output: &Output) -> Result<ExitCode> {
    if args.until_stdin_closes {
        std::thread::spawn(|| {
            // An error is an end too.
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            std::process::exit(i32::from(INTERRUPTED));
        });
    }
    let trainer = Trainer::resume(&args.run, args.data_dir.data_dir.as_deref())?;
    output.note(format!("continuing {} after step {}", args.run.display(), trainer.step()));
    finish(trainer, output)
}

fn finish(mut trainer: Trainer, output: &Output) -> Result<ExitCode> {
    let stop = Arc::new(AtomicBool::new(false));
    let remark =
        "stopping after this step (Ctrl-C again: at once, losing the steps since the last checkpoint)";
    watch_for_ctrl_c(&stop, *output, remark)?;
    let train = &trainer.config().train;
    let mut progress = output.training(trainer.step(), train.steps, train.batch);
    let ended = trainer.train(&stop, &mut |event| progress.on_event(event));
    progress.finish();
    let run = trainer.run().path().to_path_buf();
    if let Ended::Stopped { step } = ended? {
        output.note(format!("stopped after step {step}; continue with: gpicl resume {}", run.display()));
        return Ok(ExitCode::from(INTERRUPTED));
    }
    output.note("meta-test");
    let curves = trainer.meta_test(trainer.config().eval.final_episodes)?;
    let report = write_results(trainer.run(), trainer.dims(), &curves)?;
    output.text(&report.text);
    output.json(&report.results);
    for path in &report.files {
        output.note(format!("wrote {}", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// The first Ctrl-C raises `stop` and says `remark`, the second ends the program.
pub fn watch_for_ctrl_c(stop: &Arc<AtomicBool>, output: Output, remark: &'static str) -> Result<()> {
    let raised = Arc::clone(stop);
    ctrlc::set_handler(move || {
        if raised.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(INTERRUPTED));
        }
        output.note(remark);
    })
    .context("cannot watch for Ctrl-C")
}

/// `runs/<name>-seed<seed>`, with a number behind it if that exists.
fn unused_folder(name: &str, seed: u64) -> PathBuf {
    let base = Path::new("runs").join(format!("{name}-seed{seed}"));
    std::iter::once(base.clone())
        .chain((2..).map(|i| PathBuf::from(format!("{}-{i}", base.display()))))
        .find(|path| !path.exists())
        .expect("the numbers do not end")
}
