//! Every operation against its reference: values and all gradients.

mod common;

use burn::tensor::{Device, Int, Tensor, TensorData};
use common::{agree, close, device, drawn, random, threads_change_no_bit};
use gpicl_ops::{
    Activation, AdamWStep, AttentionMask, Embedding, FeedForward, Gate, MuonStep, Precision, TokenLayout,
    reference,
};

const FP32: f32 = 5e-6;
/// Native sums stay f32; the reference rounds every product of matrices to bfloat16's 8 bits.
const BF16: f32 = 2e-2;

#[test]
fn linear_agrees() {
    for (precision, tolerance) in [(Precision::Fp32, FP32), (Precision::Bf16, BF16)] {
        for activation in [Activation::Identity, Activation::Gelu] {
            for [batch, time, fan_in, fan_out] in
                [[1, 1, 1, 1], [2, 3, 5, 7], [3, 17, 33, 65], [2, 50, 64, 128], [1, 130, 206, 31]]
            {
                let what =
                    format!("linear {precision:?} {activation:?} [{batch}, {time}, {fan_in}] -> {fan_out}");
                let (x, weight, bias) =
                    (random([batch, time, fan_in]), random([fan_in, fan_out]), random([fan_out]));
                agree!(
                    what,
                    tolerance,
                    [x, weight, bias],
                    gpicl_ops::linear(x.clone(), weight.clone(), bias.clone(), activation, precision),
                    reference::linear(x.clone(), weight.clone(), bias.clone(), activation, precision)
                );
                let what = format!("residual {what}");
                let residual = random([batch, time, fan_out]);
                let args = || (x.clone(), weight.clone(), bias.clone(), residual.clone(), precision);
                agree!(
                    what,
                    tolerance,
                    [x, weight, bias, residual],
                    {
                        let (x, weight, bias, residual, precision) = args();
                        gpicl_ops::linear_residual(x, weight, bias, residual, precision)
                    },
                    {
                        let (x, weight, bias, residual, precision) = args();
                        reference::linear_residual(x, weight, bias, residual, precision)
                    }
                );
            }
        }
    }
}

#[test]
fn feed_forward_agrees() {
    for (precision, tolerance) in [(Precision::Fp32, FP32), (Precision::Bf16, BF16)] {
        for [time, fan_in, hidden, fan_out] in
            [[1, 1, 1, 1], [17, 5, 33, 7], [100, 64, 256, 64], [130, 9, 700, 40]]
        {
            let (x, residual) = (random([2, time, fan_in]), random([2, time, fan_out]));
            let (up, up_bias) = (random([fan_in, hidden]), random([hidden]));
            let (down, down_bias) = (random([hidden, fan_out]), random([fan_out]));
            let run = |f: fn(Tensor<3>, FeedForward, Tensor<3>, Precision) -> Tensor<3>| {
                let weights = FeedForward {
                    up: up.clone(),
                    up_bias: up_bias.clone(),
                    down: down.clone(),
                    down_bias: down_bias.clone(),
                };
                f(x.clone(), weights, residual.clone(), precision)
            };
            agree!(
                format!("feed_forward {precision:?} [{time}, {fan_in}] -> {hidden} -> {fan_out}"),
                tolerance,
                [x, up, up_bias, down, down_bias, residual],
                run(gpicl_ops::feed_forward),
                run(reference::feed_forward)
            );
        }
    }
}

