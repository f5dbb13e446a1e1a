//! One episode: N examples of one task.

use super::distribution::{TaskDistribution, TaskId};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::rng::{Rng, Stream};

/// N examples of one task, in the order in which a learner sees them.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// `x'`, `[N, input_dim]` row-major.
    pub inputs: Vec<f32>,
    /// `y'`, `[N]`.
    pub labels: Vec<u32>,
    /// Which examples of the data set they are made of, `[N]`.
    pub examples: Vec<usize>,
}

impl Episode {
    /// Episode number `episode` under `seed`, of `task` over `data`: N examples drawn with replacement,
    /// classes as they come.
    ///
    /// # Errors
    /// [`Error::Argument`] if the data set is not of the size that the distribution was made for.
    pub fn new(
        distribution: &TaskDistribution,
        data: &Dataset,
        task: TaskId,
        seed: u64,
        episode: u64,
    ) -> Result<Self> {
        check_sizes(distribution, data)?;
        let n = distribution.episode_length();
        let mut inputs = vec![0.0; n * distribution.input_dim()];
        let mut labels = vec![0; n];
        let rho = distribution.permutation(task);
        fill_episode(distribution, data, (seed, episode), task, &rho, &mut inputs, &mut labels);
        Ok(Self { inputs, labels, examples: draw_examples(data, (seed, episode), n) })
    }
}

/// Whether `data` is what `distribution` was made for.
pub(super) fn check_sizes(distribution: &TaskDistribution, data: &Dataset) -> Result<()> {
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
    Ok(())
}

fn draw_examples(data: &Dataset, (seed, episode): (u64, u64), n: usize) -> Vec<usize> {
    let mut rng = Rng::new(seed, Stream::ExampleChoice, episode);
    (0..n).map(|_| rng.below(data.len() as u64) as usize).collect()
}

/// Fills one episode: `inputs` `[N, input_dim]` and `labels` `[N]`, relabelled by `rho`. Examples are drawn
/// by `draw`, (seed, episode).
pub(super) fn fill_episode(
    distribution: &TaskDistribution,
    data: &Dataset,
    draw: (u64, u64),
    task: TaskId,
    rho: &[u32],
    inputs: &mut [f32],
    labels: &mut [u32],
) {
    let examples = draw_examples(data, draw, labels.len());
    for (label, &example) in labels.iter_mut().zip(&examples) {
        *label = rho[data.label(example) as usize];
    }
    let rows = examples.iter().map(|&example| data.input(example));
    match distribution.random_matrix(task) {
        Some(matrix) => matrix.project(rows, data.grid(), inputs),
        None => inputs.chunks_exact_mut(data.dim()).zip(rows).for_each(|(to, row)| to.copy_from_slice(row)),
    }
}
