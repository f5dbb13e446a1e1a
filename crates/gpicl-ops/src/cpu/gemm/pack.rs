//! Copies of parts of the factors, in the order in which [`super::kernel::tile`] reads them.

use std::ops::Range;

use super::MatRef;
use super::kernel::Kernel;
use crate::cpu::buffer::Buffer;
use crate::cpu::prefetch::{claim, prefetch};

/// How many packed numbers ahead of their use values are asked for.
const AHEAD: usize = 4;
/// As many packed numbers ahead values are asked for that are only copied.
const COPY_AHEAD: usize = 8;
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
                for (group, &value) in column.iter().enumerate() {
                    out[group * width + at] = value;
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
                let [first, second] = lines::<K>(b, depth.clone(), group, cols.clone());
                for (panel, first) in first.chunks(width).enumerate() {
                    let second =
                        if second.is_empty() { second } else { &second[panel * width..][..first.len()] };
                    let out = &mut out[panel * size + group * width..][..width];
                    for at in (0..width).step_by(16) {
                        claim(out.as_ptr().wrapping_add(AHEAD * width + at));
                    }
                    let (out, rest) = out.split_at_mut(first.len());
                    kernel.pack_across(first, second, out);
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
            let [first, second] = lines::<K>(a, depth.clone(), group, rows.clone());
            kernel.pack_across(first, second, out);
        }
        [1, rows.len()]
    } else {
        for (row, out) in rows.zip(out.chunks_exact_mut(groups.max(1))) {
            kernel.pack_along(a.run(row, depth.start, depth.len()), out);
        }
        [groups, 1]
    }
}

/// Rows `rows` of packed numbers `groups` of a matrix that holds for each of them `width` rows: as [`pack_a`] packs a
/// transposed one.
#[inline(always)]
pub fn copy_across(data: &[f32], width: usize, rows: Range<usize>, groups: Range<usize>, out: &mut [f32]) {
    for (group, out) in groups.zip(out.chunks_exact_mut(rows.len())) {
        let from = &data[group * width + rows.start..][..rows.len()];
        for at in (0..rows.len()).step_by(16) {
            prefetch(from.as_ptr().wrapping_add(COPY_AHEAD * width + at));
        }
        // A line at a time: a call of memcpy would cost more than the few values are worth.
        let whole = rows.len() / 16 * 16;
        for at in (0..whole).step_by(16) {
            out[at..at + 16].copy_from_slice(&from[at..at + 16]);
        }
        out[whole..].copy_from_slice(&from[whole..]);
    }
}

/// Asks for [`lines`] of some packed numbers later: runs of memory so short that the machine does not see where they lead.
#[inline(always)]
fn ahead<K: Kernel>(matrix: MatRef<'_>, depth: Range<usize>, group: usize, across: Range<usize>) {
    let first = depth.start + (group + AHEAD) * K::GROUP;
    for line in first..(first + K::GROUP).min(depth.end) {
        for values in matrix.run(line, across.start, across.len()).chunks(16) {
            prefetch(values.as_ptr());
        }
    }
}

/// The values of one packed number of every element of `across`, where the inner dimension goes from one run of memory to
/// the next: what [`Kernel::pack_across`] takes.
#[inline(always)]
fn lines<'a, K: Kernel>(
    matrix: MatRef<'a>,
    depth: Range<usize>,
    group: usize,
    across: Range<usize>,
) -> [&'a [f32]; 2] {
    let line = depth.start + group * K::GROUP;
    let first = matrix.run(line, across.start, across.len());
    let second = if K::GROUP == 2 && line + 1 < depth.end {
        matrix.run(line + 1, across.start, across.len())
    } else {
        &[]
    };
    [first, second]
}
