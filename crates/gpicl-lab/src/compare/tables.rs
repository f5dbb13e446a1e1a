//! A comparison as text: Markdown, CSV, LaTeX, and the numbers of the state-size figure.

use std::collections::BTreeSet;

use super::{Comparison, Outcome, Row, Size, paper};
use crate::table::Table;
use gpicl::eval::{CurveSummary, Interval, LearningCurve, spearman};
use gpicl::provenance::Provenance;

/// What a table shows of a learning curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Metric {
    /// Accuracy at the last position.
    Last,
    /// Mean accuracy over the last ten positions.
    Last10,
}

impl Metric {
    pub const ALL: [Self; 2] = [Self::Last, Self::Last10];

    pub fn of(self, curve: &LearningCurve) -> Interval {
        let CurveSummary { last, last_10, .. } = curve.summary();
        match self {
            Self::Last => last,
            Self::Last10 => last_10,
        }
    }
}

/// A cell of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cell {
    /// Measured here.
    Ours(Interval),
    /// The paper's, in percent.
    Paper(f64),
    /// The data set is not on this machine.
    Absent,
    /// The method failed.
    Failed,
    /// The paper has no such number.
    None,
}

impl Cell {
    pub fn text(self) -> String {
        match self {
            Self::Ours(interval) => interval.percent(),
            Self::Paper(percent) => format!("{percent:.1}"),
            Self::Absent => "absent".into(),
            Self::Failed => "failed".into(),
            Self::None => "-".into(),
        }
    }

    /// Accuracy, if it is a number.
    pub fn accuracy(self) -> Option<f64> {
        match self {
            Self::Ours(interval) => Some(interval.mean),
            Self::Paper(percent) => Some(percent / 100.0),
            _ => None,
        }
    }
}

/// The row of an architecture in the state-size figure.
#[derive(Clone, Debug)]
pub(super) struct Sized<'a> {
    pub row: &'a Row,
    pub size: Size,
    pub accuracy: Interval,
}

impl Comparison {
    pub(super) fn cells(&self, row: &Row, metric: Metric) -> Vec<Cell> {
        match &row.outcome {
            Outcome::Failed(_) => {
                self.sets.iter().map(|set| if set.present { Cell::Failed } else { Cell::Absent }).collect()
            }
            Outcome::Measured { curves, .. } => curves
                .iter()
                .map(|curve| curve.as_ref().map_or(Cell::Absent, |curve| Cell::Ours(metric.of(curve))))
                .collect(),
        }
    }

    /// The paper's rows, where it has any of the data sets and episodes are as long; for the accuracy at the last
    /// position.
    pub(super) fn paper_rows(&self) -> Vec<(String, Vec<Cell>)> {
        let known = self.sets.iter().any(|set| paper::SETS.contains(&set.name.as_str()));
        if !known || self.dims.episode_length != paper::EPISODE_LENGTH {
            return Vec::new();
        }
        let cell = |row, set: &str| paper::accuracy(row, set).map_or(Cell::None, Cell::Paper);
        let rows = paper::ROWS.iter().map(|(name, row)| {
            let cells = self.sets.iter().map(|set| cell(row, &set.name));
            (format!("{name} (paper)"), cells.collect())
        });
        rows.collect()
    }

    pub(super) fn heading(&self, metric: Metric) -> String {
        match metric {
            Metric::Last => format!("Accuracy after {} examples", self.dims.episode_length - 1),
            Metric::Last10 => "Mean accuracy over the last 10 positions".into(),
        }
    }

    /// What the numbers are, a sentence each.
    pub(super) fn caption(&self) -> Vec<String> {
        let over = match self.seeds.len() {
            1 => "episodes; over runs where a row has several".to_string(),
            seeds => {
                format!(
                    "{seeds} seeds (Student t); over episodes where all seeds agree or there is one run. All seeds meet the \
                     same episodes: intervals over seeds leave out what other episodes would change, and are not to be \
                     compared with those over episodes"
                )
            }
        };
        let mut caption = vec![
            format!(
                "In %, on unseen tasks; {} episodes a set, the same examples for every learner. Chance: {:.1}.",
                self.sample.episodes,
                100.0 * self.chance()
            ),
            format!("95% intervals over {over}."),
        ];
        if !self.paper_rows().is_empty() {
            caption.push(paper::NOTE.into());
        }
        caption.push(self.origin());
        caption
    }

