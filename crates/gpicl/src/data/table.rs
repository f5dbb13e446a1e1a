//! Tables with a header, cells as text.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::cells::{self, Cells, Delimiter};
#[cfg(feature = "parquet")]
use super::parquet;
use super::web_page::check_no_web_page;
use crate::error::{Error, Result};

/// How a table is read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableConfig {
    /// Name of the label column; the last one if absent.
    pub label: Option<String>,
    /// What stands between cells; found if absent.
    pub delimiter: Option<Delimiter>,
    /// Columns that are left out.
    pub drop: Vec<String>,
    /// Columns of numbers that are categories all the same.
    pub categorical: Vec<String>,
    /// Cells that mean "no value", besides the usual ones.
    pub missing: Vec<String>,
}

/// Cells that mean "no value": what pandas takes for one, and a dash.
const MISSING: [&str; 20] = [
    "", "-", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>",
    "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
];

/// How the first bytes of a Parquet file, and its last, read.
const PARQUET: &[u8] = b"PAR1";

/// A table in memory. Lines of an error count the header as line 1.
#[derive(Clone, Debug)]
pub struct Table {
    path: PathBuf,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    lines: Vec<u64>,
    decimal_comma: bool,
    missing: Vec<String>,
}

impl Table {
    /// What stands for standard input in the place of a file.
    pub const STANDARD: &str = "-";

    /// Reads a file with a header line, or standard input: delimited text, plain or `.gz`, or Parquet.
    ///
    /// # Errors
    /// [`Error::File`] naming the line: no header, a name twice, a row of another length, text that is not UTF-8; a web page.
    pub fn read(path: &Path, config: &TableConfig) -> Result<Self> {
        let (path, bytes) = if path == Path::new(Self::STANDARD) {
            let (path, mut bytes) = (Path::new("standard input"), Vec::new());
            std::io::stdin().lock().read_to_end(&mut bytes).map_err(Error::io("read", path))?;
            (path, bytes)
        } else {
            check_no_web_page(path)?;
            (path, std::fs::read(path).map_err(Error::io("open", path))?)
        };
        let cells = if bytes.starts_with(PARQUET) {
            from_parquet(path, bytes)?
        } else {
            cells::parse(path, &bytes, config.delimiter)?
        };
        Self::of(path, cells, config)
    }

    /// A table that is in memory already, called `name`: of every column its cells, as long as each other. Its numbers have a
    /// decimal point.
    ///
    /// # Errors
    /// [`Error::File`] as for [`Table::read`].
    pub fn from_columns(
        name: &Path,
        header: Vec<String>,
        columns: &[Vec<String>],
        config: &TableConfig,
    ) -> Result<Self> {
        let count = columns.first().map_or(0, Vec::len);
        if columns.len() != header.len() || columns.iter().any(|cells| cells.len() != count) {
            let problem = format!(
                "has {} columns of cells, not all of {count} rows, for {} names",
                columns.len(),
                header.len()
            );
            return Err(Error::file(name, problem, "give every column a name and as many cells"));
        }
        let row = |row: usize| columns.iter().map(|cells| cells[row].trim().to_string()).collect();
        let rows = (0..count).map(row).collect();
        // The header is line 1.
        let lines = (0..count as u64).map(|row| row + 2).collect();
        Self::of(name, Cells { header, rows, lines, decimal_comma: false }, config)
    }

