//! The native version and its gradient.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Flex, TensorMetadata, backend_extension};

use crate::cpu::unit_silu;
use crate::op::native::{contiguous, filled, values};

/// `silu` to unit length as a backend's operation.
#[backend_extension(Autodiff, Flex)]
pub trait UnitSiluOps: Backend {
    /// See [`crate::unit_silu`]; rows have `width` values.
    fn unit_silu(x: FloatTensor<Self>, width: usize) -> FloatTensor<Self>;
}

impl UnitSiluOps for Flex {
    fn unit_silu(x: FlexTensor, width: usize) -> FlexTensor {
        let x = contiguous(x);
        filled(x.shape(), |y| unit_silu::forward(values(&x), width, y))
    }
}

impl<C: CheckpointStrategy> UnitSiluOps for Autodiff<Flex, C> {
    fn unit_silu(x: FloatTensor<Self>, width: usize) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        let x = contiguous(x);
        let y = Flex::unit_silu(x.clone(), width);
        match UnitSilu.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((x, width), y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }
}

#[derive(Debug)]
struct UnitSilu;

impl Backward<Flex, 1> for UnitSilu {
    type State = (FlexTensor, usize);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = contiguous(grads.consume::<Flex>(&ops.node));
        let ((x, width), [parent]) = (ops.state, ops.parents);
        if let Some(parent) = parent {
            let dx = filled(x.shape(), |dx| unit_silu::backward(values(&x), width, values(&dy), dx));
            grads.register::<Flex>(parent.id, dx);
        }
    }
}
