//! Recurrent layers, a token at a time.

use burn::tensor::{Tensor, activation};

use super::matmul;
use crate::{Precision, TokenLayout};

/// See [`crate::lstm`].
pub fn lstm(gates: Tensor<3>, weight: Tensor<2>, layout: TokenLayout, precision: Precision) -> Tensor<3> {
    scan(gates, weight.dims()[0], layout, |[h, c], gates| {
        let [i, f, g, o] = blocks(gates + matmul(h, weight.clone(), precision));
        let c = activation::sigmoid(f) * c + activation::sigmoid(i) * g.tanh();
        [activation::sigmoid(o) * c.clone().tanh(), c]
    })
}

/// See [`crate::gru`].
pub fn gru(
    gates: Tensor<3>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    layout: TokenLayout,
    precision: Precision,
) -> Tensor<3> {
    scan(gates, weight.dims()[0], layout, |[h], gates| {
        let [r, z, n] = blocks(gates);
        let product = matmul(h.clone(), weight.clone(), precision) + bias.clone().unsqueeze();
        let [to_r, to_z, to_n] = blocks(product);
        let (r, z) = (activation::sigmoid(r + to_r), activation::sigmoid(z + to_z));
        let n = (n + r * to_n).tanh();
        [n.clone() + z * (h - n)]
    })
}

/// The first states, which are the outputs, of `step` from each token's state before; the states start as zeros.
fn scan<const STATES: usize>(
    gates: Tensor<3>,
    hidden: usize,
    layout: TokenLayout,
    step: impl Fn([Tensor<2>; STATES], Tensor<2>) -> [Tensor<2>; STATES],
) -> Tensor<3> {
    let [batch, tokens, width] = gates.dims();
    let input = |token| gates.clone().narrow(1, token, 1).reshape([batch, width]);
    let mut state = [(); STATES].map(|()| Tensor::zeros([batch, hidden], &gates.device()));
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
    Tensor::stack(contexts, 1)
}

/// Equal parts of the last axis.
fn blocks<const N: usize>(x: Tensor<2>) -> [Tensor<2>; N] {
    let width = x.dims()[1] / N;
    std::array::from_fn(|block| x.clone().narrow(1, block * width, width))
}
