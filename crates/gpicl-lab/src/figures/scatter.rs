//! Points with names and intervals over a logarithmic axis, in panels side by side.

use std::ops::Range;
use std::path::{Path, PathBuf};

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::canvas::{self, Drawing, FAINT, INK, PALETTE, font};
use gpicl::Result;

/// A named point.
#[derive(Clone, Debug)]
pub struct Point {
    /// Its name, written beside it.
    pub label: String,
    /// Above 0.
    pub x: f64,
    /// The value, and the ends of its interval.
    pub y: [f64; 3],
}

/// One panel.
#[derive(Clone, Debug)]
pub struct Panel {
    /// Above the panel.
    pub title: String,
    /// Under the x axis.
    pub x_label: String,
    /// The points; a colour each, the same in all panels.
    pub points: Vec<Point>,
}

/// Panels with one y axis, from 0 to 1.
#[derive(Clone, Debug)]
pub struct Scatter {
    /// Above the figure.
    pub title: String,
    /// Beside the y axes.
    pub y_label: String,
    /// A dashed horizontal line with its name.
    pub reference: Option<(f64, String)>,
    /// Side by side.
    pub panels: Vec<Panel>,
}

/// A box in pixels: left, top, right, bottom.
type Area = [i32; 4];

impl Scatter {
    const PANEL: (u32, u32) = (600, 460);
    const TITLE: u32 = 40;
    /// Size of the names.
    const NAME: u32 = 13;

    /// Writes `path.svg` and `path.png`.
    ///
    /// # Errors
    /// [`gpicl::Error::Argument`] if there is no point or a number cannot be drawn, [`gpicl::Error::Io`].
    pub fn write(&self, path: &Path) -> Result<Vec<PathBuf>> {
        canvas::write(self, path)
    }

    fn draw_panel<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        panel: &Panel,
        scale: u32,
    ) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
        let px = |units: u32| units * scale;
        let x_range = decades(panel);
        let mut chart = ChartBuilder::on(area)
            .caption(&panel.title, font(15, scale))
            .margin(px(14))
            .margin_right(px(26))
            .x_label_area_size(px(48))
            .y_label_area_size(px(62))
            .build_cartesian_2d(x_range.clone().log_scale(), 0.0..1.0)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(FAINT.stroke_width(scale))
            .axis_style(INK.stroke_width(scale))
            .x_labels(6)
            .y_labels(6)
            .x_desc(&panel.x_label)
            .y_desc(&self.y_label)
            .axis_desc_style(font(15, scale))
            .label_style(font(13, scale))
            .x_label_formatter(&|x| short(*x))
            .draw()?;
        if let Some((y, name)) = &self.reference {
            let dashes = [(x_range.start, *y), (x_range.end, *y)];
            chart.draw_series(DashedLineSeries::new(dashes, px(6), px(5), INK.stroke_width(scale)))?;
            let style = font(Self::NAME, scale).pos(Pos::new(HPos::Right, VPos::Top));
            let (x, y) = chart.backend_coord(&(x_range.end, *y));
            let (left, top) = area.get_base_pixel();
            area.draw(&Text::new(name.clone(), (x - left - px(4) as i32, y - top + px(3) as i32), style))?;
        }
        let (left, top) = area.get_base_pixel();
        let color = |number: usize| PALETTE[number % PALETTE.len()];
        let mut marks: Vec<Area> = Vec::new();
        for (number, point) in panel.points.iter().enumerate() {
            let [y, low, high] = point.y.map(|y| y.clamp(0.0, 1.0));
            let at = |y: f64| {
                let (x, y) = chart.backend_coord(&(point.x, y));
                (x - left, y - top)
            };
            let style = color(number).stroke_width(2 * scale);
            let bar = [at(low), at(high)];
            area.draw(&PathElement::new(bar, style))?;
            for (x, y) in bar {
                let cap = px(4) as i32;
                area.draw(&PathElement::new([(x - cap, y), (x + cap, y)], style))?;
            }
            let (x, y) = at(y);
            let r = px(6) as i32;
            marks.push([x - r, y - r, x + r, y + r]);
            marks.push([x - r / 2, bar[1].1, x + r / 2, bar[0].1]);
        }
        let dot = |number: usize| {
            let [l, t, r, b] = marks[2 * number];
            ((l + r) / 2, (t + b) / 2)
        };
        // No bar lies on another learner's dot.
        for number in 0..panel.points.len() {
            area.draw(&Circle::new(dot(number), px(5), color(number).filled()))?;
        }
        let (xs, ys) = chart.plotting_area().get_pixel_range();
        let frame = [xs.start - left, ys.start - top, xs.end - left, ys.end - top];
        let mut names = Names { frame, taken: marks.clone(), scale: scale as i32 };
        let style = font(Self::NAME, scale);
        for (number, point) in panel.points.iter().enumerate() {
            let (width, height) = area.estimate_text_size(&point.label, &style)?;
            let (width, height) = (width as i32, height as i32);
            let (x, y, far) = names.place(dot(number), width, height);
            if far {
                let end = (dot(number).0.clamp(x, x + width), dot(number).1.clamp(y, y + height));
                area.draw(&PathElement::new([dot(number), end], INK.mix(0.4).stroke_width(scale)))?;
            }
            // A name is read over a bar that it cannot avoid.
            let ground = [(x - scale as i32, y), (x + width + scale as i32, y + height)];
            area.draw(&Rectangle::new(ground, WHITE.mix(0.75).filled()))?;
            area.draw(&Text::new(point.label.clone(), (x, y), style.clone()))?;
        }
        Ok(())
    }
}

