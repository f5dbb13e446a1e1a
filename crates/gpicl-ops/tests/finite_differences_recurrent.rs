//! Values and gradients of the scans against their definition in f64, differentiated by central differences.
#![cfg(feature = "flex")]

mod common;

use burn::tensor::Tensor;
use gpicl_ops::{Precision, TokenLayout};

use common::check;

const FP32: Precision = Precision::Fp32;
const BATCH: usize = 2;
const STEPS: usize = 3;
const HIDDEN: usize = 5;

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `h W` for one row.
fn product(h: &[f64], weight: &[f64]) -> Vec<f64> {
    let width = weight.len() / HIDDEN;
    (0..width).map(|j| (0..HIDDEN).map(|i| h[i] * weight[i * width + j]).sum()).collect()
}

/// Outputs of `step(state, gates)` along every sequence, token by token as [`TokenLayout`] says; a state begins with
/// the output.
fn scan(
    gates: &[f64],
    layout: TokenLayout,
    states: usize,
    step: impl Fn(&[f64], &[f64]) -> Vec<f64>,
) -> Vec<f64> {
    let tokens = layout.tokens(STEPS);
    let width = gates.len() / (BATCH * tokens);
    let sequence = |gates: &[f64]| {
        let mut before = vec![vec![0.0; states * HIDDEN]];
        for gates in gates.chunks(width).take(STEPS) {
            before.push(step(&before[before.len() - 1], gates));
        }
        let token = |(token, gates): (usize, &[f64])| step(&before[token % STEPS], gates)[..HIDDEN].to_vec();
        gates.chunks(width).enumerate().flat_map(token).collect::<Vec<_>>()
    };
    gates.chunks(tokens * width).flat_map(sequence).collect()
}

#[test]
fn lstm() {
    for layout in [TokenLayout::Shifted, TokenLayout::Paired] {
        let tokens = layout.tokens(STEPS);
        let sizes = [BATCH * tokens * 4 * HIDDEN, HIDDEN * 4 * HIDDEN];
        let native = |x: &[Tensor<1>]| {
            let gates = x[0].clone().reshape([BATCH, tokens, 4 * HIDDEN]);
            let weight = x[1].clone().reshape([HIDDEN, 4 * HIDDEN]);
            gpicl_ops::lstm(gates, weight, layout, FP32).reshape([BATCH * tokens * HIDDEN])
        };
        check(&format!("lstm {layout:?}"), &sizes, native, |x| {
            scan(&x[0], layout, 2, |state, gates| {
                let product = product(state, &x[1]);
                let gate = |block: usize, unit: usize| {
                    let at = block * HIDDEN + unit;
                    gates[at] + product[at]
                };
                let cell = |unit| {
                    sigmoid(gate(1, unit)) * state[HIDDEN + unit]
                        + sigmoid(gate(0, unit)) * gate(2, unit).tanh()
                };
                let c: Vec<f64> = (0..HIDDEN).map(cell).collect();
                let h = (0..HIDDEN).map(|unit| sigmoid(gate(3, unit)) * c[unit].tanh());
                h.chain(c.iter().copied()).collect()
            })
        });
    }
}

#[test]
fn gru() {
    for layout in [TokenLayout::Shifted, TokenLayout::Paired] {
        let tokens = layout.tokens(STEPS);
        let sizes = [BATCH * tokens * 3 * HIDDEN, HIDDEN * 3 * HIDDEN, 3 * HIDDEN];
        let native = |x: &[Tensor<1>]| {
            let gates = x[0].clone().reshape([BATCH, tokens, 3 * HIDDEN]);
            let weight = x[1].clone().reshape([HIDDEN, 3 * HIDDEN]);
            gpicl_ops::gru(gates, weight, x[2].clone(), layout, FP32).reshape([BATCH * tokens * HIDDEN])
        };
        check(&format!("gru {layout:?}"), &sizes, native, |x| {
            scan(&x[0], layout, 1, |h, gates| {
                let product = product(h, &x[1]);
                let unit = |unit: usize| {
                    let [r, z, n] = [0, 1, 2].map(|block| block * HIDDEN + unit);
                    let recurrent = |at: usize| product[at] + x[2][at];
                    let (reset, keep) = (sigmoid(gates[r] + recurrent(r)), sigmoid(gates[z] + recurrent(z)));
                    (1.0 - keep) * (gates[n] + reset * recurrent(n)).tanh() + keep * h[unit]
                };
                (0..HIDDEN).map(unit).collect()
            })
        });
    }
}
