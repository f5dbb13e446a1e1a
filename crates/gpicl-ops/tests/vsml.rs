//! VSML: against a naive loop in f64, its finite differences and its reference; and its symmetry.
#![cfg(feature = "flex")]

mod common;

use burn::tensor::{Int, Tensor, TensorData};
use common::{agree, check, close, device, drawn, random};
use gpicl_ops::{TokenLayout, Vsml, VsmlNet, reference, vsml};

const LAYOUTS: [TokenLayout; 2] = [TokenLayout::Shifted, TokenLayout::Paired];

fn net(widths: &[usize], forward: usize, ticks: usize, layout: TokenLayout) -> VsmlNet {
    VsmlNet { widths: widths.to_vec(), forward, ticks, label_scale: 1.5, layout }
}

fn connections(net: &VsmlNet) -> usize {
    net.widths.windows(2).map(|ends| ends[0] * ends[1]).sum()
}

/// Sizes of weight, bias, read-outs and first cells.
fn shapes(
    net: &VsmlNet,
    sets: usize,
    backward: usize,
    hidden: usize,
) -> ([usize; 3], [usize; 2], [usize; 3], [usize; 2]) {
    let messages = net.forward + backward;
    (
        [sets, messages + hidden, 4 * hidden],
        [sets, 4 * hidden],
        [sets, messages, hidden],
        [connections(net), hidden],
    )
}

fn labels(batch: usize, time: usize, classes: usize) -> Vec<usize> {
    (0..batch * time).map(|at| (at * 7 + at / 3) % classes).collect()
}

fn label_tensor(labels: &[usize], batch: usize) -> Tensor<2, Int> {
    let values: Vec<i32> = labels.iter().map(|&label| label as i32).collect();
    Tensor::from_data(TensorData::new(values, [batch, labels.len() / batch]), &device())
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// One episode, written down connection by connection.
struct Naive<'a> {
    net: &'a VsmlNet,
    hidden: usize,
    backward: usize,
    shared: bool,
    weight: &'a [f64],
    bias: &'a [f64],
    read: &'a [f64],
    /// Of every layer and its connections.
    h: Vec<Vec<Vec<f64>>>,
    c: Vec<Vec<Vec<f64>>>,
}

