//! What every reader takes and gives: files that are there, and examples as the source has them.

use std::path::{Path, PathBuf};

use super::Dataset;
use crate::error::{Error, Result};

/// What a reader returns: inputs as the source has them, pixels in `[0, 1]`.
pub(super) struct Raw {
    pub train: Dataset,
    pub test: Option<Dataset>,
    /// The files of a named data set that were read.
    pub files: Vec<PathBuf>,
}

/// What somebody's own file or folder is called, also where the path does not end in its name (`.`, `pets/..`). A folder
/// `raw` is called by the one that it is in.
pub(super) fn own_file_name(path: &Path) -> String {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let named = whole.parent().filter(|_| whole.ends_with("raw")).unwrap_or(&whole);
    named.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// [`own_file_name`] without a file's extension.
pub(super) fn own_name(path: &Path) -> String {
    let name = own_file_name(path);
    match Path::new(&name).file_stem() {
        Some(stem) if !path.is_dir() => stem.to_string_lossy().into_owned(),
        _ => name,
    }
}

/// Whether a name is of what systems and tools leave beside the data: hidden files and folders, `__MACOSX`.
pub(super) fn is_leftover(name: &str) -> bool {
    name.starts_with('.') || name == "__MACOSX"
}

/// The files directly in `folder` with one of these extensions (lower case), sorted.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn files_in(folder: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let entry = entry.map_err(Error::io("list", folder))?;
        let (name, path) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
        let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        if extensions.contains(&extension.as_str()) && !is_leftover(&name) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The first of `names` that exists in the first of `places` that has one, or an error that says how to get the data set.
pub(super) fn locate(set: &str, places: &[impl AsRef<Path>], names: &[String]) -> Result<PathBuf> {
    let paths = places.iter().flat_map(|place| names.iter().map(|name| place.as_ref().join(name)));
    paths.into_iter().find(|path| path.exists()).ok_or_else(|| {
        let places: Vec<String> = places.iter().map(|place| place.as_ref().display().to_string()).collect();
        Error::Missing {
            name: set.into(),
            problem: format!("none of {} is in {}", names.join(", "), places.join(", ")),
            fix: format!(
                "run `gpicl data fetch {set}`, or point --data-dir or GPICL_DATA_DIR at the folder above"
            ),
        }
    })
}
