//! Values and gradients of every operation against its definition in f64, differentiated by central differences.
#![cfg(feature = "flex")]

mod common;

use burn::tensor::{Int, Tensor, TensorData};
use common::{check, device, host, leaf, numbers};
use gpicl_ops::{Activation, AdamWStep, AttentionMask, Embedding, FeedForward, Gate, Precision, TokenLayout};

const FP32: Precision = Precision::Fp32;

fn gelu(x: f64) -> f64 {
    let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
    x / 2.0 * (1.0 + inner.tanh())
}

/// `x W + b`, row by row.
fn affine(x: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let (fan_in, fan_out) = (weight.len() / bias.len(), bias.len());
    let element =
        |row: &[f64], j: usize| bias[j] + (0..fan_in).map(|i| row[i] * weight[i * fan_out + j]).sum::<f64>();
    x.chunks(fan_in).flat_map(|row| (0..fan_out).map(move |j| element(row, j))).collect()
}

fn sum(a: Vec<f64>, b: &[f64]) -> Vec<f64> {
    a.into_iter().zip(b).map(|(a, b)| a + b).collect()
}

#[test]
fn linear() {
    let (rows, fan_in, fan_out) = (5, 7, 19);
    let sizes = [rows * fan_in, fan_in * fan_out, fan_out];
    for activation in [Activation::Identity, Activation::Gelu] {
        let native = |x: &[Tensor<1>]| {
            let (weight, bias) = (x[1].clone().reshape([fan_in, fan_out]), x[2].clone());
            let y = gpicl_ops::linear(x[0].clone().reshape([rows, fan_in]), weight, bias, activation, FP32);
            y.reshape([rows * fan_out])
        };
        check(&format!("linear {activation:?}"), &sizes, native, |x| {
            let y = affine(&x[0], &x[1], &x[2]);
            if activation == Activation::Gelu { y.into_iter().map(gelu).collect() } else { y }
        });
    }
    let native = |x: &[Tensor<1>]| {
        let (weight, residual) =
            (x[1].clone().reshape([fan_in, fan_out]), x[3].clone().reshape([rows, fan_out]));
        let y = x[0].clone().reshape([rows, fan_in]);
        gpicl_ops::linear_residual(y, weight, x[2].clone(), residual, FP32).reshape([rows * fan_out])
    };
    check("linear_residual", &[sizes[0], sizes[1], sizes[2], rows * fan_out], native, |x| {
        sum(affine(&x[0], &x[1], &x[2]), &x[3])
    });
}

#[test]
fn feed_forward() {
    let (rows, fan_in, hidden, fan_out) = (4, 5, 18, 3);
    let sizes = [rows * fan_in, fan_in * hidden, hidden, hidden * fan_out, fan_out, rows * fan_out];
    let native = |x: &[Tensor<1>]| {
        let weights = FeedForward {
            up: x[1].clone().reshape([fan_in, hidden]),
            up_bias: x[2].clone(),
            down: x[3].clone().reshape([hidden, fan_out]),
            down_bias: x[4].clone(),
        };
        let residual = x[5].clone().reshape([rows, fan_out]);
        let y = gpicl_ops::feed_forward(x[0].clone().reshape([rows, fan_in]), weights, residual, FP32);
        y.reshape([rows * fan_out])
    };
    check("feed_forward", &sizes, native, |x| {
        let h: Vec<f64> = affine(&x[0], &x[1], &x[2]).into_iter().map(gelu).collect();
        sum(affine(&h, &x[3], &x[4]), &x[5])
    });
}

#[test]
fn layer_norm() {
    let (rows, features) = (3, 21);
    let native = |x: &[Tensor<1>]| {
        let y = x[0].clone().reshape([rows, features]);
        gpicl_ops::layer_norm(y, x[1].clone(), x[2].clone(), 1e-5).reshape([rows * features])
    };
    check("layer_norm", &[rows * features, features, features], native, |x| {
        let normal = |row: &[f64]| {
            let mean = row.iter().sum::<f64>() / features as f64;
            let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / features as f64;
            let scale = (variance + 1e-5).sqrt();
            (0..features).map(|i| (row[i] - mean) / scale * x[1][i] + x[2][i]).collect::<Vec<_>>()
        };
        x[0].chunks(features).flat_map(normal).collect()
    });
}

