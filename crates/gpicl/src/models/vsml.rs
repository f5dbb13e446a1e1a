//! VSML: a network whose every connection is a small LSTM, all with the same weights, that learns from the messages
//! passing by (Kirsch and Schmidhuber 2021, "Meta learning backpropagation and improving it", arXiv 2012.14905).
//!
//! Between input unit `a` and output unit `b` of a layer, an LSTM of `hidden` units gets the forward message `m_a` and
//! the backward message `n_b`. With `LSTM` and the read-outs `V` shared by all connections of all layers, a tick is
//!
//! ```text
//! (h, c)_ab <- LSTM((h, c)_ab; m_a, n_b)
//! m_b = sum_a V_forward h_ab / sqrt(inputs)       n_a = sum_b V_backward h_ab / sqrt(outputs)
//! ```
//!
//! `x_j` enters as the messages of the first layer's inputs, the logits are the messages of the last layer's outputs,
//! and a label is told to those as the error `onehot(y) - softmax(logits)` and the one-hot. The weights know neither
//! the number nor the order of inputs and labels; only the first cells of a network with inner units differ, for units
//! that start equal would stay so.
//!
//! *Paired*, with `S` all of the states:
//!
//! ```text
//! query j:    S_{j-1}, x_j -> logits_j                     layers first to last, n = 0; states thrown away
//! context j:  S_{j-1}, the query's m, y_j, logits_j -> S_j layers last to first
//! ```
//!
//! *Shifted*:
//!
//! ```text
//! token j:    S_{j-1}, x_j, y_{j-1}, logits_{j-1} -> S_j, logits_j        layers first to last
//! ```
//!
//! Both ways, `logits_j` depends on `x_1..x_j` and `y_1..y_{j-1}` only. [`gpicl_ops::vsml`] has the details.

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor, TensorData};
use gpicl_ops::{Precision, VsmlNet, VsmlState};
use serde::{Deserialize, Serialize};

use super::state::State;
use super::tokens::{LabelScale, Layout};
use super::{Architecture, Dims, Initializer, SequenceModel, at_least_one, check, weights_fit};
use crate::error::{Error, Result};
use crate::rng::{Rng, Stream};

/// Sizes and options of a [`Vsml`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VsmlConfig {
    /// Units of the LSTM on every connection.
    pub hidden: usize,
    /// Units of the layers between input and labels; none makes one layer.
    pub units: Vec<usize>,
    /// Numbers in a forward message.
    pub forward: usize,
    /// Numbers in a backward message; with 1, the label is told as the error alone.
    pub backward: usize,
    /// How often an example is gone through.
    pub ticks: usize,
    /// One LSTM for all connections (VSML), or one for each: the same network without the symmetry.
    pub shared: bool,
    /// Where the labels stand.
    pub layout: Layout,
    /// Size of the label's message.
    pub label_scale: LabelScale,
    /// Bias of the forget gates at the start of meta-training: states last about `e^forget` examples.
    pub forget: f32,
}

impl Default for VsmlConfig {
    fn default() -> Self {
        Self {
            hidden: 16,
            units: Vec::new(),
            forward: 1,
            backward: 2,
            ticks: 1,
            shared: true,
            layout: Layout::Shifted,
            label_scale: LabelScale::default(),
            forget: 3.0,
        }
    }
}

impl VsmlConfig {
    /// Checks the sizes.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub fn validate(&self) -> Result<()> {
        at_least_one(&[
            ("hidden", self.hidden),
            ("forward", self.forward),
            ("backward", self.backward),
            ("ticks", self.ticks),
            ("units", self.units.iter().copied().min().unwrap_or(1)),
        ])?;
        let read = self.hidden.saturating_add(self.forward).saturating_add(self.backward);
        let widest = self.units.iter().copied().max().unwrap_or(1);
        weights_fit(1, &[[("hidden", self.hidden), ("hidden", read)], [("units", widest); 2]])?;
        self.label_scale.validate()?;
        if !self.forget.is_finite() {
            return Err(Error::config("model.forget", format!("is {}", self.forget), "give a number"));
        }
        Ok(())
    }

    pub(super) fn init(&self, dims: Dims, _precision: Precision, init: &mut Initializer) -> Vsml {
        let widths = [&[dims.input_dim], &self.units[..], &[dims.classes]].concat();
        let connections: usize = widths.windows(2).map(|ends| ends[0] * ends[1]).sum();
        let sets = if self.shared { 1 } else { connections };
        let (hidden, messages) = (self.hidden, self.forward + self.backward);
        let weight = init.normal(sets * (messages + hidden) * 4 * hidden, 1.0 / (hidden as f32).sqrt());
        let read = init.normal(sets * messages * hidden, 1.0);
        let mut bias = vec![0.0; sets * 4 * hidden];
        for bias in bias.chunks_exact_mut(4 * hidden) {
            bias[hidden..2 * hidden].fill(self.forget);
        }
        Vsml {
            weight: init.param(weight, [sets, messages + hidden, 4 * hidden]),
            bias: init.param(bias, [sets, 4 * hidden]),
            read: init.param(read, [sets, messages, hidden]),
            net: VsmlNet {
                widths,
                forward: self.forward,
                ticks: self.ticks,
                label_scale: self.label_scale.value(dims.input_dim),
                layout: self.layout,
            },
        }
    }
}

