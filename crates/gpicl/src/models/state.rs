//! What is left of a context once it was read.

use std::fmt::Debug;

use burn::tensor::{Int, Tensor};
use gpicl_ops::TokenLayout;

/// The memory that a learner answers from: all that a query sees of the examples before it.
pub trait State: Clone + Debug {
    /// Numbers an episode, whatever the queries.
    fn size(&self) -> usize;
}

/// Where a context ended: what a query has to fit, and what its token is told beside its input.
#[derive(Clone, Debug)]
pub struct ContextEnd {
    /// Episodes that were read.
    pub batch: usize,
    /// Where the labels stood.
    pub layout: TokenLayout,
    /// Examples that were read: where a query stands.
    pub examples: usize,
    /// `[batch]`, the label of the last example, where no token has told it yet: in the shifted layout it stands on the
    /// next token.
    pub label: Option<Tensor<1, Int>>,
}

impl State for ContextEnd {
    /// The label that is still to be told.
    fn size(&self) -> usize {
        usize::from(self.label.is_some())
    }
}
