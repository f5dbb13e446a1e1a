//! Meta-testing: how accuracy rises with the examples seen, on which tasks and data.

mod curve;
mod outcome;
mod rank;
mod runs;

use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor};

pub use curve::{CurveAccumulator, CurveSummary, Interval, LearningCurve};
pub use outcome::{Outcome, OutcomeRule};
pub use rank::spearman;
pub use runs::{EvalRequest, evaluate_runs};

use crate::data::Dataset;
use crate::error::Result;
use crate::models::{Dims, SequenceModel};
use crate::tasks::{BatchSource, Mode, TaskDistribution, TasksConfig};
use crate::train::to_device;

/// Episodes of one forward pass in a meta-test.
const BATCH: usize = 32;

/// Something to meta-test on: tasks of one kind over one data set.
#[derive(Debug)]
pub struct TestSet {
    /// Name for tables and plots: `unseen tasks, mnist test`.
    pub label: String,
    episodes: BatchSource,
}

impl TestSet {
    /// Tasks in `mode` over `data`, projected to the model's input size.
    ///
    /// # Errors
    /// [`crate::Error::Config`] if the data set does not fit the model: too many classes, or another size and
    /// no projection.
    pub fn new(
        label: String,
        tasks: &TasksConfig,
        mode: Mode,
        seed: u64,
        dims: Dims,
        data: &Arc<Dataset>,
    ) -> Result<Self> {
        // The meta-test asks what was learned, so the intervention on the training distribution is left out.
        let tasks = TasksConfig { input_dim: Some(dims.input_dim), bias: None, ..tasks.clone() };
        let distribution = TaskDistribution::new(&tasks, data.dim(), data.num_classes(), dims.classes)?;
        let episodes = BatchSource::new(distribution, Arc::clone(data), BATCH, mode, seed)?;
        Ok(Self { label, episodes })
    }

    /// Unseen tasks made of an unseen data set.
    ///
    /// # Errors
    /// As [`TestSet::new`].
    pub fn unseen(tasks: &TasksConfig, seed: u64, dims: Dims, test: &Arc<Dataset>) -> Result<Self> {
        Self::new(format!("unseen tasks, {} test", test.name()), tasks, Mode::Unseen, seed, dims, test)
    }

    /// The sets that tell the paper's four outcomes apart: seen tasks over the meta-training examples, and
    /// unseen tasks over held-out examples of the same data set.
    ///
    /// # Errors
    /// As [`TestSet::new`].
    pub fn meta_training(
        tasks: &TasksConfig,
        seed: u64,
        dims: Dims,
        train: &Arc<Dataset>,
        test: &Arc<Dataset>,
    ) -> Result<Vec<Self>> {
        let seen = format!("seen tasks, {} train", train.name());
        Ok(vec![
            Self::new(seen, tasks, Mode::Seen, seed, dims, train)?,
            Self::unseen(tasks, seed, dims, test)?,
        ])
    }
}

/// The learning curve of `model` over `episodes` episodes of `set`. No gradient step: the forward pass is
/// the learning.
///
/// # Errors
/// [`crate::Error::Argument`] if `episodes` is too small for an interval.
pub fn meta_test(
    model: &impl SequenceModel,
    set: &TestSet,
    episodes: usize,
    device: &Device,
) -> Result<LearningCurve> {
    let mut curve: Option<CurveAccumulator> = None;
    let mut done = 0;
    for index in 0..episodes.div_ceil(BATCH) as u64 {
        let batch = set.episodes.batch(index);
        let time = batch.episode_length();
        let (inputs, labels) = to_device(&batch, device);
        let logits = model.forward(inputs, labels.clone());
        let nll = host(gpicl_ops::cross_entropy(logits.clone(), labels));
        let hits = hits(logits, &batch.labels);
        let curve = curve.get_or_insert_with(|| CurveAccumulator::new(time));
        for (hits, nll) in hits.chunks_exact(time).zip(nll.chunks_exact(time)).take(episodes - done) {
            curve.add_episode(hits, nll);
            done += 1;
        }
    }
    curve.unwrap_or_else(|| CurveAccumulator::new(1)).finish(&set.label)
}

/// Whether the largest logit is the label's, `[batch x time]`; `logits` is `[batch, time, classes]`.
pub fn hits(logits: Tensor<3>, labels: &[u32]) -> Vec<bool> {
    let [_, _, classes] = logits.dims();
    let logits = host(logits);
    let best = |row: &[f32]| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b]).then(b.cmp(&a)));
    logits.chunks_exact(classes).zip(labels).map(|(row, &label)| best(row) == Some(label as usize)).collect()
}

/// A float tensor's values on the host.
pub(crate) fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().expect("converted to f32")
}

/// `labels` as a device tensor `[batch, time]`.
pub(crate) fn label_tensor(labels: &[u32], batch: usize, device: &Device) -> Tensor<2, Int> {
    let labels: Vec<i32> = labels.iter().map(|&label| label as i32).collect();
    let time = labels.len() / batch;
    Tensor::from_data(burn::tensor::TensorData::new(labels, [batch, time]), device)
}
