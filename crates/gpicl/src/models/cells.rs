//! A learner for tables: a token for one or some cells of a row, attention over the tokens of a row and over the rows of a column
//! in turn (Hollmann et al. 2025).
//!
//! It takes tables of any number of features, in any units, with cells that are missing, and knows no order of rows. Tokens lie
//! column by column, `[columns, rows, d_model]`, the columns of an episode one after another with that of its labels as the
//! last. The rows of the context see each other; a query sees the context and itself.

use std::ops::Range;

use burn::module::Module;
use burn::tensor::{Int, Tensor};
use gpicl_ops::{Activation, AttentionMask, Precision};
use serde::{Deserialize, Serialize};

use super::layers::{FeedForward, LayerNorm, Linear, Sharpening};
use super::sheet::{Columns, Sheet};
use super::state::State;
use super::transformer::KeysValues;
use super::votes::Votes;
use super::{Architecture, Dims, Initializer, SequenceModel, at_least_one, check, heads_divide, weights_fit};
use crate::error::{Error, Result};
use crate::rng::{Rng, Stream};
use crate::tasks::host;

/// Sizes of a [`Cells`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CellsConfig {
    /// Width of the residual stream.
    pub d_model: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Heads of a block; divides `d_model`.
    pub heads: usize,
    /// Width of the feed-forward hidden layer.
    pub d_ff: usize,
    /// Whether the labels of the context also vote for that of a query, a start that meta-training hardly leaves
    /// (`docs/predict.md`).
    pub votes: bool,
    /// Whether attention over rows may grow sharper the more rows there are.
    pub sharpening: bool,
    /// Features of a row that make one token. More make meta-training and answers cheaper; what a token makes of its features
    /// depends on their order.
    pub together: usize,
}

impl Default for CellsConfig {
    fn default() -> Self {
        Self { d_model: 96, layers: 4, heads: 3, d_ff: 192, votes: false, sharpening: true, together: 1 }
    }
}

impl CellsConfig {
    /// More would be nothing but absent columns: a prediction looks at so many features at most.
    const MOST_TOGETHER: usize = 100;

    /// Tokens of a row of `width` cells, that of its label included.
    pub fn tokens(&self, width: usize) -> usize {
        width.div_ceil(self.together) + 1
    }

    /// Checks the sizes against each other.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub fn validate(&self) -> Result<()> {
        let Self { d_model, layers, heads, d_ff, together, .. } = *self;
        let sizes = [
            ("d_model", d_model),
            ("layers", layers),
            ("heads", heads),
            ("d_ff", d_ff),
            ("together", together),
        ];
        at_least_one(&sizes)?;
        if together > Self::MOST_TOGETHER {
            let fix = format!("give at most {}", Self::MOST_TOGETHER);
            return Err(Error::config("model.together", format!("is {together}"), fix));
        }
        let (d_model, d_ff) = (("d_model", d_model), ("d_ff", d_ff));
        weights_fit(layers, &[[d_model; 2], [d_model, d_ff]])?;
        heads_divide(heads, d_model.1)
    }

    /// The name of the weights whose shape tells how many features share a token.
    pub(crate) const OF_CELLS: &'static str = "embedding.cell.weight";

    /// The shape of [`Self::OF_CELLS`].
    pub(crate) fn shape_of_cells(&self, classes: usize) -> [usize; 2] {
        [Sheet::width(self.together, classes), self.d_model]
    }

    /// [`Self::OF_CELLS`] of tokens that hold the cells of as many features as here, `[numbers, d_model]`, from those of tokens that
    /// hold fewer, `earlier`, of the shape that [`Self::shape_of_cells`] says. A cell in a new place is told as one in an old place, to
    /// other hidden units; a token whose new places are empty stays as it was.
    pub(crate) fn with_more_places(&self, earlier: &Self, weights: &[f32]) -> Vec<f32> {
        let (width, old) = (self.d_model, earlier.together);
        let rows = |of: Range<usize>| &weights[of.start * width..of.end * width];
        let mut wider = Vec::new();
        for place in 0..self.together {
            let mut units: Vec<usize> = (0..width).collect();
            if place >= old {
                Rng::new(0, Stream::Place, place as u64).shuffle(&mut units);
            }
            let cell = rows(Sheet::cell(place % old)).chunks_exact(width);
            wider.extend(cell.flat_map(|row| units.iter().map(|&unit| row[unit])));
        }
        wider.extend_from_slice(rows(Sheet::cell(old).start..weights.len() / width));
        wider
    }

    pub(super) fn init(&self, dims: Dims, precision: Precision, init: &mut Initializer) -> Cells {
        let Self { d_model, layers, heads, d_ff, votes, sharpening, together } = *self;
        // A block adds to the residual stream three times.
        let scale = 1.0 / ((3 * layers) as f32).sqrt();
        let embedding = Embedding {
            cell: Linear::new(Sheet::width(together, dims.classes), d_model, 1.0, precision, init),
            hidden: Linear::new(d_model, d_model, 2.0_f32.sqrt(), precision, init),
        };
        let mut block = || Block {
            across: Attention::new(d_model, heads, scale, None, precision, init),
            along: {
                let sharpening = sharpening.then(|| Sharpening::new(d_model, init));
                Attention::new(d_model, heads, scale, sharpening, precision, init)
            },
            feed_forward: FeedForward::new(d_model, d_ff, scale, precision, init),
        };
        let blocks = (0..layers).map(|_| block()).collect();
        // Beside votes, which say something from the start, the head begins with little.
        let head = if votes { 0.1 } else { 1.0 };
        Cells {
            embedding,
            blocks,
            votes: votes.then(|| Votes::new(d_model, heads, dims.classes, precision, init)),
            norm: LayerNorm::new(d_model, init),
            head: Head {
                hidden: Linear::new(d_model, 2 * d_model, 1.0, precision, init),
                out: Linear::new(2 * d_model, dims.classes, head, Precision::Fp32, init),
            },
            input_dim: dims.input_dim,
            together,
        }
    }
}

