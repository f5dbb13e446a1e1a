//! Omniglot: alphabets of characters, each drawn by 20 people. A class is a character.
//!
//! The published background and evaluation sets have different classes. Both are read, and the drawings of
//! every character are split: the held-out ones (a fifth) are the test split.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::archive::unzip;
use super::config::DataConfig;
use super::images::{decode, folders, from_images, image_files};
use super::raw::{Raw, locate};
use crate::error::{Error, Result};

const SETS: [&str; 2] = ["images_background", "images_evaluation"];
/// One drawing in this many is held out.
const HELD_OUT: usize = 5;

/// Image files of every character, by `alphabet/character`.
type Characters = BTreeMap<String, Vec<(PathBuf, Vec<u8>)>>;

pub(super) fn read(config: &DataConfig, folder: &Path) -> Result<Raw> {
    let mut characters = Characters::new();
    let mut found = Vec::new();
    for set in SETS {
        let names = [set.to_string(), format!("{set}.zip")];
        match locate(&config.name, &[folder], &names) {
            Ok(path) => {
                if path.is_dir() {
                    read_folder(&path, &mut characters)?;
                } else {
                    read_zip(&path, &mut characters)?;
                }
                found.push(path);
            }
            // One of the two sets is enough.
            Err(_) if !found.is_empty() || set == SETS[0] => {}
            Err(error) => return Err(error),
        }
    }
    let classes: Vec<String> = characters.keys().cloned().collect();
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for (label, files) in characters.into_values().enumerate() {
        for (i, (path, bytes)) in files.into_iter().enumerate() {
            let image = decode(&path, &bytes, config)?;
            let split = if i % HELD_OUT == HELD_OUT - 1 { &mut test } else { &mut train };
            split.push((label as u32, path, image));
        }
    }
    let train = from_images(&config.name, train, classes.clone())?;
    Ok(Raw { train, test: Some(from_images(&config.name, test, classes)?), files: found })
}

fn read_folder(root: &Path, characters: &mut Characters) -> Result<()> {
    for alphabet in folders(root)? {
        for character in folders(&root.join(&alphabet))? {
            let files = image_files(&root.join(&alphabet).join(&character))?
                .into_iter()
                .map(|path| Ok((path.clone(), std::fs::read(&path).map_err(Error::io("read", &path))?)))
                .collect::<Result<Vec<_>>>()?;
            characters.insert(format!("{alphabet}/{character}"), files);
        }
    }
    Ok(())
}

fn read_zip(path: &Path, characters: &mut Characters) -> Result<()> {
    for (name, bytes) in unzip(path, |name| name.ends_with(".png"), "remove it and fetch omniglot again")? {
        let parts: Vec<&str> = name.split('/').collect();
        let [.., alphabet, character, _] = parts[..] else { continue };
        characters.entry(format!("{alphabet}/{character}")).or_default().push((path.join(&name), bytes));
    }
    Ok(())
}
