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

impl Kind {
    /// What one that was begun can hold before its mark, and all that can be there of one without a mark.
    fn first(self) -> &'static [&'static str] {
        match self {
            Self::Run => &[],
            Self::Sweep => &["runs", "logs", "failures"],
            Self::Comparison => &["runs"],
            Self::Figure => &["sweep", "compare"],
            Self::Evaluation => &["results.json", "results.csv", "plots"],
        }
    }
}

/// Refuses to let something of `kind` be written into `dir` where that cannot be made, or holds something else.
///
/// # Errors
/// [`Error::File`] naming what is there, [`Error::Io`] if nothing can be written.
pub fn claim(dir: &Path, kind: Kind) -> Result<()> {
    check_folder(dir)?;
    let other = MARKS.iter().find(|(other, mark, _)| *other != kind && dir.join(mark).exists());
    if let Some((_, mark, name)) = other {
        let problem = format!("holds a {name} (there is {mark} in it)");
        return Err(Error::file(dir, problem, "name another folder"));
    }
    let stranger = stranger(dir, kind)?;
    // After the names were read: another process may have begun the same here, and its mark be the stranger.
    let marked = MARKS.iter().any(|(own, mark, _)| *own == kind && dir.join(mark).exists());
    if let (Some(stranger), false) = (stranger, marked) {
        let problem = format!("holds something else (there is {stranger} in it)");
        return Err(Error::file(dir, problem, "name a new folder, or an empty one"));
    }
    Ok(())
}

/// What is in `dir` that is not of `kind`, if anything; hidden files are passed over.
fn stranger(dir: &Path, kind: Kind) -> Result<Option<String>> {
    if !dir.exists() {
        return Ok(None);
    }
    let listed = std::fs::read_dir(dir).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    let listed = listed.map_err(Error::io("list", dir))?;
    let names = listed.iter().map(|entry| entry.file_name().to_string_lossy().into_owned());
    Ok(names.filter(|name| !name.starts_with('.') && !kind.first().contains(&name.as_str())).min())
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
        // Somebody's folder is no place for results; hidden files are nobody's, and what was begun goes on.
        let other = dir.path().join("papers");
        std::fs::create_dir(&other).unwrap();
        std::fs::write(other.join(".DS_Store"), "").unwrap();
        claim(&other, Kind::Run).unwrap();
        std::fs::create_dir(other.join("runs")).unwrap();
        claim(&other, Kind::Sweep).unwrap();
        claim(&other, Kind::Comparison).unwrap();
        std::fs::write(other.join("thesis.tex"), "").unwrap();
        for kind in [Kind::Run, Kind::Sweep, Kind::Comparison, Kind::Figure, Kind::Evaluation] {
            let error = claim(&other, kind).unwrap_err().to_string();
            assert!(error.contains("something else") && error.contains("empty"), "{kind:?}: {error}");
        }
        std::fs::write(other.join("sweep.toml"), "").unwrap();
        claim(&other, Kind::Sweep).unwrap();
        let file = dir.path().join("config.toml");
        assert!(claim(&file, Kind::Run).unwrap_err().to_string().contains("is a file"));
    }
    #[test]
    fn a_folder_that_another_process_begins_in_the_same_moment_is_no_strangers() {
        let dir = tempfile::tempdir().unwrap();
        for round in 0..200 {
            let at = dir.path().join(round.to_string());
            std::fs::create_dir(&at).unwrap();
            std::thread::scope(|scope| {
                scope.spawn(|| std::fs::write(at.join("sweep.toml"), "").unwrap());
                for _ in 0..20 {
                    claim(&at, Kind::Sweep).unwrap();
                }
            });
        }
    }
}
