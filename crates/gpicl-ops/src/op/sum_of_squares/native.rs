//! The native version; it is for gradients, which need none themselves.

use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Flex, backend_extension};

use crate::cpu::{buffer::Buffer, sum};
use crate::op::native::{contiguous, tensor, values};

/// The squared norm as a backend's operation.
#[backend_extension(Flex)]
pub trait SumOfSquaresOps: Backend {
    /// See [`crate::sum_of_squares`].
    fn sum_of_squares(x: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl SumOfSquaresOps for Flex {
    fn sum_of_squares(x: FlexTensor) -> FlexTensor {
        let mut sum = Buffer::stale(1);
        sum[0] = sum::sum_of_squares(values(&contiguous(x)));
        tensor(sum, [1].into())
    }
}
