//! A member of an ensemble that has read its context, and what it was given to read.

use std::collections::HashMap;
use std::sync::Arc;

use rayon::prelude::*;

use super::stack::{Recipe, Stack};
use super::view::{Choice, View, counts};
use crate::models::ModelState;

/// Labelled rows as members read them.
pub(super) struct Rows<'a> {
    /// `[n, width]`, standardised.
    pub features: &'a [f32],
    pub width: usize,
    /// `[n]`.
    pub labels: &'a [u32],
    pub classes: usize,
}

impl Rows<'_> {
    pub(super) fn row(&self, row: usize) -> &[f32] {
        &self.features[row * self.width..][..self.width]
    }
}

/// The rows that are a context, of which a member reads `most`.
pub(super) struct Asked<'a> {
    rows: &'a Rows<'a>,
    chosen: &'a [usize],
    /// Of the chosen rows.
    labels: Vec<u32>,
    most: usize,
    /// Whether regressions have something to say: a row that is alone in its class is told of classes without it, and a tenth of
    /// such rows is few.
    pub has_stack: bool,
}

impl<'a> Asked<'a> {
    pub(super) fn of(rows: &'a Rows<'a>, chosen: &'a [usize], most: usize) -> Self {
        let labels: Vec<u32> = chosen.iter().map(|&row| rows.labels[row]).collect();
        let of_classes = counts(labels.iter().copied(), rows.classes);
        let has_stack = 10 * of_classes.iter().filter(|&&count| count == 1).count() <= chosen.len();
        Self { rows, chosen, labels, most, has_stack }
    }

    /// The label of a chosen row.
    pub(super) fn label(&self, at: usize) -> u32 {
        self.labels[at]
    }

    /// What a member reads of them.
    pub(super) fn choose(&self, view: &View) -> Choice {
        view.choose(&self.labels, self.rows.classes, self.most)
    }

    /// One stack for all members that have one, where all read all rows.
    pub(super) fn shared(&self, views: &[View]) -> Option<Arc<Stacked>> {
        let all = self.has_stack && self.chosen.len() <= self.most;
        let first = views.iter().find(|view| view.stacked).filter(|_| all);
        first.map(|view| self.stacked(&self.choose(view), view.recipe))
    }

    /// A stack over the rows of a choice, in its order.
    pub(super) fn stacked(&self, choice: &Choice, recipe: Option<Recipe>) -> Arc<Stacked> {
        let read = || choice.rows.iter().map(|&at| self.rows.row(self.chosen[at]));
        let labels: Vec<u32> = choice.rows.iter().map(|&at| self.label(at)).collect();
        let rows = read().collect::<Vec<_>>().concat();
        let stack = Stack::fit(&rows, self.rows.width, &labels, self.rows.classes, recipe);
        Arc::new(Stacked { stack, places: choice.rows.iter().copied().zip(0..).collect() })
    }

    /// The rows of a choice as the model reads them.
    pub(super) fn inputs(&self, view: &View, choice: &Choice, stacked: Option<&Stacked>) -> Vec<f32> {
        let inputs = view.apply(choice.rows.iter().map(|&at| self.rows.row(self.chosen[at])));
        match stacked {
            None => inputs,
            Some(Stacked { stack, places }) => {
                let told: Vec<f32> =
                    choice.rows.iter().flat_map(|at| stack.told(places[at])).copied().collect();
                beside(&inputs, view.width(), &told, stack.width())
            }
        }
    }
}

/// A [`Stack`] over chosen rows.
pub(super) struct Stacked {
    stack: Stack,
    /// Which row of the stack a chosen row is.
    places: HashMap<usize, usize>,
}

/// A member that has read its context.
pub(super) struct Reader<'v> {
    pub view: &'v View,
    /// What stands behind its features.
    pub stacked: Option<Arc<Stacked>>,
    pub state: ModelState,
    /// Of its slots.
    pub weights: Vec<f32>,
}

impl Reader<'_> {
    /// Numbers of a row that the model reads.
    pub(super) fn width(&self) -> usize {
        self.view.width() + self.told_width()
    }

    /// That of its stack.
    pub(super) fn recipe(&self) -> Option<Recipe> {
        self.stacked.as_ref().map(|stacked| stacked.stack.recipe())
    }

    /// Those that stand behind its features.
    pub(super) fn told_width(&self) -> usize {
        self.stacked.as_ref().map_or(0, |stacked| stacked.stack.width())
    }

    /// What stands behind standardised `queries` `[q, width]` for every reader; what readers share is asked once. A core takes
    /// `at_a_time` queries.
    pub(super) fn told(
        readers: &[Self],
        queries: &[f32],
        width: usize,
        at_a_time: usize,
    ) -> Vec<Arc<Vec<f32>>> {
        let mut told: Vec<Arc<Vec<f32>>> = Vec::with_capacity(readers.len());
        for (number, reader) in readers.iter().enumerate() {
            let of = |other: &Self| other.stacked.as_ref().map(Arc::as_ptr);
            let next =
                match (&reader.stacked, readers[..number].iter().position(|other| of(other) == of(reader))) {
                    (None, _) => Arc::default(),
                    (_, Some(same)) => told[same].clone(),
                    (Some(it), None) => {
                        let lots = queries.par_chunks(at_a_time * width);
                        Arc::new(lots.flat_map_iter(|lot| it.stack.answer(lot)).collect())
                    }
                };
            told.push(next);
        }
        told
    }

    /// Standardised `queries` `[q, width]` as the model reads them, the first of `told` behind them.
    pub(super) fn inputs(&self, queries: &[f32], told: &[f32], width: usize) -> Vec<f32> {
        let inputs = self.view.apply(queries.chunks_exact(width));
        match self.told_width() {
            0 => inputs,
            more => beside(&inputs, self.view.width(), told, more),
        }
    }
}

/// Rows of `width` numbers with those of `more`, of `other` numbers, behind them.
fn beside(rows: &[f32], width: usize, more: &[f32], other: usize) -> Vec<f32> {
    let pairs = rows.chunks_exact(width).zip(more.chunks_exact(other));
    pairs.flat_map(|(row, more)| row.iter().chain(more)).copied().collect()
}
