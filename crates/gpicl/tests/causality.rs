//! A prediction depends on nothing that comes after it.

mod common;

use burn::tensor::{Device, Int, Tensor, TensorData};
use common::{DIMS, LAYOUTS, MODELS, config, examples_that_tell};
use gpicl::models::{Model, ModelConfig, SequenceModel as _};
use gpicl::rng::{Rng, Stream};
use proptest::prelude::*;

fn model(which: usize, layout: &str, seed: u64) -> Model {
    config(which, layout).init(DIMS, Default::default(), seed, &Device::flex()).unwrap()
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
        // All of them: a number far from a context of two is told no closer.
        other_inputs[at * DIMS.input_dim..][..DIMS.input_dim].iter_mut().for_each(|x| *x += 1.0);
        let changed_input = logits(&model, &other_inputs, &labels);
        let kept = at * DIMS.classes;
        prop_assert_eq!(&before[..kept], &changed_input[..kept]);
        let own = at * DIMS.classes..(at + 1) * DIMS.classes;
        let seen = at >= examples_that_tell(MODELS[which].0);
        prop_assert_eq!(before[own.clone()] != changed_input[own], seen, "the input of a position is seen there");
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
