//! Gated recurrent units.

#[cfg(feature = "flex")]
mod native;

#[cfg(feature = "flex")]
use burn::backend::Dispatch;
use burn::tensor::Tensor;

#[cfg(feature = "flex")]
use self::native::GruOps;
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
