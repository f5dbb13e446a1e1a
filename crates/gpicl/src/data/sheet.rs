//! A look at a data set: its first images on one sheet.

use super::{Dataset, InputShape};
use crate::error::{Error, Result};
use crate::out_file::OutFile;

/// Examples of a class on the sheet, and most classes.
const COLUMNS: usize = 16;
const ROWS: usize = 40;

/// Writes a PNG with a row for each class and its first examples in it, brightness stretched to the range.
///
/// # Errors
/// [`Error::Argument`] if the data set has no images, [`Error::Io`].
pub fn contact_sheet(data: &Dataset, out: &OutFile) -> Result<()> {
    let InputShape::Image { height, width, channels } = data.shape() else {
        return Err(Error::argument("contact_sheet", format!("{} has vectors, not images", data.name())));
    };
    let (low, high) =
        data.inputs().iter().fold((f32::MAX, f32::MIN), |(low, high), &x| (low.min(x), high.max(x)));
    let range = (high - low).max(f32::MIN_POSITIVE);
    let rows = data.num_classes().min(ROWS);
    let (cell_w, cell_h) = (width as u32 + 2, height as u32 + 2);
    let mut sheet =
        image::RgbImage::from_pixel(cell_w * COLUMNS as u32, cell_h * rows as u32, image::Rgb([90; 3]));
    for class in 0..rows {
        let examples = (0..data.len()).filter(|&i| data.label(i) as usize == class).take(COLUMNS);
        for (column, example) in examples.enumerate() {
            for (i, pixel) in data.input(example).chunks_exact(channels).enumerate() {
                let byte = |c: usize| (255.0 * (pixel[c.min(channels - 1)] - low) / range) as u8;
                let x = cell_w * column as u32 + (i % width) as u32 + 1;
                let y = cell_h * class as u32 + (i / width) as u32 + 1;
                sheet.put_pixel(x, y, image::Rgb([byte(0), byte(1), byte(2)]));
            }
        }
    }
    let mut png = std::io::Cursor::new(Vec::new());
    sheet.write_to(&mut png, image::ImageFormat::Png).expect("writing to memory does not fail");
    out.write(&png.into_inner())
}
