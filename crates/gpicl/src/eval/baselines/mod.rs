//! Baselines: learners that people wrote, judged on the same episodes as every learner that was meta-trained. All but one
//! are classical methods; `maml` starts from weights that were meta-trained ([`Baseline::meta_trained`]).
//!
//! To use one (`gpicl eval --baselines` and `gpicl compare` do nothing else):
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use gpicl::eval::{Sample, TestSet, baselines::{Baseline, BaselinesConfig}};
//! # use gpicl::{data::Dataset, models::Dims, tasks::TasksConfig};
//! # fn f(tasks: &TasksConfig, dims: Dims, train: &Arc<Dataset>, test: &Arc<Dataset>) -> gpicl::Result<()> {
//! let tuning = TestSet::tuning(tasks, 0, dims, train)?; // meta-training episodes, never the test's
//! let set = TestSet::unseen(tasks, 0, dims, test)?;
//! for baseline in Baseline::select(&["knn", "ridge"])? { // or "all"
//!     let fitted = baseline.fit(&BaselinesConfig::default(), &tuning, 0)?;
//!     let curve = fitted.curve(&set, Sample { episodes: 256, queries: 256 })?; // curve.learner is Some("knn")
//!     println!("{} ({}): {}", fitted.name, fitted.settings, curve.summary().last.percent());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A new baseline is one file with a [`Learner`] and a `fit` function, plus one line in [`BASELINES`].
//!
//! All numbers of a baseline that somebody has to choose are chosen on the meta-training distribution (seen
//! tasks, training split): the candidate with the best accuracy over the last ten positions of
//! [`BaselinesConfig::tune_episodes`] episodes. The episodes of a test are only ever learned from in order,
//! as every other learner does. A curve is a pure function of the configuration and the seed.

mod full_batch;
pub(crate) mod gram;
mod kernel_ridge;
mod logistic;
mod maml;
mod mlp;
mod most_frequent;
mod nearest_mean;
mod nearest_neighbours;
mod optimizer;
pub(crate) mod ridge;
mod sgd;
mod smoother;
mod svm;
mod tune;
pub(crate) mod vector;

use std::fmt::Debug;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use full_batch::FullBatch;
pub use maml::MamlConfig;
pub use mlp::Mlp;
pub use optimizer::Optimizer;

use self::tune::{Chosen, Tuning};
use super::meta_test::host_hits;
use super::{CurveAccumulator, LearningCurve, Sample, TestSet};
use crate::error::{Error, Result};
use crate::models::Dims;
use crate::tasks::Batch;

/// One episode as a baseline gets it.
#[derive(Clone, Copy, Debug)]
pub struct Examples<'a> {
    /// `x'`, `[N, input_dim]` row-major.
    pub inputs: &'a [f32],
    /// `y'`, `[N]`.
    pub labels: &'a [u32],
    /// Length of an input.
    pub input_dim: usize,
    /// Label slots.
    pub classes: usize,
    /// Number of the episode in its set: keys what a learner draws.
    pub index: u64,
}

impl<'a> Examples<'a> {
    /// The first `count` of them.
    pub fn upto(self, count: usize) -> Self {
        Self { inputs: &self.inputs[..count * self.input_dim], labels: &self.labels[..count], ..self }
    }
}

/// A learning algorithm with every number chosen.
pub trait Learner: Debug + Send + Sync {
    /// Fills `logits` `[N, classes]`: row `j` is the prediction of `labels[j]` from `inputs[j]` and the examples
    /// before `j`.
    fn logits(&self, episode: Examples<'_>, logits: &mut [f32]);

    /// Fills `logits` `[Q, classes]` for `queries` `[Q, input_dim]`, each as if it stood alone after all of `context`:
    /// what [`Learner::logits`] gives at the last position of an episode of the context and that query. The context
    /// may be empty.
    fn answer(&self, context: Examples<'_>, queries: &[f32], logits: &mut [f32]);
}

/// What the baselines may cost, and the sizes of those that have any.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BaselinesConfig {
    /// Meta-training episodes on which the candidates of a baseline are compared.
    pub tune_episodes: usize,
    /// After how many examples `sgd-converged` is trained anew. Between two trainings its predictions are those of
    /// the last; before the last position of an episode it is always trained.
    pub refit: Vec<usize>,
    /// Meta-training of `maml`.
    pub maml: MamlConfig,
}

impl Default for BaselinesConfig {
    fn default() -> Self {
        let refit = [1, 2, 3, 5].into_iter().chain((10..=90).step_by(10)).collect();
        Self { tune_episodes: 64, refit, maml: MamlConfig::default() }
    }
}

impl BaselinesConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub fn validate(&self) -> Result<()> {
        if let Some((_, problem, fix)) = Sample::episodes(self.tune_episodes).fault() {
            return Err(Error::config("baselines.tune_episodes", problem, fix));
        }
        self.maml.validate()
    }
}

