//! Tables and curves as text.

use crate::eval::LearningCurve;

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

/// Letters that draw the curves, in the order of the legend.
const MARKS: [char; 6] = ['*', 'o', '+', 'x', '#', '@'];

/// Learning curves in a terminal: accuracy from 0 to 1 upwards, examples seen to the right. Plain ASCII.
pub fn ascii_curve(curves: &[LearningCurve], width: usize, height: usize) -> String {
    let length = curves.iter().map(|curve| curve.accuracy.len()).max().unwrap_or(0);
    if length == 0 || width < 2 || height < 2 {
        return String::new();
    }
    let mut grid = vec![vec![' '; width]; height];
    for (i, curve) in curves.iter().enumerate().rev() {
        let mark = MARKS[i % MARKS.len()];
        let accuracy: Vec<f64> = curve.accuracy.iter().map(|interval| interval.mean).collect();
        for (column, at) in (0..width).map(|column| (column, column * accuracy.len() / width)) {
            // The mean over the positions under the column; a narrow curve repeats its positions.
            let to = ((column + 1) * accuracy.len() / width).clamp(at + 1, accuracy.len());
            let mean = accuracy[at..to].iter().sum::<f64>() / (to - at) as f64;
            let row = ((1.0 - mean.clamp(0.0, 1.0)) * (height - 1) as f64).round() as usize;
            grid[row][column] = mark;
        }
    }
    let mut text = String::from("accuracy\n");
    for (i, row) in grid.iter().enumerate() {
        let value = 1.0 - i as f64 / (height - 1) as f64;
        let line: String = row.iter().collect();
        text.push_str(&format!("{value:>5.2} |{}\n", line.trim_end()));
    }
    let end = (length - 1).to_string();
    text.push_str(&format!("      +{}\n       0{end:>1$}  examples seen\n", "-".repeat(width), width - 1));
    for (curve, mark) in curves.iter().zip(MARKS.iter().cycle()) {
        text.push_str(&format!("       {mark} {}\n", curve.label));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::CurveAccumulator;

    #[test]
    fn a_table_has_every_form() {
        let mut table = Table::new(["set", "accuracy"]);
        table.push(["a, b".into(), "1.0 ± 0.1".into()]);
        assert_eq!(table.text(), "set    accuracy\n----  ---------\na, b  1.0 ± 0.1\n");
        assert_eq!(table.markdown(), "| set | accuracy |\n| --- | ---: |\n| a, b | 1.0 ± 0.1 |\n");
        assert_eq!(table.csv(), "set,accuracy\n\"a, b\",1.0 ± 0.1\n");
    }

    #[test]
    fn a_rising_curve_rises_on_the_terminal() {
        let mut accumulator = CurveAccumulator::new(8);
        for _ in 0..4 {
            accumulator.add_episode(&[false, false, false, false, true, true, true, true], &[0.0; 8]);
        }
        let text = ascii_curve(&[accumulator.finish("toy").unwrap()], 8, 5);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], " 1.00 |    ****");
        assert_eq!(lines[5], " 0.00 |****");
        assert!(text.contains("* toy") && text.is_ascii());
        assert_eq!(ascii_curve(&[], 8, 5), "");
    }
}
