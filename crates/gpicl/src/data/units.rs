//! Numbers that are written as people do, with a unit or with signs between thousands: texts to a reader of numbers.

use super::table::Table;

/// A cell of which the digits, and what stands between them, are a number: `1,250.50` in `-$1,250.50`.
struct Dressed<'a> {
    before: &'a str,
    after: &'a str,
    whole: bool,
    marks: Option<&'static str>,
}

impl<'a> Dressed<'a> {
    fn of(table: &Table, cell: &'a str) -> Option<Self> {
        let digit = |c: char| c.is_ascii_digit();
        let (first, last) = (cell.find(digit)?, cell.rfind(digit)?);
        let (before, body, after) = (&cell[..first], &cell[first..=last], &cell[last + 1..]);
        // The mark of `.5`, which a word's end is not.
        let bare =
            before.strip_suffix('.').filter(|rest| !rest.ends_with(char::is_alphabetic)).unwrap_or(before);
        let before = bare.trim_matches(|c: char| matches!(c, '-' | '+') || c.is_whitespace());
        let grouped = || {
            Some((table.number(&without_groups(body)?)?, Some("signs between the thousands of its numbers")))
        };
        let comma = || {
            Some((
                body.replacen(',', ".", 1).parse().ok()?,
                Some("decimal commas, which the file's other cells have not"),
            ))
        };
        let plain = table.number(body).map(|number: f64| (number, None));
        let (number, marks) = plain.or_else(grouped).or_else(comma)?;
        let whole = number.fract() == 0.0 && bare.len() == cell[..first].len();
        Some(Self { before, after: after.trim(), whole, marks })
    }

    /// Whether what stands beside the number is a unit, and not the rest of a name (`item 3`, `v1.5`, `2D`).
    fn is_unit(&self) -> bool {
        let currency = |text: &str| {
            let code = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase());
            code || matches!(text, "$" | "\u{a3}" | "\u{20ac}" | "\u{a5}" | "\u{20b9}")
        };
        let letter =
            self.whole && self.after.chars().count() == 1 && self.after.chars().all(char::is_alphabetic);
        let measure = |c: char| c.is_alphabetic() || matches!(c, '%' | '\u{b0}' | '\u{2030}');
        match (self.before, self.after) {
            ("", after) => (after.starts_with(measure) && !letter) || currency(after),
            (before, "") => currency(before),
            _ => false,
        }
    }
}

/// A doubt about a column of numbers whose mark may stand between thousands: `1.772` beside `843`, or in a file of decimal commas.
pub(super) fn doubt_of_thousands(table: &Table, column: usize) -> Option<String> {
    let mark = |cell: &str| cell.chars().find(|c| matches!(c, '.' | ','));
    let with_mark = |cell: &&str| mark(cell).is_some();
    let thousand = |cell: &str| {
        cell.trim_start_matches(['-', '+'])
            .split_once(['.', ','])
            .is_some_and(|(start, end)| begins_groups(start) && is_group(end))
    };
    let cells = || table.cells(column).flatten();
    let example = cells().find(with_mark)?;
    let number = table.number(example)?;
    let all = cells().filter(with_mark).all(thousand);
    // Of numbers that all have three digits behind a point nothing is doubted, unless commas are the decimal marks elsewhere.
    let beside = || cells().any(|cell| mark(cell).is_none() && cell.len() >= 3);
    let comma = |cell: &str| table.has_decimal_comma(cell);
    let commas = || (0..table.header().len()).any(|other| table.cells(other).flatten().any(comma));
    (all && (beside() || (!comma(example) && commas()))).then(|| {
        let name = &table.header()[column];
        format!("`{example}` of the column `{name}` is read as {number}; if it is a thousand, write it without a sign")
    })
}

