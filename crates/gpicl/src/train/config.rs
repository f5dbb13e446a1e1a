//! How long and how to meta-train: the `[train]` table of a run.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::schedule::Schedule;
use crate::error::{Error, Result};
use crate::models::Dims;

/// How parameters move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// By AdamW (the paper: Adam).
    #[default]
    AdamW,
    /// Hidden matrices by orthogonalised momentum, the rest by AdamW.
    Muon,
}

/// Optimiser, length and bookkeeping of meta-training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Meta-training steps.
    pub steps: u64,
    /// Episodes (one task each) in a step.
    pub batch: usize,
    /// Examples at the end of an episode that are predicted, from a context of others before them: how many these are is
    /// drawn for every step, small numbers as often as large ones. 0: all examples are predicted, from those before each.
    pub queries: usize,
    /// Weights to begin with, in place of random ones: a checkpoint or a run, whose model has the same `[model]`, but that fewer features
    /// may share a token there (`model.together`); or `built-in`, the learner for tables that comes with the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<PathBuf>,
    /// How parameters move.
    pub optimizer: OptimizerKind,
    /// Peak learning rate, of AdamW and of Muon.
    pub lr: f64,
    /// Steps over which the learning rate rises linearly from 0.
    pub warmup: u64,
    /// What the learning rate does after the warm-up.
    pub schedule: Schedule,
    /// Decay of Muon's momentum.
    pub momentum: f64,
    /// Decay of AdamW's first and second moment.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decoupled weight decay, on matrices only.
    pub weight_decay: f64,
    /// Largest global norm of the gradient; 0 switches clipping off.
    pub clip: f64,
    /// Decay of the running average of the weights, which is what is meta-tested and saved to be used; 0 switches it off.
    pub average: f64,
    /// Steps between two training lines in `metrics.jsonl`.
    pub log_every: u64,
    /// Steps between two checkpoints; the last step always gets one.
    pub checkpoint_every: u64,
    /// Checkpoints kept, newest first; at least 2, so that a torn one has a predecessor.
    pub keep_checkpoints: usize,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            steps: 1000,
            batch: 16,
            queries: 0,
            start: None,
            optimizer: OptimizerKind::AdamW,
            lr: 1e-3,
            warmup: 100,
            schedule: Schedule::Constant,
            momentum: 0.95,
            betas: [0.9, 0.999],
            eps: 1e-8,
            weight_decay: 0.0,
            clip: 1.0,
            average: 0.0,
            log_every: 10,
            checkpoint_every: 200,
            keep_checkpoints: 3,
        }
    }
}

impl TrainConfig {
    /// The learning rate of `step`, counted from 1.
    pub fn lr_at(&self, step: u64) -> f64 {
        if step <= self.warmup {
            return self.lr * step as f64 / self.warmup as f64;
        }
        let span = self.schedule.end(self.steps).saturating_sub(self.warmup).max(1) as f64;
        let done = ((step - self.warmup) as f64 / span).min(1.0);
        self.lr * self.schedule.factor(done)
    }

    /// Whether the first `steps` have the learning rates that they have under `other`.
    pub fn same_rates(&self, other: &Self, steps: u64) -> bool {
        (1..=steps).all(|step| self.lr_at(step) == other.lr_at(step))
    }

    /// Checks that an episode of `length` has a context before the examples that are predicted.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub fn validate_split(&self, length: usize) -> Result<()> {
        if self.queries >= length {
            let problem = format!("is {}, of episodes of {length} examples", self.queries);
            return Err(Error::config(
                "train.queries",
                problem,
                "give fewer, which leaves some for the context",
            ));
        }
        Ok(())
    }

    /// Checks that a batch of episodes is not too large for a machine.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub fn validate_batch(&self, dims: Dims) -> Result<()> {
        /// Most numbers of its inputs: what is computed of them takes many times as much.
        const MOST: usize = 1 << 30;
        let Dims { input_dim, episode_length: length, .. } = dims;
        let numbers = self.batch.saturating_mul(length).saturating_mul(input_dim);
        if numbers <= MOST {
            return Ok(());
        }
        let problem = format!(
            "is {}, of episodes of {length} examples of {input_dim} numbers: too many for a machine",
            self.batch
        );
        let fix = match MOST / length.saturating_mul(input_dim) {
            0 => "give shorter episodes".into(),
            most => format!("give at most {most}, or shorter episodes"),
        };
        Err(Error::config("train.batch", problem, fix))
    }

    /// Checks every number.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub fn validate(&self) -> Result<()> {
        let at_least = |field: &str, value: u64, least: u64| {
            if value < least {
                let problem = format!("is {value}");
                return Err(Error::config(
                    format!("train.{field}"),
                    problem,
                    format!("give at least {least}"),
                ));
            }
            Ok(())
        };
        at_least("steps", self.steps, 1)?;
        at_least("batch", self.batch as u64, 1)?;
        at_least("log_every", self.log_every, 1)?;
        at_least("checkpoint_every", self.checkpoint_every, 1)?;
        at_least("keep_checkpoints", self.keep_checkpoints as u64, 2)?;
        let range = |field: &str, value: f64, ok: bool, fix: &str| {
            if ok {
                return Ok(());
            }
            Err(Error::config(format!("train.{field}"), format!("is {value}"), fix))
        };
        range("lr", self.lr, self.lr.is_finite() && self.lr > 0.0, "give a positive number")?;
        range("eps", self.eps, self.eps.is_finite() && self.eps > 0.0, "give a positive number")?;
        range("clip", self.clip, self.clip.is_finite() && self.clip >= 0.0, "give 0 (off) or more")?;
        let decay = self.weight_decay;
        range("weight_decay", decay, decay.is_finite() && decay >= 0.0, "give 0 (off) or more")?;
        for (field, value) in [("momentum", self.momentum), ("average", self.average)] {
            range(field, value, (0.0..1.0).contains(&value), "give a number in [0, 1)")?;
        }
        for beta in self.betas {
            range("betas", beta, (0.0..1.0).contains(&beta), "give two numbers in [0, 1)")?;
        }
        self.schedule.validate()
    }
}
