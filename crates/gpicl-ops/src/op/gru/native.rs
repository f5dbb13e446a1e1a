//! The native version and its gradients.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Flex, backend_extension};

use crate::cpu::recurrent;
use crate::op::native::{contiguous, values};
use crate::op::recurrent::native::{Saved, gradients, scan};
use crate::{Precision, TokenLayout};

/// Gated recurrent units as a backend's operation.
#[backend_extension(Autodiff, Flex)]
pub trait GruOps: Backend {
    /// See [`crate::gru`].
    fn gru(
        gates: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        layout: TokenLayout,
        precision: Precision,
    ) -> FloatTensor<Self>;
}

impl GruOps for Flex {
    fn gru(
        gates: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        layout: TokenLayout,
        precision: Precision,
    ) -> FlexTensor {
        let bias = contiguous(bias);
        scan(cell(&bias), gates, weight, layout, precision).out
    }
}

impl<C: CheckpointStrategy> GruOps for Autodiff<Flex, C> {
    fn gru(
        gates: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        layout: TokenLayout,
        precision: Precision,
    ) -> FloatTensor<Self> {
        let ((gates, gates_node), (weight, weight_node)) = (gates.into_parts(), weight.into_parts());
        let (bias, bias_node) = bias.into_parts();
        match Gru.prepare::<C>([gates_node, weight_node, bias_node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let bias = contiguous(bias);
                let saved = scan(cell(&bias), gates, weight, layout, precision);
                let out = saved.out.clone();
                prep.finish((saved, bias), out)
            }
            OpsKind::UnTracked(prep) => prep.finish(Flex::gru(gates, weight, bias, layout, precision)),
        }
    }
}

#[derive(Debug)]
struct Gru;

impl Backward<Flex, 3> for Gru {
    type State = (Saved, FlexTensor);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dout = grads.consume::<Flex>(&ops.node);
        let (saved, bias) = ops.state;
        let found = gradients(cell(&bias), saved, dout, true);
        let gradients = [Some(found.gates), Some(found.weight), found.bias];
        for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                grads.register::<Flex>(parent.id, gradient);
            }
        }
    }
}

pub(super) fn cell(bias: &FlexTensor) -> recurrent::Gru<'_> {
    recurrent::Gru { bias: values(bias) }
}
