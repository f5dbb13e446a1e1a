//! Writing files so that a reader never sees half of one.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Writes `bytes` under a temporary name beside `path`, syncs, and renames: after a crash `path` holds the
/// old content or the new, never a part.
///
/// # Errors
/// [`Error::Io`]; the temporary file is removed.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let partial = partial(path);
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&partial, path)
    };
    write().map_err(|error| {
        // The write's own error matters more than a failed clean-up.
        let _ = std::fs::remove_file(&partial);
        Error::io("write", path)(error)
    })
}

/// Waits until no other process has `path` locked, and locks it until the file is dropped.
///
/// # Errors
/// [`Error::Io`] if it cannot be made; without a lock where the file system has none.
pub(crate) fn lock(path: &Path) -> Result<File> {
    let file = File::create(path).map_err(Error::io("create", path))?;
    if let Err(error) = file.lock() {
        tracing::warn!("{}: cannot be locked ({error})", path.display());
    }
    Ok(file)
}

/// The temporary name beside `path`, same extension last so that encoders still recognise it.
pub(crate) fn partial(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".partial-{name}"))
}
