//! The native half of the Python package `gpicl`: arguments in, arrays out. What is computed stands in `gpicl` and
//! `gpicl-lab`; what Python sees, in `python/gpicl`.
#![forbid(unsafe_code)]

mod columns;
mod command;
mod error;
mod experiments;
mod pool;
mod predictor;
mod runs;
mod tasks;
mod warnings;
mod watched;

/// As the command has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Native half of the package.
#[pyo3::pymodule]
mod _gpicl {
    #[pymodule_export]
    use crate::columns::{doubts_of_numbers, doubts_of_queries};
    #[pymodule_export]
    use crate::command::command;
    #[pymodule_export]
    use crate::experiments::{compare, reproduce, sweep, sweep_results};
    #[pymodule_export]
    use crate::predictor::Predictor;
    #[pymodule_export]
    use crate::runs::{config_json, evaluate, logits, train, weights};
    #[pymodule_export]
    use crate::tasks::Batches;
}
