//! What it saves to read a context once: many queries after one context, beside an episode for each.
//!
//! `cargo run --release --package gpicl --example read_once` prints a table, a row an architecture and layout; arguments
//! are the names of architectures to measure alone. The sizes are those of the comparison on drawn characters. Times
//! are medians of repetitions in which both ways take turns.

use std::hint::black_box;
use std::time::Instant;

use burn::tensor::{Device, Int, Tensor, TensorData};
use gpicl::models::{Dims, Model, ModelConfig, SequenceModel as _, State as _};
use gpicl::rng::{Rng, Stream};
use gpicl_ops::Precision;

/// The quick start's.
const DIMS: Dims = Dims { input_dim: 64, classes: 10, episode_length: 100 };
const EXAMPLES: usize = DIMS.episode_length - 1;
const QUERIES: usize = 10_000;
/// Queries that are answered together.
const TOGETHER: usize = 1024;
/// Queries that also get an episode each, and episodes of a batch.
const EPISODES: usize = 320;
const BATCH: usize = 32;
const REPETITIONS: usize = 5;

const BLOCKS: &str = "d_model = 128\nlayers = 2\nheads = 4\nd_ff = 512";

/// Architectures and their sizes: about 420,000 parameters, but for VSML.
const MODELS: [(&str, &str); 11] = [
    ("transformer", BLOCKS),
    ("fast-weights", BLOCKS),
    ("delta-net", BLOCKS),
    ("mlstm", BLOCKS),
    ("gla", BLOCKS),
    ("mesa-net", BLOCKS),
    ("lstm", "hidden = 216\nlayers = 1"),
    ("gru", "hidden = 248\nlayers = 1"),
    ("outer-product-lstm", "size = 16\nheads = 7\nlayers = 2"),
    ("vsml", "hidden = 16"),
    ("mlp", "hidden = 540\nlayers = 2"),
];

fn main() {
    let chosen: Vec<String> = std::env::args().skip(1).collect();
    let kinds = MODELS.map(|(kind, _)| kind);
    if let Some(name) = chosen.iter().find(|name| !kinds.contains(&name.as_str())) {
        eprintln!("error: no architecture is called `{name}`; give some of {}", kinds.join(", "));
        std::process::exit(2);
    }
    println!(
        "| architecture | layout | read {EXAMPLES} examples once, answer {QUERIES} queries (s) \
         | {QUERIES} episodes, from {EPISODES} (s) | times as fast | largest difference | largest logit | state |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    );
    for (kind, sizes) in MODELS {
        if !chosen.is_empty() && !chosen.iter().any(|name| name == kind) {
            continue;
        }
        // The control without a context has no tokens.
        let layouts: &[&str] = if kind == "mlp" { &[] } else { &["paired", "shifted"] };
        for layout in layouts {
            row(kind, layout, &format!("kind = '{kind}'\n{sizes}\nlayout = '{layout}'"));
        }
        if layouts.is_empty() {
            row(kind, "", &format!("kind = '{kind}'\n{sizes}"));
        }
    }
}

/// Measures one architecture.
fn row(kind: &str, layout: &str, config: &str) {
    let device = Device::flex();
    let config: ModelConfig = toml::from_str(config).expect("a model's configuration");
    let model = config.init(DIMS, Precision::Fp32, 0, &device).expect("sizes that fit each other");
    let mut rng = Rng::new(0, Stream::Data, 0);
    let mut inputs = |count: usize| (0..count * DIMS.input_dim).map(|_| rng.normal()).collect::<Vec<f32>>();
    let (context, queries) = (inputs(EXAMPLES), inputs(QUERIES));
    let labels: Vec<u32> = (0..EXAMPLES).map(|_| rng.below(DIMS.classes as u64) as u32).collect();

    let once = || read_once(&model, &context, &labels, &queries, &device);
    let anew = || read_anew(&model, &context, &labels, &queries[..EPISODES * DIMS.input_dim], &device);
    // The first run of each finds no memory to use again.
    let ((answers, state), logits) = (once(), anew());
    assert_eq!(state, model.state_size(EXAMPLES), "{kind}: the state's size");
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..REPETITIONS {
        times[0].push(seconds(once));
        times[1].push(seconds(anew) * (QUERIES as f64 / EPISODES as f64));
    }
    let [once, anew] = times.map(median);
    let difference = answers.iter().zip(&logits).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let largest = logits.iter().copied().map(f32::abs).fold(0.0, f32::max);
    let ratio = anew / once;
    println!(
        "| {kind} | {layout} | {once:.4} | {anew:.2} | {ratio:.0} | {difference:.1e} | {largest:.2} | {state} |"
    );
}

/// Logits of all queries, and the size of the state that the context left.
fn read_once(
    model: &Model,
    context: &[f32],
    labels: &[u32],
    queries: &[f32],
    device: &Device,
) -> (Vec<f32>, usize) {
    let inputs = |values: &[f32]| {
        gpicl_ops::upload(values, [1, values.len() / DIMS.input_dim, DIMS.input_dim], device)
    };
    let state = model.read(inputs(context), told(labels, 1, device));
    let answers = queries.chunks(TOGETHER * DIMS.input_dim);
    let logits = answers.flat_map(|queries| host(model.answer(&state, inputs(queries)))).collect();
    (logits, state.size())
}

/// Logits of queries that each stand at the end of an episode of their own.
fn read_anew(model: &Model, context: &[f32], labels: &[u32], queries: &[f32], device: &Device) -> Vec<f32> {
    let (batches, mut logits) = (queries.chunks(BATCH * DIMS.input_dim), Vec::new());
    for queries in batches {
        let batch = queries.len() / DIMS.input_dim;
        let episodes = queries.chunks_exact(DIMS.input_dim).flat_map(|query| [context, query].concat());
        let inputs =
            gpicl_ops::upload(&episodes.collect::<Vec<_>>(), [batch, EXAMPLES + 1, DIMS.input_dim], device);
        // The label of the query is not seen.
        let labels = [labels, &[0]].concat().repeat(batch);
        let all = model.forward(inputs, told(&labels, batch, device));
        logits.extend(host(all.narrow(1, EXAMPLES, 1)));
    }
    logits
}

fn told(labels: &[u32], batch: usize, device: &Device) -> Tensor<2, Int> {
    let labels: Vec<i32> = labels.iter().map(|&label| label as i32).collect();
    let time = labels.len() / batch;
    Tensor::from_data(TensorData::new(labels, [batch, time]), device)
}

fn host(logits: Tensor<3>) -> Vec<f32> {
    logits.into_data().try_into_vec().expect("logits in f32")
}

fn seconds<T>(work: impl Fn() -> T) -> f64 {
    let start = Instant::now();
    black_box(work());
    start.elapsed().as_secs_f64()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
