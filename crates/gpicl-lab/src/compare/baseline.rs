//! Learning algorithms that people wrote, on the episodes of the comparison: the seam to `eval::baselines`.

use gpicl::Result;
use gpicl::eval::baselines::{Baseline, BaselinesConfig};
use gpicl::eval::{LearningCurve, Sample, TestSet};

/// Whether there is a baseline called `name`.
pub(super) fn check(name: &str) -> Result<()> {
    Baseline::select(&[name]).map(|_| ())
}

/// The curves of baseline `name` on `sets`, and what was chosen; its numbers are chosen on `tuning`, meta-training
/// episodes.
pub(super) fn curves(
    name: &str,
    config: &BaselinesConfig,
    tuning: &TestSet,
    sets: &[&TestSet],
    sample: Sample,
    seed: u64,
) -> Result<(Vec<LearningCurve>, String)> {
    let (mut curves, mut settings) = (Vec::new(), Vec::new());
    for baseline in Baseline::select(&[name])? {
        let fitted = baseline.fit(config, tuning, seed)?;
        for set in sets {
            curves.push(fitted.curve(set, sample)?);
        }
        settings.push(fitted.settings);
    }
    Ok((curves, settings.join("; ")))
}
