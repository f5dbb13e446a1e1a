//! What must hold for a run to go on, and how it is prolonged.

use super::checkpoint::CheckpointInfo;
use super::run::RunDir;
use super::run_config::RunConfig;
use crate::error::{Error, Result};
use crate::provenance::Provenance;

/// How a run goes on.
#[derive(Clone, Copy, Debug, Default)]
pub struct ResumeOptions {
    /// With data that are not those it began with: then this is only said.
    pub allow_other_data: bool,
    /// To this many steps in all, which `config.toml` has from then on; absent, to those that it has.
    pub steps: Option<u64>,
}

impl ResumeOptions {
    /// The configuration of a run that has `done` steps, with the number of steps that is asked for.
    pub(super) fn prolonged(&self, run: &RunDir, config: &RunConfig, done: u64) -> Result<RunConfig> {
        let Some(steps) = self.steps.filter(|&steps| steps != config.train.steps) else {
            return Ok(config.clone());
        };
        if steps <= done {
            let fix = format!("give more than {done}");
            return Err(Error::config("--steps", format!("is {steps}, and {done} steps are done"), fix));
        }
        let mut longer = config.clone();
        longer.train.steps = steps;
        longer.validate()?;
        if !config.train.same_rates(&longer.train, done) {
            let schedule = toml::Value::try_from(config.train.schedule).expect("a schedule has a TOML form");
            let problem = format!(
                "is {schedule} over {} steps: over {steps}, the {done} steps that are done would have had other rates",
                config.train.steps
            );
            let fix = format!(
                "state there when it ends, by steps = {} beside `last`, or start another run",
                config.train.steps
            );
            return Err(Error::file_at(run.config_path(), "field `train.schedule`", problem, fix));
        }
        Ok(longer)
    }
}

/// Refuses a configuration under which the steps behind a checkpoint would have been others.
pub(super) fn check_config(run: &RunDir, config: &RunConfig, info: &CheckpointInfo) -> Result<()> {
    let Some(change) = config.changed_since(&info.config, info.step) else { return Ok(()) };
    let problem = format!("field {change} when the run's checkpoint was made");
    Err(Error::file(run.config_path(), problem, "undo the change, or start another run with --config"))
}

/// Says that a run was begun by another program, or on another kind of processor.
pub(super) fn warn_of_other_program(run: &RunDir, theirs: &Provenance) {
    let ours = Provenance::current();
    if ours != *theirs {
        tracing::warn!(
            "{}: its checkpoint is by {theirs}, it goes on with {ours}; the numbers may not be those of a run of either alone",
            run.path().display(),
        );
    }
}

/// Keeps the results of a run's first `steps` under another name, as it goes on to more.
pub(super) fn set_results_aside(run: &RunDir, steps: u64) -> Result<()> {
    let results = run.results_path();
    if results.exists() {
        let kept = results.with_file_name(format!("results-step-{steps:08}.json"));
        std::fs::rename(&results, kept).map_err(Error::io("rename", &results))?;
    }
    Ok(())
}
