//! This project's side of `bench/peers`: does one job again and again, on command.
//!
//! `peer_worker '{"job": "step", "d_model": 256, ...}'` prepares the job, prints a line of JSON about it, then answers
//! every line `go N` with the seconds of N repetitions, until `quit`.
#![forbid(unsafe_code)]

use std::io::BufRead;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use burn::module::Module;
use gpicl::DeviceKind;
use gpicl::data::{Dataset, InputShape};
use gpicl::models::{DeltaNetConfig, Dims, ModelConfig, RecurrentConfig, SequenceModel, TransformerConfig};
use gpicl::tasks::{Batch, BatchSource, Mode, Projected, TaskDistribution, TasksConfig, to_device};
use gpicl::train::{Optimizer, TrainConfig, meta_train_step};
use gpicl_ops::Precision;
use serde::Deserialize;
use serde_json::json;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CLASSES: usize = 10;

#[derive(Deserialize)]
struct Config {
    job: Job,
    model: Architecture,
    d_model: usize,
    layers: usize,
    heads: usize,
    d_ff: usize,
    batch: usize,
    time: usize,
    input_dim: usize,
    precision: Precision,
    /// Where to train and to predict; tasks are made on the CPU.
    #[serde(default)]
    device: DeviceKind,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Job {
    /// Forward, backward, AdamW.
    Step,
    /// The forward pass without gradients.
    Predict,
    /// A batch of episodes, each of a new task.
    Tasks,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Architecture {
    Transformer,
    Lstm,
    DeltaNet,
}

impl Config {
    fn model(&self) -> ModelConfig {
        let &Config { d_model, layers, heads, d_ff, .. } = self;
        match self.model {
            Architecture::Transformer => ModelConfig::Transformer(TransformerConfig {
                d_model,
                layers,
                heads,
                d_ff,
                ..Default::default()
            }),
            Architecture::Lstm => {
                ModelConfig::Lstm(RecurrentConfig { hidden: d_model, layers, ..Default::default() })
            }
            Architecture::DeltaNet => ModelConfig::DeltaNet(DeltaNetConfig {
                d_model,
                layers,
                heads,
                d_ff,
                positions: true,
                ..Default::default()
            }),
        }
    }
}

fn main() -> Result<()> {
    let config = std::env::args().nth(1).context("expected the job as JSON")?;
    let config: Config = serde_json::from_str(&config).context("the job")?;
    let base = memory("VmHWM")?;
    let (parameters, mut job) = prepare(&config)?;
    job();
    let version = env!("CARGO_PKG_VERSION");
    let threads = rayon::current_num_threads();
    println!("{}", json!({ "parameters": parameters, "threads": threads, "version": version }));
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["go", count] => {
                let seconds = (0..count.parse::<usize>()?).map(|_| {
                    let start = Instant::now();
                    job();
                    start.elapsed().as_secs_f64()
                });
                println!("{}", json!({ "seconds": seconds.collect::<Vec<_>>() }));
            }
            ["quit"] => break,
            _ => bail!("expected `go N` or `quit`, found `{line}`"),
        }
    }
    println!("{}", json!({ "base_kib": base, "peak_kib": memory("VmHWM")? }));
    Ok(())
}

/// The number of parameters (0 where there is no model) and the job.
fn prepare(config: &Config) -> Result<(usize, Box<dyn FnMut()>)> {
    let source = source(config)?;
    if let Job::Tasks = config.job {
        let (mut batch, mut index) = (Batch::default(), 0);
        return Ok((
            0,
            Box::new(move || {
                source.fill(index, &mut batch);
                index += 1;
            }),
        ));
    }
    let batch = source.batch(0);
    let &Config { time, input_dim, .. } = config;
    let dims = Dims { input_dim, classes: CLASSES, episode_length: time };
    let device = config.device.device()?;
    let model = config.model().init(dims, config.precision, 0, &device.clone().autodiff())?;
    let parameters = model.num_params();
    if let Job::Predict = config.job {
        let model = model.valid();
        let (inputs, labels) = to_device(&batch, &device);
        let job = move || drop(model.forward(inputs.clone(), labels.clone()).into_data());
        return Ok((parameters, Box::new(job)));
    }
    let device = device.autodiff();
    let (train, mut optimizer, mut model) = (TrainConfig::default(), Optimizer::default(), Some(model));
    let job = move || {
        let before = model.take().expect("the last step's model");
        let (after, _) = meta_train_step(before, &mut optimizer, &batch, &train, train.lr, &device);
        // The last a step reads from a GPU is the gradient's norm, before the update.
        device.sync().expect("a device that computes");
        model = Some(after);
    };
    Ok((parameters, Box::new(job)))
}

/// Episodes over made-up inputs of bytes: 8,000 of them where making episodes is the job.
fn source(config: &Config) -> Result<BatchSource> {
    let n = if let Job::Tasks = config.job { 8_000 } else { 100 };
    let dim = config.input_dim;
    let inputs = (0..n * dim).map(|i| (i % 255) as f32 / 255.0).collect();
    let labels = (0..n).map(|i| (i % CLASSES) as u32).collect();
    let names = (0..CLASSES).map(|class| class.to_string()).collect();
    let data = Arc::new(Dataset::new("bench", InputShape::Vector(dim), inputs, labels, names)?);
    let tasks = TasksConfig { episode_length: config.time, ..Default::default() };
    let distribution = TaskDistribution::new(&tasks, dim, CLASSES, CLASSES)?;
    let source = Arc::new(Projected::new(distribution, data)?);
    Ok(BatchSource::new(source, config.batch, Mode::MetaTrain, 0)?)
}

/// A number of `/proc/self/status`, in KiB.
fn memory(field: &str) -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let number = line.and_then(|line| line.split_whitespace().next()).context("no such number")?;
    Ok(number.parse()?)
}
