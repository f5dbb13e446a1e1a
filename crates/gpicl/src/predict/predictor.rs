//! A meta-trained model that predicts from labelled rows.

use std::path::Path;

use burn::module::Module as _;
use burn::tensor::{Device, Tensor};
use rayon::prelude::*;

use super::codes;
use super::features::Features;
use super::reader::{Asked, Reader, Rows};
use super::temperature;
use super::view::{View, rates};
use crate::data::columns::Encoder;
use crate::data::table::{Table, TableConfig};
use crate::device::DeviceKind;
use crate::error::{Error, Result};
use crate::models::{Model, SequenceModel as _};
use crate::rng::{Rng, Stream};
use crate::tasks::{host, label_tensor};
use crate::train::{CheckpointInfo, built_in, checkpoint_path, load_weights};

/// How predictions are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PredictConfig {
    /// Random projections (with label slots, orders and subsets) that are averaged.
    pub ensemble: usize,
    /// Seed of them.
    pub seed: u64,
    /// Whether every other member that reads tables also sees what regressions say of a row (`docs/method.md`).
    pub stack: bool,
}

impl PredictConfig {
    /// Most members of an ensemble: all keep what they read.
    pub const MOST: usize = 1024;

    /// Checks the number of members, as an argument of the command.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub(super) fn validate(&self) -> Result<()> {
        let problem = || format!("is {}", self.ensemble);
        match self.ensemble {
            0 => Err(Error::config("--ensemble", problem(), "give at least 1")),
            1..=Self::MOST => Ok(()),
            _ => Err(Error::config("--ensemble", problem(), format!("give at most {}", Self::MOST))),
        }
    }
}

impl Default for PredictConfig {
    fn default() -> Self {
        Self { ensemble: 8, seed: 0, stack: true }
    }
}

/// Labelled rows.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// `[n, features]`, row-major; NaN where a number is missing.
    pub features: &'a [f64],
    /// `[n]`, each below `classes`.
    pub labels: &'a [u32],
    /// Number of classes.
    pub classes: usize,
}

/// A meta-trained model that predicts from labelled rows.
#[derive(Debug)]
pub struct Predictor {
    model: Model,
    info: CheckpointInfo,
    device: Device,
}

impl Predictor {
    /// Most queries that a core answers at a time.
    pub const MOST_AT_A_TIME: usize = 1024;

    /// Fewest, where there are as many: fewer would have long keys and values of a context copied for little.
    const LEAST_AT_A_TIME: usize = 128;

    /// Tokens that they are, between the two: more would go to memory and back at every layer.
    const TOKENS: usize = 4096;

    /// Most contexts, or lots of queries, that the cores share before whoever watches is asked.
    const PARTS: usize = 32;

    /// Most numbers of rows that members read at the same time, if they are several.
    const READ_TOGETHER: usize = 1 << 16;

    /// Most numbers of standardised queries, if they are not the fewest.
    const STANDARDISED: usize = 1 << 22;

    /// Queries that a core standardises at a time.
    const PREPARED: usize = 64;

    /// Most classes where members tell groups of them apart.
    const MOST_CLASSES: usize = 1000;

    /// Most labelled rows that a member reads where the model sets no bound: attention to more costs more time than it is worth.
    const MOST_ROWS: usize = 1024;

    /// Loads a checkpoint file, or a run's newest one, onto the CPU.
    ///
    /// # Errors
    /// As [`checkpoint_path`] and [`load_weights`].
    pub fn load(path: &Path) -> Result<Self> {
        let path = &checkpoint_path(path)?;
        let device = DeviceKind::Cpu.device()?;
        let (info, model) = load_weights(path, &device)?;
        Ok(Self { model: model.valid(), info, device })
    }

    /// The learner for tables that comes with the program (`learners/tables.md`), on the CPU.
    ///
    /// # Errors
    /// None in a whole program.
    pub fn built_in() -> Result<Self> {
        let device = DeviceKind::Cpu.device()?;
        let (info, model) = built_in(&device)?;
        Ok(Self { model: model.valid(), info, device })
    }

    /// What the checkpoint says about itself.
    pub fn info(&self) -> &CheckpointInfo {
        &self.info
    }

    /// Whether its predictions depend on the labelled rows: an architecture without a state cannot learn from them.
    pub fn learns(&self) -> bool {
        self.model.state_size(self.info.dims.episode_length) > 0
    }

