//! Columns of a table: numbers, categories, labels; which texts are the same value.

use std::collections::HashMap;

use super::table::{Table, TableConfig};
use super::units;
use crate::error::{Error, Result};

/// Most values of a column that is taken as a category.
const MAX_CATEGORIES: usize = 100;

/// Fewest rows over which values that are all different say something about a column.
const FEWEST_IDS: usize = 10;

/// Most digits that a double tells apart.
const MAX_DIGITS: usize = 15;

/// The truth value that a cell spells.
fn truth(cell: &str) -> Option<bool> {
    let is = |words: [&str; 4]| words.iter().any(|word| word.eq_ignore_ascii_case(cell));
    if is(["true", "t", "yes", "y"]) {
        Some(true)
    } else if is(["false", "f", "no", "n"]) {
        Some(false)
    } else {
        None
    }
}

/// A cell as a finite number, if nothing is lost by it: `007` and numbers longer than a double stay texts.
fn plain_number(table: &Table, cell: &str) -> Option<f64> {
    let unsigned = cell.trim_start_matches(['+', '-']).as_bytes();
    let padded = matches!(unsigned, [b'0', b'0'..=b'9', ..]);
    let digits = unsigned.iter().take_while(|&&byte| !byte.eq_ignore_ascii_case(&b'e'));
    let long = digits.filter(|byte| byte.is_ascii_digit()).count() > MAX_DIGITS;
    table.number(cell).filter(|number| number.is_finite() && !padded && !long)
}

/// The truth value that a cell is, and the word for it: in small letters, or `1` or `0`.
fn word(table: &Table, cell: &str) -> Option<(bool, String)> {
    match plain_number(table, cell) {
        Some(1.0) => Some((true, "1".into())),
        Some(0.0) => Some((false, "0".into())),
        Some(_) => None,
        None => truth(cell).map(|truth| (truth, cell.to_ascii_lowercase())),
    }
}

/// Whether a column has at most one word for true and one for false, in any case: of two, such as `f` and `n`, each is a value
/// of its own.
fn has_one_word_each(table: &Table, column: usize) -> bool {
    let mut known: [Option<String>; 2] = [None, None];
    table.cells(column).flatten().filter_map(|cell| word(table, cell)).all(|(truth, word)| {
        let known = known[usize::from(truth)].get_or_insert_with(|| word.clone());
        *known == word
    })
}

/// What tells the values of a column apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Value {
    /// The bits of a number.
    Number(u64),
    Text(String),
}

/// Which texts of a column are one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spelling {
    /// Numbers: `1` is `1.0`. Where all are 0 and 1, or truth values by one word each, `true` is `1` too.
    Numbers {
        truths: bool,
    },
    Texts,
}

impl Spelling {
    fn of(table: &Table, column: usize) -> Self {
        let mut spelling = Self::Numbers { truths: true };
        for cell in table.cells(column).flatten() {
            match (plain_number(table, cell), truth(cell)) {
                (Some(0.0 | 1.0), _) => {}
                (None, Some(_)) if spelling == (Self::Numbers { truths: true }) => {}
                (Some(_), _) => spelling = Self::Numbers { truths: false },
                (None, _) => return Self::Texts,
            }
        }
        // A word may stand before the number that makes it none.
        let is_word = |cell: &str| plain_number(table, cell).is_none();
        match spelling {
            Self::Numbers { truths: false } if table.cells(column).flatten().any(is_word) => Self::Texts,
            Self::Numbers { truths: true } if !has_one_word_each(table, column) => Self::Texts,
            spelling => spelling,
        }
    }

    fn value(self, table: &Table, cell: &str) -> Option<Value> {
        match self {
            Self::Texts => Some(Value::Text(cell.into())),
            Self::Numbers { truths } => {
                let word = truths.then(|| truth(cell)).flatten().map(|truth| f64::from(u8::from(truth)));
                // Adding 0 makes -0 the same.
                plain_number(table, cell).or(word).map(|number| Value::Number((number + 0.0).to_bits()))
            }
        }
    }
}

/// The values of a column, each by the first text that spells it.
#[derive(Clone, Debug)]
struct Values {
    spelling: Spelling,
    names: Vec<String>,
    index: HashMap<Value, usize>,
}

impl Values {
    /// In the order of their first appearance.
    fn of(table: &Table, column: usize) -> Self {
        let mut values =
            Self { spelling: Spelling::of(table, column), names: Vec::new(), index: HashMap::new() };
        for cell in table.cells(column).flatten() {
            let Some(value) = values.spelling.value(table, cell) else { continue };
            values.index.entry(value).or_insert_with(|| {
                values.names.push(cell.into());
                values.names.len() - 1
            });
        }
        values
    }

