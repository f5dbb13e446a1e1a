//! Results for people: tables, plots, files.

mod canvas;
pub mod grid;
pub mod heatmap;
mod html;
mod legend;
pub mod panels;
pub mod plot;
pub mod ranking;
mod results;
pub mod scatter;
pub mod table;
pub mod tensorboard;

pub use html::html;
pub use results::{Results, Written, conclude, save_results, write_results};
