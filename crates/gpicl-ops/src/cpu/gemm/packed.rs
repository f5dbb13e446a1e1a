//! A right factor that is packed once and then multiplied again and again with few rows: a step of a recurrence.

use rayon::prelude::*;

use super::kernel::{self, Addends, Kernel};
use super::squares::{SQUARE, square};
use super::{
    Addend, Machine, MatRef, PANEL_VECTORS, PANELS, PackPanels, Rows, Shared, Target, Work, fit, with_machine,
};
use crate::Precision;
use crate::cpu::buffer::Buffer;

/// A packed matrix `B`.
pub struct Packed {
    panels: Buffer,
    rows: usize,
    cols: usize,
    /// Columns of a panel.
    width: usize,
    precision: Precision,
}

impl Packed {
    /// Packs `b` on all threads.
    ///
    /// # Panics
    /// If it is empty.
    pub fn new(b: MatRef<'_>, precision: Precision) -> Self {
        with_machine!(precision, machine => Self::on(machine, b, precision))
    }

    pub(super) fn on(machine: impl Machine, b: MatRef<'_>, precision: Precision) -> Self {
        assert!(b.rows > 0 && b.cols > 0, "an empty matrix to pack");
        let sizes = machine.sizes(b.rows);
        let (width, panels) = (sizes.panel, b.cols.div_ceil(sizes.panel));
        let size = sizes.groups * width;
        let mut packed = Buffer::stale(panels * size);
        let each = panels.div_ceil(rayon::current_num_threads()).clamp(1, PANELS);
        packed.par_chunks_mut(each * size).enumerate().for_each(|(piece, packed)| {
            let cols = piece * each * width..((piece + 1) * each * width).min(b.cols);
            machine.run(PackPanels(b, 0..b.rows, cols, packed));
        });
        Self { panels: packed, rows: b.rows, cols: b.cols, width, precision }
    }

    /// How far apart rows of products may begin at least: the columns, filled up to whole panels.
    pub fn padded_cols(&self) -> usize {
        self.cols.next_multiple_of(self.width)
    }

    /// `C = A B` on this thread. Rows of `A` begin `a_row` values apart, those of `C` `c_row`. What lies in `c` between
    /// the columns and [`Self::padded_cols`] is overwritten.
    ///
    /// An element is summed in the same order whatever the number of rows.
    ///
    /// # Panics
    /// If the rows do not fit.
    pub fn multiply(&self, a: &[f32], a_row: usize, c: &mut [f32], c_row: usize, rows: usize) {
        with_machine!(self.precision, machine => self.multiply_on(machine, a, a_row, c, c_row, rows));
    }

    /// [`Self::multiply`] on the machine that packed.
    pub(super) fn multiply_on(
        &self,
        machine: impl Machine,
        a: &[f32],
        a_row: usize,
        c: &mut [f32],
        c_row: usize,
        rows: usize,
    ) {
        if rows == 0 {
            return;
        }
        assert!(a_row >= self.rows && fit(rows, a_row, self.rows, a.len()), "rows of A");
        let padded = self.padded_cols();
        assert!(c_row >= padded && fit(rows, c_row, padded, c.len()), "rows of C");
        machine.run(Product { b: self, a, a_row, c, c_row, rows });
    }
}

/// The arguments of [`Packed::multiply`], checked.
struct Product<'a> {
    b: &'a Packed,
    a: &'a [f32],
    a_row: usize,
    c: &'a mut [f32],
    c_row: usize,
    rows: usize,
}

impl Work for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn run<K: Kernel>(self, kernel: K) {
        let Self { b, a, a_row, c, c_row, rows } = self;
        let groups = b.rows.div_ceil(K::GROUP);
        assert_eq!(b.width, PANEL_VECTORS * K::LANES, "packed for this kernel");
        // A line more, so that rows do not push each other out of the first cache.
        let own_row = groups + 16;
        let mut own = Buffer::stale(if kernel.takes_plain() { 0 } else { rows * own_row });
        let (a, a_row) = if kernel.takes_plain() {
            (a, a_row)
        } else {
            for (own, a) in own.chunks_exact_mut(own_row).zip(a.chunks(a_row)) {
                kernel.pack_along(&a[..b.rows], &mut own[..groups]);
            }
            (&*own, own_row)
        };
        // SAFETY: nothing here makes another.
        let mut unit = unsafe { kernel.unit() };
        // A panel stays in the cache while all rows pass by.
        for (panel, values) in b.panels.chunks_exact(groups * b.width).enumerate() {
            if let Some(unit) = &mut unit {
                let (c, addend) = (Shared::new(c), Addend::Nothing);
                for row in (0..rows).step_by(SQUARE) {
                    let target =
                        Target { c, first: row * c_row + panel * b.width, row: c_row, bias: None, addend };
                    let a = Rows { data: a, first: row * a_row, row: a_row, group: 1 };
                    let count = SQUARE.min(rows - row);
                    // SAFETY: `c` is borrowed for this call alone.
                    unsafe { square(unit, a, values, groups, target, count, b.width) };
                }
                continue;
            }
            let mut row = 0;
            while row < rows {
                let (a, c) = (&a[row * a_row..], &mut c[row * c_row + panel * b.width..]);
                row += match rows - row {
                    12.. if K::ROWS >= 12 => tile::<K, 12>(kernel, groups, a, a_row, values, c, c_row),
                    8.. if K::ROWS >= 12 => tile::<K, 8>(kernel, groups, a, a_row, values, c, c_row),
                    6.. => tile::<K, 6>(kernel, groups, a, a_row, values, c, c_row),
                    4.. => tile::<K, 4>(kernel, groups, a, a_row, values, c, c_row),
                    2.. => tile::<K, 2>(kernel, groups, a, a_row, values, c, c_row),
                    _ => tile::<K, 1>(kernel, groups, a, a_row, values, c, c_row),
                };
            }
        }
    }
}

/// `R` rows times a panel; returns `R`.
#[inline(always)]
fn tile<K: Kernel, const R: usize>(
    kernel: K,
    groups: usize,
    a: &[f32],
    a_row: usize,
    panel: &[f32],
    c: &mut [f32],
    c_row: usize,
) -> usize {
    let width = PANEL_VECTORS * K::LANES;
    assert!(fit(R, a_row, groups, a.len()) && fit(R, c_row, width, c.len()));
    assert_eq!(panel.len(), groups * width);
    let none = Addends { row: std::ptr::null(), tile: std::ptr::null(), tile_row: 0 };
    // SAFETY: the assertions put all that the tile reads and writes inside the slices.
    unsafe {
        kernel::tile::<K, R, PANEL_VECTORS>(
            kernel,
            groups,
            (a.as_ptr(), a_row, 1),
            (panel.as_ptr(), width),
            (c.as_mut_ptr(), c_row),
            none,
        );
    }
    R
}
