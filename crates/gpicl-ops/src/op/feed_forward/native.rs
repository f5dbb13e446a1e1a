//! The native version and its gradients.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Flex, TensorMetadata, backend_extension};

use crate::Precision;
use crate::cpu::{buffer::Buffer, feed_forward as kernel};
use crate::op::native::{contiguous, filled, tensor, values};

/// The two affine maps as a backend's operation.
#[backend_extension(Autodiff, Flex)]
pub trait FeedForwardOps: Backend {
    /// See [`crate::feed_forward`].
    fn feed_forward(
        x: FloatTensor<Self>,
        up: FloatTensor<Self>,
        up_bias: FloatTensor<Self>,
        down: FloatTensor<Self>,
        down_bias: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        precision: Precision,
    ) -> FloatTensor<Self>;
}

impl FeedForwardOps for Flex {
    fn feed_forward(
        x: FlexTensor,
        up: FlexTensor,
        up_bias: FlexTensor,
        down: FlexTensor,
        down_bias: FlexTensor,
        residual: FlexTensor,
        precision: Precision,
    ) -> FlexTensor {
        let [x, up, up_bias, down, down_bias, residual] =
            [x, up, up_bias, down, down_bias, residual].map(contiguous);
        maps([&x, &up, &up_bias, &down, &down_bias, &residual], precision).1
    }
}

impl<C: CheckpointStrategy> FeedForwardOps for Autodiff<Flex, C> {
    fn feed_forward(
        x: FloatTensor<Self>,
        up: FloatTensor<Self>,
        up_bias: FloatTensor<Self>,
        down: FloatTensor<Self>,
        down_bias: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        precision: Precision,
    ) -> FloatTensor<Self> {
        let parts = [x, up, up_bias, down, down_bias, residual].map(|tensor| tensor.into_parts());
        let [x, up, up_bias, down, down_bias, residual] = parts;
        let nodes = [x.1, up.1, up_bias.1, down.1, down_bias.1, residual.1];
        let [x, up, up_bias, down, down_bias, residual] =
            [x.0, up.0, up_bias.0, down.0, down_bias.0, residual.0].map(contiguous);
        match FeedForward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let (kept, y) = maps([&x, &up, &up_bias, &down, &down_bias, &residual], precision);
                prep.finish(Saved { x, up, up_bias, down, down_bias, kept, precision }, y)
            }
            OpsKind::UnTracked(prep) => {
                let (_, y) = maps([&x, &up, &up_bias, &down, &down_bias, &residual], precision);
                prep.finish(y)
            }
        }
    }
}

#[derive(Debug)]
struct FeedForward;

/// What the gradients need of the forward pass; `kept` holds the sums before GELU as [`kernel`] keeps them.
#[derive(Clone, Debug)]
struct Saved {
    x: FlexTensor,
    up: FlexTensor,
    up_bias: FlexTensor,
    down: FlexTensor,
    down_bias: FlexTensor,
    kept: FlexTensor,
    precision: Precision,
}

impl Backward<Flex, 6> for FeedForward {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 6>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy_tensor = contiguous(grads.consume::<Flex>(&ops.node));
        let gradients = gradients(&ops.state, values(&dy_tensor));
        for (parent, gradient) in ops.parents.into_iter().zip(gradients.into_iter().chain([dy_tensor])) {
            if let Some(parent) = parent {
                grads.register::<Flex>(parent.id, gradient);
            }
        }
    }
}

/// What is kept of the sums before GELU, and the result.
fn maps(
    [x, up, up_bias, down, down_bias, residual]: [&FlexTensor; 6],
    precision: Precision,
) -> (FlexTensor, FlexTensor) {
    let rows = residual.shape().num_elements() / down_bias.shape().num_elements();
    let mut y = Buffer::stale(residual.shape().num_elements());
    let kept = kernel::kept(up_bias.shape().num_elements(), precision);
    let kept = filled([rows, kept].into(), |kept| {
        let weights = weights([up, up_bias, down, down_bias]);
        kernel::forward(values(x), weights, values(residual), kept, &mut y, precision);
    });
    (kept, tensor(y, residual.shape()))
}

fn weights([up, up_bias, down, down_bias]: [&FlexTensor; 4]) -> kernel::Weights<'_> {
    let [up, up_bias, down, down_bias] = [up, up_bias, down, down_bias].map(values);
    kernel::Weights { up, up_bias, down, down_bias }
}

/// The gradients of all but the residual, in the order of the arguments.
fn gradients(saved: &Saved, dy: &[f32]) -> [FlexTensor; 5] {
    let Saved { x, up, up_bias, down, down_bias, kept, precision } = saved;
    let shapes = [x, up, up_bias, down, down_bias].map(|tensor| tensor.shape());
    let mut buffers = shapes.each_ref().map(|shape| Buffer::stale(shape.num_elements()));
    let [dx, dup, dup_bias, ddown, ddown_bias] = &mut buffers;
    let gradients =
        kernel::Gradients { x: dx, up: dup, up_bias: dup_bias, down: ddown, down_bias: ddown_bias };
    let weights = weights([up, up_bias, down, down_bias]);
    kernel::backward(values(x), weights, values(kept), dy, gradients, *precision);
    let mut shapes = shapes.into_iter();
    buffers.map(|buffer| tensor(buffer, shapes.next().expect("a shape for every gradient")))
}
