//! Maps: a panel of coloured cells for each of several quantities over the same two axes.

use std::path::{Path, PathBuf};

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::canvas::{self, Drawing, INK, PALETTE, font};
use gpicl::Result;

/// Colour of a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tint {
    /// From 0 (white) to 1 (the darkest blue).
    Value(f64),
    /// A class, by the number of its colour in the palette.
    Class(usize),
}

/// A cell: what stands in it, and its colour.
#[derive(Clone, Debug, PartialEq)]
pub struct Tinted {
    /// A few letters.
    pub text: String,
    /// Its colour.
    pub tint: Tint,
}

/// A map.
#[derive(Clone, Debug)]
pub struct Map {
    /// Above the map.
    pub title: String,
    /// Under the map: what its columns are.
    pub x_label: String,
    /// Beside the map: what its rows are.
    pub y_label: String,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Names of the rows, the lowest first.
    pub rows: Vec<String>,
    /// `cells[row][column]`; `None` where nothing was measured.
    pub cells: Vec<Vec<Option<Tinted>>>,
}

/// Maps in rows.
#[derive(Clone, Debug)]
pub struct Heatmaps {
    /// Above the figure.
    pub title: String,
    /// Rows of maps.
    pub maps: Vec<Vec<Map>>,
    /// Names and colours of the classes of [`Tint::Class`], for the key below the maps.
    pub classes: Vec<(String, usize)>,
}

impl Heatmaps {
    const CELL: (i32, i32) = (44, 30);
    const LEFT: i32 = 86;
    const TOP: i32 = 34;
    const BOTTOM: i32 = 54;
    const TITLE: i32 = 44;
    const KEY: i32 = 34;
    const MARGIN: i32 = 16;

    /// Writes `path.svg` and `path.png`.
    ///
    /// # Errors
    /// [`gpicl::Error::Argument`] if there is no cell, or a number is not finite, [`gpicl::Error::Io`].
    pub fn write(&self, path: &Path) -> Result<Vec<PathBuf>> {
        canvas::write(self, path)
    }

    fn width(map: &Map) -> i32 {
        let title = 8 * map.title.chars().count() as i32;
        Self::LEFT + title.max(Self::CELL.0 * map.columns.len() as i32) + 2 * Self::MARGIN
    }

    fn height(map: &Map) -> i32 {
        Self::TOP + Self::CELL.1 * map.rows.len() as i32 + Self::BOTTOM
    }

    /// Heights of the rows of maps.
    fn heights(&self) -> impl Iterator<Item = i32> {
        self.maps.iter().map(|row| row.iter().map(Self::height).max().unwrap_or_default())
    }

    fn color(tint: Tint) -> RGBAColor {
        match tint {
            // Up to 0.75: the ink is still read on it.
            Tint::Value(value) => PALETTE[0].mix(0.75 * value.clamp(0.0, 1.0)),
            Tint::Class(number) => PALETTE[number % PALETTE.len()].mix(0.65),
        }
    }
}

impl Drawing for Heatmaps {
    fn title(&self) -> &str {
        &self.title
    }

    fn size(&self) -> (u32, u32) {
        let row = |row: &Vec<Map>| row.iter().map(Self::width).sum::<i32>();
        let width = self.maps.iter().map(row).max().unwrap_or_default();
        let title = 11 * self.title.chars().count() as i32 + 2 * Self::MARGIN;
        let key = if self.classes.is_empty() { 0 } else { Self::KEY };
        (width.max(title) as u32, (Self::TITLE + self.heights().sum::<i32>() + key) as u32)
    }

    fn check(&self) -> Result<()> {
        let cells = || self.maps.iter().flatten().flat_map(|map| map.cells.iter().flatten().flatten());
        if cells().any(|cell| matches!(cell.tint, Tint::Value(value) if !value.is_finite())) {
            return Err(self.fault("a number is not finite"));
        }
        match cells().next() {
            Some(_) => Ok(()),
            None => Err(self.fault("there is nothing to draw")),
        }
    }

    fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        scale: u32,
    ) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
        let at = |x: i32, y: i32| (x * scale as i32, y * scale as i32);
        let (left, centre, right) = (
            Pos::new(HPos::Left, VPos::Center),
            Pos::new(HPos::Center, VPos::Center),
            Pos::new(HPos::Right, VPos::Center),
        );
        let text = |text: &str, x, y, size, pos| canvas::label(text, (x, y), size, pos, scale);
        area.draw(&text(&self.title, Self::MARGIN, 26, 19, left))?;
        let mut top = Self::TITLE;
        for (row, height) in self.maps.iter().zip(self.heights()) {
            let mut x = Self::MARGIN;
            for map in row {
                let (cell_w, cell_h) = Self::CELL;
                let (x0, y0) = (x + Self::LEFT, top + Self::TOP);
                let (cols, rows) = (map.columns.len() as i32, map.rows.len() as i32);
                let (x1, y1) = (x0 + cols * cell_w, y0 + rows * cell_h);
                area.draw(&text(&map.title, x0, top + 18, 15, left))?;
                for (number, (name, cells)) in map.rows.iter().zip(&map.cells).enumerate() {
                    let y = y1 - (number as i32 + 1) * cell_h;
                    area.draw(&text(name, x0 - 8, y + cell_h / 2, 12, right))?;
                    for (column, cell) in cells.iter().enumerate() {
                        let Some(cell) = cell else { continue };
                        let x = x0 + column as i32 * cell_w;
                        let corners = [at(x, y), at(x + cell_w, y + cell_h)];
                        area.draw(&Rectangle::new(corners, Self::color(cell.tint).filled()))?;
                        area.draw(&text(&cell.text, x + cell_w / 2, y + cell_h / 2, 12, centre))?;
                    }
                }
                for (number, name) in map.columns.iter().enumerate() {
                    let middle = x0 + number as i32 * cell_w + cell_w / 2;
                    area.draw(&text(name, middle, y1 + 13, 12, centre))?;
                }
                let frame = Rectangle::new([at(x0, y0), at(x1, y1)], INK.stroke_width(scale));
                area.draw(&frame)?;
                area.draw(&text(&map.x_label, (x0 + x1) / 2, y1 + 34, 13, centre))?;
                let turned = font(13, scale).transform(FontTransform::Rotate270).pos(centre);
                area.draw(&Text::new(map.y_label.clone(), at(x + 18, (y0 + y1) / 2), turned))?;
                x += Self::width(map);
            }
            top += height;
        }
        let mut x = Self::MARGIN;
        for (name, number) in &self.classes {
            let (y, side) = (top + 8, 16);
            let color = Self::color(Tint::Class(*number)).filled();
            area.draw(&Rectangle::new([at(x, y), at(x + side, y + side)], color))?;
            area.draw(&text(name, x + side + 6, y + side / 2, 13, left))?;
            x += side + 6 + 8 * name.chars().count() as i32 + 24;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_have_their_texts_and_colours() {
        let cell = |text: &str, tint| Some(Tinted { text: text.into(), tint });
        let map = |cells| Map {
            title: "Transformer, unseen tasks".into(),
            x_label: "number of tasks".into(),
            y_label: "d_model".into(),
            columns: vec!["2^0".into(), "2^8".into()],
            rows: vec!["4".into(), "64".into()],
            cells,
        };
        let maps = |cells| Heatmaps {
            title: "Transition map".into(),
            maps: vec![vec![map(cells)]],
            classes: vec![("no learning".into(), 7), ("memorisation".into(), 1)],
        };
        let figure = maps(vec![
            vec![cell("0.10", Tint::Value(0.1)), None],
            vec![cell("0.80", Tint::Value(0.8)), cell("M", Tint::Class(1))],
        ]);
        let svg = canvas::svg(&figure).unwrap();
        for text in ["Transition map", "Transformer, unseen tasks", "d_model", "2^8", "0.80", "memorisation"]
        {
            assert!(svg.contains(text), "{text}");
        }
        assert!(canvas::png(&figure).unwrap().len() > 1000);
        assert!(canvas::svg(&maps(vec![vec![None, None]; 2])).is_err(), "nothing to draw");
        assert!(canvas::svg(&maps(vec![vec![cell("?", Tint::Value(f64::NAN))]])).is_err());
    }
}
