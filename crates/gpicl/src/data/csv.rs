//! Tables with a header: as a data set, and as rows to predict.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::config::DataConfig;
use super::raw::Raw;
use super::{Dataset, InputShape};
use crate::error::{Error, Result};

/// A CSV file in memory, cells as text. Lines of an error count the header as line 1.
#[derive(Clone, Debug)]
pub struct Table {
    path: PathBuf,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    lines: Vec<u64>,
}

impl Table {
    /// Reads a file with a header line.
    ///
    /// # Errors
    /// [`Error::File`] naming the line: no header, a name twice, a row of another length, text that is not UTF-8.
    pub fn read(path: &Path) -> Result<Self> {
        let file = std::fs::File::open(path).map_err(Error::io("open", path))?;
        let mut reader = ::csv::ReaderBuilder::new().trim(::csv::Trim::All).from_reader(file);
        let broken = |error: ::csv::Error| {
            let line = error.position().map_or(1, ::csv::Position::line);
            let problem = match error.kind() {
                ::csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                    format!("has {len} cells, the header {expected_len}")
                }
                ::csv::ErrorKind::Utf8 { .. } => "is not UTF-8 text".into(),
                _ => error.to_string(),
            };
            Error::file_at(path, format!("line {line}"), problem, "mend the line")
        };
        let names = reader.headers().map_err(broken)?;
        let header: Vec<String> =
            names.iter().map(|name| name.trim_start_matches('\u{feff}').to_string()).collect();
        if header.is_empty() {
            return Err(Error::file(path, "is empty", "give a table with a header line"));
        }
        for (i, name) in header.iter().enumerate() {
            if header[..i].contains(name) {
                let problem = format!("the column `{name}` is there twice");
                return Err(Error::file_at(path, "line 1", problem, "give every column a name of its own"));
            }
        }
        let (mut rows, mut lines) = (Vec::new(), Vec::new());
        for record in reader.records() {
            let record = record.map_err(broken)?;
            lines.push(record.position().map_or(0, ::csv::Position::line));
            rows.push(record.iter().map(String::from).collect());
        }
        if rows.is_empty() {
            return Err(Error::file(path, "has a header and no row", "give at least one row"));
        }
        Ok(Self { path: path.into(), header, rows, lines })
    }

    /// Column names.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// Number of rows, the header not counted.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The index of a column.
    ///
    /// # Errors
    /// [`Error::File`] that lists the columns there are.
    pub fn column(&self, name: &str) -> Result<usize> {
        self.header.iter().position(|column| column == name).ok_or_else(|| {
            let fix = format!("choose one of {}", self.header.join(", "));
            Error::file_at(&self.path, "header", format!("there is no column `{name}`"), fix)
        })
    }

    /// The cells of a column that must not be empty, such as labels.
    ///
    /// # Errors
    /// [`Error::File`] naming the line of an empty cell.
    pub fn labels(&self, column: usize) -> Result<Vec<&str>> {
        self.rows
            .iter()
            .zip(&self.lines)
            .map(|(row, line)| match row[column].as_str() {
                "" => {
                    let place = format!("line {line}, column `{}`", self.header[column]);
                    Err(Error::file_at(&self.path, place, "the label is empty", "label the row or remove it"))
                }
                label => Ok(label),
            })
            .collect()
    }
}

/// How the feature columns of a table become numbers. Made on the labelled rows, applied to all.
#[derive(Clone, Debug)]
pub struct Encoder {
    columns: Vec<(String, Encoding)>,
}

#[derive(Clone, Debug)]
enum Encoding {
    Number,
    /// One-hot over the values seen; another value is all zeros.
    Category(Vec<String>),
}

impl Encoding {
    /// Numbers that it makes of a cell.
    fn width(&self) -> usize {
        match self {
            Self::Number => 1,
            Self::Category(values) => values.len(),
        }
    }
}

/// Cells that mean "no value", besides the empty one.
const MISSING: [&str; 5] = ["", "NA", "N/A", "NaN", "nan"];

/// Most values of a text column that is taken as a category.
const MAX_CATEGORIES: usize = 100;

impl Encoder {
    /// Every column but `label`: numbers if all its cells are, categories if none is.
    ///
    /// # Errors
    /// [`Error::File`] naming the line of a cell that is text among numbers, or infinite, or a column of more
    /// than a hundred different texts.
    pub fn fit(table: &Table, label: Option<usize>) -> Result<Self> {
        let features = (0..table.header.len()).filter(|&column| Some(column) != label);
        let columns = features
            .map(|column| Ok((table.header[column].clone(), Self::encoding(table, column)?)))
            .collect::<Result<Vec<_>>>()?;
        if columns.is_empty() {
            return Err(Error::file_at(table.path(), "header", "has no feature column", "add the features"));
        }
        Ok(Self { columns })
    }

