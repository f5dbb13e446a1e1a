//! Results for people: tables, plots, files.

mod canvas;
pub mod grid;
mod html;
pub mod plot;
mod results;
pub mod scatter;
pub mod table;
pub mod tensorboard;

pub use html::html;
pub use results::{Results, Written, save_results, write_results};
