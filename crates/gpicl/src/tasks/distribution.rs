//! Which tasks there are: K of them, seen and unseen, and the paper's bias intervention.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::permutation::permutation;
use super::projection::projection;
use super::rng::{Rng, Stream};
use crate::error::{Error, Result};

/// Number of tasks in the meta-training distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskCount {
    /// K tasks, 1 to 2^25.
    Finite(u64),
    /// A fresh task for every episode.
    Unlimited,
}

impl TaskCount {
    /// The largest finite K: 2^25, twice the paper's.
    pub const MAX: u64 = 1 << 25;
}

impl fmt::Display for TaskCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => f.write_str("unlimited"),
            Self::Finite(count) if count.is_power_of_two() => write!(f, "2^{}", count.trailing_zeros()),
            Self::Finite(count) => write!(f, "{count}"),
        }
    }
}

impl FromStr for TaskCount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text == "unlimited" {
            return Ok(Self::Unlimited);
        }
        let count = match text.strip_prefix("2^") {
            Some(power) => power.parse().ok().and_then(|power| 1_u64.checked_shl(power)),
            None => text.parse().ok(),
        };
        match count {
            Some(count) if (1..=Self::MAX).contains(&count) => Ok(Self::Finite(count)),
            _ => Err(format!("`{text}` is no number of tasks; give 1 to 2^25, like 4096 or \"2^12\", or \"unlimited\"")),
        }
    }
}

impl Serialize for TaskCount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TaskCount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Number(u64),
            Text(String),
        }
        let text = match Form::deserialize(deserializer)? {
            Form::Number(number) => number.to_string(),
            Form::Text(text) => text,
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

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
            bias: None,
        }
    }
}

/// Bias of the meta-training distribution: a fraction of each batch shares one label permutation (paper,
/// section 4.4). The projections stay the tasks' own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BiasConfig {
    /// Fraction of the episodes of a batch at the start.
    pub fraction: f64,
    /// Where the fraction goes; constant if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decay: Option<BiasDecay>,
}

/// A linear change of the biased fraction.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BiasDecay {
    /// Fraction at and after `end`.
    pub to: f64,
    /// Last step at the starting fraction.
    pub start: u64,
    /// First step at the final fraction.
    pub end: u64,
}

impl BiasConfig {
    /// The fraction at `step`, counted from 0.
    pub fn fraction_at(&self, step: u64) -> f64 {
        match self.decay {
            None => self.fraction,
            Some(BiasDecay { to, start, end }) => {
                let done = (step.saturating_sub(start) as f64 / (end - start) as f64).min(1.0);
                self.fraction + (to - self.fraction) * done
            }
        }
    }

    fn validate(&self) -> Result<()> {
        let fractions = [("fraction", Some(self.fraction)), ("decay.to", self.decay.map(|decay| decay.to))];
        for (field, value) in fractions {
            if value.is_some_and(|value| !(0.0..=1.0).contains(&value)) {
                let problem = format!("is {}", value.unwrap_or_default());
                return Err(Error::config(format!("tasks.bias.{field}"), problem, "give a fraction in [0, 1]"));
            }
        }
        match self.decay {
            Some(decay) if decay.end <= decay.start => Err(Error::config(
                "tasks.bias.decay.end",
                format!("{} is not after start = {}", decay.end, decay.start),
                "give a later step",
            )),
            _ => Ok(()),
        }
    }
}

/// One task, by its number. Seen and unseen tasks are numbered from disjoint ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(u64);

impl TaskId {
    const UNSEEN: u64 = 1 << 63;

    /// Task `k` of the meta-training distribution.
    pub fn seen(k: u64) -> Self {
        assert!(k < Self::UNSEEN, "task numbers have 63 bits");
        Self(k)
    }

    /// Task `k` of the stream that meta-training never draws from.
    pub fn unseen(k: u64) -> Self {
        assert!(k < Self::UNSEEN, "task numbers have 63 bits");
        Self(Self::UNSEEN | k)
    }

    /// Whether the task can occur in meta-training.
    pub fn is_seen(self) -> bool {
        self.0 & Self::UNSEEN == 0
    }

