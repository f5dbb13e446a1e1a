//! What may be wrong with columns of numbers.

use numpy::PyReadonlyArray2;
use pyo3::{PyResult, pyfunction};

/// What may be wrong with columns of numbers `[n, names]`.
#[pyfunction]
pub fn doubts_of_numbers(names: Vec<String>, rows: PyReadonlyArray2<'_, f64>) -> PyResult<Vec<String>> {
    Ok(gpicl::data::columns::doubts_of_numbers(&names, rows.as_slice()?))
}
