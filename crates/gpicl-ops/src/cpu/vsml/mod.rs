//! VSML as one scan: every connection of every layer carries a small LSTM, and a tick of a layer is that LSTM over the
//! rows of its connections.
//!
//! Rows are made in blocks that stay in the first cache: inputs side by side, one product, gates, messages. A
//! [`Record`] is all that one step leaves to the next. The forward pass keeps the records of every `sqrt(steps)`-th
//! step; the backward pass makes those in between again, one stretch at a time.

mod backward;
mod forward;
mod queries;
mod read;
mod state;
mod tick;

pub use backward::backward;
pub use forward::forward;
pub use queries::queries;
pub use read::read;
pub use state::{State, StateMut};

use super::buffer::Buffer;
use crate::TokenLayout;

/// Vectors of any extension have a length that divides this; rows of a state are padded to whole vectors.
const LANES: usize = 16;
/// Rows that are made at a time.
const BLOCK: usize = 48;
/// Episodes of a task where every connection has weights of its own, which are then read once for all of them. With
/// shared weights a task is one episode.
const EPISODES: usize = 4;

/// The sizes and options of one call.
#[derive(Clone, Copy, Debug)]
pub struct Net<'a> {
    /// Units of every layer, the input's first, the classes last.
    pub widths: &'a [usize],
    /// Units of the LSTM on a connection.
    pub hidden: usize,
    /// Numbers in a forward message.
    pub forward: usize,
    /// Numbers in a backward message.
    pub backward: usize,
    /// Whether all connections have the same weights.
    pub shared: bool,
    /// Examples of an episode.
    pub time: usize,
    /// How often an example is gone through.
    pub ticks: usize,
    /// Size of the label's message.
    pub label_scale: f32,
    /// Whether an example is first predicted and then learnt from, or both at once.
    pub layout: TokenLayout,
}

impl<'a> Net<'a> {
    /// Connections of all layers.
    pub fn connections(self) -> usize {
        self.widths.windows(2).map(|ends| ends[0] * ends[1]).sum()
    }

    /// Different LSTMs.
    pub fn sets(self) -> usize {
        if self.shared { 1 } else { self.connections() }
    }

    /// Numbers kept of an episode for the backward pass.
    pub fn kept(self) -> usize {
        self.steps().div_ceil(self.interval()) * self.record()
    }

    fn layers(self) -> usize {
        self.widths.len() - 1
    }

    fn classes(self) -> usize {
        self.widths[self.layers()]
    }

    fn steps(self) -> usize {
        self.time * self.ticks
    }

    fn interval(self) -> usize {
        self.steps().isqrt().max(1)
    }

    fn episodes(self) -> usize {
        if self.shared { 1 } else { EPISODES }
    }

    /// `hidden` in whole vectors.
    fn row(self) -> usize {
        self.hidden.next_multiple_of(LANES)
    }

    /// Inputs of the LSTM: one for the bias, both messages, its own output.
    fn inputs(self) -> usize {
        1 + self.forward + self.backward + self.hidden
    }

    /// Values of one LSTM's packed weights: `[inputs, 4 * row]`, then read-outs `[forward + backward, row]`.
    fn set(self) -> usize {
        (4 * self.inputs() + self.forward + self.backward) * self.row()
    }

    /// Values of an episode's [`Record`].
    fn record(self) -> usize {
        let units: usize = self.widths.iter().sum();
        2 * self.connections() * self.row() + units * self.forward + (units - self.widths[0]) * self.backward
    }

    fn layer(self, layer: usize) -> Layer {
        let [fan_in, fan_out] = [self.widths[layer], self.widths[layer + 1]];
        let before = self.widths[..=layer].windows(2).map(|ends| ends[0] * ends[1]).sum();
        Layer { fan_in, fan_out, before }
    }

    /// Units before those of `layer`, the input's included.
    fn units_before(self, layer: usize) -> usize {
        self.widths[..layer].iter().sum()
    }

    /// Whether the label's message after `step` is about the example of that step: in the shifted layout it is
    /// made anew only when the example is over.
    fn is_told(self, step: usize) -> bool {
        self.layout == TokenLayout::Paired || (step + 1).is_multiple_of(self.ticks)
    }

