//! CIFAR-10, binary version: from its archive or from the unpacked folder.

use std::collections::HashMap;
use std::path::Path;

use super::archive::untar;
use super::config::DataConfig;
use super::raw::{Raw, locate};
use super::{Dataset, InputShape};
use crate::error::{Error, Result};

const SIDE: usize = 32;
const PIXELS: usize = SIDE * SIDE;
const RECORD: usize = 1 + 3 * PIXELS;
const FOLDER: &str = "cifar-10-batches-bin";
const ARCHIVE: &str = "cifar-10-binary.tar.gz";
const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

pub(super) fn read(config: &DataConfig, folder: &Path) -> Result<Raw> {
    let found = locate(&config.name, &[folder], &[FOLDER.into(), "data_batch_1.bin".into(), ARCHIVE.into()])?;
    let train: Vec<String> = (1..=5).map(|i| format!("data_batch_{i}.bin")).collect();
    let test = ["test_batch.bin".to_string()];
    let files = if found.ends_with(ARCHIVE) {
        unpack(&found)?
    } else {
        let base = if found.is_dir() { found.clone() } else { folder.to_path_buf() };
        train
            .iter()
            .chain(&test)
            .map(|name| {
                let path = base.join(name);
                Ok((name.clone(), std::fs::read(&path).map_err(Error::io("read", &path))?))
            })
            .collect::<Result<_>>()?
    };
    let split = |names: &[String]| parse(&config.name, &found, names, &files);
    Ok(Raw { train: split(&train)?, test: Some(split(&test)?), files: vec![found.clone()] })
}

fn unpack(path: &Path) -> Result<HashMap<String, Vec<u8>>> {
    let files = untar(path, |name| name.ends_with(".bin"), "remove it and fetch cifar10 again")?;
    Ok(files.into_iter().collect())
}

/// Records of a label byte and three planes of 32x32 bytes; channels are brought innermost.
fn parse(name: &str, at: &Path, files: &[String], contents: &HashMap<String, Vec<u8>>) -> Result<Dataset> {
    let (mut inputs, mut labels) = (Vec::new(), Vec::new());
    for file in files {
        let path = at.join(file);
        let Some(bytes) = contents.get(file) else {
            return Err(Error::file(&path, "is missing", "fetch cifar10 again"));
        };
        if bytes.is_empty() || bytes.len() % RECORD != 0 {
            let problem = format!("{} bytes are no whole number of records of {RECORD}", bytes.len());
            return Err(Error::file(&path, problem, "fetch cifar10 again"));
        }
        for (i, record) in bytes.chunks_exact(RECORD).enumerate() {
            let (label, planes) = (record[0], &record[1..]);
            if usize::from(label) >= CLASSES.len() {
                let place = format!("byte {}", i * RECORD);
                return Err(Error::file_at(
                    &path,
                    place,
                    format!("label {label}, expected 0 to 9"),
                    "fetch it again",
                ));
            }
            labels.push(u32::from(label));
            inputs.extend(
                (0..PIXELS).flat_map(|p| (0..3).map(move |c| f32::from(planes[c * PIXELS + p]) / 255.0)),
            );
        }
    }
    let shape = InputShape::Image { height: SIDE, width: SIDE, channels: 3 };
    Dataset::new(name, shape, inputs, labels, CLASSES.map(String::from).to_vec())
}
