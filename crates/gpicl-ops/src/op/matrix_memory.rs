//! Matrix memories: linear attention, fast weights, the delta rule.

#[cfg(feature = "flex")]
mod native;
#[cfg(feature = "flex")]
mod state;

#[cfg(feature = "flex")]
use burn::backend::{Dispatch, DispatchTensor};
use burn::tensor::Tensor;

#[cfg(feature = "flex")]
use self::{native::MatrixMemoryOps, state::MatrixStateOps};
use super::check;
use crate::{MatrixMemory, MemoryTokens, TokenLayout, WriteRule, reference};

/// Writes the tokens of every sequence to matrices, one a head, and reads from them.
///
/// With query `q`, key `k`, value `v`, write strength `b` and decay `a = exp(log_decay)` of token `t`, the memory
/// `S [d_key, d_value]`, at first zero, becomes
///
/// ```text
/// S_t = a_t S_{t-1} + b_t k_t x_t^T     x_t = v_t                        (Sum)
///                                       x_t = v_t - (a_t S_{t-1})^T k_t  (Delta)
/// ```
///
/// and the token reads `o_t = S_t^T q_t`. With a normaliser `c` it reads `o_t / max(|n_t|, c)`, where `n_t` is what it
/// would read had every value been 1: the sum of the weights with which values stand in `o_t`.
///
/// In [`TokenLayout::Paired`] only contexts follow each other so. Query `j` reads what it would had it come after
/// contexts `0..j`, its own write included, and leaves nothing behind.
///
/// Returns `[batch, tokens, heads * d_value]`. Linear attention is Katharopoulos et al. (2020), the delta rule Schlag
/// et al. (2021), with decay Yang et al. (2025); the normaliser at `c = 1` is that of Beck et al. (2024).
///
/// The memory is f32 whatever the precision of the products around it: a recurrence adds up its rounding.
///
/// # Panics
/// If a shape is another one, the number of tokens odd in the paired layout, or a normaliser is given with the delta
/// rule, whose reads are not sums of values.
pub fn matrix_memory(tokens: MemoryTokens, memory: MatrixMemory) -> Tensor<3> {
    check_tokens("matrix_memory", &tokens, memory);
    #[cfg(feature = "flex")]
    if super::native::takes(&tokens.query) {
        let ([query, key, value, write, log_decay], decays) = dispatched(tokens);
        let settings = (memory, decays);
        return Tensor::from_dispatch(Dispatch::matrix_memory(query, key, value, write, log_decay, settings));
    }
    reference::matrix_memory(tokens, memory)
}

/// [`matrix_memory`], and the state after the last token that writes: `[batch, heads, d_key, d_value]`, with a
/// normaliser a column more, which is the memory of a value that is always 1.
///
/// It is for predictions: the native version has no gradient, and under automatic differentiation the reference runs.
///
/// # Panics
/// As [`matrix_memory`].
pub fn matrix_memory_with_state(tokens: MemoryTokens, memory: MatrixMemory) -> (Tensor<3>, Tensor<4>) {
    check_tokens("matrix_memory_with_state", &tokens, memory);
    #[cfg(feature = "flex")]
    if super::native::takes(&tokens.query) && !tokens.query.device().is_autodiff() {
        let ([query, key, value, write, log_decay], decays) = dispatched(tokens);
        let settings = (memory, decays);
        let (read, state) = Dispatch::matrix_memory_with_state(query, key, value, write, log_decay, settings);
        return (Tensor::from_dispatch(read), Tensor::from_dispatch(state));
    }
    reference::matrix_memory_with_state(tokens, memory)
}

/// What queries read that each stand alone after a context, given the state that it left: every token takes one step
/// from that state, as [`matrix_memory`] says, its own write included, and leaves nothing behind.
///
/// `tokens` are the queries, whatever the layout; `state`: `[batch, heads, d_key, d_value]`, with a normaliser a column
/// more, as [`matrix_memory_with_state`] returns it. Returns `[batch, queries, heads * d_value]`.
///
/// It is for predictions: the native version has no gradient, and under automatic differentiation the reference runs.
///
/// # Panics
/// If a shape is another one, or a normaliser is given with the delta rule.
pub fn matrix_memory_queries(tokens: MemoryTokens, state: Tensor<4>, memory: MatrixMemory) -> Tensor<3> {
    let memory = MatrixMemory { layout: TokenLayout::Shifted, ..memory };
    check_tokens("matrix_memory_queries", &tokens, memory);
    let ([batch, _, keys], [_, _, values]) = (tokens.key.dims(), tokens.value.dims());
    let heads = memory.heads;
    let width = values / heads + usize::from(memory.normaliser.is_some());
    check::shape("matrix_memory_queries: state", &[batch, heads, keys / heads, width], &state.dims());
    #[cfg(feature = "flex")]
    if super::native::takes(&tokens.query) && !tokens.query.device().is_autodiff() {
        let ([query, key, value, write, log_decay], decays) = dispatched(tokens);
        let (state, settings) = (state.into_dispatch(), (memory, decays));
        return Tensor::from_dispatch(Dispatch::matrix_memory_queries(
            query, key, value, write, log_decay, state, settings,
        ));
    }
    reference::matrix_memory_queries(tokens, state, memory)
}

/// The tokens as the backend's tensors, and whether they decay the memory.
#[cfg(feature = "flex")]
fn dispatched(tokens: MemoryTokens) -> ([DispatchTensor; 5], bool) {
    let MemoryTokens { query, key, value, write, log_decay } = tokens;
    let decays = log_decay.is_some();
    let log_decay = log_decay.unwrap_or_else(|| Tensor::zeros(write.dims(), &query.device()));
    ([query, key, value, write, log_decay].map(Tensor::into_dispatch), decays)
}

/// Panics unless the tokens fit each other and the memory; `what` names the operation.
#[track_caller]
fn check_tokens(what: &str, tokens: &MemoryTokens, memory: MatrixMemory) {
    let MatrixMemory { heads, rule, layout, normaliser } = memory;
    let argument = |name: &str| format!("{what}: {name}");
    let shape = tokens.query.dims();
    let [batch, time, width] = shape;
    check::filled(&argument("query"), &shape);
    let divides = |width: usize| heads > 0 && width > 0 && width.is_multiple_of(heads);
    let heads_wide = format!("a last axis of {heads} heads");
    check::that(divides(width), &argument("query"), &heads_wide, &shape);
    check::shape(&argument("key"), &shape, &tokens.key.dims());
    let [_, _, values] = tokens.value.dims();
    check::that(divides(values), &argument("value"), &heads_wide, &tokens.value.dims());
    check::shape(&argument("value"), &[batch, time, values], &tokens.value.dims());
    check::shape(&argument("write"), &[batch, time, heads], &tokens.write.dims());
    if let Some(log_decay) = &tokens.log_decay {
        check::shape(&argument("log_decay"), &[batch, time, heads], &log_decay.dims());
    }
    let paired = layout == TokenLayout::Shifted || time.is_multiple_of(2);
    check::that(paired, &argument("query"), "an even time axis (contexts, then queries)", &shape);
    assert!(rule == WriteRule::Sum || normaliser.is_none(), "{what}: a normaliser with the delta rule");
}