    /// Which program meta-trained the models, and which one meta-tested all.
    fn origin(&self) -> String {
        let commits = self.methods.iter().filter_map(|row| match &row.outcome {
            Outcome::Measured { commits, .. } => Some(commits),
            Outcome::Failed(_) => None,
        });
        let commits: BTreeSet<&str> = commits.flatten().map(String::as_str).collect();
        let tested = format!("eta-tested by commit {}.", Provenance::current().commit);
        if commits.is_empty() {
            return format!("M{tested}");
        }
        let commits: Vec<&str> = commits.into_iter().collect();
        let plural = if commits.len() == 1 { "" } else { "s" };
        format!("Meta-trained by commit{plural} {}, m{tested}", commits.join(", "))
    }

    fn table(&self, metric: Metric) -> Table {
        let heads = std::iter::once("learner").chain(self.sets.iter().map(|set| set.name.as_str()));
        let mut table = Table::new(heads);
        let mut push = |label: String, cells: Vec<Cell>| {
            table.push(std::iter::once(label).chain(cells.into_iter().map(Cell::text)));
        };
        for row in &self.methods {
            push(row.label.clone(), self.cells(row, metric));
        }
        if metric == Metric::Last {
            for (label, cells) in self.paper_rows() {
                push(label, cells);
            }
        }
        table
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for metric in Metric::ALL {
            text.push_str(&format!("{}\n\n{}\n", self.heading(metric), self.table(metric).text()));
        }
        text.push_str(&self.caption().join("\n"));
        for (label, problem) in self.failures() {
            text.push_str(&format!("\n{label} failed: {problem}"));
        }
        text
    }

