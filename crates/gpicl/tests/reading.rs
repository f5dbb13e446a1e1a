//! Reading a context once and answering from what is left: the predictions of the whole episode, at its last position.

mod common;

use burn::tensor::{Device, Int, Tensor, TensorData};
use common::{DIMS, LAYOUTS, MODELS, config};
use gpicl::models::{ModelConfig, SequenceModel as _, State as _};
use gpicl::rng::{Rng, Stream};
use gpicl_ops::Precision;

const BATCH: usize = 2;
const QUERIES: usize = 3;

/// What a difference of logits may be, relative to the largest of them: sums in another order; with bf16 they may also
/// round to another of its numbers, a 256th apart, which the products after it carry on.
fn tolerance(precision: Precision) -> f32 {
    match precision {
        Precision::Fp32 => 1e-4,
        Precision::Bf16 => 2e-2,
    }
}

/// One of [`MODELS`], with learned positions and without where it can have them.
fn with_and_without_positions(which: usize, layout: &str) -> Vec<(String, ModelConfig)> {
    let (kind, ..) = MODELS[which];
    let table = toml::Table::try_from(config(which, layout)).unwrap();
    let choices: &[bool] = if table.contains_key("positions") { &[false, true] } else { &[false] };
    let choose = |&positions: &bool| {
        let mut table = table.clone();
        if let Some(value) = table.get_mut("positions") {
            *value = positions.into();
        }
        let what = format!("{kind} ({which}), {layout}, positions: {positions}");
        (what, table.try_into().unwrap())
    };
    choices.iter().map(choose).collect()
}

/// Inputs and labels of `time` examples, then queries, all of chance.
fn episodes(time: usize, device: &Device) -> (Tensor<3>, Tensor<2, Int>, Tensor<3>) {
    let mut rng = Rng::new(7, Stream::Data, time as u64);
    let mut numbers = |count: usize| (0..count).map(|_| rng.normal()).collect::<Vec<f32>>();
    let inputs = numbers(BATCH * time * DIMS.input_dim);
    let queries = numbers(BATCH * QUERIES * DIMS.input_dim);
    let labels = (0..BATCH * time).map(|_| rng.below(DIMS.classes as u64) as i32).collect::<Vec<_>>();
    (
        Tensor::from_data(TensorData::new(inputs, [BATCH, time, DIMS.input_dim]), device),
        Tensor::from_data(TensorData::new(labels, [BATCH, time]), device),
        Tensor::from_data(TensorData::new(queries, [BATCH, QUERIES, DIMS.input_dim]), device),
    )
}

/// Answers are the logits of whole episodes, and the state is as large as it says.
fn answers_agree(what: &str, config: &ModelConfig, precision: Precision, device: &Device) {
    let model = config.init(DIMS, precision, 5, device).unwrap();
    let most = DIMS.episode_length - 1;
    let (inputs, labels, queries) = episodes(most, device);
    for examples in [0, 1, 2, most] {
        let what = format!("{what}, {precision:?}, {examples} examples");
        let (context, told) = match examples {
            0 => (Tensor::zeros([BATCH, 0, DIMS.input_dim], device), Tensor::zeros([BATCH, 0], device)),
            _ => (inputs.clone().narrow(1, 0, examples), labels.clone().narrow(1, 0, examples)),
        };
        let state = model.read(context.clone(), told.clone());
        assert_eq!(state.size(), model.state_size(examples), "{what}: state");
        let answers = model.answer(&state, queries.clone());
        assert_eq!(answers.dims(), [BATCH, QUERIES, DIMS.classes], "{what}");
        for at in 0..QUERIES {
            let query = queries.clone().narrow(1, at, 1);
            // What stands in the place of the query's own label is not seen.
            let unseen = Tensor::full([BATCH, 1], (at % DIMS.classes) as i32, device);
            let (whole, all) = if examples == 0 {
                (query, unseen)
            } else {
                let whole = Tensor::cat(vec![context.clone(), query], 1);
                (whole, Tensor::cat(vec![told.clone(), unseen], 1))
            };
            let expected = model.forward(whole, all).narrow(1, examples, 1);
            let size = expected.clone().abs().max().into_scalar::<f32>().max(1.0);
            let error = (answers.clone().narrow(1, at, 1) - expected).abs().max().into_scalar::<f32>();
            let allowed = tolerance(precision) * size;
            assert!(error <= allowed, "{what}, query {at}: off by {error:e}, allowed {allowed:e}");
        }
    }
}

fn all_answers_agree(precision: Precision, device: &Device) {
    for (which, layout) in (0..MODELS.len()).flat_map(|which| LAYOUTS.map(|layout| (which, layout))) {
        for (what, config) in with_and_without_positions(which, layout) {
            answers_agree(&what, &config, precision, device);
        }
    }
}

#[test]
fn answers_are_the_predictions_of_whole_episodes() {
    all_answers_agree(Precision::Fp32, &Device::flex());
}

#[test]
fn answers_in_bf16_are_the_predictions_of_whole_episodes() {
    all_answers_agree(Precision::Bf16, &Device::flex());
}

/// Under automatic differentiation the operations for predictions are their references.
#[test]
fn answers_of_a_model_in_training_are_the_predictions_of_whole_episodes() {
    all_answers_agree(Precision::Fp32, &Device::flex().autodiff());
}

#[test]
fn an_answer_does_not_depend_on_the_queries_beside_it() {
    let device = Device::flex();
    for (which, layout) in (0..MODELS.len()).flat_map(|which| LAYOUTS.map(|layout| (which, layout))) {
        let model = config(which, layout).init(DIMS, Precision::Fp32, 5, &device).unwrap();
        let (inputs, labels, queries) = episodes(DIMS.episode_length - 1, &device);
        let state = model.read(inputs, labels);
        let alone = model.answer(&state, queries.clone().narrow(1, 1, 1));
        // More than a task of any kernel takes, and one that is no multiple of it.
        let many = Tensor::cat(vec![queries.clone(); 301], 1);
        let beside = model.answer(&state, many).narrow(1, 3 * 300 + 1, 1);
        let error = (alone - beside).abs().max().into_scalar::<f32>();
        assert!(error < 1e-4, "{}, {layout}: off by {error:e}", MODELS[which].0);
    }
}

#[test]
#[should_panic(expected = "the state is that of another architecture")]
fn a_state_of_another_architecture_is_refused() {
    let device = Device::flex();
    let model = |kind: &str| {
        let which = MODELS.iter().position(|model| model.0 == kind).unwrap();
        config(which, "paired").init(DIMS, Precision::Fp32, 5, &device).unwrap()
    };
    let (inputs, labels, queries) = episodes(4, &device);
    let state = model("transformer").read(inputs, labels);
    model("delta-net").answer(&state, queries);
}
