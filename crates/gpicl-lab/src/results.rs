//! The result of a meta-test: table, JSON, CSV, plot and verdict.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::figures::plot;
use crate::figures::terminal::ascii_curve;
use crate::table::Table;
use gpicl::RunDir;
use gpicl::data::{Description, Fingerprint};
use gpicl::eval::{EpisodeScores, Guessing, Interval, LearningCurve, Look, Outcome, OutcomeRule, TestSet};
use gpicl::fs::{create_folder, write_atomic};
use gpicl::models::Dims;
use gpicl::provenance::Provenance;
use gpicl::train::Trainer;
use gpicl::{Error, Result};

/// What the meta-trained model is called beside baselines.
const MODEL: &str = "model";

/// A doubt about the checkpoint of a run that was judged, and learned nothing.
pub fn doubt_of_verdict(checkpoint: &Path) -> Option<String> {
    // RUN, or RUN/checkpoints/FILE, of which a name may be all that is given.
    let whole = checkpoint.canonicalize().ok()?;
    let run = match whole.is_dir() {
        true => &whole,
        false => whole.parent()?.parent()?,
    };
    let results = Results::read(&run.join("results.json")).ok()?;
    (results.outcome == Some(Outcome::NoLearning))
        .then(|| format!("the verdict on {} is no learning; its answers are guesses", checkpoint.display()))
}

/// Learning curves of one model, or of several seeds of one, and what they amount to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// Sizes of the model.
    pub dims: Dims,
    /// Runs behind every curve.
    pub seeds: usize,
    /// Which of the paper's four outcomes this is; known where seen and unseen tasks were tested. Of a mixture, the
    /// outcome on its first source.
    pub outcome: Option<Outcome>,
    /// The outcome on each source of a mixture, named by the set of its unseen tasks; empty where there is one source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outcomes: Vec<(String, Outcome)>,
    /// One curve a set.
    pub curves: Vec<LearningCurve>,
    /// Baselines and the untrained network on the same episodes: one curve a learner and set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub baselines: Vec<LearningCurve>,
    /// What the model has over each of them, on the same episodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ahead: Vec<Ahead>,
    /// What the data of each set are, by the set's label.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub data: BTreeMap<String, Description>,
    /// The examples of each set by their checksums, by the set's label; one for each seed whose examples are its own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fingerprints: BTreeMap<String, Vec<Fingerprint>>,
    /// Program and machine that made them.
    pub provenance: Provenance,
}

/// What the model has over another learner on a set: differences in accuracy, over the same seeds and episodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ahead {
    /// Label of the set.
    pub set: String,
    /// The other learner.
    pub learner: String,
    /// At the last position.
    pub last: Interval,
    /// Over the last ten positions.
    pub last_10: Interval,
}

impl Ahead {
    /// Of the model's curves, a list of seeds for each set, over each of `others`, alike; where the two met the same episodes.
    pub fn all(model: &[Vec<LearningCurve>], others: &[Vec<LearningCurve>]) -> Vec<Self> {
        let ahead = |theirs: &Vec<LearningCurve>| {
            let first = theirs.first()?;
            let same_set =
                |ours: &&Vec<LearningCurve>| ours.first().is_some_and(|it| it.label == first.label);
            let ours = model.iter().find(same_set)?;
            let over = |of: fn(&EpisodeScores) -> &[f64]| LearningCurve::difference(ours, theirs, of);
            let (last, last_10) = (over(|scores| &scores.last)?, over(|scores| &scores.last_10)?);
            Some(Self { set: first.label.clone(), learner: first.learner.clone()?, last, last_10 })
        };
        others.iter().filter_map(ahead).collect()
    }
}

