//! A comparison as text: Markdown, CSV, LaTeX, and the numbers of the state-size figure.

use std::collections::{BTreeSet, HashMap};

use super::metric::Metric;
use super::{Column, Comparison, Difference, Outcome, Role, Row, RowKind, Size, paper};
use crate::table::Table;
use gpicl::eval::{Design, Interval, LearningCurve, bootstrap, spearman};
use gpicl::provenance::Provenance;

/// The columns of `table.csv`.
const CSV: [&str; 27] = [
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
    "kind",
    "queries",
    "images",
    "last_against",
    "last_difference",
    "last_difference_low",
    "last_difference_high",
    "last_10_against",
    "last_10_difference",
    "last_10_difference_low",
    "last_10_difference_high",
    "last_over_untrained",
    "last_over_untrained_low",
    "last_over_untrained_high",
    "data",
];

/// Those of an accuracy and its interval.
fn accuracy_columns(metric: Metric) -> [&'static str; 3] {
    match metric {
        Metric::Last => ["last", "last_low", "last_high"],
        Metric::Last10 => ["last_10", "last_10_low", "last_10_high"],
    }
}

/// That of what a row stands against, and those of the difference.
fn difference_columns(metric: Metric) -> (&'static str, [&'static str; 3]) {
    match metric {
        Metric::Last => ("last_against", ["last_difference", "last_difference_low", "last_difference_high"]),
        Metric::Last10 => {
            let numbers = ["last_10_difference", "last_10_difference_low", "last_10_difference_high"];
            ("last_10_against", numbers)
        }
    }
}

/// Those of what a network has over its control.
const OVER_UNTRAINED: [&str; 3] =
    ["last_over_untrained", "last_over_untrained_low", "last_over_untrained_high"];

