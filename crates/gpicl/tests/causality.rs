//! A prediction depends on nothing that comes after it.

use burn::tensor::{Device, Int, Tensor, TensorData};
use gpicl::models::{Dims, Model, ModelConfig, SequenceModel as _};
use gpicl::tasks::rng::{Rng, Stream};
use proptest::prelude::*;

const DIMS: Dims = Dims { input_dim: 5, classes: 3, episode_length: 9 };

/// Every architecture, a line each: a small one of it (with `{layout}` where the layout goes), and whether it learns
/// from labels at all. A new architecture adds its line.
const MODELS: &[(&str, &str, bool)] = &[
    ("transformer", "d_model = 8\nlayers = 2\nheads = 2\nd_ff = 16\n{layout}", true),
    ("mlp", "hidden = 8\nlayers = 2", false),
];

fn model(kind: &str, layout: &str, seed: u64, more: &str) -> Model {
    let (_, sizes, _) = MODELS.iter().find(|(name, ..)| *name == kind).unwrap();
    let layout = format!("layout = '{layout}'\nlabel_scale = {{ relative = 1.0 }}");
    let text = format!("kind = '{kind}'\n{}\n{more}", sizes.replace("{layout}", &layout));
    let config: ModelConfig = toml::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    config.init(DIMS, Default::default(), seed, &Device::flex()).unwrap()
}

#[test]
fn every_architecture_is_tested() {
    assert_eq!(MODELS.iter().map(|model| model.0).collect::<Vec<_>>(), ModelConfig::KINDS);
}

fn logits(model: &Model, inputs: &[f32], labels: &[i32]) -> Vec<f32> {
    let time = labels.len();
    let device = Device::flex();
    let inputs = Tensor::<3>::from_data(TensorData::new(inputs.to_vec(), [1, time, DIMS.input_dim]), &device);
    let labels = Tensor::<2, Int>::from_data(TensorData::new(labels.to_vec(), [1, time]), &device);
    model.forward(inputs, labels).into_data().try_into_vec().unwrap()
}

fn episode(seed: u64, time: usize) -> (Vec<f32>, Vec<i32>) {
    let mut rng = Rng::new(seed, Stream::Data, 0);
    let inputs = (0..time * DIMS.input_dim).map(|_| rng.normal()).collect();
    (inputs, (0..time).map(|_| rng.below(DIMS.classes as u64) as i32).collect())
}

/// Changes a label and an input of an episode, and looks where the predictions change.
fn check_causality(model: &Model, seed: u64, time: usize, at: usize) -> Result<(), TestCaseError> {
    let (inputs, labels) = episode(seed, time);
    let before = logits(model, &inputs, &labels);

    let mut other_labels = labels.clone();
    other_labels[at] = (other_labels[at] + 1) % DIMS.classes as i32;
    let changed_label = logits(model, &inputs, &other_labels);
    // The label of a position is not seen at the position itself.
    let kept = (at + 1) * DIMS.classes;
    prop_assert_eq!(&before[..kept], &changed_label[..kept]);

    let mut other_inputs = inputs.clone();
    other_inputs[at * DIMS.input_dim] += 1.0;
    let changed_input = logits(model, &other_inputs, &labels);
    let kept = at * DIMS.classes;
    prop_assert_eq!(&before[..kept], &changed_input[..kept]);
    let own = at * DIMS.classes..(at + 1) * DIMS.classes;
    prop_assert_ne!(&before[own.clone()], &changed_input[own], "the input of a position is seen there");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn later_inputs_and_labels_change_no_earlier_output(
        paired: bool, seed in 0_u64..1000, time in 2_usize..=9, at in 0_usize..9,
    ) {
        for (kind, ..) in MODELS {
            let model = model(kind, if paired { "paired" } else { "shifted" }, seed, "");
            check_causality(&model, seed, time, at % time)?;
        }
    }

    #[test]
    fn learned_positions_or_none_are_as_causal(
        paired: bool, positions: bool, seed in 0_u64..1000, time in 2_usize..=9, at in 0_usize..9,
    ) {
        let layout = if paired { "paired" } else { "shifted" };
        let model = model("transformer", layout, seed, &format!("positions = {positions}"));
        check_causality(&model, seed, time, at % time)?;
    }
}

#[test]
fn every_later_prediction_can_use_an_earlier_label() {
    for &(kind, _, learns) in MODELS {
        for layout in ["shifted", "paired"] {
            let model = model(kind, layout, 1, "");
            let (inputs, labels) = episode(1, 9);
            let before = logits(&model, &inputs, &labels);
            let mut other = labels.clone();
            other[2] = (other[2] + 1) % DIMS.classes as i32;
            let after = logits(&model, &inputs, &other);
            for position in 3..9 {
                let at = position * DIMS.classes..(position + 1) * DIMS.classes;
                let changed = before[at.clone()] != after[at];
                assert_eq!(changed, learns, "{kind}, {layout}, position {position}");
            }
        }
    }
}

#[test]
fn the_state_is_what_the_architecture_carries() {
    for layout in ["shifted", "paired"] {
        let state = |kind| model(kind, layout, 0, "").state_size(9);
        assert_eq!(state("transformer"), 2 * 2 * 9 * 8, "the key-value cache in both layouts");
        assert_eq!(state("mlp"), 0);
    }
}

#[test]
fn the_seed_decides_the_weights() {
    let (inputs, labels) = episode(3, 6);
    for (kind, ..) in MODELS {
        let out = |seed| logits(&model(kind, "paired", seed, ""), &inputs, &labels);
        assert_eq!(out(5), out(5));
        assert_ne!(out(5), out(6));
    }
}
