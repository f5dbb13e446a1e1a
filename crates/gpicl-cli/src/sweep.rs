//! `gpicl sweep`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use gpicl::Error;
use gpicl_lab::origin::Origin;
use gpicl_lab::program::Program;
use gpicl_lab::sweep::{Executor, Local, LocalSpec, Slurm, Sweep, SweepSpec, SweepStatus, Watch};

use crate::args::DataDirArgs;
use crate::ctrl_c::{CtrlC, INTERRUPTED};
use crate::output::Output;
use crate::train::FAILED;

/// Between two looks at the runs.
const PAUSE: Duration = Duration::from_millis(500);

/// Arguments of `gpicl sweep`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct SweepArgs {
    #[command(subcommand)]
    command: Option<SweepCommand>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Debug, Subcommand)]
enum SweepCommand {
    /// Meta-train the runs of a sweep; the same as `gpicl sweep SPEC`.
    Run(RunArgs),
    /// Show how far the runs of a sweep are, whoever meta-trains them.
    Status(StatusArgs),
}

/// Arguments of `gpicl sweep run`.
#[derive(Debug, Args)]
struct RunArgs {
    /// TOML file with what to sweep, or the folder of a sweep to go on with.
    #[arg(value_name = "SPEC", required_unless_present = "preset", conflicts_with = "preset")]
    spec: Option<PathBuf>,
    /// A sweep that comes with the program; `gpicl presets` lists them.
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Set one field of all runs, like `train.steps=100`; can be repeated.
    #[arg(long, value_name = "FIELD=VALUE")]
    set: Vec<String>,
    /// Folder for runs and results; what is finished in it is not done again. Default: sweep-NAME below `runs/`.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    executor: ExecutorArgs,
    /// With Slurm, return as soon as the runs are submitted; the same command without this waits for them.
    #[arg(long)]
    detach: bool,
    /// Begin the runs again that failed before.
    #[arg(long)]
    retry_failed: bool,
    #[command(flatten)]
    data_dir: DataDirArgs,
}

/// Where to meta-train the runs of a sweep, and how many at a time.
#[derive(Debug, Args)]
pub struct ExecutorArgs {
    /// Where to meta-train.
    #[arg(long, value_enum, default_value_t = ExecutorKind::Local)]
    executor: ExecutorKind,
    /// Processes at a time; default: as many as cores. With Slurm, tasks at a time.
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Threads of each process; default: the cores shared among the processes.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Runs that a process meta-trains together, a model on each thread; default: 1.
    #[arg(long, value_name = "N")]
    population: Option<usize>,
}

/// Where to meta-train.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ExecutorKind {
    /// Child processes on this machine.
    Local,
    /// Tasks of a Slurm job array on a cluster that shares this folder; table [slurm] of the spec.
    Slurm,
}

/// Arguments of `gpicl sweep status`.
#[derive(Debug, Args)]
struct StatusArgs {
    /// Folder of the sweep.
    dir: PathBuf,
}

/// Meta-trains the runs, or shows how far they are.
pub fn sweep(args: &SweepArgs, program: &Program, output: &Output) -> Result<ExitCode> {
    match &args.command {
        Some(SweepCommand::Status(args)) => status(args, output),
        Some(SweepCommand::Run(args)) => run(args, program, output),
        None => run(&args.run, program, output),
    }
}

fn status(args: &StatusArgs, output: &Output) -> Result<ExitCode> {
    show(&Sweep::open(&args.dir)?, output)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the table of states and the counts, and returns them.
fn show(sweep: &Sweep, output: &Output) -> Result<SweepStatus> {
    let status = sweep.status()?;
    output.text(format!("{}\n{}", status.table().text_left(), status.counts()));
    output.json(&status);
    Ok(status)
}

fn run(args: &RunArgs, program: &Program, output: &Output) -> Result<ExitCode> {
    args.executor.check(args.detach)?;
    let origin = Origin::of(args.spec.as_deref(), args.preset.as_deref());
    let sweep = Sweep::start(&origin, &args.set, args.out.as_deref())?;
    if args.retry_failed {
        sweep.retry_failed()?;
    }
    let remark = match args.executor.executor {
        ExecutorKind::Local => "stopping; the runs save their step (Ctrl-C again: at once)",
        ExecutorKind::Slurm => "stopping to wait (Ctrl-C again: at once)",
    };
    let ctrl_c = CtrlC::watch(output, remark)?;
    let executor = args.executor.executor(sweep.spec(), args.detach);
    output.note(format!("{} runs in {}", sweep.runs().len(), sweep.dir().display()));
    let view = output.sweep(sweep.runs().len());
    let ended = AtomicBool::new(false);
    let results = std::thread::scope(|scope| {
        scope.spawn(|| {
            while view.is_live() && !ended.load(Ordering::Relaxed) {
                view.update(&sweep);
                std::thread::sleep(PAUSE);
            }
        });
        let watch = Watch {
            program,
            data_dir: args.data_dir.data_dir.as_deref(),
            note: &|text| view.note(text),
            stop: ctrl_c.stop(),
        };
        let results = sweep.execute(executor.as_ref(), &watch);
        ended.store(true, Ordering::Relaxed);
        results
    });
    view.finish();
    results?;
    let status = show(&sweep, output)?;
    for file in ["results.csv", "results.json", "timing.csv"] {
        output.note(format!("wrote {}", sweep.dir().join(file).display()));
    }
    if ctrl_c.stop().load(Ordering::Relaxed) {
        output.note("stopped; the same command goes on");
        return Ok(ExitCode::from(INTERRUPTED));
    }
    // Tasks of Slurm that somebody cancelled leave runs that are neither finished nor failed.
    let all = args.detach || status.count("finished") == status.rows.len();
    let failed = status.count("failed") > 0 || !all;
    Ok(if failed { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
}

impl ExecutorArgs {
    /// Refuses options that are not for the executor.
    ///
    /// # Errors
    /// [`Error::Argument`] naming the option.
    pub fn check(&self, detach: bool) -> Result<()> {
        for (option, given) in
            [("--jobs", self.jobs), ("--threads", self.threads), ("--population", self.population)]
        {
            if given == Some(0) {
                return Err(Error::argument(option, "is 0; give at least 1").into());
            }
        }
        if matches!(self.executor, ExecutorKind::Local) {
            if detach {
                return Err(Error::argument("--detach", "needs --executor slurm").into());
            }
            return Ok(());
        }
        for (option, given) in
            [("--threads", self.threads.is_some()), ("--population", self.population.is_some())]
        {
            if given {
                let problem =
                    "is for --executor local; with Slurm, `cpus` in [slurm] is the threads of a run";
                return Err(Error::argument(option, problem).into());
            }
        }
        Ok(())
    }

    /// Where to meta-train: as the spec says, unless the command says otherwise. With `detach`, Slurm is not waited for.
    pub fn executor(&self, spec: &SweepSpec, detach: bool) -> Box<dyn Executor> {
        match self.executor {
            ExecutorKind::Local => {
                let LocalSpec { jobs, threads, population } = spec.local;
                Box::new(Local(LocalSpec {
                    jobs: self.jobs.or(jobs),
                    threads: self.threads.or(threads),
                    population: self.population.or(population),
                }))
            }
            ExecutorKind::Slurm => Box::new(Slurm { detach, at_a_time: self.jobs }),
        }
    }

    /// Processes at a time, if the command says so.
    pub fn jobs(&self) -> Option<usize> {
        self.jobs
    }
}
