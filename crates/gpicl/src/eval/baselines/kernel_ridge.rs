//! Kernel ridge regression (Saunders, Gammerman and Vovk 1998) with a Gaussian kernel of the inputs' directions.

use super::gram::Kernel;
use super::ridge::choose;
use super::tune::{Chosen, Tuning};
use crate::error::Result;

/// Inverse widths to choose from.
pub(super) const GAMMAS: [f64; 11] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
/// Regularisations to choose from; the kernel of an input with itself is 1.
const LAMBDAS: [f64; 8] = [0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0];

/// Chooses `gamma` and `lambda`, then the temperature.
pub(super) fn fit(tuning: &Tuning<'_>) -> Result<Chosen> {
    let learner = choose(tuning, &GAMMAS.map(|gamma| Kernel::Rbf { gamma }), &LAMBDAS)?;
    let settings =
        format!("{}, lambda {}, temperature {}", learner.kernel, learner.lambda, learner.temperature);
    Ok((settings, learner).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::baselines::ridge::Ridge;
    use crate::eval::baselines::tests::plane_answers;

    #[test]
    fn answers_agree_with_scikit_learn() {
        // KernelRidge(alpha=0.1, kernel="precomputed") on one-hot labels less 1/3.
        let expected = [
            [-0.14426183, 0.48645609, -0.34219425],
            [-0.19051436, 0.07890386, 0.1116105],
            [-0.1962297, -0.32847896, 0.52470866],
        ];
        let kernel = Kernel::Rbf { gamma: 2.0 };
        let answers = plane_answers(&Ridge { kernel, lambda: 0.1, temperature: 1.0 });
        for (is, expected) in answers.iter().zip(expected.as_flattened()) {
            assert!((f64::from(*is) - expected).abs() < 1e-6, "{answers:?}");
        }
    }
}
