//! The paper's intervention against the plateau: a biased distribution of tasks.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Bias of the meta-training distribution: a fraction of each batch shares one label permutation. The
/// projections stay the tasks' own.
///
/// With labels that mean the same in every episode, the shared part can be learned without learning to learn;
/// what is learned there helps the rest of the batch over the plateau.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BiasConfig {
    /// Fraction of the episodes of a batch at the start.
    pub fraction: f64,
    /// Where the fraction goes; constant if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decay: Option<BiasDecay>,
}

/// A linear change of the biased fraction.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BiasDecay {
    /// Fraction at and after `end`.
    pub to: f64,
    /// Last step at the starting fraction.
    pub start: u64,
    /// First step at the final fraction.
    pub end: u64,
}

impl BiasConfig {
    /// The fraction at `step`, counted from 0.
    pub fn fraction_at(&self, step: u64) -> f64 {
        match self.decay {
            None => self.fraction,
            Some(BiasDecay { to, start, end }) => {
                let done = (step.saturating_sub(start) as f64 / (end - start) as f64).min(1.0);
                self.fraction + (to - self.fraction) * done
            }
        }
    }

    /// Checks the values.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field at fault.
    pub(super) fn validate(&self) -> Result<()> {
        let fractions = [("fraction", Some(self.fraction)), ("decay.to", self.decay.map(|decay| decay.to))];
        for (field, value) in fractions {
            if let Some(value) = value
                && !(0.0..=1.0).contains(&value)
            {
                let problem = format!("is {value}");
                return Err(Error::config(
                    format!("tasks.bias.{field}"),
                    problem,
                    "give a fraction in [0, 1]",
                ));
            }
        }
        match self.decay {
            Some(decay) if decay.end <= decay.start => Err(Error::config(
                "tasks.bias.decay.end",
                format!("{} is not after start = {}", decay.end, decay.start),
                "give a later step",
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fraction_follows_its_schedule() {
        let constant = BiasConfig { fraction: 0.25, decay: None };
        assert_eq!([0, 7, u64::MAX].map(|step| constant.fraction_at(step)), [0.25; 3]);
        let decay = Some(BiasDecay { to: 0.0, start: 10, end: 20 });
        let falling = BiasConfig { fraction: 0.5, decay };
        assert_eq!([0, 10, 15, 20, 99].map(|step| falling.fraction_at(step)), [0.5, 0.5, 0.25, 0.0, 0.0]);
    }

    #[test]
    fn values_out_of_range_are_errors_that_name_the_field() {
        let error = |fraction, decay| BiasConfig { fraction, decay }.validate().unwrap_err().to_string();
        for fraction in [-0.1, 1.5, f64::NAN, f64::INFINITY] {
            assert!(error(fraction, None).contains("`tasks.bias.fraction`"));
            assert!(
                error(0.5, Some(BiasDecay { to: fraction, start: 0, end: 1 }))
                    .contains("`tasks.bias.decay.to`")
            );
        }
        let message = error(0.5, Some(BiasDecay { to: 0.0, start: 5, end: 5 }));
        assert!(message.contains("`tasks.bias.decay.end`: 5 is not after start = 5"), "{message}");
        assert!(BiasConfig { fraction: 1.0, decay: None }.validate().is_ok());
    }
}
