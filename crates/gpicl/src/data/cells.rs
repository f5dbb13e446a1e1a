//! Delimited text as cells: what stands between the delimiters, which are found where none is named.

use std::borrow::Cow;
use std::io::Read as _;
use std::path::Path;
use std::str::FromStr;

use flate2::read::MultiGzDecoder;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What stands between the cells of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Delimiter(u8);

impl Delimiter {
    /// Those that are looked for, the likeliest first.
    const COMMON: [Self; 4] = [Self(b','), Self(b';'), Self(b'\t'), Self(b'|')];

    /// Records at the head of a file that are looked at.
    const SAMPLE: usize = 50;

    /// The one under which most of the first rows' cells stand in columns; a comma if none is.
    fn find(text: &[u8]) -> Self {
        let mut best = (Self::COMMON[0], (false, 1));
        for delimiter in Self::COMMON {
            let mut reader = delimiter.reader().flexible(true).has_headers(false).from_reader(text);
            let widths: Vec<usize> = reader
                .byte_records()
                .take(Self::SAMPLE)
                .map_while(|record| record.ok().map(|record| record.len()))
                .collect();
            let width = widths.first().copied().unwrap_or_default();
            let columns = (widths.iter().all(|&other| other == width), width);
            // One column is no sign of a delimiter.
            if width > 1 && columns > best.1 {
                best = (delimiter, columns);
            }
        }
        best.0
    }

    fn reader(self) -> ::csv::ReaderBuilder {
        let mut reader = ::csv::ReaderBuilder::new();
        reader.delimiter(self.0).trim(::csv::Trim::All);
        reader
    }
}

impl FromStr for Delimiter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "tab" | "\\t" => Ok(Self(b'\t')),
            _ => match text.as_bytes() {
                &[byte @ (b'\t' | b' '..=b'~')]
                    if byte != b'"' && byte != b'.' && !byte.is_ascii_alphanumeric() =>
                {
                    Ok(Self(byte))
                }
                _ => {
                    Err(format!("`{text}` is no delimiter; give a sign such as , or ; or |, or the word tab"))
                }
            },
        }
    }
}

