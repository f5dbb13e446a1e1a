//! What makes a meta-learning problem out of a data set: random projections and label permutations.

mod batch;
mod distribution;
mod episode;
mod permutation;
mod projection;
pub mod rng;

pub use batch::{Batch, BatchSource, Mode, Prefetch};
pub use distribution::{BiasConfig, BiasDecay, TaskCount, TaskDistribution, TaskId, TasksConfig};
pub use permutation::permutation;
pub use projection::projection;
