//! Tables drawn from a prior: a source of episodes that needs no data set.
//!
//! A task is a function and the columns that its table has, a pure function of (seed, k); a draw decides the rows. Families
//! of functions stand in a file each ([`families`] lists them). A family makes features and what the label is read from
//! ([`function`]); [`labels`] makes classes of that, [`columns`] and [`missing`] make of the features what tables have.
//! All of it is made column by column ([`rows`]).

mod activation;
mod causal;
mod chance;
mod columns;
mod config;
mod families;
mod function;
mod gaussians;
mod inputs;
mod interactions;
mod labels;
mod levels;
mod linear;
mod missing;
mod network;
mod prototypes;
mod rows;
mod smooth;
mod trees;

use std::fmt;

use super::source::{Identity, Source};
use super::task::{Draw, TaskId};
use crate::data::Split;
use crate::error::{Error, Result};
use crate::rng::{Rng, Stream};
use chance::{branch, distinct, log_count, weighted};
use columns::Plan;
use function::Shape;
use rows::{Column, PROBES, Rows};

pub use config::PriorConfig;
pub use families::Families;

/// The prior over one split: train, validation and test have the same distribution and no task in common.
pub struct Prior {
    name: String,
    config: PriorConfig,
    split: Split,
    /// What tasks are keyed with.
    seed: u64,
    /// Length of an input.
    input_dim: usize,
    /// Label slots.
    slots: usize,
    weights: Vec<f32>,
    /// Weights of 2, 3, .. classes.
    class_weights: Vec<f32>,
}

/// A made table.
#[derive(Clone, Debug, PartialEq)]
pub struct MadeTable {
    /// The family of its function.
    pub family: &'static str,
    /// Its columns, each `[rows]`; NaN is missing.
    pub columns: Vec<Vec<f32>>,
    /// `[rows]`, below the label slots.
    pub labels: Vec<u32>,
}

impl Prior {
    /// Functions to try where one gives nearly all rows the same class.
    const TRIES: usize = 32;
    /// Share of the probe rows that one class may have.
    const MOST_OF_ONE: f32 = 0.97;
    /// Share of tasks with two classes; three and more are the rarer the more.
    const TWO_CLASSES: f32 = 0.45;

    /// The tables of one split.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field of `prior`.
    pub fn new(config: &PriorConfig, split: Split) -> Result<Self> {
        Self::sized(config, split, None, config.classes)
    }

    /// The same for a model that reads inputs of `input_dim` numbers (if absent, as configured) and has `slots` label slots.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field that does not fit.
    pub fn sized(config: &PriorConfig, split: Split, input_dim: Option<usize>, slots: usize) -> Result<Self> {
        super::kind::SourceKind::validate(config)?;
        let input_dim = input_dim.unwrap_or(config.input_dim);
        if input_dim < config.input_dim {
            let problem = format!("is {}, the model reads {input_dim} numbers", config.input_dim);
            return Err(Error::config("prior.input_dim", problem, "give that many at most"));
        }
        if slots < config.classes {
            let problem = format!("is {}, the model has {slots} label slots", config.classes);
            return Err(Error::config("prior.classes", problem, "give that many at most"));
        }
        let seed = match split {
            Split::Train => config.seed,
            Split::Validation => Rng::new(config.seed, Stream::Validation, 0).bits64(),
            Split::Test => Rng::new(config.seed, Stream::MetaTest, 0).bits64(),
        };
        let weights = config.families.weights().iter().map(|&weight| weight as f32).collect();
        let rarer: Vec<f32> = (3..=config.classes).map(|classes| 1.0 / classes as f32).collect();
        let total: f32 = rarer.iter().sum();
        let rest = rarer.iter().map(|weight| (1.0 - Self::TWO_CLASSES) * weight / total);
        let class_weights = [Self::TWO_CLASSES].into_iter().chain(rest).collect();
        let (name, config) = ("prior".into(), config.clone());
        Ok(Self { name, config, split, seed, input_dim, slots, weights, class_weights })
    }

    /// The same under another name.
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// The first `rows` rows of a draw of a task.
    pub fn table(&self, task: TaskId, draw: Draw, rows: usize) -> MadeTable {
        let Raw { family, columns, labels } = self.made(task, draw, rows);
        let columns = columns.into_iter().map(|column| column[PROBES..].to_vec()).collect();
        MadeTable { family: Families::NAMES[family], columns, labels: labels[PROBES..].to_vec() }
    }

