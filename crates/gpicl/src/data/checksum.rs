//! Checksums: of files, as their publishers give them, and of data sets in memory.

use std::fs::File;
use std::path::{Path, PathBuf};

use md5::{Digest as _, Md5};
use rayon::prelude::*;
use sha2::Sha256;

use super::Dataset;
use super::sources::RemoteFile;
use crate::error::{Error, Result};

/// Whether `read` are the files that are `published`: all of them and no others, each with its checksum.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn are_published(published: &[RemoteFile], read: &[PathBuf]) -> Result<bool> {
    let of = |file: &RemoteFile| read.iter().find(|path| path.file_name() == Some(file.name.as_ref()));
    let found: Option<Vec<&PathBuf>> = published.iter().map(of).collect();
    let Some(found) = found.filter(|found| !found.is_empty() && found.len() == read.len()) else {
        return Ok(false);
    };
    let files = found.par_iter().zip(published);
    files.map(|(path, file)| Ok(md5_of(path)? == file.md5)).try_reduce(|| true, |a, b| Ok(a && b))
}

/// MD5 of a file, as publishers write it.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn md5_of(path: &Path) -> Result<String> {
    let mut hash = Md5::new();
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    std::io::copy(&mut file, &mut hash).map_err(Error::io("read", path))?;
    Ok(hex(&hash.finalize()))
}

/// SHA-256 of what episodes are made of: shape, inputs, labels, number of classes.
pub(super) fn fingerprint(data: &Dataset) -> String {
    let mut hash = Sha256::new();
    let sizes = (data.shape(), data.len(), data.num_classes());
    hash.update(serde_json::to_vec(&sizes).expect("sizes have a JSON form"));
    for input in data.inputs().chunks(data.dim()) {
        let bytes: Vec<u8> = input.iter().flat_map(|x| x.to_le_bytes()).collect();
        hash.update(bytes);
    }
    for label in data.labels() {
        hash.update(label.to_le_bytes());
    }
    hex(&hash.finalize())
}

/// Two digits a byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The files' MD5s are those that `md5sum` gives.
    const FILES: [RemoteFile; 2] = [
        RemoteFile { name: "a", remote: "a", md5: "5d41402abc4b2a76b9719d911017c592" },
        RemoteFile { name: "b", remote: "z", md5: "7d793037a0760186574b0282f2f435e7" },
    ];

    #[test]
    fn files_are_the_published_ones_by_name_number_and_checksum() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let write = |name: &str, text: &str| std::fs::write(path(name), text).unwrap();
        for (name, text) in [("a", "hello"), ("b", "world"), ("c", "hello")] {
            write(name, text);
        }
        let are = |names: &[&str]| {
            are_published(&FILES, &names.iter().map(|name| path(name)).collect::<Vec<_>>()).unwrap()
        };
        assert!(are(&["a", "b"]) && are(&["b", "a"]));
        assert!(!are(&["a"]), "one is missing");
        assert!(!are(&["a", "b", "c"]), "one is more than was published");
        assert!(!are(&["c", "b"]), "one has another name, such as that of an unpacked file");
        write("b", "w0rld");
        assert!(!are(&["a", "b"]), "one byte differs");
        assert!(!are_published(&[], &[]).unwrap(), "nothing is no publication");
    }
}