    /// The tables as Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        for metric in Metric::ALL {
            text.push_str(&format!("## {}\n\n{}\n", self.heading(metric), self.table(metric).markdown()));
        }
        text.push_str(&format!("{}\n", self.caption().join(" ")));
        for (label, problem) in self.failures() {
            text.push_str(&format!("\n{label} failed: {problem}\n"));
        }
        text
    }

    /// A row for each learner and set, for other programs.
    pub fn csv(&self) -> String {
        let mut table = Table::new([
            "learner",
            "name",
            "set",
            "status",
            "seeds",
            "episodes",
            "last",
            "last_low",
            "last_high",
            "last_10",
            "last_10_low",
            "last_10_high",
        ]);
        for row in &self.methods {
            for (at, set) in self.sets.iter().enumerate() {
                let curve = match &row.outcome {
                    Outcome::Measured { curves, .. } => curves[at].as_ref(),
                    Outcome::Failed(_) => None,
                };
                let status = match &row.outcome {
                    _ if !set.present => "absent",
                    Outcome::Measured { .. } => "measured",
                    Outcome::Failed(_) => "failed",
                };
                let mut cells = vec![row.label.clone(), row.name.clone(), set.name.clone(), status.into()];
                match curve {
                    Some(curve) => {
                        cells.extend([curve.seeds.to_string(), curve.episodes.to_string()]);
                        for metric in Metric::ALL {
                            let Interval { mean, low, high } = metric.of(curve);
                            cells.extend([mean, low, high].map(|number| number.to_string()));
                        }
                    }
                    None => cells.extend(vec![String::new(); 8]),
                }
                table.push(cells);
            }
        }
        for (row, cells) in self.paper_rows() {
            for (cell, set) in cells.iter().zip(&self.sets) {
                let Some(accuracy) = cell.accuracy() else { continue };
                let mut cells = vec![row.clone(), String::new(), set.name.clone(), "paper".into()];
                cells.extend([String::new(), String::new(), accuracy.to_string()]);
                cells.extend(vec![String::new(); 5]);
                table.push(cells);
            }
        }
        table.csv()
    }

    /// The tables for LaTeX, with the package booktabs.
    pub fn latex(&self) -> String {
        let mut text = String::from("% Needs \\usepackage{booktabs}.\n");
        let line = |cells: Vec<String>| format!("{} \\\\\n", cells.join(" & "));
        for metric in Metric::ALL {
            let row = |label: &str, cells: Vec<Cell>| {
                let cells = cells.into_iter().map(|cell| escaped(&cell.text()));
                line(std::iter::once(escaped(label)).chain(cells).collect())
            };
            text.push_str("\\begin{table}\n\\centering\n");
            let caption = format!("{}. {}", self.heading(metric), self.caption().join(" "));
            text.push_str(&format!("\\caption{{{}}}\n", escaped(&caption)));
            text.push_str(&format!("\\begin{{tabular}}{{l{}}}\n\\toprule\n", "r".repeat(self.sets.len())));
            let heads = std::iter::once("learner").chain(self.sets.iter().map(|set| set.name.as_str()));
            text.push_str(&line(heads.map(escaped).collect()));
            text.push_str("\\midrule\n");
            for method in &self.methods {
                text.push_str(&row(&method.label, self.cells(method, metric)));
            }
            let paper = if metric == Metric::Last { self.paper_rows() } else { Vec::new() };
            if !paper.is_empty() {
                text.push_str("\\midrule\n");
            }
            for (label, cells) in paper {
                text.push_str(&row(&label, cells));
            }
            text.push_str("\\bottomrule\n\\end{tabular}\n\\end{table}\n");
        }
        text
    }

    /// Name of the data set of the figures: the first one that is here.
    pub(super) fn main_set(&self) -> &str {
        self.sets.iter().find(|set| set.present).map_or("", |set| &set.name)
    }

    /// A method's curve on the data set of the figures.
    pub(super) fn main_curve<'a>(&self, row: &'a Row) -> Option<&'a LearningCurve> {
        match &row.outcome {
            Outcome::Measured { curves, .. } => curves.iter().flatten().next(),
            Outcome::Failed(_) => None,
        }
    }

    /// The architectures that were measured, with their sizes.
    pub(super) fn sized(&self) -> Vec<Sized<'_>> {
        let rows = self.methods.iter().filter_map(|row| match &row.outcome {
            Outcome::Measured { size: Some(size), .. } => {
                let accuracy = Metric::Last10.of(self.main_curve(row)?);
                Some(Sized { row, size: *size, accuracy })
            }
            _ => None,
        });
        rows.collect()
    }

    /// Spearman's rank correlation of accuracy with `size`, over the architectures that are ranked.
    pub(super) fn rank_correlation(&self, size: impl Fn(&Size) -> usize) -> Option<f64> {
        let mut sized = self.sized();
        sized.retain(|point| point.row.ranked);
        let x: Vec<f64> = sized.iter().map(|point| size(&point.size) as f64).collect();
        let y: Vec<f64> = sized.iter().map(|point| point.accuracy.mean).collect();
        spearman(&x, &y)
    }

    /// The numbers of the state-size figure; the rank correlations, over the ranked rows, stand in every row.
    pub fn state_size_csv(&self) -> String {
        let mut table = Table::new([
            "learner",
            "name",
            "set",
            "state_size",
            "params",
            "last_10",
            "low",
            "high",
            "ranked",
            "spearman_state_size",
            "spearman_params",
        ]);
        let text = |rho: Option<f64>| rho.map(|rho| rho.to_string()).unwrap_or_default();
        let by_state = text(self.rank_correlation(|size| size.state));
        let by_params = text(self.rank_correlation(|size| size.params));
        for Sized { row, size, accuracy } in self.sized() {
            let names = [row.label.clone(), row.name.clone(), self.main_set().to_string()];
            let sizes = [size.state.to_string(), size.params.to_string()];
            let numbers = [accuracy.mean, accuracy.low, accuracy.high].map(|number| number.to_string());
            let rhos = [row.ranked.to_string(), by_state.clone(), by_params.clone()];
            table.push(names.into_iter().chain(sizes).chain(numbers).chain(rhos));
        }
        table.csv()
    }
}

