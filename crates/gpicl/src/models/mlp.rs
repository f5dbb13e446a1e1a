//! The multi-task MLP classifier: the paper's control without a context.

use burn::module::Module;
use burn::tensor::{Int, Tensor};
use gpicl_ops::{Activation, Precision};
use serde::{Deserialize, Serialize};

use super::layers::Linear;
use super::state::State;
use super::{Architecture, Dims, Initializer, SequenceModel, at_least_one, check, weights_fit};
use crate::error::Result;

/// Sizes of an [`Mlp`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MlpConfig {
    /// Width of the hidden layers.
    pub hidden: usize,
    /// Hidden layers.
    pub layers: usize,
}

impl Default for MlpConfig {
    fn default() -> Self {
        Self { hidden: 256, layers: 2 }
    }
}

impl MlpConfig {
    /// Checks the sizes.
    ///
    /// # Errors
    /// [`crate::Error::Config`] naming the field.
    pub fn validate(&self) -> Result<()> {
        at_least_one(&[("hidden", self.hidden), ("layers", self.layers)])?;
        weights_fit(self.layers, &[[("hidden", self.hidden); 2]])
    }

    pub(super) fn init(&self, dims: Dims, precision: Precision, init: &mut Initializer) -> Mlp {
        let hidden = (0..self.layers).map(|layer| {
            // GELU lets about half of the variance through, which the weights after it make up for.
            let (fan_in, scale) =
                if layer == 0 { (dims.input_dim, 1.0) } else { (self.hidden, 2.0_f32.sqrt()) };
            Linear::new(fan_in, self.hidden, scale, precision, init)
        });
        Mlp {
            hidden: hidden.collect(),
            head: Linear::new(self.hidden, dims.classes, 1.0, Precision::Fp32, init),
        }
    }
}

/// Predicts `y_j` from `x_j` alone: the labels of the episode are never read. It can therefore only memorise tasks
/// that it was meta-trained on, and never generalises to others (paper, section 4.1).
///
/// The units are GELU, as in the [`super::Transformer`]'s feed-forward layers, so that the two differ in the context
/// and not in the activation.
#[derive(Module, Debug)]
pub struct Mlp {
    hidden: Vec<Linear>,
    head: Linear,
}

/// Nothing is left of a context.
#[derive(Clone, Debug)]
pub struct NoState;

impl State for NoState {
    fn size(&self) -> usize {
        0
    }
}

impl Mlp {
    /// `x`: `[batch, time, input_dim]`, named by `what`.
    fn predict(&self, what: &str, x: Tensor<3>) -> Tensor<3> {
        self.check_width(what, &x);
        let x = self.hidden.iter().fold(x, |x, layer| layer.forward(x, Activation::Gelu));
        self.head.forward(x, Activation::Identity)
    }

    #[track_caller]
    fn check_width(&self, what: &str, x: &Tensor<3>) {
        check::same(what, self.hidden[0].weight.dims()[0], x.dims()[2]);
    }
}

impl Architecture for Mlp {}

impl SequenceModel for Mlp {
    type State = NoState;

    fn forward(&self, inputs: Tensor<3>, _labels: Tensor<2, Int>) -> Tensor<3> {
        self.predict("forward: width of the inputs", inputs)
    }

    fn read(&self, inputs: Tensor<3>, _labels: Tensor<2, Int>) -> NoState {
        self.check_width("read: width of the inputs", &inputs);
        NoState
    }

    fn answer(&self, _state: &NoState, queries: Tensor<3>) -> Tensor<3> {
        self.predict("answer: width of the queries", queries)
    }

    /// Nothing is carried from one position to the next.
    fn state_size(&self, _examples: usize) -> usize {
        0
    }
}