/// A cell of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cell {
    /// Measured here.
    Ours(Interval),
    /// What it has over what its column stands against.
    Difference(Interval),
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
            Self::Difference(interval) => interval.points(),
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

    /// The sets whose tables have a column of differences, by number, each with the label of what the rows stand against.
    fn columns_against(&self, metric: Metric) -> Vec<Option<String>> {
        let label = |(at, set): (usize, &Column)| {
            let any = |row: &Row| self.difference(&row.name, &set.name, metric, Role::Reference).is_some();
            let reference = self.reference(at, metric).filter(|_| self.methods.iter().any(any))?;
            Some(format!("against {}", reference.label))
        };
        self.sets.iter().enumerate().map(label).collect()
    }

    /// The heads of a table.
    fn heads(&self, metric: Metric) -> Vec<String> {
        let sets = self.sets.iter().map(|set| set.head.clone()).zip(self.columns_against(metric));
        let heads = sets.flat_map(|(set, against)| [Some(set), against]).flatten();
        std::iter::once("learner".to_string()).chain(heads).collect()
    }

    /// The cells of a row with those of its differences between them.
    fn with_differences_of(&self, row: Option<&Row>, cells: Vec<Cell>, metric: Metric) -> Vec<Cell> {
        let columns = self.sets.iter().zip(self.columns_against(metric));
        let cells = cells.into_iter().zip(columns).flat_map(|(cell, (set, against))| {
            let difference = || {
                let found = self.difference(&row?.name, &set.name, metric, Role::Reference)?;
                Some(Cell::Difference(found.difference))
            };
            [Some(cell), against.map(|_| difference().unwrap_or(Cell::None))]
        });
        cells.flatten().collect()
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
        let measured: Vec<(usize, &Row, &LearningCurve, Design)> = (0..self.sets.len())
            .flat_map(|at| self.methods.iter().filter_map(move |row| self.of_set(row, at)))
            .collect();
        let of_set = |at: usize| measured.iter().filter(move |(set, ..)| *set == at);
        let of_sets = self.sets.iter().enumerate().filter_map(|(at, set)| {
            let (_, _, curve, _) = of_set(at).next()?;
            let examples = curve.images.map(|images| format!("{images} test examples")).into_iter();
            let data = set.data.iter().map(|data| format!("({data})"));
            let examples = examples.chain(data).collect::<Vec<_>>().join(" ");
            // Fewer than asked for, where a set has not that many examples besides those of an episode.
            let queries = match curve.queries {
                0 => "one query of each context".to_string(),
                queries => format!("{queries} queries of each context at the last position"),
            };
            let what = [examples, queries].into_iter().filter(|what| !what.is_empty());
            Some(format!("{}: {}.", set.head, what.collect::<Vec<_>>().join(", ")))
        });
        let chances: String = self
            .sets
            .iter()
            .enumerate()
            .filter_map(|(at, set)| Some((set, of_set(at).find_map(|(_, _, curve, _)| curve.classes)?)))
            .map(|(set, classes)| format!(", on {} {:.1}", set.head, 100.0 / classes as f64))
            .collect();
        let mut caption = vec![format!(
            "In %, on unseen tasks; {} episodes a set, the same for every learner. Chance: {:.1}{chances}.",
            self.sample.episodes,
            100.0 * self.chance()
        )];
        caption.extend(of_sets);
        let repeated: Vec<&str> = self
            .sets
            .iter()
            .enumerate()
            .filter(|(at, _)| of_set(*at).any(|(_, _, curve, _)| curve.replacement))
            .map(|(_, set)| set.head.as_str())
            .collect();
        if !repeated.is_empty() {
            caption.push(format!(
                "Drawn with replacement, so that a query can stand in its own context, and accuracy is too high: {}.",
                repeated.join("; ")
            ));
        }
        let nested = |at: usize| of_set(at).any(|(.., design)| *design == Design::Nested);
        let nested: Vec<&str> =
            (0..self.sets.len()).filter(|&at| nested(at)).map(|at| self.sets[at].head.as_str()).collect();
        caption.push(match (self.seeds.len(), nested.as_slice()) {
            (1, _) => {
                "95% intervals over episodes; over seeds and episodes where a row has several runs.".into()
            }
            (seeds, []) => format!("95% intervals over {seeds} seeds and the episodes, which all seeds share."),
            (seeds, nested) => format!(
                "95% intervals over {seeds} seeds and the episodes, which all seeds share; on {} every seed has data and \
                 episodes of its own, and the interval is over its means (Student's t).",
                nested.join(" and ")
            ),
        });
        caption.push("No interval covers the choice of the test images.".into());
        if self.differences.iter().any(|it| it.role == Role::Reference) {
            let which = match &self.against {
                Some(_) => "",
                None => {
                    " NAME is the classical method (without meta-training) that is best by its mean on that very set, a choice that \
                     favours it."
                }
            };
            caption.push(format!(
                "\"against NAME\": the difference in points, with its 95% interval over the same episodes.{which}"
            ));
        }
        if self.methods.iter().any(|row| row.kind == RowKind::Untrained) {
            caption.push("\"untrained\": the network above as it was initialised.".into());
        }
        if !self.paper_rows().is_empty() {
            caption.push(paper::NOTE.into());
        }
        caption.push(self.origin());
        caption
    }

    /// A row's curve on the set of this number, and how its seeds' episodes relate.
    fn of_set<'a>(&'a self, row: &'a Row, at: usize) -> Option<(usize, &'a Row, &'a LearningCurve, Design)> {
        let Outcome::Measured { curves, by_seed, .. } = &row.outcome else { return None };
        let seeds = by_seed.get(at).map_or(&[][..], Vec::as_slice);
        let design = if seeds.len() > 1 { LearningCurve::design(seeds) } else { Design::Crossed };
        Some((at, row, curves[at].as_ref()?, design))
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
        let heads = self.heads(metric);
        let mut table = Table::new(heads.iter().map(String::as_str));
        let mut push = |label: String, cells: Vec<Cell>| {
            table.push(std::iter::once(label).chain(cells.into_iter().map(Cell::text)));
        };
        for row in &self.methods {
            push(row.label.clone(), self.with_differences_of(Some(row), self.cells(row, metric), metric));
        }
        if metric == Metric::Last {
            for (label, cells) in self.paper_rows() {
                push(label, self.with_differences_of(None, cells, metric));
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
        for sentence in self.sentences() {
            text.push_str(&format!("\n{sentence}"));
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
        let sentences = self.sentences();
        if !sentences.is_empty() {
            text.push_str(&format!("\n- {}\n", sentences.join("\n- ")));
        }
        text
    }

    /// A row for each learner and set, for other programs.
    pub fn csv(&self) -> String {
        let mut table = Table::new(CSV);
        let mut push = |cells: Vec<(&str, String)>| {
            let mut cells: HashMap<&str, String> = cells.into_iter().collect();
            table.push(CSV.map(|head| cells.remove(head).unwrap_or_default()));
            assert!(cells.is_empty(), "columns that are not there: {cells:?}");
        };
        let numbers = |[mean, low, high]: [&'static str; 3], of: &Interval| {
            [(mean, of.mean.to_string()), (low, of.low.to_string()), (high, of.high.to_string())]
        };
        for row in &self.methods {
            for (at, set) in self.sets.iter().enumerate() {
                let (status, curve) = match &row.outcome {
                    _ if !set.present => ("absent", None),
                    Outcome::Measured { curves, .. } => ("measured", curves[at].as_ref()),
                    Outcome::Failed(_) => ("failed", None),
                };
                let kind = match row.kind {
                    RowKind::Network => "network",
                    RowKind::Untrained => "untrained",
                    RowKind::Baseline => "baseline",
                    RowKind::MetaTrainedBaseline => "meta-trained-baseline",
                };
                let mut cells = vec![
                    ("learner", row.label.clone()),
                    ("name", row.name.clone()),
                    ("set", set.name.clone()),
                    ("status", status.into()),
                    ("kind", kind.into()),
                ];
                cells.extend(set.data.as_ref().map(|data| ("data", data.to_string())));
                if let Some(curve) = curve {
                    cells.push(("seeds", curve.seeds.to_string()));
                    cells.push(("episodes", curve.episodes.to_string()));
                    cells.push(("queries", curve.queries.to_string()));
                    cells.extend(curve.images.map(|images| ("images", images.to_string())));
                    for metric in Metric::ALL {
                        cells.extend(numbers(accuracy_columns(metric), &metric.of(curve)));
                    }
                }
                for metric in Metric::ALL {
                    let found = self.difference(&row.name, &set.name, metric, Role::Reference);
                    let Some(Difference { against, difference, .. }) = found else { continue };
                    let (head, heads) = difference_columns(metric);
                    cells.push((head, against.clone()));
                    cells.extend(numbers(heads, difference));
                }
                if let Some(over) = self.difference(&row.name, &set.name, Metric::Last, Role::Untrained) {
                    cells.extend(numbers(OVER_UNTRAINED, &over.difference));
                }
                push(cells);
            }
        }
        for (row, cells) in self.paper_rows() {
            for (cell, set) in cells.iter().zip(&self.sets) {
                let Some(accuracy) = cell.accuracy() else { continue };
                let [last, ..] = accuracy_columns(Metric::Last);
                push(vec![
                    ("learner", row.clone()),
                    ("set", set.name.clone()),
                    ("status", "paper".into()),
                    (last, accuracy.to_string()),
                    ("kind", "paper".into()),
                ]);
            }
        }
        table.csv()
    }

    /// The tables for LaTeX, with the package booktabs.
    pub fn latex(&self) -> String {
        let mut text = String::from("% Needs \\usepackage{booktabs}.\n");
        let line = |cells: Vec<String>| format!("{} \\\\\n", cells.join(" & "));
        for metric in Metric::ALL {
            let heads = self.heads(metric);
            let row = |label: &str, cells: Vec<Cell>| {
                let cells = cells.into_iter().map(|cell| escaped(&cell.text()));
                line(std::iter::once(escaped(label)).chain(cells).collect())
            };
            text.push_str("\\begin{table}\n\\centering\n");
            let caption = format!("{}. {}", self.heading(metric), self.caption().join(" "));
            text.push_str(&format!("\\caption{{{}}}\n", escaped(&caption)));
            text.push_str(&format!("\\begin{{tabular}}{{l{}}}\n\\toprule\n", "r".repeat(heads.len() - 1)));
            text.push_str(&line(heads.iter().map(|head| escaped(head)).collect()));
            text.push_str("\\midrule\n");
            for method in &self.methods {
                let cells = self.with_differences_of(Some(method), self.cells(method, metric), metric);
                text.push_str(&row(&method.label, cells));
            }
            let paper = if metric == Metric::Last { self.paper_rows() } else { Vec::new() };
            if !paper.is_empty() {
                text.push_str("\\midrule\n");
            }
            for (label, cells) in paper {
                text.push_str(&row(&label, self.with_differences_of(None, cells, metric)));
            }
            text.push_str("\\bottomrule\n\\end{tabular}\n\\end{table}\n");
        }
        text
    }

    /// The data set of the figures: the first one that is here.
    pub(super) fn main_set(&self) -> &Column {
        self.sets.iter().find(|set| set.present).expect("a comparison has a set that is here")
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

    /// Spearman's rank correlation of accuracy with `size`, over the architectures that are ranked, with a bootstrap interval
    /// over them; none of fewer than three: two give 1 or -1 whatever they are.
    pub(super) fn rank_correlation(&self, size: impl Fn(&Size) -> usize) -> Option<Interval> {
        let mut sized = self.sized();
        sized.retain(|point| point.row.ranked);
        if sized.len() < 3 {
            return None;
        }
        let rho = |points: &[usize]| {
            let of = |value: &dyn Fn(&Sized<'_>) -> f64| -> Vec<f64> {
                points.iter().map(|&at| value(&sized[at])).collect()
            };
            spearman(&of(&|point| size(&point.size) as f64), &of(&|point| point.accuracy.mean))
        };
        bootstrap(sized.len(), rho)
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
            "spearman_state_size_low",
            "spearman_state_size_high",
            "spearman_params_low",
            "spearman_params_high",
        ]);
        let text = |rho: Option<Interval>| {
            rho.map_or([const { String::new() }; 3], |rho| {
                [rho.mean, rho.low, rho.high].map(|rho| rho.to_string())
            })
        };
        let [by_state, state_low, state_high] = text(self.rank_correlation(|size| size.state));
        let [by_params, params_low, params_high] = text(self.rank_correlation(|size| size.params));
        let ends = [state_low, state_high, params_low, params_high];
        for Sized { row, size, accuracy } in self.sized() {
            let names = [row.label.clone(), row.name.clone(), self.main_set().name.clone()];
            let sizes = [size.state.to_string(), size.params.to_string()];
            let numbers = [accuracy.mean, accuracy.low, accuracy.high].map(|number| number.to_string());
            let rhos = [row.ranked.to_string(), by_state.clone(), by_params.clone()];
            table.push(names.into_iter().chain(sizes).chain(numbers).chain(rhos).chain(ends.clone()));
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
    use std::collections::BTreeMap;

    use super::*;
    use gpicl::data::{Description, Origin, Split};
    use gpicl::eval::{CurveAccumulator, Sample};
    use gpicl::models::Dims;

    /// A curve that is right at its last `right` of 100 positions in `of` episodes out of 10.
    fn curve(right: usize, of: usize) -> LearningCurve {
        let mut accumulator = CurveAccumulator::new(100);
        for episode in 0..10 {
            let correct: Vec<bool> = (0..100).map(|j| episode < of && j >= 100 - right).collect();
            accumulator.add_episode(&correct, &[0.5; 100]);
        }
        let mut curve = accumulator.finish("unseen tasks").unwrap();
        (curve.set, curve.draws) = ("episodes".into(), "episodes".into());
        curve
    }

    fn comparison() -> Comparison {
        let row = |label: &str, state, params, of| Row {
            name: label.to_lowercase(),
            label: label.into(),
            kind: RowKind::Network,
            ranked: true,
            outcome: Outcome::Measured {
                size: Some(Size { params, state }),
                curves: vec![Some(curve(10, of)), None, Some(curve(5, of))],
                by_seed: vec![vec![curve(10, of)], Vec::new(), vec![curve(5, of)]],
                commits: ["1234567".to_string()].into(),
            },
        };
        let failed = Row {
            name: "bad".into(),
            label: "Bad_one".into(),
            kind: RowKind::Network,
            ranked: true,
            outcome: Outcome::Failed("diverged".into()),
        };
        let column =
            |name: &str, present| Column { name: name.into(), head: name.into(), present, data: None };
        Comparison {
            dims: Dims { input_dim: 8, classes: 10, episode_length: 100 },
            sample: Sample::episodes(10),
            seeds: vec![0],
            against: None,
            differences: Vec::new(),
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
            rows[1].starts_with("Small,small,mnist,10,900,0.2,") && rows[1].contains(",true,1,-0.5,1,1,-1,1"),
            "{sizes}"
        );
        let mut unlike = comparison();
        unlike.methods[0].ranked = false;
        let sizes = unlike.state_size_csv();
        assert!(sizes.contains("Small,small,") && sizes.contains(",false,,,,,,\n"), "of two: {sizes}");
    }

    #[test]
    fn rows_stand_against_the_best_baseline_or_the_one_that_is_named() {
        let mut all = comparison();
        for at in [0, 1] {
            all.methods[at].kind = RowKind::Baseline;
        }
        let found = all.clone().with_differences();
        let text = found.markdown();
        let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap_or_default();
        assert!(
            line("| learner").starts_with("| learner | mnist | against Medium | kmnist | glyphs |"),
            "{text}"
        );
        let (large, medium) = (line("| Large |"), line("| Medium |"));
        assert!(large.contains("| +30.0 [") && large.contains("| absent |"), "{large}");
        assert!(medium.matches("| - |").count() >= 1, "against itself: {medium}");
        assert!(
            text.contains("Large and the best classical method, Medium, cannot be told apart: +30.0 ["),
            "{text}"
        );
        assert!(found.latex().contains("\\begin{tabular}{lrrrrr}"));
        assert!(found.csv().contains(",network,0,,medium,0.3,"), "{}", found.csv());
        let named = Comparison { against: Some("small".into()), ..all.clone() }.with_differences();
        let text = named.markdown();
        assert!(text.contains("against Small") && text.contains("is ahead of Small by 60.0 ["), "{text}");
        all.methods[2].name = "small-untrained".into();
        all.methods[0].kind = RowKind::Network;
        let text = all.with_differences().text();
        let sentence = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap_or_default();
        let behind = sentence("On mnist, Small is behind its untrained control by 60.0 [");
        assert!(behind.ends_with("] points.") && !behind.contains('-'), "{text}");
    }

    #[test]
    fn a_baseline_that_is_meta_trained_is_no_classical_method() {
        let mut all = comparison();
        all.methods[1].kind = RowKind::Baseline;
        all.methods[2].kind = RowKind::MetaTrainedBaseline;
        let found = all.clone().with_differences();
        assert_eq!(
            found.reference(0, Metric::Last).unwrap().label,
            "Medium",
            "Large is better, and meta-trained"
        );
        assert!(found.csv().contains("Large,large,mnist,measured,1,10,0.8,"), "{}", found.csv());
        assert!(found.csv().contains(",meta-trained-baseline,0,,medium,0.3,"), "{}", found.csv());
        all.methods[1].kind = RowKind::Network;
        assert!(all.with_differences().reference(0, Metric::Last).is_none());
    }

    #[test]
    fn heads_titles_and_sentences_say_what_the_data_are_and_the_paper_finds_its_sets() {
        let mut all = comparison();
        all.methods[0].kind = RowKind::Baseline;
        let examples = BTreeMap::from([(Split::Train, 8_000), (Split::Test, 2_000)]);
        let origin = Origin::Unofficial { published: 70_000 };
        let data = Description { name: "MNIST".into(), origin, examples };
        all.sets[0] = Column { head: data.short(), data: Some(data), ..all.sets[0].clone() };
        for row in &mut all.methods {
            let Outcome::Measured { curves, .. } = &mut row.outcome else { continue };
            curves.iter_mut().flatten().zip([256, 40]).for_each(|(curve, queries)| curve.queries = queries);
            curves[0].as_mut().unwrap().images = Some(2_000);
        }
        let all = all.with_differences();
        let mut fewer = all.clone();
        for row in &mut fewer.methods {
            let Outcome::Measured { curves, .. } = &mut row.outcome else { continue };
            curves[2].as_mut().unwrap().classes = Some(3);
        }
        assert!(fewer.markdown().contains("Chance: 10.0, on glyphs 33.3."), "{}", fewer.markdown());
        let text = all.markdown();
        let head = "MNIST, a subset of 10,000";
        for part in [
            "| learner | MNIST, a subset of 10,000 | against Small | kmnist |",
            "| VSML (paper) | 79.0 | - | 54.7 |",
            "On MNIST, a subset of 10,000, Large is ahead of the best classical method, Small, by 60.0 [",
            "MNIST, a subset of 10,000: 2000 test examples (MNIST, not verified as the published files: 8,000 + 2,000 examples), \
             256 queries of each context at the last position. glyphs: 40 queries of each context",
        ] {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
        assert!(all.latex().contains(head));
        let dir = tempfile::tempdir().unwrap();
        all.save(dir.path()).unwrap();
        for figure in ["table.svg", "learning_curves.svg", "state_size.svg"] {
            let svg = std::fs::read_to_string(dir.path().join(figure)).unwrap();
            assert!(svg.contains(head), "{figure}");
        }
        let csv = all.csv();
        assert!(csv.contains("Large,large,mnist,measured,"), "{csv}");
        assert!(
            csv.contains(",\"MNIST, not verified as the published files: 8,000 + 2,000 examples\"\n"),
            "{csv}"
        );
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
