//! A picture file as numbers: 8 and 16 bits alike, transparency laid on a background, the camera's orientation followed.

use std::fmt;
use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageDecoder as _, ImageError, ImageFormat, ImageReader};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Most bytes of a decoded picture, as the file has its numbers: 67 million pixels of 4 bytes.
const LARGEST: u64 = 1 << 28;

/// A colour that transparent pictures are laid on, written `#rrggbb`; white unless another is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Background([u8; 3]);

impl Default for Background {
    fn default() -> Self {
        Self([u8::MAX; 3])
    }
}

impl TryFrom<String> for Background {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let byte = |i: usize| u8::from_str_radix(text.get(2 * i + 1..2 * i + 3)?, 16).ok();
        let digits = text.strip_prefix('#').filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        match (digits.map(str::len), byte(0), byte(1), byte(2)) {
            (Some(6), Some(red), Some(green), Some(blue)) => Ok(Self([red, green, blue])),
            _ => Err(format!("`{text}` is no colour; write #rrggbb, such as #ffffff for white")),
        }
    }
}

impl From<Background> for String {
    fn from(background: Background) -> Self {
        background.to_string()
    }
}

impl fmt::Display for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

impl Background {
    fn is_grey(self) -> bool {
        self.0.iter().all(|&byte| byte == self.0[0])
    }
}

/// A decoded picture.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Picture {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// 1 for grey, 3 for colour.
    pub channels: usize,
    /// Numbers in `[0, 1]`, row by row, channels innermost.
    pub pixels: Vec<f32>,
}

impl Picture {
    /// Decodes the file `bytes`, which `path` names.
    ///
    /// # Errors
    /// [`Error::File`] if it is no picture, is cut off, or takes more than [`LARGEST`] bytes.
    pub fn decode(path: &Path, bytes: &[u8], background: Background) -> Result<Self> {
        let fix = "replace it by a whole picture, or remove it";
        let broken = |error: ImageError| Error::file(path, format!("cannot be decoded ({error})"), fix);
        let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
        let reader = reader.expect("reading from memory does not fail");
        // The decoder fills up what is missing with grey.
        if reader.format() == Some(ImageFormat::Jpeg) && !jpeg_ends(bytes) {
            return Err(Error::file(path, "is cut off: the picture's end is missing", fix));
        }
        let mut decoder = reader.into_decoder().map_err(broken)?;
        if decoder.total_bytes() > LARGEST {
            let (width, height) = decoder.dimensions();
            let problem = format!("is {width}x{height} and takes more than {} MiB", LARGEST >> 20);
            return Err(Error::file(path, problem, "make it smaller"));
        }
        let orientation = decoder.orientation().map_err(broken)?;
        let mut image = DynamicImage::from_decoder(decoder).map_err(broken)?;
        image.apply_orientation(orientation);
        let picture = Self::of(&image, background);
        match picture.pixels.iter().find(|pixel| !pixel.is_finite()) {
            Some(pixel) => Err(Error::file(path, format!("holds {pixel}"), "save it with finite numbers")),
            None => Ok(picture),
        }
    }

    fn of(image: &DynamicImage, background: Background) -> Self {
        let (color, bytes) = (image.color(), image.as_bytes());
        let samples = usize::from(color.channel_count());
        let numbers: Vec<f32> = match usize::from(color.bytes_per_pixel()) / samples {
            1 => bytes.iter().map(|&byte| f32::from(byte) / f32::from(u8::MAX)).collect(),
            2 => {
                let words = bytes.as_chunks().0.iter().map(|&word| u16::from_ne_bytes(word));
                words.map(|word| f32::from(word) / f32::from(u16::MAX)).collect()
            }
            _ => bytes.as_chunks().0.iter().map(|&float| f32::from_ne_bytes(float)).collect(),
        };
        let (height, width) = (image.height() as usize, image.width() as usize);
        if !color.has_alpha() {
            return Self { height, width, channels: samples, pixels: numbers };
        }
        let channels = if color.has_color() || !background.is_grey() { 3 } else { 1 };
        let behind = background.0.map(|byte| f32::from(byte) / f32::from(u8::MAX));
        let last = samples - 1;
        let lay = |sample: &[f32]| -> Vec<f32> {
            let alpha = sample[last];
            let over = |(channel, behind): (usize, f32)| {
                // A solid pixel keeps its bits.
                alpha * sample[channel.min(last - 1)] + (1.0 - alpha) * behind
            };
            behind.into_iter().take(channels).enumerate().map(over).collect()
        };
        let pixels = numbers.chunks_exact(samples).flat_map(lay).collect();
        Self { height, width, channels, pixels }
    }
}

