//! A run's complete configuration: the stages' configs in the order of the flow.

use std::path::{Path, PathBuf};

use burn::tensor::{DType, Device};
use gpicl_ops::Precision;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::data::DataConfig;
use crate::error::{Error, Result};
use crate::models::ModelConfig;
use crate::tasks::{Component, MixConfig, TasksConfig};
use crate::train::{EvalConfig, TrainConfig};

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

/// Where to compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// The pure-Rust CPU backend with this project's fused operations.
    #[default]
    Cpu,
    /// The first CUDA device; needs a build with `--features cuda`.
    Cuda,
    /// The default WGPU device; needs a build with `--features wgpu`.
    Wgpu,
}

impl DeviceKind {
    /// The Burn device.
    ///
    /// # Errors
    /// [`Error::Config`] if this build has no support for the device, or the machine has no such device.
    pub fn device(self) -> Result<Device> {
        match self {
            #[cfg(feature = "flex")]
            Self::Cpu => Ok(Device::flex()),
            #[cfg(feature = "cuda")]
            Self::Cuda => self.found(burn::tensor::DeviceType::Cuda, Device::cuda(0)),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => self.found(burn::tensor::DeviceType::Wgpu, Device::wgpu(Default::default())),
            #[allow(unreachable_patterns, reason = "reachable in builds that leave a backend out")]
            other => Err(Error::config(
                "device",
                format!("this build has no `{}` device", other.name()),
                "choose device=cpu, or build with `cargo build --release --package gpicl-cli --features cuda` (or wgpu, flex)",
            )),
        }
    }

    /// Its name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Wgpu => "wgpu",
        }
    }

    /// Refuses runs that can none of them begin here; where some can, the others come to the error each for itself.
    ///
    /// # Errors
    /// [`Error::Config`] if all `runs` ask for a device that is not there.
    pub(crate) fn check_any(runs: impl IntoIterator<Item = Self>) -> Result<()> {
        let mut missing: Vec<(Self, Error)> = Vec::new();
        for kind in runs {
            if missing.iter().any(|(other, _)| *other == kind) {
                continue;
            }
            match kind.device() {
                Ok(_) => return Ok(()),
                Err(error) => missing.push((kind, error)),
            }
        }
        missing.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
    }

    /// `device` if the machine has one of its kind: a backend panics once it computes on one that is missing.
    #[cfg(any(feature = "cuda", feature = "wgpu"))]
    fn found(self, kind: burn::tensor::DeviceType, device: Device) -> Result<Device> {
        if Device::enumerate(kind).is_empty() {
            let problem = format!("no `{}` device was found", self.name());
            return Err(Error::config("device", problem, "install its driver, or choose device=cpu"));
        }
        Ok(device)
    }
}

impl std::str::FromStr for DeviceKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = [Self::Cpu, Self::Cuda, Self::Wgpu].into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| Error::config("device", format!("is `{name}`"), "choose cpu, cuda or wgpu"))
    }
}

