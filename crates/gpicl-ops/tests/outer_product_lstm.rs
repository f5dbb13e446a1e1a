//! The outer-product LSTM: by hand, against its reference, against f64 finite differences.
#![cfg(feature = "flex")]

mod common;

use burn::tensor::Tensor;
use common::{agree, check, close, device, drawn, random};
use gpicl_ops::{Precision, TokenLayout, outer_product_lstm, reference};

const FP32: Precision = Precision::Fp32;
const LAYOUTS: [TokenLayout; 2] = [TokenLayout::Shifted, TokenLayout::Paired];

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The definition in f64: gates `[batch, tokens, heads, 8, size]`.
fn definition(
    gates: &[f64],
    recurrent: &[f64],
    [batch, tokens, heads, size]: [usize; 4],
    layout: TokenLayout,
) -> Vec<f64> {
    let (hidden, width) = (heads * size, heads * 8 * size);
    let steps = if layout == TokenLayout::Paired { tokens / 2 } else { tokens };
    let mut out = vec![0.0; batch * tokens * hidden];
    for episode in 0..batch {
        let mut memory = vec![0.0; heads * size * size];
        let mut h = vec![0.0; hidden];
        for step in 0..steps {
            let mut next = None;
            for at in
                [Some(step), (layout == TokenLayout::Paired).then_some(steps + step)].into_iter().flatten()
            {
                let gate = |j: usize| {
                    gates[(episode * tokens + at) * width + j]
                        + (0..hidden).map(|i| h[i] * recurrent[i * width + j]).sum::<f64>()
                };
                let mut new = memory.clone();
                let mut new_h = vec![0.0; hidden];
                for head in 0..heads {
                    let part = |part: usize, i: usize| gate((head * 8 + part) * size + i);
                    for (a, b) in (0..size).flat_map(|a| (0..size).map(move |b| (a, b))) {
                        let outer = |p: usize| part(p, a) * part(3 + p, b);
                        let cell = &mut new[(head * size + a) * size + b];
                        *cell = sigmoid(outer(2) + 1.0) * *cell + sigmoid(outer(0)) * outer(1).tanh();
                    }
                    for b in 0..size {
                        let read: f64 =
                            (0..size).map(|a| new[(head * size + a) * size + b] * part(6, a)).sum();
                        new_h[head * size + b] = sigmoid(part(7, b)) * (read / (size as f64).sqrt()).tanh();
                    }
                }
                out[(episode * tokens + at) * hidden..][..hidden].copy_from_slice(&new_h);
                if at == step {
                    next = Some((new, new_h));
                }
            }
            (memory, h) = next.expect("every step has a token that is carried");
        }
    }
    out
}

#[test]
fn two_steps_by_hand() {
    // One head of one number: i1 i2 = 2, g1 g2 = 0.5, f1 f2 = -1, q = 3, o = 0, and again with what h adds.
    let first = [2.0, 0.5, 1.0, 1.0, 1.0, -1.0, 3.0, 0.0];
    let device = device().inner();
    let gates = Tensor::<3>::from_data([[first, first]], &device);
    let recurrent = Tensor::<2>::from_data([[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0]], &device);
    let out = outer_product_lstm(gates, recurrent, 1, TokenLayout::Shifted, FP32);
    let found: Vec<f32> = out.into_data().iter().collect();
    // sigmoid(2) = 0.880797, tanh(0.5) = 0.462117: C = 0.407031; h = tanh(1.221094) / 2 = 0.419988.
    assert!((found[0] - 0.419_988).abs() < 2e-6, "{}", found[0]);
    // sigmoid(0) C + 0.407031 = 0.610547; h = sigmoid(0.839977) tanh(1.831641) = 0.663528.
    assert!((found[1] - 0.663_528).abs() < 3e-6, "{}", found[1]);
}

#[test]
fn outer_product_lstm_agrees() {
    for layout in LAYOUTS {
        for [batch, examples, heads, size] in
            [[1, 1, 1, 1], [2, 3, 1, 5], [5, 7, 3, 2], [9, 10, 2, 16], [3, 50, 2, 19]]
        {
            let tokens = layout.tokens(examples);
            let gates = random([batch, tokens, heads * 8 * size]);
            let recurrent = random([heads * size, heads * 8 * size]);
            let run = |f: fn(Tensor<3>, Tensor<2>, usize, TokenLayout, Precision) -> Tensor<3>| {
                f(gates.clone() * 2.0, recurrent.clone() * 0.5, heads, layout, FP32)
            };
            agree!(
                format!("outer_product_lstm {layout:?} [{batch}, {tokens}], {heads} heads of {size}"),
                2e-5,
                [gates, recurrent],
                run(outer_product_lstm),
                run(reference::outer_product_lstm)
            );
        }
    }
}

#[test]
fn gradients_are_the_slopes() {
    for layout in LAYOUTS {
        let (batch, heads, size) = (2, 2, 3);
        let tokens = layout.tokens(3);
        let (hidden, width) = (heads * size, heads * 8 * size);
        let native = |x: &[Tensor<1>]| {
            let gates = x[0].clone().reshape([batch, tokens, width]);
            let recurrent = x[1].clone().reshape([hidden, width]);
            outer_product_lstm(gates, recurrent, heads, layout, FP32).reshape([batch * tokens * hidden])
        };
        check(
            &format!("outer_product_lstm {layout:?}"),
            &[batch * tokens * width, hidden * width],
            native,
            |x| definition(&x[0], &x[1], [batch, tokens, heads, size], layout),
        );
    }
}

#[test]
fn bf16_stays_close() {
    let (gates, recurrent) = (random([5, 20, 2 * 8 * 8]), random([16, 128]));
    let run =
        |precision| outer_product_lstm(gates.clone(), recurrent.clone(), 2, TokenLayout::Paired, precision);
    agree!("outer_product_lstm in bf16", 2e-2, [gates, recurrent], run(Precision::Bf16), run(FP32));
}

#[test]
fn threads_do_not_change_a_bit() {
    let (gates, recurrent) = (random([13, 40, 2 * 8 * 8]), random([16, 128]));
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool");
        pool.install(|| {
            let out = outer_product_lstm(gates.clone(), recurrent.clone(), 2, TokenLayout::Paired, FP32);
            let grads = out.clone().sum().backward();
            let (dgates, drecurrent) = (gates.grad(&grads).unwrap(), recurrent.grad(&grads).unwrap());
            [out.inner().into_data(), dgates.into_data(), drecurrent.into_data()]
        })
    };
    assert_eq!(on(1), on(2));
}

#[test]
fn every_vector_extension_agrees() {
    common::on_every_vector_extension(&["outer_product_lstm_agrees", "by_hand", "slopes"]);
}

#[test]
#[should_panic(expected = "outer_product_lstm: recurrent: expected shape [4, 32], found [4, 16]")]
fn a_wrong_shape_is_named() {
    outer_product_lstm(random([1, 2, 32]), random([4, 16]), 2, TokenLayout::Shifted, FP32);
}
