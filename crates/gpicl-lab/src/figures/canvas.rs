//! What all figures share: colours, font, and the two files that each is written to.

use std::path::{Path, PathBuf};
use std::sync::Once;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, TextStyle, register_font};

use gpicl::fs::write_atomic;
use gpicl::{Error, Result};

/// Okabe and Ito's palette: told apart with every kind of colour vision, and in this order in grey print. The last two
/// are not theirs, for figures of many lines.
pub(super) const PALETTE: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(51, 34, 136),
    RGBColor(130, 130, 130),
];
pub(super) const INK: RGBColor = RGBColor(40, 40, 40);
pub(super) const FAINT: RGBColor = RGBColor(225, 225, 225);
const FONT: &str = "sans-serif";
/// Pixels of the PNG for each unit of the figure.
pub(super) const SCALE: u32 = 2;

/// Something that is drawn in the style of all figures.
pub(super) trait Drawing {
    /// Above the figure; errors call it by this.
    fn title(&self) -> &str;

    /// Width and height, in units.
    fn size(&self) -> (u32, u32);

    /// Draws it, a unit being `scale` pixels.
    fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        scale: u32,
    ) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>>;

    /// What is wrong with the numbers, before anything is drawn.
    fn check(&self) -> Result<()>;

    /// An error about this figure.
    fn fault(&self, problem: &str) -> Error {
        Error::argument("figure", format!("`{}`: {problem}", self.title()))
    }
}

/// A font of `size` units.
pub(super) fn font(size: u32, scale: u32) -> TextStyle<'static> {
    static FONTS: Once = Once::new();
    FONTS.call_once(|| {
        let font = include_bytes!("../../assets/DejaVuSans-latin.ttf");
        assert!(register_font(FONT, FontStyle::Normal, font).is_ok(), "the font file is whole");
    });
    (FONT, size * scale).into_font().color(&INK)
}

/// `text` with its anchor at `(x, y)`, in units.
pub(super) fn label<'a>(
    text: &str,
    (x, y): (i32, i32),
    size: u32,
    anchor: Pos,
    scale: u32,
) -> Text<'a, (i32, i32), String> {
    // Anchored by its box, a text stands a little high.
    let place = (x * scale as i32, (y + 2) * scale as i32);
    Text::new(text.to_string(), place, font(size, scale).pos(anchor))
}

/// Writes `title` over the middle of the uppermost `height` units, `drop` units below their centre; returns the rest.
pub(super) fn headline<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    title: &str,
    height: u32,
    drop: i32,
    scale: u32,
) -> Result<DrawingArea<DB, Shift>, DrawingAreaErrorKind<DB::ErrorType>> {
    let (head, body) = area.split_vertically(height * scale);
    let middle = (head.dim_in_pixel().0 as i32 / 2, (height * scale / 2) as i32 + scale as i32 * drop);
    let style = font(19, scale).pos(Pos::new(HPos::Center, VPos::Center));
    head.draw(&Text::new(title.to_string(), middle, style))?;
    Ok(body)
}

/// Draws `panels` under a [`headline`], row by row, each by `draw`; a row has `columns`.
pub(super) fn in_rows<DB: DrawingBackend, P>(
    area: &DrawingArea<DB, Shift>,
    (title, height, drop): (&str, u32, i32),
    (panels, columns): (&[P], usize),
    scale: u32,
    draw: impl Fn(&DrawingArea<DB, Shift>, &P) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>>,
) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
    let body = headline(area, title, height, drop, scale)?;
    let places = body.split_evenly((rows(panels, columns), columns));
    places.iter().zip(panels).try_for_each(|(area, panel)| draw(area, panel))
}

/// Rows that `panels` take, `columns` in each.
pub(super) fn rows<P>(panels: &[P], columns: usize) -> usize {
    panels.len().div_ceil(columns.max(1))
}

/// The figure as SVG text.
pub(super) fn svg(drawing: &impl Drawing) -> Result<String> {
    let mut text = String::new();
    paint(drawing, &SVGBackend::with_string(&mut text, drawing.size()).into_drawing_area(), 1)?;
    Ok(text)
}

/// The figure as the bytes of a PNG file.
pub(super) fn png(drawing: &impl Drawing) -> Result<Vec<u8>> {
    let (width, height) = (drawing.size().0 * SCALE, drawing.size().1 * SCALE);
    let mut pixels = vec![0; (width * height * 3) as usize];
    paint(drawing, &BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area(), SCALE)?;
    let image = image::RgbImage::from_raw(width, height, pixels).expect("the buffer has the image's size");
    let mut png = std::io::Cursor::new(Vec::new());
    image.write_to(&mut png, image::ImageFormat::Png).expect("writing to memory does not fail");
    Ok(png.into_inner())
}

/// Writes `path.svg` and `path.png`.
pub(super) fn write(drawing: &impl Drawing, path: &Path) -> Result<Vec<PathBuf>> {
    let (svg_path, png_path) = (path.with_extension("svg"), path.with_extension("png"));
    write_atomic(&svg_path, svg(drawing)?.as_bytes())?;
    write_atomic(&png_path, &png(drawing)?)?;
    Ok(vec![svg_path, png_path])
}

fn paint<DB: DrawingBackend>(
    drawing: &impl Drawing,
    area: &DrawingArea<DB, Shift>,
    scale: u32,
) -> Result<()> {
    drawing.check()?;
    let draw = || {
        area.fill(&WHITE)?;
        drawing.draw(area, scale)?;
        area.present()
    };
    draw().map_err(|error| drawing.fault(&format!("cannot be drawn: {error}")))
}
