//! The operations written with Burn's plain ones: what the native versions must agree with.
//!
//! Shapes are those of the functions of the same name in the crate root, which check them.

mod matrix_memory;
mod mesa;
mod outer_product_lstm;
mod recurrent;
mod vsml;

use burn::tensor::{Bool, DType, Int, Tensor, TensorData, activation};

pub use recurrent::{gru, gru_queries, gru_with_state, lstm, lstm_queries, lstm_with_state};

use crate::{
    Activation, AdamWStep, AttentionMask, Embedding, FeedForward, Gate, MUON_EPS, MUON_POLYNOMIAL,
    MUON_STEPS, MuonStep, Precision, TokenLayout,
};

pub use matrix_memory::{matrix_memory, matrix_memory_queries, matrix_memory_with_state};
pub use mesa::{mesa, mesa_queries};
pub use outer_product_lstm::{outer_product_lstm, outer_product_lstm_queries, outer_product_lstm_with_state};
pub use vsml::{vsml, vsml_queries, vsml_read};

/// `sqrt(8 / pi)`: the tanh form of GELU is `x sigmoid(sqrt(8 / pi) (x + 0.044715 x^3))`.
const GELU_SCALE: f64 = 1.595_769_121_605_731;
const GELU_CUBIC: f64 = 0.044_715;

/// See [`crate::linear`].
pub fn linear<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    activation: Activation,
    precision: Precision,
) -> Tensor<D> {
    let mut shape = x.dims();
    let [fan_in, fan_out] = weight.dims();
    let rows = shape[..D - 1].iter().product::<usize>();
    let y = matmul(x.reshape([rows, fan_in]), weight, precision) + bias.unsqueeze::<2>();
    shape[D - 1] = fan_out;
    let y = y.reshape(shape);
    match activation {
        Activation::Identity => y,
        Activation::Gelu => gelu(y),
    }
}

/// See [`crate::linear_residual`].
pub fn linear_residual<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    residual: Tensor<D>,
    precision: Precision,
) -> Tensor<D> {
    residual + linear(x, weight, bias, Activation::Identity, precision)
}

/// See [`crate::embed`].
pub fn embed(
    inputs: Tensor<3>,
    labels: Tensor<2, Int>,
    weights: Embedding,
    layout: TokenLayout,
    precision: Precision,
) -> Tensor<3> {
    let Embedding { weight, bias, label, position, label_scale } = weights;
    let [batch, time, _] = inputs.dims();
    let [_, d_model] = label.dims();
    let mut x = linear(inputs, weight, bias, Activation::Identity, precision);
    if let Some(position) = position {
        x = x + position.unsqueeze::<3>();
    }
    let label = label.mul_scalar(label_scale).select(0, labels.reshape([batch * time]));
    let label = label.reshape([batch, time, d_model]);
    match layout {
        TokenLayout::Shifted => {
            let none = Tensor::zeros([batch, 1, d_model], &x.device());
            x + Tensor::cat(vec![none, label], 1).narrow(1, 0, time)
        }
        TokenLayout::Paired => Tensor::cat(vec![x.clone() + label, x], 1),
    }
}

/// See [`crate::feed_forward`].
pub fn feed_forward<const D: usize>(
    x: Tensor<D>,
    weights: FeedForward,
    residual: Tensor<D>,
    precision: Precision,
) -> Tensor<D> {
    let FeedForward { up, up_bias, down, down_bias } = weights;
    let hidden = linear(x, up, up_bias, Activation::Gelu, precision);
    linear_residual(hidden, down, down_bias, residual, precision)
}

/// See [`crate::unit_silu`].
pub fn unit_silu(x: Tensor<3>, heads: usize) -> Tensor<3> {
    let [batch, tokens, features] = x.dims();
    let x = activation::silu(x).reshape([batch, tokens, heads, features / heads]);
    let length = (x.clone().powi_scalar(2).sum_dim(3) + 1e-6).sqrt();
    (x / length).reshape([batch, tokens, features])
}

/// See [`crate::gated`].
pub fn gated<const D: usize>(x: Tensor<D>, gate: Tensor<D>, kind: Gate) -> Tensor<D> {
    match kind {
        Gate::Sigmoid => x * activation::sigmoid(gate),
        Gate::Silu => x * activation::silu(gate),
    }
}

/// See [`crate::layer_norm`].
pub fn layer_norm<const D: usize>(x: Tensor<D>, gamma: Tensor<1>, beta: Tensor<1>, eps: f64) -> Tensor<D> {
    let centred = x.clone() - x.mean_dim(D - 1);
    let variance = (centred.clone() * centred.clone()).mean_dim(D - 1);
    centred / (variance + eps).sqrt() * gamma.unsqueeze() + beta.unsqueeze()
}

/// See [`crate::attention`].
pub fn attention(qkv: Tensor<3>, heads: usize, mask: AttentionMask, precision: Precision) -> Tensor<3> {
    let [batch, time, width] = qkv.dims();
    let d_model = width / 3;
    let d_head = d_model / heads;
    let split = |part: usize| {
        let part = qkv.clone().narrow(2, part * d_model, d_model);
        part.reshape([batch, time, heads, d_head]).swap_dims(1, 2)
    };
    let (q, k, v) = (split(0), split(1), split(2));
    let scores = matmul(q, k.swap_dims(2, 3), precision) / (d_head as f64).sqrt();
    let hidden = (0..time * time).map(|at| !mask.sees(at / time, at % time, time)).collect::<Vec<bool>>();
    let hidden = Tensor::<2, Bool>::from_data(TensorData::new(hidden, [time, time]), &scores.device());
    let hidden = hidden.unsqueeze::<4>().expand([batch, heads, time, time]);
    let weights = activation::softmax(scores.mask_fill(hidden, f32::NEG_INFINITY), 3);
    matmul(weights, v, precision).swap_dims(1, 2).reshape([batch, time, d_model])
}