    /// In the order of numbers, or of texts.
    fn sorted(self) -> Self {
        let mut order: Vec<(Value, usize)> = self.index.into_iter().collect();
        let number = |value: &Value| match value {
            Value::Number(bits) => f64::from_bits(*bits),
            Value::Text(_) => 0.0,
        };
        order.sort_by(|(a, at), (b, bt)| {
            number(a).total_cmp(&number(b)).then_with(|| self.names[*at].cmp(&self.names[*bt]))
        });
        let names = order.iter().map(|&(_, at)| self.names[at].clone()).collect();
        let index = order.into_iter().enumerate().map(|(at, (value, _))| (value, at)).collect();
        Self { spelling: self.spelling, names, index }
    }

    /// Finds the cells of a column of `table` among them.
    fn lookup<'a>(&'a self, table: &'a Table, column: usize) -> Lookup<'a> {
        let truths = self.spelling == Spelling::Numbers { truths: true };
        Lookup { values: self, table, by_word: truths && !has_one_word_each(table, column) }
    }
}

/// The cells of one column among values that are known, maybe of another table.
struct Lookup<'a> {
    values: &'a Values,
    table: &'a Table,
    /// Where the column has two words for true, or for false, only the known one is known.
    by_word: bool,
}

impl Lookup<'_> {
    fn find(&self, cell: &str) -> Option<usize> {
        let &Self { values, table, by_word } = self;
        if by_word {
            let wanted = word(table, cell)?;
            return values.names.iter().position(|name| word(table, name).as_ref() == Some(&wanted));
        }
        values.index.get(&values.spelling.value(table, cell)?).copied()
    }
}

/// The classes that a label column has.
#[derive(Clone, Debug)]
pub struct Classes {
    values: Values,
}

impl Classes {
    /// The classes in the order of their first appearance, and every row's.
    ///
    /// # Errors
    /// [`Error::File`] naming the line of a row without a label, or a column with one label only.
    pub fn fit(table: &Table, column: usize) -> Result<(Self, Vec<u32>)> {
        let classes = Self { values: Values::of(table, column) };
        let labels = {
            let find = classes.finder(table, column);
            let label = |(row, cell): (usize, Option<&str>)| {
                cell.and_then(&find).ok_or_else(|| {
                    let problem = match cell {
                        Some(cell) => format!("the label `{cell}` is none"),
                        None => "the label is empty, or means that there is none".into(),
                    };
                    let fix = "label the row or remove it";
                    Error::file_at(table.path(), table.place(row, column), problem, fix)
                })
            };
            table.cells(column).enumerate().map(label).collect::<Result<Vec<_>>>()?
        };
        if let [only] = classes.names() {
            let place = format!("column `{}`", table.header()[column]);
            let problem =
                format!("has 1 different label, `{only}`, and two are the least there is to tell apart");
            let fix = "name the label column (--label, data.label_column), or add rows of another class";
            return Err(Error::file_at(table.path(), place, problem, fix));
        }
        Ok((classes, labels))
    }

    /// Their names.
    pub fn names(&self) -> &[String] {
        &self.values.names
    }

    /// Says which of them a cell of a column of `table` names, if any.
    pub fn finder<'a>(&'a self, table: &'a Table, column: usize) -> impl Fn(&str) -> Option<u32> + 'a {
        let lookup = self.values.lookup(table, column);
        move |cell| lookup.find(cell).map(|class| class as u32)
    }
}

/// How the feature columns of a table become numbers. Made on the labelled rows, applied to all.
#[derive(Clone, Debug)]
pub struct Encoder {
    columns: Vec<(String, Encoding)>,
}

#[derive(Clone, Debug)]
enum Encoding {
    /// No value: nothing is known of the column.
    Empty,
    /// Where all are 0 and 1, truth values are numbers too.
    Number { truths: bool },
    /// One-hot over the values seen; another value is all zeros.
    Category(Values),
    /// The number of a value among those seen, in their order; NaN for another.
    Code(Values),
}

impl Encoding {
    /// Numbers that it makes of a cell.
    fn width(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Number { .. } | Self::Code(_) => 1,
            Self::Category(values) => values.names.len(),
        }
    }

    /// Makes of a category its code.
    fn code(&mut self) {
        if let Self::Category(values) = self {
            *self = Self::Code(values.clone());
        }
    }

    /// The values of a category.
    fn values(&self) -> Option<&Values> {
        match self {
            Self::Category(values) | Self::Code(values) => Some(values),
            Self::Empty | Self::Number { .. } => None,
        }
    }
}

