//! Meta-testing: how accuracy rises with the examples seen, on which tasks and data.

pub mod baselines;
mod config;
mod curve;
mod guessing;
mod interval;
mod metric;
mod outcome;
mod plateau;
mod rank;

use std::sync::Arc;

use burn::tensor::{Device, Tensor};

pub use config::EvalConfig;
pub use curve::{CurveAccumulator, CurveSummary, LearningCurve};
pub use guessing::Guessing;
pub use interval::{Design, Interval};
pub use metric::Metric;
pub use outcome::{Outcome, OutcomeRule, Scores};
pub use plateau::{Plateau, PlateauRule};
pub use rank::spearman;

use crate::data::{DataConfig, Dataset};
use crate::error::Result;
use crate::models::{Dims, SequenceModel};
use crate::tasks::{
    Batch, BatchSource, Mode, Projected, Source, SourcePair, TaskDistribution, TasksConfig, host, to_device,
};

/// Episodes of one forward pass in a meta-test.
const BATCH: usize = 32;

/// Something to meta-test on: tasks of one kind over one data set.
#[derive(Debug)]
pub struct TestSet {
    /// Name for tables and plots: `unseen tasks, mnist test`.
    pub label: String,
    dims: Dims,
    /// Classes of its tasks.
    classes: usize,
    episodes: BatchSource,
}

impl TestSet {
    /// Tasks of `source` in `mode`. The meta-test asks what was learned, so the bias of meta-training is left out.
    ///
    /// # Errors
    /// As [`BatchSource::new`].
    pub fn new(label: String, source: Arc<dyn Source>, mode: Mode, seed: u64) -> Result<Self> {
        let (dims, classes) = (episode_dims(&*source), source.task_classes());
        Ok(Self { label, dims, classes, episodes: BatchSource::new(source, BATCH, mode, seed)?.unbiased() })
    }

    /// Unseen tasks made of an unseen data set.
    ///
    /// # Errors
    /// [`crate::Error::Config`] if the data set does not fit the model: too many classes, or another size and
    /// no projection.
    pub fn unseen(tasks: &TasksConfig, seed: u64, dims: Dims, test: &Arc<Dataset>) -> Result<Self> {
        let label = format!("unseen tasks, {} test", test.name());
        Self::new(label, projected(tasks, dims, test)?, Mode::Unseen, seed)
    }

    /// [`TestSet::unseen`] of the data set that `config` describes, beside the sets in `earlier`: where one of them has its
    /// name, it is called by its seed or file too.
    ///
    /// # Errors
    /// As [`TestSet::unseen`].
    pub fn unseen_beside(
        earlier: &[Self],
        tasks: &TasksConfig,
        seed: u64,
        dims: Dims,
        config: &DataConfig,
        test: &Arc<Dataset>,
    ) -> Result<Self> {
        let mut set = Self::unseen(tasks, seed, dims, test)?;
        if earlier.iter().any(|other| other.label == set.label) {
            set.label = format!("unseen tasks, {} test", config.short_form());
        }
        Ok(set)
    }

    /// Meta-training episodes over a data set: what the [`baselines`] are tuned and meta-trained on. No other set has
    /// the same episodes, whatever its seed.
    ///
    /// # Errors
    /// As [`TestSet::unseen`].
    pub fn tuning(tasks: &TasksConfig, seed: u64, dims: Dims, train: &Arc<Dataset>) -> Result<Self> {
        Self::tuning_on(projected(tasks, dims, train)?, seed)
    }

    /// [`TestSet::tuning`] on what meta-training draws from.
    ///
    /// # Errors
    /// As [`TestSet::new`].
    pub fn tuning_on(source: Arc<dyn Source>, seed: u64) -> Result<Self> {
        let label = format!("meta-training tasks, {} train", source.name());
        Self::new(label, source, Mode::MetaTrain, seed)
    }

    /// The sets that tell the paper's four outcomes apart, for each source: seen tasks over the meta-training examples,
    /// then unseen tasks over held-out examples.
    ///
    /// # Errors
    /// As [`TestSet::new`].
    pub fn meta_training(sources: &[SourcePair], seed: u64) -> Result<Vec<Self>> {
        let mut sets = Vec::new();
        for SourcePair { train, test, .. } in sources {
            let seen = format!("seen tasks, {} train", train.name());
            sets.push(Self::new(seen, Arc::clone(train), Mode::Seen, seed)?);
            let unseen = format!("unseen tasks, {} test", test.name());
            sets.push(Self::new(unseen, Arc::clone(test), Mode::Unseen, seed)?);
        }
        Ok(sets)
    }

    /// Sizes of the episodes.
    pub fn dims(&self) -> Dims {
        self.dims
    }

    /// The first `episodes` episodes, the same for every learner: batches, and how many episodes of each count.
    pub fn batches(&self, episodes: usize) -> impl Iterator<Item = (Batch, usize)> {
        (0..episodes.div_ceil(BATCH))
            .map(move |index| (self.episodes.batch(index as u64), BATCH.min(episodes - index * BATCH)))
    }

    /// The curve of the episodes in `curve`, which are of this set.
    fn finish(&self, curve: CurveAccumulator) -> Result<LearningCurve> {
        let mut curve = curve.finish(&self.label)?;
        curve.classes = (self.classes < self.dims.classes).then_some(self.classes);
        Ok(curve)
    }

    /// Batch after batch without end, for meta-training.
    fn endless(&self) -> impl Iterator<Item = Batch> {
        (0..).map(|index| self.episodes.batch(index))
    }
}

/// The sizes of a source's episodes.
pub fn episode_dims(source: &dyn Source) -> Dims {
    Dims { input_dim: source.input_dim(), classes: source.classes(), episode_length: source.episode_length() }
}

/// Tasks over `data`, projected to the size of inputs that a model reads.
fn projected(tasks: &TasksConfig, dims: Dims, data: &Arc<Dataset>) -> Result<Arc<dyn Source>> {
    let tasks = TasksConfig { input_dim: Some(dims.input_dim), ..tasks.clone() };
    let distribution = TaskDistribution::new(&tasks, data.dim(), data.num_classes(), dims.classes)?;
    Ok(Arc::new(Projected::new(distribution, Arc::clone(data))?))
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
    for (batch, count) in set.batches(episodes) {
        let time = batch.episode_length();
        let (inputs, labels) = to_device(&batch, device);
        let logits = model.forward(inputs, labels.clone());
        let nll = host(gpicl_ops::cross_entropy(logits.clone(), labels));
        let hits = hits(logits, &batch.labels);
        let curve = curve.get_or_insert_with(|| CurveAccumulator::new(time));
        for (hits, nll) in hits.chunks_exact(time).zip(nll.chunks_exact(time)).take(count) {
            curve.add_episode(hits, nll);
        }
    }
    set.finish(curve.unwrap_or_else(|| CurveAccumulator::new(1)))
}

/// Whether the largest logit is the label's, `[batch x time]`; `logits` is `[batch, time, classes]`.
pub fn hits(logits: Tensor<3>, labels: &[u32]) -> Vec<bool> {
    let [_, _, classes] = logits.dims();
    host_hits(&host(logits), labels, classes)
}

/// [`hits`] of logits `[examples, classes]` on the host. Of equal logits the first counts.
fn host_hits(logits: &[f32], labels: &[u32], classes: usize) -> Vec<bool> {
    let best = |row: &[f32]| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b]).then(b.cmp(&a)));
    logits.chunks_exact(classes).zip(labels).map(|(row, &label)| best(row) == Some(label as usize)).collect()
}
