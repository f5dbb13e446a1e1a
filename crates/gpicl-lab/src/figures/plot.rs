//! Figures: one style for all, as SVG and PNG, with a font that comes along.

use std::ops::Range;
use std::path::{Path, PathBuf};

use plotters::coord::Shift;
use plotters::prelude::*;

use super::canvas::{self, Drawing, FAINT, INK, PALETTE, font};
use gpicl::Result;
use gpicl::eval::LearningCurve;
use gpicl::eval::Metric;

const SIZE: (u32, u32) = (840, 520);
/// Least width of the legend beside a figure with more lines than there is room for names in a corner.
const LEGEND: u32 = 220;

/// One line of a figure.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// Name in the legend.
    pub label: String,
    /// Points, by x.
    pub points: Vec<(f64, f64)>,
    /// Band around the line: lower and upper end at each point; empty for none.
    pub band: Vec<(f64, f64)>,
}

/// A figure of lines over one x axis.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Above the figure.
    pub title: String,
    /// Under the x axis.
    pub x_label: String,
    /// Beside the y axis.
    pub y_label: String,
    /// Ends of the y axis; from the data if absent.
    pub y_range: Option<Range<f64>>,
    /// A dashed horizontal line with its name.
    pub reference: Option<(f64, String)>,
    /// The lines.
    pub series: Vec<Series>,
}

/// Accuracy against examples seen, with 95% bands and the chance line, as the paper draws it; more than eight
/// curves without their bands. Writes
/// `path.svg` and `path.png`.
///
/// # Errors
/// [`Error::Argument`] without curves, [`Error::Io`].
pub fn learning_curve(
    curves: &[LearningCurve],
    chance: Option<f64>,
    title: &str,
    path: &Path,
) -> Result<Vec<PathBuf>> {
    learning_figure(curves, chance, title).write(path)
}

/// The figure that [`learning_curve`] writes.
pub(crate) fn learning_figure(curves: &[LearningCurve], chance: Option<f64>, title: &str) -> Figure {
    let series = curves.iter().map(|curve| Series {
        label: curve.label.clone(),
        points: curve.accuracy.iter().enumerate().map(|(j, interval)| (j as f64, interval.mean)).collect(),
        band: curve.accuracy.iter().map(|interval| (interval.low, interval.high)).collect(),
    });
    Figure {
        title: title.into(),
        x_label: "examples seen".into(),
        y_label: "accuracy".into(),
        y_range: Some(0.0..1.0),
        reference: chance.map(|chance| (chance, "chance".into())),
        series: series.collect(),
    }
}

/// Loss and accuracies against meta-training steps. Writes `<path>_loss` and `<path>_accuracy`, SVG and PNG.
///
/// # Errors
/// [`Error::Argument`] without training lines, [`Error::Io`].
pub fn training_curves(metrics: &[Metric], path: &Path) -> Result<Vec<PathBuf>> {
    let named = |suffix: &str| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        path.with_file_name(format!("{name}_{suffix}"))
    };
    let [loss, accuracy] = training_figures(metrics);
    let mut files = loss.write(&named("loss"))?;
    files.extend(accuracy.write(&named("accuracy"))?);
    Ok(files)
}

