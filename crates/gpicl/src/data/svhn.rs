//! SVHN, cropped digits: `train_32x32.mat`, `test_32x32.mat`.

use std::path::Path;

use super::config::DataConfig;
use super::raw::{Raw, locate};
use super::{Dataset, InputShape, mat};
use crate::error::{Error, Result};

pub(super) fn read(config: &DataConfig, folder: &Path) -> Result<Raw> {
    let file = |name: &str| locate(&config.name, &[folder], &[name.to_string()]);
    let (train, test) = (file("train_32x32.mat")?, file("test_32x32.mat")?);
    Ok(Raw {
        train: parse(&config.name, &train)?,
        test: Some(parse(&config.name, &test)?),
        files: vec![train, test],
    })
}

/// `X` is `[height, width, 3, n]` column-major, `y` is `[n, 1]` with the digit 0 as 10.
fn parse(name: &str, path: &Path) -> Result<Dataset> {
    let arrays = mat::read(path)?;
    let array = |name: &str| {
        arrays.get(name).ok_or_else(|| {
            let mut found: Vec<&str> = arrays.keys().map(String::as_str).collect();
            found.sort_unstable();
            let problem = format!("has no array of numbers `{name}`, only: {}", found.join(", "));
            Error::file(path, problem, "give an SVHN file, with X and y")
        })
    };
    let (x, y) = (array("X")?, array("y")?);
    let [height, width, channels, count] = x.dims[..] else {
        return Err(Error::file(
            path,
            format!("`X` has sizes {:?}, expected 4", x.dims),
            "give an SVHN file",
        ));
    };
    if !matches!(channels, 1 | 3) || x.values.is_empty() {
        let problem = format!("`X` has sizes {:?}, expected [height, width, 3, images]", x.dims);
        return Err(Error::file(path, problem, "give an SVHN file"));
    }
    if y.values.len() != count {
        let problem = format!("{count} images and {} labels", y.values.len());
        return Err(Error::file(path, problem, "fetch svhn again"));
    }
    let mut inputs = Vec::with_capacity(x.values.len());
    for image in x.values.chunks_exact(height * width * channels) {
        for row in 0..height {
            for column in 0..width {
                let pixel = |channel| (image[row + height * (column + width * channel)] / 255.0) as f32;
                inputs.extend((0..channels).map(pixel));
            }
        }
    }
    let labels = y
        .values
        .iter()
        .enumerate()
        .map(|(i, &label)| match label {
            10.0 => Ok(0),
            label if (0.0..10.0).contains(&label) && label.fract() == 0.0 => Ok(label as u32),
            label => {
                let place = format!("`y`, entry {}", i + 1);
                Err(Error::file_at(
                    path,
                    place,
                    format!("label {label}, expected 1 to 10"),
                    "fetch svhn again",
                ))
            }
        })
        .collect::<Result<_>>()?;
    let names = (0..10).map(|digit| digit.to_string()).collect();
    Dataset::new(name, InputShape::Image { height, width, channels }, inputs, labels, names)
}
