//! A model on the episodes of a set: the forward pass is the learning.

use burn::tensor::{Device, Int, Tensor};

use super::curve::{CurveAccumulator, LearningCurve};
use super::sample::Sample;
use super::test_set::TestSet;
use crate::error::Result;
use crate::models::SequenceModel;
use crate::tasks::{host, to_device};

/// Queries that a model answers together, over all episodes of a batch: it bounds what a meta-test allocates.
const TOGETHER: usize = 1024;

/// The learning curve of `model` on `sample` of `set`. No gradient step: the forward pass is
/// the learning.
///
/// # Errors
/// [`crate::Error::Argument`] if there are too few episodes for an interval.
pub fn meta_test(
    model: &impl SequenceModel,
    set: &TestSet,
    sample: Sample,
    device: &Device,
) -> Result<LearningCurve> {
    let mut curve = CurveAccumulator::new(set.dims().episode_length);
    for asked in set.ask(sample) {
        let (inputs, labels) = to_device(&asked.batch, device);
        let (batch, time) = (asked.batch.len(), asked.batch.episode_length());
        let judge = |logits: Tensor<3>, truth: Tensor<2, Int>, labels: &[u32]| {
            (hits(logits.clone(), labels), host(gpicl_ops::cross_entropy(logits, truth)))
        };
        let logits = model.forward(inputs.clone(), labels.clone());
        let (correct, nll) = judge(logits, labels.clone(), &asked.batch.labels);
        let episodes = correct.chunks_exact(time).zip(nll.chunks_exact(time)).take(asked.count);
        let first = curve.episodes();
        episodes.for_each(|(correct, nll)| curve.add_episode(correct, nll));
        for (examples, queries) in asked.questions() {
            let context = inputs.clone().narrow(1, 0, examples);
            let state = model.read(context, labels.clone().narrow(1, 0, examples));
            let together = (TOGETHER / batch).max(1);
            for from in (0..queries).step_by(together) {
                let part = asked.queries(from..(from + together).min(queries));
                let (inputs, labels) = to_device(&part, device);
                let (correct, nll) = judge(model.answer(&state, inputs), labels, &part.labels);
                let count = part.episode_length();
                let episodes = correct.chunks_exact(count).zip(nll.chunks_exact(count)).take(asked.count);
                for (episode, (correct, nll)) in episodes.enumerate() {
                    curve.add_queries(first + episode, examples, correct, nll);
                }
            }
        }
    }
    set.finish(curve, sample)
}

/// Whether the largest logit is the label's, `[batch x time]`; `logits` is `[batch, time, classes]`.
pub fn hits(logits: Tensor<3>, labels: &[u32]) -> Vec<bool> {
    let [_, _, classes] = logits.dims();
    host_hits(&host(logits), labels, classes)
}

/// [`hits`] of logits `[examples, classes]` on the host. Of equal logits the first counts.
pub(super) fn host_hits(logits: &[f32], labels: &[u32], classes: usize) -> Vec<bool> {
    let best = |row: &[f32]| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b]).then(b.cmp(&a)));
    logits.chunks_exact(classes).zip(labels).map(|(row, &label)| best(row) == Some(label as usize)).collect()
}
