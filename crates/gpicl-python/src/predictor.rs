//! A learner that predicts from labelled rows.

use std::path::PathBuf;
use std::sync::Arc;

use gpicl::predict::{Context, PredictConfig};
use gpicl_lab::results::doubt_of_verdict;
use numpy::{
    PyArray1, PyArray2, PyArrayMethods as _, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods as _,
};
use pyo3::{Bound, PyResult, Python, pyclass, pymethods};

use crate::pool::pool;
use crate::watched::{end_if, watched};

/// A checkpoint, or the learner for tables that comes with the program.
#[pyclass(frozen, module = "gpicl._gpicl")]
pub struct Predictor {
    inner: gpicl::predict::Predictor,
    checkpoint: Option<PathBuf>,
}

#[pymethods]
impl Predictor {
    #[new]
    #[pyo3(signature = (checkpoint=None))]
    fn new(py: Python<'_>, checkpoint: Option<PathBuf>) -> PyResult<Self> {
        let work = |_: &_, _| match &checkpoint {
            Some(path) => gpicl::predict::Predictor::load(path),
            None => gpicl::predict::Predictor::built_in(),
        };
        Ok(Self { inner: watched(py, work, |(): ()| Ok(()))?, checkpoint })
    }

    /// What may be wrong with it in front of rows of `features` numbers.
    fn doubts(&self, features: usize) -> Vec<String> {
        let verdict = self.checkpoint.as_deref().and_then(doubt_of_verdict);
        self.inner.doubts(features).into_iter().chain(verdict).collect()
    }

    /// Most classes that it tells apart.
    #[getter]
    fn most_classes(&self) -> usize {
        self.inner.most_classes()
    }

    /// Fewest members of an ensemble that tell `classes` classes apart.
    fn least_ensemble(&self, classes: usize) -> usize {
        self.inner.least_ensemble(classes)
    }

    /// Class probabilities `[queries, classes]`.
    #[pyo3(signature = (features, labels, classes, queries, n_ensemble, seed, n_jobs=None))]
    #[allow(clippy::too_many_arguments, reason = "Python's arguments have names")]
    fn predict_proba<'py>(
        &self,
        py: Python<'py>,
        features: PyReadonlyArray2<'py, f64>,
        labels: PyReadonlyArray1<'py, u32>,
        classes: usize,
        queries: PyReadonlyArray2<'py, f64>,
        n_ensemble: usize,
        seed: u64,
        n_jobs: Option<isize>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let (pool, rows) = (pool(n_jobs)?, queries.shape()[0]);
        let config = PredictConfig { ensemble: n_ensemble, seed };
        let context = Context { features: features.as_slice()?, labels: labels.as_slice()?, classes };
        let queries = queries.as_slice()?;
        let work = |stop: &Arc<_>, _| {
            pool.install(|| self.inner.predict_watched(context, queries, &config, &mut |_, _| end_if(stop)))
        };
        let probabilities = watched(py, work, |(): ()| Ok(()))?;
        PyArray1::from_vec(py, probabilities).reshape([rows, classes])
    }
}