impl Naive<'_> {
    fn set(&self, layer: usize, connection: usize) -> usize {
        let before = self.net.widths[..=layer].windows(2).map(|ends| ends[0] * ends[1]).sum::<usize>();
        if self.shared { 0 } else { before + connection }
    }

    /// Output and cell of connection `(a, b)` after a tick.
    fn cell(&self, layer: usize, a: usize, b: usize, m: &[Vec<f64>], n: &[Vec<f64>]) -> (Vec<f64>, Vec<f64>) {
        let hidden = self.hidden;
        let at = a * self.net.widths[layer + 1] + b;
        let set = self.set(layer, at);
        let input = [&m[a][..], &n[b], &self.h[layer][at]].concat();
        let weight = &self.weight[set * input.len() * 4 * hidden..];
        let gate = |gate: usize, j: usize| {
            let column = gate * hidden + j;
            self.bias[set * 4 * hidden + column]
                + input.iter().enumerate().map(|(i, x)| x * weight[i * 4 * hidden + column]).sum::<f64>()
        };
        let cell = |j| sigmoid(gate(1, j)) * self.c[layer][at][j] + sigmoid(gate(0, j)) * gate(2, j).tanh();
        let c: Vec<f64> = (0..hidden).map(cell).collect();
        ((0..hidden).map(|j| sigmoid(gate(3, j)) * c[j].tanh()).collect(), c)
    }

    /// Ticks a layer; returns its states and the messages that it sends forward and backward.
    #[allow(clippy::type_complexity, reason = "a naive loop's results")]
    fn tick(
        &self,
        layer: usize,
        m: &[Vec<f64>],
        n: &[Vec<f64>],
    ) -> (Vec<Vec<f64>>, Vec<Vec<f64>>, Vec<Vec<f64>>, Vec<Vec<f64>>) {
        let [fan_in, fan_out] = [self.net.widths[layer], self.net.widths[layer + 1]];
        let numbers = self.net.forward + self.backward;
        let (mut h, mut c) = (Vec::new(), Vec::new());
        let mut forward = vec![vec![0.0; self.net.forward]; fan_out];
        let mut backward = vec![vec![0.0; self.backward]; fan_in];
        for (a, b) in (0..fan_in).flat_map(|a| (0..fan_out).map(move |b| (a, b))) {
            let (new_h, new_c) = self.cell(layer, a, b, m, n);
            let set = self.set(layer, a * fan_out + b);
            let read = |number: usize| {
                let read = &self.read[(set * numbers + number) * self.hidden..][..self.hidden];
                read.iter().zip(&new_h).map(|(v, h)| v * h).sum::<f64>()
            };
            for number in 0..self.net.forward {
                forward[b][number] += read(number) / (fan_in as f64).sqrt();
            }
            for number in 0..self.backward {
                backward[a][number] += read(self.net.forward + number) / (fan_out as f64).sqrt();
            }
            h.push(new_h);
            c.push(new_c);
        }
        (h, c, forward, backward)
    }

    fn tell(&self, label: usize, logits: &[f64]) -> Vec<Vec<f64>> {
        let total: f64 = logits.iter().map(|logit| logit.exp()).sum();
        let message = |(class, logit): (usize, &f64)| {
            let one = if class == label { 1.0 } else { 0.0 };
            let scale = f64::from(self.net.label_scale);
            let mut message = vec![0.0; self.backward];
            message[0] = scale * (one - logit.exp() / total);
            message.iter_mut().skip(1).take(1).for_each(|second| *second = scale * one);
            message
        };
        logits.iter().enumerate().map(message).collect()
    }

    fn run(&mut self, inputs: &[f64], labels: &[usize]) -> Vec<f64> {
        let (widths, ticks) = (self.net.widths.clone(), self.net.ticks);
        let layers = widths.len() - 1;
        let silence = |layer: usize| vec![vec![0.0; self.backward]; widths[layer + 1]];
        let mut told: Vec<Vec<Vec<f64>>> = (0..layers).map(silence).collect();
        let mut out = Vec::new();
        for (x, &label) in inputs.chunks(widths[0]).zip(labels) {
            for tick in 0..ticks {
                let input = |&x: &f64| [vec![x], vec![0.0; self.net.forward - 1]].concat();
                let mut sent: Vec<Vec<Vec<f64>>> = vec![x.iter().map(input).collect()];
                let heard = told.clone();
                for layer in 0..layers {
                    let paired = self.net.layout == TokenLayout::Paired;
                    let n = if paired {
                        vec![vec![0.0; self.backward]; widths[layer + 1]]
                    } else {
                        heard[layer].clone()
                    };
                    let (h, c, forward, backward) = self.tick(layer, &sent[layer], &n);
                    sent.push(forward);
                    if !paired {
                        (self.h[layer], self.c[layer]) = (h, c);
                        if layer > 0 {
                            told[layer - 1] = backward;
                        }
                    }
                }
                let logits: Vec<f64> = sent[layers].iter().map(|message| message[0]).collect();
                match self.net.layout {
                    TokenLayout::Shifted if tick + 1 == ticks => {
                        told[layers - 1] = self.tell(label, &logits);
                        out.extend(logits);
                    }
                    TokenLayout::Shifted => {}
                    TokenLayout::Paired => {
                        told[layers - 1] = self.tell(label, &logits);
                        if tick == 0 {
                            out.extend(logits);
                        }
                        for layer in (0..layers).rev() {
                            let (h, c, _, backward) = self.tick(layer, &sent[layer], &told[layer]);
                            (self.h[layer], self.c[layer]) = (h, c);
                            if layer > 0 {
                                told[layer - 1] = backward;
                            }
                        }
                    }
                }
            }
        }
        out
    }
}