impl Encoder {
    /// Every column but `label` and what `config` drops: numbers if all its cells are and one is finite, unless all are the same and some are
    /// missing; else categories.
    ///
    /// # Errors
    /// [`Error::File`] for a column of more than a hundred categories, or that has two decimal marks, or naming one that
    /// `config` does and the table does not have, or a table without features.
    pub fn fit(table: &Table, label: usize, config: &TableConfig) -> Result<Self> {
        for name in config.drop.iter().chain(&config.categorical) {
            table.column(name)?;
        }
        let kept = |&column: &usize| column != label && !config.drop.contains(&table.header()[column]);
        let columns = (0..table.header().len()).filter(kept).map(|column| {
            let name = &table.header()[column];
            Ok((name.clone(), Self::encoding(table, column, config.categorical.contains(name))?))
        });
        let encoder = Self { columns: columns.collect::<Result<Vec<_>>>()? };
        let alone = table.header().len() == 1;
        let problem = match encoder.columns.as_slice() {
            [] if alone => "has one column",
            [] => "has no feature column",
            _ if encoder.dim() == 0 => "has no feature column with a value",
            _ => return Ok(encoder),
        };
        let fix = if alone {
            "say what stands between cells (--delimiter, data.delimiter), or add the features"
        } else {
            "add the features"
        };
        Err(Error::file_at(table.path(), "header", problem, fix))
    }

    /// The same for a learner that learns from the labels what a code means: a category of two values becomes a code, and those with the
    /// most values do until a row has at most `most` numbers.
    pub(crate) fn narrowed(mut self, most: usize) -> Self {
        let mut dim = self.dim();
        let mut categories: Vec<&mut Encoding> =
            self.columns.iter_mut().map(|(_, encoding)| encoding).collect();
        // One value says whether there is one.
        categories.retain(|encoding| matches!(encoding, Encoding::Category(_)) && encoding.width() > 1);
        categories.sort_by_key(|encoding| std::cmp::Reverse(encoding.width()));
        let (two, more): (Vec<_>, Vec<_>) =
            categories.into_iter().partition(|encoding| encoding.width() == 2);
        dim -= two.len();
        two.into_iter().for_each(Encoding::code);
        for encoding in more {
            if dim <= most {
                break;
            }
            dim -= encoding.width() - 1;
            encoding.code();
        }
        self
    }

    /// What to say of a column of categories of which most cells are numbers.
    fn few_texts(table: &Table, column: usize) -> Option<String> {
        let cells = || table.cells(column).enumerate().filter_map(|(row, cell)| Some((row, cell?)));
        let is_number = |cell: &str| table.number(cell).is_some_and(f64::is_finite);
        let (row, text) = cells().find(|(_, cell)| !is_number(cell))?;
        let (all, numbers) = (cells().count(), cells().filter(|(_, cell)| is_number(cell)).count());
        let name = &table.header()[column];
        // As many texts as numbers are meant.
        (numbers > all / 2 && Spelling::of(table, column) == Spelling::Texts).then(|| {
            format!(
                "the column `{name}` is read as categories because of `{text}` ({}; {numbers} of its {all} cells are numbers); \
                 if that means a missing number, say so by --missing '{text}' (data.missing)",
                table.place(row, column)
            )
        })
    }

    /// What to say of a column of categories that are numbers with something beside them.
    fn units(table: &Table, column: usize) -> Option<String> {
        let (name, what) = (&table.header()[column], units::of_numbers(table, column)?);
        let told = "is read as categories, of which none is more than another; if numbers are meant, write them alone";
        Some(format!("the column `{name}` {what}, and {told}"))
    }

