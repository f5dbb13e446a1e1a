//! Which tasks there are: K of them or no end of them, seen and unseen.

use serde::{Deserialize, Serialize};

use gpicl_ops::cpu::project::RandomMatrix;

use super::bias::BiasConfig;
use super::count::TaskCount;
use super::permutation::permutation;
use super::projection::random_matrix;
use super::task::{Draw, TaskId};
use crate::error::{Error, Result};
use crate::rng::Stream;

/// What makes tasks out of a data set: the `[tasks]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TasksConfig {
    /// Seed of all projections and permutations.
    pub seed: u64,
    /// Number of tasks K.
    pub count: TaskCount,
    /// Examples in an episode, N.
    pub episode_length: usize,
    /// Length of the projected inputs; the data set's own if absent.
    pub input_dim: Option<usize>,
    /// Whether inputs are projected by `A_k`.
    pub project: bool,
    /// Whether labels are permuted by `rho_k`.
    pub permute: bool,
    /// Whether an example can stand in an episode twice. Where there are fewer examples than an episode has, it can
    /// whatever is said here.
    pub replacement: bool,
    /// The paper's intervention against the plateau.
    pub bias: Option<BiasConfig>,
}

impl Default for TasksConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            count: TaskCount::Unlimited,
            episode_length: 100,
            input_dim: None,
            project: true,
            permute: true,
            replacement: false,
            bias: None,
        }
    }
}

/// The distribution of tasks over one data set. Holds no task: every one is made when asked for.
#[derive(Clone, Debug)]
pub struct TaskDistribution {
    config: TasksConfig,
    data_dim: usize,
    input_dim: usize,
    data_classes: usize,
    classes: usize,
}

impl TaskDistribution {
    /// Entries of a projection that one generator sequence can give.
    const MAX_ENTRIES: usize = 1 << 34;

    /// Tasks over a data set of `data_dim` numbers and `data_classes` classes, for a model with `classes`
    /// label slots. With fewer classes than slots, `rho_k` takes the classes to some of the slots.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field that does not fit.
    pub fn new(config: &TasksConfig, data_dim: usize, data_classes: usize, classes: usize) -> Result<Self> {
        if let TaskCount::Finite(count) = config.count
            && TaskCount::checked(count).is_none()
        {
            return Err(Error::config(
                "tasks.count",
                format!("is {count}"),
                "give 1 to 2^25, or \"unlimited\"",
            ));
        }
        if config.episode_length < 2 {
            let problem = format!("is {}", config.episode_length);
            return Err(Error::config("tasks.episode_length", problem, "give at least 2 examples"));
        }
        if data_dim == 0 || data_classes == 0 {
            let problem = format!("has inputs of {data_dim} numbers and {data_classes} classes");
            return Err(Error::config("data", problem, "choose a data set with at least one of each"));
        }
        let input_dim = config.input_dim.unwrap_or(data_dim);
        if input_dim == 0 {
            return Err(Error::config("tasks.input_dim", "is 0", "give at least 1, or leave it out"));
        }
        if input_dim.checked_mul(data_dim).is_none_or(|entries| entries > Self::MAX_ENTRIES) {
            let problem = format!("makes projections of {input_dim} x {data_dim} numbers");
            return Err(Error::config("tasks.input_dim", problem, "give less, at most 2^34 numbers"));
        }
        if !config.project && input_dim != data_dim {
            return Err(Error::config(
                "tasks.input_dim",
                format!("the data set has inputs of {data_dim} numbers, the model reads {input_dim}"),
                "set tasks.project = true, or bring the data set to that size (data.resize)",
            ));
        }
        if data_classes > classes {
            return Err(Error::config(
                "data",
                format!("has {data_classes} classes, the model has {classes} label slots"),
                "choose a data set with fewer classes, or meta-train with more",
            ));
        }
        if let Some(bias) = &config.bias {
            bias.validate()?;
        }
        Ok(Self { config: config.clone(), data_dim, input_dim, data_classes, classes })
    }

    /// The configuration it was made from.
    pub fn config(&self) -> &TasksConfig {
        &self.config
    }

    /// Length of a projected input.
    pub fn input_dim(&self) -> usize {
        self.input_dim
    }

    /// Length of an input of the data set, `N_x`.
    pub fn data_dim(&self) -> usize {
        self.data_dim
    }

    /// Classes of the data set.
    pub fn data_classes(&self) -> usize {
        self.data_classes
    }

    /// Label slots of the model.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Examples in an episode.
    pub fn episode_length(&self) -> usize {
        self.config.episode_length
    }

    /// `A_k`, row-major `[input_dim, data_dim]`; `None` if inputs are not projected.
    pub fn projection(&self, task: TaskId) -> Option<Vec<f32>> {
        self.random_matrix(task).map(|matrix| matrix.entries())
    }

    /// `A_k` as what makes it.
    pub(super) fn random_matrix(&self, task: TaskId) -> Option<RandomMatrix> {
        let Self { config, input_dim, data_dim, .. } = self;
        config.project.then(|| random_matrix(config.seed, task.key(), *input_dim, *data_dim))
    }