impl TryFrom<String> for Delimiter {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Delimiter> for String {
    fn from(delimiter: Delimiter) -> Self {
        match delimiter.0 {
            b'\t' => "tab".into(),
            byte => char::from(byte).into(),
        }
    }
}

/// A table as text, nothing interpreted.
pub(super) struct Cells {
    /// The columns' names.
    pub header: Vec<String>,
    /// Rows as long as the header.
    pub rows: Vec<Vec<String>>,
    /// Where each row stands, the header being line 1.
    pub lines: Vec<u64>,
    /// Whether numbers may have a decimal comma.
    pub decimal_comma: bool,
}

/// The numbers of the empty lines from `at` on, which the reader passes over, and that of the line after them. Where lines end
/// in CR and LF the reader is between the two.
fn passed_over(text: &[u8], at: &::csv::Position) -> (Vec<u64>, u64) {
    let (read, mut rest) = text.split_at((at.byte() as usize).min(text.len()));
    let mut line = at.line();
    if let (Some(b'\r'), [b'\n', next @ ..]) = (read.last(), rest) {
        (line, rest) = (line + 1, next);
    }
    let mut empty = Vec::new();
    while let [b'\r', b'\n', next @ ..] | [b'\n', next @ ..] = rest {
        empty.push(line);
        (line, rest) = (line + 1, next);
    }
    (empty, line)
}

/// Reads delimited text with a header line, plain or compressed by gzip; `path` is what an error calls it. Empty lines are
/// none, but before the last row of a table of one column, where they are rows without a value.
///
/// # Errors
/// [`Error::File`] naming the line: a row of another length, text that is not UTF-8; an archive that is not whole.
pub(super) fn parse(path: &Path, bytes: &[u8], delimiter: Option<Delimiter>) -> Result<Cells> {
    let text = match bytes {
        [0x1f, 0x8b, ..] => {
            let mut text = Vec::new();
            MultiGzDecoder::new(bytes).read_to_end(&mut text).map_err(|error| {
                Error::file(path, format!("is no whole gzip file: {error}"), "compress or copy it anew")
            })?;
            Cow::Owned(text)
        }
        _ => Cow::Borrowed(bytes),
    };
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&text);
    let delimiter = delimiter.unwrap_or_else(|| Delimiter::find(text));
    let mut reader = delimiter.reader().from_reader(text);
    let broken = |error: ::csv::Error| {
        let line = error.position().map_or(1, |at| passed_over(text, at).1);
        let (problem, fix) = match error.kind() {
            ::csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                let problem = format!("has {len} cells, the header {expected_len}");
                let between = String::from(delimiter);
                (
                    problem,
                    format!("mend the line, or name what stands between cells if it is not `{between}`"),
                )
            }
            ::csv::ErrorKind::Utf8 { .. } => ("is not UTF-8 text".into(), "save the file as UTF-8".into()),
            _ => (error.to_string(), "mend the line".into()),
        };
        Error::file_at(path, format!("line {line}"), problem, fix)
    };
    let header: Vec<String> = reader.headers().map_err(broken)?.iter().map(String::from).collect();
    let (mut rows, mut lines) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let record = record.map_err(broken)?;
        let (empty, line) = record.position().map_or((Vec::new(), 0), |at| passed_over(text, at));
        // In one column an empty line is a cell without a value.
        if header.len() == 1 {
            rows.extend(empty.iter().map(|_| vec![String::new()]));
            lines.extend(empty);
        }
        lines.push(line);
        rows.push(record.iter().map(String::from).collect());
    }
    Ok(Cells { header, rows, lines, decimal_comma: delimiter.0 != b',' })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delimiter_is_found_by_the_columns_it_makes() {
        for (text, found) in [
            ("a,b,y\n1,2,p\n", ","),
            ("a;b;y\n1,5;2,5;p\n1,0;2;q\n", ";"),
            ("a\tb\ty\n1\t2\tp, q\n", "tab"),
            ("a|y\n1|p\n", "|"),
            ("\"a;b\",y\n\"1;2\",p\n", ","),
            ("name,y\nx;y;z,p\nx,q\n", ","),
            ("y\np\n", ","),
            ("", ","),
            // A line is broken: the header decides.
            ("a;b;y\n1;2;p\n1;2\n", ";"),
        ] {
            assert_eq!(String::from(Delimiter::find(text.as_bytes())), found, "{text:?}");
        }
    }

    #[test]
    fn an_empty_line_in_one_column_is_a_row_and_lines_are_counted_with_them() {
        let parse = |text: &str| parse(Path::new("t.csv"), text.as_bytes(), None);
        for text in ["x\n1\n\n\n3\n\n", "x\r\n1\r\n\r\n\r\n3\r\n\r\n", "\u{feff}x\n1\n\n\"\"\n3"] {
            let Cells { rows, lines, .. } = parse(text).unwrap();
            assert_eq!(rows.concat(), ["1", "", "", "3"], "{text:?}");
            assert_eq!(lines, [2, 3, 4, 5], "{text:?}");
        }
        assert_eq!(parse("x\n\n1\n").unwrap().lines, [2, 3]);
        // In several columns it is none: it has no cells.
        for text in ["x,y\n\n1,2\n\n\n3,4\n", "x,y\r\n\r\n1,2\r\n\r\n\r\n3,4\r\n"] {
            let Cells { rows, lines, .. } = parse(text).unwrap();
            assert_eq!((rows.concat(), lines), (["1", "2", "3", "4"].map(String::from).to_vec(), vec![3, 6]));
        }
        for text in ["x,y\n1,2\n\n3\n", "x,y\r\n1,2\r\n\r\n3\r\n"] {
            let error = parse(text).err().unwrap().to_string();
            assert!(error.contains("line 4: has 1 cells"), "{error}");
        }
    }

    #[test]
    fn a_delimiter_is_one_sign_or_tab() {
        for (text, written) in [(";", ";"), ("tab", "tab"), ("\\t", "tab"), ("\t", "tab"), (" ", " ")] {
            assert_eq!(String::from(text.parse::<Delimiter>().unwrap()), written);
        }
        for text in ["", ";;", "a", "0", "\"", ".", "é"] {
            assert!(text.parse::<Delimiter>().unwrap_err().contains("no delimiter"), "{text}");
        }
    }
}
