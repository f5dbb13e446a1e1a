//! Batches of episodes: a pure function of (config, index), made in parallel and ahead of their use.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use rayon::prelude::*;

use super::distribution::{TaskDistribution, TaskId};
use super::episode::{Labels, fill_episode};
use super::rng::{Rng, Stream};
use crate::data::Dataset;
use crate::error::{Error, Result};

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

    /// Examples in an episode.
    pub fn episode_length(&self) -> usize {
        self.labels.len() / self.tasks.len()
    }

    /// Length of an input.
    pub fn input_dim(&self) -> usize {
        self.inputs.len() / self.labels.len()
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
}

impl BatchSource {
    /// Batches of `batch` episodes. `seed` decides which tasks and examples are drawn; what task k is comes
    /// from the distribution.
    ///
    /// # Errors
    /// [`Error::Argument`] if the data set is empty or of another size than the distribution was made for.
    pub fn new(
        distribution: TaskDistribution,
        data: Arc<Dataset>,
        batch: usize,
        mode: Mode,
        seed: u64,
    ) -> Result<Self> {
        if data.is_empty() || batch == 0 {
            return Err(Error::argument("BatchSource::new", "needs a data set and at least one episode"));
        }
        if data.dim() != distribution.data_dim() {
            let problem = format!("the data set has {} numbers, expected {}", data.dim(), distribution.data_dim());
            return Err(Error::argument("BatchSource::new", problem));
        }
        // A meta-test must not repeat the episodes of meta-training when both have the same seed.
        let seed = match mode {
            Mode::MetaTrain => seed,
            Mode::Seen | Mode::Unseen => Rng::new(seed, Stream::MetaTest, 0).bits64(),
        };
        Ok(Self { distribution, data, batch, mode, seed })
    }

    /// Batch number `index`: the same whenever and wherever it is made.
    pub fn batch(&self, index: u64) -> Batch {
        let mut batch = Batch::default();
        self.fill(index, &mut batch);
        batch
    }

    /// [`BatchSource::batch`] into the buffers of an old batch.
    pub fn fill(&self, index: u64, out: &mut Batch) {
        let Self { distribution, data, batch, mode, seed } = self;
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
                    Mode::Unseen => TaskId::unseen(episode),
                };
                let labelling = if i < biased { Labels::Shared } else { Labels::Own };
                fill_episode(distribution, data, (*seed, episode), task, labelling, inputs, labels);
                task
            })
            .collect_into_vec(&mut out.tasks);
    }
}

/// Makes batches ahead on a thread of its own, a bounded number of them.
#[derive(Debug)]
pub struct Prefetch {
    ready: Option<Receiver<Batch>>,
    used: Sender<Batch>,
    thread: Option<JoinHandle<()>>,
}

impl Prefetch {
    /// Batches made ahead of the one in use.
    const DEPTH: usize = 2;

    /// The batches `indices` of `source`, in order.
    pub fn new(source: Arc<BatchSource>, indices: Range<u64>) -> Self {
        let (send, ready): (SyncSender<Batch>, _) = sync_channel(Self::DEPTH);
        let (used, reuse) = channel::<Batch>();
        let thread = std::thread::spawn(move || {
            for index in indices {
                let mut batch = reuse.try_recv().unwrap_or_default();
                source.fill(index, &mut batch);
                if send.send(batch).is_err() {
                    return;
                }
            }
        });
        Self { ready: Some(ready), used, thread: Some(thread) }
    }

    /// The next batch.
    ///
    /// # Errors
    /// [`Error::Argument`] after the last one. A panic of the producer goes on here.
    #[allow(clippy::should_implement_trait, reason = "fallible, and a batch is handed back by `recycle`")]
    pub fn next(&mut self) -> Result<Batch> {
        let ready = self.ready.as_ref().expect("taken on drop only");
        ready.recv().map_err(|_| {
            if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
                std::panic::resume_unwind(panic);
            }
            Error::argument("Prefetch::next", "no batch is left")
        })
    }

    /// Gives a batch's buffers back for a later one.
    pub fn recycle(&self, batch: Batch) {
        // After the last batch nobody takes them any more.
        let _ = self.used.send(batch);
    }
}

impl Drop for Prefetch {
    fn drop(&mut self) {
        // The producer's next send fails, and it ends.
        drop(self.ready.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
