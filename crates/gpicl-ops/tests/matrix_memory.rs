//! Matrix memories: against the recurrence token by token, f64 central differences, and numbers worked out by hand.
#![cfg(feature = "flex")]

mod common;

use burn::tensor::{Tensor, TensorData};
use common::{agree, check, close, device, drawn, host, random, threads_change_no_bit};
use gpicl_ops::{
    MatrixMemory, MemoryTokens, TokenLayout, WriteRule, matrix_memory, matrix_memory_queries,
    matrix_memory_with_state, reference,
};

const LAYOUTS: [TokenLayout; 2] = [TokenLayout::Shifted, TokenLayout::Paired];

/// Rules, whether the memory fades, and normalisers that go together.
const KINDS: [(WriteRule, bool, Option<f32>); 6] = [
    (WriteRule::Sum, false, None),
    (WriteRule::Sum, true, None),
    (WriteRule::Sum, false, Some(0.5)),
    (WriteRule::Sum, true, Some(1.0)),
    (WriteRule::Delta, false, None),
    (WriteRule::Delta, true, None),
];

/// Tokens of numbers in (-1, 1): keys no longer than 1, strengths in (0, 1), log-decays in (-1, 0).
fn tokens([query, key, value, write, log_decay]: [Tensor<3>; 5], fades: bool, heads: usize) -> MemoryTokens {
    let d_key = key.dims()[2] / heads;
    MemoryTokens {
        query,
        key: key / (d_key as f64).sqrt(),
        value,
        write: write * 0.5 + 0.5,
        log_decay: fades.then(|| log_decay * 0.5 - 0.5),
    }
}

#[test]
fn matrix_memory_agrees() {
    for layout in LAYOUTS {
        // One of everything, chunks' edges from both sides, widths that fill vectors and that do not.
        for [batch, examples, heads, d_key, d_value] in [
            [1, 1, 1, 1, 1],
            [2, 5, 2, 3, 2],
            [1, 31, 1, 16, 16],
            [1, 32, 2, 8, 33],
            [2, 33, 1, 17, 5],
            [1, 64, 1, 4, 15],
            [1, 65, 3, 5, 16],
            [2, 100, 2, 32, 32],
        ] {
            for (rule, fades, normaliser) in KINDS {
                let time = layout.tokens(examples);
                let (q, k) = (random([batch, time, heads * d_key]), random([batch, time, heads * d_key]));
                let v = random([batch, time, heads * d_value]);
                let (write, decay) = (random([batch, time, heads]), random([batch, time, heads]));
                let memory = MatrixMemory { heads, rule, layout, normaliser };
                let run = |f: fn(MemoryTokens, MatrixMemory) -> Tensor<3>| {
                    let inputs = [&q, &k, &v, &write, &decay].map(Clone::clone);
                    f(tokens(inputs, fades, heads), memory)
                };
                let what = format!("{memory:?}, fades: {fades}, [{batch}, {time}], {d_key} to {d_value}");
                // Reads are divided by sums that may be small: their gradients magnify roundings.
                let tolerance = if normaliser.is_some() { 1e-4 } else { 2e-5 };
                if fades {
                    agree!(
                        what,
                        tolerance,
                        [q, k, v, write, decay],
                        run(matrix_memory),
                        run(reference::matrix_memory)
                    );
                } else {
                    agree!(
                        what,
                        tolerance,
                        [q, k, v, write],
                        run(matrix_memory),
                        run(reference::matrix_memory)
                    );
                }
            }
        }
    }
}

/// Contexts of one token, chunks' edges from both sides, queries that fill tasks and tiles and that do not.
const AFTER: [[usize; 6]; 7] = [
    [1, 1, 1, 1, 1, 1],
    [2, 5, 3, 2, 3, 2],
    [1, 31, 24, 1, 16, 16],
    [2, 32, 25, 2, 8, 33],
    [1, 33, 192, 1, 17, 5],
    [2, 64, 193, 1, 4, 15],
    [1, 100, 400, 4, 32, 32],
];