/// Logits of a batch by the naive loop: inputs, weight, bias, read-outs, first cells.
fn naive(
    x: &[Vec<f64>],
    labels: &[usize],
    batch: usize,
    backward: usize,
    hidden: usize,
    net: &VsmlNet,
) -> Vec<f64> {
    let shared = x[2].len() == 4 * hidden;
    let episodes = x[0].chunks(x[0].len() / batch).zip(labels.chunks(labels.len() / batch));
    let logits = |(inputs, labels): (&[f64], &[usize])| {
        let mut cells = x[4].chunks(hidden).map(<[f64]>::to_vec);
        let c: Vec<Vec<Vec<f64>>> =
            net.widths.windows(2).map(|ends| cells.by_ref().take(ends[0] * ends[1]).collect()).collect();
        let h = c.iter().map(|layer| vec![vec![0.0; hidden]; layer.len()]).collect();
        let (weight, bias, read) = (&x[1][..], &x[2][..], &x[3][..]);
        Naive { net, hidden, backward, shared, weight, bias, read, h, c }.run(inputs, labels)
    };
    episodes.flat_map(logits).collect()
}

#[test]
fn a_naive_loop_and_its_slopes_agree() {
    for layout in LAYOUTS {
        for (widths, shared, [time, ticks, forward, backward, hidden]) in [
            (vec![3, 2], true, [3, 1, 1, 2, 2]),
            (vec![2, 3, 2], true, [3, 1, 2, 3, 3]),
            (vec![2, 2, 2, 2], true, [3, 2, 1, 1, 2]),
            (vec![2, 2, 2], false, [2, 1, 1, 2, 2]),
        ] {
            let (batch, net) = (2, net(&widths, forward, ticks, layout));
            let sets = if shared { 1 } else { connections(&net) };
            let (weight, bias, read, initial) = shapes(&net, sets, backward, hidden);
            let labels = labels(batch, time, widths[widths.len() - 1]);
            let native = |x: &[Tensor<1>]| {
                let weights = Vsml {
                    weight: x[1].clone().reshape(weight),
                    bias: x[2].clone().reshape(bias),
                    read: x[3].clone().reshape(read),
                    initial: x[4].clone().reshape(initial),
                };
                let inputs = x[0].clone().reshape([batch, time, widths[0]]);
                let out = vsml(inputs, label_tensor(&labels, batch), weights, net.clone());
                out.reshape([batch * time * widths[widths.len() - 1]])
            };
            let sizes = [
                batch * time * widths[0],
                weight.iter().product(),
                bias.iter().product(),
                read.iter().product(),
                initial.iter().product(),
            ];
            check(&format!("vsml {net:?}, shared {shared}"), &sizes, native, |x| {
                naive(x, &labels, batch, backward, hidden, &net)
            });
        }
    }
}

#[test]
fn vsml_agrees() {
    /// Gradients of shared weights are sums over all connections and steps: three times what 40 draws showed.
    const TOLERANCE: f32 = 6e-5;
    for layout in LAYOUTS {
        for (widths, shared, [batch, time, ticks, forward, backward, hidden]) in [
            (vec![1, 1], true, [1, 1, 1, 1, 1, 1]),
            (vec![49, 10], true, [3, 6, 1, 1, 2, 16]),
            (vec![5, 7, 3], true, [2, 11, 2, 3, 2, 17]),
            (vec![5, 3], false, [9, 5, 1, 2, 2, 5]),
            (vec![3, 4, 2, 3], false, [2, 4, 2, 1, 2, 4]),
        ] {
            let net = net(&widths, forward, ticks, layout);
            let sets = if shared { 1 } else { connections(&net) };
            let (weight, bias, read, initial) = shapes(&net, sets, backward, hidden);
            let inputs = random([batch, time, widths[0]]);
            let (weight, bias) = (random(weight), random(bias));
            let (read, initial) = (random(read), random(initial));
            let labels = label_tensor(&labels(batch, time, widths[widths.len() - 1]), batch);
            let run = |f: fn(Tensor<3>, Tensor<2, Int>, Vsml, VsmlNet) -> Tensor<3>| {
                let weights = Vsml {
                    // Small enough that a rounding does not grow from step to step.
                    weight: weight.clone() * 0.4,
                    bias: bias.clone(),
                    read: read.clone(),
                    initial: initial.clone(),
                };
                f(inputs.clone(), labels.clone(), weights, net.clone())
            };
            agree!(
                format!("vsml {net:?}, shared {shared}"),
                TOLERANCE,
                [inputs, weight, read],
                run(vsml),
                run(reference::vsml)
            );
            agree!(
                format!("vsml {net:?}, shared {shared}"),
                TOLERANCE,
                [bias, initial],
                run(vsml),
                run(reference::vsml)
            );
        }
    }
}

