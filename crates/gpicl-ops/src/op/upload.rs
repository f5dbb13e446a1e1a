//! Numbers from the host.

#[cfg(feature = "flex")]
use burn::backend::Flex;
use burn::tensor::{Device, Tensor, TensorData};

#[cfg(feature = "flex")]
use super::native::{is_flex, tensor};
#[cfg(feature = "flex")]
use crate::cpu::buffer::Buffer;

/// A tensor of a copy of `values`, in row-major order.
///
/// On the CPU the copy's memory is used again after the tensor's end, like that of the operations here.
///
/// # Panics
/// If their number is not that of the shape.
pub fn upload<const D: usize>(values: &[f32], shape: [usize; D], device: &Device) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if is_flex(device.clone()) {
        let mut buffer = Buffer::stale(values.len());
        buffer.copy_from_slice(values);
        let inner = Tensor::from_primitive::<Flex>(tensor(buffer, shape.into()));
        return if device.is_autodiff() { Tensor::from_inner(inner) } else { inner };
    }
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}
