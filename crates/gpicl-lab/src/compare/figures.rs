//! A comparison as figures: the table, accuracy against state size, learning curves.

use std::path::{Path, PathBuf};

use super::metric::Metric;
use super::tables::{Cell, Sized};
use super::{Comparison, Size};
use crate::figures::grid::{Grid, Shaded};
use crate::figures::plot::learning_curve;
use crate::figures::scatter::{Panel, Point, Scatter};
use gpicl::Result;

impl Comparison {
    /// Draws what there is to draw: without a measured method only the table.
    pub(super) fn draw(&self, dir: &Path) -> Result<Vec<PathBuf>> {
        let mut files = self.grid().write(&dir.join("table"))?;
        if !self.sized().is_empty() {
            files.extend(self.state_size().write(&dir.join("state_size"))?);
        }
        let curves: Vec<_> = self
            .methods
            .iter()
            .filter_map(|row| {
                let mut curve = self.main_curve(row)?.clone();
                curve.label.clone_from(&row.label);
                Some(curve)
            })
            .collect();
        if !curves.is_empty() {
            let title = format!("Learning on unseen tasks, {}", self.main_set().head);
            let path = dir.join("learning_curves");
            files.extend(learning_curve(&curves, Some(self.chance()), &title, &path)?);
        }
        Ok(files)
    }

    fn grid(&self) -> Grid {
        let shaded = |cells: Vec<Cell>| {
            cells.into_iter().map(|cell| Shaded { text: cell.text(), value: cell.accuracy() }).collect()
        };
        let ours = self.methods.iter().map(|row| (row.label.clone(), shaded(self.cells(row, Metric::Last))));
        let mut groups: Vec<Vec<_>> = vec![ours.collect()];
        let paper: Vec<_> =
            self.paper_rows().into_iter().map(|(label, cells)| (label, shaded(cells))).collect();
        if !paper.is_empty() {
            groups.push(paper);
        }
        Grid {
            title: self.heading(Metric::Last),
            columns: self.sets.iter().map(|set| set.head.clone()).collect(),
            groups,
            notes: self.caption(),
        }
    }

    fn state_size(&self) -> Scatter {
        let sized = self.sized();
        let ranked = match sized.iter().filter(|point| point.row.ranked).count() {
            all if all == sized.len() => "all".to_string(),
            some => format!("{some} of {}", sized.len()),
        };
        let panel = |name: &str, x_label: &str, of: &dyn Fn(&Size) -> usize| {
            let rho = match self.rank_correlation(of) {
                Some(rho) => format!("{:.2} [{:.2}, {:.2}]", rho.mean, rho.low, rho.high),
                None => "not defined".into(),
            };
            let point = |Sized { row, size, accuracy }: &Sized<'_>| Point {
                label: row.label.clone(),
                // A learner without a state, such as an MLP, stands at the left end: 0 has no logarithm.
                x: of(size).max(1) as f64,
                y: [accuracy.mean, accuracy.low, accuracy.high],
            };
            Panel {
                title: format!("{name}: rank correlation {rho} over {ranked}"),
                x_label: x_label.into(),
                points: sized.iter().map(point).collect(),
            }
        };
        let state = format!("state size at {} examples (numbers)", self.dims.episode_length);
        Scatter {
            title: format!(
                "Accuracy on unseen tasks, {}, mean over the last 10 positions",
                self.main_set().head
            ),
            y_label: "accuracy".into(),
            reference: Some((self.chance(), "chance".into())),
            panels: vec![
                panel("State size", &state, &|size| size.state),
                panel("Parameters", "parameters", &|size| size.params),
            ],
        }
    }
}
