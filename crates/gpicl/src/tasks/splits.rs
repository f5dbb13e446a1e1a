//! A source as a run has it: over each split of its examples.

use std::sync::Arc;

use super::mixture::Mixture;
use super::source::Source;
use crate::error::Result;

/// A source over the meta-training examples, and its twins over held-out ones.
#[derive(Clone, Debug)]
pub struct SourceSplits {
    /// How often meta-training draws from it, relative to the others.
    pub weight: f64,
    /// Meta-training's, and that of seen tasks.
    pub train: Arc<dyn Source>,
    /// That of meta-tests by which somebody chooses.
    pub validation: Arc<dyn Source>,
    /// That of the final meta-test.
    pub test: Arc<dyn Source>,
}

impl SourceSplits {
    /// What meta-training draws from: the one source there is, or a mixture of them.
    ///
    /// # Errors
    /// As [`Mixture::new`].
    pub fn together(all: &[Self]) -> Result<Arc<dyn Source>> {
        match all {
            [alone] => Ok(Arc::clone(&alone.train)),
            _ => {
                let weighted = all.iter().map(|splits| (splits.weight, Arc::clone(&splits.train)));
                Ok(Arc::new(Mixture::new(weighted.collect())?))
            }
        }
    }
}
