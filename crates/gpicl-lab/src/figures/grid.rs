//! A table as a figure: rows of learners, columns of data sets, every number on a colour of its size.

use std::path::{Path, PathBuf};

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::canvas::{self, Drawing, FAINT, INK, PALETTE};
use gpicl::Result;

/// A cell: its text, and a number from 0 (white) to 1 (the darkest blue) that colours it.
#[derive(Clone, Debug, PartialEq)]
pub struct Shaded {
    /// What stands in it.
    pub text: String,
    /// Its colour; white if absent.
    pub value: Option<f64>,
}

/// A table drawn.
#[derive(Clone, Debug)]
pub struct Grid {
    /// Above the table.
    pub title: String,
    /// Heads of the columns after the first.
    pub columns: Vec<String>,
    /// Groups of rows, with a line between them: name, and a cell a column.
    pub groups: Vec<Vec<(String, Vec<Shaded>)>>,
    /// Below the table, a line each.
    pub notes: Vec<String>,
}

impl Grid {
    const ROW: i32 = 30;
    /// Width of a column whose head is no wider.
    const COLUMN: i32 = 122;
    const MARGIN: i32 = 18;
    /// Where the heads of the columns begin, below the title.
    const TOP: i32 = 58;
    /// Units of a letter on average, at the size of names and notes.
    const LETTER: [f64; 2] = [7.8, 6.4];

    /// Writes `path.svg` and `path.png`.
    ///
    /// # Errors
    /// [`gpicl::Error::Argument`] if there is no row or a number is not finite, [`gpicl::Error::Io`].
    pub fn write(&self, path: &Path) -> Result<Vec<PathBuf>> {
        canvas::write(self, path)
    }

    fn rows(&self) -> impl Iterator<Item = &(String, Vec<Shaded>)> {
        self.groups.iter().flatten()
    }

    /// Room for the names.
    fn names_width(&self) -> i32 {
        let longest = self.rows().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
        (longest as f64 * Self::LETTER[0]) as i32 + 24
    }

    /// Width of a column: all have that of the longest head.
    fn column(&self) -> i32 {
        let longest = self.columns.iter().map(|head| head.chars().count()).max().unwrap_or_default();
        Self::COLUMN.max((longest as f64 * Self::LETTER[0]) as i32 + Self::MARGIN)
    }

    fn height(&self) -> i32 {
        let rows = self.rows().count() as i32 + 1;
        Self::TOP + rows * Self::ROW + 14 + 18 * self.notes.len() as i32 + Self::MARGIN
    }
}

impl Drawing for Grid {
    fn title(&self) -> &str {
        &self.title
    }

    fn size(&self) -> (u32, u32) {
        let table = self.names_width() + self.columns.len() as i32 * self.column();
        let longest = self.notes.iter().map(|note| note.chars().count()).max().unwrap_or_default();
        let notes = (longest as f64 * Self::LETTER[1]) as i32;
        let title = 11 * self.title.chars().count() as i32;
        (table.max(notes).max(title) as u32 + 2 * Self::MARGIN as u32, self.height() as u32)
    }

    fn check(&self) -> Result<()> {
        let values = self.rows().flat_map(|(_, cells)| cells.iter().filter_map(|cell| cell.value));
        if values.into_iter().any(|value| !value.is_finite()) {
            return Err(self.fault("a number is not finite"));
        }
        if self.rows().next().is_none() {
            return Err(self.fault("there is no row"));
        }
        Ok(())
    }

    fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        scale: u32,
    ) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
        let px = |units: i32| units * scale as i32;
        let at = |x: i32, y: i32| (px(x), px(y));
        let left = Pos::new(HPos::Left, VPos::Center);
        let centre = Pos::new(HPos::Center, VPos::Center);
        let text = |text: &str, x, y, size, pos| canvas::label(text, (x, y), size, pos, scale);
        let width = self.column();
        let right = Self::MARGIN + self.names_width() + self.columns.len() as i32 * width;
        let line = |y: i32, color: RGBColor| {
            PathElement::new([at(Self::MARGIN, y), at(right, y)], color.stroke_width(scale))
        };
        let middle = |column: usize| Self::MARGIN + self.names_width() + width * column as i32 + width / 2;
        area.draw(&text(&self.title, Self::MARGIN, 30, 19, left))?;
        let mut y = Self::TOP;
        for (column, name) in self.columns.iter().enumerate() {
            area.draw(&text(name, middle(column), y + Self::ROW / 2, 14, centre))?;
        }
        y += Self::ROW;
        for group in &self.groups {
            area.draw(&line(y, INK))?;
            for (name, cells) in group {
                for (column, cell) in cells.iter().enumerate() {
                    let x = middle(column);
                    if let Some(value) = cell.value {
                        let half = width / 2;
                        let corners = [at(x - half + 1, y + 1), at(x + half - 1, y + Self::ROW - 1)];
                        // Up to 0.55: dark ink is still read on it.
                        let color = PALETTE[0].mix(0.55 * value.clamp(0.0, 1.0));
                        area.draw(&Rectangle::new(corners, color.filled()))?;
                    }
                    area.draw(&text(&cell.text, x, y + Self::ROW / 2, 14, centre))?;
                }
                area.draw(&text(name, Self::MARGIN, y + Self::ROW / 2, 14, left))?;
                y += Self::ROW;
                area.draw(&line(y, FAINT))?;
            }
        }
        area.draw(&line(y, INK))?;
        for note in &self.notes {
            y += 18;
            area.draw(&text(note, Self::MARGIN, y + 4, 12, left))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_has_its_names_and_numbers_and_darker_cells_for_larger_ones() {
        let cell = |value: f64| Shaded { text: format!("{value}"), value: Some(value) };
        let grid = Grid {
            title: "Accuracy".into(),
            columns: vec!["mnist".into(), "random".into()],
            groups: vec![vec![("LSTM".into(), vec![cell(0.25), cell(1.0)])]],
            notes: vec!["a remark".into()],
        };
        let svg = canvas::svg(&grid).unwrap();
        for text in ["Accuracy", "mnist", "random", "LSTM", "0.25", "a remark"] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(svg.contains("opacity=\"0.55\"") && svg.contains("opacity=\"0.1375\""));
        assert!(canvas::png(&Grid { groups: Vec::new(), ..grid }).is_err());
    }
}
