//! Meta-testing: how accuracy rises with the examples seen, on which tasks and data.

pub mod baselines;
mod clusters;
mod config;
mod curve;
mod guessing;
mod interval;
mod look;
mod meta_test;
mod metric;
mod outcome;
mod plateau;
mod rank;
mod sample;
mod test_set;

pub use clusters::{largest_gap, two_clusters};
pub use config::{EvalConfig, TasksChange};
pub use curve::{CurveAccumulator, CurveSummary, EpisodeScores, LearningCurve, UNTRAINED};
pub use guessing::Guessing;
pub use interval::{Design, Interval};
pub use look::{Look, Place};
pub use meta_test::{hits, meta_test};
pub use metric::{Metric, Part};
pub use outcome::{Outcome, OutcomeRule, Scores};
pub use plateau::{Plateau, PlateauRule};
pub use rank::{bootstrap, spearman};
pub use sample::Sample;
pub use test_set::{Asked, TestSet, Trained, episode_dims, label_during_training};
