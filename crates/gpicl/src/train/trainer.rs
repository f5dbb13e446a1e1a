//! The meta-training loop: start, step, measure, save, resume.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use gpicl_ops::Precision;
use serde::{Deserialize, Serialize};

use super::averaging::Average;
use super::checkpoint::{CheckpointInfo, Learned};
use super::metrics::{MetricsWriter, RunLog, bytes_of_going_on};
use super::resume::{ResumeOptions, check_config, set_results_aside, warn_of_other_program};
use super::run::{RunDir, RunLock};
use super::run_config::RunConfig;
use super::split;
use super::start;
use super::step::{StepOutcome, meta_train_step};
use super::{Checkpoints, Optimizer};
use crate::data::{DataConfig, Dataset, Fingerprints, Library, Split};
use crate::error::{Error, Result};
use crate::eval::{
    CurveSummary, LearningCurve, Metric, Sample, TasksChange, TestSet, Trained, episode_dims, hits, meta_test,
};
use crate::fs::write_atomic;
use crate::models::{Dims, Model};
use crate::provenance::Provenance;
use crate::tasks::{
    Batch, BatchSource, Component, Mode, Prefetch, Source, SourceSplits, TasksConfig, host, label_tensor,
    load_sources,
};

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
    /// What is used instead, if the weights are averaged.
    average: Option<Average>,
    optimizer: Optimizer,
    step: u64,
    batches: Arc<BatchSource>,
    tests: Tests,
    data: Fingerprints,
    metrics: RunLog,
    checkpoints: Checkpoints,
    clock: Option<Clock>,
    _lock: RunLock,
}

/// One line of `timing.jsonl`.
#[derive(Serialize, Deserialize)]
struct Timing {
    step: u64,
    seconds: f64,
    episodes_per_second: f64,
}

/// The time since a trainer's first step. It is a log of what happened, not a result: a resumed run appends to it.
#[derive(Debug)]
struct Clock {
    log: MetricsWriter,
    started: Instant,
    first: u64,
}

impl Clock {
    /// Starts before the step after `first`.
    fn start(run: &RunDir, first: u64) -> Result<Self> {
        let bytes = std::fs::metadata(run.timing_path()).map_or(0, |file| file.len());
        let log = MetricsWriter::open(&run.timing_path(), bytes)?;
        Ok(Self { log, started: Instant::now(), first })
    }

    fn log(&mut self, step: u64, batch: usize) -> Result<()> {
        let seconds = self.started.elapsed().as_secs_f64();
        let episodes_per_second = ((step - self.first) as usize * batch) as f64 / seconds;
        self.log.write(&Timing { step, seconds, episodes_per_second })
    }
}

/// Seconds that the steps of a run took, as far as its `timing.jsonl` knows: all times it was resumed together.
///
/// # Errors
/// [`Error::Io`].
pub fn seconds_spent(run: &RunDir) -> Result<f64> {
    let path = run.timing_path();
    let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    // A kill can tear a line.
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Timing>(line).ok());
    let (mut total, mut last) = (0.0, 0.0);
    for Timing { seconds, .. } in lines {
        if seconds < last {
            total += last;
        }
        last = seconds;
    }
    Ok(total + last)
}

impl Trainer {
    /// Makes the run folder and a fresh model.
    ///
    /// # Errors
    /// Bad config, missing data, or a run that is there already.
    pub fn start(config: RunConfig, data_dir: Option<&Path>, run: &Path) -> Result<Self> {
        let mut config = config.completed();
        config.train.start = config.train.start.map(|start| start::resolved(&start)).transpose()?;
        let stage = Stage::load(&config, &Library::new(data_dir))?;
        let learned = start::begin(&config, stage.dims, &stage.device)?;
        let run = RunDir::create(run, &config)?;
        let lock = run.lock()?;
        Self::assemble(config, run, lock, stage, learned)
    }

