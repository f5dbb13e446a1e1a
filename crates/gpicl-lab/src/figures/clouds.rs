//! Points of two coordinates and a class, a panel a cloud: made tables.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::canvas::{self, Drawing, FAINT, PALETTE, font};
use gpicl::Result;

/// One panel. Its axes have no numbers: only where points stand among the others is of interest.
#[derive(Clone, Debug)]
pub struct Cloud {
    /// Above the panel.
    pub title: String,
    /// Where the points stand.
    pub points: Vec<(f64, f64)>,
    /// The class of each, a colour a class in the order of their numbers.
    pub classes: Vec<u32>,
}

/// Panels in rows.
#[derive(Clone, Debug)]
pub struct Clouds {
    /// Above the figure.
    pub title: String,
    /// Panels in a row.
    pub columns: usize,
    /// The panels, row by row.
    pub clouds: Vec<Cloud>,
}

impl Clouds {
    const PANEL: (u32, u32) = (210, 210);
    const TITLE: u32 = 40;

    /// The figure as SVG text.
    ///
    /// # Errors
    /// [`gpicl::Error::Argument`] if a panel has no point or a number cannot be drawn.
    pub fn svg(&self) -> Result<String> {
        canvas::svg(self)
    }
}

impl Cloud {
    fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        scale: u32,
    ) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
        // Room around the points, a part of what they take.
        let range = |along: fn(&(f64, f64)) -> f64| {
            let values = || self.points.iter().map(along);
            let (low, high) = (values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max));
            let room = (0.06 * (high - low)).max(1e-3);
            low - room..high + room
        };
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, font(14, scale))
            .margin(8 * scale)
            .build_cartesian_2d(range(|point| point.0), range(|point| point.1))?;
        chart.plotting_area().draw(&Rectangle::new(
            [(chart.x_range().start, chart.y_range().start), (chart.x_range().end, chart.y_range().end)],
            FAINT.stroke_width(scale),
        ))?;
        let mut present = self.classes.clone();
        present.sort_unstable();
        present.dedup();
        let color =
            |class| PALETTE[present.iter().position(|one| *one == class).unwrap_or_default() % PALETTE.len()];
        let dots = self.points.iter().zip(&self.classes);
        chart
            .draw_series(dots.map(|(&point, &class)| Circle::new(point, 3 * scale, color(class).filled())))?;
        Ok(())
    }
}

impl Drawing for Clouds {
    fn title(&self) -> &str {
        &self.title
    }

    fn size(&self) -> (u32, u32) {
        let (width, height) = Self::PANEL;
        (
            width * self.columns.max(1) as u32,
            Self::TITLE + height * canvas::rows(&self.clouds, self.columns) as u32,
        )
    }

    fn check(&self) -> Result<()> {
        if self.clouds.is_empty() {
            return Err(self.fault("there is nothing to draw"));
        }
        for Cloud { title, points, classes } in &self.clouds {
            let finite = points.iter().all(|(x, y)| x.is_finite() && y.is_finite());
            if points.is_empty() || points.len() != classes.len() || !finite {
                let problem = format!("`{title}` has {} points, {} classes", points.len(), classes.len());
                return Err(self.fault(&format!("{problem}, or numbers that are not finite")));
            }
        }
        Ok(())
    }

    fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        scale: u32,
    ) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
        let (title, clouds) = ((&*self.title, Self::TITLE, 4), (&*self.clouds, self.columns.max(1)));
        canvas::in_rows(area, title, clouds, scale, |area, cloud| cloud.draw(area, scale))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_is_drawn_in_the_colour_of_its_class() {
        let clouds = |x: f64| Clouds {
            title: "Tables".into(),
            columns: 2,
            clouds: vec![
                Cloud { title: "trees".into(), points: vec![(x, 1.0), (2.0, 3.0)], classes: vec![7, 2] },
                Cloud { title: "linear".into(), points: vec![(0.0, 0.0)], classes: vec![1] },
            ],
        };
        let svg = clouds(0.5).svg().unwrap();
        assert_eq!(svg.matches("<circle").count(), 3);
        assert!(svg.contains("trees") && svg.contains("linear"));
        // The smallest number has the first colour.
        assert_eq!(svg.matches("#0072B2").count(), 2, "{svg}");
        assert!(clouds(f64::NAN).svg().unwrap_err().to_string().contains("`trees`"));
    }
}
