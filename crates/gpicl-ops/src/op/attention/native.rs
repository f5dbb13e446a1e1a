//! The native version and its gradient.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Flex, TensorMetadata, backend_extension};

use crate::AttentionMask;
use crate::cpu::{attention, attention::Sizes, buffer::Buffer};
use crate::op::native::{contiguous, tensor, values};

/// Attention as a backend's operation.
#[backend_extension(Autodiff, Flex)]
pub trait AttentionOps: Backend {
    /// See [`crate::attention`].
    fn attention(qkv: FloatTensor<Self>, heads: usize, mask: AttentionMask) -> FloatTensor<Self>;
}

impl AttentionOps for Flex {
    fn attention(qkv: FlexTensor, heads: usize, mask: AttentionMask) -> FlexTensor {
        attend(&contiguous(qkv), heads, mask).0
    }
}

impl<C: CheckpointStrategy> AttentionOps for Autodiff<Flex, C> {
    fn attention(qkv: FloatTensor<Self>, heads: usize, mask: AttentionMask) -> FloatTensor<Self> {
        let (qkv, node) = qkv.into_parts();
        match Attention.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let qkv = contiguous(qkv);
                let (out, log_denominators) = attend(&qkv, heads, mask);
                prep.finish(Saved { qkv, out: out.clone(), log_denominators, heads, mask }, out)
            }
            OpsKind::UnTracked(prep) => prep.finish(Flex::attention(qkv, heads, mask)),
        }
    }
}

#[derive(Debug)]
struct Attention;

/// What the gradient needs of the forward pass; log-denominators are `[batch, heads, time]`.
#[derive(Clone, Debug)]
struct Saved {
    qkv: FlexTensor,
    out: FlexTensor,
    log_denominators: FlexTensor,
    heads: usize,
    mask: AttentionMask,
}

impl Backward<Flex, 1> for Attention {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dout = contiguous(grads.consume::<Flex>(&ops.node));
        let [Some(parent)] = ops.parents else { return };
        let Saved { qkv, out, log_denominators, heads, mask } = ops.state;
        let saved = attention::Saved {
            qkv: values(&qkv),
            out: values(&out),
            log_denominators: values(&log_denominators),
        };
        let mut dqkv = Buffer::stale(qkv.shape().num_elements());
        attention::backward(saved, values(&dout), &mut dqkv, sizes(&qkv, heads, mask));
        grads.register::<Flex>(parent.id, tensor(dqkv, qkv.shape()));
    }
}

fn sizes(qkv: &FlexTensor, heads: usize, mask: AttentionMask) -> Sizes {
    let [_, time, width]: [usize; 3] = qkv.shape().dims();
    Sizes { time, heads, d_head: width / (3 * heads), mask, apart: 1 }
}

fn attend(qkv: &FlexTensor, heads: usize, mask: AttentionMask) -> (FlexTensor, FlexTensor) {
    let [batch, time, width]: [usize; 3] = qkv.shape().dims();
    let mut out = Buffer::stale(batch * time * width / 3);
    let mut log_denominators = Buffer::stale(batch * heads * time);
    attention::forward(values(qkv), &mut out, &mut log_denominators, sizes(qkv, heads, mask));
    (tensor(out, [batch, time, width / 3].into()), tensor(log_denominators, [batch, heads, time].into()))
}
