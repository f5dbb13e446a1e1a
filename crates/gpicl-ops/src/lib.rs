//! Fused tensor operations for meta-training sequence models with Burn.
//!
//! Each operation is a function of [`Tensor`](burn::tensor::Tensor) that works on every device, with and without
//! automatic differentiation. [`mod@reference`] holds the same operations written with Burn's plain ones: the
//! definition that tests compare with, and what devices without a native version run.
#![warn(missing_docs)]

#[cfg(feature = "tensors")]
mod arguments;
pub mod cpu;
mod kind;
#[cfg(feature = "tensors")]
mod op;
#[cfg(feature = "tensors")]
pub mod reference;

#[cfg(feature = "tensors")]
pub use arguments::{
    Embedding, FeedForward, LstmState, MemoryTokens, OuterProductState, Vsml, VsmlNet, VsmlState,
};
pub use kind::{
    Activation, AdamWStep, AttentionMask, Gate, MUON_EPS, MUON_POLYNOMIAL, MUON_STEPS, MatrixMemory,
    MuonStep, Precision, TokenLayout, WriteRule,
};
#[cfg(feature = "tensors")]
pub use op::{
    adamw, attention, attention_across, attention_queries, cross_entropy, embed, feed_forward, gated, gru,
    gru_queries, gru_with_state, layer_norm, linear, linear_residual, lstm, lstm_queries, lstm_with_state,
    matrix_memory, matrix_memory_queries, matrix_memory_with_state, mesa, mesa_queries, muon,
    outer_product_lstm, outer_product_lstm_queries, outer_product_lstm_with_state, sum_of_squares, unit_silu,
    upload, vsml, vsml_queries, vsml_read,
};
