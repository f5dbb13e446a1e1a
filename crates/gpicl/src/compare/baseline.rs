//! Learning algorithms that people wrote, on the episodes of the comparison: the seam to `eval::baselines`.

use crate::error::{Error, Result};
use crate::eval::{LearningCurve, TestSet};

/// Whether there is a baseline called `name`.
pub(super) fn check(name: &str) -> Result<()> {
    Err(Error::config("baseline", format!("`{name}` is none"), "this build has no baselines"))
}

/// The curves of baseline `name` on `sets`; its numbers are chosen on `tuning`, meta-training episodes.
pub(super) fn curves(
    name: &str,
    _tuning: &TestSet,
    _sets: &[&TestSet],
    _episodes: usize,
    _seed: u64,
) -> Result<Vec<LearningCurve>> {
    check(name).map(|()| Vec::new())
}
