//! Comparisons and sweeps that come with the program.

use gpicl::Result;
use gpicl::train::Preset;

/// All comparisons, for `gpicl compare`.
pub const COMPARISONS: &[Preset] = &[
    Preset { name: "glyphs", toml: include_str!("../presets/compare/glyphs.toml") },
    Preset { name: "mnist", toml: include_str!("../presets/compare/mnist.toml") },
    Preset { name: "best", toml: include_str!("../presets/compare/best.toml") },
    Preset { name: "paper-table", toml: include_str!("../presets/compare/paper-table.toml") },
];

/// All sweeps, for `gpicl sweep`.
pub const SWEEPS: &[Preset] = &[
    Preset { name: "tiny", toml: include_str!("../presets/sweep/tiny.toml") },
    Preset { name: "mixture", toml: include_str!("../presets/sweep/mixture.toml") },
    Preset { name: "recurrent-rates", toml: include_str!("../presets/sweep/recurrent-rates.toml") },
    Preset { name: "shifted-tokens", toml: include_str!("../presets/sweep/shifted-tokens.toml") },
];

/// The comparison called `name`.
///
/// # Errors
/// [`gpicl::Error::Config`] that lists the names there are.
pub fn find_comparison(name: &str) -> Result<&'static Preset> {
    Preset::among(COMPARISONS, name)
}

/// The sweep called `name`.
///
/// # Errors
/// As [`find_comparison`].
pub fn find_sweep(name: &str) -> Result<&'static Preset> {
    Preset::among(SWEEPS, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_one_has_a_summary_and_a_name_to_find_it_by() {
        for preset in COMPARISONS.iter().chain(SWEEPS) {
            assert!(preset.summary().ends_with('.'), "{}", preset.name);
        }
        assert!(find_comparison("mnist").is_ok() && find_sweep("tiny").is_ok());
        assert!(find_sweep("nope").unwrap_err().to_string().contains("tiny"));
    }

    /// A row says that it is as a preset of `gpicl train` has it.
    #[test]
    fn the_best_learner_is_the_preset_s() {
        let read = |preset: &Preset| preset.toml.parse::<toml::Table>().unwrap();
        let best = read(find_comparison("best").unwrap());
        let mesa = read(Preset::find("mnist-mesa").unwrap());
        let row = &best["methods"].as_array().unwrap()[0];
        assert_eq!(row["name"].as_str(), Some("mesa-net"));
        for table in ["model", "train"] {
            assert_eq!(row["set"][table], mesa[table], "{table}");
        }
    }
}