#[test]
fn embed_agrees() {
    for layout in [TokenLayout::Shifted, TokenLayout::Paired] {
        for [batch, time, fan_in, d_model] in [[1, 1, 1, 1], [3, 5, 7, 33], [19, 20, 49, 64]] {
            let (inputs, position) = (random([batch, time, fan_in]), random([time, d_model]));
            let (weight, bias, label) = (random([fan_in, d_model]), random([d_model]), random([6, d_model]));
            let labels = (0..batch * time).map(|at| (at * 7 % 5) as i32).collect::<Vec<_>>();
            let labels = Tensor::<2, Int>::from_data(TensorData::new(labels, [batch, time]), &device());
            type Embed = fn(Tensor<3>, Tensor<2, Int>, Embedding, TokenLayout, Precision) -> Tensor<3>;
            let run = |embed: Embed, position: Option<Tensor<2>>| {
                let weights = Embedding {
                    weight: weight.clone(),
                    bias: bias.clone(),
                    label: label.clone(),
                    position,
                    label_scale: 3.5,
                };
                embed(inputs.clone(), labels.clone(), weights, layout, Precision::Fp32)
            };
            let what = format!("embed {layout:?} [{batch}, {time}, {fan_in}] -> {d_model}");
            agree!(
                what,
                FP32,
                [inputs, weight, bias, label, position],
                run(gpicl_ops::embed, Some(position.clone())),
                run(reference::embed, Some(position.clone()))
            );
            agree!(
                format!("{what} without positions"),
                FP32,
                [inputs, weight, bias, label],
                run(gpicl_ops::embed, None),
                run(reference::embed, None)
            );
        }
    }
}

#[test]
fn upload_keeps_the_values() {
    let values: Vec<f32> = (0..24).map(|at| at as f32).collect();
    for device in [Device::flex(), device()] {
        let x = gpicl_ops::upload(&values, [2, 3, 4], &device);
        assert_eq!((x.dims(), x.device().is_autodiff()), ([2, 3, 4], device.is_autodiff()));
        assert_eq!(x.into_data().iter::<f32>().collect::<Vec<_>>(), values);
    }
}

#[test]
fn views_agree() {
    let (x, weight, bias) = (random([9, 4, 6]), random([11, 4]), random([22]));
    let views = || {
        let x = x.clone().swap_dims(1, 2).narrow(1, 1, 5);
        (x, weight.clone().transpose(), bias.clone().reshape([11, 2]).narrow(1, 1, 1).reshape([11]))
    };
    let run = |f: fn(Tensor<3>, Tensor<2>, Tensor<1>, Activation, Precision) -> Tensor<3>| {
        let (x, weight, bias) = views();
        f(x, weight, bias, Activation::Gelu, Precision::Fp32)
    };
    agree!("linear of views", FP32, [x, weight, bias], run(gpicl_ops::linear), run(reference::linear));

    let gamma = random([4]);
    let run = |f: fn(Tensor<3>, Tensor<1>, Tensor<1>, f64) -> Tensor<3>| {
        f(x.clone().permute([2, 0, 1]).flip([0]), gamma.clone(), gamma.clone().flip([0]), 1e-5)
    };
    agree!("layer_norm of views", FP32, [x, gamma], run(gpicl_ops::layer_norm), run(reference::layer_norm));

    let x = random([12, 5, 2]);
    let run = |f: fn(Tensor<3>, usize) -> Tensor<3>| f(x.clone().permute([2, 1, 0]), 3);
    agree!("unit_silu of views", FP32, [x], run(gpicl_ops::unit_silu), run(reference::unit_silu));

    let gate = random([5, 2, 12]);
    let run = |f: fn(Tensor<3>, Tensor<3>, Gate) -> Tensor<3>| {
        f(x.clone().permute([1, 2, 0]), gate.clone().flip([1]), Gate::Silu)
    };
    agree!("gated of views", FP32, [x, gate], run(gpicl_ops::gated), run(reference::gated));

    let qkv = random([24, 6, 3]);
    let run = |f: fn(Tensor<3>, usize, AttentionMask, Precision) -> Tensor<3>| {
        f(qkv.clone().permute([2, 1, 0]), 2, AttentionMask::Paired, Precision::Fp32)
    };
    agree!("attention of views", FP32, [qkv], run(gpicl_ops::attention), run(reference::attention));
}