/// The figures that [`training_curves`] writes: loss, accuracy.
pub(crate) fn training_figures(metrics: &[Metric]) -> [Figure; 2] {
    let mut loss = Series { label: "meta-training batch".into(), ..Series::default() };
    let mut batch = Series { label: "meta-training batch, last position".into(), ..Series::default() };
    let mut sets: Vec<Series> = Vec::new();
    for metric in metrics {
        match metric {
            Metric::Train { step, loss: value, accuracy_last, .. } => {
                loss.points.push((*step as f64, *value));
                batch.points.push((*step as f64, *accuracy_last));
            }
            Metric::Eval { step, set, summary } => {
                let label = format!("{set}, last 10 positions");
                let at = sets.iter().position(|series| series.label == label).unwrap_or_else(|| {
                    sets.push(Series { label, ..Series::default() });
                    sets.len() - 1
                });
                sets[at].points.push((*step as f64, summary.last_10.mean));
                sets[at].band.push((summary.last_10.low, summary.last_10.high));
            }
        }
    }
    // The evaluations say more than the single batches; without any the batches have to do.
    let accuracies = if sets.is_empty() { vec![batch] } else { sets };
    let figure = |title: &str, y_label: &str, y_range, series| Figure {
        title: title.into(),
        x_label: "meta-training steps".into(),
        y_label: y_label.into(),
        y_range,
        reference: None,
        series,
    };
    [
        figure("Meta-training loss", "cross-entropy (nats)", None, vec![loss]),
        figure("Accuracy during meta-training", "accuracy", Some(0.0..1.0), accuracies),
    ]
}

impl Figure {
    /// Writes `path.svg` and `path.png`.
    ///
    /// # Errors
    /// [`gpicl::Error::Argument`] if there is nothing to draw or a number is not finite, [`gpicl::Error::Io`].
    pub fn write(&self, path: &Path) -> Result<Vec<PathBuf>> {
        canvas::write(self, path)
    }

    /// The figure as SVG text.
    ///
    /// # Errors
    /// As [`Figure::write`].
    pub fn svg(&self) -> Result<String> {
        canvas::svg(self)
    }

    /// The same for a page, where there is less room: smaller, with lettering of the same size.
    pub(crate) fn small_svg(&self) -> Result<String> {
        canvas::svg(&Small(self))
    }

    /// The figure as the bytes of a PNG file.
    ///
    /// # Errors
    /// As [`Figure::write`].
    pub fn png(&self) -> Result<Vec<u8>> {
        canvas::png(self)
    }

    /// Whether the names stand beside the figure rather than in a corner of it.
    fn crowded(&self) -> bool {
        self.series.len() > PALETTE.len()
    }

    fn x_range(&self) -> Range<f64> {
        let xs = || self.series.iter().flat_map(|series| series.points.iter().map(|point| point.0));
        let (low, high) = (xs().fold(f64::MAX, f64::min), xs().fold(f64::MIN, f64::max));
        low..if high > low { high } else { low + 1.0 }
    }

    /// The ends given, or those of the data with a little room.
    fn fitted_y_range(&self) -> Range<f64> {
        self.y_range.clone().unwrap_or_else(|| {
            let ys = || self.series.iter().flat_map(|series| series.points.iter().map(|point| point.1));
            let (low, high) = (ys().fold(f64::MAX, f64::min), ys().fold(f64::MIN, f64::max));
            let room = (0.05 * (high - low)).max(1e-3);
            low - room..high + room
        })
    }
}

impl Drawing for Figure {
    fn title(&self) -> &str {
        &self.title
    }

    fn size(&self) -> (u32, u32) {
        (SIZE.0 + self.beside(), SIZE.1)
    }

    fn check(&self) -> Result<()> {
        let numbers = self.series.iter().flat_map(|series| series.points.iter().chain(&series.band));
        if numbers.clone().any(|(a, b)| !a.is_finite() || !b.is_finite()) {
            return Err(self.fault("a number is not finite"));
        }
        match self.series.iter().any(|series| !series.points.is_empty()) {
            true => Ok(()),
            false => Err(self.fault("there is nothing to draw")),
        }
    }

    fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        scale: u32,
    ) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
        let px = |units: u32| units * scale;
        let (x_range, y_range) = (self.x_range(), self.fitted_y_range());
        let (plot, beside) = area.split_horizontally(area.dim_in_pixel().0 - px(self.beside()));
        let mut chart = ChartBuilder::on(&plot)
            .caption(&self.title, font(19, scale))
            .margin(px(14))
            .margin_right(px(26))
            .x_label_area_size(px(48))
            .y_label_area_size(px(62))
            .build_cartesian_2d(x_range.clone(), y_range)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(FAINT.stroke_width(scale))
            .axis_style(INK.stroke_width(scale))
            .x_labels(10)
            .y_labels(6)
            .x_desc(&self.x_label)
            .y_desc(&self.y_label)
            .axis_desc_style(font(15, scale))
            .label_style(font(13, scale))
            .x_label_formatter(&|x| format!("{x:.0}"))
            .draw()?;
        if let Some((y, _)) = &self.reference {
            let dashes = [(x_range.start, *y), (x_range.end, *y)];
            let (on, off) = REFERENCE;
            chart.draw_series(DashedLineSeries::new(dashes, px(on), px(off), INK.stroke_width(scale)))?;
        }
        for (series, color) in self.series.iter().zip(PALETTE.iter().cycle()) {
            // Many bands hide each other and the lines.
            if !series.band.is_empty() && !self.crowded() {
                let upper = series.points.iter().zip(&series.band).map(|(point, band)| (point.0, band.1));
                let lower =
                    series.points.iter().zip(&series.band).rev().map(|(point, band)| (point.0, band.0));
                chart.draw_series([Polygon::new(upper.chain(lower).collect::<Vec<_>>(), color.mix(0.2))])?;
            }
        }
        for (number, series) in self.series.iter().enumerate() {
            let points = series.points.iter().copied();
            let (color, dashes) = stroke(number);
            let style = color.stroke_width(2 * scale);
            match dashes {
                None => chart.draw_series(LineSeries::new(points, style))?,
                Some((on, off)) => {
                    chart.draw_series(DashedLineSeries::new(points, px(on), px(off), style))?
                }
            };
        }
        if self.crowded() {
            return self.names(&beside, (0, 50), scale);
        }
        let (left, top) = plot.get_base_pixel();
        let at = |point: &(f64, f64)| {
            let (x, y) = chart.backend_coord(point);
            (x - left, y - top)
        };
        let mut lines: Vec<Vec<(i32, i32)>> =
            self.series.iter().map(|series| series.points.iter().map(at).collect()).collect();
        lines.extend(
            self.reference.iter().map(|(y, _)| [x_range.start, x_range.end].map(|x| at(&(x, *y))).to_vec()),
        );
        let (xs, ys) = chart.plotting_area().get_pixel_range();
        let frame = [xs.start - left, ys.start - top, xs.end - left, ys.end - top];
        let size = self.names_size(&plot, scale)?;
        let (x, y) = free_place(frame, size, px(10) as i32, &lines);
        let ground = [(x, y), (x + size.0, y + size.1)];
        plot.draw(&Rectangle::new(ground, WHITE.mix(0.85).filled()))?;
        plot.draw(&Rectangle::new(ground, FAINT.stroke_width(scale)))?;
        let units = |pixels: i32| pixels / scale as i32;
        self.names(&plot, (units(x) + NAMES_MARGIN, units(y) + NAMES_MARGIN + NAME_ROW / 2), scale)
    }
}

/// A figure on less room.
struct Small<'a>(&'a Figure);

impl Drawing for Small<'_> {
    fn title(&self) -> &str {
        &self.0.title
    }

    fn size(&self) -> (u32, u32) {
        let (width, height) = self.0.size();
        (width - 180, height - 110)
    }

    fn check(&self) -> Result<()> {
        self.0.check()
    }

    fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        scale: u32,
    ) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
        self.0.draw(area, scale)
    }
}

/// Units between the frame around the names and what is in it.
const NAMES_MARGIN: i32 = 8;
/// Units from one name down to the next.
const NAME_ROW: i32 = 22;
/// Units of the stroke before a name, and where the name begins.
const NAME_KEY: [i32; 2] = [30, 38];
/// Size of the names.
const NAME_FONT: u32 = 13;

impl Figure {
    /// Every line's name, colour and dashes; the reference comes last.
    fn entries(&self) -> impl Iterator<Item = (&str, RGBColor, Option<(u32, u32)>)> {
        let lines = self.series.iter().enumerate().map(|(number, series)| {
            let (color, dashes) = stroke(number);
            (series.label.as_str(), color, dashes)
        });
        lines.chain(self.reference.iter().map(|(_, name)| (name.as_str(), INK, Some(REFERENCE))))
    }

