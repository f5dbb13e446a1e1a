//! What a learner for tables is told of each cell.
//!
//! A column is told by the rows of its context: their mean and deviation, and their order. One that is constant or empty among
//! them says nothing and is left out. Of the others so many as a token holds stand together, in the order of the table.

use std::iter::zip;
use std::ops::Range;

use rayon::prelude::*;

use crate::rng::{Rng, Stream};

/// Deviations from the mean at which numbers end.
const CLIP: f32 = 10.0;
/// Numbers of a signature, by which the columns of tokens are told apart.
const SIGNATURE: usize = 8;
/// Numbers of a cell beside its token's signature and its label: standardised, the same with its far ends drawn in, rank, share
/// of equal cells, share of different values in the column, share of missing cells in it, whether it is missing.
const OF_CELL: usize = 7;

/// What the context says of the columns of all episodes.
#[derive(Clone, Debug)]
pub struct Columns {
    /// Columns of tokens of every episode, with that of its labels as the last.
    groups: Vec<usize>,
    /// Of every episode, those that say something.
    kept: Vec<Vec<Column>>,
    /// Columns whose cells make one token.
    together: usize,
    /// Numbers in a row of inputs.
    width: usize,
}

/// A column of a context.
#[derive(Clone, Debug)]
struct Column {
    /// Where it stands in a row of inputs.
    at: usize,
    mean: f64,
    deviation: f64,
    /// Its numbers in order.
    sorted: Vec<f32>,
    /// Different ones among them, as a share.
    different: f32,
    /// Share of missing ones.
    missing: f32,
}

/// Numbers of tokens, `[columns of tokens, rows, width]`.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// Row-major.
    pub values: Vec<f32>,
    /// Their shape.
    pub shape: [usize; 3],
}

impl Sheet {
    /// Numbers of a token of `together` cells, for `classes` label slots.
    pub fn width(together: usize, classes: usize) -> usize {
        together * OF_CELL + SIGNATURE + classes + 1
    }

    /// Numbers of the cell at `place` in a token.
    pub fn cell(place: usize) -> Range<usize> {
        place * OF_CELL..(place + 1) * OF_CELL
    }
}

impl Column {
    /// The column at `at` of `rows`; none if it is constant or empty.
    fn fit(rows: &[f32], width: usize, at: usize) -> Option<Self> {
        let cells = rows[at..].iter().step_by(width);
        let mut sorted: Vec<f32> = cells.clone().copied().filter(|cell| !cell.is_nan()).collect();
        sorted.sort_unstable_by(f32::total_cmp);
        if sorted.first() == sorted.last() {
            return None;
        }
        let count = sorted.len() as f64;
        let mean = sorted.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
        let variance = sorted.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count;
        let different = 1 + sorted.windows(2).filter(|pair| pair[0] != pair[1]).count();
        let missing = 1.0 - count as f32 / cells.len() as f32;
        let different = different as f32 / count as f32;
        Some(Self { at, mean, deviation: variance.sqrt(), sorted, different, missing })
    }

    /// Writes what is known of `cell`.
    fn tell(&self, cell: f32, to: &mut [f32]) {
        if cell.is_nan() {
            to.copy_from_slice(&[0.0, 0.0, 0.0, 0.0, self.different, self.missing, 1.0]);
            return;
        }
        let standard = ((f64::from(cell) - self.mean) / self.deviation) as f32;
        let standard = standard.clamp(-CLIP, CLIP);
        let below = self.sorted.partition_point(|&x| x < cell);
        let equal = self.sorted[below..].partition_point(|&x| x <= cell);
        let count = self.sorted.len() as f32;
        let rank = (2 * below + equal) as f32 / count - 1.0;
        let drawn_in = standard.abs().ln_1p().copysign(standard);
        let equal = equal as f32 / count;
        to.copy_from_slice(&[standard, drawn_in, rank, equal, self.different, self.missing, 0.0]);
    }
}