    /// Continues a run from its newest whole checkpoint; from the start if it has none yet. The numbers are
    /// those of a run that was never cut.
    ///
    /// # Errors
    /// As [`Trainer::start`], or a folder that is no run, or [`Error::Busy`].
    pub fn resume(run: &Path, data_dir: Option<&Path>) -> Result<Self> {
        Self::resume_with(run, &Library::new(data_dir), &ResumeOptions::default())
    }

    /// [`Trainer::resume`] with data sets that other runs of this process may use too, and as `options` say.
    ///
    /// # Errors
    /// As [`Trainer::resume`], and [`Error::Config`] for a number of steps that the run cannot have.
    pub fn resume_with(run: &Path, library: &Library, options: &ResumeOptions) -> Result<Self> {
        let (run, found) = RunDir::open(run)?;
        let lock = run.lock()?;
        let stage = Stage::load(&found, library).map_err(|error| error.in_file(&run.config_path()))?;
        let checkpoints = run.checkpoints(found.train.keep_checkpoints);
        let write = |config: &RunConfig| {
            if *config == found {
                Ok(())
            } else {
                write_atomic(&run.config_path(), config.to_toml().as_bytes())
            }
        };
        if checkpoints.steps()?.is_empty() {
            let config = options.prolonged(&run, &found, 0)?;
            let learned = start::begin(&config, stage.dims, &stage.device)?;
            write(&config)?;
            return Self::assemble(config, run, lock, stage, learned);
        }
        let (info, mut learned) = checkpoints.latest(&stage.device)?;
        let config = options.prolonged(&run, &found, info.step)?;
        check_config(&run, &config, &info)?;
        stage.data.expect(&info.data, run.path(), options.allow_other_data)?;
        warn_of_other_program(&run, &info.provenance);
        if info.dims != stage.dims {
            return Err(Error::config(
                "data",
                format!("gives {:?}, the checkpoint was made with {:?}", stage.dims, info.dims),
                "use the data the run was started with",
            ));
        }
        // A cut between a checkpoint and its clean-up.
        checkpoints.rotate(learned.progress.step)?;
        write(&config)?;
        if run.finished() && info.step < config.train.steps {
            set_results_aside(&run, info.config.train.steps)?;
        }
        let prolonged = info.step == info.config.train.steps && info.step < config.train.steps;
        if prolonged {
            // What only a last step leaves behind is taken back, what it leaves out is made good below.
            learned.progress.metrics_bytes =
                bytes_of_going_on(&run.metrics_path(), info.step, config.train.log_every)?;
        }
        let mut trainer = Self::assemble(config, run, lock, stage, learned)?;
        if prolonged {
            trainer.meta_test_if_due(&mut |_| {})?;
        }
        Ok(trainer)
    }

