//! Learning algorithms that people wrote, on the episodes of the comparison: the seam to `eval::baselines`.

use crate::error::Result;
use crate::eval::baselines::{Baseline, BaselinesConfig};
use crate::eval::{LearningCurve, TestSet};

/// Whether there is a baseline called `name`.
pub(super) fn check(name: &str) -> Result<()> {
    Baseline::select(&[name]).map(|_| ())
}

/// The curves of baseline `name` on `sets`; its numbers are chosen on `tuning`, meta-training episodes.
pub(super) fn curves(
    name: &str,
    tuning: &TestSet,
    sets: &[&TestSet],
    episodes: usize,
    seed: u64,
) -> Result<Vec<LearningCurve>> {
    let mut curves = Vec::new();
    for baseline in Baseline::select(&[name])? {
        let fitted = baseline.fit(&BaselinesConfig::default(), tuning, seed)?;
        for set in sets {
            curves.push(fitted.curve(set, episodes)?);
        }
    }
    Ok(curves)
}
