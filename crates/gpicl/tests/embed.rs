//! Features of a pretrained network, against numbers worked out by hand.
#![cfg(feature = "onnx")]

use std::path::Path;

use gpicl::Error;
use gpicl::data::{Dataset, EmbedConfig, IMAGENET, InputShape, Splits, embed};

fn model() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny.onnx"))
}

fn images(channels: usize, inputs: Vec<f32>) -> Dataset {
    let shape = InputShape::Image { height: 2, width: 2, channels };
    let labels = vec![0; inputs.len() / shape.dim()];
    Dataset::new("toy", shape, inputs, labels, vec!["a".into(), "b".into()]).unwrap()
}

/// What `tests/fixtures/make_tiny_onnx.py` computes of an image whose channels have these means.
fn expected(channels: [f32; 3], [mean, std]: [[f32; 3]; 2]) -> [f32; 2] {
    let normal = |c: usize| (channels[c] - mean[c]) / std[c];
    [normal(0), normal(0) + normal(1) + normal(2) + 1.0]
}

fn close(found: &[f32], expected: &[f32]) -> bool {
    found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5)
}

#[test]
fn images_are_resized_coloured_normalised_and_laid_out_by_channel() {
    // Red rises over the pixels, green is 0.2, blue 0.8; the second image is black.
    let colour = [[0.0, 0.2, 0.8], [0.4, 0.2, 0.8], [0.6, 0.2, 0.8], [1.0, 0.2, 0.8]].concat();
    let train = images(3, [colour, vec![0.0; 12]].concat());
    let splits = Splits { train: train.clone(), test: train.subset(&[1]) };
    let mut heard = Vec::new();
    let config = EmbedConfig { batch: 1, ..EmbedConfig::default() };
    let features = embed(&splits, model(), &config, &mut |done, of| heard.push((done, of))).unwrap();
    assert_eq!(heard, [(1, 3), (2, 3), (3, 3)]);
    assert_eq!((features.train.name(), features.train.shape()), ("toy-tiny", InputShape::Vector(2)));
    assert_eq!(features.train.class_names(), ["a", "b"]);
    assert!(close(features.train.input(0), &expected([0.5, 0.2, 0.8], IMAGENET)));
    assert!(close(features.train.input(1), &expected([0.0; 3], IMAGENET)));
    assert_eq!(features.test.input(0), features.train.input(1));

    // Some of each split, always the same ones; of one that is smaller, all.
    let limited = EmbedConfig { limit: Some(1), ..EmbedConfig::default() };
    let some = embed(&splits, model(), &limited, &mut |_, of| assert_eq!(of, 2)).unwrap();
    let again = embed(&splits, model(), &limited, &mut |_, _| {}).unwrap();
    assert_eq!((some.train.len(), some.test.len(), again.train.inputs()), (1, 1, some.train.inputs()));
    assert!((0..2).any(|image| close(some.train.inputs(), features.train.input(image))));

    // The batch changes nothing; grey images are repeated over the channels.
    let whole = embed(&splits, model(), &EmbedConfig::default(), &mut |_, _| {}).unwrap();
    assert!(close(whole.train.inputs(), features.train.inputs()));
    let grey = images(1, vec![0.1, 0.2, 0.3, 0.4]);
    let splits = Splits { train: grey.clone(), test: grey };
    let config = EmbedConfig { mean: vec![0.5], std: vec![1.0, 2.0, 4.0], ..EmbedConfig::default() };
    let features = embed(&splits, model(), &config, &mut |_, _| {}).unwrap();
    assert!(close(features.train.inputs(), &expected([0.25; 3], [[0.5; 3], [1.0, 2.0, 4.0]])));
}

#[test]
fn options_that_do_not_fit_and_models_that_are_none_are_errors() {
    let grey = images(1, vec![0.0; 4]);
    let splits = Splits { train: grey.clone(), test: grey };
    let error = |path: &Path, config: EmbedConfig| embed(&splits, path, &config, &mut |_, _| {}).unwrap_err();
    let with = EmbedConfig::default;
    for (config, parts) in [
        (EmbedConfig { input_size: Some(8), ..with() }, ["--input-size", "4x4"]),
        (EmbedConfig { batch: 0, ..with() }, ["--batch", "is 0"]),
        (EmbedConfig { mean: vec![0.0; 2], ..with() }, ["--mean", "3 channels"]),
        (EmbedConfig { std: vec![0.0], ..with() }, ["--std", "other than 0"]),
    ] {
        let error = error(model(), config).to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
    assert!(matches!(error(Path::new("absent.onnx"), with()), Error::Io { .. }));
    let dir = tempfile::tempdir().unwrap();
    let whole = std::fs::read(model()).unwrap();
    for (name, bytes) in [("torn.onnx", &whole[..100]), ("text.onnx", b"no model"), ("none.txt", &whole)] {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let error = error(&path, with()).to_string();
        assert!(error.contains(name) && error.contains("ONNX"), "{error}");
    }
}
