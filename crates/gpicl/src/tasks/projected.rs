//! Tasks over a data set: its inputs projected by `A_k`, its labels permuted by `rho_k`.

use std::sync::Arc;

use super::choice::choose;
use super::distribution::{TaskDistribution, TasksConfig};
use super::kind::{Loaded, SourceKind};
use super::source::{Identity, Source};
use super::splits::SourceSplits;
use super::task::{Draw, TaskId};
use crate::data::{DataConfig, Dataset, Description, Fingerprint, Library};
use crate::error::{Error, Result};
use crate::rng::Stream;

/// Tasks over a data set as they are configured: the tables `data` and `tasks`, of a run or of an element of `[[mix]]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProjectedConfig {
    /// The data set that the tasks are made of.
    pub data: DataConfig,
    /// The task distribution.
    pub tasks: TasksConfig,
}

impl SourceKind for ProjectedConfig {
    fn name(&self) -> String {
        self.data.name.clone()
    }

    /// With the data set's seed or file.
    fn long_name(&self) -> String {
        self.data.short_form()
    }

    fn table(&self) -> &'static str {
        "tasks"
    }

    fn count(&self) -> String {
        self.tasks.count.to_string()
    }

    fn episode_length(&self) -> usize {
        self.tasks.episode_length
    }

    fn seed(&self) -> u64 {
        self.tasks.seed
    }

    fn set_seed(&mut self, seed: u64) {
        self.tasks.seed = seed;
        self.data.set_seed(seed);
    }

    fn clear_seeds(&mut self) {
        (self.tasks.seed, self.data.seed) = (0, None);
    }

    fn complete(&mut self) {
        self.data.complete();
    }

    fn data(&self) -> Option<&DataConfig> {
        Some(&self.data)
    }

    fn tasks(&self) -> TasksConfig {
        self.tasks.clone()
    }

    fn validate(&self) -> Result<()> {
        self.data.validate()
    }

    fn load(&self, library: &Library) -> Result<Loaded> {
        let (tasks, splits) = (self.tasks.clone(), library.splits(&self.data)?);
        Ok(Loaded {
            name: splits[0].name().to_string(),
            classes: splits[0].num_classes(),
            make: Box::new(move |name, input_dim, slots| {
                SourceSplits::projected(name, &tasks, &splits, input_dim, slots)
            }),
        })
    }
}

impl SourceSplits {
    /// Tasks over the splits of a data set (training, validation, test), for a model that reads inputs of `input_dim` numbers (if absent, as `tasks`
    /// has it) and has `classes` label slots. It is called `name`.
    ///
    /// # Errors
    /// As [`TaskDistribution::new`] and [`Projected::new`].
    pub fn projected(
        name: &str,
        tasks: &TasksConfig,
        [train, validation, test]: &[Arc<Dataset>; 3],
        input_dim: Option<usize>,
        classes: usize,
    ) -> Result<Self> {
        let over = |data: &Arc<Dataset>, input_dim| {
            let tasks = TasksConfig { input_dim, ..tasks.clone() };
            let distribution = TaskDistribution::new(&tasks, data.dim(), data.num_classes(), classes)?;
            Ok(Projected::new(distribution, Arc::clone(data))?.named(name))
        };
        let train = over(train, input_dim.or(tasks.input_dim))?;
        let held_out =
            |data| -> Result<Arc<dyn Source>> { Ok(Arc::new(over(data, Some(train.input_dim()))?)) };
        let (validation, test) = (held_out(validation)?, held_out(test)?);
        Ok(Self { place: String::new(), weight: 1.0, train: Arc::new(train), validation, test })
    }
}

/// The paper's source of episodes: N examples of a data set, none of them twice, classes as they come, as task k shows
/// them.
#[derive(Clone, Debug)]
pub struct Projected {
    name: String,
    distribution: TaskDistribution,
    data: Arc<Dataset>,
    /// The permutation that biased episodes share: task 0's.
    shared: Vec<u32>,
}

