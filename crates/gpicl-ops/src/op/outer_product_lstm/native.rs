//! The native version and its gradients.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Flex, TensorMetadata, backend_extension};

use crate::cpu::buffer::Buffer;
use crate::cpu::outer_product_lstm::{self as scan, Carried, Kept, Sizes};
use crate::op::native::{contiguous, filled, tensor, values};
use crate::{Precision, TokenLayout};

/// What is no tensor: heads, layout, precision.
pub(super) type Settings = (usize, TokenLayout, Precision);

/// The outer-product LSTM as a backend's operation.
#[backend_extension(Autodiff, Flex)]
pub trait OuterProductLstmOps: Backend {
    /// See [`crate::outer_product_lstm`].
    fn outer_product_lstm(
        gates: FloatTensor<Self>,
        recurrent: FloatTensor<Self>,
        settings: Settings,
    ) -> FloatTensor<Self>;
}

impl OuterProductLstmOps for Flex {
    fn outer_product_lstm(gates: FlexTensor, recurrent: FlexTensor, settings: Settings) -> FlexTensor {
        scanned(&contiguous(gates), contiguous(recurrent), None, settings).out
    }
}

impl<C: CheckpointStrategy> OuterProductLstmOps for Autodiff<Flex, C> {
    fn outer_product_lstm(
        gates: FloatTensor<Self>,
        recurrent: FloatTensor<Self>,
        settings: Settings,
    ) -> FloatTensor<Self> {
        let ((gates, gates_node), (recurrent, recurrent_node)) = (gates.into_parts(), recurrent.into_parts());
        match OuterProductLstm.prepare::<C>([gates_node, recurrent_node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let saved = scanned(&contiguous(gates), contiguous(recurrent), None, settings);
                let out = saved.out.clone();
                prep.finish(saved, out)
            }
            OpsKind::UnTracked(prep) => prep.finish(Flex::outer_product_lstm(gates, recurrent, settings)),
        }
    }
}

#[derive(Debug)]
struct OuterProductLstm;

/// The result, and what the gradients need besides.
#[derive(Clone, Debug)]
pub(super) struct Saved {
    recurrent: FlexTensor,
    gates: FlexTensor,
    reads: FlexTensor,
    memories: FlexTensor,
    pub(super) out: FlexTensor,
    settings: Settings,
}

impl Backward<Flex, 2> for OuterProductLstm {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dout = contiguous(grads.consume::<Flex>(&ops.node));
        let Saved { recurrent, gates, reads, memories, out, settings } = ops.state;
        let sizes = sizes(&gates, settings);
        let saved = scan::Saved { gates: values(&gates), reads: values(&reads), memories: values(&memories) };
        let dgates = filled(gates.shape(), |dgates| {
            scan::backward(saved, values(&recurrent), values(&dout), dgates, sizes);
        });
        let [to_gates, to_recurrent] = ops.parents;
        if let Some(parent) = to_recurrent {
            let (_, _, precision) = settings;
            let gradient = filled(recurrent.shape(), |drecurrent| {
                scan::weight_gradient(values(&out), values(&dgates), drecurrent, sizes, precision);
            });
            grads.register::<Flex>(parent.id, gradient);
        }
        if let Some(parent) = to_gates {
            grads.register::<Flex>(parent.id, dgates);
        }
    }
}

pub(super) fn sizes(gates: &FlexTensor, (heads, layout, _): Settings) -> Sizes {
    let [_, tokens, width]: [usize; 3] = gates.shape().dims();
    Sizes { tokens, heads, size: width / (8 * heads), layout }
}

/// The scan, from what is `carried` into it or from zeros.
pub(super) fn scanned(
    inputs: &FlexTensor,
    recurrent: FlexTensor,
    carried: Option<Carried<'_>>,
    settings: Settings,
) -> Saved {
    let [batch, tokens, width]: [usize; 3] = inputs.shape().dims();
    let sizes = sizes(inputs, settings);
    let mut gates = Buffer::stale(batch * tokens * width);
    let mut reads = Buffer::stale(batch * tokens * sizes.hidden());
    let mut memories = Buffer::stale(batch * sizes.checkpoints() * sizes.memory());
    let out = filled([batch, tokens, sizes.hidden()].into(), |out| {
        let kept = Kept { gates: &mut gates, reads: &mut reads, memories: &mut memories };
        scan::forward(values(inputs), values(&recurrent), carried, out, kept, sizes);
    });
    Saved {
        gates: tensor(gates, inputs.shape()),
        reads: tensor(reads, out.shape()),
        memories: tensor(memories, [batch, sizes.checkpoints(), sizes.memory()].into()),
        recurrent,
        out,
        settings,
    }
}
