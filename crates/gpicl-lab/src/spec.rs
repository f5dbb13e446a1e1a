//! TOML files that say what to do, and errors that name the file and the field.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use gpicl::fs::read_text;
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
        let text = read_text(path)?;
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

    /// With `a.b=c` laid on the `[base]`, as `gpicl train --set` does; its text has no comments any more.
    ///
    /// # Errors
    /// As [`lay_on_base`] and [`Sourced::parse`].
    pub fn set(&self, assignment: &str, fix: &str) -> Result<Self> {
        let mut table = parse_toml(&self.source, &self.text)?;
        lay_on_base(&mut table, assignment)?;
        Self::parse(&self.source, &toml::to_string(&table).expect("a TOML table has a TOML form"), fix)
    }

    /// The layers of a preset, if there is one, and of the table `base` on it.
    ///
    /// # Errors
    /// [`Error::File`] if there is no such preset.
    pub fn layers(&self, preset: Option<&str>, base: &Table) -> Result<Layers> {
        layers(preset, base).map_err(self.at("preset"))
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

/// Lays `a.b=c` on the `[base]` of a spec. What single entries of a list, or methods, set otherwise stays.
///
/// # Errors
/// [`Error::Config`] if it is no assignment, or would have no effect: of a field that the `[grid]`, or every entry of the list,
/// or `seeds` sets.
pub(crate) fn lay_on_base(spec: &mut Table, assignment: &str) -> Result<()> {
    let field = assignment.split('=').next().unwrap_or_default().trim();
    let mut base = Layers::default();
    if let Some(Value::Table(table)) = spec.get("base") {
        base.table(table.clone());
    }
    base.set(assignment)?;
    let base = base.into_table();
    let grid = spec.get("grid").and_then(Value::as_table).map(leaves).unwrap_or_default();
    let refuse = |problem: String| {
        Err(Error::config(format!("--set {assignment}"), problem, "change them in the file"))
    };
    if let Some((axis, _)) = grid.iter().find(|(axis, _)| within(axis, field) || within(field, axis)) {
        return refuse(format!("the grid has its own values of `{axis}`"));
    }
    if spec.contains_key("seeds") && ["seed", "tasks.seed"].contains(&field) {
        return refuse("`seeds` has its own values of it".into());
    }
    // A preset that is not there is said where it is read.
    let below = layers(spec.get("preset").and_then(Value::as_str), &base).unwrap_or_default();
    for (list, of) in [("list", None), ("methods", Some("set"))] {
        let entries = spec.get(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let sets = |entry: &Value| {
            let table = of.map_or(Some(entry), |of| entry.get(of)).and_then(Value::as_table);
            table.is_some_and(|table| {
                leaves(table).iter().any(|(name, _)| within(name, field)) || replaces(table, &below, field)
            })
        };
        // Baselines are not meta-trained.
        let mut runs = entries.iter().filter(|entry| of.is_none_or(|of| entry.get(of).is_some())).peekable();
        if runs.peek().is_some() && runs.all(sets) {
            return refuse(format!("every entry of `{list}` has its own value of it, or is of another kind"));
        }
    }
    spec.insert("base".into(), Value::Table(base));
    Ok(())
}

/// Lays every `a.b=c` of `set` on a spec by `lay`. What `check` finds then, and did not find before, is the fault of an assignment
/// and not of the spec's file.
///
/// # Errors
/// Those of `lay` and `check` as [`Error::Config`] that names the assignment: the first without which the others would do, or all.
pub(crate) fn lay_all<T: Clone>(
    spec: T,
    set: &[String],
    lay: impl Fn(T, &str) -> Result<T>,
    check: impl Fn(&T) -> Result<()>,
) -> Result<T> {
    if set.is_empty() {
        return Ok(spec);
    }
    let blame = |set: &[String], error| match &error {
        Error::Config { field, .. } if field.starts_with("--set") => error,
        _ => error.caused_by(format!("--set {}", set.join(" --set "))),
    };
    let one = |spec, assignment: &String| {
        lay(spec, assignment).map_err(|error| blame(std::slice::from_ref(assignment), error))
    };
    let laid = set.iter().try_fold(spec.clone(), one)?;
    let Err(error) = check(&laid) else { return Ok(laid) };
    if check(&spec).is_err() {
        // Said where it is used.
        return Ok(laid);
    }
    let without = |left_out: usize| {
        let others = set.iter().enumerate().filter(|(at, _)| *at != left_out);
        others.map(|(_, assignment)| assignment).try_fold(spec.clone(), one)
    };
    let mends = |left_out: &usize| without(*left_out).and_then(|spec| check(&spec)).is_ok();
    let guilty = (0..set.len()).find(mends).map_or(set, |at| &set[at..=at]);
    Err(blame(guilty, error))
}

/// A preset, if there is one, and the table `base` on it.
///
/// # Errors
/// [`Error::Config`] if there is no such preset.
fn layers(preset: Option<&str>, base: &Table) -> Result<Layers> {
    let mut layers = Layers::default();
    if let Some(name) = preset {
        Preset::find(name)?.apply(&mut layers)?;
    }
    layers.table(base.clone());
    layers.name_model();
    Ok(layers)
}

/// Whether a run that lays fields of its own on `below` has another value of `field` then, or none: where it names another kind
/// of model or data set, the whole table is its own.
fn replaces(own: &Table, below: &Layers, field: &str) -> bool {
    let mut layers = below.clone();
    layers.table(own.clone());
    let of = |layers: Layers| value_at(&layers.into_table(), field).cloned();
    of(layers) != of(below.clone())
}

/// The value at a dotted name.
fn value_at<'a>(table: &'a Table, name: &str) -> Option<&'a Value> {
    match name.split_once('.') {
        None => table.get(name),
        Some((first, rest)) => value_at(table.get(first)?.as_table()?, rest),
    }
}