    fn encoding(table: &Table, column: usize, categorical: bool) -> Result<Encoding> {
        let cells = || table.cells(column).flatten();
        if cells().next().is_none() {
            return Ok(Encoding::Empty);
        }
        let number = |cell: &str| table.number(cell);
        let finite = cells().any(|cell| number(cell).is_some_and(f64::is_finite));
        // Of one number alone, whether it is there is what a column says.
        let same = |cell: &str| number(cell) == cells().next().and_then(number);
        let flag = cells().all(same) && table.cells(column).any(|cell| cell.is_none());
        let first_text = table.cells(column).position(|cell| cell.is_some_and(|cell| number(cell).is_none()));
        if finite && first_text.is_none() && !categorical && !flag {
            Self::check_marks(table, column)?;
            let truths = Spelling::of(table, column) == Spelling::Numbers { truths: true };
            return Ok(Encoding::Number { truths });
        }
        let values = Values::of(table, column).sorted();
        if values.names.len() > MAX_CATEGORIES {
            let name = &table.header()[column];
            let fix = format!(
                "drop it (--drop '{name}', data.drop), turn it into numbers, or say what means that one is missing \
                 (--missing TEXT, data.missing)"
            );
            let problem = format!("has {} different values, too many for categories", values.names.len());
            if let Some(what) = units::of_numbers(table, column) {
                let (place, problem) = (format!("column `{name}`"), format!("{what}, and {problem}"));
                let fix = format!("write the numbers alone, or drop it (--drop '{name}', data.drop)");
                return Err(Error::file_at(table.path(), place, problem, fix));
            }
            let (place, problem) = match first_text.filter(|_| finite) {
                Some(row) => {
                    let text = table.cell(row, column).unwrap_or_default();
                    let problem = format!("`{text}` is no number, and the column {problem}");
                    (table.place(row, column), problem)
                }
                None => (format!("column `{name}`"), problem),
            };
            return Err(Error::file_at(table.path(), place, problem, fix));
        }
        Ok(Encoding::Category(values))
    }

    /// Checks that a column of numbers has one decimal mark: 1.234 beside 1,5 may be a thousand.
    fn check_marks(table: &Table, column: usize) -> Result<()> {
        let find = |is: &dyn Fn(&str) -> bool| {
            let mut cells = table.cells(column).enumerate();
            cells.find_map(|(row, cell)| cell.filter(|cell| is(cell)).map(|cell| (row, cell)))
        };
        let (comma, point) = (find(&|cell| table.has_decimal_comma(cell)), find(&|cell| cell.contains('.')));
        let (Some((_, comma)), Some((row, point))) = (comma, point) else { return Ok(()) };
        let problem = format!("has `{point}` where another row has `{comma}`");
        let place = table.place(row, column);
        Err(Error::file_at(table.path(), place, problem, "write all numbers with the same decimal mark"))
    }

    /// Numbers in an encoded row.
    pub fn dim(&self) -> usize {
        self.columns.iter().map(|(_, encoding)| encoding.width()).sum()
    }

    /// The column behind a number of an encoded row.
    pub(super) fn column_of(&self, number: usize) -> &str {
        let numbers =
            self.columns.iter().flat_map(|(name, encoding)| std::iter::repeat_n(name, encoding.width()));
        numbers.skip(number).map(String::as_str).next().unwrap_or_default()
    }

    /// Where in an encoded row a column's number stands as it is, and the column.
    pub fn plain_numbers(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut next = 0;
        self.columns.iter().filter_map(move |(name, encoding)| {
            let place = next;
            next += encoding.width();
            matches!(encoding, Encoding::Number { .. }).then_some((place, name.as_str()))
        })
    }