    /// The task's rows, probe rows first.
    fn made(&self, task: TaskId, draw: Draw, drawn: usize) -> Raw {
        let mut keys = Rng::new(self.seed, Stream::Prior, task.key());
        let family = weighted(&mut keys, &self.weights);
        let features = log_count(&mut keys, self.config.least_features, self.config.input_dim);
        let classes = 2 + weighted(&mut keys, &self.class_weights);
        let slots = distinct(&mut keys, self.slots, classes);
        // Rows of one draw of two tasks have nothing in common.
        let mut draws = Rng::new(draw.seed ^ keys.bits64(), Stream::ExampleChoice, draw.episode);
        let mut tries = 1;
        loop {
            let mut rng = branch(&mut keys);
            let mut rows = Rows::new(branch(&mut rng), branch(&mut draws), drawn);
            let plan = Plan::draw(&mut rng, features);
            let shape = Shape { features: plan.own, classes };
            let function = families::MAKERS[family](&mut rng, &mut rows, shape);
            let labels = labels::labels(&mut rng, &mut rows, function.target, classes);
            if says_nothing(&labels, classes) && tries < Self::TRIES {
                tries += 1;
                continue;
            }
            let mut columns = plan.dress(&mut rng, &mut rows, function.features);
            if self.config.missing {
                missing::omit(&mut rng, &mut rows, &mut columns);
            }
            let labels = labels.into_iter().map(|label| slots[label as usize] as u32).collect();
            return Raw { family, columns, labels };
        }
    }
}

/// A table with its probe rows.
struct Raw {
    family: usize,
    columns: Vec<Column>,
    labels: Vec<u32>,
}

/// Whether nearly all probe rows are of one class.
fn says_nothing(labels: &[u32], classes: usize) -> bool {
    let mut counts = vec![0; classes];
    labels[..PROBES].iter().for_each(|&label| counts[label as usize] += 1);
    counts.into_iter().max().unwrap_or_default() as f32 > Prior::MOST_OF_ONE * PROBES as f32
}

impl fmt::Debug for Prior {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, config, split, .. } = self;
        f.debug_struct("Prior").field("name", name).field("config", config).field("split", split).finish()
    }
}

impl Source for Prior {
    fn name(&self) -> &str {
        &self.name
    }

    fn input_dim(&self) -> usize {
        self.input_dim
    }

    fn classes(&self) -> usize {
        self.slots
    }

    /// As many as make chance what it is over tasks of different numbers of classes.
    fn task_classes(&self) -> usize {
        let chance = |(number, weight): (usize, &f32)| weight / (2 + number) as f32;
        let total: f32 = self.class_weights.iter().sum();
        (total / self.class_weights.iter().enumerate().map(chance).sum::<f32>()).round() as usize
    }

    fn episode_length(&self) -> usize {
        self.config.episode_length
    }

    fn identity(&self) -> Identity {
        let config = serde_json::to_string(&self.config).expect("a configuration has a JSON form");
        let Self { split, slots, .. } = self;
        Identity { examples: format!("prior {}", split.name()), tasks: format!("{config} {slots}") }
    }

