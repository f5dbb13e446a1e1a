//! Checkpoints: weights and optimiser state as safetensors, written atomically, checked when read, rotated.
//!
//! Step 400 is two files. `step-00000400.state.safetensors` (optimiser, position in the run) is written
//! first; `step-00000400.safetensors` (weights, and all that is needed to use them) last, so that a weights
//! file that exists has its state beside it. Each carries the SHA-256 of its tensors.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::RunConfig;
use super::averaging::Average;
use super::optimizer::{Moments, Optimizer};
use super::weights::{ParamPath, Weight, weights};
use crate::data::{Fingerprints, hex};
use crate::device::DeviceKind;
use crate::error::{Error, Result};
use crate::fs::{create_folder, sync_name, write_atomic};
use crate::models::{Dims, Model};
use crate::provenance::Provenance;
use crate::tasks::host;

/// Where the metadata stands in a safetensors header: one key, so that the header's bytes are reproducible.
const METADATA_KEY: &str = "gpicl";

/// What a weights file says about itself; enough to rebuild the model and to say where it came from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CheckpointInfo {
    /// Meta-training steps behind the weights.
    pub step: u64,
    /// The sizes the model was built for.
    pub dims: Dims,
    /// The run's complete configuration.
    pub config: RunConfig,
    /// What the run's data were.
    #[serde(default)]
    pub data: Fingerprints,
    /// Program version, commit and machine.
    pub provenance: Provenance,
}

/// The position in a run that goes with the weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Steps done. Batches are a pure function of (config, step), so this is the whole generator state.
    pub step: u64,
    /// Optimiser updates done.
    pub updates: u64,
    /// Bytes of `metrics.jsonl` that belong to those steps.
    pub metrics_bytes: u64,
}

/// What a run has learned so far, and goes on from.
#[derive(Debug)]
pub struct Learned {
    /// The weights that go on, with autodiff.
    pub model: Model,
    /// Their average, if the run has one: what is used.
    pub average: Option<Average>,
    /// What it remembers of the gradients.
    pub optimizer: Optimizer,
    /// The position in the run.
    pub progress: Progress,
}

impl Learned {
    /// Nothing yet: `model` as it begins.
    pub(super) fn nothing(model: Model, config: &RunConfig) -> Self {
        let average = (config.train.average > 0.0).then(|| Average::of(&model));
        Self { model, average, optimizer: Optimizer::new(config.precision), progress: Progress::default() }
    }
}

#[derive(Serialize, Deserialize)]
struct Sealed<T> {
    sha256: String,
    info: T,
}

/// Named flat tensors on their way to or from a file, in name order.
pub(super) type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// The checkpoints of one run folder.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    dir: PathBuf,
    keep: usize,
}

impl Checkpoints {
    /// The checkpoints below `dir`, of which the newest `keep` are kept.
    pub fn new(dir: impl Into<PathBuf>, keep: usize) -> Self {
        Self { dir: dir.into(), keep }
    }

    /// Writes both files of a checkpoint, the weights as the `average` has them if there is one, then removes the ones beyond the newest `keep`.
    ///
    /// # Errors
    /// [`Error::Io`]; a failed write leaves the earlier checkpoints as they were.
    pub fn save(
        &self,
        info: &CheckpointInfo,
        model: &Model,
        average: Option<&Average>,
        optimizer: &Optimizer,
        metrics_bytes: u64,
    ) -> Result<PathBuf> {
        create_folder(&self.dir)?;
        let mut state = Tensors::new();
        let mut insert = |what: &str, name: &str, values: &Tensor<1>| {
            state.insert(format!("{what}.{name}"), (values.dims().to_vec(), host(values.clone())));
        };
        for (name, moments) in &optimizer.moments {
            match moments {
                Moments::AdamW([first, second]) => {
                    insert("first", name, first);
                    insert("second", name, second);
                }
                Moments::Muon(momentum) => insert("momentum", name, momentum),
            }
        }
        // What is used is the average; what goes on are the weights themselves.
        let used = average.map(|average| {
            state
                .extend(collected(model).into_iter().map(|(name, value)| (format!("weights.{name}"), value)));
            average.applied(model.clone())
        });
        let progress = Progress { step: info.step, updates: optimizer.updates, metrics_bytes };
        write(&self.state_path(info.step), &state, &progress)?;
        let path = self.path(info.step);
        save_weights(&path, info, used.as_ref().unwrap_or(model))?;
        self.rotate(info.step)?;
        Ok(path)
    }

