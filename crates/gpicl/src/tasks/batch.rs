//! Batches of episodes: a pure function of (config, index), made in parallel.

use std::sync::Arc;

use rayon::prelude::*;

use super::distribution::{TaskDistribution, TaskId};
use super::episode::{check_sizes, fill_episode};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::rng::{Rng, Stream};

/// Which tasks a source draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Meta-training: seen tasks, with the bias if there is one.
    MetaTrain,
    /// Meta-test on tasks of the meta-training distribution.
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

    /// Examples in an episode; 0 if there is none.
    pub fn episode_length(&self) -> usize {
        self.labels.len().checked_div(self.tasks.len()).unwrap_or(0)
    }

    /// Length of an input; 0 if there is none.
    pub fn input_dim(&self) -> usize {
        self.inputs.len().checked_div(self.labels.len()).unwrap_or(0)
    }
}

/// Makes the batches of one distribution over one data set.
#[derive(Debug)]
pub struct BatchSource {
    distribution: TaskDistribution,
    data: Arc<Dataset>,
    batch: usize,
    mode: Mode,
    seed: u64,
    /// The permutation that biased episodes share: task 0's.
    shared: Vec<u32>,
}

impl BatchSource {
    /// Batches of `batch` episodes. `seed` decides which tasks and examples are drawn; what task k is comes
    /// from the distribution.
    ///
    /// # Errors
    /// [`Error::Argument`] if the data set is empty or of another size than the distribution was made for, or
    /// `batch` is 0.
    pub fn new(
        distribution: TaskDistribution,
        data: Arc<Dataset>,
        batch: usize,
        mode: Mode,
        seed: u64,
    ) -> Result<Self> {
        check_sizes(&distribution, &data)?;
        if batch == 0 {
            return Err(Error::argument("BatchSource::new", "a batch has at least one episode"));
        }
        // A meta-test must not repeat the episodes of meta-training when both have the same seed.
        let seed = match mode {
            Mode::MetaTrain => seed,
            Mode::Seen | Mode::Unseen => Rng::new(seed, Stream::MetaTest, 0).bits64(),
        };
        let shared = distribution.permutation(TaskId::seen(0));
        Ok(Self { distribution, data, batch, mode, seed, shared })
    }

    /// Batch number `index`: the same whenever and wherever it is made.
    pub fn batch(&self, index: u64) -> Batch {
        let mut batch = Batch::default();
        self.fill(index, &mut batch);
        batch
    }

    /// [`BatchSource::batch`] into the buffers of an old batch.
    pub fn fill(&self, index: u64, out: &mut Batch) {
        let Self { distribution, data, batch, mode, seed, shared } = self;
        let (length, dim) = (distribution.episode_length(), distribution.input_dim());
        out.inputs.resize(batch * length * dim, 0.0);
        out.labels.resize(batch * length, 0);
        let first = index * *batch as u64;
        let biased = match mode {
            Mode::MetaTrain => distribution.biased(index, *batch),
            Mode::Seen | Mode::Unseen => 0,
        };
        out.inputs
            .par_chunks_exact_mut(length * dim)
            .zip(out.labels.par_chunks_exact_mut(length))
            .enumerate()
            .map(|(i, (inputs, labels))| {
                let episode = first + i as u64;
                let task = match mode {
                    Mode::MetaTrain | Mode::Seen => distribution.seen_task(*seed, episode),
                    Mode::Unseen => distribution.unseen_task(*seed, episode),
                };
                let own;
                let rho = if i < biased {
                    shared
                } else {
                    own = distribution.permutation(task);
                    &own
                };
                fill_episode(distribution, data, (*seed, episode), task, rho, inputs, labels);
                task
            })
            .collect_into_vec(&mut out.tasks);
    }
}
