//! The native version and its gradients.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Flex, TensorMetadata, backend_extension};

use crate::Precision;
use crate::cpu::{affine, buffer::Buffer, feed_forward as bf16};
use crate::op::native::{contiguous, filled, tensor, values, values_mut, writable};

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
                let (z, y) = maps([&x, &up, &up_bias, &down, &down_bias, &residual], precision);
                prep.finish(Saved { x, up, up_bias, down, down_bias, z, precision }, y)
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

/// What the gradients need of the forward pass; `z` holds the sums before GELU, or in bfloat16 what [`bf16`] keeps of them.
#[derive(Clone, Debug)]
struct Saved {
    x: FlexTensor,
    up: FlexTensor,
    up_bias: FlexTensor,
    down: FlexTensor,
    down_bias: FlexTensor,
    z: FlexTensor,
    precision: Precision,
}

impl Backward<Flex, 6> for FeedForward {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 6>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy_tensor = contiguous(grads.consume::<Flex>(&ops.node));
        if ops.state.precision == Precision::Bf16 {
            let gradients = bf16_gradients(&ops.state, values(&dy_tensor));
            for (parent, gradient) in ops.parents.into_iter().zip(gradients.into_iter().chain([dy_tensor])) {
                if let Some(parent) = parent {
                    grads.register::<Flex>(parent.id, gradient);
                }
            }
            return;
        }
        let Saved { x, up, down, z, precision, .. } = ops.state;
        let (dy, hidden) = (values(&dy_tensor), down.shape()[0]);
        let fan_out = down.shape()[1];
        let mut z = writable(z);
        let dz = filled(z.shape(), |dz| {
            let z = Some(values_mut(&mut z));
            affine::input_gradient(dy, values(&down), fan_out, dz, z, precision);
        });
        // The call above left the hidden units in `z`.
        let (h, dz) = (values(&z), values(&dz));
        let mut register = |parent: usize, gradient: &dyn Fn() -> FlexTensor| {
            if let Some(parent) = &ops.parents[parent] {
                grads.register::<Flex>(parent.id, gradient());
            }
        };
        register(0, &|| {
            filled(x.shape(), |dx| affine::input_gradient(dz, values(&up), hidden, dx, None, precision))
        });
        register(1, &|| {
            filled(up.shape(), |dup| affine::weight_gradient(values(&x), dz, hidden, dup, precision))
        });
        register(2, &|| filled([hidden].into(), |dbias| affine::bias_gradient(dz, dbias)));
        register(3, &|| {
            filled(down.shape(), |ddown| affine::weight_gradient(h, dy, fan_out, ddown, precision))
        });
        register(4, &|| filled([fan_out].into(), |dbias| affine::bias_gradient(dy, dbias)));
        register(5, &|| dy_tensor.clone());
    }
}

/// The sums before GELU, and the result.
fn maps(
    [x, up, up_bias, down, down_bias, residual]: [&FlexTensor; 6],
    precision: Precision,
) -> (FlexTensor, FlexTensor) {
    let rows = residual.shape().num_elements() / down_bias.shape().num_elements();
    if precision == Precision::Bf16 {
        let mut y = Buffer::stale(residual.shape().num_elements());
        let kept = filled([rows, bf16::kept(up_bias.shape().num_elements())].into(), |kept| {
            let weights = bf16_weights([up, up_bias, down, down_bias]);
            bf16::forward(values(x), weights, values(residual), kept, &mut y);
        });
        return (kept, tensor(y, residual.shape()));
    }
    let mut hidden = Buffer::stale(rows * up_bias.shape().num_elements());
    let z = filled([rows, up_bias.shape().num_elements()].into(), |z| {
        affine::forward(values(x), values(up), values(up_bias), None, z, Some(&mut hidden), precision);
    });
    let mut y = Buffer::stale(residual.shape().num_elements());
    let start = Some(values(residual));
    affine::forward(&hidden, values(down), values(down_bias), start, &mut y, None, precision);
    (z, tensor(y, residual.shape()))
}

fn bf16_weights([up, up_bias, down, down_bias]: [&FlexTensor; 4]) -> bf16::Weights<'_> {
    let [up, up_bias, down, down_bias] = [up, up_bias, down, down_bias].map(values);
    bf16::Weights { up, up_bias, down, down_bias }
}

/// The gradients of all but the residual, in the order of the arguments.
fn bf16_gradients(saved: &Saved, dy: &[f32]) -> [FlexTensor; 5] {
    let Saved { x, up, up_bias, down, down_bias, z, .. } = saved;
    let weights = [up, up_bias, down, down_bias];
    let shapes = [x, up, up_bias, down, down_bias].map(|tensor| tensor.shape());
    let mut buffers = shapes.each_ref().map(|shape| Buffer::stale(shape.num_elements()));
    let [dx, dup, dup_bias, ddown, ddown_bias] = &mut buffers;
    let gradients = bf16::Gradients { x: dx, up: dup, up_bias: dup_bias, down: ddown, down_bias: ddown_bias };
    bf16::backward(values(x), bf16_weights(weights), values(z), dy, gradients);
    let mut shapes = shapes.into_iter();
    buffers.map(|buffer| tensor(buffer, shapes.next().expect("a shape for every gradient")))
}
