//! Small runs and models for the integration tests.
#![allow(dead_code, reason = "every test file uses a part")]

use std::sync::atomic::AtomicBool;

use gpicl::models::{Dims, ModelConfig};
use gpicl::train::{Ended, Trainer};
use gpicl::{Layers, RunConfig};

/// A run small enough for a test: a paired Transformer on the `random` data set.
pub const SMALL: &str = r#"
[data]
name = "random"
size = 12
classes = 4
per_class = 40
noise = 0.2

[tasks]
episode_length = 16

[model]
kind = "transformer"
d_model = 32
layers = 2
heads = 2
d_ff = 64
layout = "paired"
label_scale = { relative = 0.25 }
qk_init = "equal"
positions = false

[train]
steps = 40
batch = 8
lr = 2e-3
warmup = 10
log_every = 5
checkpoint_every = 10

[eval]
every = 20
episodes = 8
final_episodes = 64
"#;

/// [`SMALL`] with some fields set otherwise.
pub fn small(sets: &[&str]) -> RunConfig {
    let mut layers = Layers::default();
    layers.text("small", SMALL).unwrap();
    for set in sets {
        layers.set(set).unwrap();
    }
    layers.build().unwrap()
}

/// Runs to the end.
pub fn finish(trainer: &mut Trainer) {
    let ended = trainer.train(&AtomicBool::new(false), &mut |_| {}).unwrap();
    assert_eq!(ended, Ended::Finished);
}

/// Sizes for [`MODELS`].
pub const DIMS: Dims = Dims { input_dim: 5, classes: 3, episode_length: 9 };

/// What blocks of tokens share; `{layout}` stands for the layout and the label's size.
const BLOCKS: &str = "d_model = 8\nlayers = 2\nheads = 2\nd_ff = 16\n{layout}";
const CELLS: &str = "d_model = 8\nlayers = 2\nd_ff = 16";
const RECURRENT: &str = "hidden = 8\nlayers = 2\n{layout}";

/// Every architecture, a line each: its kind, a small one of it, and the state it carries over nine examples in the
/// shifted and in the paired layout; no state means that labels teach it nothing. In the shifted layout the last label
/// is a part of the state, which VSML counts in another form. A new architecture adds its line.
pub const MODELS: &[(&str, &[&str], [usize; 2])] = &[
    ("transformer", &[BLOCKS], told(2 * 2 * 9 * 8)),
    ("transformer", &[BLOCKS, "positions = false"], told(2 * 2 * 9 * 8)),
    ("transformer", &[BLOCKS, "positions = false", "rotary = true"], told(2 * 2 * 9 * 8)),
    ("transformer", &[BLOCKS, "input_norm = 1.0"], told(2 * 2 * 9 * 8)),
    // Two layers, two heads, memories of 4 x 4; a column more with the normaliser.
    ("fast-weights", &[BLOCKS], told(2 * 2 * 4 * 4)),
    ("fast-weights", &[BLOCKS, "features = 'elu'"], told(2 * 2 * 4 * 5)),
    ("delta-net", &[BLOCKS], told(2 * 2 * 4 * 4)),
    ("delta-net", &[BLOCKS, "decay = true"], told(2 * 2 * 4 * 4)),
    ("mlstm", &[BLOCKS], told(2 * 2 * 4 * 5)),
    ("gla", &[BLOCKS], told(2 * 2 * 4 * 4)),
    ("mesa-net", &[BLOCKS], told(2 * 2 * 9 * 8)),
    ("mesa-net", &[BLOCKS, "orthogonal = true", "positions = false"], told(2 * 2 * 9 * 8)),
    // Five features and the labels in the first block, the labels in the second.
    ("cells", &[CELLS, "heads = 2"], [2 * 9 * 8 * (6 + 1); 2]),
    // Two features a token, the last alone; votes, whose heads are no narrower than three classes.
    ("cells", &[CELLS, "heads = 2\ntogether = 2"], [2 * 9 * 8 * (4 + 1); 2]),
    ("cells", &[CELLS, "heads = 4\nvotes = true"], [2 * 9 * (8 * (6 + 1) + 4 * 3); 2]),
    ("lstm", &[RECURRENT], told(2 * 2 * 8)),
    ("gru", &[RECURRENT], told(2 * 8)),
    // Memories of two heads, and the output.
    ("outer-product-lstm", &["size = 4\nheads = 2\nlayers = 2\n{layout}"], told(2 * (2 * 16 + 8))),
    // 5 x 3 connections; in the shifted layout also two numbers to each of three units.
    ("vsml", &["hidden = 4\n{layout}"], [2 * 4 * 15 + 2 * 3, 2 * 4 * 15]),
    (
        "vsml",
        &["hidden = 4\nunits = [4]\nforward = 2\nticks = 2\n{layout}"],
        [2 * 4 * (20 + 12) + 2 * 7, 2 * 4 * (20 + 12)],
    ),
    (
        "vsml",
        &["hidden = 3\nunits = [2, 3]\nbackward = 1\nshared = false\n{layout}"],
        [2 * 3 * (10 + 6 + 9) + 8, 2 * 3 * (10 + 6 + 9)],
    ),
    ("mlp", &["hidden = 8\nlayers = 2"], [0; 2]),
];

/// A state in both layouts: in the shifted one, the last label is still to be told.
const fn told(state: usize) -> [usize; 2] {
    [state + 1, state]
}

/// Examples that a column needs to say something: to a learner for tables one value is a constant.
pub fn examples_that_tell(kind: &str) -> usize {
    if kind == "cells" { 2 } else { 0 }
}

pub const LAYOUTS: [&str; 2] = ["shifted", "paired"];

/// One of [`MODELS`].
pub fn config(which: usize, layout: &str) -> ModelConfig {
    let (kind, sizes, _) = MODELS[which];
    let layout = format!("layout = '{layout}'\nlabel_scale = {{ relative = 1.0 }}");
    let text = format!("kind = '{kind}'\n{}", sizes.join("\n").replace("{layout}", &layout));
    toml::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}
