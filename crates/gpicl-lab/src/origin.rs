//! Where the spec of an experiment is from.

use std::path::{Path, PathBuf};

/// What stands before the names of comparisons where they are listed with other presets.
pub(crate) const COMPARISON: &str = "compare/";
/// The same for sweeps.
pub(crate) const SWEEP: &str = "sweep/";

/// Where the spec of an experiment is from.
#[derive(Clone, Copy, Debug)]
pub enum Origin<'a> {
    /// A TOML file; of a sweep also its folder.
    File(&'a Path),
    /// The name of one that comes with the program.
    Preset(&'a str),
    /// TOML that is no file.
    Text(&'a str),
}

/// What a spec is called that is no file.
pub(crate) const TEXT: &str = "spec";

impl<'a> Origin<'a> {
    /// A file, or else one that comes with the program: of the two a command is given one.
    pub fn of(file: Option<&'a Path>, preset: Option<&'a str>) -> Self {
        file.map_or(Self::Preset(preset.unwrap_or_default()), Self::File)
    }

    /// What its folder goes by.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            Self::Preset(name) => {
                let alone = name.strip_prefix(COMPARISON).or_else(|| name.strip_prefix(SWEEP));
                alone.unwrap_or(name).to_string()
            }
            Self::Text(_) => TEXT.into(),
        }
    }

    /// The folder of results where none is given: KIND-NAME below `runs/`.
    pub fn folder(&self, kind: &str) -> PathBuf {
        Path::new("runs").join(format!("{kind}-{}", self.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_go_by_files_and_presets() {
        let folder = |origin: Origin<'_>| origin.folder("sweep").display().to_string();
        assert_eq!(folder(Origin::File(Path::new("a/rates.toml"))), "runs/sweep-rates");
        assert_eq!(folder(Origin::Preset("tiny")), "runs/sweep-tiny");
        assert_eq!(folder(Origin::Preset("sweep/tiny")), "runs/sweep-tiny");
        assert_eq!(folder(Origin::Text("seeds = [1]")), "runs/sweep-spec");
    }
}
