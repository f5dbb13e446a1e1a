//! Downloading a known data set: mirrors in turn, checksums, atomic names.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use md5::{Digest as _, Md5};

use super::checksum::{hex, md5_of};
use super::sources::{Kind, RemoteFile, Source};
use crate::error::{Error, Result};
use crate::fs::{create_folder, partial, put};

/// What a download does, for a progress display.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// A file is there and whole; nothing is downloaded.
    Present {
        /// The file.
        path: &'a Path,
    },
    /// A download starts.
    Start {
        /// Where from.
        url: &'a str,
        /// Its size, if the server says.
        bytes: Option<u64>,
    },
    /// So many bytes came in.
    Bytes(u64),
    /// A mirror failed; the next one is tried.
    Failed {
        /// Where from.
        url: &'a str,
        /// Why.
        problem: &'a str,
    },
    /// A file came in whole.
    Done {
        /// The file.
        path: &'a Path,
    },
}

/// Longest silence of a server before the next mirror is tried.
const PATIENCE: Duration = Duration::from_secs(30);

/// Downloads the files of data set `name` into `<data_dir>/<name>/`, whatever is not there whole already.
/// `mirror` replaces the published addresses.
///
/// # Errors
/// [`Error::Config`] if the name is no data set to download, [`Error::Missing`] if no mirror gave a whole
/// file; no part of one is left under its final name.
pub fn fetch(
    name: &str,
    data_dir: &Path,
    mirror: Option<&str>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Vec<PathBuf>> {
    let source = Source::find(name)?;
    if source.kind != Kind::Named {
        let problem = format!("`{name}` is not downloaded: {}", source.summary);
        return Err(Error::config("data fetch", problem, "see `gpicl data list`"));
    }
    let mirrors: Vec<String> = match mirror {
        Some(mirror) => vec![format!("{}/", mirror.trim_end_matches('/'))],
        None => source.mirrors.iter().map(|mirror| (*mirror).to_string()).collect(),
    };
    fetch_files(name, source.files, &mirrors, &data_dir.join(name), progress)
}

/// Downloads `files` into `folder` from the first of `mirrors` that gives each whole.
///
/// # Errors
/// As [`fetch`].
pub fn fetch_files(
    set: &str,
    files: &[RemoteFile],
    mirrors: &[String],
    folder: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Vec<PathBuf>> {
    create_folder(folder)?;
    files.iter().map(|file| fetch_file(set, file, folder, mirrors, progress)).collect()
}

fn fetch_file(
    set: &str,
    file: &RemoteFile,
    folder: &Path,
    mirrors: &[String],
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<PathBuf> {
    let path = folder.join(file.name);
    if path.exists() && md5_of(&path)? == file.md5 {
        progress(Progress::Present { path: &path });
        return Ok(path);
    }
    let mut problems = Vec::new();
    for mirror in mirrors {
        let url = format!("{mirror}{}", file.remote);
        match download(&url, file.md5, &path, progress) {
            Ok(()) => {
                progress(Progress::Done { path: &path });
                return Ok(path);
            }
            Err(problem) => {
                progress(Progress::Failed { url: &url, problem: &problem });
                problems.push(format!("{url}: {problem}"));
            }
        }
    }
    Err(Error::Missing {
        name: set.into(),
        problem: format!("{} could not be downloaded ({})", file.name, problems.join("; ")),
        fix: format!("check the network, or put the file into {} yourself", folder.display()),
    })
}

/// Into a temporary file beside `path`, which gets its name only when the checksum is right.
fn download(url: &str, md5: &str, path: &Path, progress: &mut dyn FnMut(Progress<'_>)) -> Result<(), String> {
    let partial = partial(path);
    let result = try_download(url, md5, &partial, progress)
        .and_then(|()| put(&partial, path).map_err(|error| error.to_string()));
    if result.is_err() {
        // What went wrong matters more than a failed clean-up.
        let _ = std::fs::remove_file(&partial);
    }
    result
}

fn try_download(
    url: &str,
    md5: &str,
    partial: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<(), String> {
    let agent = ureq::Agent::new_with_config(
        ureq::Agent::config_builder()
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .user_agent(concat!("gpicl/", env!("CARGO_PKG_VERSION")))
            .build(),
    );
    let mut response = agent.get(url).call().map_err(|error| error.to_string())?;
    let expected = response.body().content_length();
    progress(Progress::Start { url, bytes: expected });
    let mut reader = response.body_mut().as_reader();
    let mut file = File::create(partial).map_err(|error| error.to_string())?;
    let (mut hash, mut received, mut buffer) = (Md5::new(), 0_u64, vec![0; 1 << 16]);
    loop {
        let count =
            reader.read(&mut buffer).map_err(|error| format!("cut after {received} bytes ({error})"))?;
        if count == 0 {
            break;
        }
        file.write_all(&buffer[..count]).map_err(|error| error.to_string())?;
        hash.update(&buffer[..count]);
        received += count as u64;
        progress(Progress::Bytes(count as u64));
    }
    if let Some(expected) = expected.filter(|&expected| expected != received) {
        return Err(format!("cut after {received} of {expected} bytes"));
    }
    let found = hex(&hash.finalize());
    if found != md5 {
        return Err(format!("MD5 is {found}, published is {md5}"));
    }
    file.sync_all().map_err(|error| error.to_string())
}
