//! `gpicl data`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use gpicl::OutFile;
use gpicl::data::sources::{Kind, SOURCES};
use gpicl::data::{
    DataConfig, EmbedConfig, Normalize, check_embed, contact_sheet, data_dir, embed as features_of,
    write_features,
};
use gpicl::tasks::Families;
use gpicl_lab::table::Table;
use serde_json::json;

use crate::args::DataDirArgs;
use crate::output::Output;
use crate::prior::{self, PriorArgs};

/// Arguments of `gpicl data`.
#[derive(Debug, Args)]
pub struct DataArgs {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Debug, Subcommand)]
enum DataCommand {
    /// List the data sets and formats, and which of them are on this machine.
    List {
        #[command(flatten)]
        data_dir: DataDirArgs,
    },
    /// Download data sets into the data directory, with their published checksums verified.
    Fetch {
        /// Names, as `gpicl data list` gives them.
        #[arg(required = true)]
        names: Vec<String>,
        /// Take the files from this address instead of the published ones.
        #[arg(long, value_name = "URL", env = "GPICL_MIRROR")]
        mirror: Option<String>,
        #[command(flatten)]
        data_dir: DataDirArgs,
    },
    /// Load a data set and show what is in it; reports what is wrong with a file.
    ///
    /// Of the prior of tables (`prior`, or `prior:FAMILY` such as prior:trees) it prints one made table as CSV.
    Show {
        /// A name, NAME@SEED for a made one, FORMAT:PATH such as csv:table.csv, or prior, prior:FAMILY.
        data: String,
        /// Write a sheet of its first images as PNG; `-` is standard output.
        #[arg(long, value_name = "PNG")]
        sheet: Option<PathBuf>,
        #[command(flatten)]
        prior: PriorArgs,
        #[command(flatten)]
        data_dir: DataDirArgs,
    },
    /// Replace a data set's images by the features of a pretrained network.
    ///
    /// Writes a file to meta-train on: --set data.name=safetensors --set data.path=FILE.
    Embed(EmbedArgs),
}

#[derive(Debug, Args)]
struct EmbedArgs {
    /// A data set of images: a name, or FORMAT:PATH such as images:photos.
    data: String,
    /// The network: one image input [n, channels, height, width]; its first output is the features.
    #[arg(long, value_name = "ONNX")]
    onnx: PathBuf,
    /// File to write the features of both splits to; `-` is standard output.
    #[arg(long, value_name = "SAFETENSORS")]
    out: PathBuf,
    /// Images in a forward pass.
    #[arg(long, default_value_t = EmbedConfig::default().batch)]
    batch: usize,
    /// Embed this many images of each split, drawn at random but always the same ones; default: all.
    #[arg(long, value_name = "IMAGES")]
    limit: Option<usize>,
    /// Side of the square images, where the network leaves it open.
    #[arg(long, value_name = "PIXELS")]
    input_size: Option<usize>,
    /// Channel means to subtract from pixels in [0, 1]; default: ImageNet's 0.485,0.456,0.406, or 0 for a grey
    /// network.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    mean: Vec<f32>,
    /// Channel deviations to divide by; default: ImageNet's 0.229,0.224,0.225, or 1 for a grey network.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    std: Vec<f32>,
    #[command(flatten)]
    data_dir: DataDirArgs,
}

/// Runs a subcommand.
pub fn data(args: &DataArgs, output: &Output) -> Result<ExitCode> {
    match &args.command {
        DataCommand::List { data_dir } => list(data_dir, output),
        DataCommand::Fetch { names, mirror, data_dir } => {
            for name in names {
                download(name, mirror.as_deref(), data_dir, output)?;
            }
            Ok(ExitCode::SUCCESS)
        }
        DataCommand::Show { data, sheet, prior, data_dir } => match prior::family(data) {
            Some(family) => prior.show(family, sheet.is_some(), output),
            None => {
                prior.refuse()?;
                show(data, sheet.as_ref(), data_dir, output)
            }
        },
        DataCommand::Embed(args) => embed(args, output),
    }
}

