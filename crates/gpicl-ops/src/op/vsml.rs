//! Variable shared meta learning: a small LSTM on every connection of a network.

#[cfg(feature = "flex")]
mod native;
#[cfg(feature = "flex")]
mod state;

#[cfg(feature = "flex")]
use burn::backend::Dispatch;
use burn::tensor::{Int, Tensor};

#[cfg(feature = "flex")]
use self::{native::VsmlOps, state::VsmlStateOps};
use super::check;
use crate::arguments::told_shape;
use crate::{TokenLayout, Vsml, VsmlNet, VsmlState, reference};

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
    check_net("vsml", &inputs, &weights, &net);
    check_labels("vsml", &inputs, &labels);
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

impl VsmlState {
    #[track_caller]
    fn check(&self, what: &str, weights: &Vsml, net: &VsmlNet, batch: usize) {
        let [connections, hidden] = weights.initial.dims();
        for part in [&self.h, &self.c] {
            check::shape(&format!("{what}: state"), &[batch, connections, hidden], &part.dims());
        }
        let shifted = net.layout == TokenLayout::Shifted;
        assert_eq!(
            self.told.is_some(),
            shifted,
            "{what}: state: told in the shifted layout, and there alone"
        );
        if let Some(told) = &self.told {
            check::shape(&format!("{what}: told"), &told_shape(weights, net, batch), &told.dims());
        }
    }
}

/// What the examples leave that come after `state`; see [`vsml`].
///
/// `inputs`: `[batch, time, widths[0]]`, `labels`: `[batch, time]`. The native version is there without automatic
/// differentiation alone.
///
/// # Panics
/// If a shape is another one, or a label is not a class.
pub fn vsml_read(
    inputs: Tensor<3>,
    labels: Tensor<2, Int>,
    weights: Vsml,
    state: VsmlState,
    net: VsmlNet,
) -> VsmlState {
    check_net("vsml_read", &inputs, &weights, &net);
    check_labels("vsml_read", &inputs, &labels);
    state.check("vsml_read", &weights, &net, inputs.dims()[0]);
    #[cfg(feature = "flex")]
    if super::native::takes(&weights.weight) && !weights.weight.device().is_autodiff() {
        let [batch, _, _] = inputs.dims();
        // Where it is no part of the state, something of its shape goes in, and what comes out is dropped.
        let is_told = state.told.is_some();
        let told = state
            .told
            .unwrap_or_else(|| Tensor::zeros(told_shape(&weights, &net, batch), &weights.weight.device()));
        let Vsml { weight, bias, read, initial } = weights;
        let (h, c, told) = Dispatch::vsml_read(
            inputs.into_dispatch(),
            labels.into_dispatch(),
            weight.into_dispatch(),
            bias.into_dispatch(),
            read.into_dispatch(),
            initial.into_dispatch(),
            state.h.into_dispatch(),
            state.c.into_dispatch(),
            told.into_dispatch(),
            net,
        );
        let [h, c, told] = [h, c, told].map(Tensor::from_dispatch);
        return VsmlState { h, c, told: is_told.then_some(told) };
    }
    reference::vsml_read(inputs, labels, weights, state, net)
}

/// Logits of inputs that each stand alone after `state`: queries. They read the one state of their episode; each makes
/// the sweeps of an example up to its prediction.
///
/// `queries`: `[batch, queries, widths[0]]`; returns logits `[batch, queries, classes]`. The native version is there
/// without automatic differentiation alone.
///
/// # Panics
/// If a shape is another one.
pub fn vsml_queries(queries: Tensor<3>, weights: Vsml, state: VsmlState, net: VsmlNet) -> Tensor<3> {
    check_net("vsml_queries", &queries, &weights, &net);
    state.check("vsml_queries", &weights, &net, queries.dims()[0]);
    #[cfg(feature = "flex")]
    if super::native::takes(&weights.weight) && !weights.weight.device().is_autodiff() {
        let [batch, _, _] = queries.dims();
        let told = state
            .told
            .unwrap_or_else(|| Tensor::zeros(told_shape(&weights, &net, batch), &weights.weight.device()));
        let Vsml { weight, bias, read, initial } = weights;
        return Tensor::from_dispatch(Dispatch::vsml_queries(
            queries.into_dispatch(),
            weight.into_dispatch(),
            bias.into_dispatch(),
            read.into_dispatch(),
            initial.into_dispatch(),
            state.h.into_dispatch(),
            state.c.into_dispatch(),
            told.into_dispatch(),
            net,
        ));
    }
    reference::vsml_queries(queries, weights, state, net)
}

#[track_caller]
fn check_net(what: &str, inputs: &Tensor<3>, weights: &Vsml, net: &VsmlNet) {
    let part = |part: &str| format!("{what}: {part}");
    let [batch, time, fan_in] = inputs.dims();
    let widths = &net.widths;
    check::filled(&part("inputs"), &[batch, time, fan_in]);
    check::filled(&part("initial"), &weights.initial.dims());
    check::that(widths.len() >= 2 && !widths.contains(&0), &part("widths"), "at least two, none 0", widths);
    check::that(net.ticks > 0, &part("ticks"), "at least 1", &[net.ticks]);
    check::shape(&part("inputs"), &[batch, time, widths[0]], &[batch, time, fan_in]);
    let [connections, hidden] = weights.initial.dims();
    let [sets, messages, _] = weights.read.dims();
    let expected: usize = widths.windows(2).map(|ends| ends[0] * ends[1]).sum();
    check::shape(&part("initial"), &[expected, hidden], &[connections, hidden]);
    check::that(sets == 1 || sets == connections, &part("read"), "one set, or one a connection", &[sets]);
    let both = net.forward > 0 && messages > net.forward;
    check::that(both, &part("read"), "numbers for both messages", &weights.read.dims());
    check::shape(&part("read"), &[sets, messages, hidden], &weights.read.dims());
    check::shape(&part("weight"), &[sets, messages + hidden, 4 * hidden], &weights.weight.dims());
    check::shape(&part("bias"), &[sets, 4 * hidden], &weights.bias.dims());
}

#[track_caller]
fn check_labels(what: &str, inputs: &Tensor<3>, labels: &Tensor<2, Int>) {
    let [batch, time, _] = inputs.dims();
    check::shape(&format!("{what}: labels"), &[batch, time], &labels.dims());
}
