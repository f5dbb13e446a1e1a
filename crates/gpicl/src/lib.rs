//! General-purpose in-context learning (arXiv 2212.04458): meta-train black-box sequence models so that
//! they become learning algorithms, and use the result.
//!
//! The flow, one module a stage: [`data`] -> [`tasks`] -> [`models`] -> [`eval`] -> [`train`] -> [`predict`]. Each knows
//! those before it and none after it. Experiments of many runs, their figures and their pages are the crate `gpicl-lab`.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod data;
mod device;
mod error;
pub mod eval;
pub mod folder;
pub mod fs;
pub mod models;
mod out_file;
pub mod predict;
pub mod provenance;
pub mod rng;
pub mod tasks;
pub mod train;

pub use device::{DeviceKind, check_environment};
pub use error::{Error, Result};
pub use out_file::OutFile;
pub use train::{Layers, RunConfig, RunDir};

/// The README's examples, compiled as a test.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