    /// Most classes that it tells apart: as many as it has label slots, but for a model that reads tables, whose members tell
    /// groups of classes apart.
    pub fn most_classes(&self) -> usize {
        if self.info.config.model.reads_tables() { Self::MOST_CLASSES } else { self.info.dims.classes }
    }

    /// Most features that a member looks at: all where they are projected.
    pub fn most_features(&self) -> usize {
        if self.info.config.model.reads_tables() { View::MOST_FEATURES } else { usize::MAX }
    }

    /// How the columns of `table`, but that of the `label`, become numbers for it. A model that reads tables reads a code of a category
    /// of two values, and of those of the most values where a row would have more numbers than a member looks at.
    ///
    /// # Errors
    /// As [`Encoder::fit`].
    pub fn encoder(&self, table: &Table, label: usize, config: &TableConfig) -> Result<Encoder> {
        let encoder = Encoder::fit(table, label, config)?;
        Ok(if self.info.config.model.reads_tables() {
            encoder.narrowed(View::MOST_FEATURES)
        } else {
            encoder
        })
    }

    /// Fewest members of an ensemble that tell `classes` classes apart.
    pub fn least_ensemble(&self, classes: usize) -> usize {
        codes::least_members(classes, self.info.dims.classes)
    }

    /// Class probabilities `[queries, classes]` of `queries` `[queries, features]`.
    ///
    /// Features are standardised by the context's mean and deviation, and end at [`CLIP`](super::CLIP) deviations; a
    /// missing number becomes the mean, or is told as missing to a model that reads tables, and a feature that is constant or
    /// empty in the context is left out. If the context
    /// has more rows than the model reads, every member of the ensemble gets another subset, with as many rows of each
    /// class as there are, and its probabilities are corrected by the classes' shares of all rows. Mean and deviation are
    /// those of all rows, each by how often it is read. A model that reads tables is first asked of held-out rows of the context, whose
    /// labels say by what temperature its probabilities are raised or lowered.
    ///
    /// # Errors
    /// [`Error::Argument`] for sizes that do not fit, one class only, more classes than the model has slots, a context
    /// whose features are all constant or empty.
    pub fn predict(&self, context: Context<'_>, queries: &[f64], config: &PredictConfig) -> Result<Vec<f32>> {
        self.predict_watched(context, queries, config, &mut |_, _| {})
    }