/// A kind of baseline.
#[derive(Clone, Copy)]
pub struct Baseline {
    /// Name, as `--baselines` takes it, and as tables and legends show it.
    pub name: &'static str,
    /// What it is, in a line.
    pub summary: &'static str,
    /// Whether it starts from what meta-training left. The others are classical methods: of meta-training they have a few
    /// numbers that were chosen on it.
    pub meta_trained: bool,
    fit: fn(&Tuning<'_>) -> Result<Chosen>,
}

/// All baselines.
pub const BASELINES: &[Baseline] = &[
    Baseline {
        name: "most-frequent",
        summary: "the most frequent label so far",
        meta_trained: false,
        fit: most_frequent::fit,
    },
    Baseline {
        name: "knn",
        summary: "k-nearest neighbours",
        meta_trained: false,
        fit: nearest_neighbours::fit,
    },
    Baseline {
        name: "smoother",
        summary: "softmax attention on cosines",
        meta_trained: false,
        fit: smoother::fit,
    },
    Baseline {
        name: "nearest-mean",
        summary: "nearest class mean",
        meta_trained: false,
        fit: nearest_mean::fit,
    },
    Baseline {
        name: "ridge",
        summary: "ridge regression on one-hot labels",
        meta_trained: false,
        fit: ridge::fit,
    },
    Baseline {
        name: "logistic",
        summary: "L2-regularised multinomial logistic regression",
        meta_trained: false,
        fit: logistic::fit,
    },
    Baseline {
        name: "kernel-ridge",
        summary: "ridge regression with a Gaussian kernel of directions",
        meta_trained: false,
        fit: kernel_ridge::fit,
    },
    Baseline {
        name: "svm",
        summary: "support-vector machine with a Gaussian kernel of directions",
        meta_trained: false,
        fit: svm::fit,
    },
    Baseline {
        name: "sgd-one-pass",
        summary: "MLP, one update an example",
        meta_trained: false,
        fit: sgd::fit_one_pass,
    },
    Baseline {
        name: "sgd-converged",
        summary: "MLP, trained to convergence",
        meta_trained: false,
        fit: sgd::fit_converged,
    },
    Baseline {
        name: "maml",
        summary: "MLP from a meta-trained start, one update an example",
        meta_trained: true,
        fit: maml::fit,
    },
];

impl Debug for Baseline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Baseline({})", self.name)
    }
}

impl Baseline {
    /// The baselines called `names`, in the order of [`BASELINES`]; `all` means every one.
    ///
    /// # Errors
    /// [`Error::Config`] that lists the names there are.
    pub fn select<S: AsRef<str>>(names: &[S]) -> Result<Vec<&'static Self>> {
        let known = |name: &str| name == "all" || BASELINES.iter().any(|baseline| baseline.name == name);
        if let Some(name) = names.iter().map(AsRef::as_ref).find(|name| !known(name)) {
            let all: Vec<&str> = BASELINES.iter().map(|baseline| baseline.name).collect();
            let fix = format!("choose some of {}, or all", all.join(", "));
            return Err(Error::config("--baselines", format!("`{name}` is none"), fix));
        }
        let wanted =
            |baseline: &&Self| names.iter().any(|name| ["all", baseline.name].contains(&name.as_ref()));
        Ok(BASELINES.iter().filter(wanted).collect())
    }

    /// Chooses the baseline's numbers (and meta-trains it, if it is meta-trained) on `tuning`, which
    /// [`TestSet::tuning`] makes. A pure function of its arguments.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field of `config` that cannot be used; [`Error::Diverged`].
    pub fn fit(&self, config: &BaselinesConfig, tuning: &TestSet, seed: u64) -> Result<Fitted> {
        config.validate()?;
        let Chosen { settings, learner } = (self.fit)(&Tuning { config, set: tuning, seed })?;
        Ok(Fitted { name: self.name, settings, learner })
    }
}

