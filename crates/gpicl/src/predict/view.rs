//! How one member of an ensemble looks at a table.

use gpicl_ops::cpu::project::RandomMatrix;

use super::stack::{Recipe, Stack};
use crate::models::Dims;
use crate::rng::{Rng, Stream};
use crate::tasks::{TaskId, permutation, random_matrix};

/// What it makes of features, label slots, and the rows that it reads.
pub(super) struct View {
    columns: Columns,
    /// The label slot of every class; where there are more classes than slots, some share one.
    pub(super) slots: Vec<u32>,
    /// Whether the answers of a [`Stack`] stand behind the features.
    pub(super) stacked: bool,
    /// Of that stack, once all labelled rows have said which: parts of them are not asked again.
    pub(super) recipe: Option<Recipe>,
    rng: Rng,
}

/// What a member makes of a row's features.
enum Columns {
    /// Projects them, by `[input_dim, features]`.
    Projected(RandomMatrix),
    /// Puts them into an order of its own, of very many some.
    Ordered(Vec<usize>),
}

/// The rows that become a context.
pub(super) struct Choice {
    /// Their indices, in random order.
    pub(super) rows: Vec<usize>,
    /// Of every class, the rows that there are, and those that were chosen.
    all: Vec<usize>,
    chosen: Vec<usize>,
}

impl Choice {
    /// For every slot that classes have, the share of its classes in all rows over that in the chosen ones; 0 for others.
    pub(super) fn weights(&self, slots: &[u32], count: usize) -> Vec<f32> {
        let sum = |of_classes: &[usize]| {
            let mut sums = vec![0_usize; count];
            slots.iter().zip(of_classes).for_each(|(&slot, rows)| sums[slot as usize] += rows);
            let total = of_classes.iter().sum::<usize>() as f64;
            sums.into_iter().map(move |rows| rows as f64 / total)
        };
        let ratio = |(all, chosen): (f64, f64)| if chosen > 0.0 { (all / chosen) as f32 } else { 0.0 };
        sum(&self.all).zip(sum(&self.chosen)).map(ratio).collect()
    }
}

/// Of every class, the rows with its label.
pub(super) fn counts(labels: impl Iterator<Item = u32>, classes: usize) -> Vec<usize> {
    let mut counts = vec![0; classes];
    labels.for_each(|label| counts[label as usize] += 1);
    counts
}

/// For every class, the part of its rows that a choice of `most` has on average.
pub(super) fn rates(labels: &[u32], classes: usize, most: usize) -> Vec<f64> {
    let totals = counts(labels.iter().copied(), classes);
    let mut order: Vec<usize> = (0..classes).collect();
    order.sort_by_key(|&class| totals[class]);
    // The rarest first: what it leaves of its part is for the others.
    let (mut rates, mut left) = (vec![1.0; classes], most as f64);
    for (at, class) in order.into_iter().enumerate() {
        let total = totals[class] as f64;
        let read = total.min(left / (classes - at) as f64);
        left -= read;
        rates[class] = if total > 0.0 { read / total } else { 1.0 };
    }
    rates
}

impl View {
    /// Most features that a member looks at where they are not projected.
    pub(super) const MOST_FEATURES: usize = 100;

    /// Of a model that reads projected features.
    pub(super) fn projected(dims: Dims, seed: u64, member: u64, features: usize, classes: usize) -> Self {
        let task = TaskId::unseen(member).key();
        let columns = Columns::Projected(random_matrix(seed, task, dims.input_dim, features));
        Self::of(columns, dims, seed, member, classes)
    }

    /// Of a model that reads tables.
    pub(super) fn ordered(dims: Dims, seed: u64, member: u64, features: usize, classes: usize) -> Self {
        let task = TaskId::unseen(member).key();
        let mut order: Vec<usize> = (0..features).collect();
        Rng::new(seed, Stream::Projection, task).shuffle(&mut order);
        order.truncate(Self::MOST_FEATURES);
        Self::of(Columns::Ordered(order), dims, seed, member, classes)
    }

