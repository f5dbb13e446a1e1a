//! A folder with a folder of images for each class. `train/` and `test/` inside it are taken as splits.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::config::DataConfig;
use super::picture::Picture;
use super::raw::{Raw, files_in, is_leftover, own_name};
use super::transform::{Color, resize, to_color};
use super::{Dataset, InputShape};
use crate::error::{Error, Result};

const EXTENSIONS: [&str; 8] = ["png", "jpg", "jpeg", "bmp", "gif", "tif", "tiff", "webp"];
/// What a split for choices is called. Where there is no test split it is one.
const VALIDATION: [&str; 3] = ["val", "valid", "validation"];

pub(super) fn read(config: &DataConfig, _: &Path) -> Result<Raw> {
    let root = config.path.as_deref().unwrap_or(Path::new("."));
    let name = own_name(root);
    let train = root.join("train");
    let Some((test, remark)) = held_out(root) else {
        let classes = folders(root)?;
        return Ok(Raw {
            train: read_classes(&name, root, &classes, config)?,
            test: None,
            files: Vec::new(),
        });
    };
    if let Some(remark) = remark {
        tracing::warn!("{remark}");
    }
    let classes: BTreeSet<String> = [folders(&train)?, folders(&test)?].into_iter().flatten().collect();
    let classes: Vec<String> = classes.into_iter().collect();
    let (train, test) =
        (read_classes(&name, &train, &classes, config)?, read_classes(&name, &test, &classes, config)?);
    let (train, test) = in_colour(train, test)?;
    Ok(Raw { train, test: Some(test), files: Vec::new() })
}

/// The folder of the test split beside `train`, without which there is none, and what is to be said of it. One for choices is
/// passed over, as they are made on a part of `train`.
fn held_out(root: &Path) -> Option<(PathBuf, Option<String>)> {
    // Else all folders are classes, whatever they are called.
    if !root.join("train").is_dir() {
        return None;
    }
    let test = root.join("test");
    let validation = VALIDATION.iter().map(|name| root.join(name)).find(|folder| folder.is_dir());
    match (test.is_dir(), validation) {
        (false, Some(validation)) => {
            let remark = format!("{}: is the test split, as there is no folder `test`", validation.display());
            Some((validation, Some(remark)))
        }
        (true, Some(validation)) => {
            let remark = format!(
                "{}: is passed over; the validation split is a part of `train` (data.validation_fraction)",
                validation.display()
            );
            Some((test, Some(remark)))
        }
        (true, None) => Some((test, None)),
        (false, None) => None,
    }
}

/// Both splits in colour if one is.
fn in_colour(train: Dataset, test: Dataset) -> Result<(Dataset, Dataset)> {
    let colour = |data: &Dataset| matches!(data.shape(), InputShape::Image { channels: 3, .. });
    match (colour(&train), colour(&test)) {
        (true, false) => Ok((train, to_color(test, Color::Rgb)?)),
        (false, true) => Ok((to_color(train, Color::Rgb)?, test)),
        _ => Ok((train, test)),
    }
}

/// Names of the folders below `root`, sorted.
pub(super) fn folders(root: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(root).map_err(Error::io("list", root))? {
        let entry = entry.map_err(Error::io("list", root))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() && !is_leftover(&name) {
            names.push(name);
        }
    }
    names.sort();
    if names.is_empty() {
        return Err(Error::file(root, "has no folder in it", "make one folder of images for each class"));
    }
    Ok(names)
}

/// The images of those of `classes` that have a folder in `root`.
fn read_classes(name: &str, root: &Path, classes: &[String], config: &DataConfig) -> Result<Dataset> {
    let mut files: Vec<(u32, PathBuf)> = Vec::new();
    for (label, class) in classes.iter().enumerate() {
        let folder = root.join(class);
        if !folder.is_dir() {
            continue;
        }
        let found = image_files(&folder)?;
        if found.is_empty() {
            let fix = format!("put pictures in it ({}), or remove it", EXTENSIONS.join(", "));
            return Err(Error::file(folder, "holds no image", fix));
        }
        files.extend(found.into_iter().map(|path| (label as u32, path)));
    }
    let read = |(label, path): &(u32, PathBuf)| {
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        Ok((*label, path.clone(), decode(path, &bytes, config)?))
    };
    from_images(name, files.par_iter().map(read).collect::<Result<Vec<_>>>()?, classes.to_vec())
}

