//! How an episode becomes tokens: which label each token carries, and what a prediction may see.

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};
use gpicl_ops::{Activation, Embedding, Precision};
use serde::{Deserialize, Deserializer, Serialize};

pub use gpicl_ops::TokenLayout as Layout;

use super::layers::Linear;
use super::state::ContextEnd;
use super::{Dims, Initializer, check, not_negative, positive};
use crate::error::{Error, Result};

/// Size of the one-hot label next to the input, which has norm about `sqrt(input_dim)`. A bare number is an absolute one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LabelScale {
    /// The one-hot holds this number (the paper: 1).
    Absolute(f32),
    /// The one-hot holds this multiple of `sqrt(input_dim)`, so that the label is not drowned by the input.
    Relative(f32),
}

impl LabelScale {
    /// The number that the one-hot holds.
    pub fn value(self, input_dim: usize) -> f32 {
        match self {
            Self::Absolute(value) => value,
            Self::Relative(value) => value * (input_dim as f32).sqrt(),
        }
    }

    /// Checks that it is a size.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub fn validate(self) -> Result<()> {
        let (Self::Absolute(scale) | Self::Relative(scale)) = self;
        positive("label_scale", scale)
    }
}

impl Default for LabelScale {
    fn default() -> Self {
        Self::Absolute(1.0)
    }
}

impl<'de> Deserialize<'de> for LabelScale {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Named {
            Absolute(f32),
            Relative(f32),
        }
        match toml::Value::deserialize(deserializer)? {
            toml::Value::Float(value) => Ok(Self::Absolute(value as f32)),
            toml::Value::Integer(value) => Ok(Self::Absolute(value as f32)),
            other => match Named::deserialize(other).map_err(serde::de::Error::custom)? {
                Named::Absolute(value) => Ok(Self::Absolute(value)),
                Named::Relative(value) => Ok(Self::Relative(value)),
            },
        }
    }
}

/// Standard deviation that learned positions begin with, unless it is said.
pub(super) const POSITION_STD: f32 = 0.02;

/// Checks the standard deviation that learned positions begin with, which says nothing where there are none.
///
/// # Errors
/// [`Error::Config`] naming the field.
pub(super) fn check_position_std(positions: bool, std: f32) -> Result<()> {
    if !positions && std != POSITION_STD {
        let problem = format!("is {std}, and there are no learned positions");
        return Err(Error::config(
            "model.position_std",
            problem,
            "set model.positions = true, or leave it out",
        ));
    }
    not_negative("position_std", std)
}

/// What is done to an example to make a token of it.
#[derive(Clone, Copy, Debug)]
pub struct Tokens {
    /// Where the labels stand.
    pub layout: Layout,
    /// Size of the one-hot label.
    pub label_scale: LabelScale,
    /// Norm that inputs, of norm about `sqrt(input_dim)`, are brought to; none: they stay as they are.
    pub input_norm: Option<f32>,
    /// Standard deviation that learned positions begin with; none: there are none.
    pub position_std: Option<f32>,
}

impl Tokens {
    /// With inputs as they are, and with learned positions of the usual size or none.
    pub fn plain(layout: Layout, label_scale: LabelScale, positions: bool) -> Self {
        Self { layout, label_scale, input_norm: None, position_std: positions.then_some(POSITION_STD) }
    }

    /// Checks the sizes.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub fn validate(self) -> Result<()> {
        if let Some(norm) = self.input_norm {
            positive("input_norm", norm)?;
        }
        self.label_scale.validate()
    }
}

/// Linear embedding of `concat(input_scale * x, label_scale * onehot(y))` plus a learned position.
///
/// The weight of the concatenation is kept as its two blocks of rows, so that the one-hot is a look-up and
/// both tokens of the paired layout share the product with `x`.
#[derive(Module, Debug)]
pub struct TokenEmbedding {
    input: Linear,
    /// `[classes, d_model]`, the label rows of the weight times the label scale.
    label: Param<Tensor<2>>,
    /// `[episode_length, d_model]`; both tokens of an example share it.
    position: Option<Param<Tensor<2>>>,
    #[module(skip)]
    input_scale: Option<f32>,
    #[module(skip)]
    label_scale: f32,
    #[module(skip)]
    layout: Layout,
    #[module(skip)]
    precision: Precision,
}

