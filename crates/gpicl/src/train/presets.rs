//! Configurations that come with the program.

use std::path::Path;

use super::layers::{Layers, parse_toml};
use crate::error::{Error, Result};

/// A named configuration.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// Name, as `--preset` takes it.
    pub name: &'static str,
    /// Its TOML, comments included.
    pub toml: &'static str,
}

/// All presets.
pub const PRESETS: &[Preset] = &[
    Preset { name: "quickstart", toml: include_str!("../../presets/quickstart.toml") },
    Preset { name: "mnist", toml: include_str!("../../presets/mnist.toml") },
    Preset { name: "mnist-mesa", toml: include_str!("../../presets/mnist-mesa.toml") },
    Preset { name: "tables", toml: include_str!("../../presets/tables.toml") },
    Preset { name: "paper", toml: include_str!("../../presets/paper.toml") },
];

impl Preset {
    /// The preset called `name`.
    ///
    /// # Errors
    /// [`Error::Config`] that lists the names there are.
    pub fn find(name: &str) -> Result<&'static Self> {
        Self::among(PRESETS, name)
    }

    /// The one of `presets` called `name`.
    ///
    /// # Errors
    /// As [`Preset::find`].
    pub fn among(presets: &'static [Self], name: &str) -> Result<&'static Self> {
        presets.iter().find(|preset| preset.name == name).ok_or_else(|| {
            let names: Vec<&str> = presets.iter().map(|preset| preset.name).collect();
            Error::config(
                "--preset",
                format!("`{name}` is none"),
                format!("choose one of {}", names.join(", ")),
            )
        })
    }

    /// What the preset is for: the first paragraph of its comment.
    pub fn summary(&self) -> String {
        let paragraph = self.comment().take_while(|line| *line != "#");
        paragraph.map(|line| line.trim_start_matches(['#', ' '])).collect::<Vec<_>>().join(" ")
    }

    /// All that is said about it, as lines of a TOML comment.
    pub fn about(&self) -> String {
        self.comment().collect::<Vec<_>>().join("\n")
    }

    fn comment(&self) -> impl Iterator<Item = &'static str> {
        self.toml.lines().take_while(|line| line.starts_with('#'))
    }

    /// Lays the preset on top of `layers`.
    ///
    /// # Errors
    /// [`Error::File`] if its TOML is broken, which the tests rule out.
    pub fn apply(&self, layers: &mut Layers) -> Result<()> {
        // Not a file of the user's: what is wrong with a field of it is wrong with what was laid on top.
        layers.table(parse_toml(Path::new(self.name), self.toml)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_a_valid_configuration_with_a_summary() {
        for preset in PRESETS {
            let mut layers = Layers::default();
            preset.apply(&mut layers).unwrap();
            layers.build().unwrap_or_else(|error| panic!("{}: {error}", preset.name));
            assert!(preset.summary().ends_with('.'), "{}", preset.name);
        }
        assert!(Preset::find("quickstart").is_ok());
        assert!(Preset::find("nope").unwrap_err().to_string().contains("quickstart"));
    }
}
