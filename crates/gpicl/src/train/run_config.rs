//! A run's complete configuration: the stages' configs in the order of the flow.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use burn::tensor::{DType, Device};
use gpicl_ops::Precision;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::config::TrainConfig;
use crate::data::{DataConfig, Dataset, Library, Split};
use crate::device::DeviceKind;
use crate::error::{Error, Result};
use crate::eval::{EvalConfig, TasksChange};
use crate::models::ModelConfig;
use crate::tasks::{Component, MixConfig, ProjectedConfig, SourceConfig, TasksConfig};

/// Everything that determines a run: `config.toml` of the run folder holds it whole and reruns it.
///
/// Episodes come from one source, `data` with `tasks`, or from several, `mix`. A mixture is written without `data` and
/// `tasks`, which stay at their defaults there.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
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
    /// The sources of a mixture; empty where there is one source.
    pub mix: Vec<MixConfig>,
    /// The architecture.
    pub model: ModelConfig,
    /// Meta-training.
    pub train: TrainConfig,
    /// Meta-testing.
    pub eval: EvalConfig,
}

/// A field of a configuration that is another one.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Dotted name, as `--set` takes it.
    pub field: String,
    /// What it was, as TOML; none if it was absent.
    pub earlier: Option<String>,
    /// What it is.
    pub now: Option<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "absent".into());
        write!(f, "`{}`: is {}, was {}", self.field, value(&self.now), value(&self.earlier))
    }
}

/// The first field, in the order of their names, in which two tables differ.
fn first_change(place: &str, earlier: &Table, now: &Table) -> Option<Change> {
    let names: BTreeSet<&String> = earlier.keys().chain(now.keys()).collect();
    names.into_iter().find_map(|name| change(format!("{place}{name}"), earlier.get(name), now.get(name)))
}

fn change(field: String, earlier: Option<&Value>, now: Option<&Value>) -> Option<Change> {
    match (earlier, now) {
        (earlier, now) if earlier == now => None,
        (Some(Value::Table(earlier)), Some(Value::Table(now))) => {
            first_change(&format!("{field}."), earlier, now)
        }
        (Some(Value::Array(earlier)), Some(Value::Array(now))) if earlier.len() == now.len() => {
            let elements = earlier.iter().zip(now).enumerate();
            elements
                .into_iter()
                .find_map(|(i, (earlier, now))| change(format!("{field}[{i}]"), Some(earlier), Some(now)))
        }
        (earlier, now) => {
            let text = |value: Option<&Value>| value.map(Value::to_string);
            Some(Change { field, earlier: text(earlier), now: text(now) })
        }
    }
}

