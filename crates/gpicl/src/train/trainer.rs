//! The meta-training loop: start, step, measure, save, resume.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use burn::module::Module;
use burn::tensor::Device;
use serde::Serialize;

use super::checkpoint::CheckpointInfo;
use super::metrics::{Metric, MetricsWriter, RunLog};
use super::step::{StepOutcome, meta_train_step};
use super::{Checkpoints, Optimizer};
use crate::config::RunConfig;
use crate::data::Splits;
use crate::error::{Error, Result};
use crate::eval::{CurveSummary, LearningCurve, TestSet, hits, meta_test};
use crate::models::{Dims, Model};
use crate::provenance::Provenance;
use crate::run::RunDir;
use crate::tasks::{BatchSource, Mode, Prefetch, TaskDistribution};

/// What happens during meta-training, for a progress display.
#[derive(Clone, Debug)]
pub enum Event {
    /// A step was done.
    Step {
        /// Steps done.
        step: u64,
        /// Mean cross-entropy of its batch, in nats.
        loss: f64,
        /// Accuracy at position 0.
        accuracy_first: f64,
        /// Accuracy at the last position.
        accuracy_last: f64,
    },
    /// A meta-test was done on one set.
    Eval {
        /// Steps done.
        step: u64,
        /// Name of the set.
        set: String,
        /// Its learning curve in short.
        summary: CurveSummary,
    },
    /// A checkpoint was written.
    Checkpoint {
        /// Steps done.
        step: u64,
    },
}

/// How [`Trainer::train`] came to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All steps are done.
    Finished,
    /// The stop flag was raised; the checkpoint of this step is saved.
    Stopped {
        /// Steps done.
        step: u64,
    },
}

/// Meta-trains one model in one run folder.
#[derive(Debug)]
pub struct Trainer {
    config: RunConfig,
    run: RunDir,
    dims: Dims,
    device: Device,
    model: Model,
    optimizer: Optimizer,
    step: u64,
    batches: Arc<BatchSource>,
    tests: Vec<TestSet>,
    metrics: RunLog,
    checkpoints: Checkpoints,
}

#[derive(Serialize)]
struct Timing {
    step: u64,
    seconds: f64,
    episodes_per_second: f64,
}

impl Trainer {
    /// Makes the run folder and a fresh model.
    ///
    /// # Errors
    /// Bad config, missing data, or a run that is there already.
    pub fn start(config: RunConfig, data_dir: Option<&Path>, run: &Path) -> Result<Self> {
        let stage = Stage::load(&config, data_dir)?;
        let model = config.model.init(stage.dims, config.precision, config.seed, &stage.device)?;
        let run = RunDir::create(run, &config)?;
        Self::assemble(config, run, stage, model, Optimizer::default(), 0, 0)
    }

    /// Continues a run from its newest whole checkpoint; from the start if it has none yet. The numbers are
    /// those of a run that was never cut.
    ///
    /// # Errors
    /// As [`Trainer::start`], or a folder that is no run.
    pub fn resume(run: &Path, data_dir: Option<&Path>) -> Result<Self> {
        let (run, config) = RunDir::open(run)?;
        let stage = Stage::load(&config, data_dir).map_err(|error| error.in_file(&run.config_path()))?;
        let checkpoints = run.checkpoints(config.train.keep_checkpoints);
        if checkpoints.steps()?.is_empty() {
            let model = config.model.init(stage.dims, config.precision, config.seed, &stage.device)?;
            return Self::assemble(config, run, stage, model, Optimizer::default(), 0, 0);
        }
        let (info, model, optimizer, progress) = checkpoints.latest(&stage.device)?;
        if let Some(table) = config.changed_since(&info.config) {
            return Err(Error::file_at(
                run.config_path(),
                format!("[{table}]"),
                "is not what the run's checkpoint was meta-trained with",
                "undo the change, or start another run with --config",
            ));
        }
        if info.dims != stage.dims {
            return Err(Error::config(
                "data",
                format!("gives {:?}, the checkpoint was made with {:?}", stage.dims, info.dims),
                "use the data the run was started with",
            ));
        }
        Self::assemble(config, run, stage, model, optimizer, progress.step, progress.metrics_bytes)
    }

    fn assemble(
        config: RunConfig,
        run: RunDir,
        stage: Stage,
        model: Model,
        optimizer: Optimizer,
        step: u64,
        metrics_bytes: u64,
    ) -> Result<Self> {
        let metrics = RunLog::open(&run, metrics_bytes)?;
        let checkpoints = run.checkpoints(config.train.keep_checkpoints);
        let Stage { dims, device, batches, tests } = stage;
        Ok(Self { config, run, dims, device, model, optimizer, step, batches, tests, metrics, checkpoints })
    }

    /// Steps done so far.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The run's configuration.
    pub fn config(&self) -> &RunConfig {
        &self.config
    }

    /// The run's folder.
    pub fn run(&self) -> &RunDir {
        &self.run
    }

    /// The model as it is now, with autodiff.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The sizes the model was built for.
    pub fn dims(&self) -> Dims {
        self.dims
    }