/// Checks the environment variables that choose kernels, which take what is best where they cannot be followed.
///
/// # Errors
/// [`Error::Argument`] naming the variable.
pub fn check_environment() -> Result<()> {
    gpicl_ops::cpu::dispatch::check_limit().map_err(|problem| Error::argument("GPICL_CPU", problem))?;
    match std::env::var("GPICL_OPS").as_deref() {
        Err(_) | Ok("native" | "reference") => Ok(()),
        Ok(ops) => Err(Error::argument("GPICL_OPS", format!("is `{ops}`; there are native and reference"))),
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
        self.eval.validate()
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
        MixConfig::validate_all(&self.mix)
    }

    /// Checks that the data set of every source is known and that every field that is set applies to it.
    ///
    /// # Errors
    /// As [`DataConfig::validate`].
    pub fn validate_data(&self) -> Result<()> {
        self.components().iter().try_for_each(|it| it.data.validate().map_err(|error| it.blame(error)))
    }

    /// The sources of the run's episodes: those of the mixture, or the one that `data` and `tasks` are.
    pub fn components(&self) -> Vec<Component<'_>> {
        if self.mix.is_empty() {
            return vec![Component {
                place: String::new(),
                weight: 1.0,
                data: &self.data,
                tasks: &self.tasks,
            }];
        }
        let entries = self.mix.iter().enumerate();
        let components = entries.map(|(number, MixConfig { weight, data, tasks })| Component {
            place: format!("mix[{number}]."),
            weight: *weight,
            data,
            tasks,
        });
        components.collect()
    }

    /// The names of the data sets that the run's tasks are made of: `glyphs`, or `glyphs+random` of a mixture.
    pub fn data_name(&self) -> String {
        self.components().iter().map(|it| it.data.name.as_str()).collect::<Vec<_>>().join("+")
    }

    /// The same under another seed: of weights, batches and every source's tasks.
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        if self.mix.is_empty() {
            self.tasks.seed = seed;
        }
        self.mix.iter_mut().for_each(|entry| entry.tasks.seed = seed);
        self
    }

    /// The same under seed 0, that of made data sets too: what the runs of one experiment have in common.
    pub fn without_seeds(&self) -> Self {
        let mut config = self.clone().with_seed(0);
        config.data.seed = 0;
        config.mix.iter_mut().for_each(|entry| entry.data.seed = 0);
        config
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
            ("mix", self.mix != earlier.mix),
            ("model", self.model != earlier.model),
            ("train", bookkeeping(self) != bookkeeping(earlier)),
        ]
        .into_iter()
        .find_map(|(table, changed)| changed.then_some(table))
    }

    /// Reads a complete or partial TOML file; absent fields take their defaults.
    ///
    /// # Errors
    /// [`Error::File`] naming the file and the place, [`Error::Config`] naming the field.
    pub fn read(path: &Path) -> Result<Self> {
        let mut layers = Layers::default();
        layers.file(path)?;
        layers.build()
    }

    /// The complete configuration as TOML; [`RunConfig::read`] gives the same value back.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("a RunConfig has a TOML form")
    }
}

/// Settings from several sources, each overriding the ones before: preset, file, `--set`.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    merged: Table,
    /// What each layer was made from: a file's name, or none for `--set` and tables; with its fields.
    sources: Vec<(Option<PathBuf>, Table)>,
}

impl Layers {
    /// Lays TOML text on top; `name` is what an error calls it.
    ///
    /// # Errors
    /// [`Error::File`] if `text` is no TOML.
    pub fn text(&mut self, name: impl AsRef<Path>, text: &str) -> Result<()> {
        let name = name.as_ref();
        self.layer(Some(name.to_path_buf()), parse_toml(name, text)?);
        Ok(())
    }

    /// Lays a TOML table on top.
    pub fn table(&mut self, table: Table) {
        self.layer(None, table);
    }

    fn layer(&mut self, source: Option<PathBuf>, table: Table) {
        self.sources.push((source, table.clone()));
        merge(&mut self.merged, table);
    }