/// Tokens outside automatic differentiation.
fn plain(batch: usize, time: usize, [heads, d_key, d_value]: [usize; 3], fades: bool) -> MemoryTokens {
    let widths = [heads * d_key, heads * d_key, heads * d_value, heads, heads];
    tokens(widths.map(|width| random([batch, time, width]).inner()), fades, heads)
}

fn narrow(tokens: &MemoryTokens, first: usize, count: usize) -> MemoryTokens {
    let some = |x: &Tensor<3>| x.clone().narrow(1, first, count);
    MemoryTokens {
        query: some(&tokens.query),
        key: some(&tokens.key),
        value: some(&tokens.value),
        write: some(&tokens.write),
        log_decay: tokens.log_decay.as_ref().map(some),
    }
}

#[test]
fn matrix_memory_state_agrees() {
    for [batch, examples, _, heads, d_key, d_value] in AFTER {
        for ((rule, fades, normaliser), layout) in
            KINDS.into_iter().flat_map(|kind| LAYOUTS.map(|layout| (kind, layout)))
        {
            let memory = MatrixMemory { heads, rule, layout, normaliser };
            let tokens = plain(batch, layout.tokens(examples), [heads, d_key, d_value], fades);
            let what = format!("{memory:?}, fades: {fades}, {examples} examples, {d_key} to {d_value}");
            let (read, state) = matrix_memory_with_state(tokens.clone(), memory);
            let (expected, expected_state) = reference::matrix_memory_with_state(tokens, memory);
            close(&format!("{what}: read"), read, expected, 1e-4);
            close(&format!("{what}: state"), state, expected_state, 2e-5);
        }
    }
}

#[test]
fn matrix_memory_queries_agree() {
    for [batch, examples, queries, heads, d_key, d_value] in AFTER {
        for (rule, fades, normaliser) in KINDS {
            let memory = MatrixMemory { heads, rule, layout: TokenLayout::Paired, normaliser };
            let sizes = [heads, d_key, d_value];
            let context = plain(batch, memory.layout.tokens(examples), sizes, fades);
            let (_, state) = reference::matrix_memory_with_state(context, memory);
            let tokens = plain(batch, queries, sizes, fades);
            let what = format!("{memory:?}, fades: {fades}, {queries} queries, {d_key} to {d_value}");
            let found = matrix_memory_queries(tokens.clone(), state.clone(), memory);
            close(&what, found, reference::matrix_memory_queries(tokens, state, memory), 1e-4);
        }
    }
}

/// In both layouts a query after a context is the context's next token.
#[test]
fn matrix_memory_queries_are_next_tokens() {
    let (batch, heads, d_key, d_value) = (2, 2, 9, 7);
    for examples in [1, 31, 32, 40] {
        for (rule, fades, normaliser) in KINDS {
            let memory = MatrixMemory { heads, rule, layout: TokenLayout::Shifted, normaliser };
            let tokens = plain(batch, examples + 1, [heads, d_key, d_value], fades);
            let last = matrix_memory(tokens.clone(), memory).narrow(1, examples, 1);
            let (_, state) = matrix_memory_with_state(narrow(&tokens, 0, examples), memory);
            let found = matrix_memory_queries(narrow(&tokens, examples, 1), state, memory);
            close(&format!("{memory:?}, fades: {fades}, {examples} examples"), found, last, 1e-4);
        }
    }
}

