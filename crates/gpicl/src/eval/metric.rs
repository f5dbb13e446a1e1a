//! What is measured as meta-training goes.

use serde::{Deserialize, Serialize};

use super::curve::CurveSummary;

/// Episodes of a meta-training batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of them.
    All,
    /// Those with the bias ([`crate::tasks::BiasConfig`]).
    Biased,
    /// Those without, of a run that has a bias.
    Unbiased,
}

/// One line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Metric {
    /// The meta-training batch of one step.
    Train {
        /// Steps done, this one included.
        step: u64,
        /// Mean cross-entropy in nats.
        loss: f64,
        /// That of the biased episodes alone, where the batch has some.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        loss_biased: Option<f64>,
        /// In a run with a bias, that of the others, where the batch has some: of all sources, also of those without a bias.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        loss_unbiased: Option<f64>,
        /// Accuracy at position 0, before any example.
        accuracy_first: f64,
        /// Accuracy at the last position.
        accuracy_last: f64,
        /// Learning rate of the step.
        lr: f64,
        /// Global gradient norm before clipping.
        grad_norm: f64,
    },
    /// A meta-test during meta-training.
    Eval {
        /// Steps done.
        step: u64,
        /// Name of the set: tasks and data.
        set: String,
        /// Its learning curve in short.
        #[serde(flatten)]
        summary: CurveSummary,
    },
}

impl Metric {
    /// Step and mean cross-entropy in nats, of a training line.
    pub fn loss(&self) -> Option<(u64, f64)> {
        self.loss_of(Part::All)
    }

    /// The same of a part of the batch, if it has episodes.
    pub fn loss_of(&self, part: Part) -> Option<(u64, f64)> {
        let Self::Train { step, loss, loss_biased, loss_unbiased, .. } = self else { return None };
        let loss = match part {
            Part::All => Some(*loss),
            Part::Biased => *loss_biased,
            Part::Unbiased => *loss_unbiased,
        };
        Some((*step, loss?))
    }
}
