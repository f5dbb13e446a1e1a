//! `gpicl eval`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use gpicl::DeviceKind;
use gpicl::data::Split;
use gpicl::eval::Sample;
use gpicl::eval::baselines::BaselinesConfig;
use gpicl::folder::{Kind, claim};
use gpicl_lab::meta_test::{EvalRequest, evaluate_watched};
use gpicl_lab::results::{Results, save_results};

use crate::args::{DataDirArgs, split_among};
use crate::output::Output;

/// Arguments of `gpicl eval`.
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// Run folders or checkpoint files. Several: one learning algorithm, several seeds.
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Data sets to meta-test on with unseen tasks: a name (`mnist`), `glyphs@SEED`, or `csv:FILE`, `npz:FILE`, `images:DIR`;
    /// default: the ones in the run's configuration.
    #[arg(long, value_name = "DATA", value_delimiter = ',')]
    data: Vec<String>,
    /// Episodes for each set and run.
    #[arg(long, default_value_t = 256)]
    episodes: usize,
    /// Fresh examples to ask for after each context.
    #[arg(long, default_value_t = 256)]
    queries: usize,
    /// Examples that unseen tasks are made of: validation to choose by, test to report.
    #[arg(long, default_value = Split::Test.name(), value_parser = split_among(&Split::HELD_OUT))]
    split: Split,
    /// Seed of the meta-test episodes.
    #[arg(long)]
    seed: Option<u64>,
    /// Meta-test though the run's data are not those that it was meta-trained with.
    #[arg(long)]
    allow_other_data: bool,
    /// Where to compute: cpu, cuda or wgpu; default: the device that the checkpoint was trained on.
    #[arg(long, value_name = "DEVICE")]
    device: Option<DeviceKind>,
    /// Baselines to judge on the same episodes: most-frequent, knn, smoother, nearest-mean, ridge, logistic, kernel-ridge, svm, sgd-one-pass,
    /// sgd-converged, which are classical methods, maml, which is meta-trained first, or all. All are tuned on the run's
    /// meta-training tasks, so this takes its time.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    baselines: Vec<String>,
    /// Folder for results.json, results.csv and the plots; default: eval in the run's folder, if there is one run. The
    /// results that the run itself ended with stay as they are.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    data_dir: DataDirArgs,
}

/// Meta-tests runs and prints the table.
pub fn eval(args: &EvalArgs, output: &Output) -> Result<ExitCode> {
    let request = EvalRequest {
        data: args.data.clone(),
        sample: Sample { episodes: args.episodes, queries: args.queries },
        split: args.split,
        seed: args.seed,
        allow_other_data: args.allow_other_data,
        device: args.device,
        data_dir: args.data_dir.data_dir.clone(),
        baselines: args.baselines.clone(),
        baselines_config: BaselinesConfig::default(),
    };
    let out = match (&args.out, args.runs.as_slice()) {
        (Some(out), _) => Some(out.clone()),
        (None, [run]) if run.is_dir() => Some(run.join("eval")),
        _ => None,
    };
    if let Some(out) = &out {
        claim(out, Kind::Evaluation)?;
    }
    let (look, progress) = output.meta_test();
    let results = evaluate_watched(&args.runs, &request, &mut |text| progress.note(text), &look);
    progress.finish();
    let results: Results = results?;
    output.text(results.text());
    output.json(&results);
    if let Some(out) = out {
        for path in save_results(&out, &results)? {
            output.note(format!("wrote {}", path.display()));
        }
    }
    Ok(ExitCode::SUCCESS)
}