/// See the [module](self).
#[derive(Module, Debug)]
pub struct Cells {
    embedding: Embedding,
    blocks: Vec<Block>,
    votes: Option<Votes>,
    norm: LayerNorm,
    head: Head,
    input_dim: usize,
    together: usize,
}

/// What is known of cells to their token.
#[derive(Module, Debug)]
struct Embedding {
    cell: Linear,
    hidden: Linear,
}

/// The token of a row's label to its logits.
#[derive(Module, Debug)]
struct Head {
    hidden: Linear,
    out: Linear,
}

/// Attention over the tokens of a row, over the rows of a column, and a feed-forward layer; each adds to the stream.
#[derive(Module, Debug)]
struct Block {
    across: Attention,
    along: Attention,
    feed_forward: FeedForward,
}

/// The part of a block in which tokens learn of others.
#[derive(Module, Debug)]
struct Attention {
    norm: LayerNorm,
    qkv: Linear,
    out: Linear,
    sharpening: Option<Sharpening>,
    heads: usize,
    #[module(skip)]
    precision: Precision,
}

impl Attention {
    fn new(
        d_model: usize,
        heads: usize,
        scale: f32,
        sharpening: Option<Sharpening>,
        precision: Precision,
        init: &mut Initializer,
    ) -> Self {
        Self {
            norm: LayerNorm::new(d_model, init),
            qkv: Linear::new(d_model, 3 * d_model, 1.0, precision, init),
            out: Linear::new(d_model, d_model, scale, precision, init),
            sharpening,
            heads,
            precision,
        }
    }

    /// Queries, keys and values; `examples` are looked at.
    fn qkv(&self, x: Tensor<3>, examples: usize) -> Tensor<3> {
        let x = self.norm.forward(x);
        match &self.sharpening {
            Some(sharpening) => sharpening.forward(&self.qkv, x, examples),
            None => self.qkv.forward(x, Activation::Identity),
        }
    }

    /// Over the tokens of every row; `groups` has the columns of every episode.
    fn across(&self, x: Tensor<3>, groups: &[usize]) -> Tensor<3> {
        let qkv = self.qkv(x.clone(), 0);
        let attended = gpicl_ops::attention_across(qkv, groups, self.heads, self.precision);
        self.out.forward_residual(attended, x)
    }

    /// Over the rows of every column, of which the first `context` are seen by all.
    fn along(&self, x: Tensor<3>, context: usize) -> Tensor<3> {
        match context {
            0 => self.answer(&KeysValues::none(), x),
            _ => self.among(self.qkv(x.clone(), context), x, context),
        }
    }

    /// As [`Attention::along`] for the rows of a context, and what queries need of them.
    fn read(&self, x: Tensor<3>) -> (Tensor<3>, KeysValues) {
        let [_, rows, _] = x.dims();
        let qkv = self.qkv(x.clone(), rows);
        let kept = KeysValues::of(&qkv);
        (self.among(qkv, x, rows), kept)
    }