impl Columns {
    /// Those of `inputs` `[batch, rows, width]`, of whose rows the first `context` are known with their labels. The cells of
    /// `together` columns make one token; the last token of a row may have fewer.
    pub fn fit(inputs: &[f32], [rows, width]: [usize; 2], context: usize, together: usize) -> Self {
        let fit = |episode: &[f32]| {
            let known = &episode[..context * width];
            (0..width)
                .filter_map(|at| if context == 0 { None } else { Column::fit(known, width, at) })
                .collect()
        };
        let kept: Vec<Vec<Column>> = inputs.par_chunks_exact(rows * width).map(fit).collect();
        let groups = kept.iter().map(|columns| columns.len().div_ceil(together) + 1).collect();
        Self { groups, kept, together, width }
    }

    /// Those of `batch` contexts without rows.
    pub fn nothing(batch: usize, width: usize, together: usize) -> Self {
        Self { groups: vec![1; batch], kept: vec![Vec::new(); batch], together, width }
    }

    /// Numbers in a row of inputs.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Columns of tokens of every episode, with that of its labels as the last.
    pub fn groups(&self) -> &[usize] {
        &self.groups
    }

    /// Where the columns of labels stand among all.
    pub fn of_labels(&self) -> Vec<i32> {
        let sum = |end: &mut i32, &columns: &usize| {
            *end += columns as i32;
            Some(*end - 1)
        };
        self.groups.iter().scan(0, sum).collect()
    }

    /// What is known of the cells of `inputs` `[batch, rows, width]` and of the labels of the first rows, `labels`
    /// `[batch, known]`.
    pub fn sheet(&self, inputs: &[f32], [rows, width]: [usize; 2], labels: &[u32], classes: usize) -> Sheet {
        let batch = self.groups.len();
        let (numbers, known) = (rows * width, labels.len() / batch);
        let (of_cells, of_token) = (self.together * OF_CELL, Sheet::width(self.together, classes));
        let columns: usize = self.groups.iter().sum();
        let mut values = vec![0.0; columns * rows * of_token];
        let mut rest = &mut *values;
        let mut parts = Vec::with_capacity(batch);
        for (episode, &columns) in self.groups.iter().enumerate() {
            let part = rest.split_off_mut(..columns * rows * of_token).expect("the sum of the parts");
            parts.push((episode, part));
        }
        parts.into_par_iter().for_each(|(episode, part)| {
            let cells = &inputs[episode * numbers..][..numbers];
            let mut columns = part.chunks_exact_mut(rows * of_token);
            let tokens = self.kept[episode].chunks(self.together);
            for (number, (members, part)) in zip(tokens, &mut columns).enumerate() {
                let signature = signature(number);
                for (row, to) in part.chunks_exact_mut(of_token).enumerate() {
                    for (column, to) in zip(members, to.chunks_exact_mut(OF_CELL)) {
                        column.tell(cells[row * width + column.at], to);
                    }
                    to[of_cells..][..SIGNATURE].copy_from_slice(&signature);
                }
            }
            let part = columns.next().expect("the column of labels");
            let labels = &labels[episode * known..][..known];
            for (row, to) in part.chunks_exact_mut(of_token).enumerate() {
                let slot = labels.get(row).map_or(classes, |&label| {
                    assert!(
                        (label as usize) < classes,
                        "labels: expected below {classes} classes, found {label}"
                    );
                    label as usize
                });
                to[of_cells + SIGNATURE + slot] = 1.0;
            }
        });
        Sheet { values, shape: [columns, rows, of_token] }
    }
}

