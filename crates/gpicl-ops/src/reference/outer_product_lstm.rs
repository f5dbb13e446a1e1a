//! The outer-product LSTM of plain operations, a step at a time.

use burn::tensor::{Tensor, activation::sigmoid};

use super::matmul;
use crate::{Precision, TokenLayout};

/// See [`crate::outer_product_lstm`].
pub fn outer_product_lstm(
    gates: Tensor<3>,
    recurrent: Tensor<2>,
    heads: usize,
    layout: TokenLayout,
    precision: Precision,
) -> Tensor<3> {
    let [batch, tokens, width] = gates.dims();
    let (size, device) = (width / (8 * heads), gates.device());
    let mut memory = Tensor::<4>::zeros([batch, heads, size, size], &device);
    let mut hidden = Tensor::<2>::zeros([batch, heads * size], &device);
    let token = |at: usize, memory: Tensor<4>, hidden: Tensor<2>| {
        let own = gates.clone().narrow(1, at, 1).reshape([batch, width]);
        let gates = own + matmul(hidden, recurrent.clone(), precision);
        step(gates.reshape([batch, heads, 8 * size]), memory)
    };
    let steps = if layout == TokenLayout::Paired { tokens / 2 } else { tokens };
    let (mut carried, mut queries) = (Vec::new(), Vec::new());
    for at in 0..steps {
        if layout == TokenLayout::Paired {
            let (_, found) = token(steps + at, memory.clone(), hidden.clone());
            queries.push(found.unsqueeze_dim::<3>(1));
        }
        (memory, hidden) = token(at, memory, hidden);
        carried.push(hidden.clone().unsqueeze_dim::<3>(1));
    }
    Tensor::cat(carried.into_iter().chain(queries).collect(), 1)
}

/// The memory `[batch, heads, size, size]` and the output `[batch, heads * size]` after a token.
fn step(gates: Tensor<3>, memory: Tensor<4>) -> (Tensor<4>, Tensor<2>) {
    let [batch, heads, _, size] = memory.dims();
    let part = |at: usize| gates.clone().narrow(2, at * size, size);
    let outer = |at: usize| part(at).unsqueeze_dim::<4>(3) * part(3 + at).unsqueeze_dim::<4>(2);
    let memory = sigmoid(outer(2) + 1.0) * memory + sigmoid(outer(0)) * outer(1).tanh();
    let query = part(6).unsqueeze_dim::<4>(3) / (size as f64).sqrt();
    let read = (memory.clone() * query).sum_dim(2).reshape([batch, heads, size]);
    (memory, (sigmoid(part(7)) * read.tanh()).reshape([batch, heads * size]))
}
