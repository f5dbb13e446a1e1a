//! What the operations take and give besides single tensors: parameters, and states between tokens.

use burn::tensor::{Device, Tensor};

use crate::kind::TokenLayout;

/// The parameters of [`crate::embed`].
#[derive(Clone, Debug)]
pub struct Embedding {
    /// `[in, d_model]`.
    pub weight: Tensor<2>,
    /// `[d_model]`.
    pub bias: Tensor<1>,
    /// `[classes, d_model]`.
    pub label: Tensor<2>,
    /// `[time, d_model]`, or no positions.
    pub position: Option<Tensor<2>>,
    /// Factor of the label's row.
    pub label_scale: f32,
}

/// The parameters of [`crate::feed_forward`].
#[derive(Clone, Debug)]
pub struct FeedForward {
    /// `[in, hidden]`.
    pub up: Tensor<2>,
    /// `[hidden]`.
    pub up_bias: Tensor<1>,
    /// `[hidden, out]`.
    pub down: Tensor<2>,
    /// `[out]`.
    pub down_bias: Tensor<1>,
}

/// What every token reads, writes and forgets in [`crate::matrix_memory`], heads side by side.
#[derive(Clone, Debug)]
pub struct MemoryTokens {
    /// `[batch, tokens, heads * d_key]`.
    pub query: Tensor<3>,
    /// `[batch, tokens, heads * d_key]`.
    pub key: Tensor<3>,
    /// `[batch, tokens, heads * d_value]`.
    pub value: Tensor<3>,
    /// Write strengths, `[batch, tokens, heads]`.
    pub write: Tensor<3>,
    /// Logarithms of the factors of the state before each token, finite and at most 0, `[batch, tokens, heads]`;
    /// none for a memory that does not fade.
    pub log_decay: Option<Tensor<3>>,
}

/// What a layer of long short-term memory carries from one token to the next.
#[derive(Clone, Debug)]
pub struct LstmState {
    /// The output, `[batch, hidden]`.
    pub h: Tensor<2>,
    /// The cell, `[batch, hidden]`.
    pub c: Tensor<2>,
}

impl LstmState {
    /// That before the first token: zeros.
    pub fn start(batch: usize, hidden: usize, device: &Device) -> Self {
        let zeros = Tensor::zeros([batch, hidden], device);
        Self { h: zeros.clone(), c: zeros }
    }
}

/// What the outer-product LSTM carries from one token to the next.
#[derive(Clone, Debug)]
pub struct OuterProductState {
    /// The last output, `[batch, heads * size]`.
    pub h: Tensor<2>,
    /// Every head's matrix, `[batch, heads, size, size]`.
    pub memory: Tensor<4>,
}

impl OuterProductState {
    /// That before the first token: zeros.
    pub fn start(batch: usize, heads: usize, size: usize, device: &Device) -> Self {
        let memory = Tensor::zeros([batch, heads, size, size], device);
        Self { h: Tensor::zeros([batch, heads * size], device), memory }
    }
}

/// The parameters of [`crate::vsml`]: one set for all connections, or one for each.
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

/// What an example leaves to the next one.
#[derive(Clone, Debug)]
pub struct VsmlState {
    /// Outputs of the LSTMs, `[batch, connections, hidden]`.
    pub h: Tensor<3>,
    /// Their cells, of the same shape.
    pub c: Tensor<3>,
    /// In the shifted layout, the backward messages to the units of every layer but the input's, the label's among them:
    /// `[batch, units, backward]`.
    pub told: Option<Tensor<3>>,
}

impl VsmlState {
    /// That before the first example of `batch` episodes.
    pub fn start(weights: &Vsml, net: &VsmlNet, batch: usize) -> Self {
        let [connections, hidden] = weights.initial.dims();
        let c = weights.initial.clone().unsqueeze::<3>().expand([batch, connections, hidden]);
        let told = (net.layout == TokenLayout::Shifted)
            .then(|| Tensor::zeros(told_shape(weights, net, batch), &c.device()));
        Self { h: Tensor::zeros([batch, connections, hidden], &c.device()), c, told }
    }
}

/// Shape of [`VsmlState::told`].
pub(crate) fn told_shape(weights: &Vsml, net: &VsmlNet, batch: usize) -> [usize; 3] {
    let [_, messages, _] = weights.read.dims();
    [batch, net.widths[1..].iter().sum(), messages - net.forward]
}
