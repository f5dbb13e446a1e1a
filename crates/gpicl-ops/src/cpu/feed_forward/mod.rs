//! `residual + gelu(x U + b) D + c` and its gradients.
//!
//! A task takes some rows of `x` through both products, a part of the hidden units at a time, so hidden units stay in the
//! second-level cache. Kept for the gradients is `z = x U + b`, in bfloat16 if factors are: half of what f32 takes in
//! memory and in the time to get there.

mod backward;
mod forward;
#[cfg(test)]
mod tests;

use std::ops::Range;

use rayon::prelude::*;

pub use self::backward::{Gradients, backward};
pub use self::forward::forward;
use super::buffer::Buffer;
use super::gemm::kernel::Kernel;
use super::gemm::{Machine, MatRef, PackedRight, Work, pack_right, with_machine};
use crate::Precision;

/// Rows of the largest tile of a product.
const TILE: usize = 12;
/// Rows of a task.
const ROWS: usize = 8 * TILE;
/// Hidden units of a part: as many as a product of bfloat16 sums at a time.
const UNITS: usize = 512;
/// Packed numbers between rows of hidden units: a line more, so that rows do not push each other out of the first cache.
const APART: usize = UNITS + 16;

/// Columns of hidden units that are worked on together: few enough to stay in registers.
const COLUMNS: usize = 32;
/// Packed numbers of a cache line.
const LINE: usize = 16;

/// The matrices `U`: `[in, hidden]` and `D`: `[hidden, out]`, and their biases.
#[derive(Clone, Copy)]
pub struct Weights<'a> {
    /// `U`.
    pub up: &'a [f32],
    /// `b`.
    pub up_bias: &'a [f32],
    /// `D`.
    pub down: &'a [f32],
    /// `c`.
    pub down_bias: &'a [f32],
}

impl<'a> Weights<'a> {
    fn sizes(&self) -> [usize; 3] {
        let [units, fan_out] = [self.up_bias.len(), self.down_bias.len()];
        assert_eq!(self.down.len(), units * fan_out, "the matrix down");
        let fan_in = self.up.len() / units.max(1);
        assert_eq!(self.up.len(), fan_in * units, "the matrix up");
        [fan_in, units, fan_out]
    }

    fn matrices(&self) -> [MatRef<'a>; 2] {
        let [fan_in, units, fan_out] = self.sizes();
        [MatRef::row_major(self.up, fan_in, units), MatRef::row_major(self.down, units, fan_out)]
    }
}

/// Numbers that [`forward`] keeps of a row of `units` hidden units.
pub fn kept(units: usize, precision: Precision) -> usize {
    with_machine!(precision, machine => machine.sizes(units).groups)
}

/// Some hidden units, with two factors: to them, and from them.
struct Part {
    units: Range<usize>,
    to: Buffer,
    from: Buffer,
    /// The other dimension of both factors.
    ends: [usize; 2],
}

impl Part {
    fn to(&self) -> PackedRight<'_> {
        PackedRight { packed: &self.to, rows: self.ends[0], cols: self.units.len() }
    }

    fn from(&self) -> PackedRight<'_> {
        PackedRight { packed: &self.from, rows: self.units.len(), cols: self.ends[1] }
    }
}

/// Packs `to`: `[.., units]` and `from`: `[units, ..]`, part by part.
fn parts(machine: impl Machine, to: MatRef<'_>, from: MatRef<'_>) -> Vec<Part> {
    struct Pack<'a>(MatRef<'a>);
    impl Work for Pack<'_> {
        type Output = Buffer;
        #[inline(always)]
        fn run<K: Kernel>(self, kernel: K) -> Buffer {
            pack_right(kernel, self.0)
        }
    }
    let ([start, units], [_, end]) = (to.dims(), from.dims());
    let part = |part: usize| {
        let units = part * UNITS..((part + 1) * UNITS).min(units);
        let (to, from) = rayon::join(
            || machine.run(Pack(to.cols(units.clone()))),
            || machine.run(Pack(from.rows(units.clone()))),
        );
        Part { units, to, from, ends: [start, end] }
    };
    (0..units.div_ceil(UNITS)).into_par_iter().with_max_len(1).map(part).collect()
}
