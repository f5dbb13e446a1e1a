//! Recurrent layers, a token at a time.

use burn::tensor::{Tensor, activation};

use super::matmul;
use crate::{LstmState, Precision, TokenLayout};

/// See [`crate::lstm`].
pub fn lstm(gates: Tensor<3>, weight: Tensor<2>, layout: TokenLayout, precision: Precision) -> Tensor<3> {
    let [batch, _, _] = gates.dims();
    let LstmState { h, c } = LstmState::start(batch, weight.dims()[0], &gates.device());
    scan(gates, [h, c], layout, |[h, c], gates| lstm_step(gates, matmul(h, weight.clone(), precision), c)).0
}

/// See [`crate::lstm_with_state`].
pub fn lstm_with_state(
    gates: Tensor<3>,
    weight: Tensor<2>,
    state: LstmState,
    precision: Precision,
) -> (Tensor<3>, LstmState) {
    let step = |[h, c]: [Tensor<2>; 2], gates| lstm_step(gates, matmul(h, weight.clone(), precision), c);
    let (out, [h, c]) = scan(gates, [state.h, state.c], TokenLayout::Shifted, step);
    (out, LstmState { h, c })
}

/// See [`crate::lstm_queries`].
pub fn lstm_queries(
    gates: Tensor<3>,
    weight: Tensor<2>,
    state: LstmState,
    precision: Precision,
) -> Tensor<3> {
    let product = matmul(state.h, weight, precision);
    let [h, _] = lstm_step(gates, product.unsqueeze_dim::<3>(1), state.c.unsqueeze_dim(1));
    h
}

/// Output and cell after a token, given the input's share of the gates, the recurrent share and the cell before.
fn lstm_step<const D: usize>(gates: Tensor<D>, product: Tensor<D>, c: Tensor<D>) -> [Tensor<D>; 2] {
    let [i, f, g, o] = blocks(gates + product);
    let c = activation::sigmoid(f) * c + activation::sigmoid(i) * g.tanh();
    [activation::sigmoid(o) * c.clone().tanh(), c]
}

/// See [`crate::gru`].
pub fn gru(
    gates: Tensor<3>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    layout: TokenLayout,
    precision: Precision,
) -> Tensor<3> {
    let [batch, _, _] = gates.dims();
    let start = Tensor::zeros([batch, weight.dims()[0]], &gates.device());
    gru_scan(gates, weight, bias, start, layout, precision).0
}

/// See [`crate::gru_with_state`].
pub fn gru_with_state(
    gates: Tensor<3>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    state: Tensor<2>,
    precision: Precision,
) -> (Tensor<3>, Tensor<2>) {
    gru_scan(gates, weight, bias, state, TokenLayout::Shifted, precision)
}

/// See [`crate::gru_queries`].
pub fn gru_queries(
    gates: Tensor<3>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    state: Tensor<2>,
    precision: Precision,
) -> Tensor<3> {
    let product = matmul(state.clone(), weight, precision) + bias.unsqueeze();
    gru_step(gates, product.unsqueeze_dim::<3>(1), state.unsqueeze_dim(1))
}

fn gru_scan(
    gates: Tensor<3>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    start: Tensor<2>,
    layout: TokenLayout,
    precision: Precision,
) -> (Tensor<3>, Tensor<2>) {
    let step = |[h]: [Tensor<2>; 1], gates| {
        let product = matmul(h.clone(), weight.clone(), precision) + bias.clone().unsqueeze();
        [gru_step(gates, product, h)]
    };
    let (out, [h]) = scan(gates, [start], layout, step);
    (out, h)
}

/// The output after a token, given the input's share of the gates, the recurrent share with its bias and the output before.
fn gru_step<const D: usize>(gates: Tensor<D>, product: Tensor<D>, h: Tensor<D>) -> Tensor<D> {
    let ([r, z, n], [to_r, to_z, to_n]) = (blocks(gates), blocks(product));
    let (r, z) = (activation::sigmoid(r + to_r), activation::sigmoid(z + to_z));
    let n = (n + r * to_n).tanh();
    n.clone() + z * (h - n)
}

/// The first states, which are the outputs, of `step` from each token's state before, and the states after the last token
/// that carries them.
fn scan<const STATES: usize>(
    gates: Tensor<3>,
    mut state: [Tensor<2>; STATES],
    layout: TokenLayout,
    step: impl Fn([Tensor<2>; STATES], Tensor<2>) -> [Tensor<2>; STATES],
) -> (Tensor<3>, [Tensor<2>; STATES]) {
    let [batch, tokens, width] = gates.dims();
    let input = |token| gates.clone().narrow(1, token, 1).reshape([batch, width]);
    let (mut contexts, mut queries) = (Vec::new(), Vec::new());
    let steps = if layout == TokenLayout::Paired { tokens / 2 } else { tokens };
    for token in 0..steps {
        if layout == TokenLayout::Paired {
            queries.push(step(state.clone(), input(steps + token))[0].clone());
        }
        state = step(state, input(token));
        contexts.push(state[0].clone());
    }
    contexts.extend(queries);
    (Tensor::stack(contexts, 1), state)
}

/// Equal parts of the last axis.
fn blocks<const N: usize, const D: usize>(x: Tensor<D>) -> [Tensor<D>; N] {
    let width = x.dims()[D - 1] / N;
    std::array::from_fn(|block| x.clone().narrow(D - 1, block * width, width))
}