    fn of(path: &Path, cells: Cells, config: &TableConfig) -> Result<Self> {
        let Cells { header, rows, lines, decimal_comma } = cells;
        if header.is_empty() {
            return Err(Error::file(path, "is empty", "give a table with a header line"));
        }
        for (i, name) in header.iter().enumerate() {
            if header[..i].contains(name) {
                let problem = format!("the column `{name}` is there twice");
                let fix = "give every column a name of its own, in a line above the rows";
                return Err(Error::file_at(path, "line 1", problem, fix));
            }
        }
        if rows.is_empty() {
            return Err(Error::file(path, "has a header and no row", "give at least one row"));
        }
        let missing = config.missing.iter().map(|text| text.trim().to_string()).collect();
        Ok(Self { path: path.into(), header, rows, lines, decimal_comma, missing })
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

    /// A doubt about a header that reads like a row: it has numbers, and they do not count the columns.
    pub fn doubt_of_header(&self) -> Option<String> {
        let numbers = || self.header.iter().filter_map(|name| Some((name, self.number(name)?)));
        let counts = |pair: &[f64]| pair[1] - pair[0] == 1.0;
        let values: Vec<f64> = numbers().map(|(_, number)| number).collect();
        let (first, _) = numbers().next()?;
        let names = values.iter().all(|number| number.fract() == 0.0) && values.windows(2).all(counts);
        (!names).then(|| {
            format!("the first line is taken for the columns' names, such as `{first}`; if it is a row, put a line of names above it")
        })
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

    /// The index of the label column.
    ///
    /// # Errors
    /// As [`Table::column`]; a label that is also dropped.
    pub fn label(&self, config: &TableConfig) -> Result<usize> {
        let kept = |name: &&String| !config.drop.contains(name);
        let Some(name) = config.label.as_ref().or_else(|| self.header.iter().rev().find(kept)) else {
            return Err(Error::file_at(&self.path, "header", "has no column but dropped ones", "drop fewer"));
        };
        if config.drop.contains(name) {
            let place = format!("column `{name}`");
            return Err(Error::file_at(&self.path, place, "is the label and dropped", "do one of them"));
        }
        self.column(name)
    }

    /// Where a cell stands: `` line 3, column `age` ``.
    pub fn place(&self, row: usize, column: usize) -> String {
        format!("line {}, column `{}`", self.lines[row], self.header[column])
    }

    /// A cell; `None` where there is no value.
    pub fn cell(&self, row: usize, column: usize) -> Option<&str> {
        let cell = self.rows[row][column].as_str();
        let same = |text: &String| {
            // `-999` is also `-999.0`.
            let number = |text: &str| self.number(text).filter(|x| x.is_finite());
            text == cell || number(text).is_some_and(|missing| number(cell) == Some(missing))
        };
        (!MISSING.contains(&cell) && !self.missing.iter().any(same)).then_some(cell)
    }

    /// The cells of a column, row by row; `None` where there is no value.
    pub fn cells(&self, column: usize) -> impl Iterator<Item = Option<&str>> + Clone {
        (0..self.len()).map(move |row| self.cell(row, column))
    }

    /// A cell as a number, which may be infinite or NaN; `None` of other texts.
    pub fn number(&self, cell: &str) -> Option<f64> {
        match cell.parse() {
            Ok(number) => Some(number),
            Err(_) if self.has_decimal_comma(cell) => cell.replacen(',', ".", 1).parse().ok(),
            Err(_) => None,
        }
    }

    /// Whether a cell is a number with a decimal comma.
    pub(super) fn has_decimal_comma(&self, cell: &str) -> bool {
        let digit = |part: &str| part.bytes().any(|byte| byte.is_ascii_digit());
        self.decimal_comma
            && !cell.contains('.')
            && cell
                .split_once(',')
                .is_some_and(|(whole, part)| digit(whole) && digit(part) && !part.contains(','))
    }
}

#[cfg(feature = "parquet")]
fn from_parquet(path: &Path, bytes: Vec<u8>) -> Result<Cells> {
    parquet::parse(path, bytes)
}

#[cfg(not(feature = "parquet"))]
fn from_parquet(path: &Path, _: Vec<u8>) -> Result<Cells> {
    let fix = "write it as CSV, or build with --features parquet";
    Err(Error::file(path, "is a Parquet file, which this build does not read", fix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(header: &[&str], columns: &[&[&str]]) -> Result<Table> {
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        let columns: Vec<Vec<String>> = columns.iter().map(|cells| texts(cells)).collect();
        Table::from_columns(Path::new("X"), texts(header), &columns, &TableConfig::default())
    }

    #[test]
    fn columns_in_memory_are_the_table_of_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("table.csv");
        std::fs::write(&path, "size,colour\n1.5, red\n,blue\n-2e3,NA\n").unwrap();
        let read = Table::read(&path, &TableConfig::default()).unwrap();
        let made = table(&["size", "colour"], &[&["1.5", "", "-2e3"], &[" red", "blue", "NA"]]).unwrap();
        assert_eq!((made.header(), made.len()), (read.header(), read.len()));
        for column in 0..2 {
            let cells: Vec<Option<&str>> = made.cells(column).collect();
            assert_eq!(cells, read.cells(column).collect::<Vec<_>>());
        }
        assert_eq!(made.cells(1).collect::<Vec<_>>(), [Some("red"), Some("blue"), None]);
        assert_eq!(made.number("-2e3"), Some(-2000.0));
        // A comma is none of a number, whatever else the column holds.
        assert_eq!(table(&["x"], &[&["1,5"]]).unwrap().number("1,5"), None);
        assert!(made.place(2, 0).contains("line 4"), "{}", made.place(2, 0));
    }

    #[test]
    fn a_header_that_reads_like_a_row_is_doubted() {
        let doubt =
            |header: &[&str]| table(header, &vec![&["1"][..]; header.len()]).unwrap().doubt_of_header();
        for row in [&["1.5", "2", "a"][..], &["5", "3", "b"], &["x", "0.5"]] {
            assert!(doubt(row).is_some_and(|said| said.contains("line of names")), "{row:?}");
        }
        for names in [&["a", "b"][..], &["0", "1", "2", "y"], &["2019", "2020"], &["7", "label"]] {
            assert_eq!(doubt(names), None, "{names:?}");
        }
    }

    #[test]
    fn columns_that_are_no_table_are_refused_by_name() {
        for (header, columns, problem) in [
            (&["a", "b"][..], &[&["1"][..]][..], "has 1 columns of cells, not all of 1 rows, for 2 names"),
            (&["a", "b"], &[&["1", "2"], &["3"]], "not all of 2 rows"),
            (&["a", "a"], &[&["1"], &["2"]], "the column `a` is there twice"),
            (&["a"], &[&[]], "has a header and no row"),
            (&[], &[], "is empty"),
        ] {
            let error = table(header, columns).unwrap_err().to_string();
            assert!(error.starts_with("X") && error.contains(problem), "{error}");
        }
    }
}
