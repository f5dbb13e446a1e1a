//! IDX files (MNIST and its relatives), plain or gzipped.

use std::collections::HashMap;
use std::io::{Cursor, Read as _};
use std::path::{Path, PathBuf};

use super::archive::unzip;
use super::config::DataConfig;
use super::raw::{Raw, locate};
use super::{Dataset, InputShape};
use crate::error::{Error, Result};

const IMAGES: u32 = 0x0803;
const LABELS: u32 = 0x0801;

/// A named data set in MNIST's layout: four files in its folder.
pub(super) fn read_mnist_layout(config: &DataConfig, folder: &Path) -> Result<Raw> {
    read_splits(&config.name, folder, &["train", "t10k"], false)
}

/// `data.path` as a folder in MNIST's layout.
pub(super) fn read_folder(config: &DataConfig, _: &Path) -> Result<Raw> {
    let folder = config.path.clone().unwrap_or_default();
    let name =
        folder.file_name().map_or_else(|| config.name.clone(), |name| name.to_string_lossy().into_owned());
    read_splits(&name, &folder, &["train", "t10k"], false)
}

/// One of the EMNIST sets, from `emnist.zip` (its own folder or a sibling's) or from its files.
pub(super) fn read_emnist(config: &DataConfig, folder: &Path) -> Result<Raw> {
    let set = config.name.as_str();
    let prefixes = [format!("{set}-train"), format!("{set}-test")];
    let prefixes = [prefixes[0].as_str(), prefixes[1].as_str()];
    let siblings =
        ["emnist-digits", "emnist-letters", "emnist-balanced"].map(|name| folder.with_file_name(name));
    let archive = siblings.iter().map(|dir| dir.join("emnist.zip")).find(|path| path.exists());
    let Some(archive) = archive else {
        return read_splits(set, folder, &prefixes, true);
    };
    let files =
        |prefix: &str| ["images-idx3", "labels-idx1"].map(|what| format!("gzip/{prefix}-{what}-ubyte.gz"));
    let wanted = prefixes.map(files).concat();
    let fix = format!("remove it and fetch {set} again");
    let mut entries: HashMap<String, Vec<u8>> =
        unzip(&archive, |name| wanted.iter().any(|file| file == name), &fix)?.into_iter().collect();
    let mut entry = |name: String| -> Result<(PathBuf, Vec<u8>)> {
        let path = archive.join(&name);
        let bytes = entries.remove(&name).ok_or_else(|| Error::file(&path, "is missing", &fix))?;
        Ok((path, bytes))
    };
    let mut split = |prefix: &str| -> Result<Dataset> {
        let [images, labels] = files(prefix);
        parse_pair(set, entry(images)?, entry(labels)?, true)
    };
    let (train, test) = (split(prefixes[0])?, Some(split(prefixes[1])?));
    Ok(Raw { train, test, files: vec![archive] })
}

fn read_splits(name: &str, folder: &Path, [train, test]: &[&str; 2], transposed: bool) -> Result<Raw> {
    let mut files = Vec::new();
    let mut split = |prefix: &str| -> Result<Dataset> {
        let find = |what: &str| {
            let stem = format!("{prefix}-{what}-ubyte");
            locate(name, folder, &[format!("{stem}.gz"), stem])
        };
        let (images, labels) = (find("images-idx3")?, find("labels-idx1")?);
        files.extend([images.clone(), labels.clone()]);
        let bytes = |path: &Path| std::fs::read(path).map_err(Error::io("read", path));
        let (image_bytes, label_bytes) = (bytes(&images)?, bytes(&labels)?);
        parse_pair(name, (images, image_bytes), (labels, label_bytes), transposed)
    };
    let (train, test) = (split(train)?, split(test)?);
    Ok(Raw { files, ..same_classes(train, test, folder)? })
}

