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

/// What stands before the names of comparisons where they are listed with other presets.
pub const COMPARISON: &str = "compare/";
/// The same for sweeps.
pub const SWEEP: &str = "sweep/";

/// The comparison called `name`, with or without what stands before it in lists.
///
/// # Errors
/// [`gpicl::Error::Config`] that lists the names there are.
pub fn find_comparison(name: &str) -> Result<&'static Preset> {
    Preset::among(COMPARISONS, name.strip_prefix(COMPARISON).unwrap_or(name))
}

/// The sweep called `name`.
///
/// # Errors
/// As [`find_comparison`].
pub fn find_sweep(name: &str) -> Result<&'static Preset> {
    Preset::among(SWEEPS, name.strip_prefix(SWEEP).unwrap_or(name))
}

/// The comparison or sweep that `name` means where presets of runs are named, too: its name with what stands before it, or
/// alone where no run goes by it.
#[must_use]
pub fn find_experiment(name: &str) -> Option<&'static Preset> {
    let of_a_run = Preset::find(name).is_ok();
    let among = |all: &'static [Preset], before: &str| {
        let alone = name.strip_prefix(before).or((!of_a_run).then_some(name))?;
        all.iter().find(|preset| preset.name == alone)
    };
    among(COMPARISONS, COMPARISON).or_else(|| among(SWEEPS, SWEEP))
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
        assert_eq!(find_comparison("compare/mnist").unwrap().name, "mnist");
        assert!(find_comparison("sweep/tiny").is_err());
        let experiment = |name| find_experiment(name).map(|preset| preset.toml);
        assert_eq!(experiment("paper-table"), Some(find_comparison("paper-table").unwrap().toml));
        assert_eq!(experiment("sweep/tiny"), experiment("tiny"));
        assert_eq!(experiment("mnist"), None, "that of a run");
        assert!(experiment("compare/mnist").is_some() && experiment("nope").is_none());
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
