//! Architectures beside the Transformer: that they train, and what sets each apart.

mod common;

use burn::module::Module as _;
use burn::tensor::{Device, Int, Tensor};
use common::{finish, small};
use gpicl::eval::Metric;
use gpicl::models::{Dims, Model, ModelConfig, SequenceModel as _};
use gpicl::train::{Trainer, read_metrics};
use gpicl::{Layers, RunConfig};

/// Mean training loss of the first and of the last lines of the metrics.
fn losses(sets: &[&str]) -> [f64; 2] {
    let common = ["train.steps=150", "train.batch=16", "eval.every=0", "train.checkpoint_every=150"];
    losses_of(small(&[&common, sets].concat()))
}

fn losses_of(config: RunConfig) -> [f64; 2] {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    finish(&mut Trainer::start(config, None, &run).unwrap());
    let loss = |metric: &Metric| match metric {
        Metric::Train { loss, .. } => Some(*loss),
        _ => None,
    };
    let losses: Vec<f64> =
        read_metrics(&run.join("metrics.jsonl")).unwrap().iter().filter_map(loss).collect();
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    [mean(&losses[..4]), mean(&losses[losses.len() - 4..])]
}

#[test]
fn outer_product_lstm_learns() {
    let model = ["model.kind=outer-product-lstm", "model.size=16", "model.heads=2", "model.layout=paired"];
    let equal = ["model.qk_init=equal", "model.label_scale={ relative = 0.25 }"];
    let [first, last] = losses(&[&model[..], &equal[..]].concat());
    assert!(last < first - 0.2, "{first} -> {last}");
}

#[test]
fn a_learner_for_tables_learns_from_made_ones() {
    let text = "mix = [{ prior = { episode_length = 48, input_dim = 6 } }]
        model = { kind = 'cells', d_model = 32, layers = 2, heads = 1, d_ff = 64 }
        train = { steps = 150, queries = 16, lr = 4e-3, optimizer = 'muon', warmup = 10 }
        eval = { every = 0 }";
    let mut layers = Layers::default();
    layers.text("tables", text).unwrap();
    let [first, last] = losses_of(layers.build().unwrap());
    assert!(last < first - 0.25, "{first} -> {last}");
}

#[test]
fn vsml_learns_in_both_layouts() {
    for layout in ["model.layout=paired", "model.layout=shifted"] {
        let [first, last] = losses(&["model.kind=vsml", "model.hidden=8", layout, "train.lr=1e-2"]);
        assert!(last < first - 0.1, "{layout}: {first} -> {last}");
    }
}

fn vsml(text: &str, input_dim: usize, classes: usize) -> Model {
    let config: ModelConfig = toml::from_str(&format!("kind = 'vsml'\nhidden = 4\n{text}")).unwrap();
    let dims = Dims { input_dim, classes, episode_length: 9 };
    config.init(dims, Default::default(), 1, &Device::flex()).unwrap()
}

#[test]
fn shared_weights_fit_any_number_of_inputs_and_labels() {
    let own = (3 + 4) * 16 + 16 + 3 * 4;
    for text in ["", "units = [5]"] {
        assert_eq!(vsml(text, 3, 2).num_params(), own);
        assert_eq!(vsml(text, 30, 10).num_params(), own);
    }
    assert_eq!(vsml("shared = false", 3, 2).num_params(), 6 * own);
}

#[test]
fn without_sharing_the_order_of_inputs_matters() {
    let device = Device::flex();
    let x = Tensor::<3>::from_data([[[0.3, -1.0, 2.0], [1.0, 0.5, -0.7], [0.2, 0.9, 0.4]]], &device);
    let labels = Tensor::<2, Int>::from_data([[0, 1, 0]], &device);
    let change = |text| {
        let model = vsml(text, 3, 2);
        let [one, other] = [x.clone(), x.clone().flip([2])].map(|x| model.forward(x, labels.clone()));
        (one - other).abs().max().into_scalar::<f32>()
    };
    assert!(change("") < 1e-6);
    assert!(change("shared = false") > 1e-3);
}