impl TokenEmbedding {
    /// Weights `N(0, 1 / (input_dim + classes))`; positions `N(0, position_std^2)`.
    pub fn new(
        dims: Dims,
        d_model: usize,
        tokens: Tokens,
        precision: Precision,
        init: &mut Initializer,
    ) -> Self {
        let Tokens { layout, label_scale, input_norm, position_std } = tokens;
        let std = 1.0 / ((dims.input_dim + dims.classes) as f32).sqrt();
        let input = init.normal(dims.input_dim * d_model, std);
        let label = init.normal(dims.classes * d_model, std);
        let position = position_std.map(|std| {
            let values = init.normal(dims.episode_length * d_model, std);
            init.param(values, [dims.episode_length, d_model])
        });
        let weight = init.param(input, [dims.input_dim, d_model]);
        Self {
            input: Linear::from_weight(weight, precision, init),
            label: init.param(label, [dims.classes, d_model]),
            position,
            input_scale: input_norm.map(|norm| norm / (dims.input_dim as f32).sqrt()),
            label_scale: label_scale.value(dims.input_dim),
            layout,
            precision,
        }
    }

    /// With an orthogonal map of inputs of the same size.
    pub fn orthogonal(self, init: &mut Initializer) -> Self {
        let [input_dim, d_model] = self.input.weight.dims();
        let [classes, _] = self.label.dims();
        let std = 1.0 / ((input_dim + classes) as f32).sqrt();
        let weight = init.orthogonal(input_dim, d_model, std);
        let input = Linear::from_weight(init.param(weight, [input_dim, d_model]), self.precision, init);
        Self { input, ..self }
    }

    /// `inputs` `[batch, time, input_dim]`, `labels` `[batch, time]` to `[batch, tokens(time), d_model]`.
    pub fn forward(&self, inputs: Tensor<3>, labels: Tensor<2, Int>) -> Tensor<3> {
        let [_, time, width] = inputs.dims();
        self.check_width("forward: width of the inputs", width);
        self.check_positions("forward: examples", time, 0);
        let weights = Embedding {
            weight: self.input.weight.val(),
            bias: self.input.bias.val(),
            label: self.label.val(),
            position: self.position.as_ref().map(|position| position.val().narrow(0, 0, time)),
            label_scale: self.label_scale,
        };
        gpicl_ops::embed(self.scaled(inputs), labels, weights, self.layout, self.precision)
    }

    /// The tokens of a context alone, one an example `[batch, examples, d_model]`, none without examples; and what its
    /// queries are told.
    pub fn read(&self, inputs: Tensor<3>, labels: Tensor<2, Int>) -> (Option<Tensor<3>>, ContextEnd) {
        let [batch, examples, width] = inputs.dims();
        self.check_width("read: width of the inputs", width);
        self.check_positions("read: examples before a query", examples, 1);
        let mut end = ContextEnd { batch, layout: self.layout, examples, label: None };
        if examples == 0 {
            return (None, end);
        }
        if self.layout == Layout::Shifted {
            end.label = Some(labels.clone().slice([0..batch, examples - 1..examples]).reshape([batch]));
        }
        // In the paired layout the contexts come first.
        let tokens = self.forward(inputs, labels).narrow(1, 0, examples);
        (Some(tokens), end)
    }

    /// The tokens of `queries` `[batch, queries, input_dim]`, each at the context's end: `[batch, queries, d_model]`.
    pub fn answer(&self, end: &ContextEnd, queries: Tensor<3>) -> Tensor<3> {
        let [batch, _, width] = queries.dims();
        self.check_width("answer: width of the queries", width);
        check::same("answer: layout of the state", self.layout, end.layout);
        check::same("answer: batch of the state", batch, end.batch);
        self.check_positions("answer: examples of the state, before a query", end.examples, 1);
        let [_, d_model] = self.label.dims();
        let mut tokens = self.input.forward(self.scaled(queries), Activation::Identity);
        if let Some(position) = &self.position {
            tokens = tokens + position.val().narrow(0, end.examples, 1).unsqueeze::<3>();
        }
        if let Some(label) = &end.label {
            let label = self.label.val().select(0, label.clone()) * self.label_scale;
            tokens = tokens + label.reshape([batch, 1, d_model]);
        }
        tokens
    }

