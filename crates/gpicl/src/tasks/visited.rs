//! The tasks that meta-training drew.

use std::sync::Arc;

use super::source::Source;
use super::task::{Draw, TaskId};
use crate::rng::Stream;

/// The tasks of the first batches of meta-training, of one component of a mixture or of the one source there is: what a
/// meta-test calls seen. Each comes as often as meta-training drew it, and as it was shown: a task of a biased episode with
/// the permutation that those share.
#[derive(Clone, Debug)]
pub struct Visited {
    source: Arc<dyn Source>,
    seed: u64,
    batch: usize,
    batches: u64,
    component: u32,
}

impl Visited {
    /// Of the first `batches` batches of `batch` episodes that meta-training under `seed` draws from `source`, the episodes of
    /// `component`; `None` if there are none.
    pub fn new(
        source: Arc<dyn Source>,
        seed: u64,
        batch: usize,
        batches: u64,
        component: u32,
    ) -> Option<Self> {
        let visited = Self { source, seed, batch, batches, component };
        (0..visited.episodes())
            .any(|episode| visited.drawn(episode).component() == component)
            .then_some(visited)
    }

    fn episodes(&self) -> u64 {
        self.batch as u64 * self.batches
    }

    /// The task that meta-training drew for an episode.
    fn drawn(&self, episode: u64) -> TaskId {
        self.source.seen_task(Draw::new(self.seed, episode))
    }

    /// Whether meta-training showed an episode with the bias.
    fn biased(&self, episode: u64) -> bool {
        let (step, place) = (episode / self.batch as u64, (episode % self.batch as u64) as usize);
        let first = step * self.batch as u64;
        let tasks: Vec<TaskId> =
            (first..first + self.batch as u64).map(|episode| self.drawn(episode)).collect();
        self.source.biased(step, &tasks)[place]
    }

    /// Which they are.
    pub(super) fn identity(&self) -> String {
        let Self { source, seed, batch, batches, component } = self;
        format!("{seed} {batch} {batches} {component} {}", source.identity().tasks)
    }

    /// The task of a meta-test's draw, as the component itself knows it, and whether it was shown with the bias.
    pub fn task(&self, draw: Draw) -> (TaskId, bool) {
        let mut rng = draw.rng(Stream::TaskChoice);
        loop {
            let episode = rng.below(self.episodes());
            let task = self.drawn(episode);
            // It ends: there is an episode of the component.
            if task.component() == self.component {
                return (task.of(0), self.biased(episode));
            }
        }
    }
}
