//! `gpicl train` and `gpicl resume`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::Result;
use clap::Args;
use gpicl::data::Library;
use gpicl::train::{Ended, Event, ResumeOptions, Trainer};
use gpicl::{Layers, RunDir};
use gpicl_lab::presets::find_run;
use gpicl_lab::results::conclude;
use gpicl_lab::sweep::{Listener, train_together};
use gpicl_lab::workers::{Ending, Report};

use crate::args::DataDirArgs;
use crate::ctrl_c::{CtrlC, INTERRUPTED};
use crate::output::{Output, TrainingProgress, remark};

/// Exit code where one of several runs failed.
pub const FAILED: u8 = 1;
/// Exit code where another process has the run.
pub const BUSY: u8 = gpicl_lab::workers::BUSY as u8;

/// Arguments of `gpicl train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// Start from a configuration that comes with the program; `gpicl presets` lists them.
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Lay a TOML file on top of it; a run's `config.toml` reruns the run.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set one field on top of both, like `train.lr=0.0003` or `data.name=mnist`; can be repeated.
    #[arg(long, value_name = "FIELD=VALUE")]
    set: Vec<String>,
    /// Seed of everything: weights, batches, tasks, meta-test episodes, and the examples of a made data set. Runs under
    /// several are the seeds of one result.
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    /// Folder of the run; default: a new one below `runs/`.
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    #[command(flatten)]
    data_dir: DataDirArgs,
}

/// Arguments of `gpicl resume`.
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// Folder of the run; several are meta-trained together in one process, a model on each thread.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Go on to this many steps in all, where the learning rate does not depend on their number (`train.schedule`); also
    /// of a run that has finished.
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Go on though the data are not those that the run began with.
    #[arg(long)]
    allow_other_data: bool,
    /// How `gpicl compare` and `gpicl sweep` meta-train: see `gpicl_lab::workers`.
    #[arg(long, hide = true)]
    worker: bool,
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
        find_run(name)?.apply(&mut layers)?;
    }
    if let Some(path) = &args.config {
        layers.file(path)?;
    }
    for assignment in &args.set {
        layers.set(assignment)?;
    }
    let config = layers.build()?;
    let config = match args.seed {
        Some(seed) => config.with_seed(seed),
        None => config,
    };
    let run = match &args.run {
        Some(run) => run.clone(),
        None => unused_folder(preset.unwrap_or(&config.source_name()), config.seed),
    };
    let trainer = Trainer::start(config, args.data_dir.data_dir.as_deref(), &run);
    let trainer = trainer.map_err(|error| layers.blame(error))?;
    output.note(format!("run folder: {}", run.display()));
    finish(trainer, &watch_ctrl_c(output)?, output)
}

/// Meta-trains on from the newest checkpoint.
pub fn resume(args: &ResumeArgs, output: &Output) -> Result<ExitCode> {
    let ctrl_c = watch_ctrl_c(output)?;
    let stop = ctrl_c.stop();
    if args.worker {
        obey_stdin(stop);
    }
    let data_dir = args.data_dir.data_dir.as_deref();
    let options = ResumeOptions { allow_other_data: args.allow_other_data, steps: args.steps };
    if let ([run], false) = (args.runs.as_slice(), args.worker) {
        let trainer = Trainer::resume_with(run, &Library::new(data_dir), &options)?;
        output.note(format!("continuing {} after step {}", run.display(), trainer.step()));
        return finish(trainer, &ctrl_c, output);
    }
    // The lines of several would say little; each has its metrics.jsonl.
    let progress = match args.runs.as_slice() {
        [run] => RunDir::open(run).ok().map(|(run, config)| {
            let train = &config.train;
            let done = run.checkpoints(train.keep_checkpoints).steps().unwrap_or_default();
            let steps = args.steps.unwrap_or(train.steps);
            output.training(done.first().copied().unwrap_or(0), steps, train.batch)
        }),
        _ => None,
    };
    let runs = Runs { args, output, progress: Mutex::new(progress), failed: AtomicBool::new(false) };
    train_together(&args.runs, &Library::new(data_dir), &options, stop, &runs)?;
    Ok(if runs.failed.into_inner() {
        ExitCode::from(FAILED)
    } else if stop.load(Ordering::Relaxed) {
        ExitCode::from(INTERRUPTED)
    } else {
        ExitCode::SUCCESS
    })
}

