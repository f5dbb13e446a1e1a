//! A folder with a folder of images for each class. `train/` and `test/` inside it are taken as splits.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::config::DataConfig;
use super::raw::Raw;
use super::{Dataset, InputShape};
use crate::error::{Error, Result};

const EXTENSIONS: [&str; 7] = ["png", "jpg", "jpeg", "bmp", "gif", "tif", "tiff"];

pub(super) fn read(config: &DataConfig, _: &Path) -> Result<Raw> {
    let root = config.path.as_deref().unwrap_or(Path::new("."));
    let name = root.file_name().map_or_else(|| "images".into(), |name| name.to_string_lossy().into_owned());
    let (train, test) = (root.join("train"), root.join("test"));
    if train.is_dir() && test.is_dir() {
        let classes = folders(&train)?;
        let held_out = read_classes(&name, &test, &classes)?;
        let train = read_classes(&name, &train, &classes)?;
        return Ok(Raw { train, test: Some(held_out), files: Vec::new() });
    }
    Ok(Raw { train: read_classes(&name, root, &folders(root)?)?, test: None, files: Vec::new() })
}

/// Names of the folders below `root`, sorted.
pub(super) fn folders(root: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(root).map_err(Error::io("list", root))? {
        let entry = entry.map_err(Error::io("list", root))?;
        if entry.path().is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    if names.is_empty() {
        return Err(Error::file(root, "has no folder in it", "make one folder of images for each class"));
    }
    Ok(names)
}

fn read_classes(name: &str, root: &Path, classes: &[String]) -> Result<Dataset> {
    let mut files: Vec<(u32, PathBuf)> = Vec::new();
    for (label, class) in classes.iter().enumerate() {
        let found = image_files(&root.join(class))?;
        if found.is_empty() {
            return Err(Error::file(root.join(class), "holds no image", "put png or jpeg files in it"));
        }
        files.extend(found.into_iter().map(|path| (label as u32, path)));
    }
    from_files(name, &files, classes.to_vec())
}

/// The image files directly in `folder`, sorted.
pub(super) fn image_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let path = entry.map_err(Error::io("list", folder))?.path();
        let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        if EXTENSIONS.contains(&extension.as_str()) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Decodes labelled files; all must have one size. Grey if every file is, else colour.
pub(super) fn from_files(name: &str, files: &[(u32, PathBuf)], classes: Vec<String>) -> Result<Dataset> {
    let decode = |path: &Path| {
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        decode(path, &bytes)
    };
    let images = files.par_iter().map(|(label, path)| Ok((*label, path.clone(), decode(path)?)));
    from_images(name, images.collect::<Result<Vec<_>>>()?, classes)
}

/// Decodes one image file.
pub(super) fn decode(path: &Path, bytes: &[u8]) -> Result<image::DynamicImage> {
    image::load_from_memory(bytes).map_err(|error| {
        Error::file(path, format!("cannot be decoded ({error})"), "replace it by a whole png or jpeg file")
    })
}

/// A data set from decoded images.
pub(super) fn from_images(
    name: &str,
    images: Vec<(u32, PathBuf, image::DynamicImage)>,
    classes: Vec<String>,
) -> Result<Dataset> {
    let Some((_, first, image)) = images.first() else {
        return Err(Error::argument("images", format!("{name} has no image")));
    };
    let (width, height) = (image.width(), image.height());
    if let Some((_, path, other)) =
        images.iter().find(|(_, _, other)| (other.width(), other.height()) != (width, height))
    {
        let (w, h) = (other.width(), other.height());
        let problem = format!("is {w}x{h}, {} is {width}x{height}", first.display());
        return Err(Error::file(path, problem, "bring all images to one size"));
    }
    let color = images.iter().any(|(_, _, image)| image.color().has_color());
    let pixels = |image: &image::DynamicImage| -> Vec<f32> {
        let bytes = if color { image.to_rgb8().into_raw() } else { image.to_luma8().into_raw() };
        bytes.into_iter().map(|byte| f32::from(byte) / 255.0).collect()
    };
    let inputs = images.par_iter().flat_map_iter(|(_, _, image)| pixels(image)).collect();
    let labels = images.iter().map(|(label, _, _)| *label).collect();
    let (width, height) = (width as usize, height as usize);
    let shape = InputShape::Image { height, width, channels: if color { 3 } else { 1 } };
    Dataset::new(name, shape, inputs, labels, classes)
}
