//! The values.

use pulp::Simd;
use rayon::prelude::*;

use super::super::buffer::Buffer;
use super::super::gemm::kernel::Kernel;
use super::super::gemm::{Left, Machine, MatRef, PackedLeft, Start, Work, multiply, with_machine};
use super::super::prefetch::claim;
use super::super::simd::{gelu, rough_gelu, update};
use super::{APART, COLUMNS, LINE, Part, ROWS, TILE, UNITS, Weights, parts};
use crate::Precision;

/// `y = residual + gelu(z) D + c` with `z = x U + b`. `x`: `[rows, in]`, `y`: `[rows, out]`.
///
/// What the gradients need of `z` goes to `kept`: [`super::kept`] numbers a row.
///
/// # Panics
/// If the sizes disagree.
pub fn forward(
    x: &[f32],
    weights: Weights<'_>,
    residual: &[f32],
    kept: &mut [f32],
    y: &mut [f32],
    precision: Precision,
) {
    with_machine!(precision, machine => on(machine, x, weights, residual, kept, y))
}

pub(super) fn on(
    machine: impl Machine,
    x: &[f32],
    weights: Weights<'_>,
    residual: &[f32],
    kept: &mut [f32],
    y: &mut [f32],
) {
    let [fan_in, units, fan_out] = weights.sizes();
    assert!(fan_in * units * fan_out > 0, "an empty matrix");
    let rows = y.len() / fan_out;
    let kept_row = machine.sizes(units).groups;
    assert_eq!([y.len(), residual.len()], [rows * fan_out; 2], "result and residual");
    assert_eq!(kept.len(), rows * kept_row, "what is kept");
    assert_eq!(x.len(), rows * fan_in, "the input");
    let [up, down] = weights.matrices();
    let parts = &parts(machine, up, down);
    // Few rows are shared out, too: that changes no bit.
    let each = rows.div_ceil(rayon::current_num_threads()).next_multiple_of(TILE).clamp(TILE, ROWS);
    let tasks = (
        x.par_chunks(each * fan_in),
        y.par_chunks_mut(each * fan_out),
        residual.par_chunks(each * fan_out),
        kept.par_chunks_mut(each * kept_row),
    );
    tasks.into_par_iter().with_max_len(1).for_each(|(x, y, residual, kept)| {
        machine.run(Task { parts, weights, x, residual, kept, y });
    });
}

/// Some rows.
struct Task<'a> {
    parts: &'a [Part],
    weights: Weights<'a>,
    x: &'a [f32],
    residual: &'a [f32],
    kept: &'a mut [f32],
    y: &'a mut [f32],
}

impl Work for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn run<K: Kernel>(self, kernel: K) {
        let Self { parts, weights, x, residual, kept, y } = self;
        let rows = y.len() / weights.down_bias.len();
        let x = MatRef::row_major(x, rows, x.len() / rows);
        let kept_row = kept.len() / rows;
        let mut sums = Buffer::stale(rows * UNITS);
        let mut hidden = Buffer::stale(rows * APART);
        for (at, part) in parts.iter().enumerate() {
            let units = part.units.len();
            let packed = units.div_ceil(K::GROUP);
            let sums = &mut sums[..rows * units];
            let bias = &weights.up_bias[part.units.clone()];
            multiply(kernel, Left::Values(x), part.to(), sums, Start::Bias(bias));
            let each = sums.chunks_exact(units).zip(kept.chunks_exact_mut(kept_row));
            for ((z, kept), hidden) in each.zip(hidden.chunks_exact_mut(APART)) {
                let kept = &mut kept[part.units.start / K::GROUP..][..packed];
                // The same columns of the next row are asked for.
                let next = kept.as_ptr().wrapping_add(kept_row);
                let whole = units / COLUMNS * COLUMNS;
                for first in (0..whole).step_by(COLUMNS) {
                    for line in (0..COLUMNS / K::GROUP).step_by(LINE) {
                        claim(next.wrapping_add(first / K::GROUP + line));
                    }
                    columns(kernel, first, &z[first..first + COLUMNS], kept, hidden);
                }
                columns(kernel, whole, &z[whole..], kept, hidden);
            }
            let start =
                if at == 0 { Start::BiasAndResidual(weights.down_bias, residual) } else { Start::Keep };
            multiply(kernel, Left::Packed(PackedLeft::along(&hidden, rows, APART)), part.from(), y, start);
        }
    }
}

/// Keeps some `z` from column `first` on, and packs their GELU for the product with `D`.
#[inline(always)]
fn columns<K: Kernel>(kernel: K, first: usize, z: &[f32], kept: &mut [f32], hidden: &mut [f32]) {
    let [kept, hidden] = [kept, hidden].map(|row| &mut row[first / K::GROUP..][..z.len().div_ceil(K::GROUP)]);
    kernel.pack_along(z, kept);
    let [mut rounded, mut active] = [[0.0; COLUMNS]; 2];
    let [rounded, active] = [&mut rounded, &mut active].map(|values| &mut values[..z.len()]);
    kernel.unpack_along(kept, rounded);
    let simd = kernel.simd();
    if kernel.takes_plain() {
        update!(simd: K::Simd, [z in rounded], [active in &mut *active] {
            active = gelu(simd, z);
        });
    } else {
        update!(simd: K::Simd, [z in rounded], [active in &mut *active] {
            active = rough_gelu(simd, z);
        });
    }
    kernel.pack_along(active, hidden);
}