#[test]
fn layer_norm_agrees() {
    for shape in [[1, 1, 2], [2, 3, 5], [3, 7, 16], [2, 100, 33], [4, 70, 256]] {
        let (x, gamma, beta) = (random(shape), random([shape[2]]), random([shape[2]]));
        agree!(
            format!("layer_norm {shape:?}"),
            // One feature in two: the variance may be tiny, and its inverse magnifies every rounding.
            if shape[2] == 2 { 1e-3 } else { 2e-5 },
            [x, gamma, beta],
            gpicl_ops::layer_norm(x.clone(), gamma.clone(), beta.clone(), 1e-5),
            reference::layer_norm(x.clone(), gamma.clone(), beta.clone(), 1e-5)
        );
    }
}

#[test]
fn unit_silu_agrees() {
    for [batch, tokens, heads, width] in [[1, 1, 1, 1], [2, 3, 5, 3], [3, 7, 1, 37], [4, 130, 4, 32]] {
        // Further from zero than the constant under the root.
        let x = (random([batch, tokens, heads * width]) * 4.0).detach().require_grad();
        agree!(
            format!("unit_silu [{batch}, {tokens}], {heads} heads of {width}"),
            1e-4,
            [x],
            gpicl_ops::unit_silu(x.clone(), heads),
            reference::unit_silu(x.clone(), heads)
        );
    }
}

#[test]
fn gated_agrees() {
    for kind in [Gate::Sigmoid, Gate::Silu] {
        for shape in [[1, 1, 1], [2, 3, 5], [3, 70, 130]] {
            let (x, gate) = (random(shape), (random(shape) * 6.0).detach().require_grad());
            agree!(
                format!("gated {kind:?} {shape:?}"),
                FP32,
                [x, gate],
                gpicl_ops::gated(x.clone(), gate.clone(), kind),
                reference::gated(x.clone(), gate.clone(), kind)
            );
        }
    }
}

#[test]
fn attention_agrees() {
    for (precision, tolerance) in [(Precision::Fp32, FP32), (Precision::Bf16, BF16)] {
        for mask in [AttentionMask::Causal, AttentionMask::Paired, AttentionMask::Context(2)] {
            for [batch, time, heads, d_head] in
                [[1, 2, 1, 1], [2, 6, 2, 3], [3, 34, 1, 17], [2, 100, 8, 32], [1, 130, 2, 64]]
            {
                let qkv = random([batch, time, 3 * heads * d_head]);
                agree!(
                    format!("attention {precision:?} {mask:?} [{batch}, {time}], {heads} heads of {d_head}"),
                    tolerance,
                    [qkv],
                    gpicl_ops::attention(qkv.clone(), heads, mask, precision),
                    reference::attention(qkv.clone(), heads, mask, precision)
                );
            }
        }
    }
    let qkv = random([2, 1, 12]);
    let causal = |f: fn(Tensor<3>, usize, AttentionMask, Precision) -> Tensor<3>| {
        f(qkv.clone(), 2, AttentionMask::Causal, Precision::Fp32)
    };
    agree!(
        "attention of one position",
        FP32,
        [qkv],
        causal(gpicl_ops::attention),
        causal(reference::attention)
    );
}

#[test]
fn attention_across_agrees() {
    for (precision, tolerance) in [(Precision::Fp32, FP32), (Precision::Bf16, BF16)] {
        for (groups, rows, heads, d_head) in
            [(vec![1], 1, 1, 1), (vec![2, 17, 5], 9, 3, 7), (vec![9, 9], 40, 3, 32)]
        {
            let qkv = random([groups.iter().sum(), rows, 3 * heads * d_head]);
            agree!(
                format!("attention_across {precision:?} {groups:?} x {rows}, {heads} heads of {d_head}"),
                tolerance,
                [qkv],
                gpicl_ops::attention_across(qkv.clone(), &groups, heads, precision),
                reference::attention_across(qkv.clone(), &groups, heads, precision)
            );
        }
    }
}

