//! Ridge regression on the examples before, in the forward pass.

#[cfg(feature = "flex")]
mod native;

#[cfg(feature = "flex")]
use burn::backend::Dispatch;
use burn::tensor::Tensor;

#[cfg(feature = "flex")]
use self::native::{MesaOps, MesaQueriesOps};
use super::check;
use crate::{AttentionMask, reference};

/// Kernel ridge regression of every head at every position, heads side by side: each reads what the ridge regression of the
/// values before it on their keys predicts for its query (a mesa layer, von Oswald et al. 2023 and 2025; here on a kernel).
///
/// With `kappa(a, b) = exp(temperature (cos(a, b) - 1))`, a position whose query is `q` and that sees the keys `K` and values
/// `V` gets `kappa(q, K) (kappa(K, K) + ridge)^-1 V`; without any it gets zeros. A position sees the keys of the positions
/// before it, not its own: under [`AttentionMask::Paired`] queries see the contexts before theirs.
///
/// `qkv`: `[batch, time, 3 * d_model]` holds queries, keys and values one after another, each with head `h` at
/// `h * d_head..(h + 1) * d_head`; `temperature` and `ridge`: `[heads]`, positive; returns `[batch, time, d_model]`.
///
/// It computes in f32, as a factorisation needs.
///
/// # Panics
/// If `d_model` is not a multiple of `heads`, `time` is odd under [`AttentionMask::Paired`], or the mask is [`AttentionMask::Context`].
pub fn mesa(qkv: Tensor<3>, temperature: Tensor<1>, ridge: Tensor<1>, mask: AttentionMask) -> Tensor<3> {
    let shape = qkv.dims();
    let ([_, time, width], [heads]) = (shape, temperature.dims());
    check_heads("mesa: qkv", &shape, heads, &ridge);
    let (fits, wanted) = match mask {
        AttentionMask::Causal => (true, ""),
        AttentionMask::Paired => (time.is_multiple_of(2), "an even time axis (contexts, then queries)"),
        AttentionMask::Context(_) => (false, "a causal or a paired mask"),
    };
    check::that(fits, "mesa: qkv", wanted, &shape);
    debug_assert!(width > 0);
    #[cfg(feature = "flex")]
    if super::native::takes(&qkv) {
        let [qkv, temperature, ridge] =
            [qkv.into_dispatch(), temperature.into_dispatch(), ridge.into_dispatch()];
        return Tensor::from_dispatch(Dispatch::mesa(qkv, temperature, ridge, mask));
    }
    reference::mesa(qkv, temperature, ridge, mask)
}

/// [`mesa`] of queries that each stand alone after a context, whose keys and values were kept.
///
/// `qkv`: `[batch, queries, 3 * d_model]` as there; `context`: `[batch, examples, 2 * d_model]`, the keys and values of
/// its tokens, or none for a context without tokens; returns `[batch, queries, d_model]`.
///
/// It is for predictions: the native version has no gradient, and under automatic differentiation the reference runs.
///
/// # Panics
/// If a shape is another one, or a context is given without tokens.
pub fn mesa_queries(
    qkv: Tensor<3>,
    context: Option<Tensor<3>>,
    temperature: Tensor<1>,
    ridge: Tensor<1>,
) -> Tensor<3> {
    let shape = qkv.dims();
    let ([batch, _, width], [heads]) = (shape, temperature.dims());
    check::filled("mesa_queries: qkv", &shape);
    check_heads("mesa_queries: qkv", &shape, heads, &ridge);
    let d_model = width / 3;
    let Some(context) = context else {
        return qkv.narrow(2, 0, d_model).zeros_like();
    };
    let [_, examples, _] = context.dims();
    check::filled("mesa_queries: context", &context.dims());
    check::shape("mesa_queries: context", &[batch, examples, 2 * d_model], &context.dims());
    #[cfg(feature = "flex")]
    if super::native::takes(&qkv) && !qkv.device().is_autodiff() {
        let (qkv, context) = (qkv.into_dispatch(), context.into_dispatch());
        let (temperature, ridge) = (temperature.into_dispatch(), ridge.into_dispatch());
        return Tensor::from_dispatch(Dispatch::mesa_queries(qkv, context, temperature, ridge));
    }
    reference::mesa_queries(qkv, context, temperature, ridge)
}

fn check_heads(what: &str, shape: &[usize; 3], heads: usize, ridge: &Tensor<1>) {
    let divides = heads > 0 && shape[2].is_multiple_of(3 * heads);
    check::that(divides, what, &format!("a last axis of 3 * {heads} heads * d_head"), shape);
    check::shape("mesa: ridge", &[heads], &ridge.dims());
}