impl Serialize for RunConfig {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Written<'a> {
            seed: u64,
            device: DeviceKind,
            precision: Precision,
            #[serde(skip_serializing_if = "Option::is_none")]
            data: Option<&'a DataConfig>,
            #[serde(skip_serializing_if = "Option::is_none")]
            tasks: Option<&'a TasksConfig>,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            mix: &'a [MixConfig],
            model: &'a ModelConfig,
            train: &'a TrainConfig,
            eval: &'a EvalConfig,
        }
        let Self { seed, device, precision, data, tasks, mix, model, train, eval } = self;
        let alone = mix.is_empty();
        let (data, tasks) = (alone.then_some(data), alone.then_some(tasks));
        let (seed, device, precision) = (*seed, *device, *precision);
        Written { seed, device, precision, data, tasks, mix, model, train, eval }.serialize(serializer)
    }
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
        self.validate_mix()?;
        self.model.validate()?;
        self.train.validate()?;
        self.eval.validate()?;
        self.validate_changes()
    }

    /// Other tasks are of the first source, and no longer than there are positions.
    fn validate_changes(&self) -> Result<()> {
        let Some(first) = self.eval.tasks.first() else { return Ok(()) };
        let components = self.components();
        if components[0].source.data().is_none() {
            let problem =
                format!("is {{ {first} }}, and the run's first source makes its tasks without a data set");
            return Err(Error::config("eval.tasks", problem, "leave it out"));
        }
        let learned = components[0].source.episode_length();
        let longer = |change: &TasksChange| change.episode_length.is_some_and(|length| length > learned);
        match self.eval.tasks.iter().position(longer) {
            Some(number) if self.model.has_positions() => {
                let field = format!("eval.tasks[{number}].episode_length");
                let place = &components[0].place;
                let problem = format!(
                    "is more than {place}tasks.episode_length = {learned}, and positions are learned"
                );
                let fix = "set model.positions = false; a Transformer can have model.rotary = true instead";
                Err(Error::config(field, problem, fix))
            }
            _ => Ok(()),
        }
    }

    /// The other tasks to meta-test on, and the examples of `split` that they are made of; `None` if there are none.
    ///
    /// # Errors
    /// As [`Library::split`].
    pub fn changed_tasks(
        &self,
        library: &Library,
        split: Split,
    ) -> Result<Option<(Vec<TasksChange>, Arc<Dataset>)>> {
        match self.components()[0].source.data() {
            Some(data) if !self.eval.tasks.is_empty() => {
                Ok(Some((self.eval.tasks.clone(), library.split(data, split)?)))
            }
            _ => Ok(None),
        }
    }

    fn validate_mix(&self) -> Result<()> {
        let beside =
            [("data", self.data != DataConfig::default()), ("tasks", self.tasks != TasksConfig::default())];
        for (table, set) in beside {
            if set && !self.mix.is_empty() {
                let problem = "is set beside [[mix]], whose sources each have their own";
                let fix = format!("move it to [mix.{table}] of a source, or leave [[mix]] out");
                return Err(Error::config(table, problem, fix));
            }
        }
        MixConfig::validate_all(&self.mix)?;
        self.validate_missing()
    }

    /// One missing cell makes all numbers of a model NaN that does not know of such.
    fn validate_missing(&self) -> Result<()> {
        let components = self.components();
        match components.iter().find(|it| it.source.missing()) {
            Some(it) if !self.model.reads_tables() => {
                let problem =
                    format!("makes cells that the architecture `{}` cannot read", self.model.kind());
                let fix = "set it to false, or choose model.kind=cells";
                Err(it.blame(Error::config(format!("{}.missing", it.source.table()), problem, fix)))
            }
            _ => Ok(()),
        }
    }

    /// Checks of every source what is known without its data: that a data set is one that there is, and that every field
    /// that is set applies to it.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub fn validate_sources(&self) -> Result<()> {
        self.components().iter().try_for_each(|it| it.source.validate().map_err(|error| it.blame(error)))
    }

    /// The sources of the run's episodes: those of the mixture, or the one that `data` and `tasks` are.
    pub fn components(&self) -> Vec<Component> {
        if self.mix.is_empty() {
            let (data, tasks) = (self.data.clone(), self.tasks.clone());
            let source = SourceConfig::Projected(ProjectedConfig { data, tasks });
            return vec![Component { place: String::new(), weight: 1.0, source }];
        }
        let entries = self.mix.iter().enumerate();
        let components = entries.map(|(number, MixConfig { weight, source })| Component {
            place: format!("mix[{number}]."),
            weight: *weight,
            source: source.clone(),
        });
        components.collect()
    }

    /// The names of the run's sources: `glyphs`, or `glyphs+random` of a mixture.
    pub fn source_name(&self) -> String {
        self.components().iter().map(|it| it.source.name()).collect::<Vec<_>>().join("+")
    }

    /// The same with nothing left to the data, as a run's `config.toml` has it.
    pub fn completed(mut self) -> Self {
        if self.mix.is_empty() {
            self.data.complete();
        }
        self.mix.iter_mut().for_each(|entry| entry.source.complete());
        self.eval.data.iter_mut().for_each(DataConfig::complete);
        self
    }

    /// The same under another seed: of weights, batches, every source's tasks, made data sets and meta-test episodes. A
    /// `data.seed` or `eval.seed` that is given stays.
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self.eval.set_seed(seed);
        if self.mix.is_empty() {
            self.tasks.seed = seed;
            self.data.set_seed(seed);
        }
        self.mix.iter_mut().for_each(|entry| entry.source.set_seed(seed));
        self
    }

    /// The same under seed 0, that of made data sets too: what the runs of one experiment have in common.
    pub fn without_seeds(&self) -> Self {
        let mut config = self.clone().with_seed(0);
        (config.data.seed, config.eval.seed) = (None, None);
        config.eval.data.iter_mut().for_each(|data| data.seed = None);
        config.mix.iter_mut().for_each(|entry| entry.source.clear_seeds());
        config
    }

    /// The first field by which the numbers of the first `done` steps would be others than under `earlier`, if any; when to
    /// log, to save and to meta-test may change, and where to compute. So may the number of steps and the learning rates of
    /// those to come.
    pub fn changed_since(&self, earlier: &Self, done: u64) -> Option<Change> {
        let relevant = |config: &Self| {
            let train = &config.train;
            let bookkeeping =
                TrainConfig { log_every: 1, checkpoint_every: 1, keep_checkpoints: 2, ..train.clone() };
            let mut train = bookkeeping;
            if done <= train.steps && train.same_rates(&earlier.train, done) {
                let TrainConfig { steps, lr, warmup, schedule, .. } = earlier.train;
                train = TrainConfig { steps, lr, warmup, schedule, ..train };
            }
            let (device, eval) = (DeviceKind::default(), EvalConfig::default());
            Self { train, device, eval, ..config.clone() }
        };
        relevant(self).unlike(&relevant(earlier))
    }

    /// The first field that is another one than in `earlier`, if any.
    pub fn unlike(&self, earlier: &Self) -> Option<Change> {
        let [earlier, now] =
            [earlier, self].map(|config| Table::try_from(config).expect("a RunConfig has a TOML form"));
        first_change("", &earlier, &now)
    }

    /// The complete configuration as TOML; [`RunConfig::read`] gives the same value back.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("a RunConfig has a TOML form")
    }
}
