//! Gated recurrent units.

#[cfg(feature = "flex")]
mod native;
#[cfg(feature = "flex")]
mod state;

#[cfg(feature = "flex")]
use burn::backend::Dispatch;
use burn::tensor::Tensor;

#[cfg(feature = "flex")]
use self::{native::GruOps, state::GruStateOps};
use super::recurrent;
use crate::{Precision, TokenLayout, reference};

/// A layer of gated recurrent units over the tokens of every sequence (Cho et al. 2014, with the reset gate after the
/// product):
///
/// ```text
/// r, z = sigmoid(gates + (h' W + b))
///    n = tanh(gates + r (h' W + b))      h = (1 - z) n + z h'
/// ```
///
/// where `h'` is that of the token before that carries the state, zeros at the start; see [`crate::lstm`] for the
/// layouts.
///
/// `gates`: `[batch, tokens, 3 * hidden]`, the input's share, its biases in it, of `r`, `z`, `n` in this order;
/// `weight`: `[hidden, 3 * hidden]`; `bias`: `[3 * hidden]`; returns `h`, `[batch, tokens, hidden]`.
///
/// For the gradients the native version keeps the three gates, `h' W + b` of `n`, and `h` of every token, the gates in
/// the memory of `gates` where nobody else holds that.
///
/// # Panics
/// If a shape is another one, the tensors are on different devices, or `tokens` is odd under [`TokenLayout::Paired`].
pub fn gru(
    gates: Tensor<3>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    layout: TokenLayout,
    precision: Precision,
) -> Tensor<3> {
    recurrent::check("gru", 3, &gates, &weight, Some(&bias), layout);
    #[cfg(feature = "flex")]
    if super::native::takes(&gates) {
        let (gates, weight, bias) = (gates.into_dispatch(), weight.into_dispatch(), bias.into_dispatch());
        return Tensor::from_dispatch(Dispatch::gru(gates, weight, bias, layout, precision));
    }
    reference::gru(gates, weight, bias, layout, precision)
}

/// [`gru`] from a given state `h` `[batch, hidden]` along tokens that all carry it: returns every `h`, and the last one.
///
/// The native version is there without automatic differentiation alone.
///
/// # Panics
/// If a shape is another one, or the tensors are on different devices.
pub fn gru_with_state(
    gates: Tensor<3>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    state: Tensor<2>,
    precision: Precision,
) -> (Tensor<3>, Tensor<2>) {
    recurrent::check("gru_with_state", 3, &gates, &weight, Some(&bias), TokenLayout::Shifted);
    recurrent::check_state("gru_with_state", 3, &gates, &[&state]);
    #[cfg(feature = "flex")]
    if super::native::takes(&gates) && !gates.device().is_autodiff() {
        let (gates, weight, bias) = (gates.into_dispatch(), weight.into_dispatch(), bias.into_dispatch());
        let (out, h) = Dispatch::gru_with_state(gates, weight, bias, state.into_dispatch(), precision);
        return (Tensor::from_dispatch(out), Tensor::from_dispatch(h));
    }
    reference::gru_with_state(gates, weight, bias, state, precision)
}

/// `h` of tokens that each stand alone after `state`, see [`crate::lstm_queries`].
///
/// `gates`: `[batch, queries, 3 * hidden]`; returns `[batch, queries, hidden]`.
///
/// # Panics
/// If a shape is another one, or the tensors are on different devices.
pub fn gru_queries(
    gates: Tensor<3>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    state: Tensor<2>,
    precision: Precision,
) -> Tensor<3> {
    recurrent::check("gru_queries", 3, &gates, &weight, Some(&bias), TokenLayout::Shifted);
    recurrent::check_state("gru_queries", 3, &gates, &[&state]);
    #[cfg(feature = "flex")]
    if super::native::takes(&gates) && !gates.device().is_autodiff() {
        let (gates, weight, bias) = (gates.into_dispatch(), weight.into_dispatch(), bias.into_dispatch());
        let out = Dispatch::gru_queries(gates, weight, bias, state.into_dispatch(), precision);
        return Tensor::from_dispatch(out);
    }
    reference::gru_queries(gates, weight, bias, state, precision)
}
