//! Tables of a page: sorted by a click on a column's head, where the script runs.

use maud::{Markup, html};

use gpicl::{Error, Result};

/// A cell of a table.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    /// What is shown.
    pub body: Markup,
    /// What it is sorted by, if not by what is shown.
    pub value: Option<String>,
    /// Whether it stands to the right, as numbers do.
    pub number: bool,
}

impl Cell {
    /// Text.
    pub fn text(text: impl AsRef<str>) -> Self {
        Self { body: html! { (text.as_ref()) }, ..Self::default() }
    }

    /// A number as it is shown, and in full.
    pub fn number(shown: impl AsRef<str>, value: f64) -> Self {
        Self { body: html! { (shown.as_ref()) }, value: Some(value.to_string()), number: true }
    }

    /// Something other than text, sorted by `value`.
    pub fn other(body: Markup, value: impl Into<String>) -> Self {
        Self { body, value: Some(value.into()), number: false }
    }

    /// What a file has in a cell: a number where it reads as one, shown with four digits.
    pub fn read(text: &str) -> Self {
        match text.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => {
                let whole = number.fract() == 0.0 && number.abs() < 1e15;
                Self::number(if whole { text.trim().to_string() } else { four_digits(number) }, number)
            }
            _ => Self::text(text),
        }
    }
}

/// Four significant digits.
fn four_digits(number: f64) -> String {
    let size = number.abs().log10().floor();
    if (-4.0..6.0).contains(&size) {
        format!("{number:.*}", (3.0 - size).max(0.0) as usize)
    } else {
        format!("{number:.3e}")
    }
}

/// A table; `caption` says what is in it. The first cell of a row is its head.
pub(super) fn table(caption: &str, columns: &[String], rows: &[Vec<Cell>]) -> Markup {
    let number = |column: usize| rows.iter().any(|row| row.get(column).is_some_and(|cell| cell.number));
    html! {
        // Reached by the keyboard too, since it scrolls where the screen is narrow.
        div.scroll tabindex="0" role="region" aria-label=(caption) {
            table.sortable {
                caption { span { (caption) } }
                thead {
                    tr {
                        @for (at, column) in columns.iter().enumerate() {
                            th scope="col" class=[number(at).then_some("number")] { (column) }
                        }
                    }
                }
                tbody {
                    @for row in rows {
                        tr {
                            @for (at, cell) in row.iter().enumerate() {
                                @let class = number(at).then_some("number");
                                @if at == 0 {
                                    th scope="row" class=[class] data-value=[&cell.value] { (cell.body) }
                                } @else {
                                    td class=[class] data-value=[&cell.value] { (cell.body) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The text of a CSV file as a table. A long one is folded, and ends after some thousand rows.
///
/// # Errors
/// [`Error::Argument`] if it is no CSV.
pub(super) fn csv(name: &str, text: &str) -> Result<Markup> {
    const FOLDED: usize = 40;
    const MOST: usize = 2000;
    let mut reader = ::csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let broken = |error: ::csv::Error| Error::argument("CSV", format!("{name}: {error}"));
    let columns: Vec<String> = reader.headers().map_err(broken)?.iter().map(String::from).collect();
    let mut rows = Vec::new();
    for row in reader.records() {
        rows.push(row.map_err(broken)?.iter().map(Cell::read).collect::<Vec<_>>());
    }
    let count = rows.len();
    rows.truncate(MOST);
    let body = html! {
        (table(name, &columns, &rows))
        @if count > MOST { p.note { "The first " (MOST) " of " (count) " rows; " (name) " has all." } }
    };
    Ok(if count > FOLDED { super::page::folded(&format!("{name}: {count} rows"), body) } else { body })
}

/// The Markdown that this program writes: headings, tables, lists, paragraphs.
pub(super) fn markdown(text: &str) -> Markup {
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split(" | ").map(|cell| cell.trim().replace("\\|", "|")).collect()
    };
    let mut caption = "Table";
    let mut parts = Vec::new();
    for block in text.split("\n\n").map(str::trim).filter(|block| !block.is_empty()) {
        parts.push(if let Some(heading) = block.strip_prefix("## ") {
            caption = heading;
            Markup::default()
        } else if block.starts_with('|') {
            let mut lines = block.lines().map(cells);
            let columns = lines.next().unwrap_or_default();
            let rows = lines.skip(1).map(|row| row.iter().map(measured).collect());
            table(caption, &columns, &rows.collect::<Vec<_>>())
        } else if let Some(items) = block.strip_prefix("- ") {
            html! { ul { @for item in items.split("\n- ") { li { (item) } } } }
        } else {
            html! { p.note { (block) } }
        });
    }
    html! { @for part in parts { (part) } }
}

/// A cell such as `73.7 ± 1.2` or `+2.1 [+0.4, +3.8]`, sorted by its mean.
pub(super) fn measured(text: impl AsRef<str>) -> Cell {
    let text = text.as_ref();
    let mean = text.split(" ± ").next().and_then(|mean| mean.split(" [").next());
    match mean.map(str::parse::<f64>) {
        Some(Ok(mean)) => Cell::number(text, mean),
        _ => Cell::text(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_short_and_sorted_in_full() {
        for (text, shown) in [
            ("0.123456", "0.1235"),
            ("12", "12"),
            ("1234.5678", "1235"),
            ("1e-9", "1.000e-9"),
            ("2^4", "2^4"),
            ("", ""),
        ] {
            assert_eq!(Cell::read(text).body.into_string(), shown);
        }
        assert_eq!(Cell::read("0.123456").value.as_deref(), Some("0.123456"));
    }

    #[test]
    fn our_own_markdown_is_a_heading_a_table_and_a_note() {
        let page = markdown("## Accuracy\n\n| learner | a | b |\n| --- | ---: | ---: |\n| x | 1.0 ± 0.5 | +2.0 [-1.0, +5.0] |\n\nIn %.\n\n- One.\n- Two.\n")
            .into_string();
        for part in [
            "<caption><span>Accuracy</span></caption>",
            "<th scope=\"row\">x</th>",
            "data-value=\"1\">1.0 ± 0.5</td>",
            "data-value=\"2\">+2.0 [-1.0, +5.0]</td>",
            "<p class=\"note\">In %.</p>",
            "<ul><li>One.</li><li>Two.</li></ul>",
        ] {
            assert!(page.contains(part), "{part} is not in {page}");
        }
    }
}
