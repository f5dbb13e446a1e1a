//! Scans and their gradients, of tensors.

use burn::backend::TensorMetadata;
use burn::backend::flex::FlexTensor;

use crate::cpu::buffer::Buffer;
use crate::cpu::recurrent::{self, Cell, Sizes};
use crate::op::native::{contiguous, filled, tensor, values, values_mut, writable};
use crate::{Precision, TokenLayout};

/// What the gradients need of the forward pass.
#[derive(Clone, Debug)]
pub struct Saved {
    gates: FlexTensor,
    weight: FlexTensor,
    memory: FlexTensor,
    /// What the operation returns.
    pub out: FlexTensor,
    layout: TokenLayout,
    precision: Precision,
}

/// Gradients of the input's share of the gates, of the recurrent weight and of the recurrent bias.
pub struct Gradients {
    pub gates: FlexTensor,
    pub weight: FlexTensor,
    pub bias: Option<FlexTensor>,
}

/// Steps the cell through the tokens. Where nobody else holds `gates`, their memory is used again.
pub fn scan<C: Cell>(
    cell: C,
    gates: FlexTensor,
    weight: FlexTensor,
    layout: TokenLayout,
    precision: Precision,
) -> Saved {
    let sizes = sizes::<C>(&gates, layout);
    let (mut gates, weight) = (writable(contiguous(gates)), contiguous(weight));
    let shape = [sizes.batch, sizes.tokens, sizes.hidden];
    let mut memory = Buffer::stale(shape.iter().product());
    let out = filled(shape.into(), |out| {
        recurrent::forward(cell, values_mut(&mut gates), values(&weight), out, &mut memory, sizes, precision);
    });
    Saved { gates, weight, memory: tensor(memory, shape.into()), out, layout, precision }
}

/// The gradients given that of the output; `bias` asks for the recurrent bias's.
pub fn gradients<C: Cell>(cell: C, saved: Saved, dout: FlexTensor, bias: bool) -> Gradients {
    let Saved { gates, weight, memory, out, layout, precision } = saved;
    let sizes = sizes::<C>(&gates, layout);
    let (mut gates, dout) = (writable(gates), contiguous(dout));
    let mut dbias = bias.then(|| Buffer::stale(C::GATES * sizes.hidden));
    let dweight = filled(weight.shape(), |dweight| {
        let saved = recurrent::Saved { weight: values(&weight), out: values(&out), memory: values(&memory) };
        let (gates, dbias) = (values_mut(&mut gates), dbias.as_deref_mut());
        recurrent::backward(cell, gates, saved, values(&dout), dweight, dbias, sizes, precision);
    });
    let bias = dbias.map(|dbias| tensor(dbias, [C::GATES * sizes.hidden].into()));
    Gradients { gates, weight: dweight, bias }
}

fn sizes<C: Cell>(gates: &FlexTensor, layout: TokenLayout) -> Sizes {
    let [batch, tokens, width]: [usize; 3] = gates.shape().dims();
    Sizes { batch, tokens, hidden: width / C::GATES, layout }
}
