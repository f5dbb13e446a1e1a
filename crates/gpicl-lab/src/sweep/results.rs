//! What came of a sweep: a row a run, in the order of the plan.

use serde::Serialize;
use toml::Value;

use super::point::{as_map, axes, cell};
use super::{PlannedRun, RunState, Sweep};
use crate::summary::{RunSummary, SourceSummary};
use crate::table::Table;
use gpicl::Result;
use gpicl::RunDir;
use gpicl::eval::{CurveSummary, Outcome, Plateau, Scores};
use gpicl::fs::write_atomic;
use gpicl::train::seconds_spent;

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SweepRow {
    /// The run's id.
    pub id: String,
    /// What sets it apart.
    #[serde(serialize_with = "as_map")]
    pub point: Vec<(String, Value)>,
    /// Its seed.
    pub seed: u64,
    /// How far it is.
    #[serde(flatten)]
    pub state: RunState,
    /// What it amounts to, once it is finished.
    pub summary: Option<RunSummary>,
}

/// All runs, in the order of the plan. No time is in it: the same whenever the sweep is repeated.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SweepResults {
    /// A row a run.
    pub rows: Vec<SweepRow>,
}

impl Sweep {
    /// What came of every run so far.
    ///
    /// # Errors
    /// [`gpicl::Error::Io`], or [`gpicl::Error::File`] if a finished run's files are broken.
    pub fn results(&self) -> Result<SweepResults> {
        let rows = self.runs().iter().map(|run| {
            let state = self.state(run)?;
            let summary = match state {
                RunState::Finished => Some(RunSummary::of(&RunDir::at(self.run_path(run)))?),
                _ => None,
            };
            Ok(SweepRow { id: run.id.clone(), point: run.point.clone(), seed: run.seed, state, summary })
        });
        Ok(SweepResults { rows: rows.collect::<Result<_>>()? })
    }

    /// Writes [`Sweep::results`] as `results.csv` and `results.json`, and the time that each run took, which is another
    /// whenever the sweep is repeated, as `timing.csv`.
    ///
    /// # Errors
    /// As [`Sweep::results`].
    pub fn save(&self) -> Result<SweepResults> {
        let results = self.results()?;
        let json = serde_json::to_string_pretty(&results).expect("results have a JSON form");
        let timing = self.timing()?;
        self.exclusively(|| {
            write_atomic(&self.dir().join("results.json"), json.as_bytes())?;
            write_atomic(&self.dir().join("timing.csv"), timing.csv().as_bytes())?;
            write_atomic(&self.dir().join("results.csv"), results.csv().as_bytes())
        })?;
        Ok(results)
    }

    /// Seconds that each finished run took, meta-tests during meta-training included, the last one not.
    fn timing(&self) -> Result<Table> {
        let mut table = Table::new(["id", "seconds", "episodes_per_second"]);
        let finished = |run: &&PlannedRun| RunDir::at(self.run_path(run)).finished();
        for run in self.runs().iter().filter(finished) {
            let seconds = seconds_spent(&RunDir::at(self.run_path(run)))?;
            let episodes = (run.config.train.steps as usize * run.config.train.batch) as f64;
            table.push([run.id.clone(), format!("{seconds:.3}"), format!("{:.1}", episodes / seconds)]);
        }
        Ok(table)
    }
}

/// Name of a column and what it holds of a run.
type Column<'a, T> = (&'a str, fn(&T) -> String);

const OF_RUN: [Column<'static, RunSummary>; 6] = [
    ("outcome", |run| run.outcome.map(short_name).unwrap_or_default()),
    ("steps", |run| run.steps.to_string()),
    ("final_loss", |run| run.final_loss.to_string()),
    ("num_params", |run| run.num_params.to_string()),
    ("state_size", |run| run.state_size.to_string()),
    ("sets", |run| run.curves.iter().map(|(label, _)| label.as_str()).collect::<Vec<_>>().join("; ")),
];

const OF_SCORES: [Column<'static, Scores>; 3] = [
    ("seen_learning", |scores| scores.seen_learning.to_string()),
    ("unseen_learning", |scores| scores.unseen_learning.to_string()),
    ("generalisation", |scores| scores.generalisation.map(|score| score.to_string()).unwrap_or_default()),
];

const OF_PLATEAU: [Column<'static, Plateau>; 3] = [
    ("length", |plateau| plateau.length.to_string()),
    ("left_at", |plateau| plateau.left_at.map(|step| step.to_string()).unwrap_or_default()),
    ("level", |plateau| plateau.level.to_string()),
];

