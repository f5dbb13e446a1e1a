//! TOML files that say what to do, and errors that name the file and the field.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use gpicl::train::Preset;
use gpicl::train::{Layers, parse_toml};
use gpicl::{Error, Result};

/// A file's content, its text, and the name that errors call it by.
#[derive(Clone, Debug)]
pub(crate) struct Sourced<T> {
    pub source: PathBuf,
    pub text: String,
    pub spec: T,
}

impl<T: DeserializeOwned> Sourced<T> {
    /// Reads `path`; `fix` is what to do about a field that cannot be used.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::File`] naming the field.
    pub fn read(path: &Path, fix: &str) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        Self::parse(path, &text, fix)
    }

    /// The same of a text that `source` names.
    ///
    /// # Errors
    /// [`Error::File`] naming the field.
    pub fn parse(source: &Path, text: &str, fix: &str) -> Result<Self> {
        let table = Value::Table(parse_toml(source, text)?);
        let spec = serde_path_to_error::deserialize(table).map_err(|error| {
            let at = format!("field `{}`", error.path());
            Error::file_at(source, at, error.into_inner().message().to_string(), fix)
        })?;
        Ok(Self { source: source.to_path_buf(), text: text.to_string(), spec })
    }

    /// The layers of a preset, if there is one, and of the table `base` on it.
    ///
    /// # Errors
    /// [`Error::File`] if there is no such preset.
    pub fn layers(&self, preset: Option<&str>, base: &Table) -> Result<Layers> {
        let mut layers = Layers::default();
        if let Some(name) = preset {
            Preset::find(name).and_then(|preset| preset.apply(&mut layers)).map_err(self.at("preset"))?;
        }
        layers.table(base.clone());
        layers.name_model();
        Ok(layers)
    }

    /// What is wrong with `field`.
    pub fn fault(&self, field: &str, problem: &str, fix: &str) -> Error {
        Error::file_at(&self.source, format!("field `{field}`"), problem, fix)
    }

    /// Names the file in which a field stands.
    pub fn named(&self) -> impl Fn(Error) -> Error {
        move |error| match error {
            Error::Config { field, problem, fix } => self.fault(&field, &problem, &fix),
            other => other,
        }
    }

    /// Names the file and where in it a configuration's field stands.
    pub fn at(&self, within: &str) -> impl Fn(Error) -> Error {
        move |error| match error {
            Error::Config { field, problem, fix } => {
                Error::file_at(&self.source, format!("field `{within}`: `{field}`"), problem, fix)
            }
            other => other,
        }
    }
}

/// Whether `name` can be part of a file's name anywhere.
pub(crate) fn names_a_file(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !name.is_empty() && !name.starts_with('.') && name.chars().all(plain)
}

/// The first value that occurs a second time.
pub(crate) fn repeated(values: impl Iterator<Item = String>) -> Option<String> {
    let mut seen = Vec::new();
    for value in values {
        if seen.contains(&value) {
            return Some(value);
        }
        seen.push(value);
    }
    None
}
