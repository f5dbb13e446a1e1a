//! Baselines: learners that people wrote, judged on the same episodes as every learner that was meta-trained.
//!
//! To use one (`gpicl eval --baselines` and `gpicl compare` do nothing else):
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use gpicl::eval::{TestSet, baselines::{Baseline, BaselinesConfig}};
//! # use gpicl::{data::Dataset, models::Dims, tasks::TasksConfig};
//! # fn f(tasks: &TasksConfig, dims: Dims, train: &Arc<Dataset>, test: &Arc<Dataset>) -> gpicl::Result<()> {
//! let tuning = TestSet::tuning(tasks, 0, dims, train)?; // meta-training episodes, never the test's
//! let set = TestSet::unseen(tasks, 0, dims, test)?;
//! for baseline in Baseline::select(&["knn", "ridge"])? { // or "all"
//!     let fitted = baseline.fit(&BaselinesConfig::default(), &tuning, 0)?;
//!     let curve = fitted.curve(&set, 256)?; // curve.learner is Some("knn")
//!     println!("{} ({}): {}", fitted.name, fitted.settings, curve.summary().last.percent());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A new baseline is one file with a [`Learner`] and a `fit` function, plus one line in [`BASELINES`].
//!
//! All numbers of a baseline that somebody has to choose are chosen on the meta-training distribution (seen
//! tasks, training split): the candidate with the best accuracy over the last ten positions of
//! [`BaselinesConfig::tune_episodes`] episodes. The episodes of a test are only ever learned from in order,
//! as every other learner does. A curve is a pure function of the configuration and the seed.

use std::fmt::Debug;

use serde::{Deserialize, Serialize};

use super::{LearningCurve, TestSet};
use crate::error::{Error, Result};

/// One episode as a baseline gets it.
#[derive(Clone, Copy, Debug)]
pub struct Examples<'a> {
    /// `x'`, `[N, input_dim]` row-major.
    pub inputs: &'a [f32],
    /// `y'`, `[N]`.
    pub labels: &'a [u32],
    /// Length of an input.
    pub input_dim: usize,
    /// Label slots.
    pub classes: usize,
    /// Number of the episode in its set: keys what a learner draws.
    pub index: u64,
}

/// A learning algorithm with every number chosen.
pub trait Learner: Debug + Send + Sync {
    /// Fills `logits` `[N, classes]`: row `j` is the prediction of `labels[j]` from `inputs[j]` and the examples
    /// before `j`. The first row may be anything finite that does not depend on the episode's labels.
    fn logits(&self, episode: Examples<'_>, logits: &mut [f32]);
}

/// What the baselines cost: the `[baselines]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BaselinesConfig {
    /// Meta-training episodes on which the candidates of a baseline are compared.
    pub tune_episodes: usize,
}

impl Default for BaselinesConfig {
    fn default() -> Self {
        Self { tune_episodes: 64 }
    }
}

/// A kind of baseline.
#[derive(Clone, Copy, Debug)]
pub struct Baseline {
    /// Name, as `--baselines` takes it, and as tables and legends show it.
    pub name: &'static str,
    /// What it is, in a line.
    pub summary: &'static str,
}

/// All baselines.
pub const BASELINES: &[Baseline] = &[
    Baseline { name: "knn", summary: "" },
    Baseline { name: "nearest-mean", summary: "" },
    Baseline { name: "ridge", summary: "" },
    Baseline { name: "logistic", summary: "" },
    Baseline { name: "sgd-one-pass", summary: "" },
    Baseline { name: "sgd-converged", summary: "" },
    Baseline { name: "maml", summary: "" },
];

impl Baseline {
    /// The baselines called `names`, in the order of [`BASELINES`]; `all` means every one.
    ///
    /// # Errors
    /// [`Error::Config`] that lists the names there are.
    pub fn select<S: AsRef<str>>(names: &[S]) -> Result<Vec<&'static Self>> {
        todo!()
    }

    /// Chooses the baseline's numbers (and meta-trains it, if it is meta-trained) on `tuning`, which
    /// [`TestSet::tuning`] makes. A pure function of its arguments.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field of `config` that cannot be used.
    pub fn fit(&self, config: &BaselinesConfig, tuning: &TestSet, seed: u64) -> Result<Fitted> {
        todo!()
    }
}

/// A baseline ready to be judged.
#[derive(Debug)]
pub struct Fitted {
    /// The baseline's name.
    pub name: &'static str,
    /// What was chosen, for people: `k = 3`.
    pub settings: String,
    learner: Box<dyn Learner>,
}

impl Fitted {
    /// The learning curve over the first `episodes` episodes of `set`, the ones that [`super::meta_test`] takes.
    /// Its `label` is the set's, its `learner` the baseline's name.
    ///
    /// # Errors
    /// [`Error::Argument`] if `episodes` is too small for an interval.
    pub fn curve(&self, set: &TestSet, episodes: usize) -> Result<LearningCurve> {
        todo!()
    }
}