    /// Width of the names beside the figure, in units; 0 where they stand in it.
    fn beside(&self) -> u32 {
        if !self.crowded() {
            return 0;
        }
        let width = |name: &str| font(NAME_FONT, 1).font.layout_box(name).map_or(0, |(_, (right, _))| right);
        let widest = self.entries().map(|(name, ..)| width(name)).max().unwrap_or_default();
        LEGEND.max((NAME_KEY[1] + widest + NAMES_MARGIN).unsigned_abs())
    }

    /// Width and height of the names with a margin, in pixels.
    fn names_size<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        scale: u32,
    ) -> Result<(i32, i32), DrawingAreaErrorKind<DB::ErrorType>> {
        let mut widest = 0;
        for (name, ..) in self.entries() {
            widest = widest.max(area.estimate_text_size(name, &font(NAME_FONT, scale))?.0 as i32);
        }
        let rows = self.entries().count() as i32;
        let px = |units: i32| units * scale as i32;
        Ok((widest + px(NAME_KEY[1] + 2 * NAMES_MARGIN), px(rows * NAME_ROW + 2 * NAMES_MARGIN)))
    }

    /// The names, one below the other; `left` and `top`, in units, are where the first one's stroke begins.
    fn names<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        (left, top): (i32, i32),
        scale: u32,
    ) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
        let px = |units: i32| units * scale as i32;
        for (number, (name, color, dashes)) in self.entries().enumerate() {
            let y = px(top + NAME_ROW * number as i32);
            let style = color.stroke_width(2 * scale);
            let (on, off) = dashes.map_or((NAME_KEY[0], 0), |(on, off)| (on as i32, off as i32));
            for from in (0..NAME_KEY[0]).step_by((on + off) as usize) {
                let to = (from + on).min(NAME_KEY[0]);
                area.draw(&PathElement::new([(px(left + from), y), (px(left + to), y)], style))?;
            }
            let at = (px(left + NAME_KEY[1]), y - px(4));
            area.draw(&Text::new(name, at, font(NAME_FONT, scale)))?;
        }
        Ok(())
    }
}

/// Dashes of the reference: length and gap.
const REFERENCE: (u32, u32) = (6, 5);

/// Where in `frame` (left, top, right, bottom) a box of this size hides least of the lines. All in pixels. Of
/// places that are as good the first counts: corners come before what is between them.
fn free_place(
    frame: [i32; 4],
    (width, height): (i32, i32),
    margin: i32,
    lines: &[Vec<(i32, i32)>],
) -> (i32, i32) {
    const STEPS: i32 = 8;
    let [left, top, right, bottom] = frame;
    let (room_x, room_y) = (right - left - width - 2 * margin, bottom - top - height - 2 * margin);
    let dots: Vec<(i32, i32)> = lines.iter().flat_map(|line| dots(line)).collect();
    // 0, then the far end, then between.
    let order = || [0, STEPS].into_iter().chain(1..STEPS);
    let places = order()
        .flat_map(|y| order().map(move |x| (x, y)))
        .map(|(x, y)| (left + margin + room_x.max(0) * x / STEPS, top + margin + room_y.max(0) * y / STEPS));
    let hidden = |&(x, y): &(i32, i32)| {
        let inside = |dot: &&(i32, i32)| {
            (x - margin..=x + width + margin).contains(&dot.0)
                && (y - margin..=y + height + margin).contains(&dot.1)
        };
        dots.iter().filter(inside).count()
    };
    places.min_by_key(hidden).unwrap_or((left, top))
}

