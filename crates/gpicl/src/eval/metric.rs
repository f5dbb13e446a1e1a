//! What is measured as meta-training goes.

use serde::{Deserialize, Serialize};

use super::curve::CurveSummary;

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
        match self {
            Self::Train { step, loss, .. } => Some((*step, *loss)),
            Self::Eval { .. } => None,
        }
    }
}