    fn scaled(&self, inputs: Tensor<3>) -> Tensor<3> {
        match self.input_scale {
            Some(scale) => inputs * scale,
            None => inputs,
        }
    }

    #[track_caller]
    fn check_width(&self, what: &str, width: usize) {
        check::same(what, self.input.weight.dims()[0], width);
    }

    /// Panics if `examples`, or `queries` after them, would stand where no position was learned.
    #[track_caller]
    fn check_positions(&self, what: &str, examples: usize, queries: usize) {
        if let Some(position) = &self.position {
            let [positions, _] = position.dims();
            check::at_most(
                &format!("{what}, with {positions} learned positions"),
                positions - queries,
                examples,
            );
        }
    }

    /// What [`ContextEnd`] holds after `examples` examples, for [`super::SequenceModel::state_size`].
    pub fn state_size(&self, examples: usize) -> usize {
        usize::from(self.layout == Layout::Shifted && examples > 0)
    }

    /// The part of the tokens' outputs that predicts: `[batch, tokens, f]` to `[batch, time, f]`.
    pub fn predictions(&self, tokens: Tensor<3>) -> Tensor<3> {
        match self.layout {
            Layout::Shifted => tokens,
            Layout::Paired => {
                let [batch, count, features] = tokens.dims();
                tokens.slice([0..batch, count / 2..count, 0..features])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::tasks::host;

    #[test]
    fn positions_and_inputs_have_the_size_that_is_asked_for() {
        let (dims, device) = (Dims { input_dim: 16, classes: 3, episode_length: 50 }, Device::flex());
        let embedding = |input_norm, position_std| {
            let tokens = Tokens {
                layout: Layout::Shifted,
                label_scale: LabelScale::default(),
                input_norm,
                position_std,
            };
            TokenEmbedding::new(dims, 40, tokens, Precision::Fp32, &mut Initializer::new(1, &device))
        };
        let positions = host(embedding(None, Some(0.5)).position.unwrap().val());
        let variance = positions.iter().map(|x| x * x).sum::<f32>() / positions.len() as f32;
        assert!((variance.sqrt() - 0.5).abs() < 0.03, "{variance}");
        // Norms of 4 are brought to 1.
        let numbers: Vec<f32> = (0..32).map(|number| (number as f32).sin()).collect();
        let inputs = Tensor::<3>::from_data(TensorData::new(numbers, [1, 2, 16]), &device);
        let labels = Tensor::<2, Int>::from_data(TensorData::new(vec![0, 2], [1, 2]), &device);
        let found = host(embedding(Some(1.0), None).forward(inputs.clone(), labels.clone()));
        assert_eq!(found, host(embedding(None, None).forward(inputs / 4.0, labels)));
    }

    #[test]
    fn a_label_scale_is_named_or_a_bare_number() {
        let read = |text: &str| -> Result<LabelScale, String> {
            let table: toml::Table = format!("scale = {text}").parse().unwrap();
            LabelScale::deserialize(table["scale"].clone()).map_err(|error| error.to_string())
        };
        for (text, scale) in [
            ("{ relative = 0.25 }", LabelScale::Relative(0.25)),
            ("{ absolute = 2.0 }", LabelScale::Absolute(2.0)),
            ("1.5", LabelScale::Absolute(1.5)),
            ("2", LabelScale::Absolute(2.0)),
        ] {
            assert_eq!(read(text), Ok(scale), "{text}");
        }
        let error = read("{ relativ = 1.0 }").unwrap_err();
        assert!(error.contains("relativ") && error.contains("absolute"), "{error}");
    }
}
