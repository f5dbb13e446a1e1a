//! The whole command, in this process: `python -m gpicl`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use gpicl_lab::program::Program;
use pyo3::{PyResult, Python, pyfunction};

use crate::watched::caught;

/// Does what `args` say, of which the first is the command's name; returns its exit code. `program` and `words` start this again.
#[pyfunction]
pub fn command(py: Python<'_>, args: Vec<OsString>, program: PathBuf, words: Vec<String>) -> PyResult<u8> {
    let program = Program::new(program, words);
    let ended = py.detach(|| caught(|| gpicl_cli::command(args, &program)))?;
    // Rust gives the number of an exit code to the system only.
    Ok((0..=u8::MAX).find(|&code| ExitCode::from(code) == ended).expect("it is one of them"))
}