    fn encoding(table: &Table, column: usize) -> Result<Encoding> {
        let cells =
            || table.rows.iter().map(|row| row[column].as_str()).filter(|cell| !MISSING.contains(cell));
        let numbers = cells().filter(|cell| cell.parse::<f64>().is_ok()).count();
        if numbers > 0 || cells().next().is_none() {
            return Ok(Encoding::Number);
        }
        let values: BTreeSet<&str> = cells().collect();
        if values.len() > MAX_CATEGORIES {
            let place = format!("column `{}`", table.header[column]);
            let problem = format!("has {} different texts", values.len());
            return Err(Error::file_at(
                table.path(),
                place,
                problem,
                "remove the column, or turn it into numbers",
            ));
        }
        Ok(Encoding::Category(values.into_iter().map(String::from).collect()))
    }

    /// Numbers in an encoded row.
    pub fn dim(&self) -> usize {
        self.columns.iter().map(|(_, encoding)| encoding.width()).sum()
    }

    /// The column behind a number of an encoded row.
    fn column_of(&self, number: usize) -> &str {
        let numbers =
            self.columns.iter().flat_map(|(name, encoding)| std::iter::repeat_n(name, encoding.width()));
        numbers.skip(number).map(String::as_str).next().unwrap_or_default()
    }

    /// The rows of a table as numbers, `[n, dim]`; NaN where a number is missing.
    ///
    /// # Errors
    /// [`Error::File`] for a column that is missing, or naming the line of a cell that is no finite number.
    pub fn encode(&self, table: &Table) -> Result<Vec<f32>> {
        let columns = self.columns.iter().map(|(name, _)| table.column(name)).collect::<Result<Vec<_>>>()?;
        let mut numbers = Vec::with_capacity(table.len() * self.dim());
        for (row, line) in table.rows.iter().zip(&table.lines) {
            for ((name, encoding), &column) in self.columns.iter().zip(&columns) {
                let cell = row[column].as_str();
                match encoding {
                    Encoding::Category(values) => {
                        numbers.extend(values.iter().map(|value| f32::from(u8::from(value == cell))));
                    }
                    Encoding::Number if MISSING.contains(&cell) => numbers.push(f32::NAN),
                    Encoding::Number => match cell.parse::<f32>() {
                        Ok(number) if number.is_finite() => numbers.push(number),
                        _ => {
                            let place = format!("line {line}, column `{name}`");
                            let problem =
                                format!("`{cell}` is no finite number, as the column has elsewhere");
                            return Err(Error::file_at(
                                table.path(),
                                place,
                                problem,
                                "mend the cell or leave it empty",
                            ));
                        }
                    },
                }
            }
        }
        Ok(numbers)
    }
}

/// The distinct labels in the order of their first appearance, and every row's index into them.
pub fn index_labels<'a>(labels: &[&'a str]) -> (Vec<&'a str>, Vec<u32>) {
    let mut names: Vec<&str> = Vec::new();
    let indices = labels
        .iter()
        .map(|label| {
            let found = names.iter().position(|name| name == label);
            found.unwrap_or_else(|| {
                names.push(label);
                names.len() - 1
            }) as u32
        })
        .collect();
    (names, indices)
}

/// A data set from a table; missing numbers are an error here.
pub(super) fn read(config: &DataConfig, _: &Path) -> Result<Raw> {
    let path = config.path.as_deref().unwrap_or(Path::new("."));
    let table = Table::read(path)?;
    let label = match &config.label_column {
        Some(name) => table.column(name)?,
        None => table.header.len() - 1,
    };
    let encoder = Encoder::fit(&table, Some(label))?;
    let inputs = encoder.encode(&table)?;
    if let Some(at) = inputs.iter().position(|number| number.is_nan()) {
        let column = encoder.column_of(at % encoder.dim());
        let place = format!("line {}, column `{column}`", table.lines[at / encoder.dim()]);
        return Err(Error::file_at(path, place, "a number is missing", "fill it in or remove the row"));
    }
    let texts = table.labels(label)?;
    let (names, labels) = index_labels(&texts);
    let names = names.into_iter().map(String::from).collect();
    let name = path.file_stem().map_or_else(|| "csv".into(), |stem| stem.to_string_lossy().into_owned());
    let data = Dataset::new(name, InputShape::Vector(encoder.dim()), inputs, labels, names)?;
    Ok(Raw { train: data, test: None, files: Vec::new() })
}
