//! The course of the learning rate after its warm-up.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What the learning rate does after the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Schedule {
    /// Stays at the peak (the paper).
    #[default]
    Constant,
    /// Falls on a line to `last` times the peak.
    Linear {
        /// Fraction of the peak that is left at the end.
        last: f64,
        /// Step at which it has fallen, and from which it stays; absent, the run's last one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        steps: Option<u64>,
    },
    /// Falls on a half cosine to `last` times the peak.
    Cosine {
        /// Fraction of the peak that is left at the end.
        last: f64,
        /// Step at which it has fallen, and from which it stays; absent, the run's last one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        steps: Option<u64>,
    },
}

impl Schedule {
    /// The fraction of the peak when the part `done` of the steps after the warm-up is over.
    pub(super) fn factor(self, done: f64) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Linear { last, .. } => 1.0 - (1.0 - last) * done,
            Self::Cosine { last, .. } => {
                last + (1.0 - last) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
            }
        }
    }

    /// The step at which it has fallen, of a run of `all` steps.
    pub(super) fn end(self, all: u64) -> u64 {
        match self {
            Self::Constant => all,
            Self::Linear { steps, .. } | Self::Cosine { steps, .. } => steps.unwrap_or(all),
        }
    }

    pub(super) fn validate(self) -> Result<()> {
        match self {
            Self::Linear { last, .. } | Self::Cosine { last, .. } if !(0.0..=1.0).contains(&last) => {
                Err(Error::config("train.schedule", format!("last = {last}"), "give a fraction in [0, 1]"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::TrainConfig;

    fn config(schedule: Schedule) -> TrainConfig {
        TrainConfig { steps: 100, warmup: 10, lr: 2.0, schedule, ..TrainConfig::default() }
    }

    #[test]
    fn warms_up_linearly_then_follows_the_schedule_to_its_last_fraction() {
        let constant = config(Schedule::Constant);
        assert_eq!(constant.lr_at(1), 0.2);
        assert_eq!(constant.lr_at(10), 2.0);
        assert_eq!(constant.lr_at(100), 2.0);
        let linear = config(Schedule::Linear { last: 0.1, steps: None });
        assert!((linear.lr_at(55) - 2.0 * (1.0 - 0.9 * 0.5)).abs() < 1e-12);
        assert!((linear.lr_at(100) - 0.2).abs() < 1e-12);
        let cosine = config(Schedule::Cosine { last: 0.0, steps: None });
        assert!((cosine.lr_at(55) - 1.0).abs() < 1e-12);
        assert!(cosine.lr_at(100).abs() < 1e-12);
    }

    #[test]
    fn a_schedule_of_its_own_length_does_not_depend_on_the_runs() {
        let stated = config(Schedule::Cosine { last: 0.2, steps: Some(60) });
        let longer = TrainConfig { steps: 500, ..stated.clone() };
        assert!(stated.same_rates(&longer, 100));
        assert!((stated.lr_at(60) - 0.4).abs() < 1e-12 && (stated.lr_at(99) - 0.4).abs() < 1e-12);
        let whole = config(Schedule::Cosine { last: 0.2, steps: None });
        assert!(!whole.same_rates(&TrainConfig { steps: 500, ..whole.clone() }, 11));
        assert!(
            whole.same_rates(&TrainConfig { steps: 500, ..whole.clone() }, 10),
            "the warm-up is the same"
        );
    }

    #[test]
    fn no_warm_up_starts_at_the_peak() {
        let config = TrainConfig { warmup: 0, ..config(Schedule::Constant) };
        assert_eq!(config.lr_at(1), 2.0);
    }
}