    /// The rows of a table as numbers, `[n, dim]`; NaN where a number is missing.
    ///
    /// # Errors
    /// [`Error::File`] for a column that is missing, or naming the line of a cell that is no finite number.
    pub fn encode(&self, table: &Table) -> Result<Vec<f64>> {
        let columns = self.columns.iter().map(|(name, encoding)| {
            let column = table.column(name).map_err(|_| {
                let problem = format!("there is no column `{name}`, which the labelled rows have");
                let fix = format!("add it (cells may be empty), or leave it out (--drop '{name}')");
                Error::file_at(table.path(), "header", problem, fix)
            })?;
            Ok((column, encoding.values().map(|values| values.lookup(table, column))))
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let mut numbers = Vec::with_capacity(table.len() * self.dim());
        for row in 0..table.len() {
            for ((_, encoding), (column, lookup)) in self.columns.iter().zip(&columns) {
                let cell = table.cell(row, *column);
                let found = cell.zip(lookup.as_ref()).and_then(|(cell, lookup)| lookup.find(cell));
                match encoding {
                    Encoding::Empty => {}
                    Encoding::Code(_) => numbers.push(found.map_or(f64::NAN, |at| at as f64)),
                    Encoding::Category(values) => {
                        numbers
                            .extend((0..values.names.len()).map(|at| f64::from(u8::from(Some(at) == found))));
                    }
                    Encoding::Number { truths } => numbers.push(match cell {
                        Some(cell) => Self::number(table, cell, *truths).map_err(|problem| {
                            let fix = "mend the cell or leave it empty";
                            Error::file_at(table.path(), table.place(row, *column), problem, fix)
                        })?,
                        None => f64::NAN,
                    }),
                }
            }
        }
        Ok(numbers)
    }

    fn number(table: &Table, cell: &str, truths: bool) -> Result<f64, String> {
        let word = || truths.then(|| truth(cell)).flatten().map(|truth| f64::from(u8::from(truth)));
        match table.number(cell).or_else(word) {
            Some(number) if !number.is_infinite() => Ok(number),
            Some(_) if cell.bytes().any(|byte| byte.is_ascii_digit()) => {
                Err(format!("`{cell}` is no finite number: the largest is {:e}", f64::MAX))
            }
            _ => Err(format!("`{cell}` is no finite number, as the column has elsewhere")),
        }
    }

    /// A remark on every column of categories in which `table` has values that are not known, and on numbers whose mark may stand
    /// between thousands.
    ///
    /// # Errors
    /// [`Error::File`] for a column that is missing.
    pub fn strangers(&self, table: &Table) -> Result<Vec<String>> {
        let mut remarks = Vec::new();
        for (name, encoding) in &self.columns {
            let column = table.column(name)?;
            let Some(values) = encoding.values() else {
                remarks.extend(units::doubt_of_thousands(table, column));
                continue;
            };
            let lookup = values.lookup(table, column);
            let (all, unknown): (Vec<&str>, Vec<&str>) = (
                table.cells(column).flatten().collect(),
                table.cells(column).flatten().filter(|cell| lookup.find(cell).is_none()).collect(),
            );
            let Some(first) = unknown.first() else { continue };
            let known = values.names.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
            remarks.push(if unknown.len() == all.len() {
                let found = format!("`{first}` and all others are not among the labelled rows' ({known} ..)");
                format!("no value of the column `{name}` is known: {found}; it tells nothing, drop it (--drop '{name}')")
            } else {
                let count = format!("{} of {} values of the column `{name}`", unknown.len(), all.len());
                let cure = if 2 * unknown.len() < all.len() {
                    String::new()
                } else {
                    format!("; if most rows have one of their own, as dates, drop it (--drop '{name}') or turn it into numbers")
                };
                format!("{count} are not among the labelled rows' ({known} ..), such as `{first}`; they tell nothing{cure}")
            });
        }
        Ok(remarks)
    }

    /// A remark on every column of numbers that few texts, or units, make one of categories; and on every one that looks like names or a
    /// running number of the rows it was made on: no two values alike, and numbers whole and in order.
    ///
    /// # Errors
    /// [`Error::File`] for a column that is missing.
    pub fn doubts(&self, table: &Table) -> Result<Vec<String>> {
        let mut remarks = Vec::new();
        for (name, encoding) in &self.columns {
            let column = table.column(name)?;
            if matches!(encoding, Encoding::Number { .. }) {
                remarks.extend(units::doubt_of_thousands(table, column));
            }
            let numbers = || Self::units(table, column).or_else(|| Self::few_texts(table, column));
            if encoding.values().is_some()
                && let Some(remark) = numbers()
            {
                remarks.push(remark);
                continue;
            }
            let cells: Option<Vec<&str>> = table.cells(table.column(name)?).collect();
            let Some(cells) = cells.filter(|cells| cells.len() >= FEWEST_IDS) else { continue };
            let ids = match encoding {
                Encoding::Empty => false,
                Encoding::Category(values) | Encoding::Code(values) => values.names.len() == cells.len(),
                Encoding::Number { .. } => is_running(cells.iter().filter_map(|cell| table.number(cell))),
            };
            if ids {
                remarks.push(doubt_of_ids(name));
            }
        }
        Ok(remarks)
    }
}
/// Remarks on columns of numbers `[n, names]` that look like a running number of the rows; as [`Encoder::doubts`], of a table that
/// is no text.
pub fn doubts_of_numbers(names: &[String], rows: &[f64]) -> Vec<String> {
    let count = rows.len() / names.len().max(1);
    if count < FEWEST_IDS {
        return Vec::new();
    }
    let column = |number: usize| rows.iter().skip(number).step_by(names.len()).copied();
    let running = (0..names.len()).filter(|&number| is_running(column(number)));
    running.map(|number| doubt_of_ids(&names[number])).collect()
}

/// Whether no two numbers are alike, all whole and in order.
fn is_running(numbers: impl Iterator<Item = f64> + Clone) -> bool {
    let ordered = numbers.clone().is_sorted_by(|a, b| a < b) || numbers.clone().is_sorted_by(|a, b| a > b);
    ordered && numbers.into_iter().all(|number| number.fract() == 0.0)
}

fn doubt_of_ids(name: &str) -> String {
    format!(
        "the column `{name}` looks like a name or a running number of the rows, which tells nothing of others; if it is one, \
         drop it (--drop '{name}', data.drop)"
    )
}
