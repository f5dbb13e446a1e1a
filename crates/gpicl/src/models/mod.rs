//! Sequence models: the architectures that meta-training turns into learning algorithms.
//!
//! A new architecture is one file with a config and a module that implement [`SequenceModel`], plus one
//! line in the `models!` list below.

pub mod blocks;
pub mod cells;
mod check;
pub mod delta_net;
pub mod fast_weights;
pub mod gla;
pub mod gru;
mod init;
pub mod layers;
pub mod lstm;
pub mod memory;
pub mod mesa;
pub mod mlp;
pub mod mlstm;
pub mod outer_product_lstm;
pub mod recurrent;
mod rotary;
mod sheet;
pub mod stack;
pub mod state;
pub mod tokens;
pub mod transformer;
mod votes;
pub mod vsml;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use gpicl_ops::Precision;
use serde::{Deserialize, Serialize};

pub use cells::{Cells, CellsConfig};
pub use delta_net::{DeltaNet, DeltaNetConfig};
pub use fast_weights::{FastWeights, FastWeightsConfig};
pub use gla::{Gla, GlaConfig};
pub use gru::Gru;
pub use init::Initializer;
pub use lstm::Lstm;
pub use mesa::{MesaNet, MesaNetConfig};
pub use mlp::{Mlp, MlpConfig};
pub use mlstm::{Mlstm, MlstmConfig};
pub use outer_product_lstm::{OuterProductLstm, OuterProductLstmConfig};
pub use recurrent::{Recurrent, RecurrentConfig};
pub use state::State;
pub use transformer::{Transformer, TransformerConfig};
pub use vsml::{Vsml, VsmlConfig};

use crate::error::{Error, Result};

/// The sizes that the task distribution fixes, and that every model has to fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dims {
    /// Length of a projected input `x_j`.
    pub input_dim: usize,
    /// Number of label slots: the length of `onehot(y)` and of the logits.
    pub classes: usize,
    /// Context length N: examples in an episode.
    pub episode_length: usize,
}

/// Refuses sizes of 0; `sizes` are fields of the `[model]` table with their values.
fn at_least_one(sizes: &[(&str, usize)]) -> Result<()> {
    match sizes.iter().find(|(_, value)| *value == 0) {
        Some((field, _)) => Err(Error::config(format!("model.{field}"), "is 0", "give at least 1")),
        None => Ok(()),
    }
}

/// Refuses what makes more weights than a machine holds: `layers` of matrices between two widths, each with the field of the `[model]`
/// table that it comes from.
fn weights_fit(layers: usize, matrices: &[[(&str, usize); 2]]) -> Result<()> {
    /// Most weights of a kind of matrix, in all layers: gradients and moments come on top.
    const MOST: usize = 1 << 30;
    for &[(one, rows), (other, columns)] in matrices {
        let matrix = rows.saturating_mul(columns);
        if matrix.saturating_mul(layers) <= MOST {
            continue;
        }
        let wider = if rows > columns { one } else { other };
        let field = if matrix > MOST { wider } else { "layers" };
        let problem = format!("makes {layers} times {rows} x {columns} weights, more than a machine holds");
        return Err(Error::config(format!("model.{field}"), problem, "give a smaller number"));
    }
    Ok(())
}

/// Refuses a field of the `[model]` table that is no positive number.
fn positive(field: &str, value: f32) -> Result<()> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(Error::config(format!("model.{field}"), format!("is {value}"), "give a positive number"))
}

/// Refuses a field of the `[model]` table that is no number from 0.
fn not_negative(field: &str, value: f32) -> Result<()> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    Err(Error::config(format!("model.{field}"), format!("is {value}"), "give a number from 0"))
}

/// Refuses `model.heads` that do not divide `model.d_model`.
fn heads_divide(heads: usize, d_model: usize) -> Result<()> {
    if d_model.is_multiple_of(heads) {
        return Ok(());
    }
    let problem = format!("{heads} does not divide model.d_model = {d_model}");
    Err(Error::config("model.heads", problem, "choose a divisor of d_model"))
}

/// A black-box learner: predicts every label of an episode from the examples before it.
///
/// [`forward`](Self::forward) predicts at every position of an episode, for meta-training and learning curves.
/// [`read`](Self::read) goes through a context once, and [`answer`](Self::answer) predicts for any number of queries.
/// The number of parameters is [`Module::num_params`].
pub trait SequenceModel: Module {
    /// What is left of a context once it was read.
    type State: State;

