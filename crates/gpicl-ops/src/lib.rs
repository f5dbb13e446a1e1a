//! Fused tensor operations for meta-training sequence models with Burn.
pub mod reference;
pub use reference::*;
use serde::{Deserialize, Serialize};
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision { #[default] Fp32, Bf16 }
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation { Identity, Gelu }
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttentionMask { Causal, Paired }
#[derive(Clone, Copy, Debug)]
pub struct AdamWStep { pub lr: f32, pub beta1: f32, pub beta2: f32, pub eps: f32, pub weight_decay: f32, pub bias_correction1: f32, pub bias_correction2: f32, pub grad_scale: f32 }
