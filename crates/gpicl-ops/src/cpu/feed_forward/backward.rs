//! The gradients.

use pulp::Simd;
use rayon::prelude::*;

use super::super::buffer::Buffer;
use super::super::gemm::kernel::Kernel;
use super::super::gemm::{
    Left, Machine, MatRef, PackedLeft, Start, Work, multiply, multiply_packed, with_machine,
};
use super::super::prefetch::{claim, prefetch};
use super::super::simd::{gelu_and_slope, rough_gelu_and_slope, update};
use super::super::{affine, sum};
use super::{APART, COLUMNS, LINE, Part, ROWS, UNITS, Weights, parts};
use crate::Precision;

/// Rows that are at most worked on before the gradients of the weights take them up: what they need of the hidden units stays in
/// the last cache, and is never there for all rows.
const SPAN: usize = 8 * ROWS;

/// What [`backward`] writes.
pub struct Gradients<'a> {
    /// That of the input.
    pub x: &'a mut [f32],
    /// That of `U`.
    pub up: &'a mut [f32],
    /// That of `b`.
    pub up_bias: &'a mut [f32],
    /// That of `D`.
    pub down: &'a mut [f32],
    /// That of `c`.
    pub down_bias: &'a mut [f32],
}

/// The gradients of [`super::forward()`] where that of `y` is `dy`.
///
/// # Panics
/// If the sizes disagree.
pub fn backward(
    x: &[f32],
    weights: Weights<'_>,
    kept: &[f32],
    dy: &[f32],
    gradients: Gradients<'_>,
    precision: Precision,
) {
    with_machine!(precision, machine => on(machine, x, weights, kept, dy, gradients))
}

pub(super) fn on(
    machine: impl Machine,
    x: &[f32],
    weights: Weights<'_>,
    kept: &[f32],
    dy: &[f32],
    gradients: Gradients<'_>,
) {
    let [fan_in, units, fan_out] = weights.sizes();
    assert!(fan_in * units * fan_out > 0, "an empty matrix");
    let rows = dy.len() / fan_out;
    let (kept_row, group) = (machine.sizes(units).groups, machine.sizes(units).group);
    assert_eq!([dy.len(), x.len(), kept.len()], [rows * fan_out, rows * fan_in, rows * kept_row], "inputs");
    let found = [&*gradients.x, gradients.up, gradients.up_bias, gradients.down, gradients.down_bias];
    let expected = [rows * fan_in, fan_in * units, units, units * fan_out, fan_out];
    assert_eq!(found.map(<[f32]>::len), expected, "gradients");
    if rows == 0 {
        let Gradients { up, up_bias, down, down_bias, .. } = gradients;
        return [up, up_bias, down, down_bias].into_iter().for_each(|gradient| gradient.fill(0.0));
    }
    let [up, down] = weights.matrices();
    let parts = &parts(machine, down.t(), up.t());
    let mut up_bias = Buffer::zeros(rows.div_ceil(ROWS) * units);
    let mut down_bias = Buffer::zeros(rows.div_ceil(ROWS) * fan_out);
    // Spans as equal as whole tasks allow.
    let span = rows.div_ceil(rows.div_ceil(SPAN)).next_multiple_of(ROWS);
    // Numbers of rows that follow each other packed together, as the gradients of the weights sum over rows.
    let packed = span.min(rows).div_ceil(group) * units;
    let (mut hidden, mut dz) = (Buffer::stale(packed), Buffer::stale(packed));
    // Turned over at the end: the narrower factor is to be packed for all threads.
    let mut dup = Buffer::stale(gradients.up.len());
    for first in (0..rows).step_by(span) {
        let count = span.min(rows - first);
        let packed = count.div_ceil(group) * units;
        let (hidden, dz) = (&mut hidden[..packed], &mut dz[..packed]);
        let (x, dy) = (&x[first * fan_in..][..count * fan_in], &dy[first * fan_out..][..count * fan_out]);
        let tasks = (
            dy.par_chunks(ROWS * fan_out),
            gradients.x[first * fan_in..][..count * fan_in].par_chunks_mut(ROWS * fan_in),
            kept[first * kept_row..][..count * kept_row].par_chunks(ROWS * kept_row),
            hidden.par_chunks_mut(ROWS / group * units),
            dz.par_chunks_mut(ROWS / group * units),
            up_bias[first / ROWS * units..].par_chunks_mut(units),
            down_bias[first / ROWS * fan_out..].par_chunks_mut(fan_out),
        );
        tasks.into_par_iter().with_max_len(1).for_each(|(dy, dx, kept, hidden, dz, up_bias, down_bias)| {
            machine.run(Task { parts, dy, kept, dx, hidden, dz, up_bias, down_bias });
        });
        let start = if first == 0 { Start::Zero } else { Start::Keep };
        let (x, dy) = (MatRef::row_major(x, count, fan_in), MatRef::row_major(dy, count, fan_out));
        multiply_packed(machine, PackedLeft::across(dz, units), x, &mut dup, start);
        multiply_packed(machine, PackedLeft::across(hidden, units), dy, gradients.down, start);
    }
    affine::transpose(&dup, fan_in, gradients.up);
    for (partial, total) in [(&up_bias, gradients.up_bias), (&down_bias, gradients.down_bias)] {
        total.fill(0.0);
        sum::add_rows(partial, total);
    }
}