/// Whether a JPEG file has its end marker. Segments are passed over: previews in them have an end of their own.
fn jpeg_ends(bytes: &[u8]) -> bool {
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == 0xff)) {
        at += found + 1;
        match bytes.get(at) {
            Some(0xd9) => return true,
            // Fill bytes; data; markers without a segment.
            Some(0xff) => {}
            Some(0x00 | 0x01 | 0xd0..=0xd8) => at += 1,
            Some(_) => {
                let Some(&[high, low]) = bytes.get(at + 1..at + 3) else { return false };
                at += 1 + usize::from(u16::from_be_bytes([high, low]));
            }
            None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use image::{GrayAlphaImage, ImageBuffer, Luma, LumaA, Rgb, RgbImage, Rgba, RgbaImage};

    use super::*;

    fn file(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.into().write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn decode(bytes: &[u8], background: &str) -> Picture {
        let background = Background::try_from(background.to_string()).unwrap();
        Picture::decode(Path::new("a"), bytes, background).unwrap()
    }

    #[test]
    fn transparency_is_laid_on_the_background() {
        let mut ink = RgbaImage::from_pixel(2, 1, Rgba([0, 0, 0, 0]));
        ink.put_pixel(1, 0, Rgba([0, 0, 0, 255]));
        let ink = file(ink, ImageFormat::Png);
        assert_eq!(decode(&ink, "#ffffff").pixels, [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]);
        assert_eq!(decode(&ink, "#ff0000").pixels, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        let half = file(GrayAlphaImage::from_pixel(1, 1, LumaA([255, 51])), ImageFormat::Png);
        assert_eq!(decode(&half, "#000000").pixels, [0.2]);
        let coloured = decode(&half, "#0000ff");
        assert_eq!((coloured.channels, &coloured.pixels[..]), (3, &[0.2, 0.2, 1.0][..]));
    }

    #[test]
    fn sixteen_bits_are_all_kept() {
        let dark = ImageBuffer::<Luma<u16>, _>::from_fn(2, 1, |x, _| Luma([x as u16]));
        let dark = decode(&file(dark, ImageFormat::Png), "#ffffff");
        assert_eq!((dark.channels, &dark.pixels[..]), (1, &[0.0, 1.0 / 65535.0][..]));
        let colour = ImageBuffer::<Rgb<u16>, _>::from_pixel(1, 1, Rgb([65535, 13107, 1]));
        assert_eq!(decode(&file(colour, ImageFormat::Tiff), "#ffffff").pixels, [1.0, 0.2, 1.0 / 65535.0]);
    }

    /// A picture that does not compress to nothing.
    fn noise(side: u32) -> RgbImage {
        RgbImage::from_fn(side, side, |x, y| {
            Rgb([x, y, x ^ y].map(|c| (c.wrapping_mul(2_654_435_761) >> 16) as u8))
        })
    }

    #[test]
    fn a_picture_that_is_cut_off_is_an_error_in_every_format() {
        use ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
        for format in [Bmp, Gif, Jpeg, Png, Tiff, WebP] {
            let whole = file(noise(32), format);
            let background = Background::default();
            let decode = |bytes: &[u8]| Picture::decode(Path::new("pets/cat.x"), bytes, background);
            assert_eq!(decode(&whole).unwrap().pixels.len(), 32 * 32 * 3, "{format:?}");
            for part in [3, 2] {
                let error = decode(&whole[..whole.len() / part]).expect_err(&format!("{format:?}"));
                assert!(error.to_string().contains("pets/cat.x"), "{error}");
            }
        }
    }

    #[test]
    fn the_end_of_a_preview_is_not_the_end_of_the_picture() {
        let whole = file(noise(16), ImageFormat::Jpeg);
        let preview = [&[0xff, 0xd8, 0xff, 0xe1, 0, 6, 0, 0, 0xff, 0xd9][..], &whole[2..]].concat();
        assert!(jpeg_ends(&preview));
        assert!(!jpeg_ends(&preview[..preview.len() / 2]));
    }

    #[test]
    fn the_cameras_orientation_is_followed() {
        // Two pixels side by side, and the note that they stand on top of each other: turn right by 90 degrees.
        let flat = RgbImage::from_fn(16, 8, |x, _| Rgb([if x < 8 { 255 } else { 0 }; 3]));
        let jpeg = file(flat, ImageFormat::Jpeg);
        let exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        let length = (exif.len() as u16 + 2).to_be_bytes();
        let turned = [&jpeg[..2], &[0xff, 0xe1], &length, exif, &jpeg[2..]].concat();
        let picture = decode(&turned, "#ffffff");
        assert_eq!((picture.height, picture.width), (16, 8));
        assert!(picture.pixels[0] > 0.9 && picture.pixels.last().unwrap() < &0.1);
    }

    #[test]
    fn a_colour_is_six_digits() {
        for wrong in ["white", "#fff", "ffffff", "#12345é", "#gggggg", "#+1+1+1"] {
            assert!(Background::try_from(wrong.to_string()).unwrap_err().contains("#rrggbb"), "{wrong}");
        }
        assert_eq!(Background::try_from("#0A0b0c".to_string()).unwrap().to_string(), "#0a0b0c");
    }
}
