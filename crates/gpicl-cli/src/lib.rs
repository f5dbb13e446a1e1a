//! The `gpicl` command: parse, call the library, print. One file a subcommand. A library, so that the Python package has it too.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod args;
mod compare;
mod ctrl_c;
mod data;
mod eval;
mod inspect;
mod output;
mod predict;
mod presets;
mod prior;
mod report;
mod reproduce;
mod sweep;
mod train;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use gpicl_lab::program::Program;

/// Exit code of bad input: a file, a field or an argument that cannot be used.
const BAD_INPUT: u8 = 2;

/// Meta-train sequence models to be learning algorithms, meta-test them, and predict with them.
#[derive(Debug, Parser)]
#[command(name = "gpicl", version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    output: output::OutputArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Meta-train a model; ends with its meta-test, plots and a verdict.
    Train(train::TrainArgs),
    /// Continue a run that was stopped or killed, with the same numbers as if it never was.
    Resume(train::ResumeArgs),
    /// Meta-test runs: accuracy by examples seen, with 95% intervals; several runs count as seeds.
    Eval(eval::EvalArgs),
    /// Meta-train many runs: every point of a grid, or a list, of any fields, on all cores; stop it, kill it, go on.
    ///
    /// The file: `preset` and `[base]` (what all have in common, with the fields of a run's config.toml), `[grid]` (fields
    /// with arrays of their values: `model.d_model = [8, 64]`), `[[list]]` (tables of fields, each with an optional `name`;
    /// the grid is run for each), `seeds` (each sets `seed` and `tasks.seed`), `[local]` (`jobs`, `threads`, `population`)
    /// and `[slurm]`. Runs are made below OUT/runs; what is there and finished is not done again. Exit code 1 if a run
    /// failed.
    Sweep(sweep::SweepArgs),
    /// Compare learners on the same episodes: the paper's table and the state-size figure.
    ///
    /// The file: `preset` and `[base]` (what all have in common, with the fields of a run's config.toml), `seeds`,
    /// `episodes`, `queries` (of each context), `test_sets` (the columns: names, or tables with the fields of `[data]` and a
    /// `label`), `against` (name of the method that the others stand against, by default the best baseline on each set),
    /// `untrained` (whether networks are judged as they were initialised too: `true`), and for each row a `[[methods]]`
    /// table with `name`, `label`, and either `set` (laid on the base), `runs` (finished runs, one a seed) or `baseline` (a
    /// name); `ranked = false` leaves it out of the rank correlations. `[baselines]` says what baselines may cost:
    /// `tune_episodes`, `refit`, `maml`. Runs are made below OUT/runs; what is there and finished is not done again. Exit
    /// code 1 if a method failed.
    Compare(compare::CompareArgs),
    /// Reproduce a figure of the paper: meta-train its runs, draw it, and say whether the paper's statements hold.
    ///
    /// What is there and finished is not done again. Exit code 1 if a run failed, whatever the verdict is.
    Reproduce(reproduce::ReproduceArgs),
    /// Write a run, a sweep, a comparison or a figure as one HTML page that needs no network.
    Report(report::ReportArgs),
    /// Predict the labels of your own table from labelled rows, without training.
    ///
    /// Tables have a header line. They are delimited text, plain or `.gz`; cells stand between commas, semicolons, tabs or `|`,
    /// whichever makes columns, and where it is no comma numbers may have a decimal comma. `-` is standard input.
    Predict(predict::PredictArgs),
    /// List, download and look at data sets.
    Data(data::DataArgs),
    /// Show what a run or a checkpoint is: architecture, parameters, state size, provenance.
    Inspect(inspect::InspectArgs),
    /// List the configurations that come with the program, or print one.
    Presets(presets::PresetsArgs),
    /// Print a shell completion script.
    Completions {
        /// The shell to complete for.
        shell: clap_complete::Shell,
    },
}

/// Does what `args` say, of which the first is the command's name; `program` is started for runs that processes of their own
/// meta-train. Help, and arguments that there are not, end this process.
pub fn command(args: impl IntoIterator<Item = OsString>, program: &Program) -> ExitCode {
    let cli = command_line().try_get_matches_from(args).and_then(|found| Cli::from_arg_matches(&found));
    let cli = cli.unwrap_or_else(|error| error.exit());
    let output = output::Output::new(&cli.output);
    let ended = run(cli.command, program, &output).unwrap_or_else(|error| {
        output::remark(&format!("error: {error:#}"));
        ExitCode::from(exit_code(&error))
    });
    if output::lost() && ended == ExitCode::SUCCESS { ExitCode::FAILURE } else { ended }
}

/// What can be written. `-1` is a value wherever one is asked for: what is wrong with it is said, not that there is no option `-1`.
fn command_line() -> clap::Command {
    fn with_numbers(command: clap::Command) -> clap::Command {
        let number = |arg: clap::Arg| {
            if arg.get_action().takes_values() { arg.allow_negative_numbers(true) } else { arg }
        };
        command.mut_args(number).mut_subcommands(with_numbers)
    }
    with_numbers(Cli::command())
}

fn run(command: Command, program: &Program, output: &output::Output) -> anyhow::Result<ExitCode> {
    gpicl::check_environment()?;
    match command {
        Command::Train(args) => train::train(&args, output),
        Command::Resume(args) => train::resume(&args, output),
        Command::Eval(args) => eval::eval(&args, output),
        Command::Sweep(args) => sweep::sweep(&args, program, output),
        Command::Compare(args) => compare::compare(&args, program, output),
        Command::Reproduce(args) => reproduce::reproduce(&args, program, output),
        Command::Report(args) => report::report(&args, output),
        Command::Predict(args) => predict::predict(&args, output),
        Command::Data(args) => data::data(&args, output),
        Command::Inspect(args) => inspect::inspect(&args, output),
        Command::Presets(args) => presets::presets(&args, output),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "gpicl", &mut script);
            output::print(&String::from_utf8_lossy(&script));
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn exit_code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<gpicl::Error>() {
        Some(gpicl::Error::Diverged { .. }) => 1,
        Some(gpicl::Error::Busy { .. }) => train::BUSY,
        Some(error) if error.is_bad_input() => BAD_INPUT,
        Some(_) | None => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command_line().debug_assert();
    }
}
