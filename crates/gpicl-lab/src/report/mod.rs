//! A run, a sweep, a comparison or a reproduced figure as one HTML page that needs nothing else: no network, no other
//! file.
//!
//! The templates are `maud`'s: checked when compiled, and whatever text they are given is escaped. On top of that the
//! page's own policy allows no script but its one, and no request.

mod cells;
mod folder;
mod page;
mod run;
mod svg;
mod view;

use std::path::Path;

use gpicl::{Error, Result};
use page::Page;

/// The page about `dir`: a run folder, finished or not; a sweep; or a folder with figures and tables, such as
/// `gpicl compare` and `gpicl reproduce` write. The same text whenever the folder is the same.
///
/// # Errors
/// [`Error::File`] if `dir` is none of these or a file of it is broken; [`Error::Io`].
pub fn html(dir: &Path) -> Result<String> {
    if !dir.is_dir() {
        return Err(Error::file(dir, "is no folder", "name the folder of a run, a sweep or a comparison"));
    }
    let name = title(dir);
    let page =
        if dir.join("config.toml").exists() { run::page(dir, name)? } else { folder::page(dir, name)? };
    Ok(Page::html(page))
}

/// The folder's own name, also for `.`.
fn title(dir: &Path) -> String {
    let whole = dir.canonicalize();
    let name = whole.as_deref().unwrap_or(dir).file_name().unwrap_or(dir.as_os_str());
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_nothing_in_it_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let error = html(dir.path()).unwrap_err().to_string();
        assert!(error.contains("holds nothing to report"), "{error}");
        assert!(html(&dir.path().join("absent")).unwrap_err().to_string().contains("is no folder"));
    }

    #[test]
    fn what_a_folder_holds_is_text_and_not_markup() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a <script>alert(1)<script> & b");
        std::fs::create_dir(&folder).unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
        write("verdict.txt", "<img src=x onerror=alert(2)>");
        write("a.csv", "\"<b>head</b>\",n\n\"<i>cell</i>\",0.123456\n");
        write(
            "good.svg",
            "<svg width=\"9\" height=\"9\" viewBox=\"0 0 9 9\"><rect width=\"9\" height=\"9\"/></svg>",
        );
        write("bad.svg", "<svg viewBox=\"0 0 9 9\"><script>alert(3)</script></svg>");
        let page = html(&folder).unwrap();
        for markup in ["<script>alert", "<img src=x", "<b>head", "<i>cell"] {
            assert!(!page.contains(markup), "{markup}");
        }
        assert!(page.contains("&lt;b&gt;head&lt;/b&gt;") && page.contains("data-value=\"0.123456\""));
        assert!(page.contains("<rect width=\"9\"") && page.contains("src=\"data:image/svg+xml,"));
    }
}
