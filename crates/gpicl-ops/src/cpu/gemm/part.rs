//! Products that are parts of something larger, with factors that were packed before.

use super::kernel::Kernel;
use super::{DEPTH, Left, Machine, MatRef, PANEL_VECTORS, Product, Shared, SharedFinish, Start, pack_panels};
use crate::cpu::buffer::Buffer;

/// A left factor in packed numbers.
#[derive(Clone, Copy)]
pub struct PackedLeft<'a> {
    pub(super) data: &'a [f32],
    pub(super) rows: usize,
    pub(super) order: Order,
}

/// How packed numbers follow each other.
#[derive(Clone, Copy)]
pub(super) enum Order {
    /// Those of a row, and after this distance those of the next row.
    Along(usize),
    /// For every packed number those of all rows.
    Across,
}

impl<'a> PackedLeft<'a> {
    /// `rows` rows that begin `apart` packed numbers from each other.
    pub fn along(data: &'a [f32], rows: usize, apart: usize) -> Self {
        Self { data, rows, order: Order::Along(apart) }
    }

    /// For every packed number those of all `rows` rows side by side.
    pub fn across(data: &'a [f32], rows: usize) -> Self {
        Self { data, rows, order: Order::Across }
    }
}

/// A right factor `[rows, cols]` in packed numbers: blocks of `DEPTH` of them one after another, in each the panels.
#[derive(Clone, Copy)]
pub struct PackedRight<'a> {
    pub packed: &'a [f32],
    pub rows: usize,
    pub cols: usize,
}

/// Packs a right factor on this thread.
#[inline(always)]
pub fn pack_right<K: Kernel>(kernel: K, b: MatRef<'_>) -> Buffer {
    let width = panel::<K>();
    let (padded, depth) = (b.cols.next_multiple_of(width), DEPTH * K::GROUP);
    let mut packed = Buffer::stale(b.rows.div_ceil(K::GROUP) * padded);
    let blocks = (0..b.rows).step_by(depth).map(|first| first..(first + depth).min(b.rows));
    for (block, packed) in blocks.zip(packed.chunks_mut((DEPTH * padded).max(1))) {
        pack_panels(kernel, b, block, 0..b.cols, width, packed);
    }
    packed
}

/// Columns of a panel.
const fn panel<K: Kernel>() -> usize {
    PANEL_VECTORS * K::LANES
}

/// `C = start + A B` on this thread.
///
/// # Panics
/// If the sizes disagree.
#[inline(always)]
pub fn multiply<K: Kernel>(kernel: K, a: Left<'_>, b: PackedRight<'_>, c: &mut [f32], start: Start<'_>) {
    let PackedRight { packed, rows: k, cols: n } = b;
    if let Left::Values(a) = a {
        assert_eq!(a.cols, k, "the inner dimension");
    }
    assert_eq!(packed.len(), k.div_ceil(K::GROUP) * n.next_multiple_of(panel::<K>()), "the right factor");
    let m = a.rows();
    assert_eq!(Some(c.len()), m.checked_mul(n), "the product's size");
    start.check(n, c.len());
    let b = MatRef::shape(k, n);
    let product = Product { a, b, c: Shared::new(c), start, finish: SharedFinish::Nothing, half: false };
    let blocks = k.div_ceil(DEPTH * K::GROUP).max(1);
    // SAFETY: `c` is borrowed for this call alone.
    unsafe { product.block(kernel, Some(packed), 0..blocks, 0..m, 0..n.div_ceil(panel::<K>())) }
}

/// `C = start + A B` on all threads.
///
/// # Panics
/// If the sizes disagree.
pub fn multiply_packed(
    machine: impl Machine,
    a: PackedLeft<'_>,
    b: MatRef<'_>,
    c: &mut [f32],
    start: Start<'_>,
) {
    assert_eq!(Some(c.len()), a.rows.checked_mul(b.cols), "the product's size");
    start.check(b.cols, c.len());
    if !c.is_empty() {
        Product {
            a: Left::Packed(a),
            b,
            c: Shared::new(c),
            start,
            finish: SharedFinish::Nothing,
            half: false,
        }
        .run(machine);
    }
}