    /// Logits of `y_j` at every position `j`, `f(D_{1:j-1}, x_j)` in the paper.
    ///
    /// * `inputs`: `[batch, time, input_dim]`, `time` at most the episode length.
    /// * `labels`: `[batch, time]`; the prediction at `j` must not depend on `labels[j..]` or `inputs[j+1..]`.
    /// * returns `[batch, time, classes]`.
    ///
    /// # Panics
    /// If an input is not `input_dim` wide, the labels are not one an input, each below `classes`, or there are more
    /// examples than learned positions.
    fn forward(&self, inputs: Tensor<3>, labels: Tensor<2, Int>) -> Tensor<3>;

    /// Logits of the examples after the first `context`, predicted from them; where an architecture reads one example after
    /// another, from the examples in between as well. What meta-training asks for where it splits an episode.
    ///
    /// Arguments and panics as those of [`forward`](Self::forward); returns `[batch, time - context, classes]`.
    fn forward_after(&self, context: usize, inputs: Tensor<3>, labels: Tensor<2, Int>) -> Tensor<3> {
        let [_, time, _] = inputs.dims();
        self.forward(inputs, labels).narrow(1, context, time - context)
    }

    /// Reads a context, without gradient.
    ///
    /// * `inputs`: `[batch, examples, input_dim]`, `examples` from 0 to one less than the episode length.
    /// * `labels`: `[batch, examples]`.
    ///
    /// # Panics
    /// As [`forward`](Self::forward); and if the examples leave a query no learned position.
    fn read(&self, inputs: Tensor<3>, labels: Tensor<2, Int>) -> Self::State;

    /// Logits of queries, each as if it stood alone after the context: those of [`forward`](Self::forward) at the last
    /// position of context and query.
    ///
    /// * `queries`: `[batch, queries, input_dim]`, at least one.
    /// * returns `[batch, queries, classes]`.
    ///
    /// # Panics
    /// If a query is not `input_dim` wide; if the state is that of another architecture, layout or batch, of another
    /// shape, or of a longer context than [`read`](Self::read) takes. A state of the right shape from another model is
    /// not told apart.
    fn answer(&self, state: &Self::State, queries: Tensor<3>) -> Tensor<3>;

    /// Numbers an episode in the state after `examples` examples, what [`State::size`] counts: the memory that bounds
    /// the learner (paper, section 4.2).
    fn state_size(&self, examples: usize) -> usize;
}

/// What an architecture is, whatever its sizes.
pub trait Architecture {
    /// Whether it has products in bfloat16; one that has none computes in fp32 whatever `precision` says.
    const HAS_BF16: bool = true;
    /// Whether inputs are the cells of a table as they are: of any number of features, in any units, NaN where one is missing.
    /// Others compute with what they are given.
    const READS_TABLES: bool = false;
}

