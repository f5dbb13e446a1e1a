//! Experiments of many runs: sweeps, comparisons, the paper's figures.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gpicl::fs::must_exist;
use gpicl_lab::compare::{NamedSpec, Surroundings};
use gpicl_lab::origin::Origin;
use gpicl_lab::program::Program;
use gpicl_lab::reproduce::{Around, Figure, Scale};
use gpicl_lab::sweep::{Executor, Local, LocalSpec, Sweep, SweepSpec, Watch};
use gpicl_lab::workers::Workers;
use pyo3::exceptions::PyValueError;
use pyo3::{FromPyObject, Py, PyAny, PyResult, Python, pyfunction};

use crate::watched::{Say, look, watched};

/// Where a spec is from, as [`Origin`].
#[derive(FromPyObject)]
pub struct Spec {
    file: Option<PathBuf>,
    preset: Option<String>,
    text: Option<String>,
}

impl Spec {
    fn origin(&self) -> PyResult<Origin<'_>> {
        match (&self.file, &self.preset, &self.text) {
            (Some(path), None, None) => Ok(Origin::File(path)),
            (None, Some(name), None) => Ok(Origin::Preset(name)),
            (None, None, Some(text)) => Ok(Origin::Text(text)),
            _ => Err(PyValueError::new_err("spec: give one, or the name of a preset, and not both")),
        }
    }
}

/// Who meta-trains: the words that start the program, and how processes share this machine.
#[derive(FromPyObject)]
pub struct Machine {
    program: PathBuf,
    words: Vec<String>,
    jobs: Option<usize>,
    threads: Option<usize>,
    population: Option<usize>,
}

impl Machine {
    fn program(&self) -> Program {
        Program::new(&self.program, &self.words)
    }

    /// As the spec says, unless the caller does.
    fn executor(&self, spec: &SweepSpec) -> Box<dyn Executor> {
        let LocalSpec { jobs, threads, population } = spec.local;
        Box::new(Local(LocalSpec {
            jobs: self.jobs.or(jobs),
            threads: self.threads.or(threads),
            population: self.population.or(population),
        }))
    }
}

/// Does the work of an experiment while `hear` gets its remarks.
fn watched_remarks<T: Send>(
    py: Python<'_>,
    work: impl FnOnce(&Arc<AtomicBool>, &(dyn Fn(String) + Sync)) -> gpicl::Result<T> + Send,
    hear: Option<Py<PyAny>>,
) -> PyResult<T> {
    let work = move |stop: &_, say: Say<String>| {
        // Nobody listens any more only where this thread is gone too.
        work(stop, &|remark| drop(say.send(remark)))
    };
    watched(py, work, |remark| match &hear {
        Some(hear) => hear.call1(py, (remark,)).map(drop),
        None => Ok(()),
    })
}

/// Meta-trains the runs of a sweep that are not finished; returns its folder.
#[pyfunction]
#[allow(clippy::too_many_arguments, reason = "Python's arguments have names")]
pub fn sweep(
    py: Python<'_>,
    spec: Spec,
    set: Vec<String>,
    out: Option<PathBuf>,
    machine: Machine,
    retry_failed: bool,
    data_dir: Option<PathBuf>,
    hear: Option<Py<PyAny>>,
) -> PyResult<PathBuf> {
    let origin = spec.origin()?;
    let work = |stop: &Arc<AtomicBool>, note: &(dyn Fn(String) + Sync)| {
        let sweep = Sweep::start(&origin, &set, out.as_deref())?;
        if retry_failed {
            sweep.retry_failed()?;
        }
        note(format!("{} runs in {}", sweep.runs().len(), sweep.dir().display()));
        let program = machine.program();
        let watch = Watch { program: &program, data_dir: data_dir.as_deref(), note, stop };
        sweep.execute(machine.executor(sweep.spec()).as_ref(), &watch)?;
        Ok(sweep.dir().to_path_buf())
    };
    watched_remarks(py, work, hear)
}

/// What came of the runs of a sweep so far: the JSON and the CSV of its results.
#[pyfunction]
pub fn sweep_results(py: Python<'_>, dir: PathBuf) -> PyResult<(String, String)> {
    let work = move |_: &_, _| {
        must_exist(&dir)?;
        let results = Sweep::open(&dir)?.results()?;
        Ok((serde_json::to_string(&results).expect("results have a JSON form"), results.csv()))
    };
    watched(py, work, |(): ()| Ok(()))
}

/// Meta-trains and meta-tests the learners of a comparison and writes its tables and figures; returns its folder and its JSON.
#[pyfunction]
pub fn compare(
    py: Python<'_>,
    spec: Spec,
    set: Vec<String>,
    out: Option<PathBuf>,
    machine: Machine,
    data_dir: Option<PathBuf>,
    hear: Option<Py<PyAny>>,
) -> PyResult<(PathBuf, String)> {
    let origin = spec.origin()?;
    let work = |stop: &Arc<AtomicBool>, note: &(dyn Fn(String) + Sync)| {
        let spec = NamedSpec::of(&origin, &set)?;
        let out = out.unwrap_or_else(|| origin.folder("compare"));
        let Machine { jobs, threads, .. } = machine;
        let workers = Workers { program: machine.program(), jobs: jobs.unwrap_or(1), threads, population: 1 };
        let around =
            Surroundings { out: &out, data_dir: data_dir.as_deref(), workers, note, stop, look: look(stop) };
        let found = gpicl_lab::compare::compare(&spec, &around)?;
        let json = match found {
            Some(found) => {
                found.save(&out)?;
                serde_json::to_string(&found).expect("a comparison has a JSON form")
            }
            // Only what is raised in Python stops it.
            None => String::new(),
        };
        Ok((out, json))
    };
    watched_remarks(py, work, hear)
}

/// Meta-trains the runs of a figure of the paper, draws it and judges it; returns its folder and its JSON.
#[pyfunction]
#[allow(clippy::too_many_arguments, reason = "Python's arguments have names")]
pub fn reproduce(
    py: Python<'_>,
    figure: &str,
    scale: &str,
    spec: Option<PathBuf>,
    set: Vec<String>,
    out: Option<PathBuf>,
    machine: Machine,
    retry_failed: bool,
    data_dir: Option<PathBuf>,
    hear: Option<Py<PyAny>>,
) -> PyResult<(PathBuf, String)> {
    let work = |stop: &Arc<AtomicBool>, note: &(dyn Fn(String) + Sync)| {
        let found = Figure::find(figure)?;
        let (spec, name) = found.chosen(spec.as_deref(), scale.parse::<Scale>()?, &set)?;
        let out = out.unwrap_or_else(|| Path::new("runs").join(format!("reproduce-{figure}-{name}")));
        let program = machine.program();
        let around = Around {
            out: &out,
            data_dir: data_dir.as_deref(),
            program: &program,
            executor: &|spec| machine.executor(spec),
            jobs: machine.jobs.unwrap_or(1),
            retry_failed,
            note,
            stop,
            look: look(stop),
        };
        let reproduced = gpicl_lab::reproduce::reproduce(found, &spec, &around)?;
        let json = reproduced.map(|it| serde_json::to_string(&it).expect("a verdict has a JSON form"));
        // As with comparisons.
        Ok((out, json.unwrap_or_default()))
    };
    watched_remarks(py, work, hear)
}
