//! Gated recurrent units (Cho et al. 2014), in the form with the reset gate after the product.

use pulp::Simd;

use super::{Cell, Token, TokenGradient, blocks, blocks_mut};
use crate::cpu::simd::{sigmoid, tanh, update};

/// `h = (1 - z) n + z h'` with gates `r`, `z`, `n` in this order: `r` and `z` are sigmoids of `input + h' W + bias`,
/// `n = tanh(input + r (h' W + bias))`. The memory is that last `h' W + bias`.
#[derive(Clone, Copy, Debug)]
pub struct Gru<'a> {
    /// `[3 * hidden]`.
    pub bias: &'a [f32],
}

impl Cell for Gru<'_> {
    const GATES: usize = 3;
    const ONE_GRADIENT: bool = false;

    #[inline(always)]
    fn forward<S: Simd>(self, simd: S, token: Token<'_>) {
        let [r, z, n] = blocks_mut(token.gates);
        let [to_r, to_z, to_n] = blocks(token.product);
        let [bias_r, bias_z, bias_n] = blocks(self.bias);
        let before = token.before.out;
        update!(simd: S, [to_r in to_r, to_z in to_z, to_n in to_n, bias_r in bias_r, bias_z in bias_z, bias_n in bias_n, before in before],
            [r in r, z in z, n in n, recurrent in token.memory, h in token.out] {
            r = sigmoid(simd, simd.add_f32s(r, simd.add_f32s(to_r, bias_r)));
            z = sigmoid(simd, simd.add_f32s(z, simd.add_f32s(to_z, bias_z)));
            recurrent = simd.add_f32s(to_n, bias_n);
            n = tanh(simd, simd.mul_add_e_f32s(r, recurrent, n));
            h = simd.mul_add_e_f32s(z, simd.sub_f32s(before, n), n);
        });
    }

    #[inline(always)]
    fn backward<S: Simd>(self, simd: S, token: TokenGradient<'_>) {
        let [r, z, n] = blocks_mut(token.gates);
        let [to_r, to_z, to_n] = blocks_mut(token.dproduct);
        let ([own, next], before) = (token.dout, token.before.out);
        let one = simd.splat_f32s(1.0);
        update!(simd: S, [recurrent in token.memory, before in before, own in own, next in next],
            [r in r, z in z, n in n, carry in token.carry, to_r in to_r, to_z in to_z, to_n in to_n] {
            let dh = simd.add_f32s(carry, simd.add_f32s(own, next));
            carry = simd.mul_f32s(dh, z);
            let dn = simd.mul_f32s(simd.sub_f32s(dh, carry), simd.negate_mul_add_e_f32s(n, n, one));
            let open = simd.mul_f32s(dh, simd.sub_f32s(before, n));
            to_r = simd.mul_f32s(simd.mul_f32s(dn, recurrent), simd.negate_mul_add_e_f32s(r, r, r));
            to_z = simd.mul_f32s(open, simd.negate_mul_add_e_f32s(z, z, z));
            to_n = simd.mul_f32s(dn, r);
            (r, z, n) = (to_r, to_z, dn);
        });
    }
}
