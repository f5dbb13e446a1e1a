//! A source as a run has it: over each split of its examples.

use std::sync::Arc;

use super::mixture::Mixture;
use super::source::Source;
use crate::data::{Fingerprints, Split};
use crate::error::Result;

/// A source over the meta-training examples, and its twins over held-out ones.
#[derive(Clone, Debug)]
pub struct SourceSplits {
    /// Where it stands in the configuration: `mix[1].`, nothing for `[data]` and `[tasks]`.
    pub place: String,
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
    /// The data of all splits of all sources, by their places in the configuration: a data set may change its name.
    pub fn fingerprints(all: &[Self]) -> Fingerprints {
        let mut prints = Fingerprints::default();
        for Self { place, train, validation, test, .. } in all {
            for (split, source) in
                [(Split::Train, train), (Split::Validation, validation), (Split::Test, test)]
            {
                if let Some(print) = source.fingerprint() {
                    prints.insert(&format!("{place}data"), split, print);
                }
            }
        }
        prints
    }

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
