//! What makes a meta-learning problem out of a data set: random projections and label permutations.
//!
//! [`TasksConfig`] -> [`TaskDistribution`] (which tasks) -> [`Episode`] (N examples of one) ->
//! [`BatchSource`] and [`Prefetch`] (B episodes, ahead of their use) or [`SharedBatches`] (for several runs). Nothing is stored per task: everything
//! is a pure function of seeds and counters ([`crate::rng`]).

mod batch;
mod bias;
mod count;
mod distribution;
mod episode;
mod permutation;
mod prefetch;
mod projection;
mod shared;
mod tensors;

pub use batch::{Batch, BatchSource, Mode};
pub use bias::{BiasConfig, BiasDecay};
pub use count::TaskCount;
pub use distribution::{TaskDistribution, TaskId, TasksConfig};
pub use episode::Episode;
pub use permutation::permutation;
pub use prefetch::Prefetch;
pub use projection::{projection, random_matrix};
pub use shared::SharedBatches;
pub use tensors::{host, label_tensor, to_device};
