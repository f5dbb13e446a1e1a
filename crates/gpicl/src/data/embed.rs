//! Frozen features: a data set's images through a pretrained network in ONNX format.
//!
//! With the cargo feature `onnx`; the runtime is `rten`, pure Rust.

use std::path::Path;

use super::Splits;
use crate::error::{Error, Result};

/// ImageNet's channel means and standard deviations, for pixels in `[0, 1]`: what most published vision models
/// were trained with.
pub const IMAGENET: [[f32; 3]; 2] = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]];

/// How images are brought to the network.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbedConfig {
    /// Images in a forward pass; what the model says, if it fixes it.
    pub batch: usize,
    /// Most images of each split, drawn at random but always the same ones; all if absent.
    pub limit: Option<usize>,
    /// Side of the square images; needed where the model leaves it open.
    pub input_size: Option<usize>,
    /// Subtracted from every channel; one number a channel or one for all. Empty: [`IMAGENET`]'s for a model of
    /// colour, 0 for one of grey.
    pub mean: Vec<f32>,
    /// Divides every channel afterwards; empty: [`IMAGENET`]'s for a model of colour, 1 for one of grey.
    pub std: Vec<f32>,
}

impl Default for EmbedConfig {
    fn default() -> Self {
        Self { batch: 64, limit: None, input_size: None, mean: Vec::new(), std: Vec::new() }
    }
}

/// Runs the ONNX model `path` over the images of both splits, pixels in `[0, 1]`. The features are the model's
/// first output, flattened. `on_batch` hears how many images are done, of how many.
///
/// # Errors
/// [`Error::File`] for a model that cannot be read, has no image input `[n, channels, height, width]`, or fails;
/// [`Error::Config`] for data without images or an option that does not fit the model.
pub fn embed(
    splits: &Splits,
    path: &Path,
    config: &EmbedConfig,
    on_batch: &mut dyn FnMut(usize, usize),
) -> Result<Splits> {
    if config.limit == Some(0) {
        return Err(Error::config("--limit", "is 0", "give at least 1"));
    }
    #[cfg(feature = "onnx")]
    return runtime::Network::load(path, config)?.splits(&runtime::some(splits, config.limit), on_batch);
    #[cfg(not(feature = "onnx"))]
    {
        let _ = (splits, path, config, on_batch);
        Err(no_runtime())
    }
}

/// Whether this build can run a network: asked before data are read for one.
///
/// # Errors
/// [`Error::Config`] if it cannot.
pub fn check_embed() -> Result<()> {
    if cfg!(feature = "onnx") { Ok(()) } else { Err(no_runtime()) }
}

fn no_runtime() -> Error {
    Error::config("--onnx", "this build has no ONNX runtime", "rebuild with --features onnx")
}

#[cfg(feature = "onnx")]
mod runtime {
    use std::path::PathBuf;

    use rten::{Dimension, Model, Value};
    use rten_tensor::Tensor;
    use rten_tensor::prelude::*;

    use super::*;
    use crate::data::transform::{resize, to_color};
    use crate::data::{Color, Dataset, InputShape};
    use crate::rng::{Rng, Stream};

    /// The examples that are embedded, up to `limit` of each split.
    pub(super) fn some(splits: &Splits, limit: Option<usize>) -> Splits {
        let of = |data: &Dataset| {
            let mut order: Vec<usize> = (0..data.len()).collect();
            if let Some(limit) = limit {
                Rng::new(0, Stream::Data, 0).shuffle(&mut order);
                order.truncate(limit);
                order.sort_unstable();
            }
            data.subset(&order)
        };
        Splits { train: of(&splits.train), test: of(&splits.test) }
    }

    /// A model, and what it reads.
    pub(super) struct Network {
        path: PathBuf,
        model: Model,
        /// Images in a forward pass; and whether it has to be this many.
        batch: (usize, bool),
        channels: usize,
        side: usize,
        /// One a channel.
        mean: Vec<f32>,
        std: Vec<f32>,
    }

