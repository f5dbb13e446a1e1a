//! Scans and their gradients, of tensors.

use burn::backend::TensorMetadata;
use burn::backend::flex::FlexTensor;

use crate::cpu::buffer::Buffer;
use crate::cpu::recurrent::{self, Before, Cell, Sizes};
use crate::op::native::{contiguous, filled, last_token, tensor, values, values_mut, writable};
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
    scan_from(cell, gates, weight, None, layout, precision)
}

/// The same from a state instead of zeros, where one is given.
fn scan_from<C: Cell>(
    cell: C,
    gates: FlexTensor,
    weight: FlexTensor,
    start: Option<Before<'_>>,
    layout: TokenLayout,
    precision: Precision,
) -> Saved {
    let sizes = sizes::<C>(&gates, layout);
    let (mut gates, weight) = (writable(contiguous(gates)), contiguous(weight));
    let shape = [sizes.batch, sizes.tokens, sizes.hidden];
    let mut memory = Buffer::stale(shape.iter().product());
    let out = filled(shape.into(), |out| {
        let (gates, weight) = (values_mut(&mut gates), values(&weight));
        recurrent::forward(cell, gates, weight, start, out, &mut memory, sizes, precision);
    });
    Saved { gates, weight, memory: tensor(memory, shape.into()), out, layout, precision }
}

/// Steps the cell through tokens that all carry the state, from `[h, memory]`, each `[batch, hidden]`. Returns the outputs,
/// and the state after the last token.
pub fn scan_with_state<C: Cell>(
    cell: C,
    gates: FlexTensor,
    weight: FlexTensor,
    start: [FlexTensor; 2],
    precision: Precision,
) -> (FlexTensor, [FlexTensor; 2]) {
    let [h, memory] = start.map(contiguous);
    let before = Before { out: values(&h), memory: values(&memory) };
    let saved = scan_from(cell, gates, weight, Some(before), TokenLayout::Shifted, precision);
    let state = [last_token(&saved.out), last_token(&saved.memory)];
    (saved.out, state)
}

/// The outputs of tokens that each take one step from the state `[h, memory]` of their sequence.
pub fn queries<C: Cell>(
    cell: C,
    gates: FlexTensor,
    weight: FlexTensor,
    state: [FlexTensor; 2],
    precision: Precision,
) -> FlexTensor {
    let sizes = sizes::<C>(&gates, TokenLayout::Shifted);
    let (mut gates, weight) = (writable(contiguous(gates)), contiguous(weight));
    let [h, memory] = state.map(contiguous);
    filled([sizes.batch, sizes.tokens, sizes.hidden].into(), |out| {
        let before = Before { out: values(&h), memory: values(&memory) };
        recurrent::queries(cell, values_mut(&mut gates), values(&weight), before, out, sizes, precision);
    })
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
