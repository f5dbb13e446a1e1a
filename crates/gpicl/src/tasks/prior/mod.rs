//! Tables drawn from a prior: a source of episodes that needs no data set.
//!
//! A task is a function and the columns that its table has, a pure function of (seed, k); a draw decides the rows. Families
//! of functions stand in a file each ([`families`] lists them). A family makes features and what the label is read from
//! ([`function`]); [`labels`] makes classes of that, [`columns`] and [`missing`] make of the features what tables have.
//! All of it is made column by column ([`rows`]).

mod activation;
mod additive;
mod causal;
mod chance;
mod columns;
mod config;
mod factors;
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
        let weights = config.families.weights();
        let total: f64 = weights.iter().sum();
        let weights = weights.iter().map(|weight| (weight / total) as f32).collect();
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
        // Other functions have other rows.
        Identity { examples: format!("prior {} {config}", split.name()), tasks: format!("{slots} slots") }
    }

    fn fill(&self, task: TaskId, draw: Draw, inputs: &mut [f32], labels: &mut [u32]) {
        let made = self.made(task, draw, labels.len());
        labels.copy_from_slice(&made.labels[PROBES..]);
        inputs.fill(if self.config.missing { f32::NAN } else { 0.0 });
        for (number, column) in made.columns.iter().enumerate() {
            let cells = inputs.iter_mut().skip(number).step_by(self.input_dim);
            cells.zip(&column[PROBES..]).for_each(|(cell, value)| *cell = *value);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};
    use std::sync::Arc;

    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::tasks::{BatchSource, Mode};

    fn prior(change: impl FnOnce(&mut PriorConfig)) -> Prior {
        let mut config = PriorConfig::default();
        change(&mut config);
        Prior::new(&config, Split::Train).unwrap()
    }

    fn only(family: &str) -> Prior {
        prior(|config| config.families = Families::only(family).unwrap())
    }

    fn tables(prior: &Prior, count: u64, rows: usize) -> Vec<MadeTable> {
        let draws = (0..count).map(|number| Draw::new(5, number));
        draws.map(|draw| prior.table(prior.seen_task(draw), draw, rows)).collect()
    }

    /// What is compared: NaN equals itself.
    fn bits(table: &MadeTable) -> (Vec<Vec<u32>>, &[u32]) {
        let columns = table.columns.iter().map(|column| column.iter().map(|x| x.to_bits()).collect());
        (columns.collect(), &table.labels)
    }

    fn cells(tables: &[MadeTable]) -> impl Iterator<Item = f32> {
        tables.iter().flat_map(|table| &table.columns).flatten().copied()
    }

    #[test]
    fn a_table_is_a_function_of_task_and_draw_and_more_rows_leave_the_first() {
        for family in Families::NAMES {
            let prior = only(family);
            for number in 0..20 {
                let (task, draw) = (TaskId::seen(number), Draw::new(3, number));
                let long = prior.table(task, draw, 60);
                assert_eq!(bits(&long), bits(&prior.table(task, draw, 60)));
                let first = MadeTable {
                    columns: long.columns.iter().map(|column| column[..17].to_vec()).collect(),
                    labels: long.labels[..17].to_vec(),
                    ..long
                };
                assert_eq!(bits(&first), bits(&prior.table(task, draw, 17)), "{family} {number}");
            }
        }
    }

    #[test]
    fn another_draw_has_other_rows_of_the_same_columns() {
        let prior = prior(|config| config.missing = false);
        for number in 0..20 {
            let of = |seed| prior.table(TaskId::seen(number), Draw::new(seed, 0), 50);
            let (one, other) = (of(1), of(2));
            assert_eq!((one.family, one.columns.len()), (other.family, other.columns.len()));
            assert_ne!(bits(&one), bits(&other));
        }
    }

    #[test]
    fn batches_are_the_same_on_any_number_of_threads() {
        let source = Arc::new(prior(|config| config.episode_length = 40));
        let batch = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| BatchSource::new(source.clone(), 12, Mode::MetaTrain, 1).unwrap().batch(2))
        };
        let (one, three) = (batch(1), batch(3));
        assert_eq!(one.labels, three.labels);
        assert!(one.inputs.iter().zip(&three.inputs).all(|(a, b)| a.to_bits() == b.to_bits()));
    }

    #[test]
    fn splits_and_seen_and_unseen_tasks_have_nothing_in_common() {
        let config = PriorConfig { episode_length: 8, ..PriorConfig::default() };
        let mut seen = HashSet::new();
        for split in [Split::Train, Split::Validation, Split::Test] {
            let prior = Prior::new(&config, split).unwrap();
            for draw in (0..40).map(|number| Draw::new(1, number)) {
                for task in [prior.seen_task(draw), prior.unseen_task(draw)] {
                    let (columns, labels) =
                        (prior.table(task, draw, 8).columns, prior.table(task, draw, 8).labels);
                    let bits: Vec<Vec<u32>> =
                        columns.iter().map(|column| column.iter().map(|x| x.to_bits()).collect()).collect();
                    assert!(seen.insert((bits, labels)), "{} {draw:?}", split.name());
                }
            }
        }
    }

    #[test]
    fn cells_are_finite_or_missing_and_labels_are_slots() {
        for family in Families::NAMES {
            let made = tables(&only(family), 100, 64);
            assert!(cells(&made).all(|x| x.is_nan() || x.abs() < 100.0), "{family}");
            for table in &made {
                assert_eq!(table.family, *family);
                assert!((2..=20).contains(&table.columns.len()));
                assert!(table.labels.iter().all(|&label| label < 10));
            }
            // Few draws miss all classes but one.
            let of_one = |table: &&MadeTable| table.labels.iter().all(|label| *label == table.labels[0]);
            assert!(made.iter().filter(of_one).count() <= 3, "{family}");
        }
    }

    #[test]
    fn a_tenth_of_cells_at_most_is_missing_and_none_where_none_should_be() {
        let made = tables(&prior(|_| {}), 400, 64);
        let missing = cells(&made).filter(|x| x.is_nan()).count() as f64 / cells(&made).count() as f64;
        assert!((0.005..0.1).contains(&missing), "{missing}");
        let with = |table: &&MadeTable| table.columns.iter().flatten().any(|x| x.is_nan());
        let share = made.iter().filter(with).count() as f32 / 400.0;
        assert!((0.5 * missing::TABLES..missing::TABLES).contains(&share), "{share}");
        let whole = prior(|config| config.missing = false);
        let mut batch = BatchSource::new(Arc::new(whole), 64, Mode::MetaTrain, 1).unwrap().batch(0);
        assert!(batch.inputs.iter().all(|x| x.is_finite()));
        // Absent columns follow a table's own.
        batch = BatchSource::new(Arc::new(prior(|_| {})), 64, Mode::MetaTrain, 1).unwrap().batch(0);
        let absent = batch.inputs.chunks(20).filter(|row| row[19].is_nan()).count();
        assert!(absent > batch.labels.len() / 2, "{absent}");
    }

    #[test]
    fn features_and_classes_are_of_every_number_and_slot() {
        let made = tables(&prior(|_| {}), 600, 200);
        let features: HashSet<usize> = made.iter().map(|table| table.columns.len()).collect();
        assert_eq!(features.len(), 19, "2 to 20");
        let classes = |table: &MadeTable| table.labels.iter().collect::<HashSet<_>>().len();
        let numbers: HashSet<usize> = made.iter().map(classes).collect();
        assert!((2..=10).all(|number| numbers.contains(&number)), "{numbers:?}");
        let two = made.iter().filter(|table| classes(table) == 2).count();
        assert!((240..420).contains(&two), "{two}");
        let slots: HashSet<u32> = made.iter().flat_map(|table| &table.labels).copied().collect();
        assert_eq!(slots.len(), 10);
        let families: HashSet<&str> = made.iter().map(|table| table.family).collect();
        assert_eq!(families.len(), Families::NAMES.len());
    }

    /// The best of five neighbours and a stump of 100 rows is ahead of the commonest class in every family, and it is right
    /// sometimes and not always.
    #[test]
    fn tables_of_every_family_can_be_learned_from() {
        for family in Families::NAMES {
            let judged: Vec<[f32; 2]> = tables(&only(family), 60, 200).iter().map(judged).collect();
            let mean = |of: usize| judged.iter().map(|one| one[of]).sum::<f32>() / judged.len() as f32;
            assert!(mean(1) > mean(0) + 0.08, "{family}: {} {}", mean(0), mean(1));
            let (hard, easy) = (judged.iter().any(|one| one[1] < 0.6), judged.iter().any(|one| one[1] > 0.9));
            assert!(hard && easy, "{family}");
        }
    }

    /// Rows that are known; those after them are asked for.
    const KNOWN: usize = 100;

    /// Accuracy of the commonest class, and of the better of five neighbours and a stump.
    fn judged(table: &MadeTable) -> [f32; 2] {
        let columns: Vec<Vec<f32>> = table.columns.iter().map(|column| filled(column)).collect();
        let known: Vec<usize> = (0..KNOWN).collect();
        let commonest = |rows: &[usize]| {
            let mut counts = BTreeMap::new();
            rows.iter().for_each(|&row| *counts.entry(table.labels[row]).or_insert(0) += 1);
            counts.into_iter().max_by_key(|(_, count)| *count).map(|(label, _)| label)
        };
        let right = |rows: &[usize], answer: &dyn Fn(usize) -> Option<u32>| {
            let hits = rows.iter().filter(|&&row| answer(row) == Some(table.labels[row])).count();
            hits as f32 / rows.len() as f32
        };
        let neighbours = |row: usize| {
            let distance =
                |other: usize| -> f32 { columns.iter().map(|x| (x[row] - x[other]).powi(2)).sum() };
            let mut order: Vec<(f32, usize)> = known.iter().map(|&other| (distance(other), other)).collect();
            order.sort_by(|a, b| a.0.total_cmp(&b.0));
            commonest(&order[..5].iter().map(|&(_, other)| other).collect::<Vec<_>>())
        };
        let stumps = columns.iter().flat_map(|column| [-1.0, -0.5, 0.0, 0.5, 1.0].map(|cut| (column, cut)));
        let stumps = stumps.map(|(column, cut)| {
            let (below, above): (Vec<usize>, Vec<usize>) = known.iter().partition(|&&row| column[row] <= cut);
            let [below, above] = [commonest(&below), commonest(&above)];
            move |row: usize| if column[row] <= cut { below } else { above }
        });
        let stump = stumps.max_by(|a, b| right(&known, a).total_cmp(&right(&known, b))).unwrap();
        let asked: Vec<usize> = (KNOWN..table.labels.len()).collect();
        let most = commonest(&known);
        [right(&asked, &|_| most), right(&asked, &neighbours).max(right(&asked, &stump))]
    }

    /// Standardised by the known rows, what is missing at 0.
    fn filled(column: &[f32]) -> Vec<f32> {
        let known: Vec<f32> = column[..KNOWN].iter().copied().filter(|x| !x.is_nan()).collect();
        let count = known.len().max(1) as f32;
        let mean = known.iter().sum::<f32>() / count;
        let deviation = (known.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / count).sqrt().max(1e-6);
        column.iter().map(|x| if x.is_nan() { 0.0 } else { (x - mean) / deviation }).collect()
    }

    #[test]
    fn chance_is_that_of_the_mean_task() {
        assert_eq!(prior(|_| {}).task_classes(), 3);
        assert_eq!(prior(|config| config.classes = 2).task_classes(), 2);
    }

    #[test]
    fn what_does_not_fit_names_the_field() {
        let error = |change: fn(&mut PriorConfig)| {
            let mut config = PriorConfig::default();
            change(&mut config);
            Prior::new(&config, Split::Train).unwrap_err().to_string()
        };
        assert!(error(|config| config.episode_length = 1).contains("`prior.episode_length`: is 1"));
        assert!(error(|config| config.input_dim = 0).contains("`prior.input_dim`: is 0"));
        assert!(error(|config| config.least_features = 21).contains("`prior.least_features`: is 21"));
        assert!(error(|config| config.classes = 1).contains("`prior.classes`: is 1"));
        assert!(error(|config| config.families.trees = -1.0).contains("`prior.families.trees`: is -1"));
        let none = error(|config| config.families = toml::from_str("").unwrap());
        assert!(none.contains("`prior.families`") && none.contains("trees"), "{none}");
        let read = |text: &str| toml::from_str::<PriorConfig>(text);
        assert!(read("families = { tree = 1.0 }").unwrap_err().to_string().contains("`tree`"));
        assert!(read("sed = 1").unwrap_err().to_string().contains("`sed`"));
        assert_eq!(read("families = { trees = 1.0 }").unwrap().families, Families::only("trees").unwrap());
        let small = |input_dim, slots| {
            let sized = Prior::sized(&PriorConfig::default(), Split::Train, Some(input_dim), slots);
            sized.unwrap_err().to_string()
        };
        assert!(small(10, 10).contains("`prior.input_dim`") && small(20, 4).contains("`prior.classes`"));
    }

    #[test]
    fn made_tables_stay_what_they_are() {
        let digest = |prior: &Prior| {
            let mut hash = Sha256::new();
            for table in tables(prior, 100, 32) {
                hash.update(table.family);
                let (columns, labels) = bits(&table);
                columns.iter().flatten().chain(labels).for_each(|word| hash.update(word.to_le_bytes()));
            }
            crate::data::hex(&hash.finalize()[..8])
        };
        assert_eq!(digest(&prior(|_| {})), "f99d1513faf54573");
        // The latest family leaves the others as they were.
        assert_eq!(digest(&prior(|config| config.families.factors = 0.0)), "57bdc47d440d712b");
    }
}
