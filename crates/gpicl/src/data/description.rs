//! What a data set is, in words, for whoever reads results.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Split;

/// A data set as results name it. Its [`Display`](fmt::Display) is one phrase with the numbers of examples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// What it is called: `MNIST`, `glyphs`, `iris.csv`.
    pub name: String,
    /// Where its examples come from.
    pub origin: Origin,
    /// Examples of each split, of meta-training first.
    pub examples: BTreeMap<Split, usize>,
}

/// Where the examples of a data set come from, and with what right they bear its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The published files, by their checksums, held out as published.
    Official,
    /// The published files, by their checksums, but what is held out was chosen here.
    Resplit,
    /// Files of a known data set that are not the published ones, or cannot be told to be.
    Unofficial {
        /// Examples that were published, of all splits.
        published: usize,
    },
    /// Made by this program.
    Made {
        /// What the examples are: `drawn characters`.
        what: String,
        /// What they were made from; several where runs of several are brought together.
        seeds: Vec<u64>,
        /// Number of classes.
        classes: usize,
        /// Standard deviation of the noise, where it is not what it is by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        noise: Option<f32>,
    },
    /// Somebody's own files.
    Own,
}

impl Description {
    /// Examples of all splits.
    pub fn total(&self) -> usize {
        self.examples.values().sum()
    }

    /// Whether the files are the published ones and the test split is the published one.
    pub fn official(&self) -> bool {
        self.origin == Origin::Official
    }

    /// The short form, for the heads of columns and legends: `MNIST, a subset of 10,000`.
    pub fn short(&self) -> String {
        let Self { name, origin, .. } = self;
        match origin {
            Origin::Official | Origin::Own => name.clone(),
            Origin::Resplit => format!("{name}, split anew"),
            Origin::Unofficial { published } if self.total() < *published => {
                format!("{name}, a subset of {}", thousands(self.total()))
            }
            Origin::Unofficial { .. } => format!("{name}, not verified as the published files"),
            Origin::Made { seeds, noise, .. } => format!("{name} of {}", made_from(seeds, *noise)),
        }
    }

    /// That of runs together, whose made data may be of several seeds.
    pub fn and(mut self, other: &Self) -> Self {
        if let (Origin::Made { seeds, .. }, Origin::Made { seeds: others, .. }) =
            (&mut self.origin, &other.origin)
        {
            seeds.extend(others);
            seeds.sort_unstable();
            seeds.dedup();
        }
        self
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, origin, examples } = self;
        match origin {
            Origin::Official => write!(f, "{name}, the published files: ")?,
            Origin::Resplit => write!(f, "{name}, the published files split anew: ")?,
            Origin::Unofficial { .. } => write!(f, "{name}, not verified as the published files: ")?,
            Origin::Made { what, seeds, classes, noise } => {
                write!(f, "{name}, {what} of {}: {classes} classes, ", made_from(seeds, *noise))?;
            }
            Origin::Own => write!(f, "{name}: ")?,
        }
        let counts: Vec<String> = examples.values().map(|&count| thousands(count)).collect();
        write!(f, "{} examples", counts.join(" + "))
    }
}

/// `seed 0`, `seeds 0, 1 and noise 2`.
fn made_from(seeds: &[u64], noise: Option<f32>) -> String {
    let numbers: Vec<String> = seeds.iter().map(u64::to_string).collect();
    let noise = noise.map(|noise| format!(" and noise {noise}")).unwrap_or_default();
    format!("seed{} {}{noise}", if seeds.len() == 1 { "" } else { "s" }, numbers.join(", "))
}

/// With a comma between thousands.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let grouped: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).expect("digits")).collect();
    grouped.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, origin: Origin, train: usize, test: usize) -> Description {
        let examples = BTreeMap::from([(Split::Train, train), (Split::Test, test)]);
        Description { name: name.into(), origin, examples }
    }

    #[test]
    fn a_phrase_says_what_it_is_and_how_much_of_it() {
        let glyphs =
            Origin::Made { what: "drawn characters".into(), seeds: vec![7], classes: 10, noise: None };
        let noisy = Origin::Made { what: "points".into(), seeds: vec![0], classes: 3, noise: Some(2.0) };
        let published = Origin::Unofficial { published: 70_000 };
        for (description, long, short) in [
            (
                of("MNIST", Origin::Official, 60_000, 10_000),
                "MNIST, the published files: 60,000 + 10,000 examples",
                "MNIST",
            ),
            (
                of("MNIST", published.clone(), 8_000, 2_000),
                "MNIST, not verified as the published files: 8,000 + 2,000 examples",
                "MNIST, a subset of 10,000",
            ),
            (
                of("MNIST", published, 60_000, 10_000),
                "MNIST, not verified as the published files: 60,000 + 10,000 examples",
                "MNIST, not verified as the published files",
            ),
            (
                of("Omniglot", Origin::Resplit, 25_968, 6_492),
                "Omniglot, the published files split anew: 25,968 + 6,492 examples",
                "Omniglot, split anew",
            ),
            (
                of("glyphs", glyphs, 8_000, 2_000),
                "glyphs, drawn characters of seed 7: 10 classes, 8,000 + 2,000 examples",
                "glyphs of seed 7",
            ),
            (
                of("random", noisy, 90, 9),
                "random, points of seed 0 and noise 2: 3 classes, 90 + 9 examples",
                "random of seed 0 and noise 2",
            ),
            (of("iris.csv", Origin::Own, 1_200_000, 30), "iris.csv: 1,200,000 + 30 examples", "iris.csv"),
        ] {
            assert_eq!((description.to_string().as_str(), description.short().as_str()), (long, short));
            let json = serde_json::to_string(&description).unwrap();
            assert_eq!(serde_json::from_str::<Description>(&json).unwrap(), description, "{json}");
        }
    }

    #[test]
    fn runs_together_name_every_seed_once() {
        let of_seed = |seed| {
            let origin = Origin::Made { what: "points".into(), seeds: vec![seed], classes: 3, noise: None };
            of("random", origin, 9, 3)
        };
        let together = of_seed(2).and(&of_seed(0)).and(&of_seed(2));
        assert_eq!(together.short(), "random of seeds 0, 2");
    }
}
