//! Every architecture on the device that `GPICL_TEST_DEVICE` names (`cuda`, `wgpu`) beside the CPU: the same weights,
//! logits and losses.

mod common;

use std::io::Write as _;
use std::sync::Once;

use burn::module::{Module as _, ModuleVisitor, Param};
use burn::tensor::{DType, Device, Tensor};
use common::{DIMS, LAYOUTS, MODELS, config};
use gpicl::DeviceKind;
use gpicl::models::{Dims, Model, ModelConfig, SequenceModel as _, TransformerConfig};
use gpicl::rng::{Rng, Stream};
use gpicl::tasks::to_device;
use gpicl::tasks::{Batch, TaskId};
use gpicl::train::{Optimizer, TrainConfig, meta_train_step};
use gpicl_ops::Precision;

const STEPS: usize = 3;

/// The device beside the CPU, if one is named.
fn named() -> Option<DeviceKind> {
    let Ok(name) = std::env::var("GPICL_TEST_DEVICE") else {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let note = "SKIPPED: devices beside the CPU: GPICL_TEST_DEVICE is not set\n";
            std::io::stderr().write_all(note.as_bytes()).unwrap();
        });
        return None;
    };
    Some(name.parse().unwrap_or_else(|error| panic!("GPICL_TEST_DEVICE: {error}")))
}

fn device() -> Option<Device> {
    let kind = named()?;
    Some(kind.device().unwrap_or_else(|error| panic!("GPICL_TEST_DEVICE: {error}")))
}

fn batch(dims: Dims, size: usize) -> Batch {
    let mut rng = Rng::new(3, Stream::Data, 0);
    let examples = size * dims.episode_length;
    Batch {
        inputs: (0..examples * dims.input_dim).map(|_| rng.normal()).collect(),
        labels: (0..examples).map(|_| rng.below(dims.classes as u64) as u32).collect(),
        tasks: (0..size as u64).map(TaskId::seen).collect(),
        context: 0,
    }
}

#[derive(Default)]
struct Weights(Vec<f32>);

impl ModuleVisitor for Weights {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.extend(param.val().into_data().iter::<f32>());
    }
}

fn weights(model: &Model) -> Vec<f32> {
    let mut weights = Weights::default();
    model.visit(&mut weights);
    weights.0
}

/// A model's initial weights and logits, then the loss and the gradient's norm of each step on the same batch.
fn run(config: &ModelConfig, dims: Dims, precision: Precision, size: usize, device: Device) -> [Vec<f32>; 3] {
    let (batch, device) = (batch(dims, size), device.autodiff());
    let mut model = config.init(dims, precision, 1, &device).unwrap();
    let weights = weights(&model);
    let (inputs, labels) = to_device(&batch, &device);
    let logits = model.forward(inputs, labels).inner().into_data().iter().collect();
    let (train, mut optimizer) = (TrainConfig::default(), Optimizer::default());
    let steps = (0..STEPS).flat_map(|_| {
        let (next, outcome) = meta_train_step(model.clone(), &mut optimizer, &batch, &train, 1e-3, &device);
        model = next;
        [outcome.loss as f32, outcome.grad_norm as f32]
    });
    let steps = steps.collect();
    [weights, logits, steps]
}

/// Largest difference, relative to the larger of one and the largest value.
fn difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let size = expected.iter().fold(1.0, |size: f32, x| size.max(x.abs()));
    let differences = found.iter().zip(expected).map(|(a, b)| (a - b).abs() / size);
    differences.fold(0.0, |most, off| if off.is_nan() { f32::INFINITY } else { off.max(most) })
}

#[track_caller]
fn agree(what: &str, model: &ModelConfig, dims: Dims, precision: Precision, size: usize, tolerance: f32) {
    let Some(device) = device() else { return };
    if precision == Precision::Bf16 && !device.supports_dtype(DType::BF16) {
        std::io::stderr().write_all(format!("SKIPPED: {what}: {device:?} has no bf16\n").as_bytes()).unwrap();
        return;
    }
    let [weights, logits, steps] = run(model, dims, precision, size, device);
    let expected = run(model, dims, precision, size, Device::flex());
    assert!(weights == expected[0], "{what}: initial weights differ");
    let off = [difference(&logits, &expected[1]), difference(&steps, &expected[2])];
    println!("{what}: logits off by {:e}, losses and norms by {:e}", off[0], off[1]);
    assert!(off.iter().all(|&off| off <= tolerance), "{what}: off by {off:?}, allowed {tolerance:e}");
}

/// A test for every architecture: one that fails leaves the others to be seen.
macro_rules! architectures {
    ($($test:ident = $kind:literal),+ $(,)?) => {
        const TESTED: &[&str] = &[$($kind),+];
        $(
            #[test]
            fn $test() {
                for which in (0..MODELS.len()).filter(|&which| MODELS[which].0 == $kind) {
                    for layout in LAYOUTS {
                        let what = format!("{}, {layout}", MODELS[which].1.join(", ").replace('\n', ", "));
                        let what = format!("{}: {what}", $kind);
                        agree(&what, &config(which, layout), DIMS, Precision::Fp32, 4, 1e-4);
                    }
                }
            }
        )+
    };
}

architectures! {
    transformer = "transformer",
    fast_weights = "fast-weights",
    delta_net = "delta-net",
    mlstm = "mlstm",
    gla = "gla",
    mesa_net = "mesa-net",
    cells = "cells",
    lstm = "lstm",
    gru = "gru",
    outer_product_lstm = "outer-product-lstm",
    vsml = "vsml",
    mlp = "mlp",
}

#[test]
fn every_architecture_is_tested() {
    assert_eq!(TESTED, ModelConfig::KINDS);
}

/// Large enough for the kernels that a real run has.
fn large() -> (ModelConfig, Dims) {
    let model = TransformerConfig { d_model: 128, layers: 2, heads: 4, d_ff: 512, ..Default::default() };
    (ModelConfig::Transformer(model), Dims { input_dim: 64, classes: 10, episode_length: 64 })
}

#[test]
fn a_larger_transformer() {
    let (model, dims) = large();
    agree("larger", &model, dims, Precision::Fp32, 8, 1e-4);
}

#[test]
fn a_larger_transformer_in_bf16() {
    let (model, dims) = large();
    // Other roundings of products: 2^-8 each.
    agree("larger, bf16", &model, dims, Precision::Bf16, 8, 3e-2);
}