fn list(args: &DataDirArgs, output: &Output) -> Result<ExitCode> {
    let dir = data_dir(args.data_dir.as_deref())?;
    let mut table = Table::new(["name", "kind", "here", "what"]);
    for source in SOURCES {
        let here = source.is_here(&dir);
        let kind = match source.kind {
            Kind::Made => "made from a seed",
            Kind::Named => "download",
            Kind::Format => "your own files",
        };
        let mark = if here { "yes" } else { "no" };
        output.json(&json!({"name": source.name, "kind": kind, "here": here, "what": source.summary}));
        table.push([source.name.into(), kind.into(), mark.into(), source.summary.into()]);
    }
    // Beside data sets, what can be shown by their place: the prior's families.
    for (family, summary) in Families::NAMES.iter().zip(Families::SUMMARIES) {
        let (name, kind) = (format!("prior:{family}"), "made tables");
        let what = format!("for meta-training, [[mix]] prior: {}", summary.trim_end_matches('.'));
        output.json(&json!({"name": name, "kind": kind, "here": true, "what": what}));
        table.push([name, kind.into(), "yes".into(), what]);
    }
    output.text(format!("data directory: {}\n\n{}", dir.display(), table.text_left().trim_end()));
    Ok(ExitCode::SUCCESS)
}

#[cfg(feature = "download")]
fn download(name: &str, mirror: Option<&str>, args: &DataDirArgs, output: &Output) -> Result<()> {
    use gpicl::data::fetch::{Progress, fetch};
    let dir = data_dir(args.data_dir.as_deref())?;
    let mut bar = output.download(None);
    let files = fetch(name, &dir, mirror, &mut |progress| match progress {
        Progress::Present { path } => output.note(format!("{} is there and whole", path.display())),
        Progress::Start { url, bytes } => {
            bar = output.download(bytes);
            bar.set_message(url.rsplit('/').next().unwrap_or(url).to_string());
        }
        Progress::Bytes(count) => bar.inc(count),
        Progress::Failed { url, problem } => {
            bar.finish_and_clear();
            output.note(format!("{url}: {problem}"));
        }
        Progress::Done { path } => {
            bar.finish_and_clear();
            output.note(format!("{} downloaded and verified", path.display()));
        }
    })?;
    output.json(&json!({"name": name, "files": files}));
    Ok(())
}

#[cfg(not(feature = "download"))]
fn download(name: &str, _: Option<&str>, args: &DataDirArgs, _: &Output) -> Result<()> {
    let folder = data_dir(args.data_dir.as_deref())?.join(name);
    let fix = format!("put the files into {}, or build with --features download", folder.display());
    Err(gpicl::Error::config("data fetch", "this build downloads nothing", fix).into())
}

fn show(spec: &str, sheet: Option<&PathBuf>, args: &DataDirArgs, output: &Output) -> Result<ExitCode> {
    let sheet = sheet.map(|path| OutFile::new(path)).transpose()?;
    let output = match &sheet {
        Some(sheet) => output.beside(sheet, "--sheet")?,
        None => *output,
    };
    let splits = DataConfig::from_spec(spec)?.load(args.data_dir.as_deref())?;
    let (train, test) = (&splits.train, &splits.test);
    let shape = train.shape();
    let description = train.description().context("a data set that is loaded has a description")?;
    output.text(format!(
        "{description}\n{}: {} training and {} held-out examples, {shape}, {} classes ({})",
        train.name(),
        train.len(),
        test.len(),
        train.num_classes(),
        shorten(train.class_names()),
    ));
    output.json(&json!({
        "name": train.name(), "description": description, "official": description.official(),
        "train": train.len(), "test": test.len(), "shape": shape, "classes": train.class_names(),
    }));
    if let Some(sheet) = sheet {
        contact_sheet(train, &sheet)?;
        output.note(format!("wrote {sheet}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn embed(args: &EmbedArgs, output: &Output) -> Result<ExitCode> {
    let out = OutFile::new(&args.out)?;
    let output = output.beside(&out, "--out")?;
    check_embed()?;
    // The network has its own normalisation.
    let data = DataConfig { normalize: Normalize::None, ..DataConfig::from_spec(&args.data)? };
    let splits = data.load(args.data_dir.data_dir.as_deref())?;
    let config = EmbedConfig {
        batch: args.batch,
        limit: args.limit,
        input_size: args.input_size,
        mean: args.mean.clone(),
        std: args.std.clone(),
    };
    let bar = output.counter("images");
    let features = features_of(&splits, &args.onnx, &config, &mut |done, of| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    let features = features?;
    write_features(&out, &features)?;
    let (train, test) = (&features.train, &features.test);
    output.text(format!(
        "{} training and {} held-out examples of {} features\nwrote {out}",
        train.len(),
        test.len(),
        train.dim(),
    ));
    output.json(&json!({
        "name": train.name(), "train": train.len(), "test": test.len(), "features": train.dim(),
        "path": args.out,
    }));
    Ok(ExitCode::SUCCESS)
}

fn shorten(names: &[String]) -> String {
    let shown = names.iter().take(10).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > 10 { format!("{shown}, ...") } else { shown }
}
