//! How many tasks there are: the paper's main axis.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Number of tasks in the meta-training distribution, K. Read and written as an integer, "2^14" or
/// "unlimited".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskCount {
    /// K tasks, 1 to 2^25. K = 1 is one fixed projection and permutation, drawn like any other: not the
    /// identity, which is `project = false` with `permute = false`.
    Finite(u64),
    /// A fresh task for every episode.
    Unlimited,
}

impl TaskCount {
    /// The largest finite K: 2^25.
    pub const MAX: u64 = 1 << 25;

    /// `count` tasks, if that many can be had.
    pub(super) fn checked(count: u64) -> Option<Self> {
        (1..=Self::MAX).contains(&count).then_some(Self::Finite(count))
    }
}

impl fmt::Display for TaskCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => f.write_str("unlimited"),
            Self::Finite(count) if count.is_power_of_two() => write!(f, "2^{}", count.trailing_zeros()),
            Self::Finite(count) => write!(f, "{count}"),
        }
    }
}

impl FromStr for TaskCount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text == "unlimited" {
            return Ok(Self::Unlimited);
        }
        let count = match text.strip_prefix("2^") {
            Some(power) => power.parse().ok().and_then(|power| 1_u64.checked_shl(power)),
            None => text.parse().ok(),
        };
        count.and_then(Self::checked).ok_or_else(|| {
            format!("`{text}` is no number of tasks; give 1 to 2^25, like 4096 or \"2^12\", or \"unlimited\"")
        })
    }
}

impl Serialize for TaskCount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TaskCount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Count;

        impl Visitor<'_> for Count {
            type Value = TaskCount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of tasks: 1 to 2^25, like 4096 or \"2^12\", or \"unlimited\"")
            }

            fn visit_i64<E: serde::de::Error>(self, count: i64) -> Result<TaskCount, E> {
                self.visit_str(&count.to_string())
            }

            fn visit_u64<E: serde::de::Error>(self, count: u64) -> Result<TaskCount, E> {
                self.visit_str(&count.to_string())
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<TaskCount, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Count).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Table {
        count: TaskCount,
    }

    #[test]
    fn reads_and_writes_every_form() {
        for (text, count) in [
            ("1", TaskCount::Finite(1)),
            ("\"2^0\"", TaskCount::Finite(1)),
            ("33554432", TaskCount::Finite(TaskCount::MAX)),
            ("\"2^25\"", TaskCount::Finite(TaskCount::MAX)),
            ("\"4097\"", TaskCount::Finite(4097)),
            ("\"unlimited\"", TaskCount::Unlimited),
        ] {
            let table: Table = toml::from_str(&format!("count = {text}")).unwrap();
            assert_eq!(table, Table { count });
            assert_eq!(toml::from_str::<Table>(&toml::to_string(&table).unwrap()).unwrap(), table);
        }
    }

    #[test]
    fn anything_else_is_an_error_that_says_what_to_give() {
        for text in
            ["0", "-1", "33554433", "\"2^26\"", "\"2^64\"", "\"2^\"", "\"many\"", "\"\"", "1.5", "true"]
        {
            let error = toml::from_str::<Table>(&format!("count = {text}")).unwrap_err().to_string();
            assert!(error.contains("2^25"), "{text}: {error}");
        }
    }
}
