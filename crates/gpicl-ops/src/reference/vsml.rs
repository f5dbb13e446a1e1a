//! VSML of plain operations, a tick at a time.

use burn::tensor::{Int, Tensor, activation};

use crate::{TokenLayout, Vsml, VsmlNet};

/// See [`crate::vsml`].
pub fn vsml(inputs: Tensor<3>, labels: Tensor<2, Int>, weights: Vsml, net: VsmlNet) -> Tensor<3> {
    let [batch, time, fan_in] = inputs.dims();
    let device = inputs.device();
    let layers = Layer::all(&weights, &net);
    let count = layers.len();
    let mut states: Vec<State> = layers.iter().map(|layer| layer.start(batch)).collect();
    let backward = layers[0].read.dims()[1] - net.forward;
    let silence = |layer: usize| Tensor::<3>::zeros([batch, net.widths[layer + 1], backward], &device);
    let mut told: Vec<Tensor<3>> = (0..count).map(silence).collect();
    let mut predictions = Vec::new();
    for step in 0..time * net.ticks {
        let (example, tick) = (step / net.ticks, step % net.ticks);
        let x = inputs.clone().narrow(1, example, 1).reshape([batch, fan_in, 1]);
        let mut sent = vec![widened(x, net.forward)];
        let before = (states.clone(), told.clone());
        for (l, layer) in layers.iter().enumerate() {
            match net.layout {
                TokenLayout::Shifted => {
                    states[l] = layer.tick(&before.0[l], sent[l].clone(), before.1[l].clone());
                    sent.push(layer.forward(&states[l], &net));
                    if l > 0 {
                        told[l - 1] = layer.backward(&states[l], &net);
                    }
                }
                TokenLayout::Paired => {
                    let query = layer.tick(&before.0[l], sent[l].clone(), silence(l));
                    sent.push(layer.forward(&query, &net));
                }
            }
        }
        let logits = sent[count].clone().narrow(2, 0, 1).squeeze_dim::<2>(2);
        let (predicts, is_told) = match net.layout {
            TokenLayout::Shifted => (tick + 1 == net.ticks, tick + 1 == net.ticks),
            TokenLayout::Paired => (tick == 0, true),
        };
        if predicts {
            predictions.push(logits.clone().unsqueeze_dim::<3>(1));
        }
        if is_told {
            let label = labels.clone().narrow(1, example, 1).reshape([batch]);
            let label = Tensor::<2>::eye(net.widths[count], &device).select(0, label);
            let error = label.clone() - activation::softmax(logits, 1);
            let message = match backward {
                1 => error.unsqueeze_dim::<3>(2),
                _ => Tensor::cat(vec![error.unsqueeze_dim::<3>(2), label.unsqueeze_dim(2)], 2),
            };
            told[count - 1] = widened(message * net.label_scale, backward);
        }
        if net.layout == TokenLayout::Paired {
            for (l, layer) in layers.iter().enumerate().rev() {
                states[l] = layer.tick(&states[l], sent[l].clone(), told[l].clone());
                if l > 0 {
                    told[l - 1] = layer.backward(&states[l], &net);
                }
            }
        }
    }
    Tensor::cat(predictions, 1)
}

/// Outputs and cells `[batch, inputs, outputs, hidden]` of a layer's LSTMs.
#[derive(Clone)]
struct State {
    h: Tensor<4>,
    c: Tensor<4>,
}

/// A layer's parameters; those with sets are for all connections, or for each of the layer's.
struct Layer {
    ends: [usize; 2],
    weight: Tensor<3>,
    bias: Tensor<2>,
    read: Tensor<3>,
    initial: Tensor<2>,
}

