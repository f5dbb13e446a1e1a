//! A checkpoint as a classifier for somebody's table: the labelled rows are the context, no gradient step.

mod codes;
mod doubts;
mod features;
mod predictor;
mod reader;
mod stack;
mod table;
mod temperature;
mod view;

pub use doubts::far_off;
pub use features::CLIP;
pub use predictor::{Context, PredictConfig, Predictor};
pub use table::{PredictFiles, PredictReport, predict_table};