    /// Runs the remaining steps. When `stop` is raised, the current step is finished and saved.
    ///
    /// # Errors
    /// [`Error::Diverged`] at the first NaN or Inf, with the last good checkpoint kept; [`Error::Io`].
    pub fn train(&mut self, stop: &AtomicBool, on_event: &mut dyn FnMut(Event)) -> Result<Ended> {
        let train = self.config.train.clone();
        let started = Instant::now();
        let first = self.step;
        // Timing is a log of what happened, not a result: a resumed run appends to it.
        let timing_bytes = std::fs::metadata(self.run.timing_path()).map_or(0, |file| file.len());
        let mut timing = MetricsWriter::open(&self.run.timing_path(), timing_bytes)?;
        let mut batches = Prefetch::new(Arc::clone(&self.batches), self.step..train.steps);
        while self.step < train.steps {
            let step = self.step + 1;
            let batch = batches.next()?;
            let model = self.model.clone();
            let lr = train.lr_at(step);
            let (model, outcome) =
                meta_train_step(model, &mut self.optimizer, &batch, &train, lr, &self.device);
            check_finite(step, &outcome, &self.checkpoints)?;
            self.model = model;
            self.step = step;
            let (accuracy_first, accuracy_last) = first_and_last(&outcome, &batch.labels);
            let StepOutcome { loss, grad_norm, .. } = outcome;
            let last = step == train.steps;
            if last || step.is_multiple_of(train.log_every) {
                let line = Metric::Train { step, loss, accuracy_first, accuracy_last, lr, grad_norm };
                self.metrics.write(&line)?;
                let seconds = started.elapsed().as_secs_f64();
                let episodes_per_second = ((step - first) as usize * train.batch) as f64 / seconds;
                timing.write(&Timing { step, seconds, episodes_per_second })?;
            }
            on_event(Event::Step { step, loss, accuracy_first, accuracy_last });
            batches.recycle(batch);
            let every = self.config.eval.every;
            if every > 0 && !last && step.is_multiple_of(every) {
                for curve in self.meta_test(self.config.eval.episodes)? {
                    let (set, summary) = (curve.label.clone(), curve.summary());
                    self.metrics.write(&Metric::Eval { step, set: set.clone(), summary })?;
                    on_event(Event::Eval { step, set, summary });
                }
            }
            let stopped = stop.load(Ordering::Relaxed);
            if last || stopped || step.is_multiple_of(train.checkpoint_every) {
                self.save()?;
                on_event(Event::Checkpoint { step });
            }
            if stopped && !last {
                return Ok(Ended::Stopped { step });
            }
        }
        Ok(Ended::Finished)
    }

    /// The learning curve on each of the run's sets, over `episodes` episodes each.
    ///
    /// # Errors
    /// As [`meta_test`].
    pub fn meta_test(&self, episodes: usize) -> Result<Vec<LearningCurve>> {
        let model = self.model.valid();
        self.tests.iter().map(|set| meta_test(&model, set, episodes, &self.device.clone().inner())).collect()
    }

    fn save(&mut self) -> Result<()> {
        let info = CheckpointInfo {
            step: self.step,
            dims: self.dims,
            config: self.config.clone(),
            provenance: Provenance::current(),
        };
        let bytes = self.metrics.synced_bytes()?;
        self.checkpoints.save(&info, &self.model, &self.optimizer, bytes)?;
        Ok(())
    }
}

/// What a config stands for, loaded: device, sizes, batches, test sets.
struct Stage {
    dims: Dims,
    device: Device,
    batches: Arc<BatchSource>,
    tests: Vec<TestSet>,
}

impl Stage {
    fn load(config: &RunConfig, data_dir: Option<&Path>) -> Result<Self> {
        config.validate()?;
        let device = config.device.device()?.autodiff();
        let Splits { train, test } = config.data.load(data_dir)?;
        let (train, test) = (Arc::new(train), Arc::new(test));
        let classes = train.num_classes();
        let distribution = TaskDistribution::new(&config.tasks, train.dim(), classes, classes)?;
        let dims = Dims {
            input_dim: distribution.input_dim(),
            classes,
            episode_length: config.tasks.episode_length,
        };
        let mut tests = TestSet::meta_training(&config.tasks, config.eval.seed, dims, &train, &test)?;
        for data in &config.eval.data {
            let test = Arc::new(data.load(data_dir)?.test);
            tests.push(TestSet::unseen(&config.tasks, config.eval.seed, dims, &test)?);
        }
        let batches =
            BatchSource::new(distribution, train, config.train.batch, Mode::MetaTrain, config.seed)?;
        Ok(Self { dims, device, batches: Arc::new(batches), tests })
    }
}

fn check_finite(step: u64, outcome: &StepOutcome, checkpoints: &Checkpoints) -> Result<()> {
    let problem = match outcome {
        StepOutcome { loss, .. } if !loss.is_finite() => format!("the loss is {loss}"),
        StepOutcome { grad_norm, .. } if !grad_norm.is_finite() => {
            format!("the gradient's norm is {grad_norm}")
        }
        _ => return Ok(()),
    };
    let kept = match checkpoints.steps()?.first() {
        Some(step) => format!("the checkpoint of step {step} is kept; "),
        None => String::new(),
    };
    let fix = format!("{kept}lower train.lr, or raise train.warmup or train.eps");
    Err(Error::Diverged { step, problem, fix })
}

/// Accuracy of a batch at its first and at its last position.
fn first_and_last(outcome: &StepOutcome, labels: &[u32]) -> (f64, f64) {
    let [batch, time, _] = outcome.logits.dims();
    let hits = hits(outcome.logits.clone(), labels);
    let at = |position: usize| {
        let count = (0..batch).filter(|episode| hits[episode * time + position]).count();
        count as f64 / batch as f64
    };
    (at(0), at(time - 1))
}
