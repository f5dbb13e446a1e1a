//! Stacked gated recurrent units: a recurrent learner with half the LSTM's state.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use gpicl_ops::{Activation, Precision};

use super::Initializer;
use super::layers::Linear;
use super::recurrent::{Cell, Recurrent};
use super::stack::Layer;
use super::state::State;
use super::tokens::Layout;

/// Gated recurrent units over the tokens of one episode.
pub type Gru = Recurrent<GruLayer>;

/// One layer: the input's share of the gates for all tokens at once, then the scan.
#[derive(Module, Debug)]
pub struct GruLayer {
    input: Linear,
    /// `[hidden, 3 * hidden]` and `[3 * hidden]`; the reset gate lets the bias of the candidate through as well.
    recurrent: Linear,
    #[module(skip)]
    layout: Layout,
    #[module(skip)]
    precision: Precision,
}

/// The last output, `[batch, hidden]`.
#[derive(Clone, Debug)]
pub struct GruState(Tensor<2>);

impl State for GruState {
    fn size(&self) -> usize {
        self.0.dims()[1]
    }
}

impl Cell for GruLayer {
    /// Weights `N(0, 1 / hidden)`, biases zero.
    fn new(hidden: usize, layout: Layout, precision: Precision, init: &mut Initializer) -> Self {
        Self {
            input: Linear::new(hidden, 3 * hidden, 1.0, precision, init),
            recurrent: Linear::new(hidden, 3 * hidden, 1.0, precision, init),
            layout,
            precision,
        }
    }
}

impl Layer for GruLayer {
    type State = GruState;

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let gates = self.input.forward(x, Activation::Identity);
        let Linear { weight, bias, .. } = &self.recurrent;
        gpicl_ops::gru(gates, weight.val(), bias.val(), self.layout, self.precision)
    }

    fn empty(&self, batch: usize, device: &Device) -> GruState {
        GruState(Tensor::zeros([batch, self.recurrent.weight.dims()[0]], device))
    }

    fn read(&self, x: Tensor<3>) -> (Tensor<3>, GruState) {
        let GruState(start) = self.empty(x.dims()[0], &x.device());
        let gates = self.input.forward(x, Activation::Identity);
        let Linear { weight, bias, .. } = &self.recurrent;
        let (out, h) = gpicl_ops::gru_with_state(gates, weight.val(), bias.val(), start, self.precision);
        (out, GruState(h))
    }

    fn answer(&self, GruState(h): &GruState, x: Tensor<3>) -> Tensor<3> {
        let gates = self.input.forward(x, Activation::Identity);
        let Linear { weight, bias, .. } = &self.recurrent;
        gpicl_ops::gru_queries(gates, weight.val(), bias.val(), h.clone(), self.precision)
    }

    /// The output: `hidden`, however long the context.
    fn state_size(&self, _examples: usize) -> usize {
        self.recurrent.weight.dims()[0]
    }
}
