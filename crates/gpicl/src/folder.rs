//! What a folder of results holds, so that nothing is written into what something else made.

use std::path::Path;

use crate::error::{Error, Result};
use crate::fs::check_folder;

/// What a folder is made by, and for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `gpicl train`
    Run,
    /// `gpicl sweep`
    Sweep,
    /// `gpicl compare`
    Comparison,
    /// `gpicl reproduce`
    Figure,
    /// `gpicl eval`
    Evaluation,
}

/// A file or folder that only a folder of this kind has, and what that is called. An evaluation leaves no such trace.
const MARKS: [(Kind, &str, &str); 5] = [
    (Kind::Run, "config.toml", "run"),
    (Kind::Sweep, "sweep.toml", "sweep"),
    (Kind::Comparison, "measured", "comparison"),
    (Kind::Figure, "sweep/sweep.toml", "figure"),
    (Kind::Figure, "compare/measured", "figure"),
];

/// Refuses to let something of `kind` be written into `dir` where that cannot be made, or holds something else.
///
/// # Errors
/// [`Error::File`] naming what is there, [`Error::Io`] if nothing can be written.
pub fn claim(dir: &Path, kind: Kind) -> Result<()> {
    check_folder(dir)?;
    match MARKS.iter().find(|(other, mark, _)| *other != kind && dir.join(mark).exists()) {
        Some((_, mark, name)) => {
            let problem = format!("holds a {name} (there is {mark} in it)");
            Err(Error::file(dir, problem, "name another folder"))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_for_one_kind_of_results() {
        let dir = tempfile::tempdir().unwrap();
        claim(&dir.path().join("new/folder"), Kind::Sweep).unwrap();
        std::fs::write(dir.path().join("config.toml"), "").unwrap();
        claim(dir.path(), Kind::Run).unwrap();
        for kind in [Kind::Sweep, Kind::Comparison, Kind::Figure, Kind::Evaluation] {
            let error = claim(dir.path(), kind).unwrap_err().to_string();
            assert!(error.contains("holds a run") && error.contains("another folder"), "{kind:?}: {error}");
        }
        let file = dir.path().join("config.toml");
        assert!(claim(&file, Kind::Run).unwrap_err().to_string().contains("is a file"));
    }
}
