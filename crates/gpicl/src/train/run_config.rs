//! A run's complete configuration: the stages' configs in the order of the flow.

use burn::tensor::{DType, Device};
use gpicl_ops::Precision;
use serde::{Deserialize, Serialize};

use super::config::TrainConfig;
use crate::data::DataConfig;
use crate::device::DeviceKind;
use crate::error::{Error, Result};
use crate::eval::EvalConfig;
use crate::models::ModelConfig;
use crate::tasks::TasksConfig;

/// Everything that determines a run: `config.toml` of the run folder holds it whole and reruns it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunConfig {
    /// Seed of the initial weights and of the meta-training batches. The tasks have their own, `tasks.seed`.
    pub seed: u64,
    /// Where to compute.
    pub device: DeviceKind,
    /// Arithmetic of the matrix products; weights and optimiser state are always fp32.
    pub precision: Precision,
    /// The data set that the tasks are made of.
    pub data: DataConfig,
    /// The task distribution.
    pub tasks: TasksConfig,
    /// The architecture.
    pub model: ModelConfig,
    /// Meta-training.
    pub train: TrainConfig,
    /// Meta-testing.
    pub eval: EvalConfig,
}

impl RunConfig {
    /// The Burn device.
    ///
    /// # Errors
    /// Those of [`DeviceKind::device`], and [`Error::Config`] if the device cannot compute in the precision.
    pub fn device(&self) -> Result<Device> {
        let device = self.device.device()?;
        // The CPU has this project's own products in bfloat16.
        let own = self.device == DeviceKind::Cpu;
        if self.precision == Precision::Bf16 && !own && !device.supports_dtype(DType::BF16) {
            let problem = format!("the `{}` device has no bf16", self.device.name());
            return Err(Error::config("precision", problem, "choose precision=fp32"));
        }
        Ok(device)
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub fn validate(&self) -> Result<()> {
        self.model.validate()?;
        self.train.validate()?;
        self.eval.validate()
    }

    /// The first table in which a run's numbers would be others than under `earlier`, if any; when to log, to save and to
    /// meta-test may change, and where to compute.
    pub fn changed_since(&self, earlier: &Self) -> Option<&'static str> {
        let bookkeeping = |config: &Self| TrainConfig {
            log_every: 1,
            checkpoint_every: 1,
            keep_checkpoints: 2,
            ..config.train.clone()
        };
        [
            ("seed", self.seed != earlier.seed),
            ("precision", self.precision != earlier.precision),
            ("data", self.data != earlier.data),
            ("tasks", self.tasks != earlier.tasks),
            ("model", self.model != earlier.model),
            ("train", bookkeeping(self) != bookkeeping(earlier)),
        ]
        .into_iter()
        .find_map(|(table, changed)| changed.then_some(table))
    }

    /// The complete configuration as TOML; [`RunConfig::read`] gives the same value back.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("a RunConfig has a TOML form")
    }
}
