//! Values times a gate of others.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    dispatch::run,
    rows_per_task,
    simd::{sigmoid, update},
};
use crate::Gate;

/// `y = x g(gate)`.
pub fn forward(x: &[f32], gate: &[f32], kind: Gate, y: &mut [f32]) {
    let piece = rows_per_task(1);
    let pieces = (x.par_chunks(piece), gate.par_chunks(piece), y.par_chunks_mut(piece));
    pieces.into_par_iter().for_each(|(x, gate, y)| run(Forward { x, gate, kind, y }));
}

/// Gradients of [`forward`] given `dy`.
pub fn backward(x: &[f32], gate: &[f32], kind: Gate, dy: &[f32], dx: &mut [f32], dgate: &mut [f32]) {
    let piece = rows_per_task(1);
    let pieces = (
        x.par_chunks(piece),
        gate.par_chunks(piece),
        dy.par_chunks(piece),
        dx.par_chunks_mut(piece),
        dgate.par_chunks_mut(piece),
    );
    pieces
        .into_par_iter()
        .for_each(|(x, gate, dy, dx, dgate)| run(Backward { x, gate, kind, dy, dx, dgate }));
}

struct Forward<'a> {
    x: &'a [f32],
    gate: &'a [f32],
    kind: Gate,
    y: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.kind {
            Gate::Sigmoid => update!(simd: S, [x in self.x, gate in self.gate], [y in self.y] {
                y = simd.mul_f32s(x, sigmoid(simd, gate));
            }),
            Gate::Silu => update!(simd: S, [x in self.x, gate in self.gate], [y in self.y] {
                y = simd.mul_f32s(x, simd.mul_f32s(gate, sigmoid(simd, gate)));
            }),
        }
    }
}

struct Backward<'a> {
    x: &'a [f32],
    gate: &'a [f32],
    kind: Gate,
    dy: &'a [f32],
    dx: &'a mut [f32],
    dgate: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let one = simd.splat_f32s(1.0);
        match self.kind {
            Gate::Sigmoid => {
                update!(simd: S, [x in self.x, gate in self.gate, dy in self.dy], [dx in self.dx, dgate in self.dgate] {
                    let open = sigmoid(simd, gate);
                    dx = simd.mul_f32s(dy, open);
                    dgate = simd.mul_f32s(simd.mul_f32s(dx, x), simd.sub_f32s(one, open));
                });
            }
            Gate::Silu => {
                update!(simd: S, [x in self.x, gate in self.gate, dy in self.dy], [dx in self.dx, dgate in self.dgate] {
                    let open = sigmoid(simd, gate);
                    let silu = simd.mul_f32s(gate, open);
                    dx = simd.mul_f32s(dy, silu);
                    let slope = simd.mul_add_e_f32s(simd.sub_f32s(one, open), silu, open);
                    dgate = simd.mul_f32s(simd.mul_f32s(dy, x), slope);
                });
            }
        }
    }
}