/// The recurrence in f64; `tokens` are query, key, value, write strength and log-decay.
fn definition(tokens: &[Vec<f64>], memory: MatrixMemory, d_key: usize, d_value: usize) -> Vec<f64> {
    let MatrixMemory { heads, rule, layout, normaliser } = memory;
    let time = tokens[3].len() / heads;
    let examples = time / layout.tokens(1);
    let mut out = vec![0.0; time * heads * d_value];
    for h in 0..heads {
        // Writes token `t` to the state and reads from it.
        let mut step = |state: &mut Vec<f64>, t: usize| {
            let at = t * heads + h;
            let (query, key) = (&tokens[0][at * d_key..], &tokens[1][at * d_key..]);
            let value = |c: usize| if c == d_value { 1.0 } else { tokens[2][at * d_value + c] };
            state.iter_mut().for_each(|number| *number *= tokens[4][at].exp());
            let read = |state: &[f64], by: &[f64], c: usize| {
                (0..d_key).map(|d| by[d] * state[d * (d_value + 1) + c]).sum::<f64>()
            };
            for c in 0..=d_value {
                let found = if rule == WriteRule::Delta { read(state, key, c) } else { 0.0 };
                let written = tokens[3][at] * (value(c) - found);
                (0..d_key).for_each(|d| state[d * (d_value + 1) + c] += key[d] * written);
            }
            let sum = read(state, query, d_value);
            for c in 0..d_value {
                let divisor = normaliser.map_or(1.0, |least| sum.abs().max(f64::from(least)));
                out[at * d_value + c] = read(state, query, c) / divisor;
            }
        };
        let mut state = vec![0.0; d_key * (d_value + 1)];
        for t in 0..examples {
            if layout == TokenLayout::Paired {
                step(&mut state.clone(), examples + t);
            }
            step(&mut state, t);
        }
    }
    out
}

#[test]
fn matrix_memory_has_the_gradients_of_its_definition() {
    let (heads, d_key, d_value) = (2, 3, 2);
    for (layout, examples) in
        [(TokenLayout::Shifted, 7), (TokenLayout::Paired, 4), (TokenLayout::Shifted, 35)]
    {
        let time = layout.tokens(examples);
        for (rule, fades, normaliser) in KINDS {
            let memory = MatrixMemory { heads, rule, layout, normaliser };
            let native = |x: &[Tensor<1>]| {
                let of = |at: usize, width: usize| x[at].clone().reshape([1, time, heads * width]);
                let inputs = [of(0, d_key), of(1, d_key), of(2, d_value), of(3, 1), of(4, 1)];
                let read = matrix_memory(tokens(inputs, fades, heads), memory);
                // The decay takes part even where it is none.
                read.reshape([time * heads * d_value]) + x[4].clone().sum() * 0.0
            };
            let sizes = [d_key, d_key, d_value, 1, 1].map(|width| time * heads * width);
            check(&format!("{memory:?}, fades: {fades}"), &sizes, native, |x| {
                let map = |at: usize, f: &dyn Fn(f64) -> f64| x[at].iter().map(|&x| f(x)).collect();
                let root = (d_key as f64).sqrt();
                let tokens = [
                    x[0].clone(),
                    map(1, &|x| x / root),
                    x[2].clone(),
                    map(3, &|x| x * 0.5 + 0.5),
                    map(4, &|x| if fades { x * 0.5 - 0.5 } else { 0.0 }),
                ];
                definition(&tokens, memory, d_key, d_value)
            });
        }
    }
}

/// What one head with keys and values of length 2 reads.
fn by_hand(
    memory: MatrixMemory,
    [query, key, value]: [&[[f32; 2]]; 3],
    write: &[f32],
    log_decay: Option<&[f32]>,
) -> Vec<f32> {
    let time = write.len();
    let device = device().inner();
    let tensor =
        |x: &[f32]| Tensor::<3>::from_data(TensorData::new(x.to_vec(), [1, time, x.len() / time]), &device);
    let pairs = |x: &[[f32; 2]]| tensor(x.as_flattened());
    let tokens = MemoryTokens {
        query: pairs(query),
        key: pairs(key),
        value: pairs(value),
        write: tensor(write),
        log_decay: log_decay.map(tensor),
    };
    host(matrix_memory(tokens, memory).reshape([2 * time]))
}

fn near(found: &[f32], expected: &[f32]) {
    let same = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6);
    assert!(same && found.len() == expected.len(), "{found:?}, not {expected:?}");
}

