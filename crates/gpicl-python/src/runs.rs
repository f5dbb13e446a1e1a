//! Runs: meta-trained, read.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gpicl::data::Split;
use gpicl::eval::Sample;
use gpicl::eval::baselines::BaselinesConfig;
use gpicl::fs::must_exist;
use gpicl::train::{Ended, Event, RunConfig, RunDir, Trainer, checkpoint_at, checkpoint_path, read_info};
use gpicl::{Error, Layers};
use gpicl_lab::meta_test::{EvalRequest, evaluate_watched};
use gpicl_lab::presets::find_run;
use gpicl_lab::results::conclude;
use numpy::{
    PyArray1, PyArrayDyn, PyArrayMethods as _, PyReadonlyArray2, PyReadonlyArray3, PyUntypedArrayMethods as _,
};
use pyo3::types::{PyDict, PyDictMethods as _};
use pyo3::{Bound, Py, PyAny, PyResult, Python, pyfunction};
use safetensors::SafeTensors;

use crate::error::raise;
use crate::pool::pool;
use crate::watched::{Say, end_if, look, watched};

/// The configuration of a preset, a file laid on it, and single fields on both.
pub fn configured(preset: Option<&str>, file: Option<&Path>, set: &[String]) -> gpicl::Result<RunConfig> {
    let mut layers = Layers::default();
    if let Some(name) = preset {
        find_run(name)?.apply(&mut layers)?;
    }
    if let Some(path) = file {
        layers.file(path)?;
    }
    for assignment in set {
        layers.set(assignment)?;
    }
    layers.build()
}

/// Meta-trains a run in the folder `run` to its end and meta-tests it; `callback` gets a dictionary a step.
#[pyfunction]
pub fn train(
    py: Python<'_>,
    preset: Option<String>,
    config: Option<PathBuf>,
    set: Vec<String>,
    run: PathBuf,
    data_dir: Option<PathBuf>,
    callback: Option<Py<PyAny>>,
) -> PyResult<()> {
    let work = move |stop: &Arc<AtomicBool>, say: Say<(u64, Event)>| {
        let config = configured(preset.as_deref(), config.as_deref(), &set)?;
        let mut trainer = Trainer::start(config, data_dir.as_deref(), &run)?;
        let steps = trainer.config().train.steps;
        let ended = trainer.train(stop, &mut |event| {
            // Nobody listens any more only where this thread is gone too.
            let _ = say.send((steps, event));
        })?;
        if ended == Ended::Finished {
            conclude(&trainer, &look(stop))?;
        }
        Ok(())
    };
    watched(py, work, |(steps, event)| match (&callback, event) {
        (Some(callback), Event::Step { step, loss, accuracy_first, accuracy_last }) => {
            let said = PyDict::new(py);
            said.set_item("steps", steps)?;
            said.set_item("step", step)?;
            said.set_item("loss", loss)?;
            said.set_item("accuracy_first", accuracy_first)?;
            said.set_item("accuracy_last", accuracy_last)?;
            callback.call1(py, (said,)).map(drop)
        }
        _ => Ok(()),
    })
}

/// The meta-test of a run, or of several seeds of one, as the JSON of a `results.json`.
#[pyfunction]
#[allow(clippy::too_many_arguments, reason = "Python's arguments have names")]
pub fn evaluate(
    py: Python<'_>,
    runs: Vec<PathBuf>,
    data: Vec<String>,
    episodes: usize,
    queries: usize,
    split: &str,
    seed: Option<u64>,
    baselines: Vec<String>,
    data_dir: Option<PathBuf>,
) -> PyResult<String> {
    let split = Split::among(&Split::HELD_OUT, split).map_err(raise)?;
    let request = EvalRequest {
        data,
        sample: Sample { episodes, queries },
        split,
        seed,
        allow_other_data: false,
        device: None,
        data_dir,
        baselines,
        baselines_config: BaselinesConfig::default(),
    };
    let work = move |stop: &Arc<AtomicBool>, _| {
        let results = evaluate_watched(&runs, &request, &mut |_| (), &look(stop))?;
        Ok(serde_json::to_string(&results).expect("results have a JSON form"))
    };
    watched(py, work, |(): ()| Ok(()))
}

/// The configuration of a run's folder as JSON.
#[pyfunction]
pub fn config_json(py: Python<'_>, run: PathBuf) -> PyResult<String> {
    let work = move |_: &_, _| {
        // Python has an error of its own for what is not there.
        must_exist(&run)?;
        let (_, config) = RunDir::open(run)?;
        Ok(serde_json::to_string(&config).expect("a configuration has a JSON form"))
    };
    watched(py, work, |(): ()| Ok(()))
}

/// The checkpoint of a run after `step` steps, or its newest.
fn checkpoint(run: &Path, step: Option<u64>) -> gpicl::Result<PathBuf> {
    step.map_or_else(|| checkpoint_path(run), |step| checkpoint_at(run, step))
}

/// The weights of a run after `step` steps, or of its newest checkpoint, by their names.
#[pyfunction]
#[pyo3(signature = (run, step=None))]
pub fn weights(py: Python<'_>, run: PathBuf, step: Option<u64>) -> PyResult<Bound<'_, PyDict>> {
    let work = move |_: &_, _| {
        let path = checkpoint(&run, step)?;
        // Verifies the checksum.
        read_info(&path)?;
        let file = std::fs::read(&path).map_err(Error::io("read", &path))?;
        let fix = "use a checkpoint written by this version of gpicl";
        let tensors =
            SafeTensors::deserialize(&file).map_err(|error| Error::file(&path, error.to_string(), fix))?;
        let named = tensors.iter().map(|(name, tensor)| {
            let numbers = tensor.data().chunks_exact(size_of::<f32>());
            let numbers: Vec<f32> =
                numbers.map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four bytes"))).collect();
            (name.to_string(), tensor.shape().to_vec(), numbers)
        });
        Ok(named.collect::<Vec<_>>())
    };
    let weights = PyDict::new(py);
    for (name, shape, numbers) in watched(py, work, |(): ()| Ok(()))? {
        let array: Bound<'_, PyArrayDyn<f32>> = PyArray1::from_vec(py, numbers).reshape(shape)?;
        weights.set_item(name, array)?;
    }
    Ok(weights)
}

/// Logits `[B, N, C]` of a run after `step` steps, or of its newest checkpoint, at every position of episodes.
#[pyfunction]
#[pyo3(signature = (run, inputs, labels, step=None))]
pub fn logits<'py>(
    py: Python<'py>,
    run: PathBuf,
    inputs: PyReadonlyArray3<'py, f32>,
    labels: PyReadonlyArray2<'py, u32>,
    step: Option<u64>,
) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
    let shape = [inputs.shape()[0], inputs.shape()[1], inputs.shape()[2]];
    let (inputs, labels) = (inputs.to_vec()?, labels.to_vec()?);
    // Threads that are here in a child that was forked off, too.
    let pool = pool(None)?;
    let work = move |stop: &Arc<AtomicBool>, _| {
        let path = checkpoint(&run, step)?;
        pool.install(|| gpicl::train::logits(&path, &inputs, &labels, shape, &|| end_if(stop)))
    };
    let (logits, classes) = watched(py, work, |(): ()| Ok(()))?;
    PyArray1::from_vec(py, logits).reshape(vec![shape[0], shape[1], classes])
}
