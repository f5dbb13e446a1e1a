//! The one error type of the library: each says what is wrong, where, and what to do about it.

use std::path::{Path, PathBuf};

/// Result of the library's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong, in terms a user can act on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file was read but does not hold what it should.
    #[error("{}: {at}{problem}; {fix}", path.display(), at = place(at))]
    File {
        /// The file at fault.
        path: PathBuf,
        /// Where in the file: "line 3, column `age`", "header"; empty if the whole file is meant.
        at: String,
        /// What is wrong, with the value found.
        problem: String,
        /// What to do.
        fix: String,
    },
    /// The operating system refused to read or write a path.
    #[error("{}: cannot {action}: {cause}", path.display())]
    Io {
        /// Verb: "open", "write", "rename".
        action: &'static str,
        /// The path at fault.
        path: PathBuf,
        /// The system's own error. Part of the message, so it is no `source`, which would be printed once more.
        cause: std::io::Error,
    },
    /// A configuration value that cannot be used.
    #[error("config field `{field}`: {problem}; {fix}")]
    Config {
        /// Dotted name, as `--set` takes it: `train.lr`.
        field: String,
        /// What is wrong, with the value found.
        problem: String,
        /// What to do.
        fix: String,
    },
    /// An argument of a library function whose size or value does not fit.
    #[error("{what}: {problem}")]
    Argument {
        /// Function or argument name.
        what: &'static str,
        /// What is wrong, with expected and found.
        problem: String,
    },
    /// Data that is not on this machine and could not be downloaded.
    #[error("data set `{name}`: {problem}; {fix}")]
    Missing {
        /// Data set name.
        name: String,
        /// What was looked for, and where.
        problem: String,
        /// What to do.
        fix: String,
    },
    /// A run that another process is meta-training.
    #[error("{}: another process is meta-training this run; wait for it, or stop it", path.display())]
    Busy {
        /// The run folder.
        path: PathBuf,
    },
    /// Meta-training produced NaN or Inf; the last good checkpoint is kept.
    #[error("meta-training diverged at step {step}: {problem}; {fix}")]
    Diverged {
        /// Step (1-based) whose numbers were not finite.
        step: u64,
        /// Which number.
        problem: String,
        /// What to do.
        fix: String,
    },
}

fn place(at: &str) -> String {
    if at.is_empty() { String::new() } else { format!("{at}: ") }
}

impl Error {
    /// A [`Error::File`] about the whole file.
    pub fn file(path: impl AsRef<Path>, problem: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::file_at(path, "", problem, fix)
    }

    /// A [`Error::File`] with a place inside the file.
    pub fn file_at(
        path: impl AsRef<Path>,
        at: impl Into<String>,
        problem: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::File {
            path: path.as_ref().to_path_buf(),
            at: at.into(),
            problem: problem.into(),
            fix: fix.into(),
        }
    }

    /// A [`Error::Config`] for the dotted `field`.
    pub fn config(field: impl Into<String>, problem: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Config { field: field.into(), problem: problem.into(), fix: fix.into() }
    }

    /// A [`Error::Config`] as a [`Error::File`]: the field stands in the file `path`. Others stay as they are.
    pub fn in_file(self, path: &Path) -> Self {
        match self {
            Self::Config { field, problem, fix } => {
                Self::file_at(path, format!("field `{field}`"), problem, fix)
            }
            other => other,
        }
    }

    /// A [`Error::Config`] about `[data]` as one about the data set at `place`: `data.name` is `eval.data[0].name` there. Others stay
    /// as they are.
    pub(crate) fn of_data(self, place: &str) -> Self {
        match self {
            Self::Config { field, problem, fix } => {
                let field = field.strip_prefix("data").map_or(field.clone(), |rest| format!("{place}{rest}"));
                Self::Config { field, problem, fix }
            }
            other => other,
        }
    }

    /// A mistake in a file or a configuration as a [`Error::Config`] about `cause`, with which it came. Others stay as they are.
    pub fn caused_by(self, cause: impl Into<String>) -> Self {
        match self {
            Self::File { path, at, problem, fix } => {
                let problem = format!("with it, in {}: {}{problem}", path.display(), place(&at));
                Self::config(cause, problem, fix)
            }
            Self::Config { field, problem, fix } => {
                Self::config(cause, format!("with it: {}{problem}", place(&field)), fix)
            }
            other => other,
        }
    }

    /// A [`Error::Argument`] at the door of the function or argument `what`.
    pub fn argument(what: &'static str, problem: impl Into<String>) -> Self {
        Self::Argument { what, problem: problem.into() }
    }

    /// Whether it is for the user to mend: a file that is not there, or holds something else, is bad input; what else the
    /// system refuses is the machine's.
    pub fn is_bad_input(&self) -> bool {
        use std::io::ErrorKind::{InvalidData, InvalidInput, IsADirectory, NotADirectory, NotFound};
        match self {
            Self::Io { cause, .. } => {
                matches!(cause.kind(), NotFound | InvalidData | InvalidInput | IsADirectory | NotADirectory)
            }
            Self::Diverged { .. } | Self::Busy { .. } => false,
            Self::File { .. } | Self::Config { .. } | Self::Argument { .. } | Self::Missing { .. } => true,
        }
    }

    /// Wraps an I/O error with what was being done to which path: `.map_err(Error::io("open", path))`.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |cause| Self::Io { action, path, cause }
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    #[test]
    fn a_folder_in_place_of_a_file_is_for_the_user_to_mend() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        for path in [dir.path().to_path_buf(), file.join("below")] {
            let error = Error::io("read", &path)(std::fs::read(&path).unwrap_err());
            assert!(error.is_bad_input(), "{error:?}");
        }
        for kind in [ErrorKind::StorageFull, ErrorKind::PermissionDenied] {
            assert!(!Error::io("write", &file)(kind.into()).is_bad_input(), "{kind:?}");
        }
    }
}