/// LSTMs on all connections of a network.
#[derive(Module, Debug)]
pub struct Vsml {
    /// `[sets, forward + backward + hidden, 4 * hidden]`.
    weight: Param<Tensor<3>>,
    /// `[sets, 4 * hidden]`.
    bias: Param<Tensor<2>>,
    /// `[sets, forward + backward, hidden]`.
    read: Param<Tensor<3>>,
    #[module(skip)]
    net: VsmlNet,
}

impl Vsml {
    fn weights(&self) -> gpicl_ops::Vsml {
        gpicl_ops::Vsml {
            weight: self.weight.val(),
            bias: self.bias.val(),
            read: self.read.val(),
            initial: self.initial(),
        }
    }

    #[track_caller]
    fn check_width(&self, what: &str, x: &Tensor<3>) {
        check::same(what, self.net.widths[0], x.dims()[2]);
    }

    /// The cells before the first example `[connections, hidden]`: zeros, or, where there are inner units to tell
    /// apart, draws from `N(0, 1)` that are always the same and are not learned.
    fn initial(&self) -> Tensor<2> {
        let [_, _, hidden] = self.read.dims();
        let (connections, device) = (connections(&self.net), self.read.device());
        if self.net.widths.len() == 2 {
            return Tensor::zeros([connections, hidden], &device);
        }
        let mut rng = Rng::new(0, Stream::Init, u64::MAX);
        let cells: Vec<f32> = (0..connections * hidden).map(|_| rng.normal()).collect();
        Tensor::from_data(TensorData::new(cells, [connections, hidden]), &device)
    }
}

impl State for VsmlState {
    /// Outputs, cells, and what the next token is told.
    fn size(&self) -> usize {
        [Some(&self.h), Some(&self.c), self.told.as_ref()]
            .into_iter()
            .flatten()
            .map(|part| part.dims()[1..].iter().product::<usize>())
            .sum()
    }
}

fn connections(net: &VsmlNet) -> usize {
    net.widths.windows(2).map(|ends| ends[0] * ends[1]).sum()
}

impl Architecture for Vsml {
    const HAS_BF16: bool = false;
}

impl SequenceModel for Vsml {
    type State = VsmlState;

    fn forward(&self, inputs: Tensor<3>, labels: Tensor<2, Int>) -> Tensor<3> {
        self.check_width("forward: width of the inputs", &inputs);
        gpicl_ops::vsml(inputs, labels, self.weights(), self.net.clone())
    }

    fn read(&self, inputs: Tensor<3>, labels: Tensor<2, Int>) -> VsmlState {
        self.check_width("read: width of the inputs", &inputs);
        let [batch, examples, _] = inputs.dims();
        let weights = self.weights();
        let start = VsmlState::start(&weights, &self.net, batch);
        if examples == 0 {
            return start;
        }
        gpicl_ops::vsml_read(inputs, labels, weights, start, self.net.clone())
    }

    fn answer(&self, state: &VsmlState, queries: Tensor<3>) -> Tensor<3> {
        self.check_width("answer: width of the queries", &queries);
        let layout = if state.told.is_some() { Layout::Shifted } else { Layout::Paired };
        check::same("answer: layout of the state", self.net.layout, layout);
        check::same("answer: batch of the state", queries.dims()[0], state.h.dims()[0]);
        gpicl_ops::vsml_queries(queries, self.weights(), state.clone(), self.net.clone())
    }

    /// Output and cell of every LSTM, `2 hidden` a connection. In the shifted layout also what the next token is told:
    /// the backward messages to the inner units, and logits and label of the last example, as the message to the last
    /// units.
    fn state_size(&self, _examples: usize) -> usize {
        let [_, messages, hidden] = self.read.dims();
        let told: usize = match self.net.layout {
            Layout::Paired => 0,
            Layout::Shifted => self.net.widths[1..].iter().sum::<usize>() * (messages - self.net.forward),
        };
        2 * hidden * connections(&self.net) + told
    }
}
