//! General-purpose in-context learning (arXiv 2212.04458): meta-train black-box sequence models so that
//! they become learning algorithms, and find out when and why that works.
//!
//! The flow, one module a stage: [`data`] -> [`tasks`] -> [`models`] -> [`train`] -> [`eval`] -> [`report`];
//! [`sweep`] makes many runs, [`compare`] sets learners side by side, [`reproduce`] makes the paper's figures;
//! [`predict`] uses the result on anyone's table.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod compare;
pub mod config;
pub mod data;
pub mod error;
pub mod eval;
pub mod folder;
pub mod fs;
pub mod inspect;
pub mod models;
pub mod predict;
pub mod presets;
pub mod provenance;
pub mod report;
pub mod reproduce;
pub mod rng;
pub mod run;
mod spec;
pub mod sweep;
pub mod tasks;
pub mod train;
pub mod workers;

pub use config::{DeviceKind, Layers, RunConfig, check_environment};
pub use error::{Error, Result};
pub use run::RunDir;

/// The README's example, compiled as a test.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
