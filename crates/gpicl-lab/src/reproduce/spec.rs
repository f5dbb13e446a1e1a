//! What a figure's runs are: a sweep, or a comparison, in TOML.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use toml::{Table, Value};

use super::frozen_network::Features;
use crate::compare::NamedSpec;
use crate::spec::lay_on_base;
use crate::sweep::NamedSweep;
use gpicl::fs::read_text;
use gpicl::train::parse_toml;
use gpicl::{Error, Result};

/// How large a reproduction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Within about an hour on two cores; the effect shows, the numbers are not the paper's.
    Cpu,
    /// The paper's sizes; needs GPUs and days.
    Paper,
}

impl FromStr for Scale {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = [Self::Cpu, Self::Paper].into_iter().find(|scale| scale.to_string() == name);
        found.ok_or_else(|| Error::argument("scale", format!("`{name}` is none; choose one of cpu, paper")))
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::Paper => "paper",
        })
    }
}

/// The runs of a figure, and where they come from.
#[derive(Clone, Debug)]
pub struct Spec {
    source: PathBuf,
    table: Table,
    basis: String,
}

impl Spec {
    /// Reads another spec than the figure's own.
    ///
    /// # Errors
    /// [`gpicl::Error::Io`] or [`gpicl::Error::File`].
    pub fn read(path: &Path) -> Result<Self> {
        let text = read_text(path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self::parse(path, &text, format!("runs of {name}"))
    }

    pub(super) fn parse(source: &Path, text: &str, basis: String) -> Result<Self> {
        Ok(Self { source: source.to_path_buf(), table: parse_toml(source, text)?, basis })
    }

    /// Lays `a.b=c` on the `[base]` of all runs, as `gpicl train --set` does.
    ///
    /// # Errors
    /// [`gpicl::Error::Config`] if it is no assignment, or of a field that the figure varies.
    pub fn set(&mut self, assignment: &str) -> Result<()> {
        lay_on_base(&mut self.table, assignment)?;
        self.basis.push_str(&format!(", {assignment}"));
        Ok(())
    }

    /// Under other seeds.
    #[cfg(test)]
    pub(super) fn with_seeds(mut self, seeds: &[i64]) -> Self {
        self.table.insert("seeds".into(), seeds.to_vec().into());
        self
    }

    /// With every path that stands for features of a frozen network replaced by that of a file below `out`; and these files.
    pub(super) fn with_features(mut self, out: &Path) -> (Self, Vec<Features>) {
        let mut wanted = Vec::new();
        replace(&mut self.table, &mut |path| {
            let features = Features::of(path, out)?;
            let file = features.file.to_string_lossy().into_owned();
            wanted.push(features);
            Some(file)
        });
        (self, wanted)
    }

    /// What the runs are, for a verdict.
    pub(super) fn basis(&self) -> &str {
        &self.basis
    }

    pub(super) fn sweep(&self) -> Result<NamedSweep> {
        NamedSweep::parse(&self.source, &self.text())
    }

    pub(super) fn comparison(&self) -> Result<NamedSpec> {
        NamedSpec::parse(&self.source, &self.text())
    }

    /// As TOML.
    pub fn text(&self) -> String {
        toml::to_string(&self.table).expect("a TOML table has a TOML form")
    }
}

/// Replaces every `path` in `table`, and in the tables in it, that `with` has something else for.
fn replace(table: &mut Table, with: &mut impl FnMut(&str) -> Option<String>) {
    for (key, value) in table {
        match value {
            Value::String(path) if key == "path" => {
                if let Some(other) = with(path) {
                    *path = other;
                }
            }
            Value::Table(inner) => replace(inner, with),
            Value::Array(values) => {
                values.iter_mut().filter_map(Value::as_table_mut).for_each(|inner| replace(inner, with))
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_lies_on_the_base_of_all_runs() {
        let text = "seeds = [0, 1]\n[base.train]\nsteps = 9\nlr = 0.5\n[grid]\nmodel.d_model = [8, 16]";
        let mut spec = Spec::parse(Path::new("s.toml"), text, "cpu scale".into()).unwrap();
        spec.set("train.steps=3").unwrap();
        let plan = spec.sweep().unwrap().plan().unwrap();
        assert_eq!(plan.len(), 4);
        assert!(plan.iter().all(|run| (run.config.train.steps, run.config.train.lr) == (3, 0.5)));
        assert_eq!(spec.basis(), "cpu scale, train.steps=3");
        assert!(spec.set("train.steps").is_err());
        for field in ["model.d_model=8", "model={ d_model = 8 }"] {
            let error = spec.set(field).unwrap_err().to_string();
            assert!(error.contains("the grid has its own values of `model.d_model`"), "{error}");
        }
        spec.set("train.stepz=3").unwrap();
        let error = spec.sweep().unwrap().plan().unwrap_err().to_string();
        assert!(error.contains("s.toml") && error.contains("stepz"), "{error}");
    }
}