    fn of(columns: Columns, dims: Dims, seed: u64, member: u64, classes: usize) -> Self {
        let task = TaskId::unseen(member).key();
        let slots = if classes <= dims.classes {
            permutation(seed, task, classes, dims.classes)
        } else {
            let mut slots: Vec<u32> = (0..classes).map(|class| (class % dims.classes) as u32).collect();
            Rng::new(seed, Stream::Permutation, task).shuffle(&mut slots);
            slots
        };
        // Every other member that reads tables: the two kinds err in different ways.
        let stacked =
            matches!(columns, Columns::Ordered(_)) && member % 2 == 1 && classes <= Stack::MOST_CLASSES;
        Self { columns, slots, stacked, recipe: None, rng: Rng::new(seed, Stream::Context, member) }
    }

    /// Numbers of a row that the model reads.
    pub(super) fn width(&self) -> usize {
        match &self.columns {
            Columns::Projected(matrix) => matrix.out_dim,
            Columns::Ordered(order) => order.len(),
        }
    }

    /// Those, and what a stack for so many classes adds.
    pub(super) fn width_with(&self, classes: usize) -> usize {
        self.width() + if self.stacked { Stack::width_for(classes) } else { 0 }
    }

    /// At most `most` of the rows with these labels: as many of each class as of any other, or all that it has.
    pub(super) fn choose(&self, labels: &[u32], classes: usize, most: usize) -> Choice {
        let mut rng = self.rng.clone();
        let mut order: Vec<usize> = (0..labels.len()).collect();
        rng.shuffle(&mut order);
        let all = counts(labels.iter().copied(), classes);
        if order.len() <= most {
            return Choice { rows: order, chosen: all.clone(), all };
        }
        // In rounds, in each a row of every class that has one left; those of the last round are the first in random order.
        let mut seen = vec![0_usize; classes];
        let mut ranked: Vec<(usize, usize)> = order
            .into_iter()
            .map(|row| {
                let class = labels[row] as usize;
                seen[class] += 1;
                (seen[class], row)
            })
            .collect();
        ranked.sort_by_key(|&(round, _)| round);
        let mut rows: Vec<usize> = ranked.into_iter().take(most).map(|(_, row)| row).collect();
        rng.shuffle(&mut rows);
        let chosen = counts(rows.iter().map(|&row| labels[row]), classes);
        Choice { rows, all, chosen }
    }

    /// Rows `[n, features]` as the model reads them, `[n, width]`.
    pub(super) fn apply<'a>(&self, rows: impl ExactSizeIterator<Item = &'a [f32]> + Clone) -> Vec<f32> {
        match &self.columns {
            Columns::Projected(matrix) => {
                let mut out = vec![0.0; rows.len() * matrix.out_dim];
                matrix.project(rows, &mut out);
                out
            }
            Columns::Ordered(order) => rows.flat_map(|row| order.iter().map(|&at| row[at])).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIMS: Dims = Dims { input_dim: 4, classes: 3, episode_length: 100 };

    #[test]
    fn rare_rows_are_kept_and_frequent_ones_stand_for_the_rest() {
        let labels: Vec<u32> = (0..1000).map(|row| u32::from(row >= 980)).collect();
        let choose = |member, labels: &[u32], classes| {
            View::projected(DIMS, 0, member, 2, classes).choose(labels, classes, 99)
        };
        let slots = [2, 0];
        let choice = choose(0, &labels, 2);
        let (weights, rows) = (choice.weights(&slots, 3), choice.rows);
        assert_eq!((rows.len(), rows.iter().filter(|&&row| row >= 980).count()), (99, 20));
        let true_shares = [weights[2] * 79.0 / 99.0, weights[0] * 20.0 / 99.0];
        assert_eq!(weights[1], 0.0, "a slot of no class");
        assert!((true_shares[0] - 0.98).abs() < 1e-6 && (true_shares[1] - 0.02).abs() < 1e-6, "{weights:?}");
        let mut sorted = rows.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), 99, "no row twice");
        let other = choose(1, &labels, 2).rows;
        assert!(other.iter().any(|row| *row < 980 && !rows.contains(row)), "another member has others");
        assert_eq!(rates(&labels, 2, 99), [79.0 / 980.0, 1.0]);
        assert_eq!(choose(0, &labels[950..], 2).weights(&slots, 3), [1.0, 0.0, 1.0], "all are read");
        assert_eq!(rates(&labels[950..], 2, 99), [1.0, 1.0]);
        let even: Vec<u32> = (0..300).map(|row| row % 3).collect();
        assert_eq!(choose(0, &even, 3).weights(&[2, 0, 1], 3), [1.0; 3]);
    }
}