/// Declares the architectures once: the config enum (`kind = "..."` in TOML), the module enum, the enum of their states,
/// and their dispatch.
macro_rules! models {
    ($($(#[$doc:meta])* $kind:literal => $name:ident($config:ident)),+ $(,)?) => {
        /// Which architecture, with its sizes: the `[model]` table of a run's `config.toml`.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        pub enum ModelConfig {
            $($(#[$doc])* #[serde(rename = $kind)] $name($config),)+
        }

        impl ModelConfig {
            /// The names that `model.kind` takes.
            pub const KINDS: &'static [&'static str] = &[$($kind),+];

            /// The architecture's name, as `model.kind` takes it.
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$name(_) => $kind,)+ }
            }

            /// [`Architecture::HAS_BF16`].
            pub fn has_bf16(&self) -> bool {
                match self { $(Self::$name(_) => $name::HAS_BF16,)+ }
            }

            /// [`Architecture::READS_TABLES`].
            pub fn reads_tables(&self) -> bool {
                match self { $(Self::$name(_) => $name::READS_TABLES,)+ }
            }

            /// The field of a `[model]` table that does not read, and why; none if its kind is none. Read as a whole, the table
            /// alone would be named.
            pub(crate) fn fault(table: &toml::Table) -> Option<(String, String)> {
                let mut sizes = table.clone();
                let kind = sizes.remove("kind")?;
                let read = match kind.as_str()? {
                    $($kind => serde_path_to_error::deserialize::<_, $config>(toml::Value::Table(sizes)).err(),)+
                    _ => None,
                };
                read.map(|error| (error.path().to_string(), error.into_inner().message().to_string()))
            }

            /// Checks the sizes against each other.
            ///
            /// # Errors
            /// [`crate::Error::Config`] naming the field.
            pub fn validate(&self) -> Result<()> {
                match self { $(Self::$name(config) => config.validate(),)+ }
            }

            /// A freshly initialised model on `device`, a pure function of the config and `seed`.
            ///
            /// # Errors
            /// As [`ModelConfig::validate`].
            pub fn init(&self, dims: Dims, precision: Precision, seed: u64, device: &Device) -> Result<Model> {
                self.validate()?;
                let mut init = Initializer::new(seed, device);
                Ok(match self { $(Self::$name(config) => Model::$name(config.init(dims, precision, &mut init)),)+ })
            }
        }

        /// A model of any architecture.
        #[allow(clippy::large_enum_variant, reason = "a program has one model, whose tensors are elsewhere")]
        #[derive(Module, Debug)]
        pub enum Model {
            $($(#[$doc])* $name($name),)+
        }

        /// What is left of a context that a [`Model`] read.
        #[allow(clippy::large_enum_variant, reason = "a program has few states, whose tensors are elsewhere")]
        #[derive(Clone, Debug)]
        pub enum ModelState {
            $(#[doc = concat!("Of [`Model::", stringify!($name), "`].")] $name(<$name as SequenceModel>::State),)+
        }

        impl Model {
            fn kind(&self) -> &'static str {
                match self { $(Self::$name(_) => $kind,)+ }
            }
        }

        impl ModelState {
            fn kind(&self) -> &'static str {
                match self { $(Self::$name(_) => $kind,)+ }
            }
        }

        impl State for ModelState {
            fn size(&self) -> usize {
                match self { $(Self::$name(state) => state.size(),)+ }
            }
        }

        impl SequenceModel for Model {
            type State = ModelState;

            fn forward(&self, inputs: Tensor<3>, labels: Tensor<2, Int>) -> Tensor<3> {
                check_labels(&inputs, &labels);
                // On a thread of the pool: kernels need not hand their work over to it.
                rayon::scope(|_| match self { $(Self::$name(model) => model.forward(inputs, labels),)+ })
            }

            fn forward_after(&self, context: usize, inputs: Tensor<3>, labels: Tensor<2, Int>) -> Tensor<3> {
                check_labels(&inputs, &labels);
                rayon::scope(|_| match self {
                    $(Self::$name(model) => model.forward_after(context, inputs, labels),)+
                })
            }

            fn read(&self, inputs: Tensor<3>, labels: Tensor<2, Int>) -> ModelState {
                check_labels(&inputs, &labels);
                rayon::scope(|_| match self {
                    $(Self::$name(model) => ModelState::$name(model.read(inputs, labels)),)+
                })
            }

            fn answer(&self, state: &ModelState, queries: Tensor<3>) -> Tensor<3> {
                rayon::scope(|_| match (self, state) {
                    $((Self::$name(model), ModelState::$name(state)) => model.answer(state, queries),)+
                    _ => panic!("answer: state: expected {}, found {}", self.kind(), state.kind()),
                })
            }

            fn state_size(&self, examples: usize) -> usize {
                match self { $(Self::$name(model) => model.state_size(examples),)+ }
            }
        }
    };
}

models! {
    /// The paper's learner: pre-LN causal Transformer.
    "transformer" => Transformer(TransformerConfig),
    /// Fast weight programmer: linear attention, a sum of outer products.
    "fast-weights" => FastWeights(FastWeightsConfig),
    /// Fast weights by the delta rule, with decay the gated DeltaNet.
    "delta-net" => DeltaNet(DeltaNetConfig),
    /// The matrix memory of xLSTM.
    "mlstm" => Mlstm(MlstmConfig),
    /// Gated linear attention.
    "gla" => Gla(GlaConfig),
    /// Kernel ridge regression in the forward pass.
    "mesa-net" => MesaNet(MesaNetConfig),
    /// A token for one or some cells of a table, attention over features and rows in turn.
    "cells" => Cells(CellsConfig),
    /// Stacked long short-term memory.
    "lstm" => Lstm(RecurrentConfig),
    /// Stacked gated recurrent units.
    "gru" => Gru(RecurrentConfig),
    /// A recurrent network whose state is a matrix per head.
    "outer-product-lstm" => OuterProductLstm(OuterProductLstmConfig),
    /// A network whose every connection is a small LSTM.
    "vsml" => Vsml(VsmlConfig),
    /// A classifier without context, which can only memorise.
    "mlp" => Mlp(MlpConfig),
}

impl ModelConfig {
    /// Tokens that it makes of a query of `width` numbers.
    pub fn tokens(&self, width: usize) -> usize {
        match self {
            Self::Cells(config) => config.tokens(width),
            _ => 1,
        }
    }

    /// Whether it learns a position for each example of an episode, so that it reads no longer ones.
    pub fn has_positions(&self) -> bool {
        let table = toml::Value::try_from(self).expect("a configuration has a TOML form");
        table.get("positions").and_then(toml::Value::as_bool).unwrap_or_default()
    }
}

/// Panics unless every input has a label.
#[track_caller]
fn check_labels(inputs: &Tensor<3>, labels: &Tensor<2, Int>) {
    let [batch, time, _] = inputs.dims();
    assert_eq!(labels.dims(), [batch, time], "labels must be [batch, time] = [{batch}, {time}]");
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self::Transformer(TransformerConfig::default())
    }
}