/// A baseline ready to be judged.
#[derive(Debug)]
pub struct Fitted {
    /// The baseline's name.
    pub name: &'static str,
    /// What was chosen, for people: `k = 3`.
    pub settings: String,
    learner: Box<dyn Learner>,
}

impl Fitted {
    /// The learner itself, to learn from any episode and answer any queries.
    pub fn learner(&self) -> &dyn Learner {
        &*self.learner
    }

    /// The learning curve over the first episodes of `set`, the ones that [`super::meta_test`] takes.
    /// Its `label` is the set's, its `learner` the baseline's name.
    ///
    /// # Errors
    /// [`Error::Argument`] if there are too few episodes for an interval.
    pub fn curve(&self, set: &TestSet, sample: Sample) -> Result<LearningCurve> {
        let mut curve = curve(&*self.learner, set, sample)?;
        curve.learner = Some(self.name.into());
        Ok(curve)
    }
}

/// The learning curve of any learner, as [`super::meta_test`] makes a model's.
///
/// # Errors
/// [`Error::Argument`] if there are too few episodes for an interval.
pub fn curve(learner: &(impl Learner + ?Sized), set: &TestSet, sample: Sample) -> Result<LearningCurve> {
    let dims = set.dims();
    let mut curve = CurveAccumulator::new(dims.episode_length);
    for asked in set.ask(sample) {
        let first = curve.episodes();
        let judge = |logits: &[f32], labels: &[u32]| -> Judged {
            let rows = logits.chunks_exact(dims.classes).zip(labels);
            let nll = rows.map(|(row, &label)| cross_entropy(row, label as usize)).collect();
            (host_hits(logits, labels, dims.classes), nll)
        };
        let most = asked.questions().map(|(_, queries)| queries).max().unwrap_or_default();
        let queries = asked.queries(0..most);
        let judged: Vec<(Judged, Vec<Judged>)> = (0..asked.count)
            .into_par_iter()
            .map(|i| {
                asked.look_up();
                let episode = examples(&asked.batch, i, dims, first as u64);
                let mut logits = vec![0.0; episode.labels.len() * dims.classes];
                learner.logits(episode, &mut logits);
                let (inputs, labels) = queries.episode(i);
                let answers = asked.questions().map(|(examples, count)| {
                    let mut logits = vec![0.0; count * dims.classes];
                    learner.answer(episode.upto(examples), &inputs[..count * dims.input_dim], &mut logits);
                    judge(&logits, &labels[..count])
                });
                (judge(&logits, episode.labels), answers.collect())
            })
            .collect();
        for (i, ((hits, nll), answers)) in judged.iter().enumerate() {
            curve.add_episode(hits, nll);
            for ((examples, _), (hits, nll)) in asked.questions().zip(answers) {
                curve.add_queries(first + i, examples, hits, nll);
            }
        }
    }
    set.finish(curve, sample)
}

/// Whether each prediction was right, and its cross-entropy in nats.
type Judged = (Vec<bool>, Vec<f32>);

/// Episode `i` of a batch whose first one has the number `first`.
fn examples(batch: &Batch, i: usize, dims: Dims, first: u64) -> Examples<'_> {
    let Dims { input_dim, classes, .. } = dims;
    let (inputs, labels) = batch.episode(i);
    Examples { inputs, labels, input_dim, classes, index: first + i as u64 }
}

