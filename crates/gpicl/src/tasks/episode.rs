//! One episode: N examples of one task.

use super::source::Source;
use super::task::{Draw, TaskId};

/// N examples of one task, in the order in which a learner sees them.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// `[N, input_dim]`, row-major.
    pub inputs: Vec<f32>,
    /// `[N]`.
    pub labels: Vec<u32>,
}

impl Episode {
    /// The episode of `task` that `draw` names.
    pub fn new(source: &dyn Source, task: TaskId, draw: Draw) -> Self {
        let n = source.episode_length();
        let mut episode = Self { inputs: vec![0.0; n * source.input_dim()], labels: vec![0; n] };
        source.fill(task, draw, &mut episode.inputs, &mut episode.labels);
        episode
    }
}