    fn fill(&self, task: TaskId, draw: Draw, inputs: &mut [f32], labels: &mut [u32]) {
        let made = self.made(task, draw, labels.len());
        labels.copy_from_slice(&made.labels[PROBES..]);
        inputs.fill(if self.config.missing { f32::NAN } else { 0.0 });
        for (number, column) in made.columns.iter().enumerate() {
            let cells = inputs[number..].iter_mut().step_by(self.input_dim);
            cells.zip(&column[PROBES..]).for_each(|(cell, value)| *cell = *value);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::tasks::{BatchSource, Mode, SourceKind as _};

    fn prior(change: impl FnOnce(&mut PriorConfig)) -> Prior {
        let mut config = PriorConfig::default();
        change(&mut config);
        Prior::new(&config, Split::Train).unwrap()
    }

    fn only(family: &str) -> Prior {
        prior(|config| config.families = Families::only(family).unwrap())
    }

    fn tables(prior: &Prior, count: u64, rows: usize) -> impl Iterator<Item = MadeTable> {
        (0..count).map(move |number| {
            let draw = Draw::new(5, number);
            prior.table(prior.seen_task(draw), draw, rows)
        })
    }

    /// With bits, so that NaN equals itself.
    fn bits(table: &MadeTable) -> (Vec<Vec<u32>>, &[u32]) {
        let columns = table.columns.iter().map(|column| column.iter().map(|x| x.to_bits()).collect());
        (columns.collect(), &table.labels)
    }

    #[test]
    fn a_table_is_a_function_of_task_and_draw_and_more_rows_leave_the_first() {
        for family in Families::NAMES {
            let prior = only(family);
            for number in 0..20 {
                let (task, draw) = (TaskId::seen(number), Draw::new(3, number));
                let long = prior.table(task, draw, 60);
                assert_eq!(bits(&long), bits(&prior.table(task, draw, 60)));
                let short = prior.table(task, draw, 17);
                assert_eq!(long.family, short.family);
                assert_eq!(long.labels[..17], short.labels);
                let first: Vec<Vec<f32>> = long.columns.iter().map(|column| column[..17].to_vec()).collect();
                let first = MadeTable { columns: first, ..short.clone() };
                assert_eq!(bits(&first), bits(&short));
            }
        }
    }

    #[test]
    fn batches_are_the_same_on_any_number_of_threads() {
        let source = Arc::new(prior(|config| config.episode_length = 40));
        let batch = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                BatchSource::new(source.clone(), 12, Mode::MetaTrain, 1).unwrap().batch(2)
            })
        };
        let (one, three) = (batch(1), batch(3));
        assert_eq!(one.labels, three.labels);
        assert!(one.inputs.iter().zip(&three.inputs).all(|(a, b)| a.to_bits() == b.to_bits()));
    }

    #[test]
    fn print_statistics() {
        for family in Families::NAMES {
            let prior = only(family);
            let start = std::time::Instant::now();
            let made: Vec<MadeTable> = tables(&prior, 200, 368).collect();
            let took = start.elapsed().as_secs_f64() / 200.0 * 1e3;
            let mut all = made.iter().map(|table| judged(table)).collect::<Vec<_>>();
            let n = all.len() as f32;
            let (major, near, stump) = all.iter().fold((0.0, 0.0, 0.0), |sum, one| (sum.0 + one[0] / n, sum.1 + one[1] / n, sum.2 + one[2] / n));
            all.sort_by(|a, b| (a[1] - a[0]).total_cmp(&(b[1] - b[0])));
            let gain = |q: f32| { let one = all[(q * (n - 1.0)) as usize]; one[1] - one[0] };
            let classes = made.iter().map(|t| t.labels.iter().collect::<HashSet<_>>().len()).collect::<Vec<_>>();
            let single = classes.iter().filter(|&&c| c < 2).count();
            println!("{family:12} ms {took:.2} major {major:.3} 5nn {near:.3} stump {stump:.3} gain quantiles {:.2} {:.2} {:.2} {:.2} {:.2} single {single}", gain(0.05), gain(0.25), gain(0.5), gain(0.75), gain(0.95));
        }
    }

    /// Shares of right answers for the last rows from the first 100: the commonest class, five neighbours, the best stump.
    fn judged(table: &MadeTable) -> [f32; 3] {
        const CONTEXT: usize = 100;
        let rows = table.labels.len();
        let scaled: Vec<Vec<f32>> = table
            .columns
            .iter()
            .map(|column| {
                let known: Vec<f32> = column[..CONTEXT].iter().copied().filter(|x| !x.is_nan()).collect();
                let mean = known.iter().sum::<f32>() / known.len().max(1) as f32;
                let variance = known.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / known.len().max(1) as f32;
                let scale = if variance > 1e-9 { 1.0 / variance.sqrt() } else { 0.0 };
                column.iter().map(|x| if x.is_nan() { 0.0 } else { (x - mean) * scale }).collect()
            })
            .collect();
        let commonest = |rows: &[usize]| {
            let mut counts = std::collections::BTreeMap::new();
            rows.iter().for_each(|&row| *counts.entry(table.labels[row]).or_insert(0) += 1);
            counts.into_iter().max_by_key(|(_, count)| *count).map(|(label, _)| label)
        };
        let context: Vec<usize> = (0..CONTEXT).collect();
        let right = |answer: &dyn Fn(usize) -> Option<u32>| {
            let hits = (CONTEXT..rows).filter(|&row| answer(row) == Some(table.labels[row])).count();
            hits as f32 / (rows - CONTEXT) as f32
        };
        let major = commonest(&context);
        let neighbours = |row: usize| {
            let distance = |&other: &usize| -> f32 { scaled.iter().map(|x| (x[row] - x[other]).powi(2)).sum() };
            let mut order = context.clone();
            order.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
            commonest(&order[..5])
        };
        let mut best = (0, 0, 0.0, None, None);
        for (feature, column) in scaled.iter().enumerate() {
            for cut in [-1.0, -0.5, 0.0, 0.5, 1.0] {
                let (below, above): (Vec<usize>, Vec<usize>) = context.iter().partition(|&&row| column[row] <= cut);
                let sides = [&below, &above].map(|side| commonest(side));
                let side = |rows: &[usize], class| rows.iter().filter(|&&row| Some(table.labels[row]) == class).count();
                let hits = side(&below, sides[0]) + side(&above, sides[1]);
                if hits > best.0 {
                    best = (hits, feature, cut, sides[0], sides[1]);
                }
            }
        }
        let (_, feature, cut, below, above) = best;
        let stump = |row: usize| if scaled[feature][row] <= cut { below } else { above };
        [right(&|_| major), right(&neighbours), right(&stump)]
    }

    #[test]
    fn a_golden_table() {
        let mut hash = Sha256::new();
        let prior = prior(|_| {});
        for table in tables(&prior, 200, 32) {
            hash.update(table.family);
            for column in &table.columns {
                column.iter().for_each(|x| hash.update(x.to_bits().to_le_bytes()));
            }
            table.labels.iter().for_each(|label| hash.update(label.to_le_bytes()));
        }
        assert_eq!(crate::data::hex(&hash.finalize()[..8]), "?");
    }
}
