//! A checkpoint as a classifier for somebody's table: the labelled rows are the context, no gradient step.

mod table;

use std::path::Path;

use burn::module::Module as _;
use burn::tensor::{Device, Tensor};
use gpicl_ops::cpu::project::RandomMatrix;

use crate::device::DeviceKind;
use crate::error::{Error, Result};
use crate::models::{Dims, Model, ModelState, SequenceModel as _};
use crate::rng::{Rng, Stream};
use crate::tasks::{TaskId, host, label_tensor, permutation, random_matrix};
use crate::train::{CheckpointInfo, checkpoint_path, load_weights};

pub use table::{PredictReport, predict_table};

/// How predictions are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PredictConfig {
    /// Random projections (with label slots, orders and subsets) that are averaged.
    pub ensemble: usize,
    /// Seed of them.
    pub seed: u64,
}

impl Default for PredictConfig {
    fn default() -> Self {
        Self { ensemble: 8, seed: 0 }
    }
}

/// Labelled rows.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// `[n, features]`, row-major; NaN where a number is missing.
    pub features: &'a [f32],
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
    /// Queries that are answered together: enough to keep every core busy, few enough to stay small in memory.
    pub const TOGETHER: usize = 1024;

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

    /// What the checkpoint says about itself.
    pub fn info(&self) -> &CheckpointInfo {
        &self.info
    }

    /// Class probabilities `[queries, classes]` of `queries` `[queries, features]`.
    ///
    /// Features are standardised by the context's mean and deviation; a missing number becomes the mean. If
    /// the context has more rows than the model reads, every member of the ensemble gets another subset with
    /// the classes' shares kept.
    ///
    /// # Errors
    /// [`Error::Argument`] for sizes that do not fit, one class only, more classes than the model has slots.
    pub fn predict(&self, context: Context<'_>, queries: &[f32], config: &PredictConfig) -> Result<Vec<f32>> {
        let features = self.check(context, queries, config)?;
        let standard = Standardisation::fit(context.features, features);
        let (known, asked) = (standard.apply(context.features), standard.apply(queries));
        let count = asked.len() / features;
        let mut probabilities = vec![0.0; count * context.classes];
        for member in 0..config.ensemble as u64 {
            let view = View::new(self.info.dims, config.seed, member, features, context.classes);
            let rows = view.choose(context, self.info.dims.episode_length - 1);
            let known = view.project(&known, features, Some(&rows));
            let labels: Vec<u32> = rows.iter().map(|&row| view.slots[context.labels[row] as usize]).collect();
            let asked = view.project(&asked, features, None);
            let state = self.model.read(self.inputs(&known), label_tensor(&labels, 1, &self.device));
            for (queries, out) in asked
                .chunks(Self::TOGETHER * self.info.dims.input_dim)
                .zip(probabilities.chunks_mut(Self::TOGETHER * context.classes))
            {
                self.answer(&state, queries, &view.slots, out);
            }
        }
        let share = 1.0 / config.ensemble as f32;
        probabilities.iter_mut().for_each(|p| *p *= share);
        Ok(probabilities)
    }

    /// `numbers` `[count, input_dim]` as the inputs of one episode, `[1, count, input_dim]`.
    fn inputs(&self, numbers: &[f32]) -> Tensor<3> {
        let input_dim = self.info.dims.input_dim;
        gpicl_ops::upload(numbers, [1, numbers.len() / input_dim, input_dim], &self.device)
    }

    /// Adds the queries' class probabilities to `out`.
    fn answer(&self, state: &ModelState, queries: &[f32], slots: &[u32], out: &mut [f32]) {
        let classes = self.info.dims.classes;
        let logits = self.model.answer(state, self.inputs(queries));
        for (row, out) in host(logits).chunks_exact(classes).zip(out.chunks_exact_mut(slots.len())) {
            let logits: Vec<f32> = slots.iter().map(|&slot| row[slot as usize]).collect();
            let top = logits.iter().copied().fold(f32::MIN, f32::max);
            let weights: Vec<f32> = logits.iter().map(|logit| (logit - top).exp()).collect();
            let total: f32 = weights.iter().sum();
            for (out, weight) in out.iter_mut().zip(weights) {
                *out += weight / total;
            }
        }
    }

    /// Checks every size; returns the number of features.
    fn check(&self, context: Context<'_>, queries: &[f32], config: &PredictConfig) -> Result<usize> {
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
        let slots = self.info.dims.classes;
        if !(2..=slots).contains(&classes) {
            return fail(format!("{classes} classes; this checkpoint takes 2 to {slots}"));
        }
        if config.ensemble == 0 {
            return fail("an ensemble of 0; give at least 1".into());
        }
        Ok(width)
    }
}

