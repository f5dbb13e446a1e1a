//! Files inside zip and tar archives, with the cargo feature `archives`.

use std::path::Path;

#[cfg(feature = "archives")]
use super::raw::is_leftover;
use crate::error::{Error, Result};

/// A file inside an archive: its name there, and its content.
pub(super) type Entry = (String, Vec<u8>);

/// The files of the zip archive `path` whose name is `wanted`, sorted by name. `fix` is what to do about a broken one.
///
/// # Errors
/// [`Error::File`] if the archive is not whole, or this build reads none; [`Error::Io`].
pub(super) fn unzip(path: &Path, wanted: impl Fn(&str) -> bool, fix: &str) -> Result<Vec<Entry>> {
    #[cfg(feature = "archives")]
    return archives::unzip(path, wanted, fix);
    #[cfg(not(feature = "archives"))]
    {
        let _ = (wanted, fix);
        Err(unsupported(path))
    }
}

/// The names of the files of the zip archive `path`, sorted; without what [`is_leftover`].
///
/// # Errors
/// As [`unzip`].
pub(super) fn names_in_zip(path: &Path, fix: &str) -> Result<Vec<String>> {
    #[cfg(feature = "archives")]
    return archives::names_in_zip(path, fix);
    #[cfg(not(feature = "archives"))]
    {
        let _ = fix;
        Err(unsupported(path))
    }
}

/// The files of the gzipped tar archive `path` whose last name is `wanted`, by that name.
///
/// # Errors
/// As [`unzip`].
pub(super) fn untar(path: &Path, wanted: impl Fn(&str) -> bool, fix: &str) -> Result<Vec<Entry>> {
    #[cfg(feature = "archives")]
    return archives::untar(path, wanted, fix);
    #[cfg(not(feature = "archives"))]
    {
        let _ = (wanted, fix);
        Err(unsupported(path))
    }
}

#[cfg(not(feature = "archives"))]
fn unsupported(path: &Path) -> Error {
    let fix = "build gpicl with the cargo feature `archives`, or unpack it";
    Error::file(path, "is an archive, and this build reads none", fix)
}

#[cfg(feature = "archives")]
mod archives {
    use std::fs::File;
    use std::io::Read as _;

    use super::*;

    /// What went wrong with an archive: the system's own errors are of reading, all others of the content.
    fn broken(error: std::io::Error, path: &Path, problem: &str, fix: &str) -> Error {
        match error.raw_os_error() {
            Some(_) => Error::io("read", path)(error),
            None => Error::file(path, format!("{problem} ({error})"), fix),
        }
    }

    fn cause(error: zip::result::ZipError) -> std::io::Error {
        match error {
            zip::result::ZipError::Io(error) => error,
            other => std::io::Error::other(other),
        }
    }

    fn open(path: &Path, fix: &str) -> Result<zip::ZipArchive<File>> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        zip::ZipArchive::new(file).map_err(|error| broken(cause(error), path, "is no whole zip archive", fix))
    }

    fn names(zip: &zip::ZipArchive<File>) -> impl Iterator<Item = &str> {
        zip.file_names().filter(|name| !name.split('/').any(is_leftover))
    }

    pub fn names_in_zip(path: &Path, fix: &str) -> Result<Vec<String>> {
        let mut names: Vec<String> = names(&open(path, fix)?).map(String::from).collect();
        names.sort();
        Ok(names)
    }

    pub fn unzip(path: &Path, wanted: impl Fn(&str) -> bool, fix: &str) -> Result<Vec<Entry>> {
        let mut zip = open(path, fix)?;
        let mut names: Vec<String> = names(&zip).filter(|name| wanted(name)).map(String::from).collect();
        names.sort();
        let entry = |name: String| {
            let mut bytes = Vec::new();
            let file = zip.by_name(&name).map_err(cause);
            let read = file.and_then(|mut file| file.read_to_end(&mut bytes));
            read.map_err(|error| broken(error, &path.join(&name), "is damaged in its zip archive", fix))?;
            Ok((name, bytes))
        };
        names.into_iter().map(entry).collect()
    }

    pub fn untar(path: &Path, wanted: impl Fn(&str) -> bool, fix: &str) -> Result<Vec<Entry>> {
        let broken = |error| broken(error, path, "is no whole tar.gz archive", fix);
        let file = File::open(path).map_err(Error::io("open", path))?;
        let mut files = Vec::new();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
        for entry in archive.entries().map_err(broken)? {
            let mut entry = entry.map_err(broken)?;
            let name =
                entry.path().map_err(broken)?.file_name().map(|name| name.to_string_lossy().into_owned());
            if let Some(name) = name.filter(|name| wanted(name)) {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).map_err(broken)?;
                files.push((name, bytes));
            }
        }
        Ok(files)
    }
}