#[test]
fn unit_silu() {
    let (rows, heads, width) = (3, 2, 19);
    let native = |x: &[Tensor<1>]| {
        let y = x[0].clone().reshape([1, rows, heads * width]);
        gpicl_ops::unit_silu(y, heads).reshape([rows * heads * width])
    };
    check("unit_silu", &[rows * heads * width], native, |x| {
        let unit = |row: &[f64]| {
            let s: Vec<f64> = row.iter().map(|v| v / (1.0 + (-v).exp())).collect();
            let length = (s.iter().map(|s| s * s).sum::<f64>() + 1e-6).sqrt();
            s.into_iter().map(move |s| s / length).collect::<Vec<_>>()
        };
        x[0].chunks(width).flat_map(unit).collect()
    });
}

#[test]
fn gated() {
    for kind in [Gate::Sigmoid, Gate::Silu] {
        let native = |x: &[Tensor<1>]| gpicl_ops::gated(x[0].clone(), x[1].clone(), kind);
        check(&format!("gated {kind:?}"), &[37, 37], native, |x| {
            let open = |gate: f64| 1.0 / (1.0 + (-gate).exp());
            let gate = |gate: f64| if kind == Gate::Silu { gate * open(gate) } else { open(gate) };
            x[0].iter().zip(&x[1]).map(|(x, &at)| x * gate(at)).collect()
        });
    }
}

#[test]
fn attention() {
    let (time, heads, d_head) = (6, 2, 3);
    let d_model = heads * d_head;
    for mask in [AttentionMask::Causal, AttentionMask::Paired, AttentionMask::Context(4)] {
        let native = |x: &[Tensor<1>]| {
            let qkv = x[0].clone().reshape([1, time, 3 * d_model]);
            gpicl_ops::attention(qkv, heads, mask, FP32).reshape([time * d_model])
        };
        check(&format!("attention {mask:?}"), &[time * 3 * d_model], native, |x| {
            let at = |position: usize, part: usize, c: usize| x[0][(3 * position + part) * d_model + c];
            let mut out = vec![0.0; time * d_model];
            for (row, h) in (0..time).flat_map(|row| (0..heads).map(move |h| (row, h))) {
                let head = h * d_head..(h + 1) * d_head;
                let score = |key| {
                    head.clone().map(|c| at(row, 0, c) * at(key, 1, c)).sum::<f64>() / (d_head as f64).sqrt()
                };
                let seen: Vec<usize> = (0..time).filter(|&key| mask.sees(row, key, time)).collect();
                let total: f64 = seen.iter().map(|&key| score(key).exp()).sum();
                for c in head.clone() {
                    out[row * d_model + c] =
                        seen.iter().map(|&key| score(key).exp() / total * at(key, 2, c)).sum();
                }
            }
            out
        });
    }
}

#[test]
fn cross_entropy() {
    let (time, classes) = (5, 7);
    let targets = [3, 0, 6, 6, 2];
    let native = |x: &[Tensor<1>]| {
        let targets = Tensor::<2, Int>::from_data([targets.map(|target| target as i32)], &device());
        gpicl_ops::cross_entropy(x[0].clone().reshape([1, time, classes]), targets).reshape([time])
    };
    check("cross_entropy", &[time * classes], native, |x| {
        let nll =
            |(row, &target): (&[f64], &usize)| row.iter().map(|v| v.exp()).sum::<f64>().ln() - row[target];
        x[0].chunks(classes).zip(&targets).map(nll).collect()
    });
}

#[test]
fn embed() {
    let (batch, time, fan_in, d_model, classes) = (2, 3, 4, 5, 3);
    let labels = [2, 0, 1, 1, 2, 2];
    let sizes = [batch * time * fan_in, fan_in * d_model, d_model, classes * d_model, time * d_model];
    for layout in [TokenLayout::Shifted, TokenLayout::Paired] {
        let tokens = layout.tokens(time);
        let native = |x: &[Tensor<1>]| {
            let labels = TensorData::new(labels.map(|label| label as i32).to_vec(), [batch, time]);
            let weights = Embedding {
                weight: x[1].clone().reshape([fan_in, d_model]),
                bias: x[2].clone(),
                label: x[3].clone().reshape([classes, d_model]),
                position: Some(x[4].clone().reshape([time, d_model])),
                label_scale: 1.5,
            };
            let inputs = x[0].clone().reshape([batch, time, fan_in]);
            let labels = Tensor::<2, Int>::from_data(labels, &device());
            gpicl_ops::embed(inputs, labels, weights, layout, FP32).reshape([batch * tokens * d_model])
        };
        check(&format!("embed {layout:?}"), &sizes, native, |x| {
            let embedded = affine(&x[0], &x[1], &x[2]);
            let element = |episode: usize, token: usize, c: usize| {
                let example = token % time;
                let label = match layout {
                    TokenLayout::Shifted => token.checked_sub(1),
                    TokenLayout::Paired => (token < time).then_some(token),
                };
                let label = label.map_or(0.0, |at| 1.5 * x[3][labels[episode * time + at] * d_model + c]);
                embedded[(episode * time + example) * d_model + c] + x[4][example * d_model + c] + label
            };
            let places = (0..batch).flat_map(|episode| (0..tokens).map(move |token| (episode, token)));
            places
                .flat_map(|(episode, token)| (0..d_model).map(move |c| (episode, token, c)))
                .map(|(e, t, c)| element(e, t, c))
                .collect()
        });
    }
}