    /// Steps that have a weights file, newest first.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be listed.
    pub fn steps(&self) -> Result<Vec<u64>> {
        if !self.dir.exists() {
            return Ok(Vec::new());
        }
        let mut steps = Vec::new();
        for entry in std::fs::read_dir(&self.dir).map_err(Error::io("list", &self.dir))? {
            let name = entry.map_err(Error::io("list", &self.dir))?.file_name();
            let step =
                name.to_str().and_then(|name| name.strip_prefix("step-")?.strip_suffix(".safetensors"));
            steps.extend(step.and_then(|step| step.parse::<u64>().ok()));
        }
        steps.sort_unstable_by(|a, b| b.cmp(a));
        Ok(steps)
    }

    /// The newest checkpoint that reads back whole; a torn one is named in the log and passed over.
    ///
    /// # Errors
    /// [`Error::File`] if there is none.
    pub fn latest(&self, device: &Device) -> Result<(CheckpointInfo, Learned)> {
        let mut last = None;
        for step in self.steps()? {
            match self.load(step, device) {
                Ok(found) => return Ok(found),
                // A file that is there and cannot be read may be whole.
                Err(error @ Error::Io { .. }) if !is_absent(&error) => return Err(error),
                Err(error) => {
                    tracing::warn!("passing over a damaged checkpoint: {error}");
                    last = Some(error);
                }
            }
        }
        let why = last.map_or(String::new(), |error| format!(" ({error})"));
        let fix = "if they are damaged, remove it: `gpicl resume` then begins at the first step";
        Err(Error::file(&self.dir, format!("holds no usable checkpoint{why}"), fix))
    }

    /// The newest weights file, checked only when it is read.
    ///
    /// # Errors
    /// [`Error::File`] if there is none.
    pub fn latest_path(&self) -> Result<PathBuf> {
        for step in self.steps()? {
            match read::<CheckpointInfo>(&self.path(step)) {
                Ok(_) => return Ok(self.path(step)),
                Err(error) => tracing::warn!("passing over a damaged checkpoint: {error}"),
            }
        }
        Err(Error::file(&self.dir, "holds no usable checkpoint", "name a run that got as far as one"))
    }

    fn load(&self, step: u64, device: &Device) -> Result<(CheckpointInfo, Learned)> {
        let (info, mut model) = load_weights(&self.path(step), device)?;
        let path = self.state_path(step);
        let (progress, tensors) = read::<Progress>(&path)?;
        let mut optimizer = Optimizer::new(info.config.precision);
        optimizer.updates = progress.updates;
        let inner = device.clone().inner();
        let tensor = |values: &Vec<f32>| Tensor::from_floats(values.as_slice(), &inner);
        let mut weights = Tensors::new();
        for (key, (shape, values)) in &tensors {
            let (what, name) = key.split_once('.').unwrap_or((key, ""));
            let moments = match what {
                "first" => {
                    let (_, second) = tensors.get(&format!("second.{name}")).ok_or_else(|| {
                        let problem = format!("has no second moment of `{name}`");
                        Error::file(&path, problem, "use an earlier checkpoint")
                    })?;
                    Moments::AdamW([tensor(values), tensor(second)])
                }
                "momentum" => Moments::Muon(tensor(values)),
                "weights" => {
                    weights.insert(name.to_string(), (shape.clone(), values.clone()));
                    continue;
                }
                _ => continue,
            };
            optimizer.moments.insert(name.to_string(), moments);
        }
        let average = if weights.is_empty() { None } else { Some(Average::of(&model)) };
        if average.is_some() {
            model = restored(model, weights, device)
                .map_err(|problem| Error::file(&path, problem, "use an earlier checkpoint"))?;
        }
        Ok((info, Learned { model, average, optimizer, progress }))
    }

