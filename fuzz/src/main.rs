//! `cargo run --release -p fuzz -- TARGET --inputs 1000000`
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use fuzz::{TARGETS, Target, run, write};

/// Gives a reader broken files; ends with exit code 1 at the first that it does not bear.
#[derive(Debug, Parser)]
struct Args {
    /// The reader; all of them if none is given.
    targets: Vec<String>,
    /// How many inputs each gets.
    #[arg(long, default_value_t = 10_000)]
    inputs: u64,
    /// Number of the first input.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Seed of all inputs.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where an input that fails is kept.
    #[arg(long, default_value = "fuzz-failure")]
    keep: PathBuf,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut targets = Vec::new();
    for name in &args.targets {
        match Target::find(name) {
            Some(target) => targets.push(target),
            None => {
                let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
                eprintln!("error: there is no target `{name}`; choose of {}", names.join(", "));
                return ExitCode::from(2);
            }
        }
    }
    if targets.is_empty() {
        targets.extend(TARGETS);
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for target in targets {
        let start = Instant::now();
        match run(target, args.seed, args.first..args.first + args.inputs, folder.path()) {
            Ok(report) => println!(
                "{}: {} inputs, {} read, {} refused, at most {:.1} MiB for one, {:.0} s",
                target.name,
                args.inputs,
                report.accepted,
                report.refused,
                report.peak as f64 / (1 << 20) as f64,
                start.elapsed().as_secs_f64(),
            ),
            Err(failure) => {
                std::fs::create_dir_all(&args.keep).expect("the folder for failures can be made");
                write(&args.keep, &failure.files);
                eprintln!("{}: {failure}\nkept in {}", target.name, args.keep.display());
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
