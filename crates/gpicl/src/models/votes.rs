//! A readout in which the labels of the context vote for a query's.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use gpicl_ops::{AttentionMask, Precision};

use super::Initializer;
use super::layers::{LayerNorm, Linear, Sharpening};
use super::transformer::KeysValues;

/// Attention of queries to the examples of the context, whose values are their labels: a weighted vote, as of nearest
/// neighbours, that means the same for every class. Logits are the logarithms of the shares.
#[derive(Module, Debug)]
pub struct Votes {
    norm: LayerNorm,
    /// To queries and keys.
    query_key: Linear,
    sharpening: Sharpening,
    /// `[1]`, what the logarithms are multiplied with.
    scale: Param<Tensor<1>>,
    heads: usize,
    classes: usize,
    #[module(skip)]
    precision: Precision,
}

impl Votes {
    /// What a class has without a vote. A query also sees itself, without a label: such a vote is for nobody.
    const NO_VOTE: f32 = 1e-3;

    /// Of tokens of `d_model` numbers. A head is as wide as in other layers, or as `classes` need.
    pub fn new(
        d_model: usize,
        heads: usize,
        classes: usize,
        precision: Precision,
        init: &mut Initializer,
    ) -> Self {
        let width = heads * (d_model / heads).max(classes);
        Self {
            norm: LayerNorm::new(d_model, init),
            query_key: Linear::new(d_model, 2 * width, 1.0, precision, init),
            sharpening: Sharpening::new(width, init),
            scale: init.constant(1.0, [1]),
            heads,
            classes,
            precision,
        }
    }

    /// Logits `[batch, rows, classes]` of tokens `x` `[batch, rows, d_model]`, the first of which are a context with `labels`
    /// (`[batch, context]`, row-major).
    pub fn forward(&self, x: Tensor<3>, labels: &[u32]) -> Tensor<3> {
        let context = labels.len() / x.dims()[0];
        let votes = self.votes(x, labels);
        self.logits(match context {
            0 => gpicl_ops::attention_queries(votes, None, self.heads, self.precision),
            _ => gpicl_ops::attention(votes, self.heads, AttentionMask::Context(context), self.precision),
        })
    }

    /// The keys and labels of a context.
    pub fn read(&self, x: Tensor<3>, labels: &[u32]) -> KeysValues {
        KeysValues::of(&self.votes(x, labels))
    }

    /// Logits of queries `[batch, queries, d_model]` after a context.
    pub fn answer(&self, kept: &KeysValues, x: Tensor<3>) -> Tensor<3> {
        let query_key = self.query_key(x, kept.examples());
        let none = query_key.clone().narrow(2, 0, self.width()).zeros_like();
        let votes = Tensor::cat(vec![query_key, none], 2);
        self.logits(gpicl_ops::attention_queries(votes, kept.context(), self.heads, self.precision))
    }

    fn query_key(&self, x: Tensor<3>, examples: usize) -> Tensor<3> {
        self.sharpening.forward(&self.query_key, self.norm.forward(x), examples)
    }

    /// Of the queries, of the keys, and of the values.
    pub(super) fn width(&self) -> usize {
        self.query_key.weight.dims()[1] / 2
    }

    /// Queries, keys and labels, `[batch, rows, 3 * width]`.
    fn votes(&self, x: Tensor<3>, labels: &[u32]) -> Tensor<3> {
        let [batch, rows, _] = x.dims();
        let query_key = self.query_key(x, labels.len() / batch);
        let labels = self.ballots(labels, [batch, rows, self.width()], &query_key.device());
        Tensor::cat(vec![query_key, labels], 2)
    }

    /// One-hot labels at the start of every head, none for the rows after them.
    fn ballots(&self, labels: &[u32], shape: [usize; 3], device: &Device) -> Tensor<3> {
        let [batch, rows, width] = shape;
        let mut values = vec![0.0; batch * rows * width];
        let known = (labels.len() / batch).max(1);
        for (episode, labels) in labels.chunks(known).enumerate() {
            for (row, &label) in labels.iter().enumerate() {
                let row = &mut values[(episode * rows + row) * width..][..width];
                let votes = row.iter_mut().skip(label as usize).step_by(width / self.heads);
                votes.for_each(|vote| *vote = 1.0);
            }
        }
        gpicl_ops::upload(&values, shape, device)
    }

    fn logits(&self, votes: Tensor<3>) -> Tensor<3> {
        let [batch, rows, width] = votes.dims();
        let votes = votes.reshape([batch, rows, self.heads, width / self.heads]);
        let shares = votes.narrow(3, 0, self.classes).mean_dim(2).reshape([batch, rows, self.classes]);
        (shares + Self::NO_VOTE).log() * self.scale.val().reshape([1, 1, 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two episodes of 7 rows, 5 of them with labels below 6: more classes than numbers a head of other layers.
    fn votes() -> (Votes, Tensor<3>, Vec<u32>) {
        let device = Device::flex();
        let votes = Votes::new(8, 2, 6, Precision::Fp32, &mut Initializer::new(1, &device));
        let x: Vec<f32> = (0..112).map(|at| ((at * at * 5 + at) % 19) as f32 / 9.0 - 1.0).collect();
        let x = Tensor::<1>::from_floats(x.as_slice(), &device).reshape([2, 7, 8]);
        (votes, x, vec![0, 3, 3, 5, 1, 2, 2, 2, 4, 0])
    }

    fn off(a: Tensor<3>, b: Tensor<3>) -> f32 {
        (a - b).abs().max().into_scalar()
    }

    #[test]
    fn a_class_by_another_name_has_the_same_votes() {
        let (votes, x, labels) = votes();
        let logits = votes.forward(x.clone(), &labels);
        // Class c becomes c + 1, the last one the first.
        let others: Vec<u32> = labels.iter().map(|label| (label + 1) % 6).collect();
        let turned = votes.forward(x, &others);
        assert_eq!(off(logits.clone().narrow(2, 0, 5), turned.clone().narrow(2, 1, 5)), 0.0);
        assert_eq!(off(logits.narrow(2, 5, 1), turned.narrow(2, 0, 1)), 0.0);
    }

    #[test]
    fn shares_are_those_of_the_labels_and_a_class_without_one_has_next_to_none() {
        let (votes, x, labels) = votes();
        let shares = votes.forward(x, &labels).exp() - Votes::NO_VOTE;
        let of_context = shares.clone().narrow(1, 0, 5).sum_dim(2);
        assert!(off(of_context.clone(), of_context.ones_like()) < 1e-5, "labelled rows see labels alone");
        let of_queries = shares.clone().narrow(1, 5, 2).sum_dim(2);
        assert!(of_queries.max().into_scalar::<f32>() < 0.999, "a query also sees itself");
        let absent = shares.narrow(0, 0, 1).narrow(2, 2, 1);
        assert!(absent.abs().max().into_scalar::<f32>() < 1e-6);
    }

    #[test]
    fn answers_after_a_context_are_those_of_the_whole() {
        let (votes, x, labels) = votes();
        let whole = votes.forward(x.clone(), &labels).narrow(1, 5, 2);
        let kept = votes.read(x.clone().narrow(1, 0, 5), &labels);
        assert!(off(votes.answer(&kept, x.clone().narrow(1, 5, 2)), whole) < 1e-6);
        let nothing = votes.answer(&KeysValues::none(), x.clone());
        assert!(off(nothing.clone(), nothing.full_like(Votes::NO_VOTE.ln())) < 1e-6);
        assert_eq!(off(votes.forward(x, &[]), nothing), 0.0);
    }
}
