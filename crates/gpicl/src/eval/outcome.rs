#![allow(missing_docs)]
use serde::{Deserialize, Serialize};
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Outcome { X }
impl std::fmt::Display for Outcome { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("x") } }
#[derive(Default)] pub struct OutcomeRule;
impl OutcomeRule { pub fn classify(&self, _: &super::LearningCurve, _: &super::LearningCurve, _: f64) -> Outcome { Outcome::X } }
