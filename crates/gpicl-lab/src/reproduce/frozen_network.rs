//! Features of frozen networks that the program makes by itself, since no pretrained network comes with it.
//!
//! In a spec a path `random-features:SET` or `pretrained-features:SET` stands for a file of such features of a data set,
//! which is named as for [`DataConfig::from_spec`].

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};

use gpicl::OutFile;
use gpicl::data::{DataConfig, Dataset, InputShape, Splits, write_features};
use gpicl::eval::baselines::{FullBatch, Mlp, Optimizer};
use gpicl::fs::create_folder;
use gpicl::rng::{Rng, Stream};
use gpicl::tasks::random_matrix;
use gpicl::{Error, Result};

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

    /// The folder of its features below that of the figure: another network's features are other files.
    fn folder(self) -> PathBuf {
        match self {
            Self::Random => self.name().into(),
            Self::Pretrained => {
                let trained = format!("{CHARACTERS}-characters-{PER_CHARACTER}-each-{EPOCHS}-epochs");
                Path::new(self.name()).join(trained)
            }
        }
    }
}

/// A file of features that a spec asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Features {
    frozen: Frozen,
    set: String,
    /// Where they are, or will be.
    pub file: PathBuf,
}

impl Features {
    /// What `path` stands for, with a file below `out`.
    pub fn of(path: &str, out: &Path) -> Option<Self> {
        let (name, set) = path.split_once(':')?;
        let frozen = [Frozen::Random, Frozen::Pretrained].into_iter().find(|frozen| frozen.name() == name)?;
        let file = out.join(frozen.folder()).join(format!("{set}.safetensors"));
        Some(Self { frozen, set: set.into(), file })
    }

    /// Writes the files that are not there yet.
    pub fn write_all(wanted: &[Self], data_dir: Option<&Path>) -> Result<()> {
        // One for each size of images.
        let mut networks: HashMap<usize, Pretrained> = HashMap::new();
        for Self { frozen, set, file } in wanted.iter().filter(|features| !features.file.exists()) {
            let Splits { train, test } = DataConfig::from_spec(set)?.load(data_dir)?;
            let [train_features, test_features] = match frozen {
                Frozen::Random => [&train, &test].map(random),
                Frozen::Pretrained => {
                    let network = match networks.entry(side(&train)?) {
                        Entry::Occupied(network) => network.into_mut(),
                        Entry::Vacant(room) => {
                            let network = Pretrained::new(*room.key(), CHARACTERS, EPOCHS)?;
                            room.insert(network)
                        }
                    };
                    [&train, &test].map(|data| network.features(data))
                }
            };
            // Called as in the spec, which tells two made sets apart.
            let of = |data: &Dataset, features| {
                let (labels, names) = (data.labels().to_vec(), data.class_names().to_vec());
                Dataset::new(set.as_str(), InputShape::Vector(FEATURES), features, labels, names)
            };
            let splits = Splits { train: of(&train, train_features)?, test: of(&test, test_features)? };
            let folder = file.parent().expect("the file is in a folder");
            create_folder(folder)?;
            write_features(&OutFile::new(file)?, &splits)?;
        }
        Ok(())
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
    let all: Vec<usize> = (0..data.len()).collect();
    data.project(&random_matrix(0, 0, FEATURES, data.dim()), &all, &mut features);
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
            seed: Some(SEED),
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
        let write = |path: &str| {
            let features = Features::of(path, dir.path()).unwrap();
            Features::write_all(std::slice::from_ref(&features), None).map(|()| features.file)
        };
        let path = write("random-features:glyphs").unwrap();
        let first = std::fs::read(&path).unwrap();
        let Splits { train, test } = load(&path);
        assert_eq!((train.dim(), test.dim(), train.num_classes()), (FEATURES, FEATURES, 10));
        let other = write("random-features:glyphs@7").unwrap();
        assert_ne!(std::fs::read(&other).unwrap(), first);
        assert_eq!(load(&other).test.name(), "glyphs@7");
        // What is there stays.
        std::fs::write(&path, "mine").unwrap();
        write("random-features:glyphs").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
        let error = write("random-features:glyphs@x").unwrap_err().to_string();
        assert!(error.contains("glyphs@x") && error.contains("NAME@SEED"), "{error}");
        let error = write("pretrained-features:random").unwrap_err().to_string();
        assert!(error.contains("random") && error.contains("square images"), "{error}");
        assert_eq!(Features::of("features/mnist.safetensors", dir.path()), None);
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
        let data = DataConfig { per_class: Some(40), seed: Some(7), ..DataConfig::default() };
        let data = data.load(None).unwrap().train;
        let features = Pretrained::new(14, 100, 4).unwrap().features(&data);
        assert_eq!(features.len(), FEATURES * data.len());
        let (with, without) = (nearest(&features, data.labels()), nearest(data.inputs(), data.labels()));
        assert!(with > without + 0.05, "{with} {without}");
    }
}