#[test]
fn adamw() {
    let step = AdamWStep {
        lr: 0.01,
        beta1: 0.9,
        beta2: 0.98,
        eps: 1e-8,
        weight_decay: 0.1,
        bias_correction1: 0.271,
        bias_correction2: 0.058_808,
        grad_scale: 0.7,
    };
    let count = 37;
    let [param, grad, m] = [1, 2, 3].map(|salt| numbers(count, salt));
    let v: Vec<f64> = numbers(count, 4).into_iter().map(f64::abs).collect();
    let tensor = |values: &[f64]| leaf(values).inner();
    let (new, new_m, new_v) = gpicl_ops::adamw(tensor(&param), tensor(&grad), tensor(&m), tensor(&v), step);
    let (new, new_m, new_v) = (host(new), host(new_m), host(new_v));
    for at in 0..count {
        let g = 0.7 * grad[at];
        let m = 0.9 * m[at] + 0.1 * g;
        let v = 0.98 * v[at] + 0.02 * g * g;
        let p = (1.0 - 0.01 * 0.1) * param[at] - 0.01 * (m / 0.271) / ((v / 0.058_808).sqrt() + 1e-8);
        for (found, expected) in [(new[at], p), (new_m[at], m), (new_v[at], v)] {
            assert!((f64::from(found) - expected).abs() < 2e-6, "{at}: {found} {expected}");
        }
    }
}

/// The solution of `A x = b`, by elimination.
fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let subtract = |rows: &mut [Vec<f64>], row: usize, pivot: usize, factor: f64| {
        let pivot = rows[pivot].clone();
        rows[row].iter_mut().zip(pivot).for_each(|(x, y)| *x -= factor * y);
    };
    for pivot in 0..a.len() {
        for row in (0..a.len()).filter(|&row| row != pivot) {
            let factor = a[row][pivot] / a[pivot][pivot];
            subtract(&mut a, row, pivot, factor);
            subtract(&mut b, row, pivot, factor);
        }
    }
    (0..a.len()).map(|row| b[row].iter().map(|b| b / a[row][row]).collect()).collect()
}

/// Every position's regression by itself, as its definition has it.
#[test]
fn mesa() {
    let (heads, d_head, examples) = (2, 3, 4);
    let d_model = heads * d_head;
    for mask in [AttentionMask::Causal, AttentionMask::Paired] {
        let time = if mask == AttentionMask::Causal { examples } else { 2 * examples };
        let native = |x: &[Tensor<1>]| {
            let qkv = x[0].clone().reshape([1, time, 3 * d_model]);
            gpicl_ops::mesa(qkv, x[1].clone().exp(), x[2].clone().exp(), mask).reshape([time * d_model])
        };
        check(&format!("mesa {mask:?}"), &[time * 3 * d_model, heads, heads], native, |x| {
            let mut out = vec![0.0; time * d_model];
            for h in 0..heads {
                let part = |at: usize, part: usize| -> Vec<f64> {
                    x[0][at * 3 * d_model + part * d_model + h * d_head..][..d_head].to_vec()
                };
                let kernel = |a: &[f64], b: &[f64]| {
                    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
                    let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
                    (x[1][h].exp() * (cosine - 1.0)).exp()
                };
                for at in 0..time {
                    let seen = if at < examples { at } else { at - examples };
                    let matrix = (0..seen)
                        .map(|i| {
                            let row = |j: usize| {
                                kernel(&part(i, 1), &part(j, 1)) + if i == j { x[2][h].exp() } else { 0.0 }
                            };
                            (0..seen).map(row).collect()
                        })
                        .collect();
                    let weights = solve(matrix, (0..seen).map(|i| part(i, 2)).collect());
                    for (i, weights) in weights.iter().enumerate() {
                        let similarity = kernel(&part(at, 0), &part(i, 1));
                        for (k, weight) in weights.iter().enumerate() {
                            out[at * d_model + h * d_head + k] += similarity * weight;
                        }
                    }
                }
            }
            out
        });
    }
}
