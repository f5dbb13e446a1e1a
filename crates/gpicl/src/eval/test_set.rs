//! What is meta-tested on: tasks of one kind over one data set, and what is asked of them.

use std::ops::Range;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::config::TasksChange;
use super::curve::{CurveAccumulator, LearningCurve};
use super::look::{Look, Place};
use super::sample::Sample;
use crate::data::{DataConfig, Dataset, Description, Fingerprint, Split, hex};
use crate::error::{Error, Result};
use crate::models::Dims;
use crate::tasks::{
    Batch, BatchSource, Identity, Mode, Projected, Source, SourceSplits, TaskDistribution, TasksConfig,
    Visited,
};

/// Episodes of one forward pass in a meta-test.
const BATCH: usize = 32;

/// Something to meta-test on: tasks of one kind over one data set.
#[derive(Debug)]
pub struct TestSet {
    /// Name for tables and plots: `unseen tasks, mnist test`.
    pub label: String,
    dims: Dims,
    source: Arc<dyn Source>,
    mode: Mode,
    seed: u64,
    visited: Option<Visited>,
    look: Look,
}

/// Meta-training as far as it is done: what tasks it drew.
#[derive(Clone, Debug)]
pub struct Trained {
    /// What it draws from.
    pub source: Arc<dyn Source>,
    /// Seed of its batches.
    pub seed: u64,
    /// Episodes in a batch.
    pub batch: usize,
    /// Batches drawn.
    pub steps: u64,
}

/// A batch of episodes, and the fresh examples that are asked for after their contexts.
#[derive(Debug)]
pub struct Asked {
    /// The episodes.
    pub batch: Batch,
    /// How many of them count.
    pub count: usize,
    queries: Batch,
    questions: Vec<(usize, usize)>,
    look: Look,
}

impl Asked {
    /// After how many examples how many queries are asked.
    pub fn questions(&self) -> impl Iterator<Item = (usize, usize)> {
        self.questions.iter().copied()
    }

    /// Lets the set's [`TestSet::watched`] look up.
    pub(super) fn look_up(&self) {
        self.look.up();
    }

    /// Some queries of every episode; the same ones after any number of examples.
    pub fn queries(&self, range: Range<usize>) -> Batch {
        self.look_up();
        self.queries.part(range)
    }
}

impl TestSet {
    /// Tasks of `source` in `mode`. The meta-test asks what was learned, so the bias of meta-training is left out; but tasks
    /// that it drew are shown as it showed them.
    pub fn new(label: String, source: Arc<dyn Source>, mode: Mode, seed: u64) -> Self {
        Self { label, dims: episode_dims(&*source), source, mode, seed, visited: None, look: Look::default() }
    }

    /// With what is called again and again while it is tested on.
    pub fn watched(self, look: Look) -> Self {
        Self { look, ..self }
    }

    /// Unseen tasks made of an unseen data set, of which `data` is the test split.
    ///
    /// # Errors
    /// [`crate::Error::Config`] if the data set does not fit the model: too many classes, or another size and
    /// no projection.
    pub fn unseen(tasks: &TasksConfig, seed: u64, dims: Dims, data: &Arc<Dataset>) -> Result<Self> {
        Self::unseen_of(tasks, seed, dims, data, Split::Test)
    }

    /// [`TestSet::unseen`], of which `data` is another split.
    ///
    /// # Errors
    /// As [`TestSet::unseen`].
    pub fn unseen_of(
        tasks: &TasksConfig,
        seed: u64,
        dims: Dims,
        data: &Arc<Dataset>,
        split: Split,
    ) -> Result<Self> {
        let label = format!("unseen tasks, {} {}", data.name(), split.name());
        Ok(Self::new(label, projected(tasks, dims, data)?, Mode::Unseen, seed))
    }

    /// [`TestSet::unseen_of`] of the data set that `config` describes, beside the sets in `earlier`: where one of them has
    /// its name, it is called by its seed or file too.
    ///
    /// # Errors
    /// As [`TestSet::unseen`].
    pub fn unseen_beside(
        earlier: &[Self],
        tasks: &TasksConfig,
        seed: u64,
        dims: Dims,
        config: &DataConfig,
        (data, split): (&Arc<Dataset>, Split),
    ) -> Result<Self> {
        let mut set = Self::unseen_of(tasks, seed, dims, data, split)?;
        if earlier.iter().any(|other| other.label == set.label) {
            set.label = format!("unseen tasks, {} {}", config.short_form(), split.name());
        }
        Ok(set)
    }

    /// [`TestSet::unseen_of`] the run's own data set, one for each kind of tasks that are other than meta-training's.
    ///
    /// # Errors
    /// As [`TestSet::unseen`].
    pub fn of_changes(
        changes: &[TasksChange],
        tasks: &TasksConfig,
        seed: u64,
        dims: Dims,
        (data, split): (&Arc<Dataset>, Split),
    ) -> Result<Vec<Self>> {
        let of = |change: &TasksChange| {
            let set = Self::unseen_of(&change.on(tasks), seed, dims, data, split);
            let set = set.map_err(|error| match error {
                Error::Config { problem, fix, .. } => {
                    let problem = format!("{{ {change} }}: {problem}");
                    Error::config("eval.tasks", problem, format!("leave it out, or {fix}"))
                }
                other => other,
            })?;
            let label = format!("{}{} {}", change.label(), data.name(), split.name());
            Ok(Self { label, ..set })
        };
        changes.iter().map(of).collect()
    }

