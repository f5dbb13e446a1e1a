//! Rotary positions (Su et al., arXiv 2104.09864): queries and keys are turned by angles that grow with the position of their
//! token, so that the product of two knows how far apart they are.

use burn::tensor::{Tensor, TensorData};

/// Waves grow from `2 pi` tokens by equal factors, to all but one of them `2 pi` times this.
const BASE: f64 = 10_000.0;

/// `qkv` `[batch, tokens, 3 * d_model]` with the queries and keys of every head turned by the positions of their tokens. Number
/// `i` of a head's first half and of its second are a pair.
pub(super) fn rotated(qkv: Tensor<3>, heads: usize, positions: impl Iterator<Item = usize>) -> Tensor<3> {
    let [batch, tokens, width] = qkv.dims();
    let half = width / (3 * heads * 2);
    let angles: Vec<f64> = positions
        .flat_map(|position| {
            (0..half).map(move |pair| position as f64 * libm::pow(BASE, -(pair as f64) / half as f64))
        })
        .collect();
    let constant = |of: fn(f64) -> f64| {
        let values: Vec<f32> = angles.iter().map(|&angle| of(angle) as f32).collect();
        Tensor::<5>::from_data(TensorData::new(values, [1, tokens, 1, 1, half]), &qkv.device())
    };
    let (cos, sin) = (constant(libm::cos), constant(libm::sin));
    let parts = qkv.reshape([batch, tokens, 3 * heads, 2, half]);
    let turned = parts.clone().narrow(2, 0, 2 * heads);
    let (x, y) = (turned.clone().narrow(3, 0, 1), turned.narrow(3, 1, 1));
    let turned = vec![x.clone() * cos.clone() - y.clone() * sin.clone(), x * sin + y * cos];
    let values = parts.narrow(2, 2 * heads, heads);
    Tensor::cat(vec![Tensor::cat(turned, 3), values], 2).reshape([batch, tokens, width])
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    /// Queries and keys of one head at some positions.
    fn turned(numbers: [f32; 8], positions: [usize; 2]) -> Vec<f32> {
        // A query and a key of four numbers, the same ones for both tokens, and values.
        let token: Vec<f32> = numbers.into_iter().chain([7.0, 8.0, 9.0, 10.0]).collect();
        let data = TensorData::new([&token[..], &token].concat(), [1, 2, 12]);
        rotated(Tensor::from_data(data, &Device::flex()), 1, positions.into_iter())
            .into_data()
            .iter()
            .collect()
    }

    const NUMBERS: [f32; 8] = [1.0, -0.5, 2.0, 0.3, 0.2, 0.7, -1.0, 1.5];

    #[test]
    fn angles_are_those_of_the_definition() {
        let found = turned(NUMBERS, [0, 3]);
        assert_eq!(found[..8], NUMBERS, "position 0 turns nothing");
        assert_eq!([&found[8..12], &found[20..]].concat(), [7.0, 8.0, 9.0, 10.0, 7.0, 8.0, 9.0, 10.0]);
        // Pairs are (1, 2) and (-0.5, 0.3), their angles 3 and 3 / 100.
        let expected = |x: f64, y: f64, angle: f64| {
            let (sin, cos) = angle.sin_cos();
            [x * cos - y * sin, x * sin + y * cos]
        };
        let ([a, c], [b, d]) = (expected(1.0, 2.0, 3.0), expected(-0.5, 0.3, 0.03));
        for (found, expected) in found[12..16].iter().zip([a, b, c, d]) {
            assert!((f64::from(*found) - expected).abs() < 1e-6, "{found} {expected}");
        }
    }

    #[test]
    fn products_of_queries_and_keys_know_the_distance_alone() {
        let product = |query: usize, key: usize| -> f32 {
            let found = turned(NUMBERS, [query, key]);
            found[..4].iter().zip(&found[16..20]).map(|(q, k)| q * k).sum()
        };
        assert!((product(5, 2) - product(23, 20)).abs() < 1e-5);
        assert!((product(5, 2) - product(5, 4)).abs() > 0.1);
    }
}
