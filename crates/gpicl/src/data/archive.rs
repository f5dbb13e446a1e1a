//! Files inside zip and tar archives, with the cargo feature `archives`.

use std::path::Path;

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

    pub fn unzip(path: &Path, wanted: impl Fn(&str) -> bool, fix: &str) -> Result<Vec<Entry>> {
        let broken = |error: zip::result::ZipError| {
            Error::file(path, format!("is no whole zip archive ({error})"), fix)
        };
        let file = File::open(path).map_err(Error::io("open", path))?;
        let mut zip = zip::ZipArchive::new(file).map_err(broken)?;
        let mut names: Vec<String> = zip.file_names().filter(|name| wanted(name)).map(String::from).collect();
        names.sort();
        let entry = |name: String| {
            let mut bytes = Vec::new();
            let file = path.join(&name);
            zip.by_name(&name).map_err(broken)?.read_to_end(&mut bytes).map_err(Error::io("read", file))?;
            Ok((name, bytes))
        };
        names.into_iter().map(entry).collect()
    }

    pub fn untar(path: &Path, wanted: impl Fn(&str) -> bool, fix: &str) -> Result<Vec<Entry>> {
        let broken =
            |error: std::io::Error| Error::file(path, format!("is no whole tar.gz archive ({error})"), fix);
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
