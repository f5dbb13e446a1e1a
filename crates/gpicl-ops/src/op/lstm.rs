//! Long short-term memory.

#[cfg(feature = "flex")]
mod native;
#[cfg(feature = "flex")]
mod state;

#[cfg(feature = "flex")]
use burn::backend::Dispatch;
use burn::tensor::Tensor;

#[cfg(feature = "flex")]
use self::{native::LstmOps, state::LstmStateOps};
use super::recurrent;
use crate::{LstmState, Precision, TokenLayout, reference};

/// A layer of long short-term memory over the tokens of every sequence (Hochreiter and Schmidhuber 1997, with forget
/// gates: Gers et al. 2000):
///
/// ```text
/// i, f, o = sigmoid(gates + h' W)    c = f c' + i g
///       g = tanh(gates + h' W)       h = o tanh(c)
/// ```
///
/// where `h'`, `c'` are those of the token before that carries the state, zeros at the start. In the paired layout
/// these are the contexts: query `j` steps from the state after contexts `0..j`, and the state it makes is dropped.
///
/// `gates`: `[batch, tokens, 4 * hidden]`, the input's share, biases in it, of `i`, `f`, `g`, `o` in this order;
/// `weight`: `[hidden, 4 * hidden]`; returns `h`, `[batch, tokens, hidden]`.
///
/// For the gradients the native version keeps the four gates, `c` and `h` of every token, the gates in the memory of
/// `gates` where nobody else holds that.
///
/// # Panics
/// If a shape is another one, the tensors are on different devices, or `tokens` is odd under [`TokenLayout::Paired`].
pub fn lstm(gates: Tensor<3>, weight: Tensor<2>, layout: TokenLayout, precision: Precision) -> Tensor<3> {
    recurrent::check("lstm", 4, &gates, &weight, None, layout);
    #[cfg(feature = "flex")]
    if super::native::takes(&gates) {
        let (gates, weight) = (gates.into_dispatch(), weight.into_dispatch());
        return Tensor::from_dispatch(Dispatch::lstm(gates, weight, layout, precision));
    }
    reference::lstm(gates, weight, layout, precision)
}

/// [`lstm`] from a given state along tokens that all carry it: returns every `h`, and the state after the last token.
///
/// The native version is there without automatic differentiation alone.
///
/// # Panics
/// If a shape is another one, or the tensors are on different devices.
pub fn lstm_with_state(
    gates: Tensor<3>,
    weight: Tensor<2>,
    state: LstmState,
    precision: Precision,
) -> (Tensor<3>, LstmState) {
    recurrent::check("lstm_with_state", 4, &gates, &weight, None, TokenLayout::Shifted);
    recurrent::check_state("lstm_with_state", 4, &gates, &[&state.h, &state.c]);
    #[cfg(feature = "flex")]
    if super::native::takes(&gates) && !gates.device().is_autodiff() {
        let (gates, weight) = (gates.into_dispatch(), weight.into_dispatch());
        let (h, c) = (state.h.into_dispatch(), state.c.into_dispatch());
        let (out, h, c) = Dispatch::lstm_with_state(gates, weight, h, c, precision);
        let state = LstmState { h: Tensor::from_dispatch(h), c: Tensor::from_dispatch(c) };
        return (Tensor::from_dispatch(out), state);
    }
    reference::lstm_with_state(gates, weight, state, precision)
}

/// `h` of tokens that each stand alone after `state`, [`lstm`]'s step from the same state: queries. What the state adds to
/// the gates is made once a sequence.
///
/// `gates`: `[batch, queries, 4 * hidden]`; returns `[batch, queries, hidden]`. The native version is there without
/// automatic differentiation alone.
///
/// # Panics
/// If a shape is another one, or the tensors are on different devices.
pub fn lstm_queries(
    gates: Tensor<3>,
    weight: Tensor<2>,
    state: LstmState,
    precision: Precision,
) -> Tensor<3> {
    recurrent::check("lstm_queries", 4, &gates, &weight, None, TokenLayout::Shifted);
    recurrent::check_state("lstm_queries", 4, &gates, &[&state.h, &state.c]);
    #[cfg(feature = "flex")]
    if super::native::takes(&gates) && !gates.device().is_autodiff() {
        let (gates, weight) = (gates.into_dispatch(), weight.into_dispatch());
        let (h, c) = (state.h.into_dispatch(), state.c.into_dispatch());
        return Tensor::from_dispatch(Dispatch::lstm_queries(gates, weight, h, c, precision));
    }
    reference::lstm_queries(gates, weight, state, precision)
}
