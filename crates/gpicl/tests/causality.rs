//! A prediction depends on nothing that comes after it.

use burn::tensor::{Device, Int, Tensor, TensorData};
use gpicl::models::{Dims, Model, ModelConfig, SequenceModel as _};
use gpicl::tasks::rng::{Rng, Stream};
use proptest::prelude::*;

const DIMS: Dims = Dims { input_dim: 5, classes: 3, episode_length: 9 };

/// What blocks of tokens share; `{layout}` stands for the layout and the label's size.
const BLOCKS: &str = "d_model = 8\nlayers = 2\nheads = 2\nd_ff = 16\n{layout}";
const RECURRENT: &str = "hidden = 8\nlayers = 2\n{layout}";

/// Every architecture, a line each: its kind, a small one of it, and the state it carries over nine examples in the
/// shifted and in the paired layout; no state means that labels teach it nothing. A new architecture adds its line.
const MODELS: &[(&str, &[&str], [usize; 2])] = &[
    ("transformer", &[BLOCKS], [2 * 2 * 9 * 8; 2]),
    ("transformer", &[BLOCKS, "positions = false"], [2 * 2 * 9 * 8; 2]),
    // Two layers, two heads, memories of 4 x 4; a column more with the normaliser.
    ("fast-weights", &[BLOCKS], [2 * 2 * 4 * 4; 2]),
    ("fast-weights", &[BLOCKS, "features = 'elu'"], [2 * 2 * 4 * 5; 2]),
    ("delta-net", &[BLOCKS], [2 * 2 * 4 * 4; 2]),
    ("delta-net", &[BLOCKS, "decay = true"], [2 * 2 * 4 * 4; 2]),
    ("mlstm", &[BLOCKS], [2 * 2 * 4 * 5; 2]),
    ("gla", &[BLOCKS], [2 * 2 * 4 * 4; 2]),
    ("lstm", &[RECURRENT], [2 * 2 * 8; 2]),
    ("gru", &[RECURRENT], [2 * 8; 2]),
    // Memories of two heads, and the output.
    ("outer-product-lstm", &["size = 4\nheads = 2\nlayers = 2\n{layout}"], [2 * (2 * 16 + 8); 2]),
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

const LAYOUTS: [&str; 2] = ["shifted", "paired"];

fn model(which: usize, layout: &str, seed: u64) -> Model {
    let (kind, sizes, _) = MODELS[which];
    let layout = format!("layout = '{layout}'\nlabel_scale = {{ relative = 1.0 }}");
    let text = format!("kind = '{kind}'\n{}", sizes.join("\n").replace("{layout}", &layout));
    let config: ModelConfig = toml::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
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
    #![proptest_config(ProptestConfig::with_cases(12 * MODELS.len() as u32))]

    #[test]
    fn later_inputs_and_labels_change_no_earlier_output(
        which in 0..MODELS.len(), paired: bool, seed in 0_u64..1000, time in 2_usize..=9, at in 0_usize..9,
    ) {
        let at = at % time;
        let model = model(which, LAYOUTS[usize::from(paired)], seed);
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
fn every_architecture_is_tested() {
    for kind in ModelConfig::KINDS {
        assert!(MODELS.iter().any(|model| model.0 == *kind), "{kind}");
    }
}

#[test]
fn every_later_prediction_can_use_an_earlier_label() {
    for (which, layout) in (0..MODELS.len()).flat_map(|which| LAYOUTS.map(|layout| (which, layout))) {
        let (kind, _, state) = MODELS[which];
        let model = model(which, layout, 1);
        let (inputs, labels) = episode(1, 9);
        let before = logits(&model, &inputs, &labels);
        let mut other = labels.clone();
        other[2] = (other[2] + 1) % DIMS.classes as i32;
        let after = logits(&model, &inputs, &other);
        for position in 3..9 {
            let at = position * DIMS.classes..(position + 1) * DIMS.classes;
            let learns = state[0] > 0;
            assert_eq!(before[at.clone()] != after[at], learns, "{kind}, {layout}, position {position}");
        }
    }
}

#[test]
fn the_state_is_counted_exactly() {
    for (which, (kind, _, state)) in MODELS.iter().enumerate() {
        for (layout, state) in LAYOUTS.into_iter().zip(state) {
            assert_eq!(model(which, layout, 0).state_size(9), *state, "{kind}, {layout}");
        }
    }
}

#[test]
fn the_seed_decides_the_weights() {
    let (inputs, labels) = episode(3, 6);
    for (which, (kind, ..)) in MODELS.iter().enumerate() {
        let out = |seed| logits(&model(which, "paired", seed), &inputs, &labels);
        assert_eq!(out(5), out(5), "{kind}");
        assert_ne!(out(5), out(6), "{kind}");
    }
}
