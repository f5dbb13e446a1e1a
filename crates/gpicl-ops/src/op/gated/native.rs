//! The native version and its gradients.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Flex, TensorMetadata, backend_extension};

use crate::Gate;
use crate::cpu::{buffer::Buffer, gated};
use crate::op::native::{contiguous, filled, tensor, values};

/// A gate as a backend's operation.
#[backend_extension(Autodiff, Flex)]
pub trait GatedOps: Backend {
    /// See [`crate::gated`].
    fn gated(x: FloatTensor<Self>, gate: FloatTensor<Self>, kind: Gate) -> FloatTensor<Self>;
}

impl GatedOps for Flex {
    fn gated(x: FlexTensor, gate: FlexTensor, kind: Gate) -> FlexTensor {
        let (x, gate) = (contiguous(x), contiguous(gate));
        filled(x.shape(), |y| gated::forward(values(&x), values(&gate), kind, y))
    }
}

impl<C: CheckpointStrategy> GatedOps for Autodiff<Flex, C> {
    fn gated(x: FloatTensor<Self>, gate: FloatTensor<Self>, kind: Gate) -> FloatTensor<Self> {
        let ((x, x_node), (gate, gate_node)) = (x.into_parts(), gate.into_parts());
        let (x, gate) = (contiguous(x), contiguous(gate));
        let y = Flex::gated(x.clone(), gate.clone(), kind);
        match Gated.prepare::<C>([x_node, gate_node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((x, gate, kind), y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }
}

#[derive(Debug)]
struct Gated;

impl Backward<Flex, 2> for Gated {
    type State = (FlexTensor, FlexTensor, Gate);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = contiguous(grads.consume::<Flex>(&ops.node));
        let (x, gate, kind) = ops.state;
        let count = x.shape().num_elements();
        let (mut dx, mut dgate) = (Buffer::stale(count), Buffer::stale(count));
        gated::backward(values(&x), values(&gate), kind, values(&dy), &mut dx, &mut dgate);
        for (parent, gradient) in ops.parents.into_iter().zip([dx, dgate]) {
            if let Some(parent) = parent {
                grads.register::<Flex>(parent.id, tensor(gradient, x.shape()));
            }
        }
    }
}