/// A query after a context is a position after [`AttentionMask::Context`].
#[test]
fn attention_queries_are_positions_after_a_context() {
    let (heads, d_model, context, queries) = (3, 15, 17, 5);
    let qkv = random([2, context + queries, 3 * d_model]).inner();
    let mask = AttentionMask::Context(context);
    let expected =
        gpicl_ops::attention(qkv.clone(), heads, mask, Precision::Fp32).narrow(1, context, queries);
    let kept = qkv.clone().narrow(1, 0, context).narrow(2, d_model, 2 * d_model);
    let found =
        gpicl_ops::attention_queries(qkv.narrow(1, context, queries), Some(kept), heads, Precision::Fp32);
    close("queries after a context", found, expected, FP32);
}

#[test]
#[should_panic(expected = "the columns of the groups [2, 2]")]
fn groups_of_other_columns_are_named() {
    gpicl_ops::attention_across(random([5, 2, 6]), &[2, 2], 1, Precision::Fp32);
}

#[test]
fn attention_queries_agree() {
    for (precision, tolerance) in [(Precision::Fp32, FP32), (Precision::Bf16, BF16)] {
        // One of everything, no multiple of a vector, queries that fill a task's tiles and that are one more.
        for [batch, examples, queries, heads, d_head] in
            [[1, 1, 1, 1, 1], [2, 6, 5, 2, 3], [3, 17, 192, 1, 17], [2, 16, 193, 4, 16], [1, 99, 400, 4, 32]]
        {
            let d_model = heads * d_head;
            let qkv = random([batch, queries, 3 * d_model]).inner();
            let context = random([batch, examples, 2 * d_model]).inner();
            let what = format!("{precision:?} [{batch}, {examples}], {queries} queries, {heads} of {d_head}");
            let found = gpicl_ops::attention_queries(qkv.clone(), Some(context.clone()), heads, precision);
            let expected = reference::attention_queries(qkv, context, heads, precision);
            close(&format!("attention_queries {what}"), found, expected, tolerance);
        }
    }
}

/// A query after a context is the last position of the causal mask, and alone it sees itself.
#[test]
fn attention_queries_are_next_tokens() {
    let (heads, d_model) = (3, 15);
    let qkv = random([2, 41, 3 * d_model]).inner();
    let attend = |qkv| gpicl_ops::attention(qkv, heads, AttentionMask::Causal, Precision::Fp32);
    for examples in [0, 1, 16, 40] {
        let query = qkv.clone().narrow(1, examples, 1);
        let context =
            (examples > 0).then(|| qkv.clone().narrow(1, 0, examples).narrow(2, d_model, 2 * d_model));
        let found = gpicl_ops::attention_queries(query, context, heads, Precision::Fp32);
        let expected = attend(qkv.clone().narrow(1, 0, examples + 1)).narrow(1, examples, 1);
        close(&format!("after {examples} examples"), found, expected, FP32);
    }
}

/// More queries than a task takes.
#[test]
fn threads_do_not_change_a_bit_of_attention_queries() {
    let (heads, d_model) = (4, 64);
    let (qkv, context) = (random([2, 400, 3 * d_model]).inner(), random([2, 99, 2 * d_model]).inner());
    threads_change_no_bit("attention_queries", || {
        let context = Some(context.clone());
        vec![gpicl_ops::attention_queries(qkv.clone(), context, heads, Precision::Fp32).into_data()]
    });
}

#[test]
fn mesa_agrees() {
    for mask in [AttentionMask::Causal, AttentionMask::Paired] {
        for shape in [[1, 2, 1, 1], [2, 6, 2, 3], [3, 34, 1, 17], [2, 40, 4, 16]] {
            let [batch, time, heads, d_head] = shape;
            let qkv = random([batch, time, 3 * heads * d_head]);
            let (log_temperature, log_ridge) = (random([heads]), random([heads]));
            let run = |f: fn(Tensor<3>, Tensor<1>, Tensor<1>, AttentionMask) -> Tensor<3>| {
                f(
                    qkv.clone(),
                    (log_temperature.clone() * 0.3 + 0.7).exp(),
                    (log_ridge.clone() * 0.3 - 1.0).exp(),
                    mask,
                )
            };
            agree!(
                format!("mesa {mask:?} {shape:?}"),
                5e-5,
                [qkv, log_temperature, log_ridge],
                run(gpicl_ops::mesa),
                run(reference::mesa)
            );
        }
    }
}

