//! The paper's Random data set: every class is a random point, its instances are the point with noise.

use std::path::Path;

use super::config::DataConfig;
use super::raw::Raw;
use super::{Dataset, InputShape};
use crate::error::Result;
use crate::rng::{Rng, Stream};

/// `size` (default 196) numbers an input, `N(0, 1)` prototypes, noise of deviation `noise` (default 0.3).
pub(super) fn read(config: &DataConfig, _: &Path) -> Result<Raw> {
    let (classes, dim) = (config.classes.unwrap_or(10), config.size.unwrap_or(196));
    let (per_class, noise) = (config.per_class.unwrap_or(800), config.noise.unwrap_or(0.3));
    let draw = |k: u64| {
        let mut rng = Rng::new(config.seed(), Stream::Data, k);
        (0..dim).map(|_| rng.normal()).collect::<Vec<f32>>()
    };
    let prototypes: Vec<Vec<f32>> = (0..classes as u64).map(draw).collect();
    let split = |first: usize, count: usize| {
        let mut inputs = Vec::with_capacity(classes * count * dim);
        let mut labels = Vec::with_capacity(classes * count);
        for instance in first..first + count {
            for (class, prototype) in prototypes.iter().enumerate() {
                // Prototypes have the numbers below `classes`.
                let noises = draw((classes + instance * classes + class) as u64);
                inputs.extend(prototype.iter().zip(noises).map(|(p, n)| p + noise * n));
                labels.push(class as u32);
            }
        }
        let names = (0..classes).map(|class| class.to_string()).collect();
        Dataset::new("random", InputShape::Vector(dim), inputs, labels, names)
    };
    Ok(Raw { train: split(0, per_class)?, test: Some(split(per_class, per_class / 4)?), files: Vec::new() })
}