    /// Removes what lies beyond the newest `keep` up to step `newest`, and what a cut left of a checkpoint.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn rotate(&self, newest: u64) -> Result<()> {
        // Newer ones are damaged: the run has gone back behind them and makes them anew.
        let kept: Vec<u64> =
            self.steps()?.into_iter().filter(|&step| step <= newest).take(self.keep).collect();
        let mut removed = None;
        for (step, path) in self.files()?.into_iter().filter(|(step, _)| *step <= newest) {
            if !kept.contains(&step) {
                match std::fs::remove_file(&path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(Error::io("remove", path)(error));
                    }
                    _ => removed = Some(path),
                }
            }
        }
        // A run that finishes next is not looked at again.
        removed.map_or(Ok(()), |path| sync_name(&path))
    }

    /// The files of all checkpoints, with their steps.
    fn files(&self) -> Result<Vec<(u64, PathBuf)>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.dir).map_err(Error::io("list", &self.dir))? {
            let path = entry.map_err(Error::io("list", &self.dir))?.path();
            let step = path.file_name().and_then(|name| {
                let name = name.to_str()?.strip_prefix("step-")?.strip_suffix(".safetensors")?;
                name.strip_suffix(".state").unwrap_or(name).parse().ok()
            });
            files.extend(step.map(|step| (step, path)));
        }
        Ok(files)
    }

    /// The weights file of a step.
    pub fn path(&self, step: u64) -> PathBuf {
        self.dir.join(format!("step-{step:08}.safetensors"))
    }

    fn state_path(&self, step: u64) -> PathBuf {
        self.dir.join(format!("step-{step:08}.state.safetensors"))
    }
}

fn is_absent(error: &Error) -> bool {
    matches!(error, Error::Io { cause, .. } if cause.kind() == std::io::ErrorKind::NotFound)
}

/// Writes a weights file.
///
/// # Errors
/// [`Error::Io`].
pub fn save_weights(path: &Path, info: &CheckpointInfo, model: &Model) -> Result<()> {
    write(path, &collected(model), info)
}

fn collected(model: &Model) -> Tensors {
    weights(model).into_iter().map(|Weight { path, shape, values }| (path, (shape, host(values)))).collect()
}

/// Reads a weights file and rebuilds its model on `device` (with autodiff if the device has it).
///
/// # Errors
/// [`Error::File`] if the file is torn, altered, or its weights do not fit its own config.
pub fn load_weights(path: &Path, device: &Device) -> Result<(CheckpointInfo, Model)> {
    let (info, model, _) = load_weights_where(path, |_| Ok(device.clone()))?;
    Ok((info, model))
}

/// [`load_weights`] on `device`, or on the one it was meta-trained on; without autodiff.
///
/// # Errors
/// As [`load_weights`], or [`Error::Config`] if the device is not there.
pub fn load_to_test(path: &Path, device: Option<DeviceKind>) -> Result<(CheckpointInfo, Model, Device)> {
    load_weights_where(path, |info| {
        let mut config = info.config.clone();
        config.device = device.unwrap_or(config.device);
        config.device()
    })
}

fn load_weights_where(
    path: &Path,
    choose: impl FnOnce(&CheckpointInfo) -> Result<Device>,
) -> Result<(CheckpointInfo, Model, Device)> {
    let file = std::fs::read(path).map_err(Error::io("read", path))?;
    weights_of(&file, path, choose)
}

/// [`load_weights`] of a file that is in memory, called `name`.
///
/// # Errors
/// As [`load_weights`].
pub(super) fn load_weights_from(
    file: &[u8],
    name: &Path,
    device: &Device,
) -> Result<(CheckpointInfo, Model)> {
    let (info, model, _) = weights_of(file, name, |_| Ok(device.clone()))?;
    Ok((info, model))
}

fn weights_of(
    file: &[u8],
    path: &Path,
    choose: impl FnOnce(&CheckpointInfo) -> Result<Device>,
) -> Result<(CheckpointInfo, Model, Device)> {
    let (info, tensors) = parse::<CheckpointInfo>(file, path)?;
    let device = choose(&info)?;
    let model = info.config.model.init(info.dims, info.config.precision, info.config.seed, &device)?;
    match restored(model, tensors, &device) {
        Err(problem) => Err(Error::file(path, problem, "use a checkpoint written by this version of gpicl")),
        Ok(model) => Ok((info, model, device)),
    }
}

/// `model` with the weights of a file that is in memory, which `fits` may refuse or make fit, or why they do not fit.
///
/// # Errors
/// [`Error::File`] if the file is torn or altered, or what `fits` says.
pub(super) fn weights_into(
    model: Model,
    file: &[u8],
    name: &Path,
    device: &Device,
    fits: impl FnOnce(&CheckpointInfo, &mut Tensors) -> Result<()>,
) -> Result<std::result::Result<Model, String>> {
    let (info, mut tensors) = parse::<CheckpointInfo>(file, name)?;
    fits(&info, &mut tensors)?;
    Ok(restored(model, tensors, device))
}

