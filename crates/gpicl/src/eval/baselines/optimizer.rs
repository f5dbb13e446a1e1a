//! Gradient descent and Adam on one slice of parameters.

use std::fmt;

use gpicl_ops::cpu::dispatch;

use super::vector::add_scaled;

/// Which update, and its learning rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimizer {
    /// `p -= lr g`.
    Sgd(f32),
    /// Adam (Kingma and Ba 2015) with decays 0.9 and 0.999.
    Adam(f32),
}

impl fmt::Display for Optimizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sgd(lr) => write!(f, "SGD, learning rate {lr}"),
            Self::Adam(lr) => write!(f, "Adam, learning rate {lr}"),
        }
    }
}

/// An optimiser's memory.
#[derive(Clone, Debug)]
pub struct OptimizerState {
    moments: [Vec<f32>; 2],
    step: i32,
}

impl Optimizer {
    const DECAY: [f32; 2] = [0.9, 0.999];
    const EPS: f32 = 1e-8;

    /// The memory before the first of the updates of `count` parameters.
    pub fn start(self, count: usize) -> OptimizerState {
        let count = if matches!(self, Self::Adam(_)) { count } else { 0 };
        OptimizerState { moments: [vec![0.0; count], vec![0.0; count]], step: 0 }
    }

    /// Updates `params` by `gradient`.
    pub fn update(self, state: &mut OptimizerState, params: &mut [f32], gradient: &[f32]) {
        state.step += 1;
        let lr = match self {
            Self::Sgd(lr) => return add_scaled(params, -lr, gradient),
            Self::Adam(lr) => lr,
        };
        let [decay1, decay2] = Self::DECAY;
        let correction = Self::DECAY.map(|decay| 1.0 / (1.0 - decay.powi(state.step)));
        let [first, second] = &mut state.moments;
        dispatch::run(|| {
            for (((p, &g), m), v) in params.iter_mut().zip(gradient).zip(first).zip(second) {
                *m = decay1 * *m + (1.0 - decay1) * g;
                *v = decay2 * *v + (1.0 - decay2) * g * g;
                *p -= lr * correction[0] * *m / ((correction[1] * *v).sqrt() + Self::EPS);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_agree_with_their_definition() {
        let gradient = [0.5, -2.0];
        let mut params = [1.0, 1.0];
        let sgd = Optimizer::Sgd(0.1);
        sgd.update(&mut sgd.start(2), &mut params, &gradient);
        assert_eq!(params, [0.95, 1.2]);
        // Adam's first step is the learning rate against the gradient's sign; with the same gradient, so is the next.
        let adam = Optimizer::Adam(0.1);
        let (mut state, mut params) = (adam.start(2), [1.0, 1.0]);
        for step in 1..=2 {
            adam.update(&mut state, &mut params, &gradient);
            let moved = 0.1 * step as f32;
            assert!((params[0] - (1.0 - moved)).abs() < 1e-5 && (params[1] - (1.0 + moved)).abs() < 1e-5);
        }
    }
}