    /// Meta-training episodes over a data set: what the [`super::baselines`] are tuned and meta-trained on. No other set has
    /// the same episodes, whatever its seed.
    ///
    /// # Errors
    /// As [`TestSet::unseen`].
    pub fn tuning(tasks: &TasksConfig, seed: u64, dims: Dims, train: &Arc<Dataset>) -> Result<Self> {
        Ok(Self::tuning_on(projected(tasks, dims, train)?, seed))
    }

    /// [`TestSet::tuning`] on what meta-training draws from.
    pub fn tuning_on(source: Arc<dyn Source>, seed: u64) -> Self {
        let label = format!("meta-training tasks, {} train", source.name());
        Self::new(label, source, Mode::MetaTrain, seed)
    }

    /// The sets that tell the paper's four outcomes apart, for each source: tasks that `trained` drew over the meta-training
    /// examples, if it drew any of the source, then unseen tasks over the held-out examples of `split`.
    pub fn meta_training(sources: &[SourceSplits], trained: &Trained, seed: u64, split: Split) -> Vec<Self> {
        let mut sets = Vec::new();
        for (component, SourceSplits { train, validation, test, .. }) in sources.iter().enumerate() {
            let Trained { source, seed: of_training, batch, steps } = trained.clone();
            if let Some(visited) = Visited::new(source, of_training, batch, steps, component as u32) {
                let label = format!("seen tasks, {} train", train.name());
                let set = Self::new(label, Arc::clone(train), Mode::Seen, seed);
                sets.push(Self { visited: Some(visited), ..set });
            }
            let held_out = if split == Split::Test { test } else { validation };
            let label = format!("unseen tasks, {} {}", held_out.name(), split.name());
            sets.push(Self::new(label, Arc::clone(held_out), Mode::Unseen, seed));
        }
        sets
    }

    /// Unseen tasks over the meta-training examples of each source: they tell what is due to the tasks from what is due to
    /// the examples.
    pub fn of_training_examples(sources: &[SourceSplits], seed: u64) -> Vec<Self> {
        let set = |SourceSplits { train, .. }: &SourceSplits| {
            let label = format!("unseen tasks, {} {}", train.name(), Split::Train.name());
            Self::new(label, Arc::clone(train), Mode::Unseen, seed)
        };
        sources.iter().map(set).collect()
    }

    /// What its examples are, if they are of a data set that says so.
    pub fn description(&self) -> Option<&Description> {
        self.source.description()
    }

    /// What its examples are by their checksum, if they are of a data set.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.source.fingerprint()
    }

    /// Sizes of the episodes.
    pub fn dims(&self) -> Dims {
        self.dims
    }

    /// Whether a query can stand in its own context.
    pub fn replacement(&self) -> bool {
        self.source.replacement()
    }

    /// Whether meta-training saw its examples.
    pub fn of_training(&self) -> bool {
        self.label.ends_with(" train")
    }

    /// The first episodes, the same for every learner, and what is asked after their contexts.
    pub fn ask(&self, sample: Sample) -> impl Iterator<Item = Asked> {
        let Sample { episodes, queries } = sample;
        let length = self.dims.episode_length;
        let source = self.episodes().with_queries(queries);
        (0..episodes.div_ceil(BATCH)).map(move |index| {
            let done = index * BATCH;
            self.look.at(Some(Place { set: &self.label, done, of: episodes }));
            let [batch, queries] = source.batch(index as u64).split_at(length);
            let questions = sample.asked(length, queries.episode_length());
            Asked { batch, count: BATCH.min(episodes - done), queries, questions, look: self.look.clone() }
        })
    }

    fn episodes(&self) -> BatchSource {
        let Self { source, mode, seed, visited, .. } = self;
        let episodes =
            BatchSource::new(Arc::clone(source), BATCH, *mode, *seed).expect("a batch has episodes");
        let episodes = episodes.unbiased();
        match visited {
            Some(visited) => episodes.of(visited.clone()),
            None => episodes,
        }
    }

    /// The curve of the episodes in `curve`, which are of this set.
    pub(super) fn finish(&self, curve: CurveAccumulator, sample: Sample) -> Result<LearningCurve> {
        let mut curve = curve.finish(&self.label)?;
        let classes = self.source.task_classes();
        curve.classes = (classes < self.dims.classes).then_some(classes);
        curve.images = self.source.examples();
        curve.replacement = self.source.replacement();
        let length = self.dims.episode_length;
        let available = self.source.longest().saturating_sub(length);
        curve.queries = sample.asked(length, available).last().map_or(0, |&(_, queries)| queries);
        let Identity { examples, tasks } = self.episodes().identity();
        let short = |text: String| hex(&Sha256::digest(text)[..8]);
        curve.set = short(format!("{examples} {tasks}"));
        curve.draws = short(examples);
        Ok(curve)
    }

    /// Batch after batch without end, for meta-training.
    pub(super) fn endless(&self) -> impl Iterator<Item = Batch> {
        let episodes = self.episodes();
        (0..).map(move |index| {
            self.look.up();
            episodes.batch(index)
        })
    }
}

/// What a set of a run's end, such as `unseen tasks, mnist test`, is called during meta-training, where held-out examples
/// are those of the validation split.
pub fn label_during_training(label: &str) -> String {
    let set = label.strip_suffix(Split::Test.name());
    set.map_or(label.to_string(), |set| format!("{set}{}", Split::Validation.name()))
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