impl Results {
    /// From curves; where one of seen tasks stands before one of unseen tasks, they are of a source of the meta-training
    /// episodes, and their comparison gives its outcome.
    ///
    /// # Errors
    /// [`Error::Argument`] without curves.
    pub fn new(dims: Dims, seeds: usize, curves: Vec<LearningCurve>) -> Result<Self> {
        if curves.is_empty() {
            return Err(Error::argument("curves", "is empty"));
        }
        let rule = OutcomeRule::default();
        let outcomes = curves.array_windows().filter(|[seen, _]| seen.label.starts_with("seen"));
        let outcome = |[seen, unseen]: &[LearningCurve; 2]| {
            (unseen.label.clone(), rule.classify(seen, unseen, unseen.guessing(dims.classes)))
        };
        let mut outcomes: Vec<(String, Outcome)> = outcomes.map(outcome).collect();
        let outcome = outcomes.first().map(|(_, outcome)| *outcome);
        if outcomes.len() == 1 {
            outcomes.clear();
        }
        let provenance = Provenance::current();
        let (baselines, ahead) = (Vec::new(), Vec::new());
        let (data, fingerprints) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { dims, seeds, outcome, outcomes, curves, baselines, ahead, data, fingerprints, provenance })
    }

    /// Reads a `results.json`.
    ///
    /// # Errors
    /// [`Error::File`] if the file holds something else, [`Error::Io`].
    pub fn read(path: &Path) -> Result<Self> {
        let json = std::fs::read(path).map_err(Error::io("read", path))?;
        serde_json::from_slice(&json).map_err(|error| {
            let fix = "remove it; `gpicl resume` writes a run's results anew";
            Error::file(path, format!("holds no results: {error}"), fix)
        })
    }

    /// With the curves of baselines, which tables and plots show beside the model's of the same set.
    pub fn with_baselines(self, baselines: Vec<LearningCurve>, ahead: Vec<Ahead>) -> Self {
        Self { baselines, ahead, ..self }
    }

    /// What the model has over the learner of `curve` on its set.
    fn ahead_of(&self, curve: &LearningCurve) -> Option<&Ahead> {
        let same = |it: &&Ahead| it.set == curve.label && Some(&it.learner) == curve.learner.as_ref();
        self.ahead.iter().find(same)
    }

    /// With what the data of each set are, in words and by their checksums, by the set's label.
    pub fn with_data(
        self,
        data: BTreeMap<String, Description>,
        fingerprints: BTreeMap<String, Vec<Fingerprint>>,
    ) -> Self {
        Self { data, fingerprints, ..self }
    }

    /// The data of all sets in words, each once, in the order of the sets.
    pub(crate) fn data_text(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for curve in &self.curves {
            let line = self.data.get(&curve.label).map(Description::to_string);
            lines.extend(line.filter(|line| !lines.contains(line)));
        }
        lines
    }

    /// Which sets have copies of queries in their contexts, if any.
    pub(crate) fn replacement_text(&self) -> Option<String> {
        let sets = self.curves.iter().filter(|curve| curve.replacement).map(|curve| curve.label.as_str());
        let sets = sets.collect::<Vec<_>>().join("; ");
        let what =
            "drawn with replacement, so that a query can stand in its own context, and accuracy is too high";
        (!sets.is_empty()).then(|| format!("{what}: {sets}"))
    }

    /// Accuracy by chance, where the tasks have a class for every label slot.
    pub fn chance(&self) -> f64 {
        Guessing::among(self.dims.classes).chance()
    }

    /// Chance in %, and that of the sets whose tasks have fewer classes.
    pub(crate) fn chance_text(&self) -> String {
        let percent = |guessing: Guessing| format!("{:.1}", 100.0 * guessing.chance());
        let fewer = self.curves.iter().filter(|curve| curve.classes.is_some());
        let fewer = fewer
            .map(|curve| format!(", on {} {}", curve.label, percent(curve.guessing(self.dims.classes))))
            .collect::<String>();
        percent(Guessing::among(self.dims.classes)) + &fewer
    }

    /// The model's curve of each set, and those of the baselines on it.
    fn by_set(&self) -> impl Iterator<Item = impl Iterator<Item = &LearningCurve>> {
        self.curves.iter().map(|model| {
            let same_set = |baseline: &&LearningCurve| baseline.label == model.label;
            std::iter::once(model).chain(self.baselines.iter().filter(same_set))
        })
    }

    /// Each set, with the curves of the model and of the baselines, named by learner.
    pub(crate) fn by_learner(&self) -> impl Iterator<Item = (String, Vec<LearningCurve>)> {
        self.by_set().map(|curves| {
            let mut curves: Vec<LearningCurve> = curves.cloned().collect();
            let set = curves[0].label.clone();
            for curve in &mut curves {
                curve.label = curve.learner.take().unwrap_or_else(|| MODEL.into());
            }
            (set, curves)
        })
    }

    /// After what the last point of the curves is, in words: sets can have episodes of several lengths.
    pub(crate) fn last(&self) -> String {
        let examples = self.dims.episode_length - 1;
        match self.curves.iter().all(|curve| curve.accuracy.len() == examples + 1) {
            true => format!("after {examples} examples"),
            false => "after all examples but one".into(),
        }
    }

    /// The table: one row a set and learner.
    pub fn table(&self) -> Table {
        let last = self.last();
        let mut heads =
            vec!["set", "episodes", "queries", "images", "seeds", "no example", &last, "last 10 positions"];
        if !self.ahead.is_empty() {
            heads.push("model ahead by");
        }
        let mut table = Table::new(heads);
        for curve in self.by_set().flatten() {
            let summary = curve.summary();
            let mut row = vec![
                match &curve.learner {
                    Some(learner) => format!("{}, {learner}", curve.label),
                    None => curve.label.clone(),
                },
                curve.episodes.to_string(),
                curve.queries.to_string(),
                curve.images.map_or("-".into(), |images| images.to_string()),
                curve.seeds.to_string(),
                summary.first.percent(),
                summary.last.percent(),
                summary.last_10.percent(),
            ];
            if !self.ahead.is_empty() {
                row.push(self.ahead_of(curve).map_or("-".into(), |ahead| ahead.last.points()));
            }
            table.push(row);
        }
        table
    }

    /// For a terminal: table, learning curve, verdict.
    pub fn text(&self) -> String {
        let what = if self.seeds > 1 { "seeds and episodes" } else { "episodes" };
        let ahead = if self.ahead.is_empty() {
            String::new()
        } else {
            format!("; model ahead by: points {}, over the same episodes", self.last())
        };
        let mut data: String = self.data_text().iter().map(|line| format!("data: {line}\n")).collect();
        data.extend(self.replacement_text().map(|text| format!("{text}\n")));
        let mut text = format!(
            "{}\naccuracy in % with 95% intervals over {what}; chance {}{ahead}\n{data}\n{}",
            self.table().text(),
            self.chance_text(),
            ascii_curve(&self.curves, 72, 14),
        );
        let copies = if self.curves.iter().any(|curve| curve.replacement) {
            " (queries may have copies in their contexts)"
        } else {
            ""
        };
        for (set, outcome) in self.verdicts() {
            text.push_str(&match set {
                Some(set) => format!("\nverdict on {set}: {outcome}{copies}"),
                None => format!("\nverdict: {outcome}{copies}"),
            });
        }
        text
    }

    /// The outcome where there is one source, without a name; of a mixture that on every source, by the set of its unseen
    /// tasks.
    pub(crate) fn verdicts(&self) -> Vec<(Option<&str>, Outcome)> {
        match self.outcomes.as_slice() {
            [] => self.outcome.iter().map(|outcome| (None, *outcome)).collect(),
            outcomes => outcomes.iter().map(|(set, outcome)| (Some(set.as_str()), *outcome)).collect(),
        }
    }

    /// One row a set, learner and position, for other programs.
    pub fn csv(&self) -> String {
        let mut table =
            Table::new(["set", "learner", "examples_seen", "accuracy", "low", "high", "loss_nats"]);
        for curve in self.by_set().flatten() {
            let learner = curve.learner.as_deref().unwrap_or(MODEL);
            for (position, (accuracy, loss)) in curve.accuracy.iter().zip(&curve.loss).enumerate() {
                let numbers =
                    [accuracy.mean, accuracy.low, accuracy.high, *loss].map(|number| number.to_string());
                let [mean, low, high, loss] = numbers;
                table.push([
                    curve.label.clone(),
                    learner.into(),
                    position.to_string(),
                    mean,
                    low,
                    high,
                    loss,
                ]);
            }
        }
        table.csv()
    }
}

