//! A source as a run has it: over what it is meta-trained on, and over what is held out.

use std::sync::Arc;

use super::mixture::Mixture;
use super::source::Source;
use crate::error::Result;

/// A source over the meta-training examples, and its twin over held-out ones.
#[derive(Clone, Debug)]
pub struct SourcePair {
    /// How often meta-training draws from it, relative to the others.
    pub weight: f64,
    /// Meta-training's, and that of seen tasks.
    pub train: Arc<dyn Source>,
    /// That of unseen tasks.
    pub test: Arc<dyn Source>,
}

impl SourcePair {
    /// What meta-training draws from: the one source there is, or a mixture of them.
    ///
    /// # Errors
    /// As [`Mixture::new`].
    pub fn together(pairs: &[Self]) -> Result<Arc<dyn Source>> {
        match pairs {
            [alone] => Ok(Arc::clone(&alone.train)),
            _ => {
                let weighted = pairs.iter().map(|pair| (pair.weight, Arc::clone(&pair.train)));
                Ok(Arc::new(Mixture::new(weighted.collect())?))
            }
        }
    }
}
