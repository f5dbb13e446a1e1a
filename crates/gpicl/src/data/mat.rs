//! MATLAB files, version 5: numeric arrays, plain or compressed. Texts, cells, structures and sparse arrays beside them are
//! passed over.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::Path;

use crate::error::{Error, Result};

const HEADER: usize = 128;
const COMPRESSED: u32 = 15;
const MATRIX: u32 = 14;
/// Classes of arrays: `double`, `single`, and integers of 8 to 64 bits.
const NUMERIC: std::ops::RangeInclusive<u8> = 6..=15;
/// The flag of an array with an imaginary part.
const COMPLEX: u8 = 1 << 3;

/// A numeric array, column-major as MATLAB has it.
#[derive(Debug, PartialEq)]
pub(super) struct Array {
    pub dims: Vec<usize>,
    pub values: Vec<f64>,
}

/// The numeric arrays of a file, by name.
pub(super) fn read(path: &Path) -> Result<HashMap<String, Array>> {
    let file = std::fs::read(path).map_err(Error::io("read", path))?;
    let fail = |at: usize, problem: &str| {
        Error::file_at(
            path,
            format!("byte {at}"),
            problem,
            "give a whole MATLAB 5 file (not v7.3), or fetch it again",
        )
    };
    if file.len() < HEADER || &file[126..128] != b"IM" {
        return Err(fail(0, "no little-endian MATLAB 5 header"));
    }
    let mut arrays = HashMap::new();
    let mut at = HEADER;
    while at < file.len() {
        let element = Element::read(&file[at..]).ok_or_else(|| fail(at, "an element is cut off"))?;
        let array = match element.kind {
            COMPRESSED => {
                let mut bytes = Vec::new();
                flate2::read::ZlibDecoder::new(element.data)
                    .read_to_end(&mut bytes)
                    .map_err(|error| fail(at, &format!("the compressed data is broken ({error})")))?;
                let inner =
                    Element::read(&bytes).ok_or_else(|| fail(at, "a compressed element is cut off"))?;
                matrix(&inner)
            }
            _ => matrix(&element),
        };
        if let Some((name, array)) = array.ok_or_else(|| fail(at, "a broken array"))? {
            arrays.insert(name, array);
        }
        at += element.size;
    }
    Ok(arrays)
}

struct Element<'a> {
    kind: u32,
    data: &'a [u8],
    /// Bytes with tag and padding.
    size: usize,
}

impl<'a> Element<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let first = word(0)?;
        // Up to four bytes stand in the tag itself, their number in its upper half.
        if first >> 16 != 0 {
            let data = bytes.get(4..4 + (first >> 16) as usize)?;
            return Some(Self { kind: first & 0xffff, data, size: 8 });
        }
        let length = word(4)? as usize;
        let data = bytes.get(8..8_usize.checked_add(length)?)?;
        // A compressed element is the only kind that is not padded to 8 bytes.
        let padded = if first == COMPRESSED { length } else { length.next_multiple_of(8) };
        Some(Self { kind: first, data, size: 8 + padded })
    }
}

/// A numeric array and its name; the inner `None` is of something else that is whole.
#[expect(clippy::option_option, reason = "broken, passed over, or read")]
fn matrix(element: &Element<'_>) -> Option<Option<(String, Array)>> {
    if element.kind != MATRIX {
        return Some(None);
    }
    let mut rest = element.data;
    let mut next = || {
        let part = Element::read(rest)?;
        rest = rest.get(part.size..).unwrap_or_default();
        Some(part)
    };
    let flags = next()?.data;
    let (&class, &flags) = (flags.first()?, flags.get(1)?);
    if !NUMERIC.contains(&class) || flags & COMPLEX != 0 {
        return Some(None);
    }
    let (dims, name, data) = (next()?, next()?, next()?);
    let dims: Vec<usize> = dims
        .data
        .as_chunks::<4>()
        .0
        .iter()
        .map(|&dim| usize::try_from(i32::from_le_bytes(dim)).ok())
        .collect::<Option<_>>()?;
    let values = numbers(&data)?;
    let count = dims.iter().try_fold(1_usize, |product, &dim| product.checked_mul(dim))?;
    let name = String::from_utf8_lossy(name.data).into_owned();
    (count == values.len()).then_some(Some((name, Array { dims, values })))
}

fn numbers(element: &Element<'_>) -> Option<Vec<f64>> {
    let data = element.data;
    Some(match element.kind {
        1 => data.iter().map(|&byte| f64::from(byte as i8)).collect(),
        2 => data.iter().map(|&byte| f64::from(byte)).collect(),
        3 => data.as_chunks().0.iter().map(|&v| f64::from(i16::from_le_bytes(v))).collect(),
        4 => data.as_chunks().0.iter().map(|&v| f64::from(u16::from_le_bytes(v))).collect(),
        5 => data.as_chunks().0.iter().map(|&v| f64::from(i32::from_le_bytes(v))).collect(),
        6 => data.as_chunks().0.iter().map(|&v| f64::from(u32::from_le_bytes(v))).collect(),
        7 => data.as_chunks().0.iter().map(|&v| f64::from(f32::from_le_bytes(v))).collect(),
        9 => data.as_chunks().0.iter().map(|&v| f64::from_le_bytes(v)).collect(),
        12 => data.as_chunks().0.iter().map(|&v| i64::from_le_bytes(v) as f64).collect(),
        13 => data.as_chunks().0.iter().map(|&v| u64::from_le_bytes(v) as f64).collect(),
        _ => return None,
    })
}
