//! The Muon update.

#[cfg(feature = "flex")]
mod native;

#[cfg(feature = "flex")]
use burn::backend::Dispatch;
use burn::tensor::Tensor;

#[cfg(feature = "flex")]
use self::native::MuonOps;
use super::check;
use crate::{MuonStep, reference};

/// One Muon update of a matrix (Jordan et al. 2024), in place where a tensor has no other owner.
///
/// With `g = grad_scale * grad` the momentum becomes `m' = momentum m + (1 - momentum) g`. The direction is
/// `momentum m' + (1 - momentum) g` (Nesterov), made orthogonal: its singular values are brought near 1 by five
/// steps of a Newton-Schulz iteration, `X -> a X + b (X X') X + c (X X')^2 X`, from `X / |X|`. The parameter becomes
/// `(1 - lr weight_decay) param - lr scale X`, where `scale = 0.2 sqrt(max(rows, cols))` gives the update the size that
/// AdamW's has (Liu et al. 2025), so that one learning rate is for both.
///
/// All tensors are `[rows, blocks * cols]` and outside automatic differentiation: `blocks` matrices side by side, each
/// made orthogonal by itself. Returns `(param', m')`.
///
/// # Panics
/// If the shapes or devices differ, or the columns are not so many equal blocks.
pub fn muon(
    param: Tensor<2>,
    grad: Tensor<2>,
    m: Tensor<2>,
    blocks: usize,
    step: MuonStep,
) -> (Tensor<2>, Tensor<2>) {
    let shape = param.dims();
    check::shape("muon: grad", &shape, &grad.dims());
    check::shape("muon: m", &shape, &m.dims());
    let [_, width] = shape;
    assert!(blocks > 0 && width.is_multiple_of(blocks), "muon: {blocks} equal blocks of {width} columns");
    #[cfg(feature = "flex")]
    if super::native::takes(&param) && !param.device().is_autodiff() {
        let (param, grad) = (param.into_dispatch(), grad.into_dispatch());
        let (param, m) = Dispatch::muon(param, grad, m.into_dispatch(), blocks, step);
        return (Tensor::from_dispatch(param), Tensor::from_dispatch(m));
    }
    reference::muon(param, grad, m, blocks, step)
}
