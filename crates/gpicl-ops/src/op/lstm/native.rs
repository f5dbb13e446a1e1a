//! The native version and its gradients.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Flex, backend_extension};

use crate::cpu::recurrent;
use crate::op::recurrent::native::{Saved, gradients, scan};
use crate::{Precision, TokenLayout};

/// Long short-term memory as a backend's operation.
#[backend_extension(Autodiff, Flex)]
pub trait LstmOps: Backend {
    /// See [`crate::lstm`].
    fn lstm(
        gates: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        layout: TokenLayout,
        precision: Precision,
    ) -> FloatTensor<Self>;
}

impl LstmOps for Flex {
    fn lstm(gates: FlexTensor, weight: FlexTensor, layout: TokenLayout, precision: Precision) -> FlexTensor {
        scan(recurrent::Lstm, gates, weight, layout, precision).out
    }
}

impl<C: CheckpointStrategy> LstmOps for Autodiff<Flex, C> {
    fn lstm(
        gates: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        layout: TokenLayout,
        precision: Precision,
    ) -> FloatTensor<Self> {
        let ((gates, gates_node), (weight, weight_node)) = (gates.into_parts(), weight.into_parts());
        match Lstm.prepare::<C>([gates_node, weight_node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let saved = scan(recurrent::Lstm, gates, weight, layout, precision);
                let out = saved.out.clone();
                prep.finish(saved, out)
            }
            OpsKind::UnTracked(prep) => prep.finish(Flex::lstm(gates, weight, layout, precision)),
        }
    }
}

#[derive(Debug)]
struct Lstm;

impl Backward<Flex, 2> for Lstm {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dout = grads.consume::<Flex>(&ops.node);
        let found = gradients(recurrent::Lstm, ops.state, dout, false);
        for (parent, gradient) in ops.parents.into_iter().zip([found.gates, found.weight]) {
            if let Some(parent) = parent {
                grads.register::<Flex>(parent.id, gradient);
            }
        }
    }
}