const OF_CURVE: [Column<'static, CurveSummary>; 10] = [
    ("first", |curve| curve.first.mean.to_string()),
    ("last", |curve| curve.last.mean.to_string()),
    ("last_10", |curve| curve.last_10.mean.to_string()),
    ("last_10_low", |curve| curve.last_10.low.to_string()),
    ("last_10_high", |curve| curve.last_10.high.to_string()),
    ("mean", |curve| curve.mean.mean.to_string()),
    ("improvement", |curve| curve.improvement.mean.to_string()),
    ("improvement_low", |curve| curve.improvement.low.to_string()),
    ("improvement_high", |curve| curve.improvement.high.to_string()),
    ("loss", |curve| curve.loss.to_string()),
];

impl SweepResults {
    /// The fields that set the runs apart, in the order of their first run.
    pub fn axes(&self) -> Vec<&str> {
        axes(self.rows.iter().map(|row| row.point.as_slice()))
    }

    /// A row a run: what sets it apart, its state, what it amounts to, its plateaus, and its learning curves on seen
    /// tasks, unseen tasks, and further sets by their numbers from 2. Of runs of mixtures, the outcome and the plateau on
    /// every source are at the end.
    pub fn csv(&self) -> String {
        let axes = self.axes();
        let sets = self.rows.iter().filter_map(|row| Some(row.summary.as_ref()?.curves.len())).max();
        let sets: Vec<String> = (0..sets.unwrap_or(0)).map(set_name).collect();
        let columns = |group: &str, names: &mut dyn Iterator<Item = &'static str>| -> Vec<String> {
            names.map(|name| format!("{group}_{name}")).collect()
        };
        let mut head: Vec<String> = vec!["id".into()];
        head.extend(axes.iter().map(ToString::to_string));
        head.extend(["seed", "state", "error"].map(String::from));
        head.extend(OF_RUN.iter().map(|(name, _)| name.to_string()));
        head.extend(OF_SCORES.iter().map(|(name, _)| name.to_string()));
        for plateau in ["plateau", "test_plateau"] {
            head.extend(columns(plateau, &mut OF_PLATEAU.iter().map(|(name, _)| *name)));
        }
        for set in &sets {
            head.extend(columns(set, &mut OF_CURVE.iter().map(|(name, _)| *name)));
        }
        let sources = self.rows.iter().flat_map(|row| &row.summary).flat_map(|summary| &summary.sources);
        let mut names: Vec<&str> = Vec::new();
        for source in sources {
            if !names.contains(&source.set.as_str()) {
                names.push(&source.set);
            }
        }
        for name in &names {
            head.push(format!("{name}: outcome"));
            head.extend(OF_PLATEAU.iter().map(|(column, _)| format!("{name}: test_plateau_{column}")));
        }
        let mut table = Table::new(head);
        for SweepRow { id, point, seed, state, summary } in &self.rows {
            let mut cells = vec![id.clone()];
            cells.extend(axes.iter().map(|axis| cell(point, axis)));
            let error = match state {
                RunState::Failed { error } => error.clone(),
                _ => String::new(),
            };
            cells.extend([seed.to_string(), state.name().into(), error]);
            let summary = summary.as_ref();
            cells.extend(OF_RUN.iter().map(|(_, of)| summary.map(of).unwrap_or_default()));
            let scores = summary.and_then(|summary| summary.scores.as_ref());
            cells.extend(OF_SCORES.iter().map(|(_, of)| scores.map(of).unwrap_or_default()));
            for plateau in [
                summary.and_then(|summary| summary.plateau.as_ref()),
                summary.and_then(|summary| summary.test_plateau.as_ref()),
            ] {
                cells.extend(OF_PLATEAU.iter().map(|(_, of)| plateau.map(of).unwrap_or_default()));
            }
            for number in 0..sets.len() {
                let curve = summary.and_then(|summary| summary.curves.get(number));
                cells.extend(
                    OF_CURVE.iter().map(|(_, of)| curve.map(|(_, curve)| of(curve)).unwrap_or_default()),
                );
            }
            for name in &names {
                let source = summary.and_then(|run| run.sources.iter().find(|source| source.set == *name));
                cells.push(source.map(|source| short_name(source.outcome)).unwrap_or_default());
                let plateau = source.and_then(|source: &SourceSummary| source.test_plateau.as_ref());
                cells.extend(OF_PLATEAU.iter().map(|(_, of)| plateau.map(of).unwrap_or_default()));
            }
            table.push(cells);
        }
        table.csv()
    }
}

/// An outcome as files have it: `general-learning`.
fn short_name(outcome: Outcome) -> String {
    let name = serde_json::to_value(outcome).ok();
    name.as_ref().and_then(|name| name.as_str()).unwrap_or_default().to_string()
}

/// What the columns of a run's set number `number` begin with.
fn set_name(number: usize) -> String {
    match number {
        0 => "seen".into(),
        1 => "unseen".into(),
        other => format!("set{other}"),
    }
}
