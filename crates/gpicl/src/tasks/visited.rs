//! The tasks that meta-training drew.

use std::sync::Arc;

use super::source::Source;
use super::task::{Draw, TaskId};
use crate::rng::Stream;

/// The tasks of the first episodes of meta-training, of one component of a mixture or of the one source there is: what a
/// meta-test calls seen. Each comes as often as meta-training drew it.
#[derive(Clone, Debug)]
pub struct Visited {
    source: Arc<dyn Source>,
    seed: u64,
    episodes: u64,
    component: u32,
}

impl Visited {
    /// Of the first `episodes` episodes that meta-training under `seed` draws from `source`, those of `component`; `None`
    /// if there are none.
    pub fn new(source: Arc<dyn Source>, seed: u64, episodes: u64, component: u32) -> Option<Self> {
        let visited = Self { source, seed, episodes, component };
        let any = (0..episodes).any(|episode| visited.of(episode).is_some());
        any.then_some(visited)
    }

    /// The task of an episode of meta-training, if it is of the component; as the component itself knows it.
    fn of(&self, episode: u64) -> Option<TaskId> {
        let task = self.source.seen_task(Draw::new(self.seed, episode));
        (task.component() == self.component).then(|| task.of(0))
    }

    /// Which they are.
    pub(super) fn identity(&self) -> String {
        let Self { source, seed, episodes, component } = self;
        format!("{seed} {episodes} {component} {}", source.identity())
    }

    /// The task of a meta-test's draw.
    pub fn task(&self, draw: Draw) -> TaskId {
        let mut rng = draw.rng(Stream::TaskChoice);
        loop {
            // It ends: there is an episode of the component.
            if let Some(task) = self.of(rng.below(self.episodes)) {
                return task;
            }
        }
    }
}