    fn among(&self, qkv: Tensor<3>, x: Tensor<3>, context: usize) -> Tensor<3> {
        let mask = AttentionMask::Context(context);
        let attended = gpicl_ops::attention(qkv, self.heads, mask, self.precision);
        self.out.forward_residual(attended, x)
    }

    /// For the rows of queries after a context.
    fn answer(&self, kept: &KeysValues, x: Tensor<3>) -> Tensor<3> {
        let qkv = self.qkv(x.clone(), kept.examples());
        let attended = gpicl_ops::attention_queries(qkv, kept.context(), self.heads, self.precision);
        self.out.forward_residual(attended, x)
    }
}

/// What is left of a context: how its columns are told, and the keys and values of its cells. In the last block only those of
/// the labels are asked for. With votes, also the keys and labels of its rows.
#[derive(Clone, Debug)]
pub struct CellsState {
    columns: Columns,
    layers: Vec<KeysValues>,
    votes: KeysValues,
}

impl State for CellsState {
    /// That of a mean episode: tables differ in their features.
    fn size(&self) -> usize {
        let kept = self.layers.iter().chain([&self.votes]);
        let all: usize = kept.map(|kept| kept.sequences() * kept.size()).sum();
        all / self.columns.groups().len()
    }
}

impl Cells {
    /// Contexts that [`SequenceModel::forward`] answers from grow by one example, or by this part of them.
    const STEP: usize = 16;

    /// Tokens `[columns of tokens, rows, d_model]` of what is known of the cells of `inputs`, whose numbers are `numbers`, and of the
    /// labels of their first rows.
    fn embed(&self, columns: &Columns, inputs: &Tensor<3>, numbers: &[f32], labels: &[u32]) -> Tensor<3> {
        let ([_, rows, width], [_, classes]) = (inputs.dims(), self.head.out.weight.dims());
        let sheet = columns.sheet(numbers, [rows, width], labels, classes);
        let cells = gpicl_ops::upload(&sheet.values, sheet.shape, &inputs.device());
        let hidden = self.embedding.cell.forward(cells, Activation::Gelu);
        self.embedding.hidden.forward(hidden, Activation::Identity)
    }

    /// What the head says, logits `[batch, rows, classes]`, of the labels' tokens `[batch, rows, d_model]`, and the votes.
    fn predict(&self, x: Tensor<3>, votes: Option<Tensor<3>>) -> Tensor<3> {
        let hidden = self.head.hidden.forward(self.norm.forward(x), Activation::Gelu);
        let logits = self.head.out.forward(hidden, Activation::Identity);
        votes.into_iter().fold(logits, |logits, votes| logits + votes)
    }

    /// The blocks one after another: `along` is attention over rows in the block of a number. After the last attention over the
    /// tokens of a row, the columns of labels go on alone.
    fn blocks(
        &self,
        mut x: Tensor<3>,
        columns: &Columns,
        mut along: impl FnMut(usize, &Attention, Tensor<3>) -> Tensor<3>,
    ) -> Tensor<3> {
        for (number, block) in self.blocks.iter().enumerate() {
            x = block.across.across(x, columns.groups());
            if number + 1 == self.blocks.len() {
                let labels = Tensor::from_data(columns.of_labels().as_slice(), &x.device());
                x = x.select(0, labels);
            }
            x = block.feed_forward.forward(along(number, &block.along, x));
        }
        x
    }
}

impl Architecture for Cells {
    const READS_TABLES: bool = true;
}

impl SequenceModel for Cells {
    type State = CellsState;

    /// Each example is predicted from a context of examples before it, of which there are few: that of all where they are up
    /// to 16, later one that lacks less than a sixteenth of them.
    fn forward(&self, inputs: Tensor<3>, labels: Tensor<2, Int>) -> Tensor<3> {
        let [_, time, _] = inputs.dims();
        let mut answers = Vec::new();
        let mut context = 0;
        while context < time {
            let next = (context + (context / Self::STEP).max(1)).min(time);
            let inputs = inputs.clone().narrow(1, 0, next);
            answers.push(self.forward_after(context, inputs, labels.clone().narrow(1, 0, next)));
            context = next;
        }
        Tensor::cat(answers, 1)
    }

    fn forward_after(&self, context: usize, inputs: Tensor<3>, labels: Tensor<2, Int>) -> Tensor<3> {
        let [_, time, width] = inputs.dims();
        let numbers = host(inputs.clone());
        let columns = Columns::fit(&numbers, [time, width], context, self.together);
        let known = if context == 0 { Vec::new() } else { label_numbers(labels.narrow(1, 0, context)) };
        let x = self.embed(&columns, &inputs, &numbers, &known);
        let x = self.blocks(x, &columns, |_, attention, x| attention.along(x, context));
        let of_queries = |x: Tensor<3>| x.narrow(1, context, time - context);
        let votes = self.votes.as_ref().map(|votes| of_queries(votes.forward(x.clone(), &known)));
        self.predict(of_queries(x), votes)
    }

