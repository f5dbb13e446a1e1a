//! Names of tasks and of draws: what an episode is a pure function of.

use crate::rng::{Rng, Stream};

/// One task, by its number and the component of a mixture that it is of. Seen and unseen tasks are numbered from
/// disjoint ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId {
    component: u32,
    key: u64,
}

impl TaskId {
    const UNSEEN: u64 = 1 << 63;

    /// Task `k` of the meta-training distribution.
    ///
    /// # Panics
    /// If `k` has more than 63 bits.
    pub fn seen(k: u64) -> Self {
        assert!(k < Self::UNSEEN, "task numbers have 63 bits");
        Self { component: 0, key: k }
    }

    /// Task `k` of the stream that meta-training never draws from.
    ///
    /// # Panics
    /// If `k` has more than 63 bits.
    pub fn unseen(k: u64) -> Self {
        assert!(k < Self::UNSEEN, "task numbers have 63 bits");
        Self { component: 0, key: Self::UNSEEN | k }
    }

    /// The same task, of a mixture's component.
    pub fn of(self, component: u32) -> Self {
        Self { component, ..self }
    }

    /// The component of a mixture that the task is of; 0 for a source that is none.
    pub fn component(self) -> u32 {
        self.component
    }

    /// Whether the task can occur in meta-training.
    pub fn is_seen(self) -> bool {
        self.key & Self::UNSEEN == 0
    }

    /// The number that the generators are keyed with.
    pub fn key(self) -> u64 {
        self.key
    }
}

/// Which episode: decides its task and its examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Draw {
    /// Seed of the episodes.
    pub seed: u64,
    /// Number of the episode.
    pub episode: u64,
}

impl Draw {
    /// Episode number `episode` under `seed`.
    pub fn new(seed: u64, episode: u64) -> Self {
        Self { seed, episode }
    }

    /// The draw's random numbers for one purpose.
    pub fn rng(self, stream: Stream) -> Rng {
        Rng::new(self.seed, stream, self.episode)
    }

    /// A number of 63 random bits for a task: two seeds do not meet the same tasks, nor one seed a task twice.
    pub fn fresh(self) -> u64 {
        self.rng(Stream::TaskChoice).bits64() >> 1
    }
}
