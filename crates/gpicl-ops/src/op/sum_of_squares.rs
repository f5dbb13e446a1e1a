//! The squared norm of a tensor.

use burn::tensor::Tensor;

use crate::reference;

/// Sum of the squares of all elements, in an order that does not depend on the number of threads. Returns `[1]`.
pub fn sum_of_squares<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    reference::sum_of_squares(x)
}