    fn assemble(
        config: RunConfig,
        run: RunDir,
        lock: RunLock,
        stage: Stage,
        learned: Learned,
    ) -> Result<Self> {
        let Learned { model, average, optimizer, progress } = learned;
        let metrics = RunLog::open(&run, progress.metrics_bytes)?;
        let checkpoints = run.checkpoints(config.train.keep_checkpoints);
        let Stage { dims, device, batches, tests, data } = stage;
        Ok(Self {
            config,
            run,
            dims,
            device,
            model,
            average,
            optimizer,
            step: progress.step,
            batches,
            tests,
            data,
            metrics,
            checkpoints,
            clock: None,
            _lock: lock,
        })
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

    /// The model as it is used now: with the average of its weights, if the run has one.
    pub fn model(&self) -> Model {
        let model = self.model.valid();
        match &self.average {
            Some(average) => average.applied(model),
            None => model,
        }
    }

    /// The sizes the model was built for.
    pub fn dims(&self) -> Dims {
        self.dims
    }

    /// What makes the run's batches; batch `step` is that of the step after `step`.
    pub fn batches(&self) -> &Arc<BatchSource> {
        &self.batches
    }

    /// Runs the remaining steps. When `stop` is raised, the current step is finished and saved.
    ///
    /// # Errors
    /// [`Error::Diverged`] at the first NaN or Inf, with the last good checkpoint kept; [`Error::Io`].
    pub fn train(&mut self, stop: &AtomicBool, on_event: &mut dyn FnMut(Event)) -> Result<Ended> {
        let mut batches = Prefetch::new(Arc::clone(&self.batches), self.step..self.config.train.steps);
        while self.step < self.config.train.steps {
            let batch = batches.next()?;
            let ended = self.advance(&batch, stop, on_event)?;
            batches.recycle(batch);
            if let Some(ended) = ended {
                return Ok(ended);
            }
        }
        Ok(Ended::Finished)
    }

    /// Runs the next step, on `batch`, and what is due after it: logging, meta-tests, a checkpoint. Returns how the
    /// run ended, if it did.
    ///
    /// # Errors
    /// As [`Trainer::train`].
    pub fn advance(
        &mut self,
        batch: &Batch,
        stop: &AtomicBool,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Option<Ended>> {
        let train = &self.config.train;
        let mut clock = match self.clock.take() {
            Some(clock) => clock,
            None => Clock::start(&self.run, self.step)?,
        };
        let step = self.step + 1;
        let lr = train.lr_at(step);
        let split = (train.queries > 0).then(|| {
            let context = split::context(self.config.seed, step, batch.episode_length(), train.queries);
            Batch { context, ..batch.part(0..context + train.queries) }
        });
        let batch = split.as_ref().unwrap_or(batch);
        let (model, outcome) =
            meta_train_step(self.model.clone(), &mut self.optimizer, batch, train, lr, &self.device);
        check_finite(step, &outcome, &self.checkpoints)?;
        self.model = model;
        if let Some(average) = &mut self.average {
            average.update(&self.model, train.average, step);
        }
        self.step = step;
        let (accuracy_first, accuracy_last) = first_and_last(&outcome, &batch.predicted());
        let StepOutcome { loss, grad_norm, .. } = outcome;
        let last = step == train.steps;
        if last || step.is_multiple_of(train.log_every) {
            let [loss_biased, loss_unbiased] = self.losses_by_bias(batch, &outcome.logits);
            let line = Metric::Train {
                step,
                loss,
                loss_biased,
                loss_unbiased,
                accuracy_first,
                accuracy_last,
                lr,
                grad_norm,
            };
            self.metrics.write(&line)?;
            clock.log(step, train.batch)?;
        }
        self.clock = Some(clock);
        on_event(Event::Step { step, loss, accuracy_first, accuracy_last });
        if !last {
            self.meta_test_if_due(on_event)?;
        }
        let stopped = stop.load(Ordering::Relaxed);
        if last || stopped || step.is_multiple_of(self.config.train.checkpoint_every) {
            self.save()?;
            on_event(Event::Checkpoint { step });
        }
        Ok(if last { Some(Ended::Finished) } else { stopped.then_some(Ended::Stopped { step }) })
    }

    /// Of a run with a bias, the mean cross-entropy of the newest batch's biased episodes and of the others, each where there are
    /// some.
    fn losses_by_bias(&self, batch: &Batch, logits: &Tensor<3>) -> [Option<f64>; 2] {
        if !self.batches.has_bias() {
            return [None; 2];
        }
        let biased = self.batches.biased(self.step - 1, &batch.tasks);
        let labels = label_tensor(&batch.predicted(), batch.len(), &self.device);
        let losses = host(gpicl_ops::cross_entropy(logits.clone(), labels).mean_dim(1));
        [true, false].map(|part| {
            let of_part = losses.iter().zip(&biased).filter(|(_, biased)| **biased == part);
            let of_part: Vec<f64> = of_part.map(|(loss, _)| f64::from(*loss)).collect();
            (!of_part.is_empty()).then(|| of_part.iter().sum::<f64>() / of_part.len() as f64)
        })
    }

    /// The meta-test on validation data that is due after this step, if one is.
    fn meta_test_if_due(&mut self, on_event: &mut dyn FnMut(Event)) -> Result<()> {
        let (step, every) = (self.step, self.config.eval.every);
        if every == 0 || !step.is_multiple_of(every) {
            return Ok(());
        }
        let sample = Sample::episodes(self.config.eval.episodes);
        for curve in self.meta_test_on(&self.tests.made(&self.trained(), Split::Validation)?, sample)? {
            let (set, summary) = (curve.label.clone(), curve.summary());
            self.metrics.write(&Metric::Eval { step, set: set.clone(), summary })?;
            on_event(Event::Eval { step, set, summary });
        }
        Ok(())
    }

    /// The learning curve on each of the run's sets: seen tasks, unseen tasks over the split that the configuration names,
    /// the other data sets, then unseen tasks over meta-training's examples.
    ///
    /// # Errors
    /// As [`meta_test`].
    pub fn meta_test(&self, sample: Sample) -> Result<Vec<LearningCurve>> {
        self.meta_test_on(&self.final_sets()?, sample)
    }

    /// The control: the learning curves of the network as it was initialised, on those of `sets` whose examples meta-training
    /// did not see.
    ///
    /// # Errors
    /// As [`meta_test`].
    pub fn untrained(&self, sets: &[TestSet], sample: Sample) -> Result<Vec<LearningCurve>> {
        let (config, device) = (&self.config, self.device.clone().inner());
        let model = config.model.init(self.dims, config.precision, config.seed, &device)?;
        let unseen = sets.iter().filter(|set| !set.of_training());
        unseen.map(|set| Ok(meta_test(&model, set, sample, &device)?.of_untrained())).collect()
    }

    /// The sets of [`Trainer::meta_test`].
    ///
    /// # Errors
    /// None, once the run has begun: they were made then.
    pub fn final_sets(&self) -> Result<Vec<TestSet>> {
        self.tests.last(&self.trained(), self.config.eval.split)
    }

    /// The learning curve on each of `sets`.
    ///
    /// # Errors
    /// As [`meta_test`].
    pub fn meta_test_on(&self, sets: &[TestSet], sample: Sample) -> Result<Vec<LearningCurve>> {
        let model = self.model();
        sets.iter().map(|set| meta_test(&model, set, sample, &self.device.clone().inner())).collect()
    }

    /// What is meta-trained so far.
    fn trained(&self) -> Trained {
        let Self { config, tests, step, .. } = self;
        let batch = config.train.batch;
        Trained { source: Arc::clone(&tests.source), seed: config.seed, batch, steps: *step }
    }

    fn save(&mut self) -> Result<()> {
        let info = CheckpointInfo {
            step: self.step,
            dims: self.dims,
            config: self.config.clone(),
            data: self.data.clone(),
            provenance: Provenance::current(),
        };
        let bytes = self.metrics.synced_bytes()?;
        self.checkpoints.save(&info, &self.model, self.average.as_ref(), &self.optimizer, bytes)?;
        Ok(())
    }
}

/// What a config stands for, loaded: device, sizes, batches, test sets.
struct Stage {
    dims: Dims,
    device: Device,
    batches: Arc<BatchSource>,
    tests: Tests,
    data: Fingerprints,
}

/// What the run's test sets are made of.
#[derive(Debug)]
struct Tests {
    dims: Dims,
    seed: u64,
    /// What meta-training draws from.
    source: Arc<dyn Source>,
    splits: Vec<SourceSplits>,
    /// How tasks are made of the other data sets.
    tasks: TasksConfig,
    /// The other data sets, with their validation and their test split.
    others: Vec<(DataConfig, [Arc<Dataset>; 2])>,
    /// Other tasks, and the held-out examples that they are made of.
    changes: Option<(Vec<TasksChange>, Arc<Dataset>)>,
}

impl Tests {
    /// The sets, after as much meta-training as `trained` says.
    fn made(&self, trained: &Trained, split: Split) -> Result<Vec<TestSet>> {
        let Self { dims, seed, tasks, .. } = self;
        let mut sets = TestSet::meta_training(&self.splits, trained, *seed, split);
        for (number, (config, [validation, test])) in self.others.iter().enumerate() {
            let data = if split == Split::Test { test } else { validation };
            let set = TestSet::unseen_beside(&sets, tasks, *seed, *dims, config, (data, split));
            sets.push(set.map_err(|error| error.of_data(&format!("eval.data[{number}]")))?);
        }
        Ok(sets)
    }

    /// Those, other tasks, and unseen tasks over the meta-training examples, for the end.
    fn last(&self, trained: &Trained, split: Split) -> Result<Vec<TestSet>> {
        let mut sets = self.made(trained, split)?;
        if let Some((changes, held_out)) = &self.changes {
            let of = (held_out, split);
            sets.extend(TestSet::of_changes(changes, &self.tasks, self.seed, self.dims, of)?);
        }
        sets.extend(TestSet::of_training_examples(&self.splits, self.seed));
        Ok(sets)
    }
}

impl Stage {
    fn load(config: &RunConfig, library: &Library) -> Result<Self> {
        config.validate()?;
        let device = config.device()?.autodiff();
        let components = config.components();
        let sources = load_sources(&components, None, library)?;
        let source = SourceSplits::together(&sources)?;
        let dims = episode_dims(&*source);
        config.train.validate_batch(dims)?;
        let others = config.eval.data.iter().enumerate().map(|(number, data)| {
            let splits = library.splits(data);
            let [_, validation, test] =
                splits.map_err(|error| error.of_data(&format!("eval.data[{number}]")))?;
            Ok((data.clone(), [validation, test]))
        });
        let others: Vec<(DataConfig, [Arc<Dataset>; 2])> = others.collect::<Result<_>>()?;
        let mut data = SourceSplits::fingerprints(&sources);
        for (config, [validation, test]) in &others {
            data.insert_other(config, Split::Validation, validation);
            data.insert_other(config, Split::Test, test);
        }
        if config.precision == Precision::Bf16 && !config.model.has_bf16() {
            tracing::warn!(
                "precision=bf16: the architecture `{}` computes in fp32 all the same",
                config.model.kind()
            );
        }
        let tests = Tests {
            dims,
            seed: config.eval.seed(),
            source: Arc::clone(&source),
            splits: sources,
            tasks: components[0].source.tasks(),
            others,
            changes: config.changed_tasks(library, config.eval.split)?,
        };
        // A set that cannot be made is better known before the first step.
        let (seed, batch) = (config.seed, config.train.batch);
        let trained = Trained { source: Arc::clone(&source), seed, batch, steps: 0 };
        let mut sets = tests.last(&trained, config.eval.split)?;
        if config.eval.every > 0 {
            sets.extend(tests.made(&trained, Split::Validation)?);
        }
        warn_of_copies(&sets, &components);
        config.train.validate_split(dims.episode_length)?;
        let batches = BatchSource::new(source, config.train.batch, Mode::MetaTrain, config.seed)?;
        Ok(Self { dims, device, batches: Arc::new(batches), tests, data })
    }
}

/// Says of which sets an episode has more examples than there are, where nobody asked for replacement.
fn warn_of_copies(sets: &[TestSet], components: &[Component]) {
    if components.iter().any(|it| it.source.tasks().replacement) {
        return;
    }
    for set in sets.iter().filter(|set| set.replacement()) {
        tracing::warn!(
            "{}: fewer examples than an episode has, so they are drawn with replacement: a query can stand in its own context, \
             and accuracy is too high",
            set.label
        );
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
