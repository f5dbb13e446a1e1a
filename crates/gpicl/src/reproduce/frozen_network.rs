//! Features of frozen networks that the program makes by itself, since no pretrained network comes with it.
//!
//! In a spec a path `random-features:SET` or `pretrained-features:SET` stands for a file of such features of a data set,
//! which is named as for [`DataConfig::from_spec`].

use std::path::Path;

use crate::data::{DataConfig, Dataset, InputShape, Splits, write_features};
use crate::error::{Error, Result};
use crate::eval::baselines::{FullBatch, Mlp, Optimizer};
use crate::tasks::random_matrix;
use crate::tasks::rng::{Rng, Stream};

/// Features of an input.
const FEATURES: usize = 256;
/// Characters that the pretrained network tells apart, and examples of each. None of them is in a data set of a small seed.
const CHARACTERS: usize = 300;
const PER_CHARACTER: usize = 100;
const SEED: u64 = 1_000_003;
const EPOCHS: usize = 5;
const BATCH: usize = 100;
const ADAM: Optimizer = Optimizer::Adam(1e-3);

/// A kind of frozen network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frozen {
    /// `relu(W x)` with entries of `W` `[256, N_x]` from `N(0, 1/N_x)`, always the same ones: tells whether meta-training
    /// works on features of a frozen network, not what pretraining adds.
    Random,
    /// The upper hidden layer of a perceptron that was trained to tell 300 drawn characters apart.
    Pretrained,
}

impl Frozen {
    /// What a path begins with that stands for features, and the folder they are made in.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Random => "random-features",
            Self::Pretrained => "pretrained-features",
        }
    }

    /// The network and the data set that `path` stands for.
    pub fn of(path: &str) -> Option<(Self, &str)> {
        let (name, set) = path.split_once(':')?;
        [Self::Random, Self::Pretrained]
            .into_iter()
            .find(|frozen| frozen.name() == name)
            .map(|frozen| (frozen, set))
    }

    /// Writes the features of `set` to `path`, if they are not there.
    pub fn write(self, set: &str, path: &Path, data_dir: Option<&Path>) -> Result<()> {
        if path.exists() {
            return Ok(());
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        }
        let Splits { train, test } = DataConfig::from_spec(set)?.load(data_dir)?;
        let features = match self {
            Self::Random => [&train, &test].map(random),
            Self::Pretrained => {
                let network = Pretrained::new(side(&train)?, CHARACTERS, EPOCHS)?;
                [&train, &test].map(|data| network.features(data))
            }
        };
        let [train_features, test_features] = features;
        let of = |data: &Dataset, features| {
            let (labels, names) = (data.labels().to_vec(), data.class_names().to_vec());
            Dataset::new(data.name(), InputShape::Vector(FEATURES), features, labels, names)
        };
        write_features(path, &Splits { train: of(&train, train_features)?, test: of(&test, test_features)? })
    }
}

/// The side of square images of one channel.
fn side(data: &Dataset) -> Result<usize> {
    match data.shape() {
        InputShape::Image { height, width, channels: 1 } if height == width => Ok(height),
        other => {
            let problem = format!("`{}` has inputs of {other:?}", data.name());
            let fix = "features of the pretrained network need square images of one channel";
            Err(Error::config("data.path", problem, fix))
        }
    }
}

fn random(data: &Dataset) -> Vec<f32> {
    let mut features = vec![0.0; FEATURES * data.len()];
    let rows = (0..data.len()).map(|at| data.input(at));
    random_matrix(0, 0, FEATURES, data.dim()).project(rows, data.grid(), &mut features);
    features.iter_mut().for_each(|value| *value = value.max(0.0));
    features
}

/// A perceptron and what it has learned.
struct Pretrained {
    mlp: Mlp,
    params: Vec<f32>,
}

