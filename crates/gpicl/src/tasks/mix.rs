//! The sources of a mixture as they are configured: `[[mix]]`.

use serde::{Deserialize, Serialize};

use super::sources::{Element, SourceConfig};
use crate::error::{Error, Result};

/// One source of a mixture: an element of `[[mix]]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Element", into = "Element")]
pub struct MixConfig {
    /// How often episodes are of this source, relative to the others' weights.
    pub weight: f64,
    /// The source; a bias of it is a fraction of its own episodes of a batch.
    pub source: SourceConfig,
}

impl TryFrom<Element> for MixConfig {
    type Error = String;

    fn try_from(element: Element) -> Result<Self, String> {
        element.read().map(|(weight, source)| Self { weight, source })
    }
}

impl From<MixConfig> for Element {
    fn from(MixConfig { weight, source }: MixConfig) -> Self {
        Self::of(weight, source)
    }
}

impl MixConfig {
    /// Checks what the elements of a mixture must have in common, as far as it is known without their data.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub fn validate_all(mix: &[Self]) -> Result<()> {
        let Some(first) = mix.first() else { return Ok(()) };
        for (number, entry) in mix.iter().enumerate() {
            let field = |name: &str| format!("mix[{number}].{name}");
            if !(entry.weight > 0.0 && entry.weight.is_finite()) {
                let problem = format!("is {}", entry.weight);
                return Err(Error::config(field("weight"), problem, "give a positive number"));
            }
            let length = entry.source.episode_length();
            if length != first.source.episode_length() {
                let problem = format!("is {length}, that of mix[0] {}", first.source.episode_length());
                let fix = "give all sources episodes of one length";
                let name = format!("{}.episode_length", entry.source.table());
                return Err(Error::config(field(&name), problem, fix));
            }
        }
        if !mix.iter().map(|entry| entry.weight).sum::<f64>().is_finite() {
            return Err(Error::config("mix", "has weights without a finite sum", "give smaller weights"));
        }
        Ok(())
    }
}
