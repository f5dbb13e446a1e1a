//! AdamW (Loshchilov and Hutter 2019).

use gpicl_ops::AdamWStep;

use super::config::TrainConfig;

/// The numbers of update `t`, counted from 1, of a parameter of `rank` dimensions. Biases, gains and offsets are not decayed.
pub(super) fn step(config: &TrainConfig, lr: f64, t: u64, grad_scale: f32, rank: usize) -> AdamWStep {
    let correction = |beta: f64| (1.0 - beta.powf(t as f64)) as f32;
    AdamWStep {
        lr: lr as f32,
        beta1: config.betas[0] as f32,
        beta2: config.betas[1] as f32,
        eps: config.eps as f32,
        weight_decay: if rank > 1 { config.weight_decay as f32 } else { 0.0 },
        bias_correction1: correction(config.betas[0]),
        bias_correction2: correction(config.betas[1]),
        grad_scale,
    }
}
