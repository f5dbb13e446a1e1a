//! Where episodes come from.

use std::fmt::Debug;

use super::task::{Draw, TaskId};
use crate::data::{Description, Fingerprint};

/// What makes episodes what they are, but for the length of inputs: of two sources that agree in both, the same draw of the
/// same task has the same examples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Which examples a draw has.
    pub examples: String,
    /// How a task shows them.
    pub tasks: String,
}

/// A distribution of tasks, and the episodes of each. Everything is a pure function of its arguments: whoever asks, in
/// whatever order and on whatever thread, gets the same bits.
///
/// A source over a data set is of one split of it; one that makes its tasks needs no data set.
pub trait Source: Debug + Send + Sync {
    /// Name for tables and plots: that of the data set, if there is one.
    fn name(&self) -> &str;

    /// What its examples are, if it is over a data set that says so.
    fn description(&self) -> Option<&Description> {
        None
    }

    /// Its examples by their checksum, if it is over a data set.
    fn fingerprint(&self) -> Option<Fingerprint> {
        None
    }

    /// Length of an input.
    fn input_dim(&self) -> usize;

    /// Label slots; labels are below it.
    fn classes(&self) -> usize;

    /// Classes of a task: label slots that occur in its episodes. The others stay empty.
    fn task_classes(&self) -> usize {
        self.classes()
    }

    /// Examples in an episode, N.
    fn episode_length(&self) -> usize;

    /// The task of an episode of meta-training; a fresh one unless the number of tasks is limited.
    fn seen_task(&self, draw: Draw) -> TaskId {
        TaskId::seen(draw.fresh())
    }

    /// The task of an episode that meta-training never draws: always a fresh one.
    fn unseen_task(&self, draw: Draw) -> TaskId {
        TaskId::unseen(draw.fresh())
    }

    /// Whether meta-training biases some of its episodes, at some step.
    fn has_bias(&self) -> bool {
        false
    }

    /// Which episodes of the meta-training batch at `step`, counted from 0, are biased, given the tasks of all; none
    /// unless the source has a bias.
    fn biased(&self, step: u64, tasks: &[TaskId]) -> Vec<bool> {
        let _ = step;
        vec![false; tasks.len()]
    }

    /// Examples that its episodes are made of; none if it makes them without end.
    fn examples(&self) -> Option<usize> {
        None
    }

    /// Whether an example can stand in an episode twice.
    fn replacement(&self) -> bool {
        false
    }

    /// Most examples that a draw can have: those of the episode, and fresh ones to ask for.
    fn longest(&self) -> usize {
        match self.examples() {
            Some(examples) if !self.replacement() => examples,
            _ => usize::MAX,
        }
    }

    /// What makes its episodes what they are.
    fn identity(&self) -> Identity;

    /// Writes the first examples of a draw as `task` shows them, as many as there are `labels`: `inputs` `[n, input_dim]`,
    /// row-major, and `labels` `[n]`. The first N are the episode; those after it are further examples of its task, none of
    /// which stands in it unless [`Source::replacement`].
    fn fill(&self, task: TaskId, draw: Draw, inputs: &mut [f32], labels: &mut [u32]);

    /// [`Source::fill`] of a biased episode.
    fn fill_biased(&self, task: TaskId, draw: Draw, inputs: &mut [f32], labels: &mut [u32]) {
        self.fill(task, draw, inputs, labels);
    }
}