/// `-log softmax(logits)[label]`, in nats.
fn cross_entropy(logits: &[f32], label: usize) -> f32 {
    let top = logits.iter().copied().fold(f32::MIN, f32::max);
    logits.iter().map(|logit| (logit - top).exp()).sum::<f32>().ln() + top - logits[label]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Rng, Stream};

    /// Inputs around one centre a class, `[n, dim]`, and labels `[n]`.
    pub fn toy_episode(n: usize, dim: usize, classes: usize, seed: u64) -> (Vec<f32>, Vec<u32>) {
        let mut rng = Rng::new(seed, Stream::Data, 0);
        let centres: Vec<f32> = (0..classes * dim).map(|_| rng.normal()).collect();
        let labels: Vec<u32> = (0..n).map(|_| rng.below(classes as u64) as u32).collect();
        let inputs = labels
            .iter()
            .flat_map(|&label| &centres[label as usize * dim..(label as usize + 1) * dim])
            .map(|centre| centre + 0.5 * rng.normal())
            .collect();
        (inputs, labels)
    }

    /// Ten examples of two numbers, of 3 classes, and three queries: scikit-learn 1.9 was given the same.
    pub const PLANE: [[f32; 2]; 10] = [
        [1.0, 0.2],
        [0.9, -0.3],
        [-0.5, 1.2],
        [0.1, 0.8],
        [-0.2, -1.0],
        [0.3, -0.9],
        [0.6, 0.5],
        [-1.1, 0.4],
        [0.8, -0.7],
        [-0.4, 0.9],
    ];
    pub const PLANE_LABELS: [u32; 10] = [0, 0, 1, 1, 2, 2, 1, 1, 0, 2];
    pub const PLANE_QUERIES: [[f32; 2]; 3] = [[0.5, 0.4], [-0.7, -0.6], [0.4, -1.3]];

    /// Answers to the queries of the plane, `[3, classes]`.
    pub fn plane_answers(learner: &impl Learner) -> Vec<f32> {
        let (inputs, labels) = (PLANE.as_flattened(), &PLANE_LABELS);
        let mut logits = vec![0.0; 9];
        let context = Examples { inputs, labels, input_dim: 2, classes: 3, index: 0 };
        learner.answer(context, PLANE_QUERIES.as_flattened(), &mut logits);
        logits
    }

    /// Logits over inputs of one number and 3 classes.
    pub fn logits(learner: &impl Learner, inputs: &[f32], labels: &[u32]) -> Vec<f32> {
        let mut logits = vec![0.0; 3 * labels.len()];
        learner.logits(Examples { inputs, labels, input_dim: 1, classes: 3, index: 0 }, &mut logits);
        logits
    }

    /// The classes with the largest of [`logits`].
    pub fn predictions(learner: &impl Learner, inputs: &[f32], labels: &[u32]) -> Vec<u32> {
        let logits = logits(learner, inputs, labels);
        let hits: Vec<Vec<bool>> =
            (0..3).map(|class| host_hits(&logits, &vec![class; labels.len()], 3)).collect();
        (0..labels.len()).map(|j| (0..3).find(|&class| hits[class as usize][j]).unwrap()).collect()
    }

    #[test]
    fn names_select_in_the_order_of_the_list() {
        let names = |list: &[&str]| -> Vec<&str> {
            Baseline::select(list).unwrap().iter().map(|baseline| baseline.name).collect()
        };
        assert_eq!(names(&["ridge", "knn"]), ["knn", "ridge"]);
        assert_eq!(names(&["all"]).len(), BASELINES.len());
        let meta_trained = BASELINES.iter().filter(|baseline| baseline.meta_trained);
        assert_eq!(meta_trained.map(|baseline| baseline.name).collect::<Vec<_>>(), ["maml"]);
        assert_eq!(names(&[]), [""; 0]);
        let error = Baseline::select(&["knn", "forest"]).unwrap_err().to_string();
        assert!(error.contains("`forest`") && error.contains("nearest-mean"), "{error}");
    }

    #[test]
    fn a_cross_entropy_is_that_of_the_softmax() {
        assert!((cross_entropy(&[1.0, 1.0, 1.0, 1.0], 2) - 4.0_f32.ln()).abs() < 1e-6);
        assert!((cross_entropy(&[1000.0, 0.0], 1) - 1000.0).abs() < 1e-3);
    }
}
