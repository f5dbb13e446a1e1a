//! Several charts in one figure: lines, points and intervals over numbers or over named values.

use std::ops::Range;
use std::path::{Path, PathBuf};

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::canvas::{self, Drawing, FAINT, INK, PALETTE, font};
use super::legend::place;
use gpicl::Result;

/// What is below a chart.
#[derive(Clone, Debug)]
pub enum XAxis {
    /// Numbers.
    Numbers,
    /// Named values at equal distances; point `i` of a series has x = i.
    Names(Vec<String>),
}

/// What is drawn in one colour under one name.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// Name in the legend; empty for none.
    pub label: String,
    /// Number of its colour; lines that belong together share one.
    pub color: usize,
    /// Points, by x.
    pub points: Vec<(f64, f64)>,
    /// Lower and upper end at each point; empty for none.
    pub intervals: Vec<(f64, f64)>,
    /// How it is drawn.
    pub style: Style,
}

/// How a [`Trace`] is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// A line; its intervals are a band.
    #[default]
    Line,
    /// A thin line of dashes.
    Dashed,
    /// A line with a dot at every point; its intervals are bars.
    Dots,
    /// Dots alone; their intervals are bars.
    Marks,
    /// Faint dots without a line, such as single runs.
    Scattered,
}

/// A part of the x axis on a coloured ground.
#[derive(Clone, Debug)]
pub struct Region {
    /// From and to.
    pub x: Range<f64>,
    /// Above it.
    pub label: String,
    /// Number of its colour.
    pub color: usize,
}

/// One chart.
#[derive(Clone, Debug)]
pub struct Chart {
    /// Above the chart.
    pub title: String,
    /// Under the x axis.
    pub x_label: String,
    /// Beside the y axis.
    pub y_label: String,
    /// What the x axis has.
    pub x_axis: XAxis,
    /// Ends of the y axis; from the data if absent.
    pub y_range: Option<Range<f64>>,
    /// A dashed horizontal line with its name.
    pub reference: Option<(f64, String)>,
    /// Marked parts of the x axis.
    pub regions: Vec<Region>,
    /// What is drawn; later ones on top.
    pub traces: Vec<Trace>,
}

/// Charts in rows of `columns`.
#[derive(Clone, Debug)]
pub struct Panels {
    /// Above the figure.
    pub title: String,
    /// Charts side by side.
    pub columns: usize,
    /// The charts.
    pub charts: Vec<Chart>,
}

impl Panels {
    const CHART: (u32, u32) = (620, 430);
    const TITLE: u32 = 42;

    /// Writes `path.svg` and `path.png`.
    ///
    /// # Errors
    /// [`gpicl::Error::Argument`] if a chart is empty or a number is not finite, [`gpicl::Error::Io`].
    pub fn write(&self, path: &Path) -> Result<Vec<PathBuf>> {
        canvas::write(self, path)
    }
}

impl Chart {
    fn x_range(&self) -> Range<f64> {
        match &self.x_axis {
            XAxis::Names(names) => -0.5..names.len() as f64 - 0.5,
            XAxis::Numbers => {
                let xs = || self.traces.iter().flat_map(|trace| trace.points.iter().map(|point| point.0));
                let (low, high) = (xs().fold(f64::MAX, f64::min), xs().fold(f64::MIN, f64::max));
                low..if high > low { high } else { low + 1.0 }
            }
        }
    }

    fn fitted_y_range(&self) -> Range<f64> {
        self.y_range.clone().unwrap_or_else(|| {
            let ys = || {
                let points = |trace: &Trace| trace.points.iter().map(|point| point.1).collect::<Vec<_>>();
                let ends =
                    |trace: &Trace| trace.intervals.iter().flat_map(|&(a, b)| [a, b]).collect::<Vec<_>>();
                self.traces.iter().flat_map(move |trace| points(trace).into_iter().chain(ends(trace)))
            };
            let (low, high) = (ys().fold(f64::MAX, f64::min), ys().fold(f64::MIN, f64::max));
            let room = (0.06 * (high - low)).max(1e-3);
            low - room..high + room
        })
    }

    fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        scale: u32,
    ) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
        let px = |units: u32| units * scale;
        let (x_range, y_range) = (self.x_range(), self.fitted_y_range());
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, font(15, scale))
            .margin(px(12))
            .margin_right(px(26))
            .x_label_area_size(px(46))
            .y_label_area_size(px(62))
            .build_cartesian_2d(x_range.clone(), y_range.clone())?;
        for region in &self.regions {
            let corners = [(region.x.start, y_range.start), (region.x.end, y_range.end)];
            chart.draw_series([Rectangle::new(corners, color(region.color).mix(0.14).filled())])?;
        }
        let large = y_range.end - y_range.start > 10.0;
        let named = matches!(self.x_axis, XAxis::Names(_));
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(FAINT.mix(if self.regions.is_empty() { 1.0 } else { 0.6 }).stroke_width(scale))
            .axis_style(INK.stroke_width(scale))
            // The names of values are written below, each at its place.
            .x_labels(if named { 0 } else { 7 })
            .y_labels(6)
            .x_desc(&self.x_label)
            .y_desc(&self.y_label)
            .axis_desc_style(font(14, scale))
            .label_style(font(12, scale))
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&|y| if large { format!("{y:.0}") } else { format!("{y:.1}") })
            .draw()?;
        let (left, top) = area.get_base_pixel();
        let centre = Pos::new(HPos::Center, VPos::Top);
        if let XAxis::Names(names) = &self.x_axis {
            for (at, name) in names.iter().enumerate() {
                let (x, y) = chart.backend_coord(&(at as f64, y_range.start));
                let place = (x - left, y - top + px(7) as i32);
                area.draw(&Text::new(name.clone(), place, font(12, scale).pos(centre)))?;
            }
        }
        for region in &self.regions {
            let middle = 0.5 * (region.x.start + region.x.end);
            let (x, y) = chart.backend_coord(&(middle, y_range.end));
            let place = (x - left, y - top + px(4) as i32);
            area.draw(&Text::new(region.label.clone(), place, font(12, scale).pos(centre)))?;
        }
        if let Some((y, name)) = &self.reference {
            let dashes = [(x_range.start, *y), (x_range.end, *y)];
            chart.draw_series(DashedLineSeries::new(dashes, px(6), px(5), INK.stroke_width(scale)))?;
            let style = font(12, scale).pos(Pos::new(HPos::Right, VPos::Top));
            let (x, y) = chart.backend_coord(&(x_range.end, *y));
            area.draw(&Text::new(name.clone(), (x - left - px(4) as i32, y - top + px(3) as i32), style))?;
        }
        for trace in
            self.traces.iter().filter(|trace| trace.style == Style::Line && !trace.intervals.is_empty())
        {
            let ends = || trace.points.iter().zip(&trace.intervals);
            let upper = ends().map(|(point, ends)| (point.0, ends.1));
            let lower = ends().rev().map(|(point, ends)| (point.0, ends.0));
            let band = upper.chain(lower).collect::<Vec<_>>();
            chart.draw_series([Polygon::new(band, color(trace.color).mix(0.18))])?;
        }
        for trace in &self.traces {
            self.draw_trace(&mut chart, trace, scale)?;
        }
        if self.traces.iter().all(|trace| trace.label.is_empty()) {
            return Ok(());
        }
        let (width, height) = chart.plotting_area().dim_in_pixel();
        let place = self.legend((f64::from(width / scale), f64::from(height / scale)));
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::Coordinate(px(place.0) as i32, px(place.1) as i32))
            .background_style(WHITE.mix(0.85))
            .border_style(FAINT.stroke_width(scale))
            .margin(px(8))
            .legend_area_size(px(28))
            .label_font(font(12, scale))
            .draw()
    }

    /// Where the legend stands in a plotting area of so many units.
    fn legend(&self, (width, height): (f64, f64)) -> (u32, u32) {
        const EDGE: f64 = 5.0;
        let inner = (width - 2.0 * EDGE, height - 2.0 * EDGE);
        let labels =
            || self.traces.iter().map(|trace| trace.label.as_str()).filter(|label| !label.is_empty());
        let widest = labels().map(|label| label.chars().count()).max().unwrap_or_default();
        // Letters of 12 units are about 6 wide; some room beside and around.
        let size =
            ((52.0 + 6.2 * widest as f64) / inner.0, (10.0 + 15.0 * labels().count() as f64) / inner.1);
        let (x_range, y_range) = (self.x_range(), self.fitted_y_range());
        let unit = |&(x, y): &(f64, f64)| {
            let along = |value: f64, range: &Range<f64>| (value - range.start) / (range.end - range.start);
            let (x, y) = (width * along(x, &x_range), height * (1.0 - along(y, &y_range)));
            ((x - EDGE) / inner.0, (y - EDGE) / inner.1)
        };
        let (mut points, mut lines) = (Vec::new(), Vec::new());
        for trace in &self.traces {
            for (&(low, high), &(x, _)) in trace.intervals.iter().zip(&trace.points) {
                lines.push(vec![unit(&(x, low)), unit(&(x, high))]);
            }
            let drawn = trace.points.iter().map(unit).collect();
            match trace.style {
                Style::Marks | Style::Scattered => points.extend::<Vec<_>>(drawn),
                Style::Line | Style::Dashed | Style::Dots => lines.push(drawn),
            }
        }
        // The names of the regions are above.
        if !self.regions.is_empty() {
            lines.push(vec![(0.0, 0.02), (1.0, 0.02)]);
        }
        if let Some((y, name)) = &self.reference {
            let (start, end) = (unit(&(x_range.start, *y)), unit(&(x_range.end, *y)));
            // Its name is below its right end.
            let name_start = (end.0 - 6.2 * name.chars().count() as f64 / inner.0, end.1 + 12.0 / inner.1);
            lines.extend([vec![start, end], vec![name_start, (end.0, name_start.1)]]);
        }
        let (x, y) = place(size, &points, &lines);
        ((EDGE + x * inner.0) as u32, (EDGE + y * inner.1) as u32)
    }

    fn draw_trace<'a, DB: DrawingBackend + 'a>(
        &self,
        chart: &mut Plane<'a, DB>,
        trace: &Trace,
        scale: u32,
    ) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
        let px = |units: u32| units * scale;
        let color = color(trace.color);
        let points = || trace.points.iter().copied();
        let stroke = color.stroke_width(2 * scale);
        let drawn = match trace.style {
            Style::Line => chart.draw_series(LineSeries::new(points(), stroke))?,
            Style::Dashed => {
                chart.draw_series(DashedLineSeries::new(points(), px(6), px(4), color.stroke_width(scale)))?
            }
            Style::Scattered => {
                let dot = |point| Circle::new(point, px(3), color.mix(0.55).filled());
                chart.draw_series(points().map(dot))?
            }
            Style::Dots | Style::Marks => {
                for (point, ends) in trace.points.iter().zip(&trace.intervals) {
                    let bar = [(point.0, ends.0), (point.0, ends.1)];
                    chart.draw_series([PathElement::new(bar, color.stroke_width(scale))])?;
                }
                if trace.style == Style::Dots {
                    chart.draw_series(LineSeries::new(points(), stroke))?;
                }
                chart.draw_series(points().map(|point| Circle::new(point, px(4), color.filled())))?
            }
        };
        if !trace.label.is_empty() {
            let end = px(22) as i32;
            drawn.label(&trace.label).legend(move |(x, y)| {
                PathElement::new([(x, y), (x + end, y)], color.stroke_width(2 * scale))
            });
        }
        Ok(())
    }
}

