//! Copies of parts of the factors, in the order in which [`super::kernel::tile`] reads them.

use std::ops::Range;

use super::MatRef;
use super::kernel::{Kernel, prefetch};
use crate::cpu::buffer::Buffer;

/// How many packed numbers ahead of their use values are asked for.
const AHEAD: usize = 4;
/// Panels of `B` that are packed row by row together.
const TOGETHER: usize = 8;

/// Columns `cols` of rows `depth` of `B` as panels of `width` columns: one panel after another, in each for every
/// packed number its columns. The last panel is filled up with zeros.
#[inline(always)]
pub fn pack_panels<K: Kernel>(
    kernel: K,
    b: MatRef<'_>,
    depth: Range<usize>,
    cols: Range<usize>,
    width: usize,
    out: &mut [f32],
) {
    let groups = depth.len().div_ceil(K::GROUP);
    if groups == 0 {
        return;
    }
    let size = groups * width;
    let panels = || cols.clone().step_by(width).map(|first| first..(first + width).min(cols.end)).enumerate();
    if b.transposed {
        let mut column = Buffer::stale(groups);
        for (panel, cols) in panels() {
            let out = &mut out[panel * size..][..size];
            for (at, col) in cols.clone().enumerate() {
                kernel.pack_along(b.run(col, depth.start, depth.len()), &mut column);
                for (out, &value) in out[at..].iter_mut().step_by(width).zip(column.iter()) {
                    *out = value;
                }
            }
            for out in out.chunks_exact_mut(width) {
                out[cols.len()..].fill(0.0);
            }
        }
    } else {
        // A few panels at a time: long reads from one row, and not too many places to write to.
        let start = cols.start;
        for first in cols.clone().step_by(TOGETHER * width) {
            let cols = first..(first + TOGETHER * width).min(cols.end);
            let out = &mut out[(first - start) / width * size..];
            for group in 0..groups {
                ahead::<K>(b, depth.clone(), group, cols.clone());
                for (panel, first) in cols.clone().step_by(width).enumerate() {
                    let cols = first..(first + width).min(cols.end);
                    let out = &mut out[panel * size + group * width..][..width];
                    let (out, rest) = out.split_at_mut(cols.len());
                    across(kernel, b, depth.clone(), group, cols, out);
                    rest.fill(0.0);
                }
            }
        }
    }
}

/// Rows `rows` of columns `depth` of `A`; returns the distances of rows and of packed numbers in `out`.
#[inline(always)]
pub fn pack_a<K: Kernel>(
    kernel: K,
    a: MatRef<'_>,
    rows: Range<usize>,
    depth: Range<usize>,
    out: &mut [f32],
) -> [usize; 2] {
    let groups = depth.len().div_ceil(K::GROUP);
    if a.transposed {
        for (group, out) in out.chunks_exact_mut(rows.len()).take(groups).enumerate() {
            ahead::<K>(a, depth.clone(), group, rows.clone());
            across(kernel, a, depth.clone(), group, rows.clone(), out);
        }
        [1, rows.len()]
    } else {
        for (row, out) in rows.zip(out.chunks_exact_mut(groups.max(1))) {
            kernel.pack_along(a.run(row, depth.start, depth.len()), out);
        }
        [groups, 1]
    }
}

/// Asks for what [`across`] will read some packed numbers later: runs of memory so short that the machine does not
/// see where they lead.
#[inline(always)]
fn ahead<K: Kernel>(matrix: MatRef<'_>, depth: Range<usize>, group: usize, across: Range<usize>) {
    let first = depth.start + (group + AHEAD) * K::GROUP;
    for line in first..(first + K::GROUP).min(depth.end) {
        for values in matrix.run(line, across.start, across.len()).chunks(16) {
            prefetch(values.as_ptr());
        }
    }
}

/// One packed number of every element of `across`, where the inner dimension goes from one run of memory to the next.
#[inline(always)]
fn across<K: Kernel>(
    kernel: K,
    matrix: MatRef<'_>,
    depth: Range<usize>,
    group: usize,
    across: Range<usize>,
    out: &mut [f32],
) {
    let line = depth.start + group * K::GROUP;
    let first = matrix.run(line, across.start, across.len());
    let second = if K::GROUP == 2 && line + 1 < depth.end {
        matrix.run(line + 1, across.start, across.len())
    } else {
        &[]
    };
    kernel.pack_across(first, second, out);
}