/// See [`crate::attention_across`].
pub fn attention_across(qkv: Tensor<3>, groups: &[usize], heads: usize, precision: Precision) -> Tensor<3> {
    let mut first = 0;
    let group = |&columns: &usize| {
        let rows = qkv.clone().narrow(0, first, columns).swap_dims(0, 1);
        first += columns;
        attention(rows, heads, AttentionMask::Context(columns), precision).swap_dims(0, 1)
    };
    Tensor::cat(groups.iter().map(group).collect(), 0)
}

/// See [`crate::attention_queries`].
pub fn attention_queries(
    qkv: Tensor<3>,
    context: Tensor<3>,
    heads: usize,
    precision: Precision,
) -> Tensor<3> {
    let [batch, queries, width] = qkv.dims();
    let d_model = width / 3;
    let d_head = d_model / heads;
    let part = |x: &Tensor<3>, part: usize| {
        let part = x.clone().narrow(2, part * d_model, d_model);
        let [_, count, _] = part.dims();
        part.reshape([batch, count, heads, d_head]).swap_dims(1, 2)
    };
    let (q, k, v) = (part(&qkv, 0), part(&qkv, 1), part(&qkv, 2));
    let (keys, values) = (part(&context, 0), part(&context, 1));
    let seen = matmul(q.clone(), keys.swap_dims(2, 3), precision);
    let scores = Tensor::cat(vec![seen, (q * k).sum_dim(3)], 3) / (d_head as f64).sqrt();
    let weights = activation::softmax(scores, 3);
    let [_, _, _, all] = weights.dims();
    let mixed = matmul(weights.clone().narrow(3, 0, all - 1), values, precision);
    let mixed = mixed + weights.narrow(3, all - 1, 1) * v;
    mixed.swap_dims(1, 2).reshape([batch, queries, d_model])
}

/// See [`crate::cross_entropy`].
pub fn cross_entropy(logits: Tensor<3>, targets: Tensor<2, Int>) -> Tensor<2> {
    let [batch, time, _] = logits.dims();
    let log_likelihood = activation::log_softmax(logits, 2).gather(2, targets.reshape([batch, time, 1]));
    -log_likelihood.reshape([batch, time])
}

/// See [`crate::adamw`].
pub fn adamw<const D: usize>(
    param: Tensor<D>,
    grad: Tensor<D>,
    m: Tensor<D>,
    v: Tensor<D>,
    step: AdamWStep,
) -> (Tensor<D>, Tensor<D>, Tensor<D>) {
    let grad = grad * step.grad_scale;
    let m = m * step.beta1 + grad.clone() * (1.0 - step.beta1);
    let v = v * step.beta2 + grad.clone() * grad * (1.0 - step.beta2);
    let direction =
        m.clone() / step.bias_correction1 / ((v.clone() / step.bias_correction2).sqrt() + step.eps);
    let param = param * (1.0 - step.lr * step.weight_decay) - direction * step.lr;
    (param, m, v)
}

/// See [`crate::muon`].
pub fn muon(
    param: Tensor<2>,
    grad: Tensor<2>,
    m: Tensor<2>,
    blocks: usize,
    step: MuonStep,
) -> (Tensor<2>, Tensor<2>) {
    let grad = grad * step.grad_scale;
    let rest = 1.0 - step.momentum;
    let m = m * step.momentum + grad.clone() * rest;
    let directions = (m.clone() * step.momentum + grad * rest).chunk(blocks, 1).into_iter().map(|x| {
        let [rows, cols] = x.dims();
        orthogonalised(x, step.precision) * step.scale(rows, cols)
    });
    let direction = Tensor::cat(directions.collect(), 1);
    (param * (1.0 - step.lr * step.weight_decay) - direction * step.lr, m)
}

/// Singular values near 1; see [`crate::muon`].
fn orthogonalised(x: Tensor<2>, precision: Precision) -> Tensor<2> {
    let [rows, cols] = x.dims();
    if rows > cols {
        return orthogonalised(x.transpose(), precision).transpose();
    }
    let [a, b, c] = MUON_POLYNOMIAL;
    let norm = sum_of_squares(x.clone()).sqrt().clamp_min(MUON_EPS);
    let mut x = x / norm.unsqueeze();
    for _ in 0..MUON_STEPS {
        let gram = matmul(x.clone(), x.clone().transpose(), precision);
        let poly = gram.clone() * b + matmul(gram.clone(), gram, precision) * c;
        x = x.clone() * a + matmul(poly, x, precision);
    }
    x
}

/// See [`crate::sum_of_squares`].
pub fn sum_of_squares<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    (x.clone() * x).sum()
}

/// GELU in its tanh form; see [`Activation::Gelu`].
fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let cube = x.clone() * x.clone() * x.clone();
    x.clone() * activation::sigmoid((x + cube * GELU_CUBIC) * GELU_SCALE)
}

/// `a b`; with [`Precision::Bf16`] the device multiplies bfloat16 tensors, which also rounds the product.
fn matmul<const D: usize>(a: Tensor<D>, b: Tensor<D>, precision: Precision) -> Tensor<D> {
    match precision {
        Precision::Fp32 => a.matmul(b),
        Precision::Bf16 => a.cast(DType::BF16).matmul(b.cast(DType::BF16)).cast(DType::F32),
    }
}
