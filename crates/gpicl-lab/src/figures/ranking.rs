//! Named values with intervals, one below the other, best first.

use std::path::{Path, PathBuf};

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::canvas::{self, Drawing, FAINT, INK, PALETTE};
use gpicl::Result;
use gpicl::eval::Interval;

/// One row.
#[derive(Clone, Debug)]
pub struct Ranked {
    /// Its name.
    pub label: String,
    /// The value and its interval.
    pub value: Interval,
    /// The single measurements behind it.
    pub single: Vec<f64>,
    /// Behind the bar.
    pub remark: String,
    /// Whether it is what the others are compared with.
    pub base: bool,
}

/// A ranking.
#[derive(Clone, Debug)]
pub struct Ranking {
    /// Above the figure.
    pub title: String,
    /// Under the axis, which begins at 0.
    pub x_label: String,
    /// The rows, from above.
    pub rows: Vec<Ranked>,
}

impl Ranking {
    const ROW: i32 = 30;
    const TOP: i32 = 52;
    const BOTTOM: i32 = 62;
    const BARS: i32 = 480;
    /// Room for the remarks.
    const REMARKS: i32 = 150;
    const MARGIN: i32 = 16;

    /// Writes `path.svg` and `path.png`.
    ///
    /// # Errors
    /// [`gpicl::Error::Argument`] if there is no row or a number is not finite, [`gpicl::Error::Io`].
    pub fn write(&self, path: &Path) -> Result<Vec<PathBuf>> {
        canvas::write(self, path)
    }

    fn names_width(&self) -> i32 {
        let longest = self.rows.iter().map(|row| row.label.chars().count()).max().unwrap_or_default();
        (7.6 * longest as f64) as i32 + 20
    }

    /// The largest number that is drawn.
    fn end(&self) -> f64 {
        let ends = self.rows.iter().flat_map(|row| row.single.iter().copied().chain([row.value.mean]));
        ends.fold(0.0, f64::max).max(1e-9)
    }
}

impl Drawing for Ranking {
    fn title(&self) -> &str {
        &self.title
    }

    fn size(&self) -> (u32, u32) {
        let width = 2 * Self::MARGIN + self.names_width() + Self::BARS + Self::REMARKS;
        let title = 11 * self.title.chars().count() as i32 + 2 * Self::MARGIN;
        let height = Self::TOP + Self::ROW * self.rows.len() as i32 + Self::BOTTOM;
        (width.max(title) as u32, height as u32)
    }

    fn check(&self) -> Result<()> {
        if self.rows.is_empty() {
            return Err(self.fault("there is no row"));
        }
        let numbers = |row: &Ranked| {
            let Interval { mean, low, high } = row.value;
            [mean, low, high].into_iter().chain(row.single.iter().copied()).collect::<Vec<_>>()
        };
        match self.rows.iter().find(|row| numbers(row).iter().any(|number| !number.is_finite())) {
            Some(row) => Err(self.fault(&format!("`{}`: a number is not finite", row.label))),
            None => Ok(()),
        }
    }

    fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        scale: u32,
    ) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
        let at = |x: i32, y: i32| (x * scale as i32, y * scale as i32);
        let (left, centre) = (Pos::new(HPos::Left, VPos::Center), Pos::new(HPos::Center, VPos::Center));
        let text = |text: &str, x, y, size, pos| canvas::label(text, (x, y), size, pos, scale);
        area.draw(&text(&self.title, Self::MARGIN, 28, 19, left))?;
        let zero = Self::MARGIN + self.names_width();
        let end = 1.08 * self.end();
        let place = |value: f64| zero + (value.clamp(0.0, end) / end * f64::from(Self::BARS)) as i32;
        let bottom = Self::TOP + Self::ROW * self.rows.len() as i32;
        let step = round_step(end / 6.0);
        for number in 0..=(end / step) as usize {
            let x = place(step * number as f64);
            let line = [at(x, Self::TOP), at(x, bottom)];
            area.draw(&PathElement::new(line, FAINT.stroke_width(scale)))?;
            area.draw(&text(&format!("{}", step * number as f64), x, bottom + 13, 12, centre))?;
        }
        for (number, row) in self.rows.iter().enumerate() {
            let y = Self::TOP + Self::ROW * number as i32 + Self::ROW / 2;
            let color = if row.base { PALETTE[7] } else { PALETTE[0] };
            let bar = [at(zero, y - 9), at(place(row.value.mean), y + 9)];
            area.draw(&Rectangle::new(bar, color.mix(0.45).filled()))?;
            let ends = [at(place(row.value.low), y), at(place(row.value.high), y)];
            area.draw(&PathElement::new(ends, INK.stroke_width(2 * scale)))?;
            for value in &row.single {
                area.draw(&Circle::new(at(place(*value), y), 3 * scale, color.filled()))?;
            }
            area.draw(&text(&row.label, Self::MARGIN, y, 13, left))?;
            area.draw(&text(&row.remark, zero + Self::BARS + 10, y, 12, left))?;
        }
        let axis = [at(zero, Self::TOP), at(zero, bottom)];
        area.draw(&PathElement::new(axis, INK.stroke_width(scale)))?;
        area.draw(&text(&self.x_label, zero + Self::BARS / 2, bottom + 38, 14, centre))
    }
}

/// 1, 2 or 5 times a power of ten, at least `step`.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|digit| digit * power).find(|round| *round >= step).unwrap_or(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_their_names_bars_and_remarks() {
        let row = |label: &str, mean: f64| Ranked {
            label: label.into(),
            value: Interval { mean, low: mean - 10.0, high: mean + 10.0 },
            single: vec![mean - 5.0, mean + 5.0],
            remark: format!("{mean} steps"),
            base: label == "base",
        };
        let figure = Ranking {
            title: "Interventions".into(),
            x_label: "plateau length (steps)".into(),
            rows: vec![row("batch 64", 80.0), row("base", 200.0)],
        };
        let svg = canvas::svg(&figure).unwrap();
        for text in ["Interventions", "batch 64", "base", "200 steps", "plateau length (steps)", "<circle"] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(canvas::svg(&Ranking { rows: vec![], ..figure.clone() }).is_err());
        assert!(canvas::svg(&Ranking { rows: vec![row("x", f64::NAN)], ..figure }).is_err());
        assert_eq!([round_step(0.03), round_step(7.0), round_step(33.0)], [0.05, 10.0, 50.0]);
    }
}
