//! Muon (Jordan et al. 2024): matrices move by orthogonalised momentum, everything else by AdamW.

use burn::tensor::Tensor;
use gpicl_ops::{MuonStep, Precision};

use super::config::TrainConfig;

/// What begins the path of a matrix that is no map between hidden vectors: of tokens to vectors, of vectors to logits. Such
/// ones move by AdamW (Jordan et al. 2024).
const ENDS: [&str; 2] = ["embedding.", "head."];

/// Whether the parameter at `path` of `rank` dimensions moves by orthogonalised momentum. VSML's biases are rows of a matrix
/// that maps nothing.
pub(super) fn moves(path: &str, rank: usize) -> bool {
    rank == 2 && !path.ends_with("bias") && !ENDS.iter().any(|end| path.starts_with(end))
}

/// Matrices side by side in the parameter at `path`: queries, keys and values are three maps. The gates of a recurrent network
/// count as one.
fn blocks(path: &str) -> usize {
    if path.ends_with("qkv.weight") { 3 } else { 1 }
}

/// The numbers of an update.
pub(super) fn step(config: &TrainConfig, lr: f64, grad_scale: f32, precision: Precision) -> MuonStep {
    MuonStep {
        lr: lr as f32,
        momentum: config.momentum as f32,
        weight_decay: config.weight_decay as f32,
        grad_scale,
        precision,
    }
}

/// One update of the matrix `value` `[rows, columns]`; `momentum` is flat.
pub(super) fn update(
    path: &str,
    value: Tensor<2>,
    grad: Tensor<2>,
    momentum: Tensor<1>,
    step: MuonStep,
) -> (Tensor<2>, Tensor<1>) {
    let shape = value.dims();
    let (value, momentum) = gpicl_ops::muon(value, grad, momentum.reshape(shape), blocks(path), step);
    (value, momentum.reshape([shape[0] * shape[1]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_matrices_move_by_their_momentum() {
        for (path, rank, expected) in [
            ("blocks.0.mixer.qkv.weight", 2, true),
            ("layers.1.recurrent", 2, true),
            ("blocks.0.mixer.qkv.bias", 1, false),
            ("embedding.input.weight", 2, false),
            ("head.weight", 2, false),
            ("weight", 3, false),
            ("bias", 2, false),
        ] {
            assert_eq!(moves(path, rank), expected, "{path}");
        }
        assert_eq!((blocks("blocks.0.mixer.qkv.weight"), blocks("blocks.0.mixer.out.weight")), (3, 1));
    }
}