/// What tells the tokens of a number from the others of their table, whose order means nothing.
fn signature(column: usize) -> [f32; SIGNATURE] {
    let mut rng = Rng::new(0, Stream::Signature, column as u64);
    std::array::from_fn(|_| rng.normal())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAN: f32 = f32::NAN;

    /// Of one episode, a token a cell.
    fn sheet(rows: &[f32], width: usize, context: usize, labels: &[u32]) -> (Columns, Sheet) {
        sheet_of(1, rows, width, context, labels)
    }

    fn sheet_of(
        together: usize,
        rows: &[f32],
        width: usize,
        context: usize,
        labels: &[u32],
    ) -> (Columns, Sheet) {
        let shape = [rows.len() / width, width];
        let columns = Columns::fit(rows, shape, context, together);
        let sheet = columns.sheet(rows, shape, labels, 2);
        (columns, sheet)
    }

    #[test]
    fn a_column_that_is_constant_or_empty_in_the_context_is_left_out() {
        let rows = [1.0, 7.0, NAN, 3.0, 7.0, NAN, 2.0, 8.0, 1.0];
        let (columns, Sheet { shape, .. }) = sheet(&rows, 3, 2, &[0, 1]);
        assert_eq!(
            (columns.groups(), columns.of_labels(), shape),
            (&[2][..], vec![1], [2, 3, Sheet::width(1, 2)])
        );
        assert_eq!(sheet(&rows, 3, 0, &[]).0.groups(), [1], "nothing is known without a context");
    }

    #[test]
    fn a_cell_is_told_by_the_context_and_a_label_to_the_context_alone() {
        let rows = [0.0, 0.0, 2.0, NAN, 2.0, 1e9, NAN];
        let (_, Sheet { values, shape }) = sheet(&rows, 1, 4, &[1, 0, 1, 0]);
        let cell = |column: usize, row: usize| &values[(column * shape[1] + row) * shape[2]..][..shape[2]];
        let deviation = (8.0_f32 / 9.0).sqrt();
        let standard = (2.0 - 2.0 / 3.0) / deviation;
        let expected = [standard, standard.ln_1p(), 2.0 / 3.0, 1.0 / 3.0, 2.0 / 3.0, 0.25, 0.0];
        for row in [2, 4] {
            assert!(zip(cell(0, row), expected).all(|(x, y)| (x - y).abs() < 1e-6), "{:?}", cell(0, row));
        }
        assert_eq!(cell(0, 5)[..4], [CLIP, CLIP.ln_1p(), 1.0, 0.0], "an outlier");
        assert_eq!(cell(0, 6)[..OF_CELL], [0.0, 0.0, 0.0, 0.0, 2.0 / 3.0, 0.25, 1.0], "a missing cell");
        let labels: Vec<&[f32]> = (0..7).map(|row| &cell(1, row)[OF_CELL + SIGNATURE..]).collect();
        let (zero, one, none) = (&[1.0, 0.0, 0.0][..], &[0.0, 1.0, 0.0][..], &[0.0, 0.0, 1.0][..]);
        assert_eq!(labels, [one, zero, one, zero, none, none, none]);
    }

    #[test]
    fn cells_that_stand_together_are_told_as_alone() {
        let rows: Vec<f32> =
            (0..20).map(|at| [7.0, (at * at % 11) as f32][usize::from(at % 4 != 1)]).collect();
        let (_, alone) = sheet(&rows, 4, 4, &[0; 4]);
        let (columns, pairs) = sheet_of(2, &rows, 4, 4, &[0; 4]);
        assert_eq!((columns.groups(), columns.of_labels()), (&[3][..], vec![2]), "one of four is constant");
        assert_eq!(pairs.shape, [3, 5, Sheet::width(2, 2)]);
        let token = |sheet: &Sheet, column: usize, row: usize| {
            sheet.values[(column * 5 + row) * sheet.shape[2]..][..sheet.shape[2]].to_vec()
        };
        for row in 0..5 {
            let cells: Vec<_> = (0..3).map(|column| token(&alone, column, row)).collect();
            let [first, second] = [0, 1].map(|column| token(&pairs, column, row));
            assert_eq!(first[..OF_CELL], cells[0][..OF_CELL]);
            assert_eq!(first[OF_CELL..2 * OF_CELL], cells[1][..OF_CELL]);
            assert_eq!(first[2 * OF_CELL..], cells[0][OF_CELL..], "the signature of the first token");
            assert_eq!(second[..OF_CELL], cells[2][..OF_CELL]);
            assert_eq!(second[OF_CELL..2 * OF_CELL], [0.0; OF_CELL], "no fourth column");
            assert_eq!(second[2 * OF_CELL..], cells[1][OF_CELL..]);
            assert_eq!(token(&pairs, 2, row)[2 * OF_CELL..], token(&alone, 3, row)[OF_CELL..]);
        }
    }

    #[test]
    fn neither_unit_nor_origin_of_a_column_changes_what_is_told() {
        let rows: Vec<f32> = (0..12).map(|row| (row * row % 7) as f32).collect();
        let other: Vec<f32> = rows.iter().map(|x| 4.0 * x - 32.0).collect();
        let told = |rows: &[f32]| sheet(rows, 1, 8, &[0; 8]).1.values;
        assert!(zip(told(&rows), told(&other)).all(|(x, y)| (x - y).abs() < 1e-6));
    }
}
