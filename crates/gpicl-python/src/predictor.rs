//! A learner that predicts from labelled rows.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gpicl::data::table::{Table, TableConfig};
use gpicl::predict::{Context, PredictConfig, far_off};
use gpicl_lab::results::doubt_of_verdict;
use numpy::{
    PyArray1, PyArray2, PyArrayMethods as _, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods as _,
};
use pyo3::{Bound, PyResult, Python, pyclass, pymethods};

use crate::pool::pool;
use crate::watched::{end_if, watched};

/// A table as columns of cells.
type Columns = Vec<Vec<String>>;

/// Rows of numbers.
type Numbers<'py> = Bound<'py, PyArray2<f64>>;

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

    /// What may be wrong with it in front of rows of `features` numbers and so many classes, in an ensemble of `members`.
    fn doubts(&self, features: usize, classes: usize, members: usize) -> Vec<String> {
        let verdict = self.checkpoint.as_deref().and_then(doubt_of_verdict);
        self.inner.doubts(features, classes, members).into_iter().chain(verdict).collect()
    }

    /// A table of texts as numbers, by the rules of `gpicl predict`: those of a context and of queries, `[n, dim]` and
    /// `[queries, dim]`, NaN where one is missing. A cell is a text, empty where there is no value; columns of the context say what
    /// is a number and what a category. The texts are what may be wrong: with the context where there are no queries, else with these.
    fn encode<'py>(
        &self,
        py: Python<'py>,
        names: Vec<String>,
        context: Columns,
        queries: Option<Columns>,
        categorical: Vec<String>,
    ) -> PyResult<(Numbers<'py>, Numbers<'py>, Vec<String>)> {
        let config = TableConfig { categorical, ..TableConfig::default() };
        let work = |_: &_, _| -> gpicl::Result<_> {
            let known = Table::from_columns(Path::new("X"), names.clone(), &context, &config)?;
            // No column is the label: labels come apart.
            let encoder = self.inner.encoder(&known, names.len(), &config)?;
            let (numbers, dim) = (encoder.encode(&known)?, encoder.dim());
            let (asked, doubts) = match queries {
                Some(queries) => {
                    let table = Table::from_columns(Path::new("X"), names, &queries, &config)?;
                    let asked = encoder.encode(&table)?;
                    let mut doubts = encoder.strangers(&table)?;
                    doubts.extend(far_off(encoder.plain_numbers(), &numbers, &asked, dim));
                    (asked, doubts)
                }
                None => (Vec::new(), encoder.doubts(&known)?),
            };
            Ok((numbers, asked, dim, doubts))
        };
        let (known, asked, dim, doubts) = watched(py, work, |(): ()| Ok(()))?;
        let array = |numbers: Vec<f64>| {
            let rows = numbers.len() / dim;
            PyArray1::from_vec(py, numbers).reshape([rows, dim])
        };
        Ok((array(known)?, array(asked)?, doubts))
    }

    /// Most members of an ensemble.
    #[classattr]
    const MOST_MEMBERS: usize = PredictConfig::MOST;

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
    #[pyo3(signature = (features, labels, classes, queries, n_ensemble, seed, stack, n_jobs=None))]
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
        stack: bool,
        n_jobs: Option<isize>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let (pool, rows) = (pool(n_jobs)?, queries.shape()[0]);
        let config = PredictConfig { ensemble: n_ensemble, seed, stack };
        let context = Context { features: features.as_slice()?, labels: labels.as_slice()?, classes };
        let queries = queries.as_slice()?;
        let work = |stop: &Arc<_>, _| {
            pool.install(|| self.inner.predict_watched(context, queries, &config, &mut |_, _| end_if(stop)))
        };
        let probabilities = watched(py, work, |(): ()| Ok(()))?;
        PyArray1::from_vec(py, probabilities).reshape([rows, classes])
    }
}
