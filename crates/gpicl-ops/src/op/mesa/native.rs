//! The native version and its gradient.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Flex, TensorMetadata, backend_extension};

use crate::AttentionMask;
use crate::cpu::buffer::Buffer;
use crate::cpu::mesa::{self, Scales, Sizes};
use crate::op::native::{contiguous, filled, tensor, values};

/// Mesa layers as a backend's operation.
#[backend_extension(Autodiff, Flex)]
pub trait MesaOps: Backend {
    /// See [`crate::mesa()`].
    fn mesa(
        qkv: FloatTensor<Self>,
        temperature: FloatTensor<Self>,
        ridge: FloatTensor<Self>,
        mask: AttentionMask,
    ) -> FloatTensor<Self>;
}

/// The same for queries, without gradient.
#[backend_extension(Flex)]
pub trait MesaQueriesOps: Backend {
    /// See [`crate::mesa_queries`].
    fn mesa_queries(
        qkv: FloatTensor<Self>,
        context: FloatTensor<Self>,
        temperature: FloatTensor<Self>,
        ridge: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

impl MesaOps for Flex {
    fn mesa(qkv: FlexTensor, temperature: FlexTensor, ridge: FlexTensor, mask: AttentionMask) -> FlexTensor {
        let [qkv, temperature, ridge] = [qkv, temperature, ridge].map(contiguous);
        let [batch, time, width]: [usize; 3] = qkv.shape().dims();
        let sizes = sizes(&qkv, &temperature, mask);
        let scales = Scales { temperature: values(&temperature), ridge: values(&ridge) };
        filled([batch, time, width / 3].into(), |out| mesa::forward(values(&qkv), scales, out, sizes))
    }
}

impl MesaQueriesOps for Flex {
    fn mesa_queries(
        qkv: FlexTensor,
        context: FlexTensor,
        temperature: FlexTensor,
        ridge: FlexTensor,
    ) -> FlexTensor {
        let [qkv, context, temperature, ridge] = [qkv, context, temperature, ridge].map(contiguous);
        let [batch, queries, width]: [usize; 3] = qkv.shape().dims();
        let [_, examples, _]: [usize; 3] = context.shape().dims();
        let scales = Scales { temperature: values(&temperature), ridge: values(&ridge) };
        let heads = scales.temperature.len();
        filled([batch, queries, width / 3].into(), |out| {
            let (counts, head) = ([queries, examples], [heads, width / (3 * heads)]);
            mesa::queries(values(&qkv), values(&context), scales, out, counts, head);
        })
    }
}

impl<C: CheckpointStrategy> MesaOps for Autodiff<Flex, C> {
    fn mesa(
        qkv: FloatTensor<Self>,
        temperature: FloatTensor<Self>,
        ridge: FloatTensor<Self>,
        mask: AttentionMask,
    ) -> FloatTensor<Self> {
        let (qkv, qkv_node) = qkv.into_parts();
        let (temperature, temperature_node) = temperature.into_parts();
        let (ridge, ridge_node) = ridge.into_parts();
        let out = Flex::mesa(qkv.clone(), temperature.clone(), ridge.clone(), mask);
        match Mesa.prepare::<C>([qkv_node, temperature_node, ridge_node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let [qkv, temperature, ridge] = [qkv, temperature, ridge].map(contiguous);
                prep.finish(Saved { qkv, temperature, ridge, mask }, out)
            }
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }
}

#[derive(Debug)]
struct Mesa;

/// What the gradient needs of the forward pass, which it does again.
#[derive(Clone, Debug)]
struct Saved {
    qkv: FlexTensor,
    temperature: FlexTensor,
    ridge: FlexTensor,
    mask: AttentionMask,
}

impl Backward<Flex, 3> for Mesa {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dout = contiguous(grads.consume::<Flex>(&ops.node));
        let Saved { qkv, temperature, ridge, mask } = ops.state;
        let sizes = sizes(&qkv, &temperature, mask);
        let [batch, _, _]: [usize; 3] = qkv.shape().dims();
        let mut dqkv = Buffer::stale(qkv.shape().num_elements());
        let [mut dtemperature, mut dridge] = [(); 2].map(|()| Buffer::stale(batch * sizes.heads));
        let scales = Scales { temperature: values(&temperature), ridge: values(&ridge) };
        let found = mesa::Gradients { qkv: &mut dqkv, temperature: &mut dtemperature, ridge: &mut dridge };
        mesa::backward(values(&qkv), scales, values(&dout), found, sizes);
        let [qkv_parent, temperature_parent, ridge_parent] = ops.parents;
        if let Some(parent) = qkv_parent {
            grads.register::<Flex>(parent.id, tensor(dqkv, qkv.shape()));
        }
        // Sequence after sequence, so that the sum does not depend on the threads.
        for (parent, parts) in [(temperature_parent, dtemperature), (ridge_parent, dridge)] {
            let Some(parent) = parent else { continue };
            let sum = filled([sizes.heads].into(), |sum| {
                sum.fill(0.0);
                for part in parts.chunks(sizes.heads) {
                    sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
                }
            });
            grads.register::<Flex>(parent.id, sum);
        }
    }
}

fn sizes(qkv: &FlexTensor, temperature: &FlexTensor, mask: AttentionMask) -> Sizes {
    let [_, time, width]: [usize; 3] = qkv.shape().dims();
    let [heads]: [usize; 1] = temperature.shape().dims();
    Sizes { time, heads, d_head: width / (3 * heads), mask }
}
