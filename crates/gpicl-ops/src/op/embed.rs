//! The tokens of an episode.

#[cfg(feature = "flex")]
mod native;

#[cfg(feature = "flex")]
use burn::backend::Dispatch;
use burn::tensor::{Int, Tensor};

#[cfg(feature = "flex")]
use self::native::EmbedOps;
use super::check;
use crate::{Embedding, Precision, TokenLayout, reference};

/// The tokens of every episode: `x W + b + position + label_scale * label[y]`, where the layout says which label
/// stands on which token, if any.
///
/// `inputs`: `[batch, time, in]`, `labels`: `[batch, time]` with values below `classes`; returns
/// `[batch, layout.tokens(time), d_model]`.
///
/// # Panics
/// If a shape is another one, or a label is not a class.
pub fn embed(
    inputs: Tensor<3>,
    labels: Tensor<2, Int>,
    weights: Embedding,
    layout: TokenLayout,
    precision: Precision,
) -> Tensor<3> {
    let [batch, time, fan_in] = inputs.dims();
    let [_, d_model] = weights.label.dims();
    check::shape("embed: labels", &[batch, time], &labels.dims());
    check::shape("embed: weight", &[fan_in, d_model], &weights.weight.dims());
    check::shape("embed: bias", &[d_model], &weights.bias.dims());
    if let Some(position) = &weights.position {
        check::shape("embed: position", &[time, d_model], &position.dims());
    }
    #[cfg(feature = "flex")]
    if super::native::takes(&weights.weight) {
        let Embedding { weight, bias, label, position, label_scale } = weights;
        let position = position.unwrap_or_else(|| Tensor::zeros([time, d_model], &weight.device()));
        return Tensor::from_dispatch(Dispatch::embed(
            inputs.into_dispatch(),
            weight.into_dispatch(),
            bias.into_dispatch(),
            label.into_dispatch(),
            position.into_dispatch(),
            labels.into_dispatch(),
            (label_scale, layout, precision),
        ));
    }
    reference::embed(inputs, labels, weights, layout, precision)
}