/// Adds to `data` what the data of `sets` are, by their labels; of a set that is there already, as under another seed, both.
pub fn describe(data: &mut BTreeMap<String, Description>, sets: &[TestSet]) {
    for set in sets {
        let Some(description) = set.description() else { continue };
        let earlier = data.remove(&set.label);
        let together = earlier.map_or_else(|| description.clone(), |earlier| earlier.and(description));
        data.insert(set.label.clone(), together);
    }
}

/// Adds to `fingerprints` those of the examples of `sets`, by their labels, each once.
pub fn add_fingerprints(fingerprints: &mut BTreeMap<String, Vec<Fingerprint>>, sets: &[TestSet]) {
    for set in sets {
        let Some(fingerprint) = set.fingerprint() else { continue };
        let known = fingerprints.entry(set.label.clone()).or_default();
        if !known.contains(&fingerprint) {
            known.push(fingerprint);
        }
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

/// Writes the final meta-test of a run, and its control: `results.json`, `results.csv`, `plots/`.
///
/// # Errors
/// [`Error::Io`], or curves that cannot be drawn.
pub fn write_results(run: &RunDir, results: Results) -> Result<Written> {
    create_folder(&run.plots_dir())?;
    let metrics = gpicl::train::read_metrics(&run.metrics_path())?;
    let training = plot::training_curves(&metrics, &run.plots_dir().join("training"))?;
    let mut files = save_results(run.path(), &results)?;
    files.extend(training);
    Ok(Written { text: results.text(), results, files })
}

/// The final meta-test of a run whose steps are done, written to its folder; `look` is called again and again meanwhile.
///
/// # Errors
/// As [`write_results`].
pub fn conclude(trainer: &Trainer, look: &Look) -> Result<Written> {
    let sample = trainer.config().eval.final_sample();
    let short = |curves: Vec<LearningCurve>| curves.into_iter().map(LearningCurve::short).collect();
    let mut data = BTreeMap::new();
    let mut fingerprints = BTreeMap::new();
    let sets: Vec<_> = trainer.final_sets()?.into_iter().map(|set| set.watched(look.clone())).collect();
    describe(&mut data, &sets);
    add_fingerprints(&mut fingerprints, &sets);
    let (curves, untrained) = (trainer.meta_test_on(&sets, sample)?, trainer.untrained(&sets, sample)?);
    let one = |curves: &[LearningCurve]| curves.iter().map(|curve| vec![curve.clone()]).collect::<Vec<_>>();
    let ahead = Ahead::all(&one(&curves), &one(&untrained));
    let results = Results::new(trainer.dims(), 1, short(curves))?
        .with_baselines(short(untrained), ahead)
        .with_data(data, fingerprints);
    write_results(trainer.run(), results)
}

/// Writes `results.json`, `results.csv` and the learning-curve plot below `dir`. The JSON comes last: a run that has it
/// is finished.
///
/// # Errors
/// As [`write_results`].
pub fn save_results(dir: &Path, results: &Results) -> Result<Vec<PathBuf>> {
    let plots = dir.join("plots");
    create_folder(&plots)?;
    let (json, csv) = (dir.join("results.json"), dir.join("results.csv"));
    write_atomic(&csv, results.csv().as_bytes())?;
    let title = "Accuracy within an episode";
    let figure = plots.join("learning_curve");
    let mut files = vec![json.clone(), csv];
    files.extend(plot::learning_curve(&results.curves, Some(results.chance()), title, &figure)?);
    // All learners on all sets would be too many lines for one figure.
    let with_baselines = results.by_learner().filter(|(_, curves)| curves.len() > 1);
    for (set, curves) in with_baselines {
        let name = set.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_").replace("__", "_");
        let figure = plots.join(format!("learning_curve_{name}"));
        let title = format!("{title}: {set}");
        files.extend(plot::learning_curve(&curves, Some(results.chance()), &title, &figure)?);
    }
    let text = serde_json::to_string_pretty(results).expect("results have a JSON form");
    write_atomic(&json, text.as_bytes())?;
    Ok(files)
}