/// The values of a table that are no tables, by their dotted names, in the order of the names.
pub(crate) fn leaves(table: &Table) -> Vec<(String, Value)> {
    let mut found: Vec<(String, Value)> = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) => {
                found.extend(leaves(inner).into_iter().map(|(name, value)| (format!("{key}.{name}"), value)));
            }
            value => found.push((key.clone(), value.clone())),
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found
}

/// Whether `field` is `other` or lies in it.
pub(crate) fn within(field: &str, other: &str) -> bool {
    field.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_run_would_have_is_not_laid_on_the_base() {
        let spec = |entries: &str| -> Table { format!("preset = 'quickstart'\n{entries}").parse().unwrap() };
        let of_another_kind = "[[list]]\nname = 'a'\nmodel = { kind = 'lstm' }\n";
        let own = "[[list]]\nname = 'b'\nmodel = { kind = 'transformer', d_model = 16 }\n";
        let of_the_base = "[[list]]\nname = 'c'\nmodel = { kind = 'transformer', layers = 1 }\n";
        let takes =
            |entries: &[&str], assignment| lay_on_base(&mut spec(&entries.concat()), assignment).is_ok();
        assert!(!takes(&[of_another_kind, own], "model.d_model=8"), "one of another kind, one with its own");
        assert!(takes(&[of_another_kind, own, of_the_base], "model.d_model=8"));
        assert!(takes(&[of_another_kind, own], "train.steps=8"));
        let data = "[[list]]\nname = 'd'\ndata = { name = 'random' }\n";
        assert!(!takes(&[data], "data.normalize=none") && takes(&[data, own], "data.normalize=none"));
    }

    #[test]
    fn what_assignments_do_to_a_file_is_not_its_fault() {
        let check = |sum: &i64| match sum {
            0..10 => Ok(()),
            _ => Err(Error::file_at("a.toml", "field `base`: `x`", format!("is {sum}"), "give less")),
        };
        let lay = |sum: i64, add: &str| {
            let add: i64 =
                add.parse().map_err(|_| Error::file_at("a.toml", "field `x`", "is no number", "no"))?;
            Ok(sum + add)
        };
        let all = |spec, set: &[&str]| {
            let set: Vec<String> = set.iter().map(ToString::to_string).collect();
            lay_all(spec, &set, lay, check).map_err(|error| error.to_string())
        };
        assert_eq!(all(5, &["20", "-18"]), Ok(7), "together they are right");
        assert_eq!(all(20, &["1"]), Ok(21), "wrong before: said where it is read");
        let problem = |set: &str, sum: u8| {
            Err(format!(
                "config field `--set {set}`: with it, in a.toml: field `base`: `x`: is {sum}; give less"
            ))
        };
        assert_eq!(all(5, &["1", "20"]), problem("20", 26));
        assert_eq!(all(5, &["20", "30"]), problem("20 --set 30", 55));
        let problem = "config field `--set y`: with it, in a.toml: field `x`: is no number; no";
        assert_eq!(all(5, &["1", "y"]), Err(problem.into()));
    }
}
