//! Matrix memories token by token.

use burn::tensor::Tensor;

use crate::{MatrixMemory, MemoryTokens, TokenLayout, WriteRule};

/// See [`crate::matrix_memory`].
pub fn matrix_memory(tokens: MemoryTokens, memory: MatrixMemory) -> Tensor<3> {
    let [batch, time, width] = tokens.value.dims();
    let MatrixMemory { heads, layout, normaliser, .. } = memory;
    let split = |x: Tensor<3>| {
        let [_, _, width] = x.dims();
        x.reshape([batch, time, heads, width / heads]).swap_dims(1, 2)
    };
    let mut value = split(tokens.value);
    if normaliser.is_some() {
        let ones = Tensor::ones([batch, heads, time, 1], &value.device());
        value = Tensor::cat(vec![value, ones], 3);
    }
    let (query, key) = (split(tokens.query), split(tokens.key));
    let (write, decay) = (split(tokens.write), tokens.log_decay.map(|log| split(log).exp()));
    let [_, _, _, columns] = value.dims();
    // The state after one more token, and what the token reads from it.
    let step = |state: Tensor<4>, at: usize| {
        let of = |x: &Tensor<4>| x.clone().narrow(2, at, 1);
        let state = decay.as_ref().map_or(state.clone(), |decay| state * of(decay));
        let change = match memory.rule {
            WriteRule::Sum => of(&value),
            WriteRule::Delta => of(&value) - of(&key).matmul(state.clone()),
        };
        let state = state + of(&key).swap_dims(2, 3).matmul(of(&write) * change);
        (state.clone(), of(&query).matmul(state))
    };
    let [_, _, _, d_key] = key.dims();
    let mut state = Tensor::zeros([batch, heads, d_key, columns], &key.device());
    let (mut contexts, mut queries) = (Vec::new(), Vec::new());
    let examples = if layout == TokenLayout::Paired { time / 2 } else { time };
    for at in 0..examples {
        if layout == TokenLayout::Paired {
            queries.push(step(state.clone(), examples + at).1);
        }
        let (after, read) = step(state, at);
        state = after;
        contexts.push(read);
    }
    contexts.append(&mut queries);
    let mut read = Tensor::cat(contexts, 2);
    if let Some(least) = normaliser {
        let sum = read.clone().narrow(3, columns - 1, 1);
        read = read.narrow(3, 0, columns - 1) / sum.abs().clamp_min(least);
    }
    read.swap_dims(1, 2).reshape([batch, time, width])
}
