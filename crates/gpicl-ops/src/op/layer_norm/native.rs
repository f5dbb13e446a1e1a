//! The native version and its gradients.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Flex, TensorMetadata, backend_extension};

use crate::cpu::{buffer::Buffer, layer_norm};
use crate::op::native::{contiguous, tensor, values};

/// Layer normalisation as a backend's operation.
#[backend_extension(Autodiff, Flex)]
pub trait LayerNormOps: Backend {
    /// See [`crate::layer_norm`].
    fn layer_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        eps: f64,
    ) -> FloatTensor<Self>;
}

impl LayerNormOps for Flex {
    fn layer_norm(x: FlexTensor, gamma: FlexTensor, beta: FlexTensor, eps: f64) -> FlexTensor {
        normalize(&contiguous(x), &contiguous(gamma), &contiguous(beta), eps).0
    }
}

impl<C: CheckpointStrategy> LayerNormOps for Autodiff<Flex, C> {
    fn layer_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        eps: f64,
    ) -> FloatTensor<Self> {
        let ((x, x_node), (gamma, gamma_node)) = (x.into_parts(), gamma.into_parts());
        let (beta, beta_node) = beta.into_parts();
        match LayerNorm.prepare::<C>([x_node, gamma_node, beta_node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let (x, gamma) = (contiguous(x), contiguous(gamma));
                let (y, statistics) = normalize(&x, &gamma, &contiguous(beta), eps);
                prep.finish(Saved { x, gamma, statistics }, y)
            }
            OpsKind::UnTracked(prep) => prep.finish(Flex::layer_norm(x, gamma, beta, eps)),
        }
    }
}

#[derive(Debug)]
struct LayerNorm;

/// What the gradients need of the forward pass; statistics are `[rows, 2]`.
#[derive(Clone, Debug)]
struct Saved {
    x: FlexTensor,
    gamma: FlexTensor,
    statistics: FlexTensor,
}

impl Backward<Flex, 3> for LayerNorm {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = contiguous(grads.consume::<Flex>(&ops.node));
        let Saved { x, gamma, statistics } = ops.state;
        let width = gamma.shape().num_elements();
        let mut dx = Buffer::stale(x.shape().num_elements());
        let (mut dgamma, mut dbeta) = (Buffer::stale(width), Buffer::stale(width));
        let saved = (values(&x), values(&gamma), values(&statistics));
        layer_norm::backward(saved.0, saved.1, saved.2, values(&dy), &mut dx, &mut dgamma, &mut dbeta);
        let gradients = [tensor(dx, x.shape()), tensor(dgamma, gamma.shape()), tensor(dbeta, gamma.shape())];
        for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
            if let Some(parent) = parent {
                grads.register::<Flex>(parent.id, gradient);
            }
        }
    }
}

fn normalize(x: &FlexTensor, gamma: &FlexTensor, beta: &FlexTensor, eps: f64) -> (FlexTensor, FlexTensor) {
    let rows = x.shape().num_elements() / gamma.shape().num_elements();
    let mut y = Buffer::stale(x.shape().num_elements());
    let mut statistics = Buffer::stale(rows * layer_norm::STATISTICS);
    layer_norm::forward(values(x), values(gamma), values(beta), eps as f32, &mut y, &mut statistics);
    (tensor(y, x.shape()), tensor(statistics, [rows, layer_norm::STATISTICS].into()))
}