    impl Network {
        pub fn load(path: &Path, config: &EmbedConfig) -> Result<Self> {
            std::fs::metadata(path).map_err(Error::io("read", path))?;
            let fail = |problem: String, fix: &str| Err(Error::file(path, problem, fix));
            let model = match Model::load_file(path) {
                Ok(model) => model,
                Err(error) => {
                    let fix = "export the model again, as .onnx";
                    return fail(format!("cannot be read as an ONNX model ({error})"), fix);
                }
            };
            let inputs = model.input_ids().len();
            let shape = model.input_shape(0).unwrap_or_default();
            let [images, channels, height, width] = shape.as_slice() else {
                let fix = "export a model with one input, [n, channels, height, width]";
                return fail(format!("has an input of {} dimensions", shape.len()), fix);
            };
            if inputs != 1 || model.output_ids().is_empty() {
                let problem = format!("has {inputs} inputs and {} outputs", model.output_ids().len());
                return fail(problem, "export a model with one input and its features as first output");
            }
            let fixed = |dimension: &Dimension| match dimension {
                Dimension::Fixed(size) if *size > 0 => Some(*size),
                Dimension::Fixed(_) | Dimension::Symbolic(_) => None,
            };
            let channels = fixed(channels).unwrap_or(3);
            if channels != 1 && channels != 3 {
                let fix = "export a model that reads 1 or 3 channels, as [n, channels, height, width]";
                return fail(format!("reads images of {channels} channels"), fix);
            }
            if config.batch == 0 || config.input_size == Some(0) {
                return Err(Error::config("--batch, --input-size", "is 0", "give at least 1"));
            }
            let side = match (fixed(height), fixed(width), config.input_size) {
                (Some(height), Some(width), _) if height != width => {
                    let fix = "export a model that reads square images";
                    return fail(format!("reads images of {height}x{width}"), fix);
                }
                (Some(side), _, Some(given)) | (_, Some(side), Some(given)) if side != given => {
                    let problem = format!("is {given}, {} reads images of {side}x{side}", path.display());
                    return Err(Error::config("--input-size", problem, "leave it out"));
                }
                (Some(side), ..) | (_, Some(side), _) | (_, _, Some(side)) => side,
                (None, None, None) => {
                    let problem = format!("is missing; {} reads images of any size", path.display());
                    return Err(Error::config("--input-size", problem, "give the side, such as 224"));
                }
            };
            let per_channel = |field: &str, given: &[f32], preset: [f32; 3], grey: f32| match given {
                [] if channels == 3 => Ok(preset.to_vec()),
                [] => Ok(vec![grey; channels]),
                [one] => Ok(vec![*one; channels]),
                all if all.len() == channels => Ok(all.to_vec()),
                other => {
                    let problem = format!("has {} numbers for {channels} channels", other.len());
                    Err(Error::config(field, problem, "give one for all, or one a channel"))
                }
            };
            let [mean, std] = IMAGENET;
            let mean = per_channel("--mean", &config.mean, mean, 0.0)?;
            let std = per_channel("--std", &config.std, std, 1.0)?;
            if mean.iter().chain(&std).any(|value| !value.is_finite()) || std.contains(&0.0) {
                return Err(Error::config("--mean, --std", "is no usable number", "give std other than 0"));
            }
            let batch = (fixed(images).unwrap_or(config.batch), fixed(images).is_some());
            Ok(Self { path: path.to_path_buf(), model, batch, channels, side, mean, std })
        }

        pub fn splits(&self, splits: &Splits, on_batch: &mut dyn FnMut(usize, usize)) -> Result<Splits> {
            let Splits { train, test } = splits;
            let total = train.len() + test.len();
            Ok(Splits {
                train: self.features(train, &mut |done| on_batch(done, total))?,
                test: self.features(test, &mut |done| on_batch(train.len() + done, total))?,
            })
        }

        fn features(&self, data: &Dataset, on_done: &mut dyn FnMut(usize)) -> Result<Dataset> {
            if matches!(data.shape(), InputShape::Vector(_)) {
                let problem = format!("`{}` has vectors, not images", data.name());
                return Err(Error::config("data", problem, "embed a data set of images"));
            }
            let order: Vec<usize> = (0..data.len()).collect();
            let mut features = Vec::new();
            for images in order.chunks(self.batch.0) {
                let inputs = self.pixels(&data.subset(images))?;
                features.extend(self.forward(inputs, images.len())?);
                on_done(images[images.len() - 1] + 1);
            }
            let dim = features.len() / data.len();
            let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
            let name = format!("{}-{stem}", data.name());
            let (labels, classes) = (data.labels().to_vec(), data.class_names().to_vec());
            Dataset::new(name, InputShape::Vector(dim), features, labels, classes)
                .map_err(|error| self.fault(format!("gives features that cannot be used ({error})")))
        }

        /// The images as the model reads them: `[n, channels, side, side]`, normalised.
        fn pixels(&self, images: &Dataset) -> Result<Vec<f32>> {
            let color = if self.channels == 3 { Color::Rgb } else { Color::Grey };
            let images = resize(to_color(images.clone(), color)?, self.side)?;
            let mut inputs = Vec::with_capacity(images.inputs().len());
            for image in images.inputs().chunks_exact(images.dim()) {
                for channel in 0..self.channels {
                    let pixels = image.iter().skip(channel).step_by(self.channels);
                    inputs.extend(pixels.map(|pixel| (pixel - self.mean[channel]) / self.std[channel]));
                }
            }
            Ok(inputs)
        }

        /// The features of `count` images, `[count, d]`.
        fn forward(&self, mut inputs: Vec<f32>, count: usize) -> Result<Vec<f32>> {
            let (batch, exactly) = self.batch;
            let rows = if exactly { batch } else { count };
            inputs.resize(rows * self.channels * self.side * self.side, 0.0);
            let inputs = Tensor::from_data(&[rows, self.channels, self.side, self.side], inputs);
            let output =
                self.model.run_one(inputs.into(), None).map_err(|error| self.fault(error.to_string()))?;
            let Value::FloatTensor(output) = output else {
                return Err(self.fault("its first output is no tensor of floats".into()));
            };
            if output.shape().first() != Some(&rows) || output.len() == 0 {
                let problem = format!("its first output is {:?} for {rows} images", output.shape());
                return Err(self.fault(problem));
            }
            let mut features = output.to_vec();
            features.truncate(features.len() / rows * count);
            Ok(features)
        }

        fn fault(&self, problem: String) -> Error {
            let fix = "export the model with one image input and its features, [n, ..], as first output";
            Error::file(&self.path, problem, fix)
        }
    }
}
