//! Batches of episodes: a pure function of (config, index), made in parallel.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::source::{Identity, Source};
use super::task::{Draw, TaskId};
use super::visited::Visited;
use crate::error::{Error, Result};
use crate::rng::{Rng, Stream};

/// Which tasks a source draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Meta-training: seen tasks, with the bias if there is one.
    MetaTrain,
    /// Meta-test on tasks of the meta-training distribution; on those that were drawn, with [`BatchSource::of`].
    Seen,
    /// Meta-test on tasks that meta-training never draws.
    Unseen,
}

/// B episodes, each of its own task.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// `[batch, N, input_dim]`, row-major.
    pub inputs: Vec<f32>,
    /// `[batch, N]`.
    pub labels: Vec<u32>,
    /// The task of every episode.
    pub tasks: Vec<TaskId>,
    /// Examples at the start of every episode that are given, not predicted, in meta-training.
    pub context: usize,
}

impl Batch {
    /// Number of episodes.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether there is no episode.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Its episodes apart from the examples after their first `length`: `[batch, length]` and what is left.
    pub fn split_at(&self, length: usize) -> [Self; 2] {
        [self.part(0..length), self.part(length..self.episode_length())]
    }

    /// Some examples of every episode, `[batch, range]`.
    pub fn part(&self, range: Range<usize>) -> Self {
        let dim = self.input_dim();
        let mut part = Self { tasks: self.tasks.clone(), ..Self::default() };
        for (inputs, labels) in (0..self.len()).map(|i| self.episode(i)) {
            part.inputs.extend_from_slice(&inputs[range.start * dim..range.end * dim]);
            part.labels.extend_from_slice(&labels[range.clone()]);
        }
        part
    }

    /// The labels that are predicted in meta-training, `[batch, N - context]`.
    pub fn predicted(&self) -> Vec<u32> {
        let episodes = self.labels.chunks_exact(self.episode_length().max(1));
        episodes.flat_map(|labels| &labels[self.context..]).copied().collect()
    }

    /// Examples in an episode; 0 if there is none.
    pub fn episode_length(&self) -> usize {
        self.labels.len().checked_div(self.tasks.len()).unwrap_or(0)
    }

    /// Inputs `[N, input_dim]` and labels `[N]` of episode `i`.
    pub fn episode(&self, i: usize) -> (&[f32], &[u32]) {
        let (length, dim) = (self.episode_length(), self.input_dim());
        let inputs = &self.inputs[i * length * dim..(i + 1) * length * dim];
        (inputs, &self.labels[i * length..(i + 1) * length])
    }

    /// Length of an input; 0 if there is none.
    pub fn input_dim(&self) -> usize {
        self.inputs.len().checked_div(self.labels.len()).unwrap_or(0)
    }
}

/// Makes the batches of one source.
#[derive(Debug)]
pub struct BatchSource {
    source: Arc<dyn Source>,
    batch: usize,
    mode: Mode,
    seed: u64,
    biased: bool,
    visited: Option<Visited>,
    /// Examples of a draw.
    length: usize,
}

impl BatchSource {
    /// Batches of `batch` episodes. `seed` decides which tasks and examples are drawn; what a task is, the source.
    ///
    /// # Errors
    /// [`Error::Argument`] if `batch` is 0.
    pub fn new(source: Arc<dyn Source>, batch: usize, mode: Mode, seed: u64) -> Result<Self> {
        if batch == 0 {
            return Err(Error::argument("BatchSource::new", "a batch has at least one episode"));
        }
        // A meta-test must not repeat the episodes of meta-training when both have the same seed.
        let seed = match mode {
            Mode::MetaTrain => seed,
            Mode::Seen | Mode::Unseen => Rng::new(seed, Stream::MetaTest, 0).bits64(),
        };
        let length = source.episode_length();
        Ok(Self { source, batch, mode, seed, biased: mode == Mode::MetaTrain, visited: None, length })
    }

    /// With tasks that meta-training drew.
    pub fn of(self, visited: Visited) -> Self {
        Self { visited: Some(visited), ..self }
    }

