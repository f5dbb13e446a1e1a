//! How the `gpicl` program is started.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The `gpicl` program: a file, and the words that come before its own arguments, as `-m gpicl` of an interpreter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    file: PathBuf,
    words: Vec<String>,
}

impl Program {
    /// That of `file`, called with `words` before its own arguments.
    pub fn new(file: impl Into<PathBuf>, words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { file: file.into(), words: words.into_iter().map(Into::into).collect() }
    }

    /// The one that is running.
    ///
    /// # Errors
    /// If the system does not say which.
    pub fn this() -> std::io::Result<Self> {
        Ok(Self { file: std::env::current_exe()?, words: Vec::new() })
    }

    /// Its file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What comes before its own arguments.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// A process of it with these arguments.
    pub(crate) fn command(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(&self.file);
        command.args(&self.words).args(args);
        command
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        self.words.iter().try_for_each(|word| write!(f, " {word}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_words_come_before_its_arguments() {
        let program = Program::new("/usr/bin/python3", ["-m", "gpicl"]);
        let command = program.command(["resume", "a run"]);
        assert_eq!(command.get_args().collect::<Vec<_>>(), ["-m", "gpicl", "resume", "a run"]);
        assert_eq!(program.to_string(), "/usr/bin/python3 -m gpicl");
        let this = Program::this().unwrap();
        assert!(this.file().is_file() && this.words().is_empty());
    }
}