    /// Lays a TOML file on top.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::File`].
    pub fn file(&mut self, path: &Path) -> Result<()> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        self.text(path, &text)
    }

    /// Lays one `a.b=c` on top. The value is TOML; what is no TOML is taken as a string, so that
    /// `data.name=mnist` needs no quotes. An element of an array is named by its number: `mix[1].weight=2`.
    ///
    /// # Errors
    /// [`Error::Config`] if there is no `=`, or no such element.
    pub fn set(&mut self, assignment: &str) -> Result<()> {
        let (name, value) = assignment.split_once('=').ok_or_else(|| {
            Error::config(assignment, "is no assignment", "write it as name=value, like train.lr=0.001")
        })?;
        let (name, value) = (name.trim(), value.trim());
        let value = format!("value = {value}")
            .parse::<Table>()
            .ok()
            .and_then(|mut table| table.remove("value"))
            .unwrap_or_else(|| Value::String(value.to_string()));
        if name.contains('[') {
            return self.set_element(name, value);
        }
        self.table(nested(name, value));
        Ok(())
    }

    /// Lays a value on an element of an array, as in `mix[1].weight`.
    fn set_element(&mut self, name: &str, value: Value) -> Result<()> {
        let (array, rest) = name.split_once('[').unwrap_or_default();
        let fail = |problem: String, fix: &str| Err(Error::config(name, problem, fix));
        let (number, rest) = match rest.split_once(']') {
            Some((number, rest)) if rest.is_empty() || rest.starts_with('.') => (number, rest),
            _ => return fail("has no `]`".into(), "name an element as in mix[1].weight"),
        };
        let mut parts = array.split('.');
        let top = self.merged.get_mut(parts.next().unwrap_or_default());
        let found = parts.fold(top, |value, part| value?.get_mut(part));
        let elements = found.and_then(Value::as_array_mut);
        let count = elements.as_ref().map_or(0, |elements| elements.len());
        let element =
            elements.zip(number.parse::<usize>().ok()).and_then(|(all, number)| all.get_mut(number));
        match (element, rest.strip_prefix('.')) {
            (None, _) => {
                let problem = format!("`{array}` has {count} elements so far, counted from 0");
                return fail(problem, "name one of them, or set the whole array");
            }
            (Some(element), None) => *element = value,
            (Some(Value::Table(table)), Some(rest)) => merge(table, nested(rest, value)),
            (Some(_), Some(_)) => return fail("is in an element that is no table".into(), "set it whole"),
        }
        // Errors about the array are now as much about this setting as about a file.
        let array = array.split('.').next().unwrap_or_default();
        let whole = self.merged.get(array).map(|value| (array.to_string(), value.clone()));
        self.sources.push((None, whole.into_iter().collect()));
        Ok(())
    }

    /// The layers' table, without what they leave out.
    pub(crate) fn into_table(self) -> Table {
        self.merged
    }

    /// Names the default architecture where there are sizes and no kind. Done before the next layer, one of another
    /// kind replaces them.
    pub(crate) fn name_model(&mut self) {
        name_model(&mut self.merged);
    }

    /// The configuration that the layers add up to, validated.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field at fault, or [`Error::File`] naming also the file it comes from.
    pub fn build(&self) -> Result<RunConfig> {
        self.deserialized().map_err(|error| self.blame(error))
    }

    /// `error` with the file that the field at fault comes from, where it comes from a file.
    pub fn blame(&self, error: Error) -> Error {
        let Error::Config { field, .. } = &error else { return error };
        let named = |(_, table): &&(_, Table)| depth(table, field) > 0;
        let best = self.sources.iter().filter(named).map(|(_, table)| depth(table, field)).max();
        let source = self.sources.iter().rev().find(|(_, table)| Some(depth(table, field)) == best);
        match source {
            Some((Some(path), _)) => error.in_file(path),
            _ => error,
        }
    }

    fn deserialized(&self) -> Result<RunConfig> {
        let mut table = self.merged.clone();
        // The enum is tagged by its kind; a config that only sets sizes means the default architecture.
        name_model(&mut table);
        let config: RunConfig = serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
            let field = error.path().to_string();
            let problem = error.into_inner().message().to_string();
            Error::config(field, problem, "see `gpicl presets --defaults` for every field and its default")
        })?;
        config.validate()?;
        Ok(config)
    }
}

/// TOML `text` as a table; `name` is what an error calls it, with the line at fault.
pub(crate) fn parse_toml(name: &Path, text: &str) -> Result<Table> {
    text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        Error::file_at(name, format!("line {line}"), error.message().to_string(), "mend the TOML")
    })
}

/// The table in which the dotted `name` has `value`.
fn nested(name: &str, value: Value) -> Table {
    let nest = |inner, part: &str| Value::Table([(part.to_string(), inner)].into_iter().collect());
    match name.rsplit('.').fold(value, nest) {
        Value::Table(table) => table,
        _ => unreachable!("a name has at least one part"),
    }
}

/// How many parts of the dotted name `field` lead into `table`.
fn depth(table: &Table, field: &str) -> usize {
    let (first, rest) = field.split_once('.').unwrap_or((field, ""));
    // `data[0]` is in `data`.
    match table.get(first.split('[').next().unwrap_or_default()) {
        Some(Value::Table(inner)) if !rest.is_empty() => 1 + depth(inner, rest),
        Some(_) => 1,
        None => 0,
    }
}

