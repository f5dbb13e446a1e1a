//! Reading a context once and answering from what is left: the predictions of the whole episode, at its last position.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::{Device, Int, Tensor, TensorData};
use common::{DIMS, LAYOUTS, MODELS, config, examples_that_tell};
use gpicl::models::{Dims, ModelConfig, SequenceModel as _, State as _};
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

/// The `[model]` table with a field set otherwise, where it has it.
fn with(config: &ModelConfig, field: &str, value: impl Into<toml::Value>) -> Option<ModelConfig> {
    let mut table = toml::Table::try_from(config).unwrap();
    *table.get_mut(field)? = value.into();
    Some(table.try_into().unwrap())
}

/// One of [`MODELS`], with learned positions and without where it can have them.
fn with_and_without_positions(which: usize, layout: &str) -> Vec<(String, ModelConfig)> {
    let (what, config) = (format!("{} ({which}), {layout}", MODELS[which].0), config(which, layout));
    let choose = |positions| {
        let config = with(&config, "positions", positions)?;
        Some((format!("{what}, positions: {positions}"), config))
    };
    match [choose(false), choose(true)] {
        [Some(without), Some(with)] => vec![without, with],
        _ => vec![(what, config)],
    }
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

/// The context of the first `examples` examples; none is a number that `narrow` refuses.
fn first(examples: usize, inputs: &Tensor<3>, labels: &Tensor<2, Int>) -> (Tensor<3>, Tensor<2, Int>) {
    let device = &inputs.device();
    match examples {
        0 => (Tensor::zeros([BATCH, 0, DIMS.input_dim], device), Tensor::zeros([BATCH, 0], device)),
        _ => (inputs.clone().narrow(1, 0, examples), labels.clone().narrow(1, 0, examples)),
    }
}

/// Answers are the logits of whole episodes, and the state is as large as it says.
fn answers_agree(what: &str, config: &ModelConfig, precision: Precision, device: &Device) {
    let model = config.init(DIMS, precision, 5, device).unwrap();
    let most = DIMS.episode_length - 1;
    let (inputs, labels, queries) = episodes(most, device);
    for examples in [0, 1, 2, most] {
        let what = format!("{what}, {precision:?}, {examples} examples");
        let (context, told) = first(examples, &inputs, &labels);
        let state = model.read(context.clone(), told.clone());
        if examples == 0 || examples >= examples_that_tell(config.kind()) {
            assert_eq!(state.size(), model.state_size(examples), "{what}: state");
        }
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
            let size = expected.clone().abs().max().into_scalar::<f32>();
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

/// What a call says that is refused.
#[track_caller]
fn refusal<T>(what: &str, call: impl FnOnce() -> T) -> String {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(_) => panic!("{what}: was not refused"),
        Err(said) => *said.downcast::<String>().expect("a message with numbers"),
    }
}

#[test]
fn widths_of_other_inputs_are_refused() {
    let device = Device::flex();
    for (which, layout) in (0..MODELS.len()).flat_map(|which| LAYOUTS.map(|layout| (which, layout))) {
        let model = config(which, layout).init(DIMS, Precision::Fp32, 5, &device).unwrap();
        let (inputs, labels, queries) = episodes(4, &device);
        let state = model.read(inputs.clone(), labels.clone());
        let kind = MODELS[which].0;
        if kind == "cells" {
            continue;
        }
        let [inputs, queries] = [inputs, queries].map(|x| x.narrow(2, 0, DIMS.input_dim - 1));
        let said = refusal(kind, || model.forward(inputs.clone(), labels.clone()));
        assert_eq!(said, "forward: width of the inputs: expected 5, found 4", "{kind}");
        let said = refusal(kind, || model.read(inputs, labels));
        assert_eq!(said, "read: width of the inputs: expected 5, found 4", "{kind}");
        let said = refusal(kind, || model.answer(&state, queries));
        assert_eq!(said, "answer: width of the queries: expected 5, found 4", "{kind}");
    }
}

/// Without examples as well, where a state may hold no number.
#[test]
fn states_of_other_models_and_batches_are_refused() {
    let device = Device::flex();
    for (which, [layout, other]) in (0..MODELS.len())
        .flat_map(|which| [LAYOUTS, [LAYOUTS[1], LAYOUTS[0]]].map(|layouts| (which, layouts)))
    {
        let config = config(which, layout);
        let model = config.init(DIMS, Precision::Fp32, 5, &device).unwrap();
        if model.state_size(4) == 0 {
            continue;
        }
        for examples in [0, 4] {
            let what = format!("{} ({which}), {layout}, {examples} examples", MODELS[which].0);
            let (inputs, labels, queries) = episodes(4, &device);
            let (inputs, labels) = first(examples, &inputs, &labels);
            let refused = |config: ModelConfig| {
                let other = config.init(DIMS, Precision::Fp32, 5, &device).unwrap();
                let state = other.read(inputs.clone(), labels.clone());
                refusal(&what, || model.answer(&state, queries.clone()))
            };
            let [expected, found] = [layout, other].map(|layout| match layout {
                "shifted" => "Shifted",
                _ => "Paired",
            });
            if let Some(config) = with(&config, "layout", other) {
                let expected = format!("answer: layout of the state: expected {expected}, found {found}");
                assert_eq!(refused(config), expected, "{what}");
            }
            for layers in [1, 3] {
                if let Some(config) = with(&config, "layers", layers) {
                    let expected = format!("answer: layers of the state: expected 2, found {layers}");
                    assert_eq!(refused(config), expected, "{what}");
                }
            }
            let state = model.read(inputs.clone(), labels.clone());
            let said = refusal(&what, || model.answer(&state, queries.clone().narrow(0, 0, 1)));
            assert_eq!(said, "answer: batch of the state: expected 1, found 2", "{what}");
        }
        // Sizes are the operations' to check.
        let (inputs, labels, queries) = episodes(4, &device);
        for config in ["d_model", "hidden", "size"].iter().filter_map(|field| with(&config, field, 16)) {
            let other = config.init(DIMS, Precision::Fp32, 5, &device).unwrap();
            let state = other.read(inputs.clone(), labels.clone());
            let said = refusal(MODELS[which].0, || model.answer(&state, queries.clone()));
            assert!(said.contains("expected shape [") && said.contains("found ["), "{said}");
        }
    }
}

#[test]
fn contexts_beyond_the_learned_positions_are_refused() {
    let device = Device::flex();
    let learned = |which, layout| with(&config(which, layout), "positions", true);
    let mut tried = 0;
    for config in (0..MODELS.len()).flat_map(|which| LAYOUTS.map(|layout| learned(which, layout))).flatten() {
        tried += 1;
        let longer = Dims { episode_length: DIMS.episode_length + 1, ..DIMS };
        let [model, longer] =
            [DIMS, longer].map(|dims| config.init(dims, Precision::Fp32, 5, &device).unwrap());
        let (inputs, labels, queries) = episodes(10, &device);
        let nine = || (inputs.clone().narrow(1, 0, 9), labels.clone().narrow(1, 0, 9));
        let kind = config.kind();
        model.forward(nine().0, nine().1);
        let said = refusal(kind, || model.forward(inputs.clone(), labels.clone()));
        assert_eq!(
            said, "forward: examples, with 9 learned positions: expected at most 9, found 10",
            "{kind}"
        );
        let said = refusal(kind, || model.read(nine().0, nine().1));
        let expected = "read: examples before a query, with 9 learned positions: expected at most 8, found 9";
        assert_eq!(said, expected, "{kind}");
        let state = longer.read(nine().0, nine().1);
        let said = refusal(kind, || model.answer(&state, queries));
        let expected = "answer: examples of the state, before a query, with 9 learned positions: expected at most 8, found 9";
        assert_eq!(said, expected, "{kind}");
    }
    assert!(tried > 0);
}

#[test]
fn a_label_that_is_no_class_is_refused() {
    let device = Device::flex();
    for (which, layout) in (0..MODELS.len()).flat_map(|which| LAYOUTS.map(|layout| (which, layout))) {
        let model = config(which, layout).init(DIMS, Precision::Fp32, 5, &device).unwrap();
        if model.state_size(4) > 0 {
            let (inputs, labels, _) = episodes(4, &device);
            // The last one is told to queries alone in the shifted layout.
            let last = Tensor::full([BATCH, 1], DIMS.classes as i32, &device);
            let labels = labels.slice_assign([0..BATCH, 3..4], last);
            let said = refusal(MODELS[which].0, || model.read(inputs, labels));
            assert!(said.contains("below 3 classes, found 3"), "{}, {layout}: {said}", MODELS[which].0);
        }
    }
}

#[test]
#[should_panic(expected = "answer: state: expected delta-net, found transformer")]
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