impl Pretrained {
    /// Trains it on so many characters of `side` x `side` pixels.
    fn new(side: usize, characters: usize, epochs: usize) -> Result<Self> {
        let config = DataConfig {
            classes: Some(characters),
            per_class: Some(PER_CHARACTER),
            size: Some(side),
            seed: SEED,
            ..DataConfig::default()
        };
        let data = config.load(None)?.train;
        let mlp = Mlp::new(data.dim(), FEATURES, 2, characters);
        let mut params = mlp.init(&mut Rng::new(SEED, Stream::Baseline, 0));
        let mut state = ADAM.start(params.len());
        let mut order: Vec<usize> = (0..data.len()).collect();
        for epoch in 0..epochs {
            Rng::new(SEED, Stream::ExampleChoice, epoch as u64).shuffle(&mut order);
            for examples in order.chunks(BATCH) {
                let batch = data.subset(examples);
                let mut batch = FullBatch::new(&mlp, batch.inputs(), batch.labels());
                let (_, gradient) = batch.gradient(&params);
                ADAM.update(&mut state, &mut params, gradient);
            }
        }
        Ok(Self { mlp, params })
    }

    fn features(&self, data: &Dataset) -> Vec<f32> {
        let mut pass = self.mlp.pass();
        let mut features = Vec::with_capacity(FEATURES * data.len());
        for at in 0..data.len() {
            self.mlp.forward(&self.params, data.input(at), &mut pass);
            features.extend_from_slice(&pass.units[self.mlp.layers() - 1]);
        }
        features
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(path: &Path) -> Splits {
        let config =
            DataConfig { name: "safetensors".into(), path: Some(path.into()), ..DataConfig::default() };
        config.load(None).unwrap()
    }

    #[test]
    fn features_are_written_once_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("random-features").join("glyphs.safetensors");
        let (frozen, set) = Frozen::of("random-features:glyphs").unwrap();
        frozen.write(set, &path, None).unwrap();
        let first = std::fs::read(&path).unwrap();
        frozen.write(set, &path, None).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), first);
        let Splits { train, test } = load(&path);
        assert_eq!((train.dim(), test.dim(), train.num_classes()), (FEATURES, FEATURES, 10));
        frozen.write("glyphs@7", &path.with_file_name("other.safetensors"), None).unwrap();
        assert_ne!(std::fs::read(path.with_file_name("other.safetensors")).unwrap(), first);
        let error = frozen.write("glyphs@x", &path.with_file_name("x"), None).unwrap_err().to_string();
        assert!(error.contains("glyphs@x") && error.contains("NAME@SEED"), "{error}");
        assert_eq!(Frozen::of("features/mnist.safetensors"), None);
    }

    /// Accuracy of one nearest neighbour among two labelled examples of each of ten classes.
    fn nearest(values: &[f32], labels: &[u32]) -> f64 {
        let dim = values.len() / labels.len();
        let row = |at: usize| &values[at * dim..][..dim];
        let distance =
            |a: usize, b: usize| -> f32 { row(a).iter().zip(row(b)).map(|(x, y)| (x - y) * (x - y)).sum() };
        let hit = |at: &usize| {
            let nearest = (0..20).min_by(|&a, &b| distance(*at, a).total_cmp(&distance(*at, b))).unwrap();
            labels[nearest] == labels[*at]
        };
        (20..labels.len()).filter(hit).count() as f64 / (labels.len() - 20) as f64
    }

    #[test]
    fn characters_that_it_never_saw_lie_closer_together_in_a_pretrained_network() {
        let data = DataConfig { per_class: Some(40), seed: 7, ..DataConfig::default() };
        let data = data.load(None).unwrap().train;
        let features = Pretrained::new(14, 100, 4).unwrap().features(&data);
        assert_eq!(features.len(), FEATURES * data.len());
        let (with, without) = (nearest(&features, data.labels()), nearest(data.inputs(), data.labels()));
        assert!(with > without + 0.05, "{with} {without}");
    }
}
