//! IDX files (MNIST and its relatives), plain or gzipped.

use std::collections::HashMap;
use std::io::{Cursor, Read as _};
use std::path::{Path, PathBuf};

use super::InputShape;
use super::archive::unzip;
use super::config::DataConfig;
use super::labels::{Examples, number};
use super::raw::{Raw, locate, own_name};
use crate::error::{Error, Result};

const IMAGES: u32 = 0x0803;
const LABELS: u32 = 0x0801;

/// What torchvision calls the folders of these sets; the files are in `raw` there.
const TORCHVISION: [(&str, &str); 4] =
    [("mnist", "MNIST"), ("fashion-mnist", "FashionMNIST"), ("kmnist", "KMNIST"), ("emnist", "EMNIST")];

/// A named data set in MNIST's layout: four files in its folder, or in torchvision's.
pub(super) fn read_mnist_layout(config: &DataConfig, folder: &Path) -> Result<Raw> {
    read_splits(&config.name, &places(&config.name, folder), &["train", "t10k"], false)
}

/// `data.path` as a folder in MNIST's layout, or one in which torchvision has put such a folder.
pub(super) fn read_folder(config: &DataConfig, _: &Path) -> Result<Raw> {
    let folder = config.path.as_deref().unwrap_or(Path::new("."));
    let inside: Vec<PathBuf> = TORCHVISION
        .iter()
        .map(|(_, name)| folder.join(name).join("raw"))
        .filter(|raw| raw.is_dir())
        .collect();
    if inside.len() > 1 {
        let fix = format!("name one of them, such as {}", inside[0].display());
        return Err(Error::file(folder, format!("has {} data sets in it", inside.len()), fix));
    }
    let places = [vec![folder.to_path_buf(), folder.join("raw")], inside].concat();
    read_splits(&own_name(folder), &places, &["train", "t10k"], false).map_err(|error| match error {
        Error::Missing { problem, .. } => {
            Error::file(folder, problem, "give a folder with the four files of MNIST's layout")
        }
        other => other,
    })
}

/// Where the files of `set` may be, whose own folder is `folder`.
fn places(set: &str, folder: &Path) -> Vec<PathBuf> {
    let torchvision = TORCHVISION.iter().filter(|(name, _)| set.starts_with(name));
    let torchvision = torchvision.flat_map(|(_, name)| [folder.with_file_name(name), folder.join(name)]);
    let raw = torchvision.map(|folder| folder.join("raw"));
    [folder.to_path_buf(), folder.join("raw")].into_iter().chain(raw).collect()
}

/// Whether files of the named data set `set`, whose own folder is `folder`, are where torchvision puts them.
pub(super) fn is_torchvisions(set: &str, folder: &Path) -> bool {
    places(set, folder)[2..].iter().any(|place| place.is_dir())
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
        return read_splits(set, &places(set, folder), &prefixes, true);
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
    let mut split = |prefix: &str| -> Result<Examples> {
        let [images, labels] = files(prefix);
        parse_pair(entry(images)?, entry(labels)?, true)
    };
    let (train, test) = (split(prefixes[0])?, split(prefixes[1])?);
    Ok(Raw { files: vec![archive.clone()], ..both(set, train, test, &archive)? })
}

fn read_splits(name: &str, places: &[PathBuf], [train, test]: &[&str; 2], transposed: bool) -> Result<Raw> {
    let mut files = Vec::new();
    let mut split = |prefix: &str| {
        let find = |what: &str, rank: &str| {
            // As published, and as some programs unpack it.
            let stems = ["-", "."].map(|dot| format!("{prefix}-{what}{dot}{rank}-ubyte"));
            locate(name, places, &stems.map(|stem| [format!("{stem}.gz"), stem]).concat())
        };
        let (images, labels) = (find("images", "idx3")?, find("labels", "idx1")?);
        files.extend([images.clone(), labels.clone()]);
        let bytes = |path: &Path| std::fs::read(path).map_err(Error::io("read", path));
        let (image_bytes, label_bytes) = (bytes(&images)?, bytes(&labels)?);
        parse_pair((images, image_bytes), (labels, label_bytes), transposed)
    };
    let (train, test) = (split(train)?, split(test)?);
    Ok(Raw { files, ..both(name, train, test, &places[0])? })
}

/// Both splits, whose images must have one size.
fn both(name: &str, train: Examples, test: Examples, at: &Path) -> Result<Raw> {
    if train.shape != test.shape {
        let problem = format!("train has {}, test has {}", train.shape, test.shape);
        return Err(Error::file(at, problem, "use the two splits of one data set"));
    }
    number(name, train, Some(test))
}

/// Images and labels of one split. EMNIST stores its images transposed.
fn parse_pair(
    (image_path, image_bytes): (PathBuf, Vec<u8>),
    (label_path, label_bytes): (PathBuf, Vec<u8>),
    transposed: bool,
) -> Result<Examples> {
    let images = unpack(&image_path, image_bytes)?;
    let labels = unpack(&label_path, label_bytes)?;
    let (dims, pixels) = parse(&image_path, &images, IMAGES)?;
    let (label_dims, values) = parse(&label_path, &labels, LABELS)?;
    let [count, height, width] = dims[..] else { unreachable!("the magic number fixes three dimensions") };
    if label_dims[0] != count {
        let problem = format!("has {} labels, {} has {count} images", label_dims[0], image_path.display());
        return Err(Error::file(&label_path, problem, "use two files of one split"));
    }
    if pixels.is_empty() {
        let problem = format!("holds {count} images of {height}x{width}");
        return Err(Error::file(&image_path, problem, "use a file with at least one pixel"));
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
    let labels = values.iter().copied().map(i64::from).collect();
    let shape = InputShape::Image { height, width, channels: 1 };
    Ok(Examples { shape, inputs, exact: None, labels })
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
        let needed = expected.map_or("more than there can be".into(), |bytes| bytes.to_string());
        let problem = format!("{} bytes follow, the sizes {dims:?} need {needed}", body.len());
        return Err(Error::file_at(path, "header", problem, "download the file again"));
    }
    Ok((dims, body))
}
