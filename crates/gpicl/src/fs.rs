//! Files and folders: that they are there, writing them so that a reader never sees half of one.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, Result};

/// That something is at `path`.
///
/// # Errors
/// [`Error::Io`] if there is nothing.
pub fn must_exist(path: &Path) -> Result<()> {
    std::fs::metadata(path).map(drop).map_err(Error::io("open", path))
}

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
/// old content or the new, never a part. On return the new one is on the disk, name and all.
///
/// # Errors
/// [`Error::Io`]; the temporary file is removed.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(path, bytes, |_| Ok(()))
}

/// [`write_atomic`] over somebody's file, which keeps its permissions.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(path, bytes, |file| match path.metadata() {
        Ok(old) => file.set_permissions(old.permissions()),
        Err(_) => Ok(()),
    })
}

fn write_with(path: &Path, bytes: &[u8], prepare: impl Fn(&File) -> std::io::Result<()>) -> Result<()> {
    let partial = partial(path);
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&partial)?;
        prepare(&file)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        put(&partial, path)
    };
    write().map_err(|error| {
        // The write's own error matters more than a failed clean-up.
        let _ = std::fs::remove_file(&partial);
        Error::io("write", path)(error)
    })
}

/// Gives the synced file `partial` its name, for good.
pub(crate) fn put(partial: &Path, path: &Path) -> std::io::Result<()> {
    std::fs::rename(partial, path)?;
    sync_names(folder_of(path))
}

/// Makes the folder `path` and those above it that are not there. Their names are on the disk on return: what is synced
/// inside is not lost with a folder that nobody finds.
///
/// # Errors
/// [`Error::Io`].
pub fn create_folder(path: &Path) -> Result<()> {
    let absent: Vec<&Path> =
        path.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.is_dir()).collect();
    for folder in absent.into_iter().rev() {
        let made = match std::fs::create_dir(folder) {
            // Another process was faster.
            Err(_) if folder.is_dir() => Ok(()),
            made => made,
        };
        made.and_then(|()| sync_names(folder_of(folder))).map_err(Error::io("create", folder))?;
    }
    Ok(())
}

/// Forces to the disk which names the folder of the file `path` has: those of files just made.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn sync_name(path: &Path) -> Result<()> {
    sync_names(folder_of(path)).map_err(Error::io("sync", path))
}

/// A file's own sync leaves its name to chance. Only Unix opens folders.
#[cfg(unix)]
fn sync_names(folder: &Path) -> std::io::Result<()> {
    use ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // Some network file systems cannot sync folders; some folders take files and are not for reading.
        Err(error) if matches!(error.kind(), InvalidInput | PermissionDenied | Unsupported) => Ok(()),
        synced => synced,
    }
}

#[cfg(not(unix))]
fn sync_names(_: &Path) -> std::io::Result<()> {
    Ok(())
}

/// Finds out before the work whether the file `path`, which is no folder and no link, can be written after it.
pub(crate) fn check_new(path: &Path) -> Result<()> {
    if path.as_os_str().as_encoded_bytes().last().is_some_and(|&end| std::path::is_separator(end.into())) {
        return Err(Error::file(path, "names a folder", "name a file"));
    }
    let folder = folder_of(path);
    if !folder.is_dir() {
        return Err(Error::file(path, "its folder does not exist", format!("make {}", folder.display())));
    }
    let partial = partial(path);
    match File::create_new(&partial).and_then(|_| std::fs::remove_file(&partial)) {
        // Another process writes there now, or left it.
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            let problem = format!("nothing can be written into {} ({error})", folder.display());
            Err(Error::file(path, problem, "name another file"))
        }
        _ => Ok(()),
    }
}

/// The folder that `path` is in.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Finds out before the work whether the folder `path` can be made, if it is not there, and written to.
///
/// # Errors
/// [`Error::File`] if a file is in its place, [`Error::Io`] if nothing can be written there.
pub fn check_folder(path: &Path) -> Result<()> {
    let there = path.ancestors().find(|path| path.exists() || path.is_symlink()).unwrap_or(Path::new("."));
    if !there.exists() && there.is_symlink() {
        return Err(Error::file(
            there,
            "is a link to what is not there",
            "remove it, or name another folder",
        ));
    }
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
        check_new(&at("new")).unwrap();
        check_new(&at("file")).unwrap();
        check_folder(&at("a/b/c")).unwrap();
        check_folder(dir.path()).unwrap();
        for (error, problem) in
            [(check_new(&at("absent/new")), "does not exist"), (check_folder(&at("file/b")), "is a file")]
        {
            assert!(error.unwrap_err().to_string().contains(problem), "{problem}");
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left");
    }
}
