//! Results for people: tables, plots, files.

pub mod plot;
mod results;
pub mod table;

pub use results::{Results, Written, save_results, write_results};
