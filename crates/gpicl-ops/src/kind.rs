//! The choices an operation takes besides its tensors.

use serde::{Deserialize, Serialize};

/// Number format of the factors of a matrix product. Sums, weights and everything else stay f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// IEEE single precision.
    #[default]
    Fp32,
    /// Both factors rounded to bfloat16 (8 bits of significand).
    Bf16,
}

/// The function after an affine map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// `x`.
    #[default]
    Identity,
    /// Gaussian error linear unit in its tanh form:
    /// `x / 2 * (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))` (Hendrycks and Gimpel 2016).
    Gelu,
}

/// What values are multiplied with, a function of a gate's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gate {
    /// `sigmoid(gate)`: between 0 and 1.
    Sigmoid,
    /// `silu(gate) = gate sigmoid(gate)`.
    Silu,
}

/// Which positions a position attends to. A query always sees itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttentionMask {
    /// Position `i` sees `0..=i`.
    #[default]
    Causal,
    /// Time is `2 N`: `[ctx_0 .. ctx_{N-1}, query_0 .. query_{N-1}]`. Context `i` sees contexts `0..=i`; query `j`
    /// sees contexts `0..j` and itself, so it predicts from the examples before it alone.
    Paired,
    /// The first positions, as many as this says, are a context whose positions all see each other; every other
    /// position sees the context and itself.
    Context(usize),
}

impl AttentionMask {
    /// Positions that others see: they come first.
    pub fn keys(self, time: usize) -> usize {
        match self {
            Self::Causal => time,
            Self::Paired => time / 2,
            Self::Context(examples) => examples,
        }
    }

    /// Whether position `row` attends to position `column` in a sequence of `time` positions.
    pub fn sees(self, row: usize, column: usize, time: usize) -> bool {
        let examples = time / 2;
        match self {
            Self::Causal => column <= row,
            Self::Paired if row < examples => column <= row,
            Self::Paired => column == row || column < row - examples,
            Self::Context(examples) => column == row || column < examples,
        }
    }
}

/// Where the labels stand relative to the inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenLayout {
    /// The paper's: token `j` is `concat(x_j, onehot(y_{j-1}))`; N tokens. To use an example, the model has
    /// to find the label of `x_i` on the token after it.
    #[default]
    Shifted,
    /// A context token `concat(x_i, onehot(y_i))` and a query token `concat(x_j, 0)` per example; 2N tokens, the
    /// contexts first. Query `j` sees the context tokens before `j` and itself; context `i` sees the context up to
    /// itself.
    Paired,
}

impl TokenLayout {
    /// The attention mask that keeps the predictions causal.
    pub fn mask(self) -> AttentionMask {
        match self {
            Self::Shifted => AttentionMask::Causal,
            Self::Paired => AttentionMask::Paired,
        }
    }

    /// Tokens for an episode of `time` examples.
    pub fn tokens(self, time: usize) -> usize {
        match self {
            Self::Shifted => time,
            Self::Paired => 2 * time,
        }
    }
}

/// What a token writes to a matrix memory `S` at its key `k`, with value `v` and write strength `b`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WriteRule {
    /// Adds `b k v^T` (Katharopoulos et al. 2020; fast weights: Schmidhuber 1992).
    #[default]
    Sum,
    /// Adds `b k (v - S^T k)^T`: what is found at `k` moves towards `v` (Widrow and Hoff 1960; Schlag et al. 2021).
    Delta,
}

/// How a matrix memory is written to and read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MatrixMemory {
    /// Memories, side by side in a token.
    pub heads: usize,
    /// What a token writes.
    pub rule: WriteRule,
    /// Which tokens write.
    pub layout: TokenLayout,
    /// Divides a read by the sum of its weights, held at this number or above in size.
    pub normaliser: Option<f32>,
}

/// Factors `a`, `b`, `c` of the polynomial `a x + b x^3 + c x^5` on singular values that a step of Muon's iteration is
/// (Jordan et al. 2024): it drives those from 0 to 1 near 1 soon rather than to 1.
pub const MUON_POLYNOMIAL: [f32; 3] = [3.4445, -4.7750, 2.0315];
/// Steps of the iteration.
pub const MUON_STEPS: usize = 5;
/// The least norm that a matrix is divided by before the iteration.
pub const MUON_EPS: f32 = 1e-7;

/// Numbers of one Muon update.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MuonStep {
    /// Learning rate.
    pub lr: f32,
    /// Decay of the momentum.
    pub momentum: f32,
    /// Decoupled weight decay: the parameter shrinks by `lr * weight_decay` of itself.
    pub weight_decay: f32,
    /// Multiplies the gradient first: the clipping factor.
    pub grad_scale: f32,
    /// Of the iteration's products. On a CPU those of matrices at least twice as long as wide are in fp32.
    pub precision: Precision,
}

impl MuonStep {
    /// What makes the update of a matrix as large as AdamW's (Liu et al. 2025): the entries of an orthogonal matrix have a
    /// root mean square of `1 / sqrt(max(rows, cols))`, those of AdamW's direction of about 0.2.
    pub fn scale(&self, rows: usize, cols: usize) -> f32 {
        0.2 * (rows.max(cols) as f32).sqrt()
    }
}

/// The scalars of one AdamW update (Loshchilov and Hutter 2019).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWStep {
    /// Learning rate.
    pub lr: f32,
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub eps: f32,
    /// Decoupled weight decay: the parameter shrinks by `lr * weight_decay` of itself.
    pub weight_decay: f32,
    /// `1 - beta1^t` at update `t = 1, 2, ..`.
    pub bias_correction1: f32,
    /// `1 - beta2^t`.
    pub bias_correction2: f32,
    /// Multiplies the gradient first: the clipping factor.
    pub grad_scale: f32,
}