/// A query after a context is the next position.
#[test]
fn mesa_queries_are_next_tokens_and_agree() {
    let (heads, d_model) = (3, 15);
    let qkv = random([2, 41, 3 * d_model]).inner();
    let (temperature, ridge) =
        (Tensor::full([heads], 2.0, &Device::flex()), Tensor::full([heads], 0.2, &Device::flex()));
    let mesa = |qkv| gpicl_ops::mesa(qkv, temperature.clone(), ridge.clone(), AttentionMask::Causal);
    for examples in [0, 1, 16, 40] {
        let query = qkv.clone().narrow(1, examples, 1);
        let context =
            (examples > 0).then(|| qkv.clone().narrow(1, 0, examples).narrow(2, d_model, 2 * d_model));
        let found =
            gpicl_ops::mesa_queries(query.clone(), context.clone(), temperature.clone(), ridge.clone());
        let expected = mesa(qkv.clone().narrow(1, 0, examples + 1)).narrow(1, examples, 1);
        close(&format!("after {examples} examples"), found.clone(), expected, 1e-5);
        if let Some(context) = context {
            let expected = reference::mesa_queries(query, context, temperature.clone(), ridge.clone());
            close("mesa_queries", found, expected, 1e-5);
        }
    }
}

#[test]
fn threads_do_not_change_a_bit_of_mesa() {
    let (qkv, temperature, ridge) = (random([5, 20, 3 * 2 * 16]), random([2]), random([2]));
    threads_change_no_bit("mesa", || {
        let (temperature, ridge) = (temperature.clone().exp(), ridge.clone().exp());
        let out = gpicl_ops::mesa(qkv.clone(), temperature, ridge, AttentionMask::Paired);
        let grads = (out.clone() * out.clone()).sum().backward();
        vec![out.into_data(), qkv.grad(&grads).unwrap().into_data()]
    });
}

/// `[batch, steps, hidden]`: one of everything, no multiple of a vector, more sequences than a task takes.
const SCANS: [[usize; 3]; 6] = [[1, 1, 1], [2, 1, 5], [3, 2, 7], [5, 6, 33], [101, 3, 9], [2, 20, 130]];

#[test]
fn lstm_agrees() {
    for (precision, tolerance) in [(Precision::Fp32, FP32), (Precision::Bf16, BF16)] {
        for layout in [TokenLayout::Shifted, TokenLayout::Paired] {
            for [batch, steps, hidden] in SCANS {
                let gates = random([batch, layout.tokens(steps), 4 * hidden]);
                let weight = random([hidden, 4 * hidden]);
                let run = |f: fn(Tensor<3>, Tensor<2>, TokenLayout, Precision) -> Tensor<3>| {
                    f(gates.clone() * 2.0, weight.clone() / (hidden as f64).sqrt(), layout, precision)
                };
                agree!(
                    format!("lstm {precision:?} {layout:?} [{batch}, {steps}], {hidden} units"),
                    tolerance,
                    [gates, weight],
                    run(gpicl_ops::lstm),
                    run(reference::lstm)
                );
            }
        }
    }
}

#[test]
fn gru_agrees() {
    for (precision, tolerance) in [(Precision::Fp32, FP32), (Precision::Bf16, BF16)] {
        for layout in [TokenLayout::Shifted, TokenLayout::Paired] {
            for [batch, steps, hidden] in SCANS {
                let gates = random([batch, layout.tokens(steps), 3 * hidden]);
                let (weight, bias) = (random([hidden, 3 * hidden]), random([3 * hidden]));
                let run = |f: fn(Tensor<3>, Tensor<2>, Tensor<1>, TokenLayout, Precision) -> Tensor<3>| {
                    let weight = weight.clone() / (hidden as f64).sqrt();
                    f(gates.clone() * 2.0, weight, bias.clone(), layout, precision)
                };
                agree!(
                    format!("gru {precision:?} {layout:?} [{batch}, {steps}], {hidden} units"),
                    tolerance,
                    [gates, weight, bias],
                    run(gpicl_ops::gru),
                    run(reference::gru)
                );
            }
        }
    }
}

