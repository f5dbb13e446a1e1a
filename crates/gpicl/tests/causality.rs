//! A prediction depends on nothing that comes after it.

use burn::tensor::{Device, Int, Tensor, TensorData};
use gpicl::models::{Dims, Model, ModelConfig, SequenceModel as _};
use gpicl::tasks::rng::{Rng, Stream};
use proptest::prelude::*;

const DIMS: Dims = Dims { input_dim: 5, classes: 3, episode_length: 9 };

/// Every architecture, small; a layout and a seed complete it.
const MODELS: &[&str] = &[
    "kind = 'transformer'\nd_model = 8\nlayers = 2\nheads = 2\nd_ff = 16\nlabel_scale = { relative = 1.0 }",
    "kind = 'transformer'\nd_model = 8\nlayers = 2\nheads = 2\nd_ff = 16\npositions = false",
    "kind = 'outer-product-lstm'\nsize = 4\nheads = 2\nlayers = 2",
    "kind = 'vsml'\nhidden = 4",
    "kind = 'vsml'\nhidden = 4\nunits = [4]\nforward = 2\nticks = 2",
    "kind = 'vsml'\nhidden = 3\nunits = [2, 3]\nbackward = 1\nshared = false",
];

fn model(text: &str, layout: &str, seed: u64) -> Model {
    let config: ModelConfig = toml::from_str(&format!("{text}\nlayout = '{layout}'")).unwrap();
    config.init(DIMS, Default::default(), seed, &Device::flex()).unwrap()
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn later_inputs_and_labels_change_no_earlier_output(
        paired: bool, kind in 0..MODELS.len(), seed in 0_u64..1000, time in 2_usize..=9, at in 0_usize..9,
    ) {
        let at = at % time;
        let model = model(MODELS[kind], if paired { "paired" } else { "shifted" }, seed);
        let (inputs, labels) = episode(seed, time);
        let before = logits(&model, &inputs, &labels);

        let mut other_labels = labels.clone();
        other_labels[at] = (other_labels[at] + 1) % DIMS.classes as i32;
        let changed_label = logits(&model, &inputs, &other_labels);
        // The label of a position is not seen at the position itself.
        let kept = (at + 1) * DIMS.classes;
        prop_assert_eq!(&before[..kept], &changed_label[..kept]);

        let mut other_inputs = inputs.clone();
        other_inputs[at * DIMS.input_dim] += 1.0;
        let changed_input = logits(&model, &other_inputs, &labels);
        let kept = at * DIMS.classes;
        prop_assert_eq!(&before[..kept], &changed_input[..kept]);
        let own = at * DIMS.classes..(at + 1) * DIMS.classes;
        prop_assert_ne!(&before[own.clone()], &changed_input[own], "the input of a position is seen there");
    }
}

#[test]
fn every_later_prediction_can_use_an_earlier_label() {
    for text in MODELS {
        for layout in ["shifted", "paired"] {
            let model = model(text, layout, 1);
            let (inputs, labels) = episode(1, 9);
            let before = logits(&model, &inputs, &labels);
            let mut other = labels.clone();
            other[2] = (other[2] + 1) % DIMS.classes as i32;
            let after = logits(&model, &inputs, &other);
            for position in 3..9 {
                let at = position * DIMS.classes..(position + 1) * DIMS.classes;
                assert_ne!(before[at.clone()], after[at], "{text}, {layout}, position {position}");
            }
        }
    }
}

#[test]
fn state_sizes_count_what_is_carried() {
    for (text, shifted, paired) in [
        // Keys and values of two layers, nine examples.
        (MODELS[0], 2 * 2 * 9 * 8, 2 * 2 * 9 * 8),
        // Two memories of 4 x 4 and an output of 8 in each of two layers.
        (MODELS[2], 2 * (2 * 16 + 8), 2 * (2 * 16 + 8)),
        // 5 x 3 connections; in the shifted layout also two numbers to each of three units.
        (MODELS[3], 2 * 4 * 15 + 2 * 3, 2 * 4 * 15),
        (MODELS[4], 2 * 4 * (20 + 12) + 2 * 7, 2 * 4 * (20 + 12)),
        (MODELS[5], 2 * 3 * (10 + 6 + 9) + 8, 2 * 3 * (10 + 6 + 9)),
    ] {
        assert_eq!(model(text, "shifted", 0).state_size(9), shifted, "{text}");
        assert_eq!(model(text, "paired", 0).state_size(9), paired, "{text}");
    }
}

#[test]
fn equal_initialisation_copies_the_query_weights_and_the_seed_decides_the_rest() {
    let (inputs, labels) = episode(3, 6);
    for text in [MODELS[0], MODELS[2]] {
        let equal = format!("{text}\nqk_init = 'equal'");
        let out = |text: &str, seed| logits(&model(text, "paired", seed), &inputs, &labels);
        assert_eq!(out(&equal, 5), out(&equal, 5));
        assert_ne!(out(&equal, 5), out(&equal, 6));
        assert_ne!(out(&equal, 5), out(text, 5));
    }
}