const KEYS: [[f32; 2]; 3] = [[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
const VALUES: [[f32; 2]; 3] = [[1.0, 2.0], [3.0, -1.0], [0.0, 4.0]];
const QUERIES: [[f32; 2]; 3] = [[1.0, 0.0], [1.0, 0.0], [1.0, 2.0]];
const SUM: MatrixMemory =
    MatrixMemory { heads: 1, rule: WriteRule::Sum, layout: TokenLayout::Shifted, normaliser: None };

#[test]
fn a_sum_by_hand() {
    // S_1 = [1 2; 0 0]                                 [1 0] reads [1 2]
    // S_2 = S_1 + 0.5 [3 -1; 3 -1] = [2.5 1.5; 1.5 -0.5]   [1 0] reads [2.5 1.5]
    // S_3 = S_2 + [0 0; 0 4] = [2.5 1.5; 1.5 3.5]      [1 2] reads [5.5 8.5]
    let found = by_hand(SUM, [&QUERIES, &KEYS, &VALUES], &[1.0, 0.5, 1.0], None);
    near(&found, &[1.0, 2.0, 2.5, 1.5, 5.5, 8.5]);
    // Sums of weights: q.k_1 = 1; 1 + 0.5 = 1.5; 1 + 0.5 * 3 + 2 = 4.5.
    let normalised = MatrixMemory { normaliser: Some(1.2), ..SUM };
    let found = by_hand(normalised, [&QUERIES, &KEYS, &VALUES], &[1.0, 0.5, 1.0], None);
    near(&found, &[1.0 / 1.2, 2.0 / 1.2, 2.5 / 1.5, 1.0, 5.5 / 4.5, 8.5 / 4.5]);
}

#[test]
fn a_sum_that_halves_by_hand() {
    // S_1 = [1 2; 0 0]
    // S_2 = [0.5 1; 0 0] + [3 -1; 3 -1] = [3.5 0; 3 -1]        [1 0] reads [3.5 0]
    // S_3 = [0.875 0; 0.75 -0.25] + [0 0; 0 4]                 [1 2] reads [2.375 7.5]
    let log_decay = [0.3_f32, 0.5, 0.25].map(f32::ln);
    let found = by_hand(SUM, [&QUERIES, &KEYS, &VALUES], &[1.0; 3], Some(&log_decay));
    near(&found, &[1.0, 2.0, 3.5, 0.0, 2.375, 7.5]);
}

#[test]
fn a_delta_by_hand() {
    let delta = MatrixMemory { rule: WriteRule::Delta, ..SUM };
    // S_1 = [1 2; 0 0]
    // found at [1 1]: [1 2]; change [2 -3], half of it: S_2 = [2 0.5; 1 -1.5]      [1 0] reads [2 0.5]
    // found at [0 1]: [1 -1.5]; change [-1 5.5]: S_3 = [2 0.5; 0 4]                 [1 2] reads [2 8.5]
    let found = by_hand(delta, [&QUERIES, &KEYS, &VALUES], &[1.0, 0.5, 1.0], None);
    near(&found, &[1.0, 2.0, 2.0, 0.5, 2.0, 8.5]);
    // Decay 0.5 before the second: found at [1 1]: [0.5 1]; change [2.5 -2]:
    // S_2 = [0.5 1; 0 0] + [2.5 -2; 2.5 -2] = [3 -1; 2.5 -2]                       [1 0] reads [3 -1]
    let log_decay = [0.0, 0.5_f32.ln()];
    let found = by_hand(delta, [&QUERIES[..2], &KEYS[..2], &VALUES[..2]], &[1.0; 2], Some(&log_decay));
    near(&found, &[1.0, 2.0, 3.0, -1.0]);
}

#[test]
fn a_query_leaves_nothing_behind_by_hand() {
    let paired = MatrixMemory { rule: WriteRule::Delta, layout: TokenLayout::Paired, ..SUM };
    // Contexts as above with full strength: S_1 = [1 2; 0 0], then found at [1 1]: [1 2]; change [2 -3]:
    // S_2 = [3 -1; 2 -3], and [1 0] reads [3 -1].
    // Query 1 finds the empty memory and writes [1 1] at [1 0]: [2 0] reads [2 2].
    // Query 2 finds S_1, at [1 0] [1 2]; change [1 -1] - [1 2] = [0 -3]: [1 -1; 0 0], [1 1] reads [1 -1].
    let key = [KEYS[0], KEYS[1], [1.0, 0.0], [1.0, 0.0]];
    let value = [VALUES[0], VALUES[1], [1.0, 1.0], [1.0, -1.0]];
    let query = [[1.0, 0.0], [1.0, 0.0], [2.0, 0.0], [1.0, 1.0]];
    let found = by_hand(paired, [&query, &key, &value], &[1.0; 4], None);
    near(&found, &[1.0, 2.0, 3.0, -1.0, 2.0, 2.0, 1.0, -1.0]);
}

#[test]
fn a_memory_that_fades_at_once_stays_finite() {
    for rule in [WriteRule::Sum, WriteRule::Delta] {
        let memory = MatrixMemory { heads: 1, rule, layout: TokenLayout::Paired, normaliser: None };
        let (key, decay) =
            (random([1, 80, 4]), Tensor::<3>::full([1, 80, 1], -200.0, &device()).require_grad());
        let write = Tensor::<3>::full([1, 80, 1], 0.5, &device()).require_grad();
        let tokens = MemoryTokens {
            query: key.clone(),
            key: key.clone(),
            value: key.clone(),
            write: write.clone(),
            log_decay: Some(decay.clone()),
        };
        let read = matrix_memory(tokens, memory);
        // Each token reads its own write alone: 0.5 |k|^2 k.
        let expected = key.clone().powi_scalar(2).sum_dim(2) * key.clone() * 0.5;
        close("faded", read.clone().inner(), expected.inner(), 1e-6);
        let grads = read.sum().backward();
        let finite = |x: &Tensor<3>| x.grad(&grads).unwrap().abs().max().into_scalar::<f32>().is_finite();
        assert!(finite(&key) && finite(&decay) && finite(&write));
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let inputs = [
        random([3, 70, 24]),
        random([3, 70, 24]),
        random([3, 70, 36]),
        random([3, 70, 4]),
        random([3, 70, 4]),
    ];
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool");
        pool.install(|| {
            let memory = MatrixMemory {
                heads: 4,
                rule: WriteRule::Delta,
                layout: TokenLayout::Paired,
                normaliser: None,
            };
            let read = matrix_memory(tokens(inputs.clone(), true, 4), memory);
            let grads = read.clone().sum().backward();
            let gradients = inputs.each_ref().map(|x| x.grad(&grads).unwrap().into_data());
            (read.into_data(), gradients)
        })
    };
    assert_eq!(on(1), on(2));
}

#[test]
fn threads_do_not_change_a_bit_of_states_and_queries() {
    let (batch, examples, queries, sizes) = (3, 70, 400, [4, 6, 9]);
    for ((rule, fades, normaliser), layout) in
        KINDS.into_iter().flat_map(|kind| LAYOUTS.map(|layout| (kind, layout)))
    {
        let memory = MatrixMemory { heads: sizes[0], rule, layout, normaliser };
        let context = plain(batch, layout.tokens(examples), sizes, fades);
        let asked = plain(batch, queries, sizes, fades);
        threads_change_no_bit(&format!("{memory:?}, fades: {fades}"), || {
            let (read, state) = matrix_memory_with_state(context.clone(), memory);
            let answers = matrix_memory_queries(asked.clone(), state.clone(), memory);
            vec![read.into_data(), state.into_data(), answers.into_data()]
        });
    }
}

#[test]
fn every_vector_extension_agrees() {
    common::on_every_vector_extension(&["matrix_memory", "by_hand"]);
}

#[test]
#[should_panic(expected = "matrix_memory: write: expected shape [1, 4, 2], found [1, 4, 1]")]
fn a_wrong_shape_is_named() {
    let inputs =
        [random([1, 4, 6]), random([1, 4, 6]), random([1, 4, 2]), random([1, 4, 1]), random([1, 4, 2])];
    matrix_memory(tokens(inputs, false, 2), MatrixMemory { heads: 2, ..SUM });
}