#[test]
fn scans_leave_shared_gates_as_they_were() {
    let (gates, weight) = (random([2, 3, 8]).inner(), random([2, 8]).inner());
    let before = gates.clone().into_data();
    gpicl_ops::lstm(gates.clone(), weight, TokenLayout::Shifted, Precision::Fp32);
    assert_eq!(gates.into_data(), before);
}

#[test]
#[should_panic(
    expected = "gru: gates: expected an even token axis (contexts, then queries), found [2, 3, 6]"
)]
fn a_context_without_a_query_is_named() {
    gpicl_ops::gru(random([2, 3, 6]), random([2, 6]), random([6]), TokenLayout::Paired, Precision::Fp32);
}

#[test]
fn cross_entropy_agrees() {
    for [batch, time, classes] in [[1, 1, 1], [2, 3, 5], [4, 100, 10], [2, 33, 1000]] {
        let logits = random([batch, time, classes]);
        let targets = (0..batch * time).map(|at| (at * 7 % classes) as i32).collect::<Vec<_>>();
        let targets = Tensor::<2, Int>::from_data(TensorData::new(targets, [batch, time]), &device());
        let run = |f: fn(Tensor<3>, Tensor<2, Int>) -> Tensor<2>| f(logits.clone() * 20.0, targets.clone());
        agree!(
            format!("cross_entropy [{batch}, {time}, {classes}]"),
            FP32,
            [logits],
            run(gpicl_ops::cross_entropy),
            run(reference::cross_entropy)
        );
    }
}

#[test]
fn adamw_agrees_with_and_without_other_owners() {
    for count in [1, 17, 40_000] {
        let make = || drawn([count], &Device::flex());
        let (param, grad, m, v) = (make(), make(), make(), make().abs());
        let step = AdamWStep {
            lr: 0.01,
            beta1: 0.9,
            beta2: 0.98,
            eps: 1e-8,
            weight_decay: 0.1,
            bias_correction1: 1.0 - 0.9f32.powi(3),
            bias_correction2: 1.0 - 0.98f32.powi(3),
            grad_scale: 0.7,
        };
        let expected = reference::adamw(param.clone(), grad.clone(), m.clone(), v.clone(), step);
        let shared = gpicl_ops::adamw(param.clone(), grad.clone(), m.clone(), v.clone(), step);
        let before = param.clone().into_data();
        let copies = [param.clone(), m, v].map(|x| x + 0.0);
        assert_eq!(param.into_data(), before, "a shared parameter was overwritten");
        let [param, m, v] = copies;
        let own = gpicl_ops::adamw(param, grad, m, v, step);
        for found in [shared, own] {
            close("param", found.0, expected.0.clone(), 1e-6);
            close("m", found.1, expected.1.clone(), 1e-6);
            close("v", found.2, expected.2.clone(), 1e-6);
        }
    }
}

#[test]
fn muon_agrees_for_matrices_of_every_form_and_blocks() {
    for ([rows, cols], blocks) in
        [([1, 1], 1), ([7, 3], 1), ([16, 40], 1), ([130, 64], 1), ([24, 72], 3), ([40, 60], 2)]
    {
        for precision in [Precision::Fp32, Precision::Bf16] {
            let make = || drawn([rows, cols], &Device::flex());
            let (param, grad, m) = (make(), make(), make());
            let step = MuonStep { lr: 0.1, momentum: 0.95, weight_decay: 0.1, grad_scale: 0.7, precision };
            let expected = reference::muon(param.clone(), grad.clone(), m.clone(), blocks, step);
            let shared = gpicl_ops::muon(param.clone(), grad.clone(), m.clone(), blocks, step);
            let own = gpicl_ops::muon(param + 0.0, grad, m + 0.0, blocks, step);
            // Products of bfloat16 in another order.
            let tolerance = if precision == Precision::Fp32 { 1e-4 } else { 2e-2 };
            for found in [shared, own] {
                close("param", found.0, expected.0.clone(), tolerance);
                close("m", found.1, expected.1.clone(), 1e-6);
            }
        }
    }
}

