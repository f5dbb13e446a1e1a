//! A finished run in a few numbers: what sweeps, figures and reports are made of.

use burn::module::Module as _;
use serde::{Deserialize, Serialize};

use crate::results::Results;
use gpicl::DeviceKind;
use gpicl::RunDir;
use gpicl::eval::{CurveSummary, Guessing, Outcome, Plateau, PlateauRule, Scores, label_during_training};
use gpicl::eval::{Metric, Part};
use gpicl::models::SequenceModel as _;
use gpicl::train::read_metrics;
use gpicl::{Error, Result};

/// What a finished run amounts to: one row of a sweep's results. The same numbers whenever the run is repeated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Which of the paper's four outcomes it is; known where seen and unseen tasks were tested. Of a mixture, this and
    /// what else is of one source is of the first.
    pub outcome: Option<Outcome>,
    /// Each source of a mixture by itself; empty where there is one source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceSummary>,
    /// How much is learned on seen and on unseen tasks, and how much of it carries over; known where both were tested.
    pub scores: Option<Scores>,
    /// The final meta-test: label of the set, such as `unseen tasks, glyphs test`, and its learning curve in short. Seen
    /// tasks, unseen tasks, then the other data sets.
    pub curves: Vec<(String, CurveSummary)>,
    /// The plateau of the training loss.
    pub plateau: Option<Plateau>,
    /// That of the biased episodes' loss, where there is a bias.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub biased_plateau: Option<Plateau>,
    /// That of the other episodes of batches with a bias.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unbiased_plateau: Option<Plateau>,
    /// The plateau of the meta-tests on unseen tasks; `None` if there were none during meta-training.
    pub test_plateau: Option<Plateau>,
    /// Mean cross-entropy of the last meta-training batch, in nats.
    pub final_loss: f64,
    /// Numbers carried between positions at the full context length.
    pub state_size: usize,
    /// Numbers in the weights.
    pub num_params: usize,
    /// Meta-training steps.
    pub steps: u64,
}

/// What a run of a mixture amounts to on one of its sources.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceSummary {
    /// The set of its unseen tasks.
    pub set: String,
    /// The outcome on it.
    pub outcome: Outcome,
    /// The plateau of the meta-tests on the set; `None` if there were none during meta-training.
    pub test_plateau: Option<Plateau>,
}

impl RunSummary {
    /// Of a finished run, from `results.json`, `metrics.jsonl` and `config.toml`.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::File`] if the run is not finished or a file of it is broken.
    pub fn of(run: &RunDir) -> Result<Self> {
        let (_, config) = RunDir::open(run.path())?;
        let results = Results::read(&run.results_path())?;
        let path = run.metrics_path();
        let metrics = read_metrics(&path)?;
        let Some((_, final_loss)) = metrics.iter().rev().find_map(Metric::loss) else {
            return Err(Error::file(&path, "has no line of a training step", "run the run again"));
        };
        let (rule, slots) = (PlateauRule::default(), results.dims.classes);
        let guessing = |start: &str| {
            let curve = results.curves.iter().find(|curve| curve.label.starts_with(start));
            curve.map_or(Guessing::among(slots), |curve| curve.guessing(slots))
        };
        // Sizes depend on the configuration only; the model is made for them and dropped.
        let model = config.model.init(
            results.dims,
            config.precision,
            config.seed,
            &DeviceKind::default().device()?,
        )?;
        let source = |(set, outcome): &(String, Outcome)| SourceSummary {
            set: set.clone(),
            outcome: *outcome,
            test_plateau: rule.of_meta_tests_on(
                &metrics,
                &label_during_training(set),
                guessing(set).classes(),
            ),
        };
        let summary = Self {
            outcome: results.outcome,
            sources: results.outcomes.iter().map(source).collect(),
            scores: None,
            curves: results.curves.iter().map(|curve| (curve.label.clone(), curve.summary())).collect(),
            plateau: rule.of_loss(&metrics, slots),
            biased_plateau: rule.of_loss_of(Part::Biased, &metrics, slots),
            unbiased_plateau: rule.of_loss_of(Part::Unbiased, &metrics, slots),
            test_plateau: rule.of_meta_tests(&metrics, guessing("unseen").classes()),
            final_loss,
            state_size: model.state_size(results.dims.episode_length),
            num_params: model.num_params(),
            steps: config.train.steps,
        };
        let both = summary.seen().zip(summary.unseen());
        let scores = both.map(|(seen, unseen)| Scores::of(seen, unseen, guessing("unseen")));
        Ok(Self { scores, ..summary })
    }

    /// The curve of seen tasks, if they were tested.
    pub fn seen(&self) -> Option<&CurveSummary> {
        self.curve("seen")
    }

    /// The curve of unseen tasks over the meta-training data set: the first of unseen tasks.
    pub fn unseen(&self) -> Option<&CurveSummary> {
        self.curve("unseen")
    }

    fn curve(&self, start: &str) -> Option<&CurveSummary> {
        self.curves.iter().find_map(|(label, curve)| label.starts_with(start).then_some(curve))
    }
}