impl Layer {
    fn all(weights: &Vsml, net: &VsmlNet) -> Vec<Self> {
        let shared = weights.bias.dims()[0] == 1;
        let mut before = 0;
        let layer = |ends: &[usize]| {
            let connections = ends[0] * ends[1];
            let (first, sets) = if shared { (0, 1) } else { (before, connections) };
            let layer = Self {
                ends: [ends[0], ends[1]],
                weight: weights.weight.clone().narrow(0, first, sets),
                bias: weights.bias.clone().narrow(0, first, sets),
                read: weights.read.clone().narrow(0, first, sets),
                initial: weights.initial.clone().narrow(0, before, connections),
            };
            before += connections;
            layer
        };
        net.widths.windows(2).map(layer).collect()
    }

    fn start(&self, batch: usize) -> State {
        let [fan_in, fan_out] = self.ends;
        let [_, hidden] = self.initial.dims();
        let c = self.initial.clone().reshape([1, fan_in, fan_out, hidden]);
        let c = c.expand([batch, fan_in, fan_out, hidden]);
        State { h: c.zeros_like(), c }
    }

    /// `m`: `[batch, inputs, forward]`, `n`: `[batch, outputs, backward]`.
    fn tick(&self, state: &State, m: Tensor<3>, n: Tensor<3>) -> State {
        let [batch, fan_in, fan_out, hidden] = state.h.dims();
        let ([_, _, forward], [_, _, backward]) = (m.dims(), n.dims());
        let m = m.unsqueeze_dim::<4>(2).expand([batch, fan_in, fan_out, forward]);
        let n = n.unsqueeze_dim::<4>(1).expand([batch, fan_in, fan_out, backward]);
        // Every connection's rows come together, to be multiplied with its weights.
        let inputs = Tensor::cat(vec![m, n, state.h.clone()], 3);
        let inputs = inputs.reshape([batch, fan_in * fan_out, forward + backward + hidden]).swap_dims(0, 1);
        let weight = self.weight.clone().expand([fan_in * fan_out, forward + backward + hidden, 4 * hidden]);
        let z = inputs.matmul(weight) + self.bias.clone().unsqueeze_dim::<3>(1);
        let z = z.swap_dims(0, 1).reshape([batch, fan_in, fan_out, 4 * hidden]);
        let part = |at: usize| z.clone().narrow(3, at * hidden, hidden);
        let [input, forget, output] = [0, 1, 3].map(|at| activation::sigmoid(part(at)));
        let c = forget * state.c.clone() + input * part(2).tanh();
        State { h: output * c.clone().tanh(), c }
    }

    fn forward(&self, state: &State, net: &VsmlNet) -> Tensor<3> {
        let sums = self.messages(state, 0, net.forward).sum_dim(1).squeeze_dim::<3>(1);
        sums / (self.ends[0] as f64).sqrt()
    }

    fn backward(&self, state: &State, net: &VsmlNet) -> Tensor<3> {
        let count = self.read.dims()[1] - net.forward;
        let sums = self.messages(state, net.forward, count).sum_dim(2).squeeze_dim::<3>(2);
        sums / (self.ends[1] as f64).sqrt()
    }

    /// What numbers `first..first + count` of every connection's messages are: `[batch, inputs, outputs, count]`.
    fn messages(&self, state: &State, first: usize, count: usize) -> Tensor<4> {
        let [batch, fan_in, fan_out, hidden] = state.h.dims();
        let h = state.h.clone().reshape([batch, fan_in * fan_out, hidden]).swap_dims(0, 1);
        let read = self.read.clone().narrow(1, first, count).swap_dims(1, 2);
        let read = read.expand([fan_in * fan_out, hidden, count]);
        h.matmul(read).swap_dims(0, 1).reshape([batch, fan_in, fan_out, count])
    }
}

/// Messages with zeros behind their own numbers, `count` in all.
fn widened(message: Tensor<3>, count: usize) -> Tensor<3> {
    let [batch, units, own] = message.dims();
    if own == count {
        return message;
    }
    let zeros = Tensor::zeros([batch, units, count - own], &message.device());
    Tensor::cat(vec![message, zeros], 2)
}