/// The native iteration of a long matrix is on its product with itself, where weak directions are weaker still: always in fp32.
#[test]
fn muon_agrees_where_most_directions_are_weak() {
    let device = Device::flex();
    for [rows, cols] in [[48, 160], [300, 130]] {
        let strong = drawn([rows, 4], &device).matmul(drawn([4, cols], &device));
        let grad = strong + drawn([rows, cols], &device) * 3e-3;
        let zeros = grad.zeros_like();
        type Muon = fn(Tensor<2>, Tensor<2>, Tensor<2>, usize, MuonStep) -> (Tensor<2>, Tensor<2>);
        let by = |muon: Muon, precision| {
            let step = MuonStep { lr: 1.0, momentum: 0.0, weight_decay: 0.0, grad_scale: 1.0, precision };
            muon(zeros.clone(), grad.clone(), zeros.clone(), 1, step).0 / step.scale(rows, cols)
        };
        let exact = by(reference::muon, Precision::Fp32);
        for precision in [Precision::Fp32, Precision::Bf16] {
            close(&format!("{precision:?}"), by(gpicl_ops::muon, precision), exact.clone(), 1e-3);
        }
    }
}

#[test]
fn muon_moves_a_matrix_by_an_orthogonal_one() {
    let device = Device::flex();
    let grad = drawn([12, 20], &device) * 3.0;
    let step =
        MuonStep { lr: 1.0, momentum: 0.0, weight_decay: 0.0, grad_scale: 1.0, precision: Precision::Fp32 };
    let (moved, _) = gpicl_ops::muon(grad.zeros_like(), grad.clone(), grad.zeros_like(), 1, step);
    let x = moved.neg() / step.scale(12, 20);
    // The polynomial takes singular values into this range, and leaves their sign.
    let gram: Vec<f32> = x.clone().matmul(x.clone().transpose()).into_data().try_to_vec().unwrap();
    for (i, value) in gram.iter().enumerate() {
        let (row, col) = (i / 12, i % 12);
        if row == col {
            assert!((0.4..1.5).contains(value), "{value}");
        } else {
            assert!(value.abs() < 0.35, "{value}");
        }
    }
    assert!((x * grad).sum().into_scalar::<f32>() > 0.0, "downhill");
}

#[test]
fn sum_of_squares_agrees() {
    for shape in [[1, 1], [7, 13], [300, 257]] {
        let x = random(shape).inner();
        let expected = reference::sum_of_squares(x.clone());
        close("sum_of_squares", gpicl_ops::sum_of_squares(x.clone()), expected, 1e-4);
        let view = x.clone().transpose();
        close("of a view", gpicl_ops::sum_of_squares(view.clone()), reference::sum_of_squares(view), 1e-4);
    }
}

#[test]
fn inputs_that_need_no_gradient_get_none() {
    let x = Tensor::<2>::ones([4, 3], &device());
    let (weight, bias) = (random([3, 2]), random([2]));
    let y = gpicl_ops::linear(x.clone(), weight.clone(), bias, Activation::Gelu, Precision::Fp32);
    let grads = y.sum().backward();
    assert!(x.grad(&grads).is_none());
    assert_eq!(weight.grad(&grads).unwrap().dims(), [3, 2]);
}

