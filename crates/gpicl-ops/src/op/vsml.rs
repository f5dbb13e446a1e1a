//! Variable shared meta learning: a small LSTM on every connection of a network.

#[cfg(feature = "flex")]
mod native;

#[cfg(feature = "flex")]
use burn::backend::Dispatch;
use burn::tensor::{Int, Tensor};

#[cfg(feature = "flex")]
use self::native::VsmlOps;
use super::check;
use crate::{TokenLayout, reference};

/// The parameters of [`vsml`]: one set for all connections, or one for each.
///
/// Connections are counted layer by layer; in a layer, those of its first input unit come first.
#[derive(Clone, Debug)]
pub struct Vsml {
    /// `[sets, forward + backward + hidden, 4 * hidden]`: rows for the forward message, the backward message and the
    /// LSTM's own output; gates in the order input, forget, value, output.
    pub weight: Tensor<3>,
    /// `[sets, 4 * hidden]`.
    pub bias: Tensor<2>,
    /// `[sets, forward + backward, hidden]`: what the numbers of a message are read with.
    pub read: Tensor<3>,
    /// `[connections, hidden]`: the cells before the first example.
    pub initial: Tensor<2>,
}

/// The network whose connections the LSTMs are.
#[derive(Clone, Debug, PartialEq)]
pub struct VsmlNet {
    /// Units of every layer, the input's first, the classes last.
    pub widths: Vec<usize>,
    /// Numbers in a forward message; the rest of [`Vsml::read`]'s are a backward message's.
    pub forward: usize,
    /// How often an example is gone through.
    pub ticks: usize,
    /// Size of the label's message.
    pub label_scale: f32,
    /// Whether an example is predicted first and learnt from after, or both at once.
    pub layout: TokenLayout,
}

/// A network whose connections are LSTMs that learn, while it is used, from the messages that pass
/// (Kirsch and Schmidhuber 2021, "Meta learning backpropagation and improving it").
///
/// In a tick of a layer, the LSTM between its input unit `a` and its output unit `b` gets the forward message `m_a`
/// and the backward message `n_b`; what the layer sends on is read from all of its LSTMs' outputs:
///
/// ```text
/// i, f, g, o = (m_a, n_b, h_ab) W + bias            c'_ab = sigmoid(f) c_ab + sigmoid(i) tanh(g)
///                                                   h'_ab = sigmoid(o) tanh(c'_ab)
/// m'_b = sum_a V_forward h'_ab / sqrt(inputs)       n'_a = sum_b V_backward h'_ab / sqrt(outputs)
/// ```
///
/// The first number of the input's messages is `x`, the first number of the last layer's is its logit, and the label
/// is told as `label_scale (onehot(y) - softmax(logits))` and `label_scale onehot(y)` in the first two numbers of a
/// backward message (the error alone where it has one number); all others are zero. `h` starts as zeros.
///
/// *Paired*: an example is predicted in a forward sweep, layers first to last, with backward messages of zero, whose
/// states are thrown away: the query. Then its label is told, and a backward sweep, layers last to first, ticks the same
/// states with the sweep's forward messages and with the backward messages that the sweep itself brings down: the
/// context. Further `ticks` repeat both sweeps with the same example; the prediction is that of the first.
///
/// *Shifted*: a step is one sweep, layers first to last, with this example's input and the label of the one before
/// (nothing at first), told with that one's logits. Backward messages go down a layer a step. Further `ticks` repeat
/// the sweep with the same input and label; the prediction is that of the last.
///
/// `inputs`: `[batch, time, widths[0]]`, `labels`: `[batch, time]`; returns logits `[batch, time, classes]`.
/// The native version computes in f32.
///
/// # Panics
/// If a shape is another one, or a label is not a class.
pub fn vsml(inputs: Tensor<3>, labels: Tensor<2, Int>, weights: Vsml, net: VsmlNet) -> Tensor<3> {
    let [batch, time, fan_in] = inputs.dims();
    let widths = &net.widths;
    check::filled("vsml: inputs", &[batch, time, fan_in]);
    check::filled("vsml: initial", &weights.initial.dims());
    check::that(widths.len() >= 2 && !widths.contains(&0), "vsml: widths", "at least two, none 0", widths);
    check::that(net.ticks > 0, "vsml: ticks", "at least 1", &[net.ticks]);
    check::shape("vsml: inputs", &[batch, time, widths[0]], &[batch, time, fan_in]);
    check::shape("vsml: labels", &[batch, time], &labels.dims());
    let [connections, hidden] = weights.initial.dims();
    let [sets, messages, _] = weights.read.dims();
    let expected: usize = widths.windows(2).map(|ends| ends[0] * ends[1]).sum();
    check::shape("vsml: initial", &[expected, hidden], &[connections, hidden]);
    check::that(sets == 1 || sets == connections, "vsml: read", "one set, or one a connection", &[sets]);
    let both = net.forward > 0 && messages > net.forward;
    check::that(both, "vsml: read", "numbers for both messages", &weights.read.dims());
    check::shape("vsml: read", &[sets, messages, hidden], &weights.read.dims());
    check::shape("vsml: weight", &[sets, messages + hidden, 4 * hidden], &weights.weight.dims());
    check::shape("vsml: bias", &[sets, 4 * hidden], &weights.bias.dims());
    #[cfg(feature = "flex")]
    if super::native::takes(&weights.weight) {
        let Vsml { weight, bias, read, initial } = weights;
        return Tensor::from_dispatch(Dispatch::vsml(
            inputs.into_dispatch(),
            weight.into_dispatch(),
            bias.into_dispatch(),
            read.into_dispatch(),
            initial.into_dispatch(),
            labels.into_dispatch(),
            net,
        ));
    }
    reference::vsml(inputs, labels, weights, net)
}
