//! Every operation with its gradients at the size of the speed issue: 64 episodes of 100 tokens, `d_model` 256,
//! 8 heads, 1024 hidden units. `cargo bench -p gpicl-ops`; a name filters, `native` and `reference` are groups.

use std::hint::black_box;
use std::time::Duration;

use burn::tensor::{Device, Distribution, Int, Tensor};
use criterion::{Criterion, criterion_group, criterion_main};
use gpicl_ops::{
    Activation, AdamWStep, AttentionMask, Embedding, FeedForward, Gate, MatrixMemory, MemoryTokens,
    Precision, TokenLayout, Vsml, VsmlNet, WriteRule, reference,
};

const BATCH: usize = 64;
const TIME: usize = 100;
const D_MODEL: usize = 256;
const HIDDEN: usize = 1024;
const HEADS: usize = 8;
const INPUTS: usize = 196;

fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), &Device::flex().autodiff()).require_grad()
}

/// Times `op` alone, then with its gradients.
fn op<const D: usize>(criterion: &mut Criterion, name: &str, op: impl Fn() -> Tensor<D>) {
    let mut group = criterion.benchmark_group(name);
    group.bench_function("forward", |bencher| bencher.iter(|| black_box(op())));
    group.bench_function("forward and backward", |bencher| {
        bencher.iter(|| black_box(op().sum().backward()));
    });
    group.finish();
}

fn linear(criterion: &mut Criterion) {
    for (fan_in, fan_out) in [(D_MODEL, 3 * D_MODEL), (D_MODEL, HIDDEN), (HIDDEN, D_MODEL)] {
        let (x, weight, bias) = (random([BATCH, TIME, fan_in]), random([fan_in, fan_out]), random([fan_out]));
        let args = || (x.clone(), weight.clone(), bias.clone());
        for activation in [Activation::Identity, Activation::Gelu] {
            let size = format!("{fan_in}x{fan_out} {activation:?}");
            for precision in [Precision::Fp32, Precision::Bf16] {
                op(criterion, &format!("native/linear {size} {precision:?}"), || {
                    let (x, weight, bias) = args();
                    gpicl_ops::linear(x, weight, bias, activation, precision)
                });
            }
            op(criterion, &format!("reference/linear {size}"), || {
                let (x, weight, bias) = args();
                reference::linear(x, weight, bias, activation, Precision::Fp32)
            });
        }
    }
}

fn feed_forward(criterion: &mut Criterion) {
    let (x, residual) = (random([BATCH, TIME, D_MODEL]), random([BATCH, TIME, D_MODEL]));
    let (up, up_bias) = (random([D_MODEL, HIDDEN]), random([HIDDEN]));
    let (down, down_bias) = (random([HIDDEN, D_MODEL]), random([D_MODEL]));
    let weights = || FeedForward {
        up: up.clone(),
        up_bias: up_bias.clone(),
        down: down.clone(),
        down_bias: down_bias.clone(),
    };
    for precision in [Precision::Fp32, Precision::Bf16] {
        op(criterion, &format!("native/feed_forward {precision:?}"), || {
            gpicl_ops::feed_forward(x.clone(), weights(), residual.clone(), precision)
        });
    }
    op(criterion, "reference/feed_forward", || {
        reference::feed_forward(x.clone(), weights(), residual.clone(), Precision::Fp32)
    });
}

fn embed(criterion: &mut Criterion) {
    let (inputs, weight) = (random([BATCH, TIME, INPUTS]), random([INPUTS, D_MODEL]));
    let (bias, label, position) = (random([D_MODEL]), random([10, D_MODEL]), random([TIME, D_MODEL]));
    let labels = Tensor::<2, Int>::zeros([BATCH, TIME], &Device::flex().autodiff());
    let weights = || Embedding {
        weight: weight.clone(),
        bias: bias.clone(),
        label: label.clone(),
        position: Some(position.clone()),
        label_scale: 1.0,
    };
    for layout in [TokenLayout::Shifted, TokenLayout::Paired] {
        op(criterion, &format!("native/embed {layout:?}"), || {
            gpicl_ops::embed(inputs.clone(), labels.clone(), weights(), layout, Precision::Fp32)
        });
        op(criterion, &format!("reference/embed {layout:?}"), || {
            reference::embed(inputs.clone(), labels.clone(), weights(), layout, Precision::Fp32)
        });
    }
}

