//! Errors as Python's own kinds, in the same words as the command's.

use std::io::ErrorKind;

use gpicl::Error;
use pyo3::PyErr;
use pyo3::exceptions::{
    PyBlockingIOError, PyFileNotFoundError, PyFloatingPointError, PyOSError, PyValueError,
};

/// The Python exception of an error.
pub fn raise(error: Error) -> PyErr {
    let words = error.to_string();
    match error {
        Error::Io { cause, .. } if cause.kind() == ErrorKind::NotFound => PyFileNotFoundError::new_err(words),
        Error::Io { .. } => PyOSError::new_err(words),
        Error::Missing { .. } => PyFileNotFoundError::new_err(words),
        Error::Busy { .. } => PyBlockingIOError::new_err(words),
        Error::Diverged { .. } => PyFloatingPointError::new_err(words),
        _ => PyValueError::new_err(words),
    }
}