/// Some rows: the gradient of `x`, and what those of the weights need.
struct Task<'a> {
    parts: &'a [Part],
    dy: &'a [f32],
    kept: &'a [f32],
    dx: &'a mut [f32],
    hidden: &'a mut [f32],
    dz: &'a mut [f32],
    up_bias: &'a mut [f32],
    down_bias: &'a mut [f32],
}

impl Work for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn run<K: Kernel>(self, kernel: K) {
        let Self { parts, dy, kept, dx, hidden, dz, up_bias, down_bias } = self;
        let (width, fan_out) = (up_bias.len(), down_bias.len());
        let rows = dy.len() / fan_out;
        let kept_row = kept.len() / rows;
        sum::add_rows(dy, down_bias);
        let dy = MatRef::row_major(dy, rows, fan_out);
        let mut gradient = Buffer::stale(rows * UNITS);
        let mut along = Buffer::stale(rows * APART);
        for (at, part) in parts.iter().enumerate() {
            let units = part.units.len();
            let gradient = &mut gradient[..rows * units];
            multiply(kernel, Left::Values(dy), part.to(), gradient, Start::Zero);
            for (group, gradient) in gradient.chunks(K::GROUP * units).enumerate() {
                let rows = Rows {
                    gradient,
                    units,
                    kept: &kept[group * K::GROUP * kept_row + part.units.start / K::GROUP..],
                    kept_row,
                    along: &mut along[group * K::GROUP * APART..],
                    hidden: &mut hidden[group * width..][part.units.clone()],
                    dz: &mut dz[group * width..][part.units.clone()],
                    width,
                    bias: &mut up_bias[part.units.clone()],
                };
                if gradient.len() == units { rows.all::<K, 1>(kernel) } else { rows.all::<K, 2>(kernel) }
            }
            let start = if at == 0 { Start::Zero } else { Start::Keep };
            multiply(kernel, Left::Packed(PackedLeft::along(&along, rows, APART)), part.from(), dx, start);
        }
    }
}

/// As many rows as are packed together, or fewer at the end.
struct Rows<'a> {
    /// The gradient of the hidden units: `units` values a row.
    gradient: &'a [f32],
    units: usize,
    kept: &'a [f32],
    kept_row: usize,
    /// `dz` for the product with `U`: [`APART`] numbers a row.
    along: &'a mut [f32],
    hidden: &'a mut [f32],
    dz: &'a mut [f32],
    /// From `hidden` and `dz` of these rows to those of the next.
    width: usize,
    bias: &'a mut [f32],
}

impl Rows<'_> {
    #[inline(always)]
    fn all<K: Kernel, const R: usize>(mut self, kernel: K) {
        let whole = self.units / COLUMNS * COLUMNS;
        for first in (0..whole).step_by(COLUMNS) {
            self.columns::<K, R>(kernel, first, COLUMNS);
        }
        if whole < self.units {
            self.columns::<K, R>(kernel, whole, self.units - whole);
        }
    }

    /// From the gradient of some hidden units to all that is made of it.
    #[inline(always)]
    fn columns<K: Kernel, const R: usize>(&mut self, kernel: K, first: usize, len: usize) {
        let (at, packed, simd) = (first / K::GROUP, len.div_ceil(K::GROUP), kernel.simd());
        let [mut hidden, mut dz] = [[[0.0; COLUMNS]; R]; 2];
        for r in 0..R {
            // The same columns of the next rows are asked for.
            let next = self.kept.as_ptr().wrapping_add((K::GROUP + r) * self.kept_row + at);
            (0..COLUMNS / K::GROUP).step_by(LINE).for_each(|line| prefetch(next.wrapping_add(line)));
            let (hidden, dz) = (&mut hidden[r][..len], &mut dz[r][..len]);
            kernel.unpack_along(&self.kept[r * self.kept_row + at..][..packed], hidden);
            let gradient = &self.gradient[r * self.units + first..][..len];
            let bias = &mut self.bias[first..][..len];
            if kernel.takes_plain() {
                update!(simd: K::Simd, [dy in gradient], [z in &mut *hidden, dz in &mut *dz, bias in bias] {
                    let [y, slope] = gelu_and_slope(simd, z);
                    (z, dz) = (y, simd.mul_f32s(dy, slope));
                    bias = simd.add_f32s(bias, dz);
                });
            } else {
                update!(simd: K::Simd, [dy in gradient], [z in &mut *hidden, dz in &mut *dz, bias in bias] {
                    let [y, slope] = rough_gelu_and_slope(simd, z);
                    (z, dz) = (y, simd.mul_f32s(dy, slope));
                    bias = simd.add_f32s(bias, dz);
                });
            }
            kernel.pack_along(dz, &mut self.along[r * APART + at..][..packed]);
        }
        for (values, out) in [(&hidden, &mut *self.hidden), (&dz, &mut *self.dz)] {
            for at in (first..first + COLUMNS).step_by(LINE) {
                claim(out.as_ptr().wrapping_add(self.width + at));
            }
            let second: &[f32] = if R == 2 { &values[R - 1][..len] } else { &[] };
            kernel.pack_across(&values[0][..len], second, &mut out[first..][..len]);
        }
    }
}