/// Both splits must agree on the classes; the larger set of names serves both.
fn same_classes(train: Dataset, test: Dataset, folder: &Path) -> Result<Raw> {
    if train.shape() != test.shape() {
        let problem = format!("train has {}, test has {}", train.shape(), test.shape());
        return Err(Error::file(folder, problem, "use the two splits of one data set"));
    }
    let names =
        if train.num_classes() >= test.num_classes() { train.class_names() } else { test.class_names() };
    let names = names.to_vec();
    let with = |data: Dataset| {
        Dataset::new(data.name(), data.shape(), data.inputs().to_vec(), data.labels().to_vec(), names.clone())
    };
    Ok(Raw { train: with(train)?, test: Some(with(test)?), files: Vec::new() })
}

/// Images and labels of one split. EMNIST stores its images transposed.
fn parse_pair(
    name: &str,
    (image_path, image_bytes): (PathBuf, Vec<u8>),
    (label_path, label_bytes): (PathBuf, Vec<u8>),
    transposed: bool,
) -> Result<Dataset> {
    let images = unpack(&image_path, image_bytes)?;
    let labels = unpack(&label_path, label_bytes)?;
    let (dims, pixels) = parse(&image_path, &images, IMAGES)?;
    let (label_dims, values) = parse(&label_path, &labels, LABELS)?;
    let [count, height, width] = dims[..] else { unreachable!("the magic number fixes three dimensions") };
    if label_dims[0] != count {
        let problem = format!("has {} labels, {} has {count} images", label_dims[0], image_path.display());
        return Err(Error::file(&label_path, problem, "use two files of one split"));
    }
    if count == 0 {
        return Err(Error::file(&image_path, "holds no image", "use a file with at least one"));
    }
    let mut inputs: Vec<f32> = pixels.iter().map(|&pixel| f32::from(pixel) / 255.0).collect();
    if transposed {
        for image in inputs.chunks_exact_mut(height * width) {
            let old = image.to_vec();
            for (i, pixel) in image.iter_mut().enumerate() {
                let (row, column) = (i / width, i % width);
                *pixel = old[column * height + row];
            }
        }
    }
    // EMNIST letters count from 1.
    let offset = u8::from(transposed && values.iter().all(|&label| label > 0));
    let labels: Vec<u32> = values.iter().map(|&label| u32::from(label - offset)).collect();
    let classes = labels.iter().max().map_or(0, |&label| label + 1);
    let names = (0..classes).map(|label| (label + u32::from(offset)).to_string()).collect();
    Dataset::new(name, InputShape::Image { height, width, channels: 1 }, inputs, labels, names)
}

fn unpack(path: &Path, bytes: Vec<u8>) -> Result<Vec<u8>> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut unpacked = Vec::new();
    flate2::read::MultiGzDecoder::new(Cursor::new(bytes)).read_to_end(&mut unpacked).map_err(|error| {
        Error::file(path, format!("is no whole gzip file ({error})"), "download it again")
    })?;
    Ok(unpacked)
}

/// Header (big endian): magic number, then one 32-bit size a dimension.
fn parse<'a>(path: &Path, bytes: &'a [u8], magic: u32) -> Result<(Vec<usize>, &'a [u8])> {
    let word = |i: usize| -> Result<u32> {
        let word = bytes.get(4 * i..4 * i + 4).and_then(|word| word.try_into().ok());
        word.map(u32::from_be_bytes).ok_or_else(|| {
            Error::file_at(
                path,
                "header",
                format!("ends after {} bytes", bytes.len()),
                "download the file again",
            )
        })
    };
    let found = word(0)?;
    if found != magic {
        let problem = format!("magic number {found}, expected {magic}");
        return Err(Error::file_at(
            path,
            "byte 0",
            problem,
            "give an IDX file of bytes: images 2051, labels 2049",
        ));
    }
    let rank = (magic & 0xff) as usize;
    let dims = (1..=rank).map(|i| Ok(word(i)? as usize)).collect::<Result<Vec<_>>>()?;
    let body = &bytes[4 * (rank + 1)..];
    let expected = dims.iter().try_fold(1_usize, |product, &dim| product.checked_mul(dim));
    if expected != Some(body.len()) {
        let problem = format!("{} bytes follow, the sizes {dims:?} need {expected:?}", body.len());
        return Err(Error::file_at(path, "header", problem, "download the file again"));
    }
    Ok((dims, body))
}
