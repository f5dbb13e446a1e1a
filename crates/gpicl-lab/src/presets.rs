//! Comparisons and sweeps that come with the program.

use crate::origin::{COMPARISON, SWEEP};
use gpicl::train::{PRESETS, Preset};
use gpicl::{Error, Result};

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

/// The preset of a run called `name`.
///
/// # Errors
/// [`Error::Config`] that names the command whose preset it is, or lists the names there are.
pub fn find_run(name: &str) -> Result<&'static Preset> {
    Preset::find(name).map_err(|error| point(error, name))
}

/// The comparison called `name`, with or without what stands before it in lists.
///
/// # Errors
/// As [`find_run`].
pub fn find_comparison(name: &str) -> Result<&'static Preset> {
    Preset::among(COMPARISONS, name.strip_prefix(COMPARISON).unwrap_or(name))
        .map_err(|error| point(error, name))
}

/// The sweep called `name`.
///
/// # Errors
/// As [`find_comparison`].
pub fn find_sweep(name: &str) -> Result<&'static Preset> {
    Preset::among(SWEEPS, name.strip_prefix(SWEEP).unwrap_or(name)).map_err(|error| point(error, name))
}

/// `error` about `name`, or one that points to the command whose preset it is.
fn point(error: Error, name: &str) -> Error {
    let Some((listed, _)) = known(name) else { return error };
    let command = match listed {
        _ if listed.starts_with(SWEEP) => "sweep",
        _ if listed.starts_with(COMPARISON) => "compare",
        _ => "train",
    };
    Error::config(
        "--preset",
        format!("`{name}` is one of `gpicl {command}`"),
        format!("give it to `gpicl {command}`"),
    )
}

/// The comparison or sweep that `name` means where presets of runs are named, too: as it stands in the list of all, or alone
/// where nothing else goes by it. None where it is that of a run, or of nothing.
pub fn find_experiment(name: &str) -> Option<&'static Preset> {
    if Preset::find(name).is_ok() {
        return None;
    }
    known(name).map(|(_, preset)| preset)
}

/// The first one that goes by `name`, as it stands in the list of all or alone.
fn known(name: &str) -> Option<(String, &'static Preset)> {
    names().find(|(listed, preset)| listed == name || preset.name == name)
}

/// The names of all presets, as they stand in one list.
pub fn names() -> impl Iterator<Item = (String, &'static Preset)> {
    let of = |before: &'static str, presets: &'static [Preset]| {
        presets.iter().map(move |preset| (format!("{before}{}", preset.name), preset))
    };
    of("", PRESETS).chain(of(SWEEP, SWEEPS)).chain(of(COMPARISON, COMPARISONS))
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
        for (found, command) in [
            (find_comparison("sweep/tiny"), "sweep"),
            (find_sweep("paper-table"), "compare"),
            (find_run("best"), "compare"),
            (find_run("sweep/tiny"), "sweep"),
            (find_comparison("quickstart"), "train"),
        ] {
            let error = found.unwrap_err().to_string();
            assert!(error.contains(&format!("give it to `gpicl {command}`")), "{error}");
        }
        let experiment = |name| find_experiment(name).map(|preset| preset.toml);
        assert_eq!(experiment("paper-table"), Some(find_comparison("paper-table").unwrap().toml));
        assert_eq!(experiment("sweep/tiny"), experiment("tiny"));
        assert_eq!(experiment("mnist"), None, "that of a run");
        assert!(experiment("compare/mnist").is_some() && experiment("nope").is_none());
        assert!(experiment("sweep/nope").is_none());
        // A name alone means one of them.
        assert!(COMPARISONS.iter().all(|preset| find_sweep(preset.name).is_err()));
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
