//! A web page that was saved in place of the data: what a link gives that leads to a page about them.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::error::{Error, Result};

/// Bytes at the start of a file that are looked at.
const START: u64 = 512;
/// How a page begins, in lower case.
const BEGINNINGS: [&[u8]; 3] = [b"<!doctype html", b"<html", b"<head"];

/// That `path`, if it is a file, is no web page.
///
/// # Errors
/// [`Error::File`] that says what to download instead.
pub(super) fn check_no_web_page(path: &Path) -> Result<()> {
    if is_web_page(path) {
        let fix = "download the file itself: the link led to a page about it, or to one that asks to sign in";
        return Err(Error::file(path, "is a web page (HTML), no data", fix));
    }
    Ok(())
}

/// What is wrong with a file, unless it is a web page: then that.
pub(super) fn or_web_page(error: Error) -> Error {
    match &error {
        Error::File { path, .. } => check_no_web_page(path).err().unwrap_or(error),
        _ => error,
    }
}

/// What cannot be read is none.
fn is_web_page(path: &Path) -> bool {
    // Not a pipe: its writer would find that the reader has left.
    if !path.is_file() {
        return false;
    }
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(START).read_to_end(&mut start));
    if read.is_err() {
        return false;
    }
    let text = start.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&start).trim_ascii_start();
    let text = text.to_ascii_lowercase();
    BEGINNINGS.iter().any(|beginning| text.starts_with(beginning))
}
