//! One episode: N examples of one task.

use super::distribution::{TaskDistribution, TaskId};
use super::rng::{Rng, Stream};
use crate::data::Dataset;

/// Which permutation an episode uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Labels {
    /// The task's own.
    Own,
    /// The one that the biased episodes share: task 0's.
    Shared,
}

/// Fills one episode: `inputs` `[N, input_dim]` and `labels` `[N]`. Examples are drawn with replacement over
/// the data set, classes as they come, by (seed, episode).
pub(super) fn fill_episode(
    distribution: &TaskDistribution,
    data: &Dataset,
    (seed, episode): (u64, u64),
    task: TaskId,
    labelling: Labels,
    inputs: &mut [f32],
    labels: &mut [u32],
) {
    let mut rng = Rng::new(seed, Stream::ExampleChoice, episode);
    let drawn: Vec<usize> = labels.iter().map(|_| rng.below(data.len() as u64) as usize).collect();
    let rho = distribution.permutation(match labelling {
        Labels::Own => task,
        Labels::Shared => TaskId::seen(0),
    });
    for (label, &example) in labels.iter_mut().zip(&drawn) {
        *label = rho[data.label(example) as usize];
    }
    let rows: Vec<&[f32]> = drawn.iter().map(|&example| data.input(example)).collect();
    match distribution.projection(task) {
        None => {
            for (row, out) in rows.iter().zip(inputs.chunks_exact_mut(distribution.input_dim())) {
                out.copy_from_slice(row);
            }
        }
        Some(matrix) => project(&rows, &matrix, inputs),
    }
}

/// `out[n] = A x_n`, with `A` row-major `[out_dim, in_dim]`.
pub(crate) fn project(rows: &[&[f32]], matrix: &[f32], out: &mut [f32]) {
    let out_dim = out.len() / rows.len();
    let in_dim = matrix.len() / out_dim;
    for (row, out) in rows.iter().zip(out.chunks_exact_mut(out_dim)) {
        for (value, weights) in out.iter_mut().zip(matrix.chunks_exact(in_dim)) {
            *value = weights.iter().zip(*row).map(|(a, x)| a * x).sum();
        }
    }
}
