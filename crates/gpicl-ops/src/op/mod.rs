//! One operation a file: what it is, its shapes, and its native version's registration and
//! backward pass in `native.rs` below it.

mod adamw;
mod attention;
mod check;
mod cross_entropy;
mod embed;
mod feed_forward;
mod gated;
mod gru;
mod layer_norm;
mod linear;
mod lstm;
mod matrix_memory;
mod mesa;
mod muon;
#[cfg(feature = "flex")]
mod native;
mod outer_product_lstm;
mod recurrent;
mod sum_of_squares;
mod unit_silu;
mod upload;
mod vsml;

pub use adamw::adamw;
pub use attention::{attention, attention_across, attention_queries};
pub use cross_entropy::cross_entropy;
pub use embed::embed;
pub use feed_forward::feed_forward;
pub use gated::gated;
pub use gru::{gru, gru_queries, gru_with_state};
pub use layer_norm::layer_norm;
pub use linear::{linear, linear_residual};
pub use lstm::{lstm, lstm_queries, lstm_with_state};
pub use matrix_memory::{matrix_memory, matrix_memory_queries, matrix_memory_with_state};
pub use mesa::{mesa, mesa_queries};
pub use muon::muon;
pub use outer_product_lstm::{outer_product_lstm, outer_product_lstm_queries, outer_product_lstm_with_state};
pub use sum_of_squares::sum_of_squares;
pub use unit_silu::unit_silu;
pub use upload::upload;
pub use vsml::{vsml, vsml_queries, vsml_read};