/// Whether these are the digits before the first thousand's sign.
fn begins_groups(text: &str) -> bool {
    (1..=3).contains(&text.len()) && !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether these are the digits behind one.
fn is_group(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A number without the signs between its thousands: `1,234,567.8`, `1 234`, `1'234`, `1.234,5`.
fn without_groups(body: &str) -> Option<String> {
    let sign = body.chars().find(|c| matches!(c, ',' | '.' | '\'' | ' ' | '\u{a0}' | '\u{202f}'))?;
    // `1.234.567` may be an address.
    if sign == '.' && !body.contains(',') {
        return None;
    }
    let groups: Vec<&str> = body.split(sign).collect();
    let [start, inner @ .., last] = &groups[..] else { return None };
    let (whole, rest) = last.split_at_checked(3)?;
    let ends = is_group(whole) && !rest.starts_with(|c: char| c.is_ascii_digit());
    (begins_groups(start) && ends && inner.iter().all(|group| is_group(group)))
        .then(|| format!("{start}{}{last}", inner.concat()))
}

/// What is written beside the numbers of a column, or between their digits, that are all alike but for that: they are texts because
/// of it.
pub(super) fn of_numbers(table: &Table, column: usize) -> Option<String> {
    let mut cells = table.cells(column).flatten();
    let mut example = cells.next()?;
    let mut all = Dressed::of(table, example)?;
    for cell in cells {
        let other = Dressed::of(table, cell)?;
        if (other.before, other.after) != (all.before, all.after) {
            return None;
        }
        all.whole &= other.whole;
        if all.marks.is_none() && other.marks.is_some() {
            (all.marks, example) = (other.marks, cell);
        }
    }
    let what = match (all.before, all.after) {
        ("", "") => all.marks?.to_string(),
        (before, after) if all.is_unit() => format!("`{before}{after}` beside its numbers"),
        _ => return None,
    };
    Some(format!("has {what}, as in `{example}`"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::table::TableConfig;
    use super::*;

    #[test]
    fn marks_that_may_stand_between_thousands_are_doubted() {
        let dir = tempfile::tempdir().unwrap();
        let said = |text: &str| {
            let path = dir.path().join("t.csv");
            std::fs::write(&path, text).unwrap();
            doubt_of_thousands(&Table::read(&path, &TableConfig::default()).unwrap(), 0)
        };
        for doubtful in [
            "a;b\n843;1\n1.772;2\n",
            "a;b\n1.772;0,5\n2.300;1\n",
            "a;b\n475;1\n1,187;2\n",
            "a,b\n1.425,1\n700,2\n",
        ] {
            assert!(
                said(doubtful).is_some_and(|said| said.contains("of the column `a` is read as 1.")),
                "{doubtful}"
            );
        }
        for plain in [
            "a,b\n1.425,1\n1.5,2\n700,3\n",
            "a,b\n1.425,1\n2.125,2\n",
            "a;b\n0,125;1\n700;2\n",
            "a;b\n1,425;0,5\n2,125;1\n",
        ] {
            assert_eq!(said(plain), None, "{plain}");
        }
    }

    #[test]
    fn units_and_signs_between_thousands_are_seen() {
        let said = |cells: &[&str]| {
            let cells = cells.iter().map(ToString::to_string).collect();
            let table =
                Table::from_columns(Path::new("X"), vec!["x".into()], &[cells], &TableConfig::default());
            of_numbers(&table.unwrap(), 0)
        };
        for (cells, what) in [
            (&["0.12 kg", "3 kg", "", "-.5kg"][..], "`kg` beside its numbers, as in `0.12 kg`"),
            (&["12%", "7%"], "`%` beside"),
            (&["12 \u{20ac}", "7.5 \u{20ac}"], "beside its numbers"),
            (&["3", "0,5", "1,25"], "decimal commas, which the file's other cells have not, as in `0,5`"),
            (&["$5", "-$1,250.50", "$-3"], "`$` beside"),
            (&["20 \u{b0}C", "-3.5 \u{b0}C"], "beside"),
            (&["EUR 1.5", "EUR 2"], "`EUR` beside"),
            (&["950", "1,234", "12,345,678.9"], "signs between the thousands of its numbers, as in `1,234`"),
            (&["1'234"], "signs between"),
        ] {
            assert!(said(cells).is_some_and(|said| said.contains(what)), "{cells:?}: {:?}", said(cells));
        }
        for cells in [
            &["1", "2.5"][..],
            &["week 1", "week 2"],
            &["item_1", "item_2"],
            &["No. 1", "No.2"],
            &["#12"],
            &["(5)"],
            &["2D", "3D"],
            &["v1.5", "v2.0"],
            &["level: 1"],
            &["10.123.101.115"],
            &["\u{e9}", "1,\u{e9}23"],
            &["\u{661}\u{662}"],
            &["1 kg", "2 g"],
            &["1 kg", "heavy"],
            &["2024-01-05", "2024-02-07"],
            &["1-5", "6-10"],
            &["12,34,567"],
            &["red", "blue"],
        ] {
            assert_eq!(said(cells), None, "{cells:?}");
        }
    }
}