    /// The label slot of every class of the data set.
    pub fn permutation(&self, task: TaskId) -> Vec<u32> {
        if self.config.permute {
            permutation(self.config.seed, task.key(), self.data_classes, self.classes)
        } else {
            (0..self.data_classes as u32).collect()
        }
    }

    /// The seen task of an episode: uniform over the K tasks, or a fresh one.
    pub fn seen_task(&self, draw: Draw) -> TaskId {
        TaskId::seen(match self.config.count {
            TaskCount::Finite(count) => draw.rng(Stream::TaskChoice).below(count),
            TaskCount::Unlimited => draw.fresh(),
        })
    }

    /// Whether episodes share a permutation at some step.
    pub fn has_bias(&self) -> bool {
        self.config.bias.is_some()
    }

    /// How many episodes of a batch at `step`, counted from 0, share one permutation.
    pub fn biased(&self, step: u64, batch: usize) -> usize {
        self.config.bias.map_or(0, |bias| (bias.fraction_at(step) * batch as f64).round() as usize)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn distribution(config: TasksConfig) -> TaskDistribution {
        TaskDistribution::new(&config, 4, 2, 2).unwrap()
    }

    #[test]
    fn values_that_do_not_fit_are_errors_that_name_the_field() {
        let base = TasksConfig::default();
        let error = |config: &TasksConfig, data_dim, data_classes| {
            TaskDistribution::new(config, data_dim, data_classes, 10).unwrap_err().to_string()
        };
        for count in [0, TaskCount::MAX + 1] {
            let config = TasksConfig { count: TaskCount::Finite(count), ..base.clone() };
            assert!(error(&config, 4, 2).contains(&format!("`tasks.count`: is {count}")));
        }
        for episode_length in [0, 1] {
            let config = TasksConfig { episode_length, ..base.clone() };
            assert!(error(&config, 4, 2).contains("`tasks.episode_length`"));
        }
        for input_dim in [0, 1 << 33, usize::MAX] {
            let config = TasksConfig { input_dim: Some(input_dim), ..base.clone() };
            assert!(error(&config, 4, 2).contains("`tasks.input_dim`"));
        }
        let rigid = TasksConfig { project: false, input_dim: Some(5), ..base.clone() };
        assert!(error(&rigid, 4, 2).contains("the model reads 5"));
        let biased = TasksConfig { bias: Some(BiasConfig { fraction: 1.5, decay: None }), ..base.clone() };
        assert!(error(&biased, 4, 2).contains("`tasks.bias.fraction`"));
        assert!(error(&base, 4, 12).contains("12 classes"));
        assert!(error(&base, 0, 2).contains("0 numbers"));
        assert!(error(&base, 4, 0).contains("0 classes"));
    }

    #[test]
    fn the_table_refuses_fields_it_does_not_know() {
        let error = toml::from_str::<TasksConfig>("counts = 3").unwrap_err().to_string();
        assert!(error.contains("counts"), "{error}");
        let config: TasksConfig = toml::from_str("count = \"2^4\"\nbias = { fraction = 0.5 }").unwrap();
        assert_eq!(config.count, TaskCount::Finite(16));
        assert_eq!(toml::from_str::<TasksConfig>(&toml::to_string(&config).unwrap()).unwrap(), config);
    }

    #[test]
    fn seen_tasks_are_the_k_tasks_and_all_of_them_come() {
        let count = TaskCount::Finite(50);
        let distribution = distribution(TasksConfig { count, ..TasksConfig::default() });
        let tasks: HashSet<TaskId> =
            (0..2_000).map(|episode| distribution.seen_task(Draw::new(7, episode))).collect();
        assert_eq!(tasks, (0..50).map(TaskId::seen).collect());
    }

    #[test]
    fn seen_and_unseen_tasks_are_disjoint_whatever_their_number() {
        for count in [TaskCount::Finite(1), TaskCount::Finite(TaskCount::MAX), TaskCount::Unlimited] {
            let distribution = distribution(TasksConfig { count, ..TasksConfig::default() });
            let seen: HashSet<TaskId> =
                (0..1_000).map(|episode| distribution.seen_task(Draw::new(7, episode))).collect();
            let unseen: HashSet<TaskId> =
                (0..1_000).map(|episode| TaskId::unseen(Draw::new(7, episode).fresh())).collect();
            assert_eq!(unseen.len(), 1_000, "every unseen task is another one");
            assert!(seen.is_disjoint(&unseen));
            assert!(seen.iter().all(|task| task.is_seen()) && !unseen.iter().any(|task| task.is_seen()));
        }
    }

    #[test]
    fn unlimited_tasks_are_never_the_same_one() {
        let distribution = distribution(TasksConfig::default());
        let draws = (0..2).flat_map(|seed| (0..1_000).map(move |episode| (seed, episode)));
        let tasks: HashSet<TaskId> =
            draws.map(|(seed, episode)| distribution.seen_task(Draw::new(seed, episode))).collect();
        assert_eq!(tasks.len(), 2_000);
    }

    #[test]
    fn without_projection_and_permutation_a_task_is_the_data_set() {
        let plain = distribution(TasksConfig { project: false, permute: false, ..TasksConfig::default() });
        assert!(plain.projection(TaskId::seen(3)).is_none());
        assert_eq!(plain.permutation(TaskId::seen(3)), [0, 1]);
    }
}