fn shared_weights(net: &VsmlNet) -> Vsml {
    let (weight, bias, read, initial) = shapes(net, 1, 2, 8);
    Vsml {
        weight: random(weight),
        bias: random(bias),
        read: random(read) * 3.0,
        initial: Tensor::zeros(initial, &device()),
    }
}

#[test]
fn shared_weights_know_no_order_of_inputs_and_labels() {
    for layout in LAYOUTS {
        let (batch, time, widths) = (2, 9, [5, 4]);
        let net = net(&widths, 2, 1, layout);
        let weights = shared_weights(&net);
        let inputs = random([batch, time, widths[0]]);
        let labels = labels(batch, time, widths[1]);
        let run = |inputs: Tensor<3>, labels: &[usize]| {
            vsml(inputs, label_tensor(labels, batch), weights.clone(), net.clone()).inner()
        };
        let permuted = |x: Tensor<3>, order: &[i32]| {
            let order = Tensor::<1, Int>::from_data(order, &x.device());
            x.select(2, order)
        };
        let logits = run(inputs.clone(), &labels);
        let other = run(permuted(inputs.clone(), &[3, 0, 4, 2, 1]), &labels);
        close("logits of permuted inputs", other, logits.clone(), 2e-5);
        // Label slot `order[b]` becomes `b`.
        let order = [2, 0, 3, 1];
        let slot = |label: &usize| order.iter().position(|from| from == label).expect("a permutation");
        let relabelled: Vec<usize> = labels.iter().map(slot).collect();
        let other = run(inputs, &relabelled);
        close("logits of permuted labels", other, permuted(logits, &order.map(|slot| slot as i32)), 2e-5);
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    for shared in [true, false] {
        let (batch, net) = (9, net(&[5, 4, 3], 2, 1, TokenLayout::Paired));
        let sets = if shared { 1 } else { connections(&net) };
        let (weight, bias, read, initial) = shapes(&net, sets, 2, 8);
        let (weight, bias, read) = (random(weight), random(bias), random(read));
        let (inputs, initial) = (random([batch, 20, 5]), random(initial));
        let labels = label_tensor(&labels(batch, 20, 3), batch);
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool");
            pool.install(|| {
                let weights = Vsml {
                    weight: weight.clone(),
                    bias: bias.clone(),
                    read: read.clone(),
                    initial: initial.clone(),
                };
                let out = vsml(inputs.clone(), labels.clone(), weights, net.clone());
                let grads = out.clone().sum().backward();
                let gradients =
                    (inputs.grad(&grads), weight.grad(&grads), bias.grad(&grads), read.grad(&grads));
                let (dinputs, dweight) = (gradients.0.unwrap().into_data(), gradients.1.unwrap().into_data());
                let (dbias, dread) = (gradients.2.unwrap().into_data(), gradients.3.unwrap().into_data());
                [out.inner().into_data(), dinputs, dweight, dbias, dread]
            })
        };
        assert_eq!(on(1), on(2));
    }
}

#[test]
fn every_vector_extension_agrees() {
    common::on_every_vector_extension(&["vsml_agrees", "a_naive_loop", "no_order"]);
}

#[test]
#[should_panic(expected = "vsml: initial: expected shape [20, 8], found [19, 8]")]
fn a_wrong_shape_is_named() {
    let net = net(&[5, 4], 2, 1, TokenLayout::Paired);
    let weights = Vsml { initial: Tensor::zeros([19, 8], &device()), ..shared_weights(&net) };
    vsml(random([1, 2, 5]), label_tensor(&[0, 1], 1), weights, net);
}