    fn read(&self, inputs: Tensor<3>, labels: Tensor<2, Int>) -> CellsState {
        let [batch, examples, width] = inputs.dims();
        if examples == 0 {
            let columns = Columns::nothing(batch, width, self.together);
            let layers = vec![KeysValues::none(); self.blocks.len()];
            return CellsState { columns, layers, votes: KeysValues::none() };
        }
        let numbers = host(inputs.clone());
        let columns = Columns::fit(&numbers, [examples, width], examples, self.together);
        let known = label_numbers(labels);
        let x = self.embed(&columns, &inputs, &numbers, &known);
        let mut layers = Vec::with_capacity(self.blocks.len());
        let x = self.blocks(x, &columns, |_, attention, x| {
            let (x, kept) = attention.read(x);
            layers.push(kept);
            x
        });
        let votes = self.votes.as_ref().map_or_else(KeysValues::none, |votes| votes.read(x, &known));
        CellsState { columns, layers, votes }
    }

    fn answer(&self, state: &CellsState, queries: Tensor<3>) -> Tensor<3> {
        let CellsState { columns, layers, votes } = state;
        let [batch, _, width] = queries.dims();
        check::same("answer: batch of the state", batch, columns.groups().len());
        check::same("answer: layers of the state", self.blocks.len(), layers.len());
        check::same("answer: width of the queries", columns.width(), width);
        let x = self.embed(columns, &queries, &host(queries.clone()), &[]);
        let x = self.blocks(x, columns, |number, attention, x| attention.answer(&layers[number], x));
        let votes = self.votes.as_ref().map(|head| head.answer(votes, x.clone()));
        self.predict(x, votes)
    }

    /// That of a table all of whose columns say something. In the last block only labels' keys and values are kept.
    fn state_size(&self, examples: usize) -> usize {
        let [d_model, _] = self.embedding.hidden.weight.dims();
        let columns = (self.blocks.len() - 1) * (self.input_dim.div_ceil(self.together) + 1) + 1;
        let votes = self.votes.as_ref().map_or(0, Votes::width);
        KeysValues::size_after(examples, columns * d_model + votes)
    }
}

/// Labels on the host.
fn label_numbers(labels: Tensor<2, Int>) -> Vec<u32> {
    labels.into_data().iter::<i64>().map(|label| u32::try_from(label).expect("labels are slots")).collect()
}

#[cfg(test)]
mod tests {
    use burn::module::Param;
    use burn::tensor::{Device, TensorData};

    use super::*;

    const DIMS: Dims = Dims { input_dim: 4, classes: 3, episode_length: 40 };

    fn config(votes: bool, together: usize) -> CellsConfig {
        let sizes = CellsConfig { d_model: 16, layers: 2, heads: 2, d_ff: 16, ..CellsConfig::default() };
        CellsConfig { votes, together, ..sizes }
    }

    /// With votes or without, and features that share a token.
    fn model(votes: bool, together: usize) -> Cells {
        config(votes, together).init(DIMS, Precision::Fp32, &mut Initializer::new(1, &Device::flex()))
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let refused = |together| config(false, together).validate().map_err(|error| error.to_string());
        assert_eq!((refused(1), refused(CellsConfig::MOST_TOGETHER)), (Ok(()), Ok(())));
        for together in [0, CellsConfig::MOST_TOGETHER + 1, usize::MAX] {
            assert!(refused(together).unwrap_err().contains("model.together"), "{together}");
        }
    }

