//! Learning algorithms that people wrote, on the episodes of the comparison: the seam to `eval::baselines`.

use gpicl::eval::baselines::{Baseline, BaselinesConfig};
use gpicl::eval::{LearningCurve, Sample, TestSet};
use gpicl::{Error, Result};

/// The baseline called `name`.
///
/// # Errors
/// [`Error::Config`] if there is none, or the name is that of all.
pub(super) fn find(name: &str) -> Result<&'static Baseline> {
    match Baseline::select(&[name])?.as_slice() {
        [baseline] => Ok(baseline),
        several => {
            let problem = format!("`{name}` is {} baselines", several.len());
            Err(Error::config("baseline", problem, "give one name, and each its own [[methods]] table"))
        }
    }
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
    let fitted = find(name)?.fit(config, tuning, seed)?;
    let curves = sets.iter().map(|set| fitted.curve(set, sample)).collect::<Result<_>>()?;
    Ok((curves, fitted.settings))
}