    /// Whether the logits of `step` are the prediction of its example.
    fn predicts(self, step: usize) -> bool {
        let tick = step % self.ticks;
        match self.layout {
            TokenLayout::Shifted => tick + 1 == self.ticks,
            TokenLayout::Paired => tick == 0,
        }
    }
}

/// Where a layer's connections are: input `a` and output `b` share connection `before + a * fan_out + b`.
#[derive(Clone, Copy)]
struct Layer {
    fan_in: usize,
    fan_out: usize,
    before: usize,
}

impl Layer {
    fn connections(self) -> usize {
        self.fan_in * self.fan_out
    }
}

/// What one step leaves to the next, or its gradient: outputs `h` and cells `c` of all LSTMs,
/// `[connection, episode, row]`; forward messages `m`, `[unit, episode, forward]`, those of the input's units first;
/// backward messages `n` to the outputs of every layer, `[unit, episode, backward]`.
struct Record<T> {
    h: T,
    c: T,
    m: T,
    n: T,
}

impl<'r> Record<&'r [f32]> {
    fn of(net: Net<'_>, values: &'r [f32], episodes: usize) -> Self {
        let [states, forward, _] = lengths(net, episodes);
        let (h, rest) = values.split_at(states);
        let (c, rest) = rest.split_at(states);
        let (m, n) = rest.split_at(forward);
        Self { h, c, m, n }
    }
}

impl<'r> Record<&'r mut [f32]> {
    fn of_mut(net: Net<'_>, values: &'r mut [f32], episodes: usize) -> Self {
        let [states, forward, _] = lengths(net, episodes);
        let (h, rest) = values.split_at_mut(states);
        let (c, rest) = rest.split_at_mut(states);
        let (m, n) = rest.split_at_mut(forward);
        Self { h, c, m, n }
    }
}

/// Lengths of states, of forward and of backward messages.
fn lengths(net: Net<'_>, episodes: usize) -> [usize; 3] {
    let units: usize = net.widths.iter().sum();
    [
        episodes * net.connections() * net.row(),
        episodes * units * net.forward,
        episodes * (units - net.widths[0]) * net.backward,
    ]
}

/// Which part of a message buffer belongs to the units of one layer.
#[derive(Clone, Copy)]
struct Span {
    start: usize,
    len: usize,
}

impl Span {
    /// The forward messages out of the units of `widths[layer]`.
    fn forward(net: Net<'_>, layer: usize, episodes: usize) -> Self {
        let each = episodes * net.forward;
        Self { start: net.units_before(layer) * each, len: net.widths[layer] * each }
    }

    /// The backward messages to the units of `widths[layer]`, which is not the input.
    fn backward(net: Net<'_>, layer: usize, episodes: usize) -> Self {
        let each = episodes * net.backward;
        Self { start: (net.units_before(layer) - net.widths[0]) * each, len: net.widths[layer] * each }
    }

    /// How long a message buffer is that ends with it.
    fn end(self) -> usize {
        self.start + self.len
    }

    fn of(self, values: &[f32]) -> &[f32] {
        &values[self.start..][..self.len]
    }

    fn of_mut(self, values: &mut [f32]) -> &mut [f32] {
        &mut values[self.start..][..self.len]
    }

    /// This span, and the one that ends where it starts.
    fn with_span_before(self, values: &mut [f32]) -> (&mut [f32], &mut [f32]) {
        let (before, own) = values.split_at_mut(self.start);
        (&mut own[..self.len], before)
    }
}

/// The parameters as the operation takes them.
#[derive(Clone, Copy)]
pub struct Weights<'a> {
    /// `[sets, forward + backward + hidden, 4 * hidden]`; gates in the order input, forget, value, output.
    pub weight: &'a [f32],
    /// `[sets, 4 * hidden]`.
    pub bias: &'a [f32],
    /// `[sets, forward + backward, hidden]`.
    pub read: &'a [f32],
    /// `[connections, hidden]`.
    pub initial: &'a [f32],
}

/// Gradients of [`Weights`], or the numbers themselves, to write.
pub struct WeightsMut<'a> {
    /// See [`Weights`].
    pub weight: &'a mut [f32],
    /// See [`Weights`].
    pub bias: &'a mut [f32],
    /// See [`Weights`].
    pub read: &'a mut [f32],
    /// See [`Weights`].
    pub initial: &'a mut [f32],
}

