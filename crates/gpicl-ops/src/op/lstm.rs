//! Long short-term memory.

#[cfg(feature = "flex")]
mod native;

#[cfg(feature = "flex")]
use burn::backend::Dispatch;
use burn::tensor::Tensor;

#[cfg(feature = "flex")]
use self::native::LstmOps;
use super::recurrent;
use crate::{Precision, TokenLayout, reference};

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