/// Finds room for names beside their points.
struct Names {
    frame: Area,
    taken: Vec<Area>,
    scale: i32,
}

impl Names {
    /// The upper left corner of a name of this size for the point at `dot`, where it covers least; and whether
    /// it is so far off that it takes a line to tell whose it is.
    fn place(&mut self, dot: (i32, i32), width: i32, height: i32) -> (i32, i32, bool) {
        let mut best = (i64::MAX, [0; 4], false);
        for ring in 0..5 {
            let gap = self.scale * (9 + 16 * ring);
            let (x, y) = dot;
            for (left, top) in [
                (x + gap, y - height / 2),
                (x - gap - width, y - height / 2),
                (x - width / 2, y - gap - height),
                (x - width / 2, y + gap),
                (x + gap, y - gap - height),
                (x + gap, y + gap),
                (x - gap - width, y - gap - height),
                (x - gap - width, y + gap),
            ] {
                let area = [left, top, left + width, top + height];
                let covered: i64 = self.taken.iter().map(|taken| common(area, *taken)).sum();
                let outside = i64::from(width) * i64::from(height) - common(area, self.frame);
                let cost = covered + 10 * outside;
                if cost < best.0 {
                    best = (cost, area, ring > 0);
                }
            }
        }
        let (_, [left, top, right, bottom], far) = best;
        let room = 2 * self.scale;
        self.taken.push([left - room, top - room, right + room, bottom + room]);
        (left, top, far)
    }
}

/// Pixels that two boxes have in common.
fn common(a: Area, b: Area) -> i64 {
    let width = a[2].min(b[2]) - a[0].max(b[0]);
    let height = a[3].min(b[3]) - a[1].max(b[1]);
    i64::from(width.max(0)) * i64::from(height.max(0))
}

/// Ends of the x axis: the points with room, a decade at least.
fn decades(panel: &Panel) -> Range<f64> {
    let xs = || panel.points.iter().map(|point| point.x);
    let (low, high) = (xs().fold(f64::MAX, f64::min), xs().fold(f64::MIN, f64::max));
    let room = (high / low).powf(0.12).max(2.0);
    // More of it on the right: that is where names stand.
    low / room..(high * room * 2.0).max(10.0 * low / room)
}

/// `10k` for 10000.
fn short(x: f64) -> String {
    match x {
        x if x >= 1e9 => format!("{}G", x / 1e9),
        x if x >= 1e6 => format!("{}M", x / 1e6),
        x if x >= 1e3 => format!("{}k", x / 1e3),
        x => format!("{x}"),
    }
}

impl Drawing for Scatter {
    fn title(&self) -> &str {
        &self.title
    }

    fn size(&self) -> (u32, u32) {
        (Self::PANEL.0 * self.panels.len() as u32, Self::TITLE + Self::PANEL.1)
    }

    fn check(&self) -> Result<()> {
        for panel in &self.panels {
            if panel.points.is_empty() {
                return Err(self.fault("there is nothing to draw"));
            }
            for Point { label, x, y } in &panel.points {
                if !(x.is_finite() && *x > 0.0 && y.iter().all(|y| y.is_finite())) {
                    return Err(self.fault(&format!("`{label}` cannot be drawn at {x}, {y:?}")));
                }
            }
        }
        Ok(())
    }

    fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        scale: u32,
    ) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
        let (title, panels) = ((&*self.title, Self::TITLE, 6), (&*self.panels, self.panels.len()));
        canvas::in_rows(area, title, panels, scale, |area, panel| self.draw_panel(area, panel, scale))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_beside_their_points_and_not_on_each_other() {
        let mut names = Names { frame: [0, 0, 400, 400], taken: Vec::new(), scale: 1 };
        let mut placed: Vec<Area> = Vec::new();
        for _ in 0..6 {
            let (x, y, _) = names.place((200, 200), 60, 12);
            let area = [x, y, x + 60, y + 12];
            assert!(placed.iter().all(|other| common(area, *other) == 0));
            placed.push(area);
        }
        let (x, _, far) = names.place((395, 20), 60, 12);
        assert!(x + 60 <= 400 && !far, "inside the frame");
    }

    #[test]
    fn points_are_drawn_and_those_without_a_logarithm_refused() {
        let scatter = |x: f64| Scatter {
            title: "Sizes".into(),
            y_label: "accuracy".into(),
            reference: Some((0.1, "chance".into())),
            panels: vec![Panel {
                title: "State".into(),
                x_label: "state size".into(),
                points: vec![Point { label: "LSTM".into(), x, y: [0.5, 0.4, 0.6] }],
            }],
        };
        let svg = canvas::svg(&scatter(1000.0)).unwrap();
        for text in ["Sizes", "State", "state size", "LSTM", "chance", "<circle"] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(canvas::svg(&scatter(0.0)).unwrap_err().to_string().contains("LSTM"));
    }
}
