//! Batches of tasks as arrays.

use std::path::PathBuf;
use std::sync::Arc;

use gpicl::data::{DataConfig, Dataset, InputShape, Library};
use gpicl::tasks::{BatchSource, Mode, Projected, Source, SourceSplits, TaskDistribution, load_sources};
use numpy::{
    PyArrayMethods as _, PyReadonlyArray1, PyReadonlyArray2, PyReadwriteArray2, PyReadwriteArray3,
    PyUntypedArrayMethods as _,
};
use pyo3::exceptions::PyValueError;
use pyo3::{PyResult, Python, pyclass, pymethods};

use crate::pool::pool;
use crate::runs::configured;
use crate::watched::{end_if, watched};

/// Makes the batches of one source of tasks.
#[pyclass(frozen, module = "gpicl._gpicl")]
pub struct Batches {
    inner: BatchSource,
}

fn mode(name: &str) -> PyResult<Mode> {
    match name {
        "train" => Ok(Mode::MetaTrain),
        "seen" => Ok(Mode::Seen),
        "unseen" => Ok(Mode::Unseen),
        _ => Err(PyValueError::new_err(format!("mode: `{name}` is none; choose one of train, seen, unseen"))),
    }
}

#[pymethods]
impl Batches {
    /// Those of a run's configuration: what `gpicl train` would draw from, over the split of the examples that it trains on. `data`
    /// is the data set as the command takes it, `mnist`, `glyphs@7`, `csv:FILE`; if absent, that of the configuration.
    #[staticmethod]
    #[pyo3(signature = (preset, config, set, data_dir, mode, data=None))]
    fn configured(
        py: Python<'_>,
        preset: Option<String>,
        config: Option<PathBuf>,
        set: Vec<String>,
        data_dir: Option<PathBuf>,
        mode: &str,
        data: Option<String>,
    ) -> PyResult<Self> {
        let mode = self::mode(mode)?;
        let work = move |_: &_, _| {
            let mut config = configured(preset.as_deref(), config.as_deref(), &set)?;
            if let Some(data) = data {
                config.data = DataConfig::from_spec(&data)?;
                config.validate()?;
                config = config.completed();
            }
            let sources = load_sources(&config.components(), None, &Library::new(data_dir.as_deref()))?;
            BatchSource::new(SourceSplits::together(&sources)?, config.train.batch, mode, config.seed)
        };
        Ok(Self { inner: watched(py, work, |(): ()| Ok(()))? })
    }

    /// Those over `inputs` `[n, N_x]` with `labels` `[n]`, each below `classes`.
    #[staticmethod]
    fn over(
        py: Python<'_>,
        inputs: PyReadonlyArray2<'_, f32>,
        labels: PyReadonlyArray1<'_, u32>,
        classes: usize,
        set: Vec<String>,
        mode: &str,
    ) -> PyResult<Self> {
        let mode = self::mode(mode)?;
        let (dim, inputs, labels) = (inputs.shape()[1], inputs.to_vec()?, labels.to_vec()?);
        let work = move |_: &_, _| {
            let config = configured(None, None, &set)?;
            let names = (0..classes).map(|class| class.to_string()).collect();
            let data = Dataset::new("arrays", InputShape::Vector(dim), inputs, labels, names)?;
            let tasks = TaskDistribution::new(&config.tasks, dim, classes, classes)?;
            let source: Arc<dyn Source> = Arc::new(Projected::new(tasks, Arc::new(data))?);
            BatchSource::new(source, config.train.batch, mode, config.seed)
        };
        Ok(Self { inner: watched(py, work, |(): ()| Ok(()))? })
    }

    /// Sizes of a batch: episodes, examples of each, numbers of an input.
    #[getter]
    fn shape(&self) -> (usize, usize, usize) {
        self.inner.shape().into()
    }

    /// Label slots.
    #[getter]
    fn classes(&self) -> usize {
        self.inner.classes()
    }

    /// Writes batch `index` to `inputs` `[B, N, D]` and `labels` `[B, N]`.
    #[pyo3(signature = (index, inputs, labels, n_jobs=None))]
    fn fill(
        &self,
        py: Python<'_>,
        index: u64,
        mut inputs: PyReadwriteArray3<'_, f32>,
        mut labels: PyReadwriteArray2<'_, i64>,
        n_jobs: Option<isize>,
    ) -> PyResult<()> {
        let [batch, length, dim] = self.inner.shape();
        if inputs.shape() != [batch, length, dim] || labels.shape() != [batch, length] {
            let found = format!("are of {:?} and {:?}", inputs.shape(), labels.shape());
            let fix = format!("give [{batch}, {length}, {dim}] and [{batch}, {length}]");
            return Err(PyValueError::new_err(format!("the arrays of a batch {found}; {fix}")));
        }
        let pool = pool(n_jobs)?;
        let (inputs, labels) = (inputs.as_slice_mut()?, labels.as_slice_mut()?);
        let work = move |stop: &Arc<_>, _| {
            let mut short = vec![0; labels.len()];
            pool.install(|| self.inner.write_watched(index, inputs, &mut short, &|| end_if(stop)));
            labels.iter_mut().zip(short).for_each(|(label, short)| *label = i64::from(short));
            Ok(())
        };
        watched(py, work, |(): ()| Ok(()))
    }
}
