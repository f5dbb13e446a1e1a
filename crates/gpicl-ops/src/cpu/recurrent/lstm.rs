//! Long short-term memory (Hochreiter and Schmidhuber 1997) with forget gates (Gers et al. 2000).

use pulp::Simd;

use super::{Cell, Token, TokenGradient, blocks, blocks_mut};
use crate::cpu::simd::{sigmoid, tanh, update};

/// `c = f c' + i g`, `h = o tanh(c)` with gates `i`, `f`, `g`, `o` in this order, `g` a tanh and the others sigmoids
/// of `input + h' W`. The memory is `c`.
#[derive(Clone, Copy, Debug)]
pub struct Lstm;

impl Cell for Lstm {
    const GATES: usize = 4;
    const ONE_GRADIENT: bool = true;

    #[inline(always)]
    fn forward<S: Simd>(self, simd: S, token: Token<'_>) {
        let [i, f, g, o] = blocks_mut(token.gates);
        let [to_i, to_f, to_g, to_o] = blocks(token.product);
        let before = token.before.memory;
        update!(simd: S, [to_i in to_i, to_f in to_f, to_g in to_g, to_o in to_o, before in before],
            [i in i, f in f, g in g, o in o, c in token.memory, h in token.out] {
            i = sigmoid(simd, simd.add_f32s(i, to_i));
            f = sigmoid(simd, simd.add_f32s(f, to_f));
            g = tanh(simd, simd.add_f32s(g, to_g));
            o = sigmoid(simd, simd.add_f32s(o, to_o));
            c = simd.mul_add_e_f32s(f, before, simd.mul_f32s(i, g));
            h = simd.mul_f32s(o, tanh(simd, c));
        });
    }

    #[inline(always)]
    fn backward<S: Simd>(self, simd: S, token: TokenGradient<'_>) {
        let [i, f, g, o] = blocks_mut(token.gates);
        let [to_i, to_f, to_g, to_o] = blocks_mut(token.dproduct);
        let ([own, next], before) = (token.dout, token.before.memory);
        let one = simd.splat_f32s(1.0);
        update!(simd: S, [c in token.memory, before in before, own in own, next in next],
            [i in i, f in f, g in g, o in o, carry in token.carry, to_i in to_i, to_f in to_f, to_g in to_g, to_o in to_o] {
            let dh = simd.add_f32s(own, next);
            let bounded = tanh(simd, c);
            let through_c = simd.mul_f32s(dh, o);
            let dc = simd.add_f32s(carry, simd.negate_mul_add_e_f32s(
                simd.mul_f32s(through_c, bounded), bounded, through_c,
            ));
            to_i = simd.mul_f32s(simd.mul_f32s(dc, g), simd.negate_mul_add_e_f32s(i, i, i));
            to_f = simd.mul_f32s(simd.mul_f32s(dc, before), simd.negate_mul_add_e_f32s(f, f, f));
            to_g = simd.mul_f32s(simd.mul_f32s(dc, i), simd.negate_mul_add_e_f32s(g, g, one));
            to_o = simd.mul_f32s(simd.mul_f32s(dh, bounded), simd.negate_mul_add_e_f32s(o, o, o));
            carry = simd.mul_f32s(dc, f);
            (i, f, g, o) = (to_i, to_f, to_g, to_o);
        });
    }
}
