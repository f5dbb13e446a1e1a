//! The native version for queries after a context; it has no gradient.

use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Flex, TensorMetadata, backend_extension};

use crate::cpu::attention::{self, QuerySizes};
use crate::op::native::{contiguous, filled, values};

/// Attention of queries after a context as a backend's operation.
#[backend_extension(Flex)]
pub trait AttentionQueriesOps: Backend {
    /// See [`crate::attention_queries`].
    fn attention_queries(
        qkv: FloatTensor<Self>,
        context: FloatTensor<Self>,
        heads: usize,
    ) -> FloatTensor<Self>;
}

impl AttentionQueriesOps for Flex {
    fn attention_queries(qkv: FlexTensor, context: FlexTensor, heads: usize) -> FlexTensor {
        let (qkv, context) = (contiguous(qkv), contiguous(context));
        let [batch, queries, width]: [usize; 3] = qkv.shape().dims();
        let [_, examples, _]: [usize; 3] = context.shape().dims();
        let sizes = QuerySizes { queries, examples, heads, d_head: width / (3 * heads) };
        filled([batch, queries, width / 3].into(), |out| {
            attention::queries(values(&qkv), values(&context), out, sizes);
        })
    }
}