/// Names the default architecture where the table has sizes of a model and no kind.
fn name_model(table: &mut Table) {
    if let Some(Value::Table(model)) = table.get_mut("model") {
        model.entry("kind").or_insert_with(|| Value::String(ModelConfig::default().kind().to_string()));
    }
}

/// Lays `top` on `base`, table by table. A table that names another kind (a model, a data set) replaces
/// the one below whole: the fields of one kind mean nothing to another.
fn merge(base: &mut Table, top: Table) {
    for (key, value) in top {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) if same_kind(below, &above) => {
                merge(below, above)
            }
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

fn same_kind(below: &Table, above: &Table) -> bool {
    ["kind", "name"].iter().all(|tag| match (below.get(*tag), above.get(*tag)) {
        (Some(below), Some(above)) => below == above,
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(layers: &[&str], sets: &[&str]) -> Result<RunConfig> {
        let mut all = Layers::default();
        for (i, text) in layers.iter().enumerate() {
            all.text(format!("layer{i}.toml"), text)?;
        }
        for set in sets {
            all.set(set)?;
        }
        all.build()
    }

    #[test]
    fn later_layers_override_earlier_ones_field_by_field() {
        let config = built(
            &["[train]\nsteps = 5\nlr = 0.5", "[train]\nlr = 0.25"],
            &["train.batch=3", "data.name=random", "model.d_model=32"],
        )
        .unwrap();
        assert_eq!((config.train.steps, config.train.lr, config.train.batch), (5, 0.25, 3));
        assert_eq!(config.data.name, "random");
        let ModelConfig::Transformer(model) = config.model else { panic!("{:?}", config.model) };
        assert_eq!(model.d_model, 32);
    }

    #[test]
    fn another_data_set_replaces_the_table_below() {
        let config = built(&["[data]\nname = 'glyphs'\nresize = 14", "[data]\nname = 'mnist'"], &[]).unwrap();
        assert_eq!(config.data, DataConfig { name: "mnist".into(), ..DataConfig::default() });
    }

    #[test]
    fn an_error_names_the_field() {
        let unknown = built(&[], &["train.stepz=1"]).unwrap_err().to_string();
        assert!(unknown.contains("train") && unknown.contains("stepz"), "{unknown}");
        let kind = built(&[], &["train.lr=fast"]).unwrap_err().to_string();
        assert!(kind.contains("train.lr"), "{kind}");
        let range = built(&[], &["train.batch=0"]).unwrap_err().to_string();
        assert!(range.contains("train.batch"), "{range}");
        let heads = built(&[], &["model.heads=7"]).unwrap_err().to_string();
        assert!(heads.contains("model.heads"), "{heads}");
        let broken = built(&["a = ["], &[]).unwrap_err().to_string();
        assert!(broken.contains("layer0.toml") && broken.contains("line 1"), "{broken}");
        assert!(built(&[], &["train"]).is_err());
    }

    #[test]
    fn an_error_names_the_file_that_the_field_comes_from() {
        let error = |layers: &[&str], sets: &[&str]| built(layers, sets).unwrap_err().to_string();
        let from_file = error(&["[train]\nsteps = 5", "[train]\nlr = -1", "[train]\nbatch = 2"], &[]);
        assert!(from_file.starts_with("layer1.toml: field `train.lr`"), "{from_file}");
        let unknown = error(&["[train]\nstepz = 5", "[data]\nname = 'random'"], &[]);
        assert!(unknown.starts_with("layer0.toml: field `train.stepz`"), "{unknown}");
        let set = error(&["[train]\nlr = 0.1"], &["train.lr=-1"]);
        assert!(set.starts_with("config field `train.lr`"), "{set}");
    }

    #[test]
    fn the_written_form_reads_back_equal() {
        let config =
            built(&[], &["tasks.count=unlimited", "train.clip=0.1", "train.schedule={cosine={last=0.1}}"]);
        let config = config.unwrap();
        assert_eq!(built(&[&config.to_toml()], &[]).unwrap(), config);
    }
}
