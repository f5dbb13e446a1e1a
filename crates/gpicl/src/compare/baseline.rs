//! Learning algorithms that people wrote, on the episodes of the comparison.

use std::sync::Arc;

use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::eval::{LearningCurve, TestSet};
use crate::models::Dims;
use crate::tasks::TasksConfig;

/// What a baseline may be tuned on: the meta-training distribution.
pub(super) struct Tuning<'a> {
    pub tasks: &'a TasksConfig,
    pub dims: Dims,
    pub train: &'a Arc<Dataset>,
}

/// Whether there is a baseline called `name`.
pub(super) fn check(name: &str) -> Result<()> {
    Err(Error::config("baseline", format!("`{name}` is none"), "this build has no baselines"))
}

/// The curves of `name` on `sets`, tuned and drawn under `seed`.
pub(super) fn curves(
    name: &str,
    _tuning: &Tuning<'_>,
    _sets: &[&TestSet],
    _episodes: usize,
    _seed: u64,
) -> Result<Vec<LearningCurve>> {
    check(name).map(|()| Vec::new())
}
