//! The result of a meta-test: table, JSON, CSV, plot and verdict.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::plot;
use super::table::{Table, ascii_curve};
use crate::error::{Error, Result};
use crate::eval::{LearningCurve, Outcome, OutcomeRule};
use crate::fs::write_atomic;
use crate::models::Dims;
use crate::provenance::Provenance;
use crate::run::RunDir;

/// Learning curves of one model, or of several seeds of one, and what they amount to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// Sizes of the model.
    pub dims: Dims,
    /// Runs behind every curve.
    pub seeds: usize,
    /// Which of the paper's four outcomes this is; known where seen and unseen tasks were tested.
    pub outcome: Option<Outcome>,
    /// One curve a set.
    pub curves: Vec<LearningCurve>,
    /// Program and machine that made them.
    pub provenance: Provenance,
}

impl Results {
    /// From curves; if the first two are the seen and the unseen tasks of the meta-training data, their
    /// comparison gives the outcome.
    ///
    /// # Errors
    /// [`Error::Argument`] without curves.
    pub fn new(dims: Dims, seeds: usize, curves: Vec<LearningCurve>) -> Result<Self> {
        let outcome = match curves.as_slice() {
            [] => return Err(Error::argument("curves", "is empty")),
            [seen, unseen, ..] if seen.label.starts_with("seen") => {
                Some(OutcomeRule::default().classify(seen, unseen, 1.0 / dims.classes as f64))
            }
            _ => None,
        };
        Ok(Self { dims, seeds, outcome, curves, provenance: Provenance::current() })
    }

    /// Accuracy by chance.
    pub fn chance(&self) -> f64 {
        1.0 / self.dims.classes as f64
    }

    /// The table: one row a set.
    pub fn table(&self) -> Table {
        let last = format!("after {} examples", self.dims.episode_length - 1);
        let mut table = Table::new(["set", "episodes", "seeds", "no example", &last, "last 10 positions"]);
        for curve in &self.curves {
            let summary = curve.summary();
            table.push([
                curve.label.clone(),
                curve.episodes.to_string(),
                curve.seeds.to_string(),
                summary.first.percent(),
                summary.last.percent(),
                summary.last_10.percent(),
            ]);
        }
        table
    }

    /// For a terminal: table, learning curve, verdict.
    pub fn text(&self) -> String {
        let what = if self.seeds > 1 { "seeds" } else { "episodes" };
        let mut text = format!(
            "{}\naccuracy in % with 95% intervals over {what}; chance {:.1}\n\n{}",
            self.table().text(),
            100.0 * self.chance(),
            ascii_curve(&self.curves, 72, 14),
        );
        if let Some(outcome) = &self.outcome {
            text.push_str(&format!("\nverdict: {outcome}"));
        }
        text
    }

    /// One row a set and position, for other programs.
    pub fn csv(&self) -> String {
        let mut table = Table::new(["set", "examples_seen", "accuracy", "low", "high", "loss_nats"]);
        for curve in &self.curves {
            for (position, (accuracy, loss)) in curve.accuracy.iter().zip(&curve.loss).enumerate() {
                let numbers =
                    [accuracy.mean, accuracy.low, accuracy.high, *loss].map(|number| number.to_string());
                let [mean, low, high, loss] = numbers;
                table.push([curve.label.clone(), position.to_string(), mean, low, high, loss]);
            }
        }
        table.csv()
    }
}

/// Results written to a folder, and how to show them.
#[derive(Debug)]
pub struct Written {
    /// The results.
    pub results: Results,
    /// For a terminal.
    pub text: String,
    /// Files written.
    pub files: Vec<PathBuf>,
}

/// Writes the final meta-test of a run: `results.json`, `results.csv`, `plots/`.
///
/// # Errors
/// [`Error::Io`], or curves that cannot be drawn.
pub fn write_results(run: &RunDir, dims: Dims, curves: &[LearningCurve]) -> Result<Written> {
    let results = Results::new(dims, 1, curves.to_vec())?;
    let mut files = save_results(run.path(), &results)?;
    let metrics = crate::train::read_metrics(&run.metrics_path())?;
    files.extend(plot::training_curves(&metrics, &run.plots_dir().join("training"))?);
    Ok(Written { text: results.text(), results, files })
}

/// Writes `results.json`, `results.csv` and the learning-curve plot below `dir`.
///
/// # Errors
/// As [`write_results`].
pub fn save_results(dir: &Path, results: &Results) -> Result<Vec<PathBuf>> {
    let plots = dir.join("plots");
    std::fs::create_dir_all(&plots).map_err(Error::io("create", &plots))?;
    let (json, csv) = (dir.join("results.json"), dir.join("results.csv"));
    let text = serde_json::to_string_pretty(results).expect("results have a JSON form");
    write_atomic(&json, text.as_bytes())?;
    write_atomic(&csv, results.csv().as_bytes())?;
    let title = "Accuracy within an episode";
    let figure = plots.join("learning_curve");
    let mut files = vec![json, csv];
    files.extend(plot::learning_curve(&results.curves, Some(results.chance()), title, &figure)?);
    Ok(files)
}