    /// The number that the generators are keyed with.
    pub fn key(self) -> u64 {
        self.0
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
    /// Tasks over a data set of `data_dim` numbers and `data_classes` classes, for a model with `classes`
    /// label slots.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field that does not fit.
    pub fn new(config: &TasksConfig, data_dim: usize, data_classes: usize, classes: usize) -> Result<Self> {
        if config.episode_length < 2 {
            let problem = format!("is {}", config.episode_length);
            return Err(Error::config("tasks.episode_length", problem, "give at least 2 examples"));
        }
        let input_dim = config.input_dim.unwrap_or(data_dim);
        if input_dim == 0 {
            return Err(Error::config("tasks.input_dim", "is 0", "give at least 1, or leave it out"));
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

    /// Examples in an episode.
    pub fn episode_length(&self) -> usize {
        self.config.episode_length
    }

    /// `A_k` `[input_dim, data_dim]`; `None` if inputs are not projected.
    pub fn projection(&self, task: TaskId) -> Option<Vec<f32>> {
        let Self { config, input_dim, data_dim, .. } = self;
        config.project.then(|| projection(config.seed, task.key(), *input_dim, *data_dim))
    }

    /// The label slot of every class of the data set.
    pub fn permutation(&self, task: TaskId) -> Vec<u32> {
        if self.config.permute {
            permutation(self.config.seed, task.key(), self.data_classes, self.classes)
        } else {
            (0..self.data_classes as u32).collect()
        }
    }

    /// The meta-training task of episode number `episode`: uniform over the K tasks, or a fresh one.
    pub fn seen_task(&self, seed: u64, episode: u64) -> TaskId {
        TaskId::seen(match self.config.count {
            TaskCount::Finite(count) => Rng::new(seed, Stream::TaskChoice, episode).below(count),
            // Keyed by the run's seed too, so that two seeds do not meta-train on the same tasks.
            TaskCount::Unlimited => Rng::new(seed, Stream::TaskChoice, episode).bits64() >> 1,
        })
    }

    /// How many episodes of a batch at `step` share one permutation.
    pub fn biased(&self, step: u64, batch: usize) -> usize {
        self.config.bias.map_or(0, |bias| (bias.fraction_at(step) * batch as f64).round() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_reads_and_writes_in_every_form() {
        for (text, count) in [
            ("1", TaskCount::Finite(1)),
            ("2^25", TaskCount::Finite(1 << 25)),
            ("4097", TaskCount::Finite(4097)),
            ("unlimited", TaskCount::Unlimited),
        ] {
            assert_eq!(text.parse::<TaskCount>().unwrap(), count);
            assert_eq!(count.to_string().parse::<TaskCount>().unwrap(), count);
        }
        for bad in ["0", "2^26", "2^64", "-1", "many", "", "1.5"] {
            assert!(bad.parse::<TaskCount>().unwrap_err().contains("2^25"), "{bad}");
        }
    }

    #[test]
    fn sizes_that_do_not_fit_are_errors_that_name_the_field() {
        let config = TasksConfig::default();
        let error = TaskDistribution::new(&config, 4, 12, 10).unwrap_err().to_string();
        assert!(error.contains("12 classes"), "{error}");
        let short = TasksConfig { episode_length: 1, ..config.clone() };
        assert!(TaskDistribution::new(&short, 4, 2, 2).unwrap_err().to_string().contains("tasks.episode_length"));
        let rigid = TasksConfig { project: false, input_dim: Some(5), ..config.clone() };
        assert!(TaskDistribution::new(&rigid, 4, 2, 2).unwrap_err().to_string().contains("tasks.input_dim"));
        let bias = Some(BiasConfig { fraction: 1.5, decay: None });
        let biased = TasksConfig { bias, ..config };
        assert!(TaskDistribution::new(&biased, 4, 2, 2).unwrap_err().to_string().contains("tasks.bias.fraction"));
    }

    #[test]
    fn seen_and_unseen_tasks_are_disjoint_whatever_their_number() {
        let distribution = TaskDistribution::new(&TasksConfig::default(), 4, 2, 2).unwrap();
        for episode in 0..1000 {
            assert!(distribution.seen_task(7, episode).is_seen());
            assert!(!TaskId::unseen(episode).is_seen());
        }
    }

    #[test]
    fn the_biased_fraction_follows_its_schedule() {
        let decay = Some(BiasDecay { to: 0.0, start: 10, end: 20 });
        let bias = Some(BiasConfig { fraction: 0.5, decay });
        let config = TasksConfig { bias, ..TasksConfig::default() };
        let distribution = TaskDistribution::new(&config, 4, 2, 2).unwrap();
        let biased = [0, 10, 15, 20, 99].map(|step| distribution.biased(step, 16));
        assert_eq!(biased, [8, 8, 4, 0, 0]);
    }
}
