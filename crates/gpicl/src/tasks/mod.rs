//! Where episodes come from. The paper's source makes a meta-learning problem out of a data set by random projections
//! and label permutations.
//!
//! A [`Source`] has tasks, named by [`TaskId`], and makes an [`Episode`] of N examples of one: [`Projected`] over a data
//! set ([`TasksConfig`] -> [`TaskDistribution`]), [`Mixture`] of several. [`BatchSource`] and [`Prefetch`] make B episodes
//! of any source ahead of their use, [`SharedBatches`] for several runs. A run's configuration has a [`SourceConfig`] for
//! each source, and [`load_sources`] makes them. Nothing is stored per task: everything is a
//! pure function of seeds and counters ([`crate::rng`]).

mod batch;
mod bias;
mod choice;
mod component;
mod count;
mod distribution;
mod episode;
mod kind;
mod load;
mod mix;
mod mixture;
mod permutation;
mod prefetch;
mod prior;
mod projected;
mod projection;
mod shared;
mod source;
mod sources;
mod splits;
mod task;
mod tensors;
mod visited;

pub use batch::{Batch, BatchSource, Mode};
pub use bias::{BiasConfig, BiasDecay};
pub use component::Component;
pub use count::TaskCount;
pub use distribution::{TaskDistribution, TasksConfig};
pub use episode::Episode;
pub use kind::{Loaded, MakeSplits, SourceKind};
pub use load::load_sources;
pub use mix::MixConfig;
pub use mixture::Mixture;
pub use permutation::permutation;
pub use prefetch::Prefetch;
pub use prior::{Families, MadeTable, Prior, PriorConfig};
pub use projected::{Projected, ProjectedConfig};
pub use projection::{projection, random_matrix};
pub use shared::SharedBatches;
pub use source::{Identity, Source};
pub use sources::SourceConfig;
pub use splits::SourceSplits;
pub use task::{Draw, TaskId};
pub use tensors::{host, label_tensor, to_device};
pub use visited::Visited;