impl Projected {
    /// The tasks of `distribution` over `data`.
    ///
    /// # Errors
    /// [`Error::Argument`] if the data set is empty or of another size than the distribution was made for.
    pub fn new(distribution: TaskDistribution, data: Arc<Dataset>) -> Result<Self> {
        let found = (data.dim(), data.num_classes());
        let expected = (distribution.data_dim(), distribution.data_classes());
        if data.is_empty() || found != expected {
            let problem = format!(
                "{} examples of {} numbers in {} classes; expected some, of {} numbers in {} classes",
                data.len(),
                found.0,
                found.1,
                expected.0,
                expected.1
            );
            return Err(Error::argument("the episodes' data set", problem));
        }
        let shared = distribution.permutation(TaskId::seen(0));
        Ok(Self { name: data.name().to_string(), distribution, data, shared })
    }

    /// The same under another name, where two sources are of data sets that have one.
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// Which examples of the data set a draw of `count` has: the first N are an episode's.
    pub fn choice(&self, draw: Draw, count: usize) -> Vec<usize> {
        choose(&mut draw.rng(Stream::ExampleChoice), count, self.data.len(), self.replacement())
    }

    /// An episode relabelled by `rho`.
    fn relabelled(&self, task: TaskId, draw: Draw, rho: &[u32], inputs: &mut [f32], labels: &mut [u32]) {
        let examples = self.choice(draw, labels.len());
        for (label, &example) in labels.iter_mut().zip(&examples) {
            *label = rho[self.data.label(example) as usize];
        }
        match self.distribution.random_matrix(task) {
            Some(matrix) => self.data.project(&matrix, &examples, inputs),
            None => inputs
                .chunks_exact_mut(self.data.dim())
                .zip(&examples)
                .for_each(|(to, &example)| to.copy_from_slice(self.data.input(example))),
        }
    }
}

impl Source for Projected {
    fn name(&self) -> &str {
        &self.name
    }

    fn description(&self) -> Option<&Description> {
        self.data.description()
    }

    fn fingerprint(&self) -> Option<Fingerprint> {
        Some(Fingerprint::of(&self.data))
    }

    fn input_dim(&self) -> usize {
        self.distribution.input_dim()
    }

    fn classes(&self) -> usize {
        self.distribution.classes()
    }

    fn task_classes(&self) -> usize {
        self.distribution.data_classes()
    }

    fn episode_length(&self) -> usize {
        self.distribution.episode_length()
    }

    fn examples(&self) -> Option<usize> {
        Some(self.data.len())
    }

    fn replacement(&self) -> bool {
        self.distribution.config().replacement || self.data.len() < self.episode_length()
    }

    fn identity(&self) -> Identity {
        let tasks = TasksConfig { input_dim: None, bias: None, ..self.distribution.config().clone() };
        let tasks = serde_json::to_string(&tasks).expect("a configuration has a JSON form");
        let (length, replacement) = (self.episode_length(), self.replacement());
        Identity {
            examples: format!("{} {length} {replacement}", self.data.fingerprint()),
            tasks: format!("{tasks} {}", self.distribution.classes()),
        }
    }

    fn seen_task(&self, draw: Draw) -> TaskId {
        self.distribution.seen_task(draw)
    }

    fn has_bias(&self) -> bool {
        self.distribution.has_bias()
    }

    /// The first episodes of the batch, as many as the bias's fraction of it.
    fn biased(&self, step: u64, tasks: &[TaskId]) -> Vec<bool> {
        let biased = self.distribution.biased(step, tasks.len());
        (0..tasks.len()).map(|i| i < biased).collect()
    }

    fn fill(&self, task: TaskId, draw: Draw, inputs: &mut [f32], labels: &mut [u32]) {
        let rho = self.distribution.permutation(task);
        self.relabelled(task, draw, &rho, inputs, labels);
    }

    /// With the permutation that all biased episodes share, and the task's own projection.
    fn fill_biased(&self, task: TaskId, draw: Draw, inputs: &mut [f32], labels: &mut [u32]) {
        self.relabelled(task, draw, &self.shared, inputs, labels);
    }
}
