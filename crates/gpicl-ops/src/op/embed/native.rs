//! The native version and its gradients.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, Backend, Flex, TensorMetadata, backend_extension};

use crate::cpu::{affine, buffer::Buffer, embed, embed::Tokens};
use crate::op::native::{contiguous, filled, indices, tensor, values};
use crate::{Precision, TokenLayout};

/// What is no tensor: scale of the labels, layout, precision.
type Settings = (f32, TokenLayout, Precision);

/// The embedding as a backend's operation.
#[backend_extension(Autodiff, Flex)]
pub trait EmbedOps: Backend {
    /// See [`crate::embed`].
    fn embed(
        inputs: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        label: FloatTensor<Self>,
        position: FloatTensor<Self>,
        labels: IntTensor<Self>,
        settings: Settings,
    ) -> FloatTensor<Self>;
}

impl EmbedOps for Flex {
    fn embed(
        inputs: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        label: FlexTensor,
        position: FlexTensor,
        labels: FlexTensor,
        settings: Settings,
    ) -> FlexTensor {
        let [inputs, weight, bias, label, position] = [inputs, weight, bias, label, position].map(contiguous);
        let labels = indices("embed: expected labels", labels, label.shape()[0]);
        tokens([&inputs, &weight, &bias, &label, &position], &labels, settings)
    }
}

impl<C: CheckpointStrategy> EmbedOps for Autodiff<Flex, C> {
    fn embed(
        inputs: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        label: FloatTensor<Self>,
        position: FloatTensor<Self>,
        labels: IntTensor<Self>,
        settings: Settings,
    ) -> FloatTensor<Self> {
        let [inputs, weight, bias, label, position] =
            [inputs, weight, bias, label, position].map(|tensor| tensor.into_parts());
        let nodes = [inputs.1, weight.1, bias.1, label.1, position.1];
        let [inputs, weight, bias, label, position] =
            [inputs.0, weight.0, bias.0, label.0, position.0].map(contiguous);
        let labels = indices("embed: expected labels", labels, label.shape()[0]);
        let out = tokens([&inputs, &weight, &bias, &label, &position], &labels, settings);
        match Embed.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let classes = label.shape()[0];
                prep.finish(Saved { inputs, weight, labels, classes, settings }, out)
            }
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }
}

#[derive(Debug)]
struct Embed;

/// What the gradients need of the forward pass.
#[derive(Clone, Debug)]
struct Saved {
    inputs: FlexTensor,
    weight: FlexTensor,
    labels: Vec<usize>,
    classes: usize,
    settings: Settings,
}

impl Backward<Flex, 5> for Embed {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 5>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dout = contiguous(grads.consume::<Flex>(&ops.node));
        let Saved { inputs, weight, labels, classes, settings } = ops.state;
        let (_, layout, precision) = settings;
        let [fan_in, d_model]: [usize; 2] = weight.shape().dims();
        let [_, time, _]: [usize; 3] = inputs.shape().dims();
        let mut sums = if layout == TokenLayout::Paired {
            Buffer::stale(labels.len() * d_model)
        } else {
            Buffer::stale(0)
        };
        let (mut dlabel, mut dposition) = (Buffer::stale(classes * d_model), Buffer::stale(time * d_model));
        let sizes = sizes(&labels, time, d_model, settings);
        embed::backward(values(&dout), &mut sums, &mut dlabel, &mut dposition, sizes);
        let dx = if layout == TokenLayout::Paired { &*sums } else { values(&dout) };
        let [to_inputs, to_weight, to_bias, to_label, to_position] = ops.parents;
        if let Some(parent) = to_inputs {
            let gradient = filled(inputs.shape(), |out| {
                affine::input_gradient(dx, values(&weight), d_model, out, precision);
            });
            grads.register::<Flex>(parent.id, gradient);
        }
        if let Some(parent) = to_weight {
            let gradient = filled([fan_in, d_model].into(), |out| {
                affine::weight_gradient(values(&inputs), dx, d_model, out, precision);
            });
            grads.register::<Flex>(parent.id, gradient);
        }
        if let Some(parent) = to_bias {
            grads.register::<Flex>(parent.id, filled([d_model].into(), |out| affine::bias_gradient(dx, out)));
        }
        if let Some(parent) = to_label {
            grads.register::<Flex>(parent.id, tensor(dlabel, [classes, d_model].into()));
        }
        if let Some(parent) = to_position {
            grads.register::<Flex>(parent.id, tensor(dposition, [time, d_model].into()));
        }
    }
}

fn sizes(labels: &[usize], time: usize, d_model: usize, (scale, layout, _): Settings) -> Tokens<'_> {
    Tokens { labels, time, d_model, scale, layout }
}

fn tokens(
    [inputs, weight, bias, label, position]: [&FlexTensor; 5],
    labels: &[usize],
    settings: Settings,
) -> FlexTensor {
    let [batch, time, _]: [usize; 3] = inputs.shape().dims();
    let d_model = bias.shape().num_elements();
    let (_, layout, precision) = settings;
    let mut x = Buffer::stale(batch * time * d_model);
    affine::forward(values(inputs), values(weight), values(bias), None, &mut x, None, precision);
    filled([batch, layout.tokens(time), d_model].into(), |out| {
        embed::forward(&x, values(label), values(position), out, sizes(labels, time, d_model, settings));
    })
}
