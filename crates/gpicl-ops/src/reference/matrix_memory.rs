//! Matrix memories token by token.

use burn::tensor::Tensor;

use crate::{MatrixMemory, MemoryTokens, TokenLayout, WriteRule};

/// Tokens with their heads apart: `[batch, heads, tokens, ..]`.
struct Split {
    query: Tensor<4>,
    key: Tensor<4>,
    /// With a normaliser a column of ones more.
    value: Tensor<4>,
    write: Tensor<4>,
    decay: Option<Tensor<4>>,
    memory: MatrixMemory,
}

impl Split {
    fn new(tokens: MemoryTokens, memory: MatrixMemory) -> Self {
        let [batch, time, _] = tokens.value.dims();
        let heads = memory.heads;
        let split = |x: Tensor<3>| {
            let [_, _, width] = x.dims();
            x.reshape([batch, time, heads, width / heads]).swap_dims(1, 2)
        };
        let mut value = split(tokens.value);
        if memory.normaliser.is_some() {
            let ones = Tensor::ones([batch, heads, time, 1], &value.device());
            value = Tensor::cat(vec![value, ones], 3);
        }
        Self {
            query: split(tokens.query),
            key: split(tokens.key),
            value,
            write: split(tokens.write),
            decay: tokens.log_decay.map(|log| split(log).exp()),
            memory,
        }
    }

    /// The state after one more token, and what the token reads from it.
    fn step(&self, state: Tensor<4>, at: usize) -> (Tensor<4>, Tensor<4>) {
        let of = |x: &Tensor<4>| x.clone().narrow(2, at, 1);
        let state = self.decay.as_ref().map_or(state.clone(), |decay| state * of(decay));
        let change = match self.memory.rule {
            WriteRule::Sum => of(&self.value),
            WriteRule::Delta => of(&self.value) - of(&self.key).matmul(state.clone()),
        };
        let state = state + of(&self.key).swap_dims(2, 3).matmul(of(&self.write) * change);
        (state.clone(), of(&self.query).matmul(state))
    }

    /// Reads `[batch, heads, tokens, ..]` divided by the sums of their weights, heads side by side.
    fn finish(&self, mut read: Tensor<4>) -> Tensor<3> {
        let [batch, heads, tokens, columns] = read.dims();
        let mut d_value = columns;
        if let Some(least) = self.memory.normaliser {
            d_value -= 1;
            let sum = read.clone().narrow(3, d_value, 1);
            read = read.narrow(3, 0, d_value) / sum.abs().clamp_min(least);
        }
        read.swap_dims(1, 2).reshape([batch, tokens, heads * d_value])
    }
}

/// See [`crate::matrix_memory`].
pub fn matrix_memory(tokens: MemoryTokens, memory: MatrixMemory) -> Tensor<3> {
    matrix_memory_with_state(tokens, memory).0
}

/// See [`crate::matrix_memory_with_state`].
pub fn matrix_memory_with_state(tokens: MemoryTokens, memory: MatrixMemory) -> (Tensor<3>, Tensor<4>) {
    let tokens = Split::new(tokens, memory);
    let ([batch, heads, time, d_key], [_, _, _, columns]) = (tokens.key.dims(), tokens.value.dims());
    let mut state = Tensor::zeros([batch, heads, d_key, columns], &tokens.key.device());
    let (mut contexts, mut queries) = (Vec::new(), Vec::new());
    let examples = if memory.layout == TokenLayout::Paired { time / 2 } else { time };
    for at in 0..examples {
        if memory.layout == TokenLayout::Paired {
            queries.push(tokens.step(state.clone(), examples + at).1);
        }
        let (after, read) = tokens.step(state, at);
        state = after;
        contexts.push(read);
    }
    contexts.append(&mut queries);
    (tokens.finish(Tensor::cat(contexts, 2)), state)
}

/// See [`crate::matrix_memory_queries`].
///
/// The read of a token after its own write, `S^T q + (q . k) w` with what it writes `w`, without a state for each.
pub fn matrix_memory_queries(tokens: MemoryTokens, state: Tensor<4>, memory: MatrixMemory) -> Tensor<3> {
    let tokens = Split::new(tokens, memory);
    let find = |key: &Tensor<4>| {
        let found = key.clone().matmul(state.clone());
        tokens.decay.as_ref().map_or(found.clone(), |decay| found * decay.clone())
    };
    let change = match memory.rule {
        WriteRule::Sum => tokens.value.clone(),
        WriteRule::Delta => tokens.value.clone() - find(&tokens.key),
    };
    let own = (tokens.query.clone() * tokens.key.clone()).sum_dim(3);
    tokens.finish(find(&tokens.query) + own * tokens.write.clone() * change)
}
