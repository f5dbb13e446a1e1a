//! Writing files so that a reader never sees half of one.

use std::fs::{File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, Result};

/// A file of text.
///
/// # Errors
/// [`Error::File`] naming the line if it is not UTF-8, [`Error::Io`].
pub fn read_text(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|&&byte| byte == b'\n').count();
        Error::file_at(path, format!("line {line}"), "is not UTF-8 text", "save the file as UTF-8")
    })
}

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

/// Finds out before the work whether the file `path` can be written after it.
///
/// # Errors
/// [`Error::File`] if `path` is a folder or its folder does not exist, [`Error::Io`] if nothing can be written there.
pub fn check_file(path: &Path) -> Result<()> {
    if path.is_dir() {
        let name = path.join("FILE");
        return Err(Error::file(path, "is a folder", format!("name a file, like {}", name.display())));
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(Error::file(path, "its folder does not exist", format!("make {}", folder.display())));
    }
    probe(folder)
}

/// Finds out before the work whether the folder `path` can be made, if it is not there, and written to.
///
/// # Errors
/// [`Error::File`] if a file is in its place, [`Error::Io`] if nothing can be written there.
pub fn check_folder(path: &Path) -> Result<()> {
    let there = path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    if !there.is_dir() {
        return Err(Error::file(there, "is a file, not a folder", "name another folder"));
    }
    probe(there)
}

/// Writes a file into `folder` and removes it.
fn probe(folder: &Path) -> Result<()> {
    let path = folder.join(format!(".partial-{}", std::process::id()));
    File::create(&path).and_then(|_| std::fs::remove_file(&path)).map_err(Error::io("write to", folder))
}

/// Locks `path`, which is made, until the file is dropped or the process ends, however it ends. Waits for another
/// process that has it locked as long as it is `worth_waiting`; `None` if it is not any more.
///
/// # Errors
/// [`Error::Io`] if it cannot be made.
pub fn lock(path: &Path, worth_waiting: impl Fn() -> bool) -> Result<Option<File>> {
    let file = File::create(path).map_err(Error::io("create", path))?;
    while worth_waiting() {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
            Err(TryLockError::Error(error)) => {
                // Some network file systems have no locks; a process by itself needs none.
                tracing::warn!("{}: cannot be locked ({error})", path.display());
                return Ok(Some(file));
            }
        }
    }
    Ok(None)
}

/// The temporary name beside `path`, same extension last so that encoders still recognise it.
pub(crate) fn partial(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".partial-{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_cannot_be_written_is_known_beforehand() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("file"), "").unwrap();
        check_file(&at("new")).unwrap();
        check_file(&at("file")).unwrap();
        check_folder(&at("a/b/c")).unwrap();
        check_folder(dir.path()).unwrap();
        for (error, problem) in [
            (check_file(dir.path()), "is a folder"),
            (check_file(&at("absent/new")), "does not exist"),
            (check_folder(&at("file/b")), "is a file"),
        ] {
            assert!(error.unwrap_err().to_string().contains(problem), "{problem}");
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left");
    }
}
