//! The paper's learner: a pre-LN Transformer with causal attention and learned positions.

use std::iter;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use gpicl_ops::{Activation, AttentionMask, Precision};

use super::blocks::{Mixer, Residual, block_config};
use super::layers::{Linear, QkInit};
use super::rotary::rotated;
use super::state::State;
use super::{Dims, Initializer};
use crate::error::{Error, Result};

block_config! {
    /// Sizes and options of a [`Transformer`].
    TransformerConfig { positions: true, check: check_rotary }
    /// Rotary positions: queries and keys are turned by their token's position. With `positions = false` they are all there is.
    rotary: bool = false,
}

impl TransformerConfig {
    /// Rotary positions turn pairs of a head's numbers.
    fn check_rotary(&self) -> Result<()> {
        let Self { rotary, d_model, heads, .. } = *self;
        if !rotary || (d_model / heads).is_multiple_of(2) {
            return Ok(());
        }
        let problem = format!("needs heads of an even size, not {d_model} / {heads}");
        Err(Error::config("model.rotary", problem, "choose other model.heads or model.d_model"))
    }

    pub(super) fn init(&self, dims: Dims, precision: Precision, init: &mut Initializer) -> Transformer {
        self.sizes().init(dims, precision, init, |init| self.init_attention(precision, init))
    }

    fn init_attention(&self, precision: Precision, init: &mut Initializer) -> Attention {
        let d = self.d_model;
        let mut qkv = init.normal(d * 3 * d, 1.0 / (d as f32).sqrt());
        if self.qk_init == QkInit::Equal {
            for row in qkv.chunks_exact_mut(3 * d) {
                row.copy_within(0..d, d);
            }
        }
        let qkv = init.param(qkv, [d, 3 * d]);
        Attention {
            qkv: Linear::from_weight(qkv, precision, init),
            out: Linear::new(d, d, self.sizes().residual_scale(), precision, init),
            heads: self.heads,
            mask: self.layout.mask(),
            rotary: self.rotary,
            precision,
        }
    }
}

/// Pre-LN Transformer over the tokens of one episode.
pub type Transformer = Residual<Attention>;

/// Multi-head attention.
#[derive(Module, Debug)]
pub struct Attention {
    qkv: Linear,
    out: Linear,
    heads: usize,
    #[module(skip)]
    mask: AttentionMask,
    #[module(skip)]
    rotary: bool,
    #[module(skip)]
    precision: Precision,
}

/// The keys and values of a context's tokens, `[batch, examples, 2 * d_model]`; none without tokens.
#[derive(Clone, Debug)]
pub struct KeysValues(Option<Tensor<3>>);

impl KeysValues {
    /// Those of no token.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Those in `qkv`, `[batch, examples, 3 * d_model]`: a copy, so that the queries' memory is not kept with it.
    pub(super) fn of(qkv: &Tensor<3>) -> Self {
        let d_model = qkv.dims()[2] / 3;
        let [keys, values] = [d_model, 2 * d_model].map(|part| qkv.clone().narrow(2, part, d_model));
        Self(Some(Tensor::cat(vec![keys, values], 2)))
    }

    /// As the operations for queries take them.
    pub(super) fn context(&self) -> Option<Tensor<3>> {
        self.0.clone()
    }

    /// Tokens that they are of.
    pub(super) fn examples(&self) -> usize {
        self.0.as_ref().map_or(0, |context| context.dims()[1])
    }

    /// Sequences that they are of.
    pub(super) fn sequences(&self) -> usize {
        self.0.as_ref().map_or(0, |context| context.dims()[0])
    }

    /// What [`State::size`] counts after `examples` tokens: keys and values of `d_model` numbers.
    pub(super) fn size_after(examples: usize, d_model: usize) -> usize {
        2 * examples * d_model
    }
}

impl State for KeysValues {
    fn size(&self) -> usize {
        self.0.as_ref().map_or(0, |context| context.dims()[1..].iter().product())
    }
}

impl Attention {
    /// Queries, keys and values of tokens at these positions.
    fn qkv(&self, x: Tensor<3>, positions: impl Iterator<Item = usize>) -> Tensor<3> {
        let qkv = self.qkv.forward(x, Activation::Identity);
        if self.rotary { rotated(qkv, self.heads, positions) } else { qkv }
    }
}

impl Mixer for Attention {
    type State = KeysValues;

    fn forward(&self, x: Tensor<3>, residual: Tensor<3>) -> Tensor<3> {
        let [_, tokens, _] = x.dims();
        // Both tokens of a paired example stand where the example does.
        let examples = if self.mask == AttentionMask::Causal { tokens } else { tokens / 2 };
        let qkv = self.qkv(x, (0..tokens).map(|token| token % examples));
        let attended = gpicl_ops::attention(qkv, self.heads, self.mask, self.precision);
        self.out.forward_residual(attended, residual)
    }

    fn empty(&self, _batch: usize, _device: &Device) -> KeysValues {
        KeysValues::none()
    }

    fn read(&self, x: Tensor<3>, residual: Tensor<3>) -> (Tensor<3>, KeysValues) {
        let [_, tokens, _] = x.dims();
        let qkv = self.qkv(x, 0..tokens);
        let context = KeysValues::of(&qkv);
        let attended = gpicl_ops::attention(qkv, self.heads, AttentionMask::Causal, self.precision);
        (self.out.forward_residual(attended, residual), context)
    }

    fn answer(&self, state: &KeysValues, x: Tensor<3>, residual: Tensor<3>) -> Tensor<3> {
        let [_, queries, _] = x.dims();
        let qkv = self.qkv(x, iter::repeat_n(state.examples(), queries));
        let attended = gpicl_ops::attention_queries(qkv, state.context(), self.heads, self.precision);
        self.out.forward_residual(attended, residual)
    }

    /// The key-value cache: `2 x examples x d_model` a layer. In the paired layout only the context tokens are kept, so
    /// both layouts count the same.
    fn state_size(&self, examples: usize) -> usize {
        KeysValues::size_after(examples, self.qkv.weight.dims()[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_cannot_be_are_refused_by_name() {
        let error = |change: fn(&mut TransformerConfig)| {
            let mut config = TransformerConfig::default();
            change(&mut config);
            config.validate().map_err(|error| error.to_string())
        };
        for (change, field) in [
            ((|config| config.position_std = -1.0) as fn(&mut TransformerConfig), "model.position_std"),
            (|config| config.position_std = f32::NAN, "model.position_std"),
            (|config| (config.positions, config.position_std) = (false, 0.5), "model.position_std"),
            (|config| config.input_norm = Some(0.0), "model.input_norm"),
            (|config| (config.rotary, config.d_model, config.heads) = (true, 12, 4), "model.rotary"),
        ] {
            let error = error(change).unwrap_err();
            assert!(error.contains(field), "{field}: {error}");
        }
        assert_eq!(error(|config| config.position_std = 0.0), Ok(()));
        assert_eq!(error(|config| (config.rotary, config.d_model, config.heads) = (true, 16, 4)), Ok(()));
    }
}