fn layer_norm(criterion: &mut Criterion) {
    let (x, gamma, beta) = (random([BATCH, TIME, D_MODEL]), random([D_MODEL]), random([D_MODEL]));
    op(criterion, "native/layer_norm", || {
        gpicl_ops::layer_norm(x.clone(), gamma.clone(), beta.clone(), 1e-5)
    });
    op(criterion, "reference/layer_norm", || {
        reference::layer_norm(x.clone(), gamma.clone(), beta.clone(), 1e-5)
    });
}

fn gates(criterion: &mut Criterion) {
    let (x, gate) = (random([BATCH, TIME, D_MODEL]), random([BATCH, TIME, D_MODEL]));
    op(criterion, "native/unit_silu", || gpicl_ops::unit_silu(x.clone(), 8));
    op(criterion, "reference/unit_silu", || reference::unit_silu(x.clone(), 8));
    op(criterion, "native/gated", || gpicl_ops::gated(x.clone(), gate.clone(), Gate::Silu));
    op(criterion, "reference/gated", || reference::gated(x.clone(), gate.clone(), Gate::Silu));
}

fn attention(criterion: &mut Criterion) {
    for (batch, time) in [(BATCH, TIME), (BATCH / 4, 4 * TIME)] {
        for mask in [AttentionMask::Causal, AttentionMask::Paired, AttentionMask::Context(time / 2)] {
            let qkv = random([batch, time, 3 * D_MODEL]);
            op(criterion, &format!("native/attention {batch}x{time} {mask:?}"), || {
                gpicl_ops::attention(qkv.clone(), HEADS, mask, Precision::Fp32)
            });
            op(criterion, &format!("reference/attention {batch}x{time} {mask:?}"), || {
                reference::attention(qkv.clone(), HEADS, mask, Precision::Fp32)
            });
        }
    }
}

/// What a learner for tables does in a block with 195 rows of 21 cells: attention over the cells of a row, and over 100 labelled rows. The
/// second has no gradients.
fn cells(criterion: &mut Criterion) {
    let (columns, rows, examples, d_model, heads) = (21, 195, 100, 96, 3);
    let qkv = random([columns, rows, 3 * d_model]);
    let kept = random([columns, examples, 2 * d_model]).inner();
    let queries = qkv.clone().inner();
    op(criterion, "native/attention_across", || {
        gpicl_ops::attention_across(qkv.clone(), &[columns], heads, Precision::Fp32)
    });
    op(criterion, "reference/attention_across", || {
        reference::attention_across(qkv.clone(), &[columns], heads, Precision::Fp32)
    });
    criterion.bench_function("native/attention_queries", |bencher| {
        bencher.iter(|| {
            let (queries, kept) = (queries.clone(), Some(kept.clone()));
            black_box(gpicl_ops::attention_queries(queries, kept, heads, Precision::Fp32))
        });
    });
    criterion.bench_function("reference/attention_queries", |bencher| {
        bencher.iter(|| {
            black_box(reference::attention_queries(queries.clone(), kept.clone(), heads, Precision::Fp32))
        });
    });
}

fn matrix_memory(criterion: &mut Criterion) {
    for (d_head, layout) in [16, 32, 64]
        .into_iter()
        .flat_map(|d_head| [TokenLayout::Shifted, TokenLayout::Paired].map(|layout| (d_head, layout)))
    {
        let (time, heads) = (layout.tokens(TIME), D_MODEL / d_head);
        let leaf = |x: Tensor<3>| x.detach().require_grad();
        let [query, key, value] =
            [(); 3].map(|()| leaf(random([BATCH, time, D_MODEL]) / (d_head as f64).sqrt()));
        let write = leaf(random([BATCH, time, heads]) * 0.5 + 0.5);
        let log_decay = leaf(random([BATCH, time, heads]) * 0.1 - 0.1);
        for (rule, decays) in [(WriteRule::Sum, true), (WriteRule::Delta, false)] {
            let name = format!("native/matrix_memory {heads}x{d_head} {layout:?} {rule:?}");
            op(criterion, &name, || {
                let tokens = MemoryTokens {
                    query: query.clone(),
                    key: key.clone(),
                    value: value.clone(),
                    write: write.clone(),
                    log_decay: decays.then(|| log_decay.clone()),
                };
                gpicl_ops::matrix_memory(tokens, MatrixMemory { heads, rule, layout, normaliser: None })
            });
        }
    }
}

