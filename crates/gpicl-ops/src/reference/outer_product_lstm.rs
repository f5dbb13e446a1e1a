//! The outer-product LSTM of plain operations, a step at a time.

use burn::tensor::{Tensor, activation::sigmoid};

use super::matmul;
use crate::{OuterProductState, Precision, TokenLayout};

/// See [`crate::outer_product_lstm`].
pub fn outer_product_lstm(
    gates: Tensor<3>,
    recurrent: Tensor<2>,
    heads: usize,
    layout: TokenLayout,
    precision: Precision,
) -> Tensor<3> {
    let [batch, _, width] = gates.dims();
    let start = OuterProductState::start(batch, heads, width / (8 * heads), &gates.device());
    scan(gates, recurrent, start, layout, precision).0
}

/// See [`crate::outer_product_lstm_with_state`].
pub fn outer_product_lstm_with_state(
    gates: Tensor<3>,
    recurrent: Tensor<2>,
    state: OuterProductState,
    _heads: usize,
    precision: Precision,
) -> (Tensor<3>, OuterProductState) {
    scan(gates, recurrent, state, TokenLayout::Shifted, precision)
}

/// See [`crate::outer_product_lstm_queries`].
pub fn outer_product_lstm_queries(
    gates: Tensor<3>,
    recurrent: Tensor<2>,
    state: OuterProductState,
    heads: usize,
    precision: Precision,
) -> Tensor<3> {
    let [batch, queries, width] = gates.dims();
    let share = matmul(state.h, recurrent, precision).unsqueeze_dim::<3>(1);
    let gates = (gates + share).reshape([batch, queries, heads, width / heads]);
    let (_, out) = step(gates, state.memory.unsqueeze_dim::<5>(1));
    out.reshape([batch, queries, width / 8])
}

fn scan(
    gates: Tensor<3>,
    recurrent: Tensor<2>,
    state: OuterProductState,
    layout: TokenLayout,
    precision: Precision,
) -> (Tensor<3>, OuterProductState) {
    let [batch, tokens, width] = gates.dims();
    let OuterProductState { h: mut hidden, mut memory } = state;
    let [_, heads, size, _] = memory.dims();
    let token = |at: usize, memory: Tensor<4>, hidden: Tensor<2>| {
        let own = gates.clone().narrow(1, at, 1).reshape([batch, width]);
        let gates = own + matmul(hidden, recurrent.clone(), precision);
        let gates = gates.reshape([batch, 1, heads, 8 * size]);
        let (memory, found) = step(gates, memory.unsqueeze_dim::<5>(1));
        (memory.squeeze_dim::<4>(1), found.reshape([batch, heads * size]))
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
    let out = Tensor::cat(carried.into_iter().chain(queries).collect(), 1);
    (out, OuterProductState { h: hidden, memory })
}

/// The memory `[batch, tokens, heads, size, size]` and the output `[batch, tokens, heads, size]` after one step of every
/// token, given its gates `[batch, tokens, heads, 8 * size]` and the memory before, of each token or one for all.
fn step(gates: Tensor<4>, memory: Tensor<5>) -> (Tensor<5>, Tensor<4>) {
    let [_, _, _, _, size] = memory.dims();
    let part = |at: usize| gates.clone().narrow(3, at * size, size);
    let outer = |at: usize| part(at).unsqueeze_dim::<5>(4) * part(3 + at).unsqueeze_dim::<5>(3);
    let memory = sigmoid(outer(2) + 1.0) * memory + sigmoid(outer(0)) * outer(1).tanh();
    let query = part(6).unsqueeze_dim::<5>(4) / (size as f64).sqrt();
    let read = (memory.clone() * query).sum_dim(3).squeeze_dim::<4>(3);
    (memory, sigmoid(part(7)) * read.tanh())
}