/// Every LSTM's weights with rows in whole vectors, see [`Net::set`]; then every connection's first cell.
fn pack(net: Net<'_>, weights: Weights<'_>) -> Buffer {
    let mut packed = Buffer::zeros(net.sets() * net.set() + net.connections() * net.row());
    let (sets, initial) = packed.split_at_mut(net.sets() * net.set());
    let (gates, reads) = (4 * net.hidden, (net.forward + net.backward) * net.hidden);
    for (set, packed) in sets.chunks_exact_mut(net.set()).enumerate() {
        let rows = (net.inputs() - 1) * gates;
        let bias = weights.bias[set * gates..][..gates].chunks_exact(net.hidden);
        let rows = weights.weight[set * rows..][..rows].chunks_exact(net.hidden);
        let reads = weights.read[set * reads..][..reads].chunks_exact(net.hidden);
        for (to, from) in packed.chunks_exact_mut(net.row()).zip(bias.chain(rows).chain(reads)) {
            to[..net.hidden].copy_from_slice(from);
        }
    }
    for (to, from) in initial.chunks_exact_mut(net.row()).zip(weights.initial.chunks_exact(net.hidden)) {
        to[..net.hidden].copy_from_slice(from);
    }
    packed
}

/// The inverse of [`pack`].
fn unpack(net: Net<'_>, packed: &[f32], weights: WeightsMut<'_>) {
    let (sets, initial) = packed.split_at(net.sets() * net.set());
    let (gates, reads) = (4 * net.hidden, (net.forward + net.backward) * net.hidden);
    for (set, packed) in sets.chunks_exact(net.set()).enumerate() {
        let rows = (net.inputs() - 1) * gates;
        let bias = weights.bias[set * gates..][..gates].chunks_exact_mut(net.hidden);
        let rows = weights.weight[set * rows..][..rows].chunks_exact_mut(net.hidden);
        let reads = weights.read[set * reads..][..reads].chunks_exact_mut(net.hidden);
        for (from, to) in packed.chunks_exact(net.row()).zip(bias.chain(rows).chain(reads)) {
            to.copy_from_slice(&from[..net.hidden]);
        }
    }
    for (from, to) in initial.chunks_exact(net.row()).zip(weights.initial.chunks_exact_mut(net.hidden)) {
        to.copy_from_slice(&from[..net.hidden]);
    }
}

/// The message of an example's label to the units of the last layer, given their forward messages: the error
/// `onehot(y) - softmax(logits)`, then, where a message has room, `onehot(y)`, both times the scale.
fn tell(net: Net<'_>, labels: impl Iterator<Item = usize>, logits: &[f32], n: &mut [f32]) {
    let episodes = n.len() / (net.classes() * net.backward);
    n.fill(0.0);
    for (episode, label) in labels.enumerate() {
        softmax(net, logits, episode, episodes, |class, p| {
            let n = &mut n[(class * episodes + episode) * net.backward..][..net.backward];
            let one = if class == label { 1.0 } else { 0.0 };
            n[0] = net.label_scale * (one - p);
            if let Some(second) = n.get_mut(1) {
                *second = net.label_scale * one;
            }
        });
    }
}

/// Adds to the gradient of the logits that of [`tell`]'s message.
fn tell_backward(net: Net<'_>, logits: &[f32], dn: &[f32], dlogits: &mut [f32], episodes: usize) {
    let at = |class: usize, episode: usize| class * episodes + episode;
    for episode in 0..episodes {
        let mut mean = 0.0;
        softmax(net, logits, episode, episodes, |class, p| mean += p * dn[at(class, episode) * net.backward]);
        softmax(net, logits, episode, episodes, |class, p| {
            let dp = dn[at(class, episode) * net.backward];
            dlogits[at(class, episode) * net.forward] -= net.label_scale * p * (dp - mean);
        });
    }
}

/// Calls `each` with every class and its probability.
fn softmax(net: Net<'_>, logits: &[f32], episode: usize, episodes: usize, mut each: impl FnMut(usize, f32)) {
    let logit = |class: usize| logits[(class * episodes + episode) * net.forward];
    let largest = (0..net.classes()).map(logit).fold(f32::NEG_INFINITY, f32::max);
    let total: f32 = (0..net.classes()).map(|class| (logit(class) - largest).exp()).sum();
    for class in 0..net.classes() {
        each(class, (logit(class) - largest).exp() / total);
    }
}
