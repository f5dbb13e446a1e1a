//! Tables as text.

/// Columns and rows of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these column heads.
    pub fn new(columns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { columns: columns.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row; as many cells as columns.
    pub fn push(&mut self, row: impl IntoIterator<Item = String>) {
        let row: Vec<String> = row.into_iter().collect();
        assert_eq!(row.len(), self.columns.len(), "cells in a row");
        self.rows.push(row);
    }

    /// Its column heads and its rows.
    pub fn into_parts(self) -> (Vec<String>, Vec<Vec<String>>) {
        (self.columns, self.rows)
    }

    /// Aligned for a terminal: the first column to the left, the others, numbers, to the right.
    pub fn text(&self) -> String {
        self.aligned(1)
    }

    /// Aligned for a terminal, every column to the left.
    pub fn text_left(&self) -> String {
        self.aligned(self.columns.len())
    }

    fn aligned(&self, left: usize) -> String {
        let all = || std::iter::once(&self.columns).chain(&self.rows);
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|column| all().map(|row| row[column].chars().count()).max().unwrap_or_default())
            .collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).enumerate();
            let cells: Vec<String> = cells
                .map(
                    |(i, (cell, &width))| {
                        if i < left { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
                    },
                )
                .collect();
            format!("{}\n", cells.join("  ").trim_end())
        };
        let rule = widths.iter().map(|&width| "-".repeat(width)).collect::<Vec<_>>().join("  ");
        let mut text = format!("{}{rule}\n", line(&self.columns));
        text.extend(self.rows.iter().map(line));
        text
    }

    /// A Markdown table.
    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let mut text = line(&self.columns);
        let rule: Vec<&str> = (0..self.columns.len()).map(|i| if i == 0 { "---" } else { "---:" }).collect();
        text.push_str(&format!("| {} |\n", rule.join(" | ")));
        text.extend(self.rows.iter().map(|row| line(row)));
        text
    }

    /// Comma-separated values, quoted where needed.
    pub fn csv(&self) -> String {
        let mut writer = ::csv::Writer::from_writer(Vec::new());
        for row in std::iter::once(&self.columns).chain(&self.rows) {
            writer.write_record(row).expect("writing to memory does not fail");
        }
        String::from_utf8(writer.into_inner().expect("writing to memory does not fail"))
            .expect("cells are text")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_every_form() {
        let mut table = Table::new(["set", "accuracy"]);
        table.push(["a, b".into(), "1.0 ± 0.1".into()]);
        assert_eq!(table.text(), "set    accuracy\n----  ---------\na, b  1.0 ± 0.1\n");
        assert_eq!(table.markdown(), "| set | accuracy |\n| --- | ---: |\n| a, b | 1.0 ± 0.1 |\n");
        assert_eq!(table.csv(), "set,accuracy\n\"a, b\",1.0 ± 0.1\n");
    }
}
