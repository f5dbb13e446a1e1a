//! Multi-head self-attention.

#[cfg(feature = "flex")]
mod across;
#[cfg(feature = "flex")]
mod native;
#[cfg(feature = "flex")]
mod queries;

#[cfg(feature = "flex")]
use burn::backend::Dispatch;
use burn::tensor::Tensor;

#[cfg(feature = "flex")]
use self::{across::AttentionAcrossOps, native::AttentionOps, queries::AttentionQueriesOps};
use super::check;
use crate::{AttentionMask, Precision, reference};

/// `softmax(q k^T / sqrt(d_head) + mask) v` of every head, heads side by side (Vaswani et al. 2017).
///
/// `qkv`: `[batch, time, 3 * d_model]` holds queries, keys and values one after another, each with head `h` at
/// `h * d_head..(h + 1) * d_head`; returns `[batch, time, d_model]`.
///
/// The native version computes in f32 whatever the precision: at these sizes bfloat16 factors would save no time.
///
/// # Panics
/// If `d_model` is not a multiple of `heads`, `time` is odd under [`AttentionMask::Paired`], or a
/// [`AttentionMask::Context`] is empty or longer than `time`.
pub fn attention(qkv: Tensor<3>, heads: usize, mask: AttentionMask, precision: Precision) -> Tensor<3> {
    let shape = qkv.dims();
    let [_, time, width] = shape;
    let divides = heads > 0 && width.is_multiple_of(3 * heads);
    check::that(divides, "attention: qkv", &format!("a last axis of 3 * {heads} heads * d_head"), &shape);
    let (fits, wanted) = match mask {
        AttentionMask::Causal => (true, String::new()),
        AttentionMask::Paired => {
            (time.is_multiple_of(2), "an even time axis (contexts, then queries)".into())
        }
        AttentionMask::Context(examples) => (
            (1..=time).contains(&examples),
            format!("a time axis that holds a context of {examples}, at least 1"),
        ),
    };
    check::that(fits, "attention: qkv", &wanted, &shape);
    #[cfg(feature = "flex")]
    if super::native::takes(&qkv) {
        return Tensor::from_dispatch(Dispatch::attention(qkv.into_dispatch(), heads, mask));
    }
    reference::attention(qkv, heads, mask, precision)
}

/// [`attention`] of queries that each stand alone after a context, whose keys and values were kept: every one sees all
/// of the context and itself, and none sees another.
///
/// `qkv`: `[batch, queries, 3 * d_model]` as there; `context`: `[batch, examples, 2 * d_model]`, the keys and values of
/// its tokens, or none for a context without tokens; returns `[batch, queries, d_model]`.
///
/// It is for predictions: the native version has no gradient, and under automatic differentiation the reference runs.
///
/// # Panics
/// If a shape is another one, or a context is given without tokens.
pub fn attention_queries(
    qkv: Tensor<3>,
    context: Option<Tensor<3>>,
    heads: usize,
    precision: Precision,
) -> Tensor<3> {
    let shape = qkv.dims();
    let [batch, _, width] = shape;
    let divides = heads > 0 && width.is_multiple_of(3 * heads);
    check::filled("attention_queries: qkv", &shape);
    check::that(
        divides,
        "attention_queries: qkv",
        &format!("a last axis of 3 * {heads} heads * d_head"),
        &shape,
    );
    let d_model = width / 3;
    let Some(context) = context else {
        // All of its weight is on itself.
        return qkv.narrow(2, 2 * d_model, d_model);
    };
    let [_, examples, _] = context.dims();
    check::filled("attention_queries: context", &context.dims());
    check::shape("attention_queries: context", &[batch, examples, 2 * d_model], &context.dims());
    #[cfg(feature = "flex")]
    if super::native::takes(&qkv) && !qkv.device().is_autodiff() {
        let (qkv, context) = (qkv.into_dispatch(), context.into_dispatch());
        return Tensor::from_dispatch(Dispatch::attention_queries(qkv, context, heads));
    }
    reference::attention_queries(qkv, context, heads, precision)
}

/// Self-attention across neighbouring sequences: row `t` of the columns of a group is a sequence in which every position
/// sees every other. In a table of cells, kept column by column, a cell sees those of its row.
///
/// `qkv`: `[columns, rows, 3 * d_model]` as [`attention`] has it; `groups`: the columns of every group, in their order; returns
/// `[columns, rows, d_model]`. The native version computes in f32 whatever the precision.
///
/// # Panics
/// If `d_model` is not a multiple of `heads`, a group is empty, or the groups have other columns than there are.
pub fn attention_across(qkv: Tensor<3>, groups: &[usize], heads: usize, precision: Precision) -> Tensor<3> {
    let shape = qkv.dims();
    let [columns, _, width] = shape;
    let divides = heads > 0 && width.is_multiple_of(3 * heads);
    check::that(
        divides,
        "attention_across: qkv",
        &format!("a last axis of 3 * {heads} heads * d_head"),
        &shape,
    );
    let whole = groups.iter().sum::<usize>() == columns && groups.iter().all(|&group| group > 0);
    check::that(whole, "attention_across: qkv", &format!("the columns of the groups {groups:?}"), &shape);
    #[cfg(feature = "flex")]
    if super::native::takes(&qkv) {
        return Tensor::from_dispatch(Dispatch::attention_across(
            qkv.into_dispatch(),
            groups.to_vec(),
            heads,
        ));
    }
    reference::attention_across(qkv, groups, heads, precision)
}
