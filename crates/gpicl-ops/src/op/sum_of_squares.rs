//! The squared norm of a tensor.

#[cfg(feature = "flex")]
mod native;

#[cfg(feature = "flex")]
use burn::backend::Dispatch;
use burn::tensor::Tensor;

#[cfg(feature = "flex")]
use self::native::SumOfSquaresOps;

use crate::reference;

/// Sum of the squares of all elements, in an order that does not depend on the number of threads. Returns `[1]`.
pub fn sum_of_squares<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    #[cfg(feature = "flex")]
    if super::native::takes(&x) && !x.device().is_autodiff() {
        return Tensor::from_dispatch(Dispatch::sum_of_squares(x.into_dispatch()));
    }
    reference::sum_of_squares(x)
}