/// Mean and deviation of each feature over the context, missing numbers left out.
struct Standardisation {
    mean: Vec<f32>,
    std: Vec<f32>,
}

impl Standardisation {
    fn fit(rows: &[f32], features: usize) -> Self {
        let mut standard = Self { mean: Vec::new(), std: Vec::new() };
        for feature in 0..features {
            let present: Vec<f64> = rows[feature..]
                .iter()
                .step_by(features)
                .filter(|x| x.is_finite())
                .map(|&x| f64::from(x))
                .collect();
            let count = present.len().max(1) as f64;
            let mean = present.iter().sum::<f64>() / count;
            let variance = present.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
            standard.mean.push(mean as f32);
            standard.std.push(if variance > 1e-12 { variance.sqrt() as f32 } else { 1.0 });
        }
        standard
    }

    fn apply(&self, rows: &[f32]) -> Vec<f32> {
        let statistics = self.mean.iter().zip(&self.std).cycle();
        rows.iter().zip(statistics).map(|(x, (m, s))| if x.is_finite() { (x - m) / s } else { 0.0 }).collect()
    }
}

/// How one member of the ensemble looks at the table.
struct View {
    /// `[input_dim, features]`.
    projection: RandomMatrix,
    /// The label slot of every class.
    slots: Vec<u32>,
    rng: Rng,
}

impl View {
    fn new(dims: Dims, seed: u64, member: u64, features: usize, classes: usize) -> Self {
        let task = TaskId::unseen(member).key();
        Self {
            projection: random_matrix(seed, task, dims.input_dim, features),
            slots: permutation(seed, task, classes, dims.classes),
            rng: Rng::new(seed, Stream::Context, member),
        }
    }

    /// The rows that become the context, in random order: all, or `most` with the classes' shares kept.
    fn choose(&self, context: Context<'_>, most: usize) -> Vec<usize> {
        let mut rng = self.rng.clone();
        let mut order: Vec<usize> = (0..context.labels.len()).collect();
        rng.shuffle(&mut order);
        if order.len() <= most {
            return order;
        }
        // Every class's rows are spread evenly over the order; its first `most` have the shares of the whole.
        let mut seen = vec![0_usize; context.classes];
        let totals = context.labels.iter().fold(vec![0_usize; context.classes], |mut totals, &label| {
            totals[label as usize] += 1;
            totals
        });
        let mut ranked: Vec<(f64, usize)> = order
            .into_iter()
            .map(|row| {
                let class = context.labels[row] as usize;
                seen[class] += 1;
                ((seen[class] as f64 - f64::from(rng.uniform())) / totals[class] as f64, row)
            })
            .collect();
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut chosen: Vec<usize> = ranked.into_iter().take(most).map(|(_, row)| row).collect();
        rng.shuffle(&mut chosen);
        chosen
    }

    /// `rows` of `[n, features]` (all if `None`) projected to `[rows, input_dim]`.
    fn project(&self, numbers: &[f32], features: usize, rows: Option<&[usize]>) -> Vec<f32> {
        let row = |i: usize| &numbers[i * features..(i + 1) * features];
        let count = rows.map_or(numbers.len() / features, <[usize]>::len);
        let rows = (0..count).map(|at| row(rows.map_or(at, |rows| rows[at])));
        let mut out = vec![0.0; count * self.projection.out_dim];
        self.projection.project(rows, None, &mut out);
        out
    }
}