#[test]
fn without_autodiff_values_are_the_same() {
    let (x, weight, bias) = (random([5, 6, 12]), random([12, 36]), random([36]));
    let model = |x: Tensor<3>, weight: Tensor<2>, bias: Tensor<1>| {
        let qkv = gpicl_ops::linear(x, weight, bias, Activation::Gelu, Precision::Fp32);
        gpicl_ops::attention(qkv, 3, AttentionMask::Paired, Precision::Fp32)
    };
    let tracked = model(x.clone(), weight.clone(), bias.clone()).inner();
    let plain = model(x.inner(), weight.inner(), bias.inner());
    assert_eq!(tracked.into_data(), plain.into_data());
}

#[test]
#[should_panic(expected = "linear: weight: expected shape [3, 2], found [4, 2]")]
fn a_wrong_shape_is_named() {
    gpicl_ops::linear(random([5, 3]), random([4, 2]), random([2]), Activation::Identity, Precision::Fp32);
}

#[test]
#[should_panic(expected = "expected targets below 3 classes, found 3")]
fn a_target_that_is_no_class_is_named() {
    let targets = Tensor::<2, Int>::from_data([[0, 3]], &device());
    gpicl_ops::cross_entropy(random([1, 2, 3]), targets);
}

#[test]
fn threads_do_not_change_a_bit() {
    let (x, gamma, weight) = (random([3, 90, 64]), random([64]), random([64, 192]));
    let (bias, out, out_bias) = (random([192]), random([64, 64]), random([64]));
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool");
        pool.install(|| {
            let h = gpicl_ops::layer_norm(x.clone(), gamma.clone(), gamma.clone(), 1e-5);
            let qkv = gpicl_ops::linear(h, weight.clone(), bias.clone(), Activation::Gelu, Precision::Fp32);
            let h = gpicl_ops::attention(qkv, 4, AttentionMask::Causal, Precision::Fp32);
            let wide = Tensor::cat(vec![h.clone(), h.clone(), h.clone()], 2);
            let h = h + gpicl_ops::attention_across(wide, &[1, 2], 4, Precision::Fp32);
            let y = gpicl_ops::linear_residual(h, out.clone(), out_bias.clone(), x.clone(), Precision::Fp32);
            let targets = Tensor::<2, Int>::zeros([3, 90], &device());
            let nll = gpicl_ops::cross_entropy(y, targets);
            let grads = nll.clone().sum().backward();
            let norm = gpicl_ops::sum_of_squares(weight.grad(&grads).unwrap());
            [nll.inner().reshape([270]), x.grad(&grads).unwrap().reshape([3 * 90 * 64]), norm]
                .into_iter()
                .chain([&bias, &gamma, &out_bias].map(|x| x.grad(&grads).unwrap()))
                .map(Tensor::into_data)
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(on(1), on(2));
}

#[test]
fn threads_do_not_change_a_bit_of_a_scan() {
    let (x, weight, recurrent) = (random([67, 7, 40]), random([20, 80]), random([20, 60]));
    let bias = random([60]);
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool");
        pool.install(|| {
            let gates = Tensor::cat(vec![x.clone(), x.clone()], 2);
            let h = gpicl_ops::lstm(gates, weight.clone(), TokenLayout::Shifted, Precision::Fp32);
            let gates = Tensor::cat(vec![x.clone(), h], 2).slice([0..67, 0..6, 0..60]);
            let args = (gates, recurrent.clone(), bias.clone());
            let h = gpicl_ops::gru(args.0, args.1, args.2, TokenLayout::Paired, Precision::Fp32);
            let grads = h.clone().powi_scalar(2).sum().backward();
            [h.inner().reshape([67 * 6 * 20]), x.grad(&grads).unwrap().reshape([67 * 7 * 40])]
                .into_iter()
                .chain([&weight, &recurrent].map(|x| x.grad(&grads).unwrap().flatten(0, 1)))
                .map(Tensor::into_data)
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(on(1), on(2));
}

#[test]
fn every_vector_extension_agrees() {
    common::on_every_vector_extension(&["_agree"]);
}