/// Text with LaTeX's own characters made harmless.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => escaped.extend(['\\', c]),
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '±' => escaped.push_str("$\\pm$"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::Column;
    use super::*;
    use gpicl::eval::{CurveAccumulator, Sample};
    use gpicl::models::Dims;

    /// A curve that is right at its last `right` of 100 positions in `of` episodes out of 10.
    fn curve(right: usize, of: usize) -> LearningCurve {
        let mut accumulator = CurveAccumulator::new(100);
        for episode in 0..10 {
            let correct: Vec<bool> = (0..100).map(|j| episode < of && j >= 100 - right).collect();
            accumulator.add_episode(&correct, &[0.5; 100]);
        }
        accumulator.finish("unseen tasks").unwrap()
    }

    fn comparison() -> Comparison {
        let row = |label: &str, state, params, of| Row {
            name: label.to_lowercase(),
            label: label.into(),
            ranked: true,
            outcome: Outcome::Measured {
                size: Some(Size { params, state }),
                curves: vec![Some(curve(10, of)), None, Some(curve(5, of))],
                commits: ["1234567".to_string()].into(),
            },
        };
        let failed = Row {
            name: "bad".into(),
            label: "Bad_one".into(),
            ranked: true,
            outcome: Outcome::Failed("diverged".into()),
        };
        let column = |name: &str, present| Column { name: name.into(), present };
        Comparison {
            dims: Dims { input_dim: 8, classes: 10, episode_length: 100 },
            sample: Sample::episodes(10),
            seeds: vec![0],
            sets: vec![column("mnist", true), column("kmnist", false), column("glyphs", true)],
            methods: vec![
                row("Small", 10, 900, 2),
                row("Medium", 20, 300, 5),
                row("Large", 30, 600, 8),
                failed,
            ],
        }
    }

    #[test]
    fn cells_say_what_was_measured_what_is_absent_what_failed_and_what_the_paper_has() {
        let text = comparison().markdown();
        for line in [
            "| learner | mnist | kmnist | glyphs |",
            "| Bad_one | failed | absent | failed |",
            "| VSML (paper) | 79.0 | 54.7 | - |",
            "Bad_one failed: diverged",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is not in:\n{text}");
        }
        assert!(text.contains("| Medium | 50.0 ± ") && text.contains("Chance: 10.0."));
        assert_eq!(text.matches("(paper) |").count(), 5, "under one of the two headings");
        let short = Comparison { dims: Dims { episode_length: 12, ..comparison().dims }, ..comparison() };
        assert!(!short.markdown().contains("paper"), "the paper's episodes have 100 examples");
    }

    #[test]
    fn latex_has_as_many_cells_as_columns_and_no_bare_specials() {
        let text = comparison().latex();
        let rows: Vec<&str> = text.lines().filter(|line| line.ends_with("\\\\")).collect();
        assert!(rows.iter().all(|row| row.matches(" & ").count() == 3), "{text}");
        assert!(text.contains("Bad\\_one & failed & absent & failed") && text.contains("$\\pm$"));
        assert!(text.contains("In \\%") && text.contains("\\begin{tabular}{lrrr}"));
    }

    #[test]
    fn csv_has_a_row_a_learner_and_set_and_the_correlations() {
        let text = comparison().csv();
        assert_eq!(text.lines().count(), 1 + 4 * 3 + 5 * 2);
        assert!(text.contains("Large,large,mnist,measured,1,10,0.8,"), "{text}");
        assert!(
            text.contains("Large,large,kmnist,absent,,,")
                && text.contains("LSTM (paper),,kmnist,paper,,,0.181")
        );
        let sizes = comparison().state_size_csv();
        let rows: Vec<&str> = sizes.lines().collect();
        assert_eq!(rows.len(), 4, "the one that failed has no point: {sizes}");
        assert!(
            rows[1].starts_with("Small,small,mnist,10,900,0.2,") && rows[1].ends_with(",true,1,-0.5"),
            "{sizes}"
        );
        let mut unlike = comparison();
        unlike.methods[0].ranked = false;
        let sizes = unlike.state_size_csv();
        assert!(sizes.contains("Small,small,") && sizes.contains(",false,1,1\n"), "{sizes}");
    }

    #[test]
    fn figures_are_written_for_what_was_measured() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(comparison().save(dir.path()).unwrap().len(), 10);
        let mut failed = comparison();
        failed.methods.retain(|row| row.label == "Bad_one");
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(failed.save(dir.path()).unwrap().len(), 6, "no curve, no point");
    }
}