    /// The same episodes, each with up to `queries` further examples of its task after it: as many as there are.
    pub fn with_queries(self, queries: usize) -> Self {
        let episode = self.source.episode_length();
        Self { length: (episode + queries).min(self.source.longest()).max(episode), ..self }
    }

    /// What makes its episodes what they are, queries apart.
    pub fn identity(&self) -> Identity {
        let Self { source, mode, seed, visited, .. } = self;
        let (own, visited) = (source.identity(), visited.as_ref().map(Visited::identity));
        Identity {
            examples: format!("{seed} {}", own.examples),
            tasks: format!("{mode:?} {visited:?} {}", own.tasks),
        }
    }

    /// The same tasks and examples without the source's bias.
    pub fn unbiased(self) -> Self {
        Self { biased: false, ..self }
    }

    /// Batch number `index`: the same whenever and wherever it is made.
    pub fn batch(&self, index: u64) -> Batch {
        let mut batch = Batch::default();
        self.fill(index, &mut batch);
        batch
    }

    /// [`BatchSource::batch`] into the buffers of an old batch.
    pub fn fill(&self, index: u64, out: &mut Batch) {
        let [batch, length, dim] = self.shape();
        out.inputs.resize(batch * length * dim, 0.0);
        out.labels.resize(batch * length, 0);
        out.tasks = self.write(index, &mut out.inputs, &mut out.labels);
    }

    /// Whether meta-training shows some episodes with a bias of the source, at some step.
    pub fn has_bias(&self) -> bool {
        self.source.has_bias()
    }

    /// Which episodes of batch number `index`, of these tasks, meta-training shows with the source's bias.
    pub fn biased(&self, index: u64, tasks: &[TaskId]) -> Vec<bool> {
        self.source.biased(index, tasks)
    }

    /// The sizes of a batch: episodes, examples of each, numbers of an input.
    pub fn shape(&self) -> [usize; 3] {
        [self.batch, self.length, self.source.input_dim()]
    }

    /// Label slots; labels are below it.
    pub fn classes(&self) -> usize {
        self.source.classes()
    }

    /// [`BatchSource::batch`] into memory of its [`BatchSource::shape`]: `inputs` `[batch, N, input_dim]` and `labels`
    /// `[batch, N]`. Returns the task of every episode.
    ///
    /// # Panics
    /// If the memory is of another size.
    pub fn write(&self, index: u64, inputs: &mut [f32], labels: &mut [u32]) -> Vec<TaskId> {
        self.write_watched(index, inputs, labels, &|| ())
    }

    /// [`BatchSource::write`] that calls `look` before each episode, from any thread; it may unwind, which ends the work there.
    ///
    /// # Panics
    /// As [`BatchSource::write`].
    pub fn write_watched(
        &self,
        index: u64,
        inputs: &mut [f32],
        labels: &mut [u32],
        look: &(dyn Fn() + Sync),
    ) -> Vec<TaskId> {
        let [batch, length, dim] = self.shape();
        assert_eq!((inputs.len(), labels.len()), (batch * length * dim, batch * length), "sizes of a batch");
        let first = index * self.batch as u64;
        let draw = |i: usize| Draw::new(self.seed, first + i as u64);
        let tasks = (0..self.batch).map(|i| match (self.mode, &self.visited) {
            (Mode::MetaTrain, _) | (Mode::Seen, None) => (self.source.seen_task(draw(i)), false),
            (Mode::Seen, Some(visited)) => visited.task(draw(i)),
            (Mode::Unseen, _) => (self.source.unseen_task(draw(i)), false),
        });
        let (tasks, mut biased): (Vec<TaskId>, Vec<bool>) = tasks.unzip();
        if self.biased {
            biased = self.biased(index, &tasks);
        }
        inputs
            .par_chunks_exact_mut(length * dim)
            .zip(labels.par_chunks_exact_mut(length))
            .zip(tasks.par_iter().zip(biased))
            .enumerate()
            .for_each(|(i, ((inputs, labels), (&task, biased)))| {
                look();
                if biased {
                    self.source.fill_biased(task, draw(i), inputs, labels);
                } else {
                    self.source.fill(task, draw(i), inputs, labels);
                }
            });
        tasks
    }
}