    /// Weights of a token a cell, in tokens of three cells: of a table of one feature they say the same.
    #[test]
    fn a_token_of_more_cells_begins_as_one_of_fewer() {
        let one = model(true, 1);
        let weights =
            config(true, 3).with_more_places(&config(true, 1), &host(one.embedding.cell.weight.val()));
        let shape = config(true, 3).shape_of_cells(DIMS.classes);
        let places: Vec<&[f32]> =
            (0..3).map(|place| &weights[16 * Sheet::cell(place).start..][..16]).collect();
        assert!(places[0] != places[1] && places[0] != places[2] && places[1] != places[2]);
        let ordered = |row: &[f32]| {
            let mut row = row.to_vec();
            row.sort_by(f32::total_cmp);
            row
        };
        assert!(places.iter().all(|place| ordered(place) == ordered(places[0])));
        let mut cell = one.embedding.cell.clone();
        cell.weight = Param::from_data(TensorData::new(weights, shape), &Device::flex());
        let three =
            Cells { embedding: Embedding { cell, ..one.embedding.clone() }, together: 3, ..one.clone() };
        let (inputs, labels) = episodes();
        let inputs = |width| inputs.clone().narrow(2, 0, width);
        let said = |model: &Cells, width| model.forward_after(10, inputs(width), labels.clone());
        assert!(off(said(&one, 1), said(&three, 1)) < 1e-5);
        assert!(off(said(&one, 3), said(&three, 3)) > 1e-3);
    }

    /// Two episodes of 14 rows, one of them with fewer features and with a missing cell.
    fn episodes() -> (Tensor<3>, Tensor<2, Int>) {
        let value = |at: usize| match at {
            57..112 if at % 4 == 3 => f32::NAN,
            60 => f32::NAN,
            _ => ((at * at * 7 + at) % 23) as f32,
        };
        let inputs =
            Tensor::<1>::from_floats((0..112).map(value).collect::<Vec<_>>().as_slice(), &Device::flex());
        let labels = (0..28).map(|at| at * 5 % 3).collect::<Vec<i32>>();
        let labels = Tensor::<1, Int>::from_ints(labels.as_slice(), &Device::flex());
        (inputs.reshape([2, 14, 4]), labels.reshape([2, 14]))
    }

    fn off(a: Tensor<3>, b: Tensor<3>) -> f32 {
        (a - b).abs().max().into_scalar()
    }

    #[test]
    fn the_order_of_examples_and_of_queries_means_nothing() {
        let (model, (inputs, labels)) = (model(true, 2), episodes());
        let order = [4, 0, 9, 2, 7, 1, 3, 8, 6, 5, 13, 11, 12, 10];
        let order = Tensor::<1, Int>::from_ints(order, &Device::flex());
        let before = model.forward_after(10, inputs.clone(), labels.clone());
        let after = model.forward_after(10, inputs.select(1, order.clone()), labels.select(1, order.clone()));
        let queries = order.narrow(0, 10, 4) - 10;
        assert!(off(before.select(1, queries), after) < 1e-5);
    }

    #[test]
    fn what_stands_beside_an_episode_and_behind_its_columns_means_nothing() {
        let (inputs, labels) = episodes();
        for model in [model(true, 1), model(true, 3)] {
            beside_and_behind(&model, &inputs, &labels);
        }
    }

    fn beside_and_behind(model: &Cells, inputs: &Tensor<3>, labels: &Tensor<2, Int>) {
        let both = model.forward_after(10, inputs.clone(), labels.clone());
        let alone = |width: usize| {
            let inputs = inputs.clone().narrow(0, 1, 1).narrow(2, 0, width);
            model.forward_after(10, inputs, labels.clone().narrow(0, 1, 1))
        };
        assert!(off(both.clone().narrow(0, 1, 1), alone(4)) < 1e-5);
        assert!(off(alone(4), alone(3)) < 1e-5);
        assert!(both.abs().max().into_scalar::<f32>().is_finite());
    }

    /// Beyond 16 examples the context of some positions lacks a few.
    #[test]
    fn every_position_answers_from_a_context_before_it() {
        let (inputs, labels) = episodes();
        let (inputs, labels) = (inputs.repeat_dim(1, 3), labels.repeat_dim(1, 3));
        for model in [model(false, 1), model(true, 1), model(true, 3)] {
            positions(&model, &inputs, &labels);
        }
    }

    fn positions(model: &Cells, inputs: &Tensor<3>, labels: &Tensor<2, Int>) {
        let whole = model.forward(inputs.clone(), labels.clone());
        assert_eq!(whole.dims(), [2, 42, 3]);
        for (position, context) in [(0, 0), (5, 5), (16, 16), (33, 32), (39, 38), (41, 40)] {
            let state = match context {
                0 => model
                    .read(Tensor::zeros([2, 0, 4], &Device::flex()), Tensor::zeros([2, 0], &Device::flex())),
                _ => model.read(inputs.clone().narrow(1, 0, context), labels.clone().narrow(1, 0, context)),
            };
            let answer = model.answer(&state, inputs.clone().narrow(1, position, 1));
            assert!(off(answer, whole.clone().narrow(1, position, 1)) < 1e-5, "position {position}");
        }
    }
}
