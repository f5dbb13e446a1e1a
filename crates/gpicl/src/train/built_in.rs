//! The learner for tables that comes with the program.

use std::path::Path;

use burn::tensor::Device;

use super::checkpoint::{CheckpointInfo, load_weights_from};
use crate::error::Result;
use crate::models::Model;

/// What [`super::TrainConfig::start`] calls it.
pub(super) const NAME: &str = "built-in";

/// Its file, of which `learners/tables.md` is the card.
pub(super) const FILE: &[u8] = include_bytes!("../../learners/tables.safetensors");

/// Where that stands, for messages.
pub(super) const PLACE: &str = "learners/tables.safetensors";

/// It, on `device`.
///
/// # Errors
/// None in a whole program.
pub fn built_in(device: &Device) -> Result<(CheckpointInfo, Model)> {
    load_weights_from(FILE, Path::new(PLACE), device)
}