/// `model` with these weights, or why they do not fit.
fn restored(model: Model, tensors: Tensors, device: &Device) -> std::result::Result<Model, String> {
    let mut restore = Restore { tensors, path: ParamPath::default(), device, problem: None };
    let model = model.map(&mut restore);
    let problem = restore.problem.or_else(|| {
        restore.tensors.keys().next().map(|name| format!("holds `{name}`, which the model has not"))
    });
    problem.map_or(Ok(model), Err)
}

/// What a weights file says about itself, after its checksum was verified.
///
/// # Errors
/// As [`load_weights`].
pub fn read_info(path: &Path) -> Result<CheckpointInfo> {
    Ok(read(path)?.0)
}

struct Restore<'a> {
    tensors: Tensors,
    path: ParamPath,
    device: &'a Device,
    problem: Option<String>,
}

impl ModuleMapper for Restore<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.name();
        let expected = param.dims();
        match self.tensors.remove(&name) {
            Some((shape, values)) if shape == expected => {
                let (id, _, mapper) = param.consume();
                let value = Tensor::from_data(TensorData::new(values, expected), self.device);
                let value = if value.is_autodiff() { value.require_grad() } else { value };
                Param::from_mapped_value(id, value, mapper)
            }
            found => {
                let problem = match found {
                    Some((shape, _)) => format!("`{name}` has shape {shape:?}, the model needs {expected:?}"),
                    None => format!("has no `{name}`"),
                };
                self.problem.get_or_insert(problem);
                param
            }
        }
    }
}

fn write<T: Serialize>(path: &Path, tensors: &Tensors, info: &T) -> Result<()> {
    let bytes: BTreeMap<&str, Vec<u8>> = tensors
        .iter()
        .map(|(name, (_, values))| (name.as_str(), values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let sealed = Sealed { sha256: digest(bytes.iter().map(|(name, data)| (*name, data.as_slice()))), info };
    let json = serde_json::to_string(&sealed).expect("checkpoint metadata has a JSON form");
    let views = tensors.iter().map(|(name, (shape, _))| {
        let view = TensorView::new(Dtype::F32, shape.clone(), &bytes[name.as_str()]);
        (name.as_str(), view.expect("shape and data come from one tensor"))
    });
    let metadata = HashMap::from([(METADATA_KEY.to_string(), json)]);
    let file = safetensors::serialize(views, Some(metadata)).expect("f32 tensors serialise");
    write_atomic(path, &file)
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<(T, Tensors)> {
    parse(&std::fs::read(path).map_err(Error::io("read", path))?, path)
}

fn parse<T: DeserializeOwned>(file: &[u8], path: &Path) -> Result<(T, Tensors)> {
    let fail =
        |problem: String| Error::file(path, problem, "use an earlier checkpoint, or a file gpicl wrote");
    let (_, header) = SafeTensors::read_metadata(file)
        .map_err(|error| fail(format!("is no whole safetensors file ({error})")))?;
    let tensors = SafeTensors::deserialize(file)
        .map_err(|error| fail(format!("is no whole safetensors file ({error})")))?;
    let json = header
        .metadata()
        .as_ref()
        .and_then(|metadata| metadata.get(METADATA_KEY))
        .ok_or_else(|| fail("has no gpicl metadata".into()))?;
    let sealed: Sealed<T> = serde_json::from_str(json)
        .map_err(|error| fail(format!("has metadata of another form ({error})")))?;
    let views: BTreeMap<String, TensorView<'_>> = tensors.tensors().into_iter().collect();
    if digest(views.iter().map(|(name, view)| (name.as_str(), view.data()))) != sealed.sha256 {
        return Err(fail("does not match its own checksum".into()));
    }
    let mut read = Tensors::new();
    for (name, view) in views {
        if view.dtype() != Dtype::F32 {
            return Err(fail(format!("holds `{name}` as {:?}, expected F32", view.dtype())));
        }
        let values = view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        read.insert(name, (view.shape().to_vec(), values));
    }
    Ok((sealed.info, read))
}

fn digest<'a>(tensors: impl Iterator<Item = (&'a str, &'a [u8])>) -> String {
    let mut hash = Sha256::new();
    for (name, data) in tensors {
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        hash.update((data.len() as u64).to_le_bytes());
        hash.update(data);
    }
    hex(&hash.finalize())
}
