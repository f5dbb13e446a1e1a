//! What may be wrong with columns of numbers.

use numpy::PyReadonlyArray2;
use pyo3::{PyResult, pyfunction};

/// What may be wrong with columns of numbers `[n, names]`.
#[pyfunction]
pub fn doubts_of_numbers(names: Vec<String>, rows: PyReadonlyArray2<'_, f64>) -> PyResult<Vec<String>> {
    Ok(gpicl::data::columns::doubts_of_numbers(&names, rows.as_slice()?))
}

/// What may be wrong with numbers of queries `[q, names]` beside those of labelled rows, `[n, names]`.
#[pyfunction]
pub fn doubts_of_queries(
    names: Vec<String>,
    known: PyReadonlyArray2<'_, f64>,
    queries: PyReadonlyArray2<'_, f64>,
) -> PyResult<Vec<String>> {
    let columns = names.iter().map(String::as_str).enumerate();
    Ok(gpicl::predict::far_off(columns, known.as_slice()?, queries.as_slice()?, names.len()))
}
