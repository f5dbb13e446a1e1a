//! Results for people: tables, plots, files.

mod canvas;
pub mod grid;
pub mod plot;
mod results;
pub mod scatter;
pub mod table;

pub use results::{Results, Written, conclude, save_results, write_results};
