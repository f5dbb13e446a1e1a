//! Tables of texts as numbers, by the rules of `gpicl predict`.

use std::path::Path;

use gpicl::data::columns::Encoder;
use gpicl::data::table::{Table, TableConfig};
use numpy::{PyArray1, PyArray2, PyArrayMethods as _, PyReadonlyArray2};
use pyo3::{Bound, PyResult, Python, pyfunction};

use crate::watched::watched;

/// A table as columns of cells.
type Columns = Vec<Vec<String>>;

/// Rows of numbers.
type Numbers<'py> = Bound<'py, PyArray2<f64>>;

/// Numbers of a context and of queries, `[n, dim]` and `[queries, dim]`, NaN where one is missing. A cell is a text, empty where
/// there is no value; columns of the context say what is a number and what a category. The texts are what may be wrong: with the context
/// where there are no queries, else with these.
#[pyfunction]
pub fn encode<'py>(
    py: Python<'py>,
    names: Vec<String>,
    context: Columns,
    queries: Option<Columns>,
    categorical: Vec<String>,
) -> PyResult<(Numbers<'py>, Numbers<'py>, Vec<String>)> {
    let config = TableConfig { categorical, ..TableConfig::default() };
    let work = move |_: &_, _| -> gpicl::Result<_> {
        let known = Table::from_columns(Path::new("X"), names.clone(), &context, &config)?;
        // No column is the label: labels come apart.
        let encoder = Encoder::fit(&known, names.len(), &config)?;
        let (asked, doubts) = match queries {
            Some(queries) => {
                let asked = Table::from_columns(Path::new("X"), names, &queries, &config)?;
                (encoder.encode(&asked)?, encoder.strangers(&asked)?)
            }
            None => (Vec::new(), encoder.doubts(&known)?),
        };
        Ok((encoder.encode(&known)?, asked, encoder.dim(), doubts))
    };
    let (known, asked, dim, doubts) = watched(py, work, |(): ()| Ok(()))?;
    let array = |numbers: Vec<f64>| {
        let rows = numbers.len() / dim;
        PyArray1::from_vec(py, numbers).reshape([rows, dim])
    };
    Ok((array(known)?, array(asked)?, doubts))
}

/// What may be wrong with columns of numbers `[n, names]`.
#[pyfunction]
pub fn doubts_of_numbers(names: Vec<String>, rows: PyReadonlyArray2<'_, f64>) -> PyResult<Vec<String>> {
    Ok(gpicl::data::columns::doubts_of_numbers(&names, rows.as_slice()?))
}
