//! Matrix memories: linear attention, fast weights, the delta rule.

#[cfg(feature = "flex")]
mod native;

#[cfg(feature = "flex")]
use burn::backend::Dispatch;
use burn::tensor::Tensor;

#[cfg(feature = "flex")]
use self::native::MatrixMemoryOps;
use super::check;
use crate::{MatrixMemory, TokenLayout, WriteRule, reference};

/// What every token reads, writes and forgets in [`matrix_memory`], heads side by side.
#[derive(Clone, Debug)]
pub struct MemoryTokens {
    /// `[batch, tokens, heads * d_key]`.
    pub query: Tensor<3>,
    /// `[batch, tokens, heads * d_key]`.
    pub key: Tensor<3>,
    /// `[batch, tokens, heads * d_value]`.
    pub value: Tensor<3>,
    /// Write strengths, `[batch, tokens, heads]`.
    pub write: Tensor<3>,
    /// Logarithms of the factors of the state before each token, finite and at most 0, `[batch, tokens, heads]`;
    /// none for a memory that does not fade.
    pub log_decay: Option<Tensor<3>>,
}

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
    let MatrixMemory { heads, rule, layout, normaliser } = memory;
    let shape = tokens.query.dims();
    let [batch, time, width] = shape;
    check::filled("matrix_memory: query", &shape);
    let divides = |width: usize| heads > 0 && width > 0 && width.is_multiple_of(heads);
    let heads_wide = format!("a last axis of {heads} heads");
    check::that(divides(width), "matrix_memory: query", &heads_wide, &shape);
    check::shape("matrix_memory: key", &shape, &tokens.key.dims());
    let [_, _, values] = tokens.value.dims();
    check::that(divides(values), "matrix_memory: value", &heads_wide, &tokens.value.dims());
    check::shape("matrix_memory: value", &[batch, time, values], &tokens.value.dims());
    check::shape("matrix_memory: write", &[batch, time, heads], &tokens.write.dims());
    if let Some(log_decay) = &tokens.log_decay {
        check::shape("matrix_memory: log_decay", &[batch, time, heads], &log_decay.dims());
    }
    let paired = layout == TokenLayout::Shifted || time.is_multiple_of(2);
    check::that(paired, "matrix_memory: query", "an even time axis (contexts, then queries)", &shape);
    assert!(
        rule == WriteRule::Sum || normaliser.is_none(),
        "matrix_memory: a normaliser with the delta rule"
    );
    #[cfg(feature = "flex")]
    if super::native::takes(&tokens.query) {
        let MemoryTokens { query, key, value, write, log_decay } = tokens;
        let decays = log_decay.is_some();
        let log_decay = log_decay.unwrap_or_else(|| Tensor::zeros([batch, time, heads], &query.device()));
        return Tensor::from_dispatch(Dispatch::matrix_memory(
            query.into_dispatch(),
            key.into_dispatch(),
            value.into_dispatch(),
            write.into_dispatch(),
            log_decay.into_dispatch(),
            (memory, decays),
        ));
    }
    reference::matrix_memory(tokens, memory)
}
