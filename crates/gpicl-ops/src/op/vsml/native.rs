//! The native version and its gradients.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, Backend, Flex, TensorMetadata, backend_extension};

use crate::VsmlNet;
use crate::cpu::buffer::Buffer;
use crate::cpu::vsml::{self as scan, Net, Weights, WeightsMut};
use crate::op::native::{contiguous, filled, indices, tensor, values};

/// VSML as a backend's operation.
#[backend_extension(Autodiff, Flex)]
pub trait VsmlOps: Backend {
    /// See [`crate::vsml`].
    fn vsml(
        inputs: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        read: FloatTensor<Self>,
        initial: FloatTensor<Self>,
        labels: IntTensor<Self>,
        net: VsmlNet,
    ) -> FloatTensor<Self>;
}

impl VsmlOps for Flex {
    fn vsml(
        inputs: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        read: FlexTensor,
        initial: FlexTensor,
        labels: FlexTensor,
        net: VsmlNet,
    ) -> FlexTensor {
        scanned([inputs, weight, bias, read, initial].map(contiguous), labels, net).1
    }
}

impl<C: CheckpointStrategy> VsmlOps for Autodiff<Flex, C> {
    fn vsml(
        inputs: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        read: FloatTensor<Self>,
        initial: FloatTensor<Self>,
        labels: IntTensor<Self>,
        net: VsmlNet,
    ) -> FloatTensor<Self> {
        let [inputs, weight, bias, read, initial] =
            [inputs, weight, bias, read, initial].map(|tensor| tensor.into_parts());
        let nodes = [inputs.1, weight.1, bias.1, read.1, initial.1];
        let floats = [inputs.0, weight.0, bias.0, read.0, initial.0].map(contiguous);
        let (saved, out) = scanned(floats, labels, net);
        match VsmlScan.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(saved, out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }
}

#[derive(Debug)]
struct VsmlScan;

/// What the gradients need of the forward pass: inputs, weight, bias, read-outs, first cells; labels; records.
#[derive(Clone, Debug)]
struct Saved {
    floats: [FlexTensor; 5],
    labels: Vec<usize>,
    kept: FlexTensor,
    net: VsmlNet,
}

impl Backward<Flex, 5> for VsmlScan {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 5>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dout = contiguous(grads.consume::<Flex>(&ops.node));
        let Saved { floats, labels, kept, net } = ops.state;
        let [mut dinputs, mut weight, mut bias, mut read, mut initial] =
            floats.each_ref().map(|x| Buffer::stale(x.shape().num_elements()));
        scan::backward(
            values(&floats[0]),
            &labels,
            weights(&floats),
            values(&kept),
            values(&dout),
            &mut dinputs,
            WeightsMut { weight: &mut weight, bias: &mut bias, read: &mut read, initial: &mut initial },
            sizes(&floats, &net),
        );
        let gradients = [dinputs, weight, bias, read, initial].into_iter().zip(&floats);
        for (parent, (gradient, x)) in ops.parents.into_iter().zip(gradients) {
            if let Some(parent) = parent {
                grads.register::<Flex>(parent.id, tensor(gradient, x.shape()));
            }
        }
    }
}

pub(super) fn weights([_, weight, bias, read, initial]: &[FlexTensor; 5]) -> Weights<'_> {
    Weights { weight: values(weight), bias: values(bias), read: values(read), initial: values(initial) }
}

pub(super) fn sizes<'a>([inputs, _, _, read, _]: &[FlexTensor; 5], net: &'a VsmlNet) -> Net<'a> {
    let [_, time, _]: [usize; 3] = inputs.shape().dims();
    let [sets, messages, hidden]: [usize; 3] = read.shape().dims();
    Net {
        widths: &net.widths,
        hidden,
        forward: net.forward,
        backward: messages - net.forward,
        shared: sets == 1,
        time,
        ticks: net.ticks,
        label_scale: net.label_scale,
        layout: net.layout,
    }
}

fn scanned(floats: [FlexTensor; 5], labels: FlexTensor, net: VsmlNet) -> (Saved, FlexTensor) {
    let [batch, time, _]: [usize; 3] = floats[0].shape().dims();
    let classes = net.widths[net.widths.len() - 1];
    let labels = indices("vsml: expected labels", labels, classes);
    let sizes = sizes(&floats, &net);
    let mut kept = Buffer::stale(batch * sizes.kept());
    let out = filled([batch, time, classes].into(), |out| {
        scan::forward(values(&floats[0]), &labels, weights(&floats), out, &mut kept, sizes);
    });
    let kept = tensor(kept, [batch, sizes.kept()].into());
    (Saved { floats, labels, kept, net }, out)
}