/// Dots on a line, every few pixels.
fn dots(line: &[(i32, i32)]) -> impl Iterator<Item = (i32, i32)> {
    const EVERY: i32 = 4;
    line.windows(2).flat_map(|ends| {
        let [(x0, y0), (x1, y1)] = [ends[0], ends[1]];
        let parts = ((x1 - x0).abs().max((y1 - y0).abs()) / EVERY).max(1);
        (0..=parts).map(move |part| (x0 + (x1 - x0) * part / parts, y0 + (y1 - y0) * part / parts))
    })
}

/// Colour of line `number`, and its dashes: length and gap. The palette goes round with other dashes.
fn stroke(number: usize) -> (RGBColor, Option<(u32, u32)>) {
    let dashes = match number / PALETTE.len() {
        0 => None,
        1 => Some((7, 4)),
        _ => Some((2, 4)),
    };
    (PALETTE[number % PALETTE.len()], dashes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::canvas::SCALE;

    fn figure(points: Vec<(f64, f64)>) -> Figure {
        let band = points.iter().map(|point| (point.1 - 0.1, point.1 + 0.1)).collect();
        Figure {
            title: "Toy".into(),
            x_label: "examples seen".into(),
            y_label: "accuracy".into(),
            y_range: Some(0.0..1.0),
            reference: Some((0.1, "chance".into())),
            series: vec![Series { label: "unseen tasks".into(), points, band }],
        }
    }

    #[test]
    fn a_figure_has_its_texts_its_band_and_a_whole_png() {
        let figure = figure((0..20).map(|i| (f64::from(i), f64::from(i) / 20.0)).collect());
        let svg = figure.svg().unwrap();
        for text in ["Toy", "examples seen", "accuracy", "chance", "unseen tasks", "<polygon"] {
            assert!(svg.contains(text), "{text}");
        }
        let image = image::load_from_memory(&figure.png().unwrap()).unwrap();
        assert_eq!((image.width(), image.height()), (SIZE.0 * SCALE, SIZE.1 * SCALE));
        let blue = image.to_rgb8().pixels().filter(|pixel| pixel.0 == [0, 114, 178]).count();
        assert!(blue > 1000, "the curve is drawn: {blue} pixels");
    }

    #[test]
    fn nothing_to_draw_and_numbers_that_are_none_are_errors() {
        assert!(figure(Vec::new()).svg().unwrap_err().to_string().contains("nothing to draw"));
        assert!(figure(vec![(0.0, f64::NAN)]).svg().unwrap_err().to_string().contains("not finite"));
    }

    #[test]
    fn names_beside_a_figure_have_the_room_they_need() {
        let named = |name: &str| {
            let mut crowded = figure(vec![(0.0, 0.0), (1.0, 1.0)]);
            crowded.series = vec![Series { label: name.into(), ..crowded.series[0].clone() }; 20];
            assert!(crowded.crowded());
            crowded.beside()
        };
        assert_eq!(named("LSTM"), LEGEND);
        assert!(named("Outer-product LSTM, paired tokens, untrained") > LEGEND + 40);
        assert_eq!(figure(vec![(0.0, 0.0), (1.0, 1.0)]).beside(), 0);
    }

    #[test]
    fn the_legend_stands_where_no_line_is_and_shows_its_dashes() {
        let frame = [0, 0, 800, 400];
        let line = |ends: [(i32, i32); 2]| ends.to_vec();
        let rising = [line([(0, 400), (100, 0)]), line([(100, 0), (800, 0)])];
        assert_eq!(free_place(frame, (200, 100), 10, &rising), (590, 290), "lower right");
        let falling = [line([(0, 0), (800, 400)])];
        assert_eq!(free_place(frame, (200, 100), 10, &falling), (590, 10), "upper right");
        assert_eq!(free_place(frame, (200, 100), 10, &[]), (10, 10));

        let svg = figure(vec![(0.0, 0.0), (1.0, 1.0)]).svg().unwrap();
        let wide = svg.lines().filter(|line| line.contains("stroke=\"#282828\" stroke-width=\"2\"")).count();
        assert_eq!(wide, 3, "three dashes before `chance`");
    }
}
