//! The LSTM whose memory is a matrix.

#[cfg(feature = "flex")]
mod native;
#[cfg(feature = "flex")]
mod state;

#[cfg(feature = "flex")]
use burn::backend::Dispatch;
use burn::tensor::Tensor;

#[cfg(feature = "flex")]
use self::{native::OuterProductLstmOps, state::OuterProductLstmStateOps};
use super::check;
use crate::{OuterProductState, Precision, TokenLayout, reference};

/// The outer-product LSTM over a sequence: the gates of every head's memory `C`, a matrix, are outer products, and a
/// query reads it (Kirsch et al. 2022, appendix).
///
/// A step adds `h_{t-1} R` to its token's gates and splits each head's `8 * size` numbers into `k1 = (i1, g1, f1)`,
/// `k2 = (i2, g2, f2)`, `q` and `o`, each part of `size` numbers. With `sigmoid` and `tanh` by element,
///
/// ```text
/// C_t = sigmoid(f1 f2^T + 1) C_{t-1} + sigmoid(i1 i2^T) tanh(g1 g2^T)
/// r_t = C_t^T q / sqrt(size)
/// h_t = sigmoid(o) tanh(r_t)
/// ```
///
/// where `C` and `h` start as zeros. In the paired layout they are carried along the contexts; query `j` makes the
/// step that would come after contexts `0..j`, and what it makes of `C` and `h` is not carried.
///
/// `gates`: `[batch, tokens, heads * 8 * size]`, the inputs' share with the bias; `recurrent`:
/// `[heads * size, heads * 8 * size]`; returns every `h`, `[batch, tokens, heads * size]`.
///
/// The native version takes `precision` for the gradient of `recurrent` alone; inside the scan it computes in f32.
///
/// # Panics
/// If a shape is another one, or the tokens of the paired layout are odd in number.
pub fn outer_product_lstm(
    gates: Tensor<3>,
    recurrent: Tensor<2>,
    heads: usize,
    layout: TokenLayout,
    precision: Precision,
) -> Tensor<3> {
    check_gates("outer_product_lstm", &gates, &recurrent, heads);
    let shape = gates.dims();
    let [_, tokens, _] = shape;
    let paired = layout == TokenLayout::Shifted || tokens.is_multiple_of(2);
    check::that(paired, "outer_product_lstm: gates", "an even time axis (contexts, then queries)", &shape);
    #[cfg(feature = "flex")]
    if super::native::takes(&gates) {
        let (gates, recurrent) = (gates.into_dispatch(), recurrent.into_dispatch());
        let settings = (heads, layout, precision);
        return Tensor::from_dispatch(Dispatch::outer_product_lstm(gates, recurrent, settings));
    }
    reference::outer_product_lstm(gates, recurrent, heads, layout, precision)
}

impl OuterProductState {
    #[track_caller]
    fn check(&self, what: &str, gates: &Tensor<3>, heads: usize) {
        let [batch, _, width] = gates.dims();
        let size = width / (8 * heads);
        check::shape(&format!("{what}: h"), &[batch, heads * size], &self.h.dims());
        check::shape(&format!("{what}: memory"), &[batch, heads, size, size], &self.memory.dims());
    }
}

/// [`outer_product_lstm`] from a given state along tokens that all carry it: returns every `h`, and the state after the
/// last token.
///
/// The native version is there without automatic differentiation alone, and computes in f32.
///
/// # Panics
/// If a shape is another one.
pub fn outer_product_lstm_with_state(
    gates: Tensor<3>,
    recurrent: Tensor<2>,
    state: OuterProductState,
    heads: usize,
    precision: Precision,
) -> (Tensor<3>, OuterProductState) {
    check_gates("outer_product_lstm_with_state", &gates, &recurrent, heads);
    state.check("outer_product_lstm_with_state", &gates, heads);
    #[cfg(feature = "flex")]
    if super::native::takes(&gates) && !gates.device().is_autodiff() {
        let (gates, recurrent) = (gates.into_dispatch(), recurrent.into_dispatch());
        let (h, memory) = (state.h.into_dispatch(), state.memory.into_dispatch());
        let (out, h, memory) =
            Dispatch::outer_product_lstm_with_state(gates, recurrent, h, memory, (heads, precision));
        let state = OuterProductState { h: Tensor::from_dispatch(h), memory: Tensor::from_dispatch(memory) };
        return (Tensor::from_dispatch(out), state);
    }
    reference::outer_product_lstm_with_state(gates, recurrent, state, heads, precision)
}

/// `h` of tokens that each stand alone after `state`: queries. What the state adds to the gates is made once a sequence,
/// and the native version reads the one memory for all of them.
///
/// `gates`: `[batch, queries, heads * 8 * size]`; returns `[batch, queries, heads * size]`. The native version is there
/// without automatic differentiation alone, and computes in f32.
///
/// # Panics
/// If a shape is another one.
pub fn outer_product_lstm_queries(
    gates: Tensor<3>,
    recurrent: Tensor<2>,
    state: OuterProductState,
    heads: usize,
    precision: Precision,
) -> Tensor<3> {
    check_gates("outer_product_lstm_queries", &gates, &recurrent, heads);
    state.check("outer_product_lstm_queries", &gates, heads);
    #[cfg(feature = "flex")]
    if super::native::takes(&gates) && !gates.device().is_autodiff() {
        let (gates, recurrent) = (gates.into_dispatch(), recurrent.into_dispatch());
        let (h, memory) = (state.h.into_dispatch(), state.memory.into_dispatch());
        let out = Dispatch::outer_product_lstm_queries(gates, recurrent, h, memory, (heads, precision));
        return Tensor::from_dispatch(out);
    }
    reference::outer_product_lstm_queries(gates, recurrent, state, heads, precision)
}

#[track_caller]
fn check_gates(what: &str, gates: &Tensor<3>, recurrent: &Tensor<2>, heads: usize) {
    let shape = gates.dims();
    let [_, _, width] = shape;
    check::filled(&format!("{what}: gates"), &shape);
    let divides = heads > 0 && width > 0 && width.is_multiple_of(8 * heads);
    let expected = format!("a last axis of {heads} heads * 8 * size");
    check::that(divides, &format!("{what}: gates"), &expected, &shape);
    check::shape(&format!("{what}: recurrent"), &[width / 8, width], &recurrent.dims());
}
