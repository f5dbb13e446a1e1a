//! The native version across sequences, and its gradient.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Flex, TensorMetadata, backend_extension};

use crate::cpu::attention::Saved as Kept;
use crate::cpu::attention::across::{self, AcrossSizes};
use crate::cpu::buffer::Buffer;
use crate::op::native::{contiguous, tensor, values};

/// Attention across sequences as a backend's operation.
#[backend_extension(Autodiff, Flex)]
pub trait AttentionAcrossOps: Backend {
    /// See [`crate::attention_across`].
    fn attention_across(qkv: FloatTensor<Self>, groups: Vec<usize>, heads: usize) -> FloatTensor<Self>;
}

impl AttentionAcrossOps for Flex {
    fn attention_across(qkv: FlexTensor, groups: Vec<usize>, heads: usize) -> FlexTensor {
        attend(&contiguous(qkv), &groups, heads).0
    }
}

impl<C: CheckpointStrategy> AttentionAcrossOps for Autodiff<Flex, C> {
    fn attention_across(qkv: FloatTensor<Self>, groups: Vec<usize>, heads: usize) -> FloatTensor<Self> {
        let (qkv, node) = qkv.into_parts();
        match AttentionAcross.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let qkv = contiguous(qkv);
                let (out, log_denominators) = attend(&qkv, &groups, heads);
                prep.finish(Saved { qkv, out: out.clone(), log_denominators, groups, heads }, out)
            }
            OpsKind::UnTracked(prep) => prep.finish(Flex::attention_across(qkv, groups, heads)),
        }
    }
}

#[derive(Debug)]
struct AttentionAcross;

/// What the gradient needs of the forward pass.
#[derive(Clone, Debug)]
struct Saved {
    qkv: FlexTensor,
    out: FlexTensor,
    log_denominators: FlexTensor,
    groups: Vec<usize>,
    heads: usize,
}

impl Backward<Flex, 1> for AttentionAcross {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dout = contiguous(grads.consume::<Flex>(&ops.node));
        let [Some(parent)] = ops.parents else { return };
        let Saved { qkv, out, log_denominators, groups, heads } = ops.state;
        let saved =
            Kept { qkv: values(&qkv), out: values(&out), log_denominators: values(&log_denominators) };
        let mut dqkv = Buffer::stale(qkv.shape().num_elements());
        across::backward(saved, values(&dout), &mut dqkv, sizes(&qkv, &groups, heads));
        grads.register::<Flex>(parent.id, tensor(dqkv, qkv.shape()));
    }
}

fn sizes<'a>(qkv: &FlexTensor, groups: &'a [usize], heads: usize) -> AcrossSizes<'a> {
    let [_, rows, width]: [usize; 3] = qkv.shape().dims();
    AcrossSizes { groups, rows, heads, d_head: width / (3 * heads) }
}

fn attend(qkv: &FlexTensor, groups: &[usize], heads: usize) -> (FlexTensor, FlexTensor) {
    let [columns, rows, width]: [usize; 3] = qkv.shape().dims();
    let mut out = Buffer::stale(columns * rows * width / 3);
    let mut log_denominators = Buffer::stale(columns * rows * heads);
    across::forward(values(qkv), &mut out, &mut log_denominators, sizes(qkv, groups, heads));
    (tensor(out, [columns, rows, width / 3].into()), tensor(log_denominators, [columns, rows, heads].into()))
}