fn scans(criterion: &mut Criterion) {
    for layout in [TokenLayout::Shifted, TokenLayout::Paired] {
        let tokens = layout.tokens(TIME);
        let (gates, weight) = (random([BATCH, tokens, 4 * D_MODEL]), random([D_MODEL, 4 * D_MODEL]));
        op(criterion, &format!("native/lstm {layout:?}"), || {
            gpicl_ops::lstm(gates.clone(), weight.clone(), layout, Precision::Fp32)
        });
        op(criterion, &format!("reference/lstm {layout:?}"), || {
            reference::lstm(gates.clone(), weight.clone(), layout, Precision::Fp32)
        });
        let (gates, weight) = (random([BATCH, tokens, 3 * D_MODEL]), random([D_MODEL, 3 * D_MODEL]));
        let bias = random([3 * D_MODEL]);
        op(criterion, &format!("native/gru {layout:?}"), || {
            gpicl_ops::gru(gates.clone(), weight.clone(), bias.clone(), layout, Precision::Fp32)
        });
        op(criterion, &format!("reference/gru {layout:?}"), || {
            reference::gru(gates.clone(), weight.clone(), bias.clone(), layout, Precision::Fp32)
        });
    }
}

fn outer_product_lstm(criterion: &mut Criterion) {
    let (heads, size) = (4, 16);
    let width = heads * 8 * size;
    for layout in [TokenLayout::Shifted, TokenLayout::Paired] {
        let gates = random([16, layout.tokens(TIME), width]);
        let recurrent = random([heads * size, width]);
        op(criterion, &format!("native/outer_product_lstm {layout:?}"), || {
            let args = (gates.clone(), recurrent.clone());
            gpicl_ops::outer_product_lstm(args.0, args.1, heads, layout, Precision::Fp32)
        });
        op(criterion, &format!("reference/outer_product_lstm {layout:?}"), || {
            let args = (gates.clone(), recurrent.clone());
            reference::outer_product_lstm(args.0, args.1, heads, layout, Precision::Fp32)
        });
    }
}

fn vsml(criterion: &mut Criterion) {
    let (inputs, classes, hidden) = (25, 10, 16);
    let x = random([16, TIME, inputs]);
    let labels = Tensor::<2, Int>::zeros([16, TIME], &Device::flex().autodiff());
    let weights = Vsml {
        weight: random([1, 3 + hidden, 4 * hidden]),
        bias: random([1, 4 * hidden]),
        read: random([1, 3, hidden]),
        initial: random([inputs * classes, hidden]).detach(),
    };
    for layout in [TokenLayout::Shifted, TokenLayout::Paired] {
        let widths = vec![inputs, classes];
        let net = VsmlNet { widths, forward: 1, ticks: 1, label_scale: 1.0, layout };
        op(criterion, &format!("native/vsml {layout:?}"), || {
            gpicl_ops::vsml(x.clone(), labels.clone(), weights.clone(), net.clone())
        });
    }
}

fn cross_entropy(criterion: &mut Criterion) {
    let logits = random([BATCH, TIME, 10]);
    let targets = Tensor::<2, Int>::zeros([BATCH, TIME], &Device::flex().autodiff());
    op(criterion, "native/cross_entropy", || gpicl_ops::cross_entropy(logits.clone(), targets.clone()));
    op(criterion, "reference/cross_entropy", || reference::cross_entropy(logits.clone(), targets.clone()));
}

fn update(criterion: &mut Criterion) {
    let count = 3_200_000;
    let make = || Tensor::<1>::random([count], Distribution::Uniform(0.0, 1.0), &Device::flex());
    let step = AdamWStep {
        lr: 1e-3,
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
        weight_decay: 0.1,
        bias_correction1: 0.1,
        bias_correction2: 0.001,
        grad_scale: 1.0,
    };
    let grad = make();
    let mut state = Some((make(), make(), make()));
    criterion.bench_function("native/adamw", |bencher| {
        bencher.iter(|| {
            let (param, m, v) = state.take().expect("the last update's");
            state = Some(gpicl_ops::adamw(param, grad.clone(), m, v, step));
        });
    });
    let mut state = Some((make(), make(), make()));
    criterion.bench_function("reference/adamw", |bencher| {
        bencher.iter(|| {
            let (param, m, v) = state.take().expect("the last update's");
            state = Some(reference::adamw(param, grad.clone(), m, v, step));
        });
    });
    criterion.bench_function("native/sum_of_squares", |bencher| {
        bencher.iter(|| black_box(gpicl_ops::sum_of_squares(grad.clone())));
    });
    criterion.bench_function("reference/sum_of_squares", |bencher| {
        bencher.iter(|| black_box(reference::sum_of_squares(grad.clone())));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = linear, feed_forward, embed, layer_norm, gates, attention, cells, scans, outer_product_lstm,
        vsml, matrix_memory, cross_entropy, update
}
criterion_main!(benches);