/// The image files directly in `folder`, sorted.
pub(super) fn image_files(folder: &Path) -> Result<Vec<PathBuf>> {
    files_in(folder, &EXTENSIONS)
}

/// Decodes one image file and brings it to the colour and the side that the configuration asks for: so pictures of
/// several sizes are one data set, and a large one is small before the next.
pub(super) fn decode(path: &Path, bytes: &[u8], config: &DataConfig) -> Result<Picture> {
    let picture = Picture::decode(path, bytes, config.background.unwrap_or_default())?;
    let (side, color) = config.target();
    if (side, color) == (None, None) {
        return Ok(picture);
    }
    let Picture { height, width, channels, pixels } = picture;
    let shape = InputShape::Image { height, width, channels };
    let mut data = Dataset::new("picture", shape, pixels, vec![0], vec![String::new()])?;
    if let Some(color) = color {
        data = to_color(data, color)?;
    }
    if let Some(side) = side {
        data = resize(data, side)?;
    }
    let InputShape::Image { height, width, channels } = data.shape() else {
        unreachable!("a picture stays one")
    };
    Ok(Picture { height, width, channels, pixels: data.inputs().to_vec() })
}

/// A data set from decoded images; all must have one size. Grey if every image is, else colour.
pub(super) fn from_images(
    name: &str,
    images: Vec<(u32, PathBuf, Picture)>,
    classes: Vec<String>,
) -> Result<Dataset> {
    let Some((_, first, Picture { height, width, .. })) = images.first() else {
        return Err(Error::argument("data set", format!("{name} has no image")));
    };
    let (height, width) = (*height, *width);
    if let Some((_, path, other)) =
        images.iter().find(|(_, _, other)| (other.height, other.width) != (height, width))
    {
        let (w, h) = (other.width, other.height);
        let problem = format!("is {w}x{h}, {} is {width}x{height}", first.display());
        return Err(Error::file(path, problem, "bring all images to one size, or set data.resize"));
    }
    let channels = images.iter().map(|(_, _, image)| image.channels).max().unwrap_or(1);
    let pixels = |image: &Picture| -> Vec<f32> {
        let repeated = channels / image.channels;
        image.pixels.iter().flat_map(|&pixel| std::iter::repeat_n(pixel, repeated)).collect()
    };
    let inputs = images.par_iter().flat_map_iter(|(_, _, image)| pixels(image)).collect();
    let labels = images.iter().map(|(label, _, _)| *label).collect();
    Dataset::new(name, InputShape::Image { height, width, channels }, inputs, labels, classes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_beside_train_is_a_folder_a_split() {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: &str| std::fs::create_dir(dir.path().join(name)).unwrap();
        let found = || {
            let (folder, remark) = held_out(dir.path())?;
            Some((own_name(&folder), remark.unwrap_or_default()))
        };
        for class in ["valid", "val", "cat"] {
            make(class);
        }
        assert_eq!(found(), None, "a class called `valid` is no split, and nothing is said of it");
        make("train");
        let (folder, remark) = found().unwrap();
        assert!(folder == "val" && remark.contains("val: is the test split"), "{folder}: {remark}");
        make("test");
        let (folder, remark) = found().unwrap();
        assert!(folder == "test" && remark.contains("val: is passed over"), "{folder}: {remark}");
        for name in ["val", "valid"] {
            std::fs::remove_dir(dir.path().join(name)).unwrap();
        }
        assert_eq!(found(), Some(("test".into(), String::new())));
    }
}
