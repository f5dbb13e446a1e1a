//! What data a result is of, by checksums: files that changed since are noticed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::checksum::hex;
use super::{DataConfig, Dataset, Split};
use crate::error::{Error, Result};

/// The examples of one split, as episodes are made of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// How many.
    pub examples: usize,
    /// SHA-256 of shape, inputs, labels and number of classes, as hex.
    pub sha256: String,
}

/// The splits that a run loads: `data train`, `mix[1].data test`, `fashion-mnist test (1f3a90bc)`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprints(BTreeMap<String, Fingerprint>);

impl Fingerprint {
    /// That of `data`.
    pub fn of(data: &Dataset) -> Self {
        Self { examples: data.len(), sha256: data.fingerprint().to_string() }
    }

    /// `7200 examples (1f3a90bc..)`.
    fn text(&self) -> String {
        let short = self.sha256.get(..8).unwrap_or(&self.sha256);
        format!("{} examples ({short}..)", self.examples)
    }
}

impl Fingerprints {
    /// Adds that of a split of what is called `data`, unless there is one of that name.
    pub fn insert(&mut self, data: &str, split: Split, fingerprint: Fingerprint) {
        self.0.entry(format!("{data} {}", split.name())).or_insert(fingerprint);
    }

    /// Adds those of a data set beside the run's sources, told from others by its whole configuration.
    pub fn insert_other(&mut self, config: &DataConfig, split: Split, data: &Dataset) {
        let exact = serde_json::to_vec(config).expect("a configuration has a JSON form");
        let digest = hex(&Sha256::digest(exact)[..4]);
        let name = format!("{} {} ({digest})", config.short_form(), split.name());
        self.0.entry(name).or_insert_with(|| Fingerprint::of(data));
    }

    /// The first split that both have, with other examples, in words. What only one of them has is no difference.
    pub fn difference(&self, earlier: &Self) -> Option<String> {
        let both = self.0.iter().filter_map(|(name, now)| Some((name, now, earlier.0.get(name)?)));
        let different = both.filter(|(_, now, then)| now != then);
        // Other training examples make other test examples, too: those are normalised by these.
        let cause = |(name, ..): &(&String, &Fingerprint, &Fingerprint)| !name.ends_with(Split::Train.name());
        different
            .min_by_key(cause)
            .map(|(name, now, then)| format!("`{name}` has {} now, had {} then", now.text(), then.text()))
    }

    /// Refuses other data than `earlier`, which `made` was made with, unless the difference is `allowed`: then it is said.
    ///
    /// # Errors
    /// [`Error::File`] about `made`, with the first difference.
    pub fn expect(&self, earlier: &Self, made: &std::path::Path, allowed: bool) -> Result<()> {
        let Some(difference) = self.difference(earlier) else { return Ok(()) };
        if allowed {
            tracing::warn!("{}: other data than it was made with: {difference}", made.display());
            return Ok(());
        }
        let problem = format!("was made with other data: {difference}");
        let fix = "put the data back, or go on with these by --allow-other-data";
        Err(Error::file(made, problem, fix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_the_split_and_what_it_had() {
        let print = |examples, sha256: &str| Fingerprint { examples, sha256: sha256.into() };
        let mut then = Fingerprints::default();
        then.insert("mnist", Split::Train, print(10, "aaaaaaaaaaaa"));
        let mut now = then.clone();
        then.insert("mnist", Split::Test, print(5, "bbbbbbbbbbbb"));
        now.insert("fashion-mnist", Split::Test, print(9, "c"));
        assert_eq!(now.difference(&then), None, "a set more is no other set");
        now.insert("mnist", Split::Train, print(11, "e"));
        assert_eq!(now.difference(&then), None, "the first of a name stays");
        now.insert("mnist", Split::Test, print(6, "dddddddddddd"));
        let text = "`mnist test` has 6 examples (dddddddd..) now, had 5 examples (bbbbbbbb..) then";
        assert_eq!(now.difference(&then).as_deref(), Some(text));
        let path = std::path::Path::new("a.safetensors");
        let error = now.expect(&then, path, false).unwrap_err().to_string();
        assert!(
            error.starts_with("a.safetensors: was made with other data") && error.contains(text),
            "{error}"
        );
        now.expect(&then, path, true).unwrap();
        // Checkpoints of earlier versions know of none.
        now.expect(&Fingerprints::default(), path, false).unwrap();
    }
}