    /// [`Predictor::predict`] that says as it goes how many answers it has, and of how many: each member answers each query. It
    /// says so again where none came to them, so that whoever listens can end the work.
    ///
    /// # Errors
    /// As [`Predictor::predict`].
    pub fn predict_watched(
        &self,
        context: Context<'_>,
        queries: &[f64],
        config: &PredictConfig,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<f32>> {
        let width = self.check(context, queries, config)?;
        let tables = self.info.config.model.reads_tables();
        let most = if tables { Self::MOST_ROWS } else { self.info.dims.episode_length - 1 };
        let rates = rates(context.labels, context.classes, most);
        let weights = context.labels.iter().map(|&label| rates[label as usize]);
        let features = Features::fit(context.features, width, weights);
        if features.count() == 0 {
            return Err(Error::argument("predict", "every feature of the context is constant or empty"));
        }
        let known = features.apply(context.features, tables);
        let (dims, classes) = (self.info.dims, context.classes);
        let rows = Rows { features: &known, width: features.count(), labels: context.labels, classes };
        let all: Vec<usize> = (0..context.labels.len()).collect();
        let count = queries.len() / width;
        let mut views: Vec<View> = (0..config.ensemble as u64)
            .map(|member| {
                let view = if tables { View::ordered } else { View::projected };
                let mut view = view(dims, config.seed, member, features.count(), classes);
                view.stacked &= config.stack;
                view
            })
            .collect();
        let mut probabilities = vec![0.0; count * classes];
        let mut answers = 0;
        let mut recipes = Vec::with_capacity(views.len());
        // Members that read tables may have classes share slots, and tell them apart all together.
        let groups = views.chunks(if tables { config.ensemble } else { 1 });
        let number_of_groups = groups.len() as f32;
        for views in groups {
            let readers =
                self.read(views, &all, &rows, most, &mut || progress(answers, count * config.ensemble));
            recipes.extend(readers.iter().map(Reader::recipe));
            let widest = readers.iter().map(Reader::width).max().expect("there are members");
            let at_a_time = self.queries_at_a_time(widest);
            let together = (Self::PARTS.div_ceil(views.len()) * at_a_time)
                .min(Self::STANDARDISED / width)
                .max(at_a_time);
            for (queries, out) in
                queries.chunks(together * width).zip(probabilities.chunks_mut(together * classes))
            {
                let standardise = |rows: &[f64]| features.apply(rows, tables);
                let queries: Vec<f32> =
                    queries.par_chunks(Self::PREPARED * width).flat_map_iter(standardise).collect();
                self.ask(&readers, &queries, features.count(), out, &mut |found| {
                    answers += found;
                    progress(answers, count * config.ensemble);
                });
            }
        }
        // Each group of members added its mean.
        probabilities.iter_mut().for_each(|p| *p /= number_of_groups);
        if tables {
            views.iter_mut().zip(recipes).for_each(|(view, recipe)| view.recipe = recipe);
            let look = &mut || progress(answers, count * config.ensemble);
            let temperature = self.temperature(&views, &rows, most, config.seed, look);
            temperature::apply(temperature, &mut probabilities, classes);
        }
        Ok(probabilities)
    }

    /// What every member makes of rows `chosen` as a context, of which it reads `most`; `look` is called after each few of them.
    fn read<'v>(
        &self,
        views: &'v [View],
        chosen: &[usize],
        rows: &Rows<'_>,
        most: usize,
        look: &mut dyn FnMut(),
    ) -> Vec<Reader<'v>> {
        let asked = Asked::of(rows, chosen, most);
        let shared = asked.shared(views);
        let read = |view: &'v View| {
            let choice = asked.choose(view);
            let stacked = (view.stacked && asked.has_stack)
                .then(|| shared.clone().unwrap_or_else(|| asked.stacked(&choice, view.recipe)));
            let inputs = asked.inputs(view, &choice, stacked.as_deref());
            let labels: Vec<u32> =
                choice.rows.iter().map(|&at| view.slots[asked.label(at) as usize]).collect();
            let weights = choice.weights(&view.slots, self.info.dims.classes);
            let (labels, inputs) =
                (label_tensor(&labels, 1, &self.device), self.inputs(&inputs, choice.rows.len()));
            Reader { view, stacked, state: self.model.read(inputs, labels), weights }
        };
        let width = views.iter().map(|view| view.width_with(rows.classes)).max().expect("there are members");
        let numbers = chosen.len().min(most) * width;
        let mut readers = Vec::with_capacity(views.len());
        for views in views.chunks((Self::READ_TOGETHER / numbers).clamp(1, Self::PARTS)) {
            readers.par_extend(views.par_iter().map(read));
            look();
        }
        readers
    }

    /// By how much all members together are too sure, or not sure enough, of rows that they are not shown.
    fn temperature(
        &self,
        views: &[View],
        rows: &Rows<'_>,
        most: usize,
        seed: u64,
        look: &mut dyn FnMut(),
    ) -> f64 {
        let mut order: Vec<usize> = (0..rows.labels.len()).collect();
        Rng::new(seed, Stream::HeldOut, 0).shuffle(&mut order);
        let mut held_out = Vec::new();
        for fold in temperature::folds(order.len()) {
            let rest: Vec<usize> = [&order[..fold.start], &order[fold.end..]].concat();
            let known = |label: u32| rest.iter().any(|&row| rows.labels[row] == label);
            let asked: Vec<usize> =
                order[fold].iter().copied().filter(|&row| known(rows.labels[row])).collect();
            if asked.is_empty() {
                continue;
            }
            let readers = self.read(views, &rest, rows, most, look);
            let queries: Vec<f32> = asked.iter().flat_map(|&row| rows.row(row)).copied().collect();
            let mut found = vec![0.0; asked.len() * rows.classes];
            self.ask(&readers, &queries, rows.width, &mut found, &mut |_| look());
            let labels = asked.iter().map(|&row| rows.labels[row]);
            held_out.extend(found.chunks_exact(rows.classes).map(<[f32]>::to_vec).zip(labels));
        }
        temperature::fit(&held_out)
    }

    /// Queries of `width` numbers that a core answers at a time.
    fn queries_at_a_time(&self, width: usize) -> usize {
        let tokens = self.info.config.model.tokens(width);
        (Self::TOKENS / tokens).clamp(Self::LEAST_AT_A_TIME, Self::MOST_AT_A_TIME)
    }

    /// Adds the class probabilities of standardised `queries` `[queries, width]` by all members together to `out`. Each core answers
    /// queries of its own; `heard` is called with the number of answers after each few lots of them.
    fn ask(
        &self,
        readers: &[Reader<'_>],
        queries: &[f32],
        width: usize,
        out: &mut [f32],
        heard: &mut dyn FnMut(usize),
    ) {
        let (slots, count) = (self.info.dims.classes, queries.len() / width);
        let widest = readers.iter().map(Reader::width).max().expect("there are members");
        let at_a_time = self.queries_at_a_time(widest);
        let told = Reader::told(readers, queries, width, Self::PREPARED);
        let parts = readers.iter().zip(&told).flat_map(|(reader, told)| {
            let lots = queries.chunks(at_a_time * width).enumerate();
            lots.map(move |(lot, queries)| (reader, &told[lot * at_a_time * reader.told_width()..], queries))
        });
        let answer = |(reader, told, queries): &(&Reader<'_>, &[f32], &[f32])| {
            let inputs = reader.inputs(queries, told, width);
            host(self.model.answer(&reader.state, self.inputs(&inputs, queries.len() / width)))
        };
        let parts: Vec<_> = parts.collect();
        let mut logits = Vec::with_capacity(readers.len() * count * slots);
        let tokens = at_a_time * self.info.config.model.tokens(widest);
        for parts in parts.chunks((Self::PARTS * Self::TOKENS / tokens).clamp(1, Self::PARTS)) {
            let answers: Vec<Vec<f32>> = parts.par_iter().map(answer).collect();
            let before = logits.len();
            logits.extend(answers.into_iter().flatten());
            heard((logits.len() - before) / slots);
        }
        let classes = readers[0].view.slots.len();
        for (query, out) in out.chunks_exact_mut(classes).enumerate() {
            let members: Vec<_> = readers
                .iter()
                .enumerate()
                .map(|(number, Reader { view, weights, .. })| {
                    let logits = &logits[(number * count + query) * slots..][..slots];
                    (&*view.slots, probabilities(logits, weights))
                })
                .collect();
            codes::classes(&members, out);
        }
    }

    /// `numbers`, the `rows` of a member, as the inputs of an episode `[1, rows, width]`.
    fn inputs(&self, numbers: &[f32], rows: usize) -> Tensor<3> {
        gpicl_ops::upload(numbers, [1, rows, numbers.len() / rows], &self.device)
    }

    /// Checks every size; returns the number of features.
    fn check(&self, context: Context<'_>, queries: &[f64], config: &PredictConfig) -> Result<usize> {
        let fail = |problem: String| Err(Error::argument("predict", problem));
        let Context { features, labels, classes } = context;
        if labels.is_empty() || features.is_empty() || !features.len().is_multiple_of(labels.len()) {
            return fail(format!("{} numbers for {} labelled rows", features.len(), labels.len()));
        }
        let width = features.len() / labels.len();
        if !queries.len().is_multiple_of(width) {
            return fail(format!("{} numbers in the queries are no whole rows of {width}", queries.len()));
        }
        if let Some(label) = labels.iter().find(|&&label| label as usize >= classes) {
            return fail(format!("label {label} with {classes} classes"));
        }
        let most = self.most_classes();
        if !(2..=most).contains(&classes) {
            return fail(format!("{classes} classes; this checkpoint takes 2 to {most}"));
        }
        let least = self.least_ensemble(classes);
        if config.ensemble < least {
            let ensemble = config.ensemble;
            return fail(format!("an ensemble of {ensemble} for {classes} classes; give at least {least}"));
        }
        if config.ensemble > PredictConfig::MOST {
            return fail(format!("an ensemble of {}; give at most {}", config.ensemble, PredictConfig::MOST));
        }
        Ok(width)
    }
}

/// The softmax of `logits`, each slot `weights` times as likely; 0 where the weight is.
fn probabilities(logits: &[f32], weights: &[f32]) -> Vec<f32> {
    let shifted: Vec<f32> = logits.iter().zip(weights).map(|(logit, weight)| logit + weight.ln()).collect();
    let top = shifted.iter().copied().fold(f32::MIN, f32::max);
    let odds: Vec<f32> = shifted.iter().map(|logit| (logit - top).exp()).collect();
    let total: f32 = odds.iter().sum();
    odds.into_iter().map(|odds| odds / total).collect()
}
