//! The recurrent learner of the paper's comparison: stacked long short-term memory.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use gpicl_ops::{Activation, LstmState, Precision};

use super::Initializer;
use super::layers::Linear;
use super::recurrent::{Cell, Recurrent};
use super::stack::Layer;
use super::state::State;
use super::tokens::Layout;

/// Long short-term memory over the tokens of one episode.
pub type Lstm = Recurrent<LstmLayer>;

/// One layer: the input's share of the gates for all tokens at once, then the scan.
#[derive(Module, Debug)]
pub struct LstmLayer {
    input: Linear,
    /// `[hidden, 4 * hidden]`.
    recurrent: Param<Tensor<2>>,
    #[module(skip)]
    layout: Layout,
    #[module(skip)]
    precision: Precision,
}

impl State for LstmState {
    /// Output and cell.
    fn size(&self) -> usize {
        self.h.dims()[1] + self.c.dims()[1]
    }
}

impl Cell for LstmLayer {
    /// Weights `N(0, 1 / hidden)`. The forget gates' bias is 1, the others 0: a cell remembers before it has learnt
    /// what to forget (Gers et al. 2000; Jozefowicz et al. 2015).
    fn new(hidden: usize, layout: Layout, precision: Precision, init: &mut Initializer) -> Self {
        let mut input = Linear::new(hidden, 4 * hidden, 1.0, precision, init);
        let mut bias = vec![0.0; 4 * hidden];
        bias[hidden..2 * hidden].fill(1.0);
        input.bias = init.param(bias, [4 * hidden]);
        Self { input, recurrent: init.weight(hidden, 4 * hidden, 1.0), layout, precision }
    }
}

impl Layer for LstmLayer {
    type State = LstmState;

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let gates = self.input.forward(x, Activation::Identity);
        gpicl_ops::lstm(gates, self.recurrent.val(), self.layout, self.precision)
    }

    fn empty(&self, batch: usize, device: &Device) -> LstmState {
        LstmState::start(batch, self.recurrent.dims()[0], device)
    }

    fn read(&self, x: Tensor<3>) -> (Tensor<3>, LstmState) {
        let start = self.empty(x.dims()[0], &x.device());
        let gates = self.input.forward(x, Activation::Identity);
        gpicl_ops::lstm_with_state(gates, self.recurrent.val(), start, self.precision)
    }

    fn answer(&self, state: &LstmState, x: Tensor<3>) -> Tensor<3> {
        let gates = self.input.forward(x, Activation::Identity);
        gpicl_ops::lstm_queries(gates, self.recurrent.val(), state.clone(), self.precision)
    }

    /// Output and cell: `2 x hidden`, however long the context.
    fn state_size(&self, _examples: usize) -> usize {
        2 * self.recurrent.dims()[0]
    }
}
