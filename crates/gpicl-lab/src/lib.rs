//! The laboratory of [`gpicl`]: experiments of many runs, side by side, drawn and judged.
//!
//! [`meta_test`] tests finished runs, [`sweep`] makes many, [`compare`] sets learners side by side, [`reproduce`] makes
//! the paper's figures, [`report`] pages about all of them. The learner knows nothing of what is here.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod compare;
pub mod figures;
pub mod meta_test;
pub mod origin;
pub mod presets;
pub mod program;
pub mod report;
pub mod reproduce;
pub mod results;
mod spec;
pub mod summary;
pub mod sweep;
pub mod table;
pub mod workers;
