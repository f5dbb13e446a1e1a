//! The native version and its gradients.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Flex, TensorMetadata, backend_extension};
use burn::tensor::Shape;

use crate::cpu::{affine, buffer::Buffer, gelu};
use crate::op::native::{contiguous, filled, tensor, values, values_mut, writable};
use crate::{Activation, Precision};

/// Affine maps as a backend's operations.
#[backend_extension(Autodiff, Flex)]
pub trait LinearOps: Backend {
    /// See [`crate::linear`].
    fn linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        activation: Activation,
        precision: Precision,
    ) -> FloatTensor<Self>;

    /// See [`crate::linear_residual`].
    fn linear_residual(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        precision: Precision,
    ) -> FloatTensor<Self>;
}

impl LinearOps for Flex {
    fn linear(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        activation: Activation,
        precision: Precision,
    ) -> FlexTensor {
        let (x, weight, bias) = (contiguous(x), contiguous(weight), contiguous(bias));
        match activation {
            Activation::Identity => affine_map(&x, &weight, &bias, None, precision),
            Activation::Gelu => affine_map_and_gelu(&x, &weight, &bias, precision).1,
        }
    }

    fn linear_residual(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        residual: FlexTensor,
        precision: Precision,
    ) -> FlexTensor {
        affine_map(
            &contiguous(x),
            &contiguous(weight),
            &contiguous(bias),
            Some(&contiguous(residual)),
            precision,
        )
    }
}

impl<C: CheckpointStrategy> LinearOps for Autodiff<Flex, C> {
    fn linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        activation: Activation,
        precision: Precision,
    ) -> FloatTensor<Self> {
        let ((x, x_node), (weight, weight_node)) = (x.into_parts(), weight.into_parts());
        let (bias, bias_node) = bias.into_parts();
        match Linear.prepare::<C>([x_node, weight_node, bias_node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let (x, weight, bias) = (contiguous(x), contiguous(weight), contiguous(bias));
                let (z, y) = match activation {
                    Activation::Identity => (None, affine_map(&x, &weight, &bias, None, precision)),
                    Activation::Gelu => {
                        let (z, y) = affine_map_and_gelu(&x, &weight, &bias, precision);
                        (Some(z), y)
                    }
                };
                prep.finish(Saved { x, weight, z, precision }, y)
            }
            OpsKind::UnTracked(prep) => prep.finish(Flex::linear(x, weight, bias, activation, precision)),
        }
    }

    fn linear_residual(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        precision: Precision,
    ) -> FloatTensor<Self> {
        let ((x, x_node), (weight, weight_node)) = (x.into_parts(), weight.into_parts());
        let ((bias, bias_node), (residual, residual_node)) = (bias.into_parts(), residual.into_parts());
        let nodes = [x_node, weight_node, bias_node, residual_node];
        match LinearResidual.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let (x, weight) = (contiguous(x), contiguous(weight));
                let y = affine_map(&x, &weight, &contiguous(bias), Some(&contiguous(residual)), precision);
                prep.finish(Saved { x, weight, z: None, precision }, y)
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(Flex::linear_residual(x, weight, bias, residual, precision))
            }
        }
    }
}

#[derive(Debug)]
struct Linear;

#[derive(Debug)]
struct LinearResidual;

/// What the gradients need of the forward pass; `z` is the sum before GELU.
#[derive(Clone, Debug)]
struct Saved {
    x: FlexTensor,
    weight: FlexTensor,
    z: Option<FlexTensor>,
    precision: Precision,
}

impl Backward<Flex, 3> for Linear {
    type State = Saved;

    fn backward(self, mut ops: Ops<Saved, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = contiguous(grads.consume::<Flex>(&ops.node));
        let dz = match ops.state.z.take() {
            None => dy,
            Some(z) => gelu_gradient(z, dy),
        };
        let gradients = gradients(&ops.state, &dz, ops.parents.each_ref().map(Option::is_some));
        for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                grads.register::<Flex>(parent.id, gradient);
            }
        }
    }
}

impl Backward<Flex, 4> for LinearResidual {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = contiguous(grads.consume::<Flex>(&ops.node));
        let [x, weight, bias, residual] = ops.parents;
        let parents = [x, weight, bias];
        let gradients = gradients(&ops.state, &dy, parents.each_ref().map(Option::is_some));
        for (parent, gradient) in parents.into_iter().zip(gradients) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                grads.register::<Flex>(parent.id, gradient);
            }
        }
        if let Some(residual) = residual {
            grads.register::<Flex>(residual.id, dy);
        }
    }
}

/// The shape of `x W`.
fn mapped(x: &FlexTensor, bias: &FlexTensor) -> Shape {
    let mut shape = x.shape();
    let last = shape.num_dims() - 1;
    shape[last] = bias.shape()[0];
    shape
}

fn affine_map(
    x: &FlexTensor,
    weight: &FlexTensor,
    bias: &FlexTensor,
    residual: Option<&FlexTensor>,
    precision: Precision,
) -> FlexTensor {
    filled(mapped(x, bias), |y| {
        affine::forward(values(x), values(weight), values(bias), residual.map(values), y, None, precision);
    })
}

/// The map, and its GELU.
fn affine_map_and_gelu(
    x: &FlexTensor,
    weight: &FlexTensor,
    bias: &FlexTensor,
    precision: Precision,
) -> (FlexTensor, FlexTensor) {
    let shape = mapped(x, bias);
    let mut y = Buffer::stale(shape.num_elements());
    let z = filled(shape.clone(), |z| {
        affine::forward(values(x), values(weight), values(bias), None, z, Some(&mut y), precision);
    });
    (z, tensor(y, shape))
}

fn gelu_gradient(z: FlexTensor, dy: FlexTensor) -> FlexTensor {
    let (mut z, mut dz) = (writable(z), writable(dy));
    gelu::gelu_gradient(values_mut(&mut z), values_mut(&mut dz));
    dz
}

/// Gradients of input, weight and bias, of those that are wanted.
fn gradients(saved: &Saved, dy: &FlexTensor, wanted: [bool; 3]) -> [Option<FlexTensor>; 3] {
    let Saved { x, weight, precision, .. } = saved;
    let fan_out = weight.shape()[1];
    let (dy, [input, weights, bias]) = (values(dy), wanted);
    [
        input.then(|| {
            filled(x.shape(), |dx| {
                affine::input_gradient(dy, values(weight), fan_out, dx, *precision);
            })
        }),
        weights.then(|| {
            filled(weight.shape(), |dweight| {
                affine::weight_gradient(values(x), dy, fan_out, dweight, *precision);
            })
        }),
        bias.then(|| filled([fan_out].into(), |dbias| affine::bias_gradient(dy, dbias))),
    ]
}
