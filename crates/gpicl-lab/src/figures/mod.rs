//! Pictures, one kind a file, in one style.

mod canvas;
pub mod clouds;
pub mod grid;
pub mod heatmap;
mod legend;
pub mod panels;
pub mod plot;
pub mod ranking;
pub mod scatter;
pub mod terminal;
