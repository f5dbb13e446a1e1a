//! Tasks over a data set: its inputs projected by `A_k`, its labels permuted by `rho_k`.

use std::sync::Arc;

use super::distribution::TaskDistribution;
use super::source::Source;
use super::task::{Draw, TaskId};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::rng::Stream;

/// The paper's source of episodes: N examples of a data set, drawn with replacement, classes as they come, as task k
/// shows them.
#[derive(Clone, Debug)]
pub struct Projected {
    name: String,
    distribution: TaskDistribution,
    data: Arc<Dataset>,
    /// The permutation that biased episodes share: task 0's.
    shared: Vec<u32>,
}

impl Projected {
    /// The tasks of `distribution` over `data`.
    ///
    /// # Errors
    /// [`Error::Argument`] if the data set is empty or of another size than the distribution was made for.
    pub fn new(distribution: TaskDistribution, data: Arc<Dataset>) -> Result<Self> {
        let found = (data.dim(), data.num_classes());
        let expected = (distribution.data_dim(), distribution.data_classes());
        if data.is_empty() || found != expected {
            let problem = format!(
                "{} examples of {} numbers in {} classes; expected some, of {} numbers in {} classes",
                data.len(),
                found.0,
                found.1,
                expected.0,
                expected.1
            );
            return Err(Error::argument("the episodes' data set", problem));
        }
        let shared = distribution.permutation(TaskId::seen(0));
        Ok(Self { name: data.name().to_string(), distribution, data, shared })
    }

    /// The same under another name, where two sources are of data sets that have one.
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// Which examples of the data set an episode is made of, `[N]`.
    pub fn examples(&self, draw: Draw) -> Vec<usize> {
        let mut rng = draw.rng(Stream::ExampleChoice);
        (0..self.episode_length()).map(|_| rng.below(self.data.len() as u64) as usize).collect()
    }

    /// An episode relabelled by `rho`.
    fn relabelled(&self, task: TaskId, draw: Draw, rho: &[u32], inputs: &mut [f32], labels: &mut [u32]) {
        let examples = self.examples(draw);
        for (label, &example) in labels.iter_mut().zip(&examples) {
            *label = rho[self.data.label(example) as usize];
        }
        let rows = examples.iter().map(|&example| self.data.input(example));
        match self.distribution.random_matrix(task) {
            Some(matrix) => matrix.project(rows, self.data.grid(), inputs),
            None => inputs
                .chunks_exact_mut(self.data.dim())
                .zip(rows)
                .for_each(|(to, row)| to.copy_from_slice(row)),
        }
    }
}

impl Source for Projected {
    fn name(&self) -> &str {
        &self.name
    }

    fn input_dim(&self) -> usize {
        self.distribution.input_dim()
    }

    fn classes(&self) -> usize {
        self.distribution.classes()
    }

    fn episode_length(&self) -> usize {
        self.distribution.episode_length()
    }

    fn seen_task(&self, draw: Draw) -> TaskId {
        self.distribution.seen_task(draw)
    }

    /// The first episodes of the batch, as many as the bias's fraction of it.
    fn biased(&self, step: u64, tasks: &[TaskId]) -> Vec<bool> {
        let biased = self.distribution.biased(step, tasks.len());
        (0..tasks.len()).map(|i| i < biased).collect()
    }

    fn fill(&self, task: TaskId, draw: Draw, inputs: &mut [f32], labels: &mut [u32]) {
        let rho = self.distribution.permutation(task);
        self.relabelled(task, draw, &rho, inputs, labels);
    }

    /// With the permutation that all biased episodes share, and the task's own projection.
    fn fill_biased(&self, task: TaskId, draw: Draw, inputs: &mut [f32], labels: &mut [u32]) {
        self.relabelled(task, draw, &self.shared, inputs, labels);
    }
}
