//! Columns of a table while it is made: rows of the task itself, then the rows that a draw asks for.

use super::chance::branch;
use crate::rng::Rng;

/// The numbers of a column, probe rows first.
pub(super) type Column = Vec<f32>;

/// Rows that are the task's own, the same for every draw. What a family measures (means, quantiles) it measures on these,
/// so that the rows of a draw do not depend on each other.
pub(super) const PROBES: usize = 128;

/// Independent random numbers for every row. Each column has sequences of its own and takes them row by row: more rows
/// leave the first ones as they are.
pub(super) struct Rows {
    task: Rng,
    draw: Rng,
    drawn: usize,
}

impl Rows {
    /// Probe rows by the random numbers of the task, and `drawn` rows by those of the draw.
    pub(super) fn new(task: Rng, draw: Rng, drawn: usize) -> Self {
        Self { task, draw, drawn }
    }

    /// Rows of a column.
    pub(super) fn len(&self) -> usize {
        PROBES + self.drawn
    }

    /// Something random for each row.
    pub(super) fn each<T>(&mut self, mut next: impl FnMut(&mut Rng) -> T) -> Vec<T> {
        let mut all = Vec::with_capacity(self.len());
        for (rng, count) in [(&mut self.task, PROBES), (&mut self.draw, self.drawn)] {
            let mut rng = branch(rng);
            all.extend((0..count).map(|_| next(&mut rng)));
        }
        all
    }

    /// Standard normals.
    pub(super) fn normal(&mut self) -> Column {
        self.each(Rng::normal)
    }

    /// Uniform in `[0, 1)`.
    pub(super) fn uniform(&mut self) -> Column {
        self.each(Rng::uniform)
    }
}

/// The sum of columns by weights, each of `len` rows.
pub(super) fn combination<'a>(terms: impl IntoIterator<Item = (f32, &'a Column)>, len: usize) -> Column {
    let mut sum = vec![0.0; len];
    for (weight, column) in terms {
        sum.iter_mut().zip(column).for_each(|(sum, x)| *sum += weight * x);
    }
    sum
}

/// Mean and standard deviation of the probe rows.
pub(super) fn moments(column: &[f32]) -> (f32, f32) {
    let probes = &column[..PROBES];
    let mean = probes.iter().sum::<f32>() / PROBES as f32;
    let variance = probes.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / PROBES as f32;
    (mean, variance.sqrt())
}

/// Shifts and scales a column to mean 0 and deviation 1 of its probe rows; one that is constant there is only shifted.
/// No number stays further off than `FARTHEST`.
pub(super) fn standardise(column: &mut [f32]) {
    /// Deviations: far beyond what a heavy tail tells, and products of a few such numbers are finite.
    const FARTHEST: f32 = 30.0;
    let (mean, deviation) = moments(column);
    let constant = deviation <= 1e-6 * (1.0 + mean.abs());
    let scale = if constant { 1.0 } else { 1.0 / deviation };
    column.iter_mut().for_each(|x| *x = ((*x - mean) * scale).clamp(-FARTHEST, FARTHEST));
}

/// The probe rows' numbers in order.
pub(super) fn sorted(column: &[f32]) -> Column {
    let mut probes = column[..PROBES].to_vec();
    probes.sort_by(f32::total_cmp);
    probes
}

/// The number below which a `share` of the sorted probe rows lies.
pub(super) fn quantile(sorted: &[f32], share: f32) -> f32 {
    sorted[((share * sorted.len() as f32) as usize).min(sorted.len() - 1)]
}
