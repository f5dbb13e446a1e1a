//! The native version and its gradient.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, Backend, Flex, TensorMetadata, backend_extension};

use crate::cpu::{buffer::Buffer, cross_entropy};
use crate::op::native::{contiguous, indices, tensor, values};

/// Softmax cross-entropy as a backend's operation.
#[backend_extension(Autodiff, Flex)]
pub trait CrossEntropyOps: Backend {
    /// See [`crate::cross_entropy`].
    fn cross_entropy(logits: FloatTensor<Self>, targets: IntTensor<Self>) -> FloatTensor<Self>;
}

impl CrossEntropyOps for Flex {
    fn cross_entropy(logits: FlexTensor, targets: FlexTensor) -> FlexTensor {
        let logits = contiguous(logits);
        let targets = indices("cross_entropy: expected targets", targets, logits.shape()[2]);
        likelihood(&logits, &targets)
    }
}

impl<C: CheckpointStrategy> CrossEntropyOps for Autodiff<Flex, C> {
    fn cross_entropy(logits: FloatTensor<Self>, targets: IntTensor<Self>) -> FloatTensor<Self> {
        let (logits, node) = logits.into_parts();
        match CrossEntropy.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let logits = contiguous(logits);
                let targets = indices("cross_entropy: expected targets", targets, logits.shape()[2]);
                let nll = likelihood(&logits, &targets);
                prep.finish(Saved { logits, targets }, nll)
            }
            OpsKind::UnTracked(prep) => prep.finish(Flex::cross_entropy(logits, targets)),
        }
    }
}

#[derive(Debug)]
struct CrossEntropy;

/// What the gradient needs of the forward pass.
#[derive(Clone, Debug)]
struct Saved {
    logits: FlexTensor,
    targets: Vec<usize>,
}

impl Backward<Flex, 1> for CrossEntropy {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dnll = contiguous(grads.consume::<Flex>(&ops.node));
        let [Some(parent)] = ops.parents else { return };
        let Saved { logits, targets } = ops.state;
        let [_, _, classes]: [usize; 3] = logits.shape().dims();
        let mut dlogits = Buffer::stale(logits.shape().num_elements());
        cross_entropy::backward(values(&logits), &targets, classes, values(&dnll), &mut dlogits);
        grads.register::<Flex>(parent.id, tensor(dlogits, logits.shape()));
    }
}

fn likelihood(logits: &FlexTensor, targets: &[usize]) -> FlexTensor {
    let [batch, time, classes]: [usize; 3] = logits.shape().dims();
    let mut nll = Buffer::stale(batch * time);
    cross_entropy::forward(values(logits), targets, classes, &mut nll);
    tensor(nll, [batch, time].into())
}
