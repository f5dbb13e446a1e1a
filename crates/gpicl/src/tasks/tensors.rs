//! Batches as tensors, and tensors as numbers.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::batch::Batch;

/// Puts a batch on `device`: inputs `[batch, time, input_dim]`, labels `[batch, time]`.
pub fn to_device(batch: &Batch, device: &Device) -> (Tensor<3>, Tensor<2, Int>) {
    let (size, time) = (batch.len(), batch.episode_length());
    let inputs = gpicl_ops::upload(&batch.inputs, [size, time, batch.input_dim()], device);
    (inputs, label_tensor(&batch.labels, size, device))
}

/// A float tensor's values on the host.
pub fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().expect("converted to f32")
}

/// `labels` as a device tensor `[batch, time]`.
pub fn label_tensor(labels: &[u32], batch: usize, device: &Device) -> Tensor<2, Int> {
    let labels: Vec<i32> = labels.iter().map(|&label| label as i32).collect();
    let time = labels.len() / batch;
    Tensor::from_data(TensorData::new(labels, [batch, time]), device)
}