/// What several runs, or a worker's, are doing.
struct Runs<'a> {
    args: &'a ResumeArgs,
    output: &'a Output,
    progress: Mutex<Option<TrainingProgress>>,
    failed: AtomicBool,
}

impl Listener for Runs<'_> {
    fn on_event(&self, _: usize, event: Event) {
        if let Some(progress) = self.progress.lock().expect("no thread panics with it").as_mut() {
            progress.on_event(event);
        }
    }

    fn on_end(&self, run: usize, ending: Ending) {
        let name = self.args.runs[run].display();
        if matches!(ending, Ending::Failed { .. } | Ending::Busy) {
            self.failed.store(true, Ordering::Relaxed);
        }
        if self.args.worker {
            let report = serde_json::to_string(&Report { run, ending }).expect("a report has a JSON form");
            // A parent that is gone ends this process through stdin.
            let _ = writeln!(std::io::stdout().lock(), "{report}");
            return;
        }
        match ending {
            Ending::Finished => self.output.note(format!("{name}: finished")),
            Ending::Stopped => self.output.note(format!("{name}: stopped")),
            Ending::Busy => remark(&format!("error: {name}: another process is meta-training this run")),
            Ending::Failed { error } => remark(&format!("error: {name}: {error}")),
        }
    }
}

/// A line on stdin raises `stop`; its end, which comes with the parent's, however that ends, ends this process at once.
fn obey_stdin(stop: &Arc<AtomicBool>) {
    let stop = Arc::clone(stop);
    std::thread::spawn(move || {
        for _ in std::io::stdin().lines().map_while(Result::ok) {
            stop.store(true, Ordering::Relaxed);
        }
        std::process::exit(i32::from(INTERRUPTED));
    });
}

fn watch_ctrl_c(output: &Output) -> Result<CtrlC> {
    CtrlC::watch(
        output,
        "stopping after this step (Ctrl-C again: at once, losing the steps since the last checkpoint)",
    )
}

fn finish(mut trainer: Trainer, ctrl_c: &CtrlC, output: &Output) -> Result<ExitCode> {
    let train = &trainer.config().train;
    let mut progress = output.training(trainer.step(), train.steps, train.batch);
    let ended = trainer.train(ctrl_c.stop(), &mut |event| progress.on_event(event));
    progress.finish();
    let run = trainer.run().path().to_path_buf();
    if let Ended::Stopped { step } = ended? {
        output.note(format!("stopped after step {step}; continue with: gpicl resume {}", run.display()));
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let words = format!("stopped in the meta-test; continue with: gpicl resume {}", run.display());
    if ctrl_c.may_end(&words) {
        output.note(words);
        return Ok(ExitCode::from(INTERRUPTED));
    }
    output.note("meta-test");
    let (look, progress) = output.meta_test();
    let report = conclude(&trainer, &look);
    progress.finish();
    let report = report?;
    output.text(&report.text);
    output.json(&report.results);
    for path in &report.files {
        output.note(format!("wrote {}", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// `runs/<name>-seed<seed>`, with a number behind it if that exists.
fn unused_folder(name: &str, seed: u64) -> PathBuf {
    let base = Path::new("runs").join(format!("{name}-seed{seed}"));
    std::iter::once(base.clone())
        .chain((2..).map(|i| PathBuf::from(format!("{}-{i}", base.display()))))
        .find(|path| !path.exists())
        .expect("the numbers do not end")
}
