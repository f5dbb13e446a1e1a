//! Small runs for the integration tests.
#![allow(dead_code, reason = "every test file uses a part")]

use std::sync::atomic::AtomicBool;

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