/// A chart being drawn.
type Plane<'a, DB> = ChartContext<
    'a,
    DB,
    Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
>;

fn color(number: usize) -> RGBColor {
    PALETTE[number % PALETTE.len()]
}

impl Drawing for Panels {
    fn title(&self) -> &str {
        &self.title
    }

    fn size(&self) -> (u32, u32) {
        (
            Self::CHART.0 * self.columns as u32,
            Self::TITLE + Self::CHART.1 * canvas::rows(&self.charts, self.columns) as u32,
        )
    }

    fn check(&self) -> Result<()> {
        if self.charts.is_empty() {
            return Err(self.fault("there is nothing to draw"));
        }
        for chart in &self.charts {
            let numbers = chart.traces.iter().flat_map(|trace| trace.points.iter().chain(&trace.intervals));
            if numbers.clone().any(|(a, b)| !a.is_finite() || !b.is_finite()) {
                return Err(self.fault(&format!("`{}`: a number is not finite", chart.title)));
            }
            if chart.traces.iter().all(|trace| trace.points.is_empty()) {
                return Err(self.fault(&format!("`{}`: there is nothing to draw", chart.title)));
            }
        }
        Ok(())
    }

    fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        scale: u32,
    ) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
        let (title, charts) = ((&*self.title, Self::TITLE, 4), (&*self.charts, self.columns));
        canvas::in_rows(area, title, charts, scale, |area, chart| chart.draw(area, scale))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<(f64, f64)>) -> Chart {
        Chart {
            title: "Plateau length".into(),
            x_label: "batch size".into(),
            y_label: "steps".into(),
            x_axis: XAxis::Names(vec!["4".into(), "16".into()]),
            y_range: None,
            reference: Some((1.0, "chance".into())),
            regions: vec![Region { x: -0.5..0.5, label: "memorises".into(), color: 4 }],
            traces: vec![
                Trace { label: "mean".into(), points, intervals: vec![(0.0, 3.0); 2], ..Trace::default() },
                Trace { points: vec![(0.0, 1.5)], style: Style::Scattered, ..Trace::default() },
            ],
        }
    }

    #[test]
    fn charts_have_their_names_lines_and_regions() {
        let figure = Panels {
            title: "Plateaus".into(),
            columns: 2,
            charts: vec![chart(vec![(0.0, 2.0), (1.0, 1.0)]), chart(vec![(0.0, 1.0), (1.0, 4.0)])],
        };
        let svg = canvas::svg(&figure).unwrap();
        for text in ["Plateaus", "Plateau length", "batch size", "16", "memorises", "mean", "chance"] {
            assert!(svg.contains(text), "{text}");
        }
        let image = image::load_from_memory(&canvas::png(&figure).unwrap()).unwrap();
        assert_eq!(image.width(), 2 * 2 * Panels::CHART.0);
    }

    #[test]
    fn an_empty_chart_and_numbers_that_are_none_are_errors() {
        let panels = |charts| Panels { title: "Plateaus".into(), columns: 1, charts };
        assert!(canvas::svg(&panels(vec![])).is_err());
        let mut empty = chart(vec![]);
        empty.traces.pop();
        assert!(canvas::svg(&panels(vec![empty])).unwrap_err().to_string().contains("nothing to draw"));
        assert!(canvas::svg(&panels(vec![chart(vec![(0.0, f64::NAN)])])).is_err());
    }
}
