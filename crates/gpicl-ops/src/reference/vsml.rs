//! VSML of plain operations, a tick at a time.

use burn::tensor::{Int, Tensor, activation};

use crate::{TokenLayout, Vsml, VsmlNet, VsmlState};

/// See [`crate::vsml`].
pub fn vsml(inputs: Tensor<3>, labels: Tensor<2, Int>, weights: Vsml, net: VsmlNet) -> Tensor<3> {
    let start = VsmlState::start(&weights, &net, inputs.dims()[0]);
    scan(inputs, labels, weights, start, net).0
}

/// See [`crate::vsml_read`].
pub fn vsml_read(
    inputs: Tensor<3>,
    labels: Tensor<2, Int>,
    weights: Vsml,
    state: VsmlState,
    net: VsmlNet,
) -> VsmlState {
    scan(inputs, labels, weights, state, net).1
}

/// See [`crate::vsml_queries`]: an episode of its own for every query.
pub fn vsml_queries(queries: Tensor<3>, weights: Vsml, state: VsmlState, net: VsmlNet) -> Tensor<3> {
    let [batch, count, fan_in] = queries.dims();
    let repeated = |part: Tensor<3>| {
        let [_, places, numbers] = part.dims();
        let part = part.unsqueeze_dim::<4>(1).expand([batch, count, places, numbers]);
        part.reshape([batch * count, places, numbers])
    };
    let told = state.told.map(repeated);
    let state = VsmlState { h: repeated(state.h), c: repeated(state.c), told };
    let layers = Layer::all(&weights, &net);
    let mut memory = Memory::of(state, &layers, &weights, &net);
    let x = queries.reshape([batch * count, fan_in]);
    let ticks = if net.layout == TokenLayout::Shifted { net.ticks } else { 1 };
    let mut logits = None;
    for _ in 0..ticks {
        let sent = memory.sweep(x.clone(), &layers, &net);
        logits = sent.last().map(logits_of);
    }
    let classes = net.widths[net.widths.len() - 1];
    logits.expect("at least one tick").reshape([batch, count, classes])
}

fn scan(
    inputs: Tensor<3>,
    labels: Tensor<2, Int>,
    weights: Vsml,
    state: VsmlState,
    net: VsmlNet,
) -> (Tensor<3>, VsmlState) {
    let [batch, time, fan_in] = inputs.dims();
    let layers = Layer::all(&weights, &net);
    let count = layers.len();
    let mut memory = Memory::of(state, &layers, &weights, &net);
    let mut predictions = Vec::new();
    for step in 0..time * net.ticks {
        let (example, tick) = (step / net.ticks, step % net.ticks);
        let x = inputs.clone().narrow(1, example, 1).reshape([batch, fan_in]);
        let sent = memory.sweep(x, &layers, &net);
        let logits = logits_of(&sent[count]);
        let (predicts, is_told) = match net.layout {
            TokenLayout::Shifted => (tick + 1 == net.ticks, tick + 1 == net.ticks),
            TokenLayout::Paired => (tick == 0, true),
        };
        if predicts {
            predictions.push(logits.clone().unsqueeze_dim::<3>(1));
        }
        if is_told {
            let label = labels.clone().narrow(1, example, 1).reshape([batch]);
            memory.tell(label, logits, &net);
        }
        if net.layout == TokenLayout::Paired {
            for (l, layer) in layers.iter().enumerate().rev() {
                memory.states[l] = layer.tick(&memory.states[l], sent[l].clone(), memory.told[l].clone());
                if l > 0 {
                    memory.told[l - 1] = layer.backward(&memory.states[l], &net);
                }
            }
        }
    }
    (Tensor::cat(predictions, 1), memory.into_state(&net))
}

/// What one step leaves to the next: states of every layer, and backward messages to its outputs.
struct Memory {
    states: Vec<State>,
    told: Vec<Tensor<3>>,
}

impl Memory {
    fn of(state: VsmlState, layers: &[Layer], weights: &Vsml, net: &VsmlNet) -> Self {
        let VsmlState { h, c, told } = state;
        let [batch, _, hidden] = h.dims();
        let [_, messages, _] = weights.read.dims();
        let (mut connections, mut units) = (0, 0);
        let (mut states, mut tolds) = (Vec::new(), Vec::new());
        for layer in layers {
            let [fan_in, fan_out] = layer.ends;
            let part = |x: &Tensor<3>| {
                let part = x.clone().narrow(1, connections, fan_in * fan_out);
                part.reshape([batch, fan_in, fan_out, hidden])
            };
            states.push(State { h: part(&h), c: part(&c) });
            tolds.push(match &told {
                Some(told) => told.clone().narrow(1, units, fan_out),
                None => Tensor::zeros([batch, fan_out, messages - net.forward], &h.device()),
            });
            connections += fan_in * fan_out;
            units += fan_out;
        }
        Self { states, told: tolds }
    }

    fn into_state(self, net: &VsmlNet) -> VsmlState {
        let all = |part: fn(&State) -> &Tensor<4>| {
            let layer = |state: &State| {
                let [batch, fan_in, fan_out, hidden] = state.h.dims();
                part(state).clone().reshape([batch, fan_in * fan_out, hidden])
            };
            Tensor::cat(self.states.iter().map(layer).collect(), 1)
        };
        let (h, c) = (all(|state| &state.h), all(|state| &state.c));
        let told = (net.layout == TokenLayout::Shifted).then(|| Tensor::cat(self.told, 1));
        VsmlState { h, c, told }
    }

    /// The layers one after another, first to last, for inputs `x` `[batch, inputs]`; returns the forward messages, the
    /// input's first. In the paired layout the states are thrown away.
    fn sweep(&mut self, x: Tensor<2>, layers: &[Layer], net: &VsmlNet) -> Vec<Tensor<3>> {
        let mut sent = vec![widened(x.unsqueeze_dim(2), net.forward)];
        let told = self.told.clone();
        for (l, layer) in layers.iter().enumerate() {
            match net.layout {
                TokenLayout::Shifted => {
                    self.states[l] = layer.tick(&self.states[l], sent[l].clone(), told[l].clone());
                    sent.push(layer.forward(&self.states[l], net));
                    if l > 0 {
                        self.told[l - 1] = layer.backward(&self.states[l], net);
                    }
                }
                TokenLayout::Paired => {
                    let query = layer.tick(&self.states[l], sent[l].clone(), told[l].zeros_like());
                    sent.push(layer.forward(&query, net));
                }
            }
        }
        sent
    }

    /// Tells the last layer's outputs the labels `[batch]`, given the logits `[batch, classes]`.
    fn tell(&mut self, label: Tensor<1, Int>, logits: Tensor<2>, net: &VsmlNet) {
        let last = self.told.len() - 1;
        let [_, classes, backward] = self.told[last].dims();
        let label = Tensor::<2>::eye(classes, &logits.device()).select(0, label);
        let error = label.clone() - activation::softmax(logits, 1);
        let message = match backward {
            1 => error.unsqueeze_dim::<3>(2),
            _ => Tensor::cat(vec![error.unsqueeze_dim::<3>(2), label.unsqueeze_dim(2)], 2),
        };
        self.told[last] = widened(message * net.label_scale, backward);
    }
}

/// The first numbers of the last layer's messages.
fn logits_of(sent: &Tensor<3>) -> Tensor<2> {
    sent.clone().narrow(2, 0, 1).squeeze_dim::<2>(2)
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
            };
            before += connections;
            layer
        };
        net.widths.windows(2).map(layer).collect()
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
