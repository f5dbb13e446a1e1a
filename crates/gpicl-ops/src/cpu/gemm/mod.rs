//! Matrix products with what comes before and after them.
//!
//! The blocking is that of Goto and van de Geijn (2008): a panel of `B` in the second-level cache, a tile of `C` in
//! registers ([`kernel::tile`]), or in those of a matrix unit ([`squares::square`]). How `C` is cut into tasks depends on
//! the number of threads; the order in which one element is summed does not, so the result is the same on any number.

#[cfg(target_arch = "x86_64")]
pub(super) mod amx;
#[cfg(test)]
pub(super) mod emulated;
pub(super) mod kernel;
mod pack;
mod packed;
mod part;
mod squares;

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use self::kernel::{Addends, Kernel, Plain};
use self::pack::{copy_across, pack_a, pack_panels};
pub use self::packed::Packed;
use self::part::Order;
pub(super) use self::part::{PackedLeft, PackedRight, multiply, multiply_packed, pack_right};
use self::squares::{SQUARE, Unit, square};
use super::gather::gather_transposed;
use super::prefetch::prefetch;
use super::{buffer::Buffer, dispatch, gelu::gelu};
use crate::Precision;

/// Packed numbers of the inner dimension that a tile is summed over at a time.
const DEPTH: usize = 256;
/// Panels of `B` that stay in the second-level cache while rows pass by: half of it.
const PANELS: usize = 15;
/// Vectors in a panel of `B`.
const PANEL_VECTORS: usize = 2;
/// Rows of a task where `B` is packed for all.
const ROWS_SHARED: usize = 96;
/// Rows up to which there is one task to a part of `B`, which packs it for itself.
const ROWS_ALONE: usize = 48;
/// Packed numbers of `B` that are shared by all tasks at a time: they stay in the last cache.
const SHARED: usize = 1 << 19;
/// Multiplications below which threads do not pay.
const SERIAL: usize = 1 << 18;
/// Rows that are read at a time as a square is mirrored: a line of each stays in the first cache, but where they are a power of
/// two apart.
const MIRRORED: usize = 16;

/// Whether `rows` rows of `width` values that begin `apart` values from each other lie in `len` values.
pub(super) fn fit(rows: usize, apart: usize, width: usize, len: usize) -> bool {
    let end = rows.saturating_sub(1).checked_mul(apart).and_then(|start| start.checked_add(width));
    rows == 0 || end.is_some_and(|end| end <= len)
}

/// A matrix to read.
#[derive(Clone, Copy)]
pub struct MatRef<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    /// Distance of rows (or, if transposed, of columns) in memory.
    apart: usize,
    transposed: bool,
}

impl<'a> MatRef<'a> {
    /// A matrix whose rows follow each other.
    ///
    /// # Panics
    /// If `data` is of another length.
    pub fn row_major(data: &'a [f32], rows: usize, cols: usize) -> Self {
        assert_eq!(Some(data.len()), rows.checked_mul(cols), "values of a matrix [{rows}, {cols}]");
        Self { data, rows, cols, apart: cols, transposed: false }
    }

    /// The shape alone, for a factor that is packed already.
    fn shape(rows: usize, cols: usize) -> Self {
        Self { data: &[], rows, cols, apart: cols, transposed: false }
    }

    /// The transpose, of the same memory.
    pub fn t(self) -> Self {
        Self { rows: self.cols, cols: self.rows, transposed: !self.transposed, ..self }
    }

    /// Rows and columns.
    pub fn dims(self) -> [usize; 2] {
        [self.rows, self.cols]
    }

    /// Some rows, of the same memory.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn rows(self, rows: Range<usize>) -> Self {
        assert!(rows.start <= rows.end && rows.end <= self.rows, "rows {rows:?} of {}", self.rows);
        let first = if self.transposed { rows.start } else { rows.start * self.apart };
        Self { data: &self.data[first.min(self.data.len())..], rows: rows.len(), ..self }
    }

    /// Some columns, of the same memory.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn cols(self, cols: Range<usize>) -> Self {
        self.t().rows(cols).t()
    }

    /// The run of memory from row (or, if transposed, column) `line` that starts at `first`.
    fn run(&self, line: usize, first: usize, len: usize) -> &'a [f32] {
        let width = if self.transposed { self.rows } else { self.cols };
        &self.data[line * self.apart..][..width][first..][..len]
    }
}

/// What `C` holds before the product is added. Vectors are as long as rows of `C`, matrices as large as `C`.
#[derive(Clone, Copy)]
pub enum Start<'a> {
    /// Nothing.
    Zero,
    /// What it holds.
    Keep,
    /// A vector in every row.
    Bias(&'a [f32]),
    /// A vector in every row, plus a matrix.
    BiasAndResidual(&'a [f32], &'a [f32]),
}

impl Start<'_> {
    /// Panics if the sizes are not those of a matrix of `len` values and `cols` columns.
    fn check(&self, cols: usize, len: usize) {
        match self {
            Self::Zero | Self::Keep => {}
            Self::Bias(bias) => assert_eq!(bias.len(), cols, "the bias"),
            Self::BiasAndResidual(bias, residual) => {
                assert_eq!([bias.len(), residual.len()], [cols, len], "bias and residual");
            }
        }
    }
}

/// What is done to `C` while it is still in the cache.
pub enum Finish<'a> {
    /// Nothing.
    Nothing,
    /// The matrix becomes `gelu(C)`.
    Gelu(&'a mut [f32]),
}

/// An expression with the [`Machine`] for a precision.
macro_rules! with_machine {
    ($precision:expr, $machine:ident => $result:expr) => {
        match $precision {
            Precision::Fp32 => {
                let $machine = $crate::cpu::gemm::kernel::Plain { round: false };
                $result
            }
            #[allow(unused_labels, reason = "other processors have one way")]
            Precision::Bf16 => 'found: {
                #[cfg(target_arch = "x86_64")]
                if let Some($machine) = $crate::cpu::gemm::amx::Amx::new() {
                    break 'found $result;
                }
                #[cfg(target_arch = "x86_64")]
                if let Some($machine) = $crate::cpu::gemm::kernel::Bf16Dot::new() {
                    break 'found $result;
                }
                let $machine = $crate::cpu::gemm::kernel::Plain { round: true };
                $result
            }
        }
    };
}
pub(super) use with_machine;

/// `C = start + A B`, then `finish`; `c` is row-major.
///
/// # Panics
/// If the sizes disagree.
pub fn gemm(
    a: MatRef<'_>,
    b: MatRef<'_>,
    c: &mut [f32],
    start: Start<'_>,
    finish: Finish<'_>,
    precision: Precision,
) {
    assert_eq!(a.cols, b.rows, "the inner dimension");
    assert_eq!(Some(c.len()), a.rows.checked_mul(b.cols), "the product's size");
    start.check(b.cols, c.len());
    let finish = match finish {
        Finish::Nothing => SharedFinish::Nothing,
        Finish::Gelu(out) if out.len() != c.len() => {
            panic!("a second result of {} values beside {}", out.len(), c.len())
        }
        Finish::Gelu(out) => SharedFinish::Gelu(Shared::new(out)),
    };
    if c.is_empty() {
        return;
    }
    let product = Product { a: Left::Values(a), b, c: Shared::new(c), start, finish, half: false };
    with_machine!(precision, machine => product.run(machine))
}

/// `C = A B` where the caller knows that the product is symmetric: what is above the diagonal is copied from below, after
/// about half of the multiplications.
///
/// # Panics
/// If the sizes disagree.
pub fn symmetric(a: MatRef<'_>, b: MatRef<'_>, c: &mut [f32], precision: Precision) {
    let side = a.rows;
    assert_eq!([a.cols, side], [b.rows, b.cols], "the inner dimension, and the sides of a square");
    assert_eq!(Some(c.len()), side.checked_mul(side), "the product's size");
    if c.is_empty() {
        return;
    }
    let (start, finish) = (Start::Zero, SharedFinish::Nothing);
    let product = Product { a: Left::Values(a), b, c: Shared::new(c), start, finish, half: true };
    with_machine!(precision, machine => product.run(machine));
    mirror(c, side);
}

/// Copies what is below the diagonal of a square to above it.
fn mirror(c: &mut [f32], side: usize) {
    for first in (0..side).step_by(MIRRORED) {
        for row in 0..side {
            for col in first.max(row + 1)..(first + MIRRORED).min(side) {
                c[row * side + col] = c[col * side + row];
            }
        }
    }
}

/// A row-major matrix whose disjoint parts tasks write at the same time.
#[derive(Clone, Copy)]
struct Shared<'a> {
    data: *mut f32,
    len: usize,
    owner: std::marker::PhantomData<&'a mut [f32]>,
}

// SAFETY: stands for a `&mut [f32]`; `part` makes its callers keep the parts disjoint.
unsafe impl Send for Shared<'_> {}
// SAFETY: as above.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    fn new(data: &'a mut [f32]) -> Self {
        Self { data: data.as_mut_ptr(), len: data.len(), owner: std::marker::PhantomData }
    }

    /// # Safety
    /// While the slice lives, no other part that overlaps it is in use.
    #[allow(clippy::mut_from_ref, reason = "the caller keeps the parts disjoint")]
    unsafe fn part(&self, first: usize, len: usize) -> &mut [f32] {
        assert!(first.checked_add(len).is_some_and(|end| end <= self.len));
        // SAFETY: inside the slice that was borrowed for 'a, and disjoint from other parts by contract.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(first), len) }
    }
}

#[derive(Clone, Copy)]
enum SharedFinish<'a> {
    Nothing,
    Gelu(Shared<'a>),
}

/// The factor `A`.
#[derive(Clone, Copy)]
pub(super) enum Left<'a> {
    Values(MatRef<'a>),
    Packed(PackedLeft<'a>),
}

#[derive(Clone, Copy)]
struct Product<'a> {
    a: Left<'a>,
    b: MatRef<'a>,
    c: Shared<'a>,
    start: Start<'a>,
    finish: SharedFinish<'a>,
    /// Whether tiles wholly above the diagonal are left out.
    half: bool,
}

/// Code generic over [`Kernel`]. Its function is `#[inline(always)]`, so that it is compiled for the vector extension.
pub(super) trait Work {
    type Output;
    fn run<K: Kernel>(self, kernel: K) -> Self::Output;
}

/// Something that runs [`Work`] on a vector extension.
pub(super) trait Machine: Copy + Send + Sync {
    fn run<W: Work>(self, work: W) -> W::Output;

    fn sizes(self, depth: usize) -> Sizes {
        self.run(AskSizes(depth))
    }
}

/// What a kernel makes of an inner dimension.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    /// Columns of a panel of `B`.
    panel: usize,
    /// Rows of a tile of `C`.
    tile: usize,
    /// Values of the inner dimension in a packed number.
    pub group: usize,
    /// Packed numbers of the whole inner dimension.
    pub groups: usize,
}

struct AskSizes(usize);

impl Work for AskSizes {
    type Output = Sizes;

    #[inline(always)]
    fn run<K: Kernel>(self, _: K) -> Sizes {
        let groups = self.0.div_ceil(K::GROUP);
        Sizes { panel: PANEL_VECTORS * K::LANES, tile: K::ROWS, group: K::GROUP, groups }
    }
}

struct PackPanels<'a>(MatRef<'a>, Range<usize>, Range<usize>, &'a mut [f32]);

impl Work for PackPanels<'_> {
    type Output = ();

    #[inline(always)]
    fn run<K: Kernel>(self, kernel: K) {
        let Self(b, depth, cols, out) = self;
        pack_panels(kernel, b, depth, cols, PANEL_VECTORS * K::LANES, out);
    }
}

/// The arguments of [`Product::block`].
struct Block<'a> {
    product: &'a Product<'a>,
    packed: Option<&'a [f32]>,
    blocks: Range<usize>,
    rows: Range<usize>,
    panels: Range<usize>,
}

impl<'a> Block<'a> {
    /// # Safety
    /// That of [`Product::block`], while it runs.
    unsafe fn new(
        product: &'a Product<'a>,
        packed: Option<&'a [f32]>,
        blocks: Range<usize>,
        rows: Range<usize>,
        panels: Range<usize>,
    ) -> Self {
        Self { product, packed, blocks, rows, panels }
    }
}

impl Work for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn run<K: Kernel>(self, kernel: K) {
        let Self { product, packed, blocks, rows, panels } = self;
        // SAFETY: the contract of `new`.
        unsafe { product.block(kernel, packed, blocks, rows, panels) }
    }
}

impl Left<'_> {
    fn rows(&self) -> usize {
        match self {
            Self::Values(a) => a.rows,
            Self::Packed(a) => a.rows,
        }
    }
}

impl Product<'_> {
    fn run(&self, machine: impl Machine) {
        let (m, n, k) = (self.a.rows(), self.b.cols, self.b.rows);
        let sizes = machine.sizes(k);
        let panels = n.div_ceil(sizes.panel);
        let tiles = m.div_ceil(sizes.tile);
        let threads = if m * n * k < SERIAL { 1 } else { rayon::current_num_threads() };
        let blocks = sizes.groups.div_ceil(DEPTH).max(1);
        if m <= ROWS_ALONE {
            let tasks = panels.div_ceil(PANELS).next_multiple_of(threads).min(panels);
            return for_each(tasks, threads, |task| {
                let panels = task * panels / tasks..(task + 1) * panels / tasks;
                // SAFETY: no two tasks have a panel in common.
                machine.run(unsafe { Block::new(self, None, 0..blocks, 0..m, panels) });
            });
        }
        // Where the rows of half a square grow longer, a task has some of the short and some of the long ones.
        let strips = if self.half { 2 } else { 1 };
        let tasks = m.div_ceil(ROWS_SHARED * strips).next_multiple_of(threads).min(tiles / strips);
        let all = tasks * strips;
        let edge = |strip: usize| (strip * tiles / all * sizes.tile).min(m);
        let together = (SHARED / (DEPTH * panels * sizes.panel)).max(1);
        for first in (0..blocks).step_by(together) {
            let blocks = first..(first + together).min(blocks);
            let packed = self.pack(machine, sizes, panels, blocks.clone());
            for_each(tasks, threads, |task| {
                for strip in [task, all - 1 - task].into_iter().take(strips) {
                    let rows = edge(strip)..edge(strip + 1);
                    // SAFETY: no two strips have a row in common, no two tasks a strip.
                    machine.run(unsafe { Block::new(self, Some(&packed), blocks.clone(), rows, 0..panels) });
                }
            });
        }
    }

    /// Some blocks of `B`: one after another, in each the panels one after another.
    fn pack(&self, machine: impl Machine, sizes: Sizes, panels: usize, blocks: Range<usize>) -> Buffer {
        let (n, k) = (self.b.cols, self.b.rows);
        let width = sizes.panel;
        let groups = sizes.groups.min(blocks.end * DEPTH) - blocks.start * DEPTH;
        let mut packed = Buffer::stale(groups * panels * width);
        let parts = packed.par_chunks_mut(DEPTH * panels * width).zip(blocks);
        parts.for_each(|(packed, block)| {
            let first = block * DEPTH * sizes.group;
            let depth = first..(first + DEPTH * sizes.group).min(k);
            let each = panels.div_ceil(rayon::current_num_threads()).min(PANELS);
            packed.par_chunks_mut(packed.len() / panels * each).enumerate().for_each(|(piece, packed)| {
                let cols = piece * each * width..((piece + 1) * each * width).min(n);
                machine.run(PackPanels(self.b, depth.clone(), cols, packed));
            });
        });
        packed
    }

    /// What some blocks of the inner dimension add to the part of `C` that `rows` and `panels` span. `packed` holds these
    /// blocks of `B`.
    ///
    /// # Safety
    /// Until it returns, nothing else reads or writes this part of `C` and of the second result.
    #[inline(always)]
    unsafe fn block<K: Kernel>(
        &self,
        kernel: K,
        packed: Option<&[f32]>,
        blocks: Range<usize>,
        rows: Range<usize>,
        panels: Range<usize>,
    ) {
        let (n, k) = (self.b.cols, self.b.rows);
        let width = PANEL_VECTORS * K::LANES;
        let all_panels = n.div_ceil(width);
        let depth = DEPTH * K::GROUP;
        let in_place = match self.a {
            // Rows further apart than a block would push each other out of the first cache.
            Left::Values(a) => kernel.takes_plain() && !a.transposed && k <= DEPTH,
            Left::Packed(a) => matches!(a.order, Order::Along(_)),
        };
        let mut own_a = Buffer::stale(if in_place { 0 } else { rows.len() * DEPTH });
        let mut own_b = Buffer::stale(if packed.is_some() { 0 } else { PANELS * width * DEPTH });
        let mut turned = Buffer::stale(if K::Unit::IS_THERE { rows.len() * DEPTH } else { 0 });
        let last = k.div_ceil(depth).max(1) - 1;
        for block in blocks.clone() {
            let span = block * depth..((block + 1) * depth).min(k);
            let groups = span.len().div_ceil(K::GROUP);
            let a = match self.a {
                Left::Values(a) if in_place => {
                    Rows { data: a.data, first: rows.start * a.apart + span.start, row: a.apart, group: 1 }
                }
                Left::Values(a) => {
                    let [row, group] = pack_a(kernel, a, rows.clone(), span.clone(), &mut own_a);
                    Rows { data: &own_a, first: 0, row, group }
                }
                Left::Packed(a) => match a.order {
                    Order::Along(row) => {
                        Rows { data: a.data, first: rows.start * row + block * DEPTH, row, group: 1 }
                    }
                    Order::Across => {
                        let groups = block * DEPTH..block * DEPTH + groups;
                        copy_across(a.data, a.rows, rows.clone(), groups, &mut own_a);
                        Rows { data: &own_a, first: 0, row: 1, group: rows.len() }
                    }
                },
            };
            let a = if K::Unit::IS_THERE && a.group != 1 && groups > 0 {
                // A unit reads rows.
                let (count, row) = (a.group, groups.next_multiple_of(squares::SIDE));
                gather_transposed(kernel.simd(), a.data, count, groups, count, row, &mut turned);
                Rows { data: &turned, first: 0, row, group: 1 }
            } else {
                a
            };
            for first in panels.clone().step_by(PANELS) {
                let part = first..(first + PANELS).min(panels.end);
                let cols = part.start * width..(part.end * width).min(n);
                let b = if let Some(packed) = packed {
                    &packed[((block - blocks.start) * DEPTH * all_panels + first * groups) * width..]
                } else {
                    pack_panels(kernel, self.b, span.clone(), cols.clone(), width, &mut own_b);
                    &own_b
                };
                let b = &b[..part.len() * groups * width];
                // SAFETY: the caller's contract.
                unsafe {
                    self.tiles(kernel, a, b, groups, rows.clone(), cols.clone(), block == 0);
                    if block == last {
                        self.end(rows.clone(), cols);
                    }
                }
            }
        }
    }

    /// All tiles of a part of `C` for one block of the inner dimension.
    ///
    /// # Safety
    /// As [`Product::block`].
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "two factors, and where the result goes")]
    unsafe fn tiles<K: Kernel>(
        &self,
        kernel: K,
        a: Rows<'_>,
        b: &[f32],
        groups: usize,
        rows: Range<usize>,
        cols: Range<usize>,
        first_block: bool,
    ) {
        let (bias, addend) = match self.start {
            _ if !first_block => (None, Addend::C),
            Start::Zero => (None, Addend::Nothing),
            Start::Keep => (None, Addend::C),
            Start::Bias(bias) => (Some(&bias[cols.clone()]), Addend::Nothing),
            Start::BiasAndResidual(bias, residual) => (Some(&bias[cols.clone()]), Addend::Matrix(residual)),
        };
        // A panel of `B` stays in the first cache while the rows pass by.
        let width = PANEL_VECTORS * K::LANES;
        // SAFETY: nothing here makes another.
        let mut unit = unsafe { kernel.unit() };
        for (panel, col) in cols.clone().step_by(width).enumerate() {
            let len = width.min(cols.end - col);
            let b = &b[panel * groups * width..][..groups * width];
            let bias = bias.map(|bias: &[f32]| &bias[panel * width..][..len]);
            let above = if self.half { col.saturating_sub(rows.start) } else { 0 };
            let mut row = rows.start + above / K::ROWS * K::ROWS;
            while row < rows.end {
                let a = a.from(row - rows.start);
                let target =
                    Target { c: self.c, first: row * self.b.cols + col, row: self.b.cols, bias, addend };
                if let Some(unit) = &mut unit {
                    let count = SQUARE.min(rows.end - row);
                    // SAFETY: the caller's contract, for these rows and columns.
                    unsafe { square(unit, a, b, groups, target, count, len) };
                    row += count;
                    continue;
                }
                // SAFETY: the caller's contract, for these rows and columns.
                row += unsafe {
                    match rows.end - row {
                        12.. if K::ROWS >= 12 => row_of_tiles::<K, 12>(kernel, a, b, groups, target, len),
                        6.. => row_of_tiles::<K, 6>(kernel, a, b, groups, target, len),
                        3.. => row_of_tiles::<K, 3>(kernel, a, b, groups, target, len),
                        _ => row_of_tiles::<K, 1>(kernel, a, b, groups, target, len),
                    }
                };
            }
        }
    }

    /// What is done to a part of `C` at the end.
    ///
    /// # Safety
    /// As [`Product::block`].
    unsafe fn end(&self, rows: Range<usize>, cols: Range<usize>) {
        let SharedFinish::Gelu(out) = self.finish else { return };
        for row in rows {
            let (first, len) = (row * self.b.cols + cols.start, cols.len());
            // Runs of memory so short that the machine does not see where they lead.
            let next = first + 2 * self.b.cols;
            for at in (next..(next + len).min(out.len)).step_by(16) {
                prefetch(out.data.wrapping_add(at));
            }
            // SAFETY: in the parts of C and of the second result that are the caller's alone.
            unsafe { gelu(self.c.part(first, len), out.part(first, len)) };
        }
    }
}

fn for_each(tasks: usize, threads: usize, task: impl Fn(usize) + Send + Sync) {
    if threads == 1 {
        (0..tasks).for_each(task);
    } else {
        (0..tasks).into_par_iter().with_max_len(1).for_each(task);
    }
}

/// Rows of `A`: element `(r, g)` is `data[first + r * row + g * group]`.
#[derive(Clone, Copy)]
struct Rows<'a> {
    data: &'a [f32],
    first: usize,
    row: usize,
    group: usize,
}

impl Rows<'_> {
    fn from(self, row: usize) -> Self {
        Self { first: self.first + row * self.row, ..self }
    }
}

/// What a row of tiles is added to.
#[derive(Clone, Copy)]
enum Addend<'a> {
    Nothing,
    /// What is there.
    C,
    /// A matrix as large as `C`.
    Matrix(&'a [f32]),
}

/// Where a row of tiles goes.
#[derive(Clone, Copy)]
struct Target<'a> {
    c: Shared<'a>,
    first: usize,
    row: usize,
    bias: Option<&'a [f32]>,
    addend: Addend<'a>,
}

/// `R` rows of `C`, all columns of the packed panels `b`; returns `R`.
///
/// # Safety
/// Until it returns, nothing else reads or writes these rows and columns of `target.c`. Bounds are checked here.
#[inline(always)]
unsafe fn row_of_tiles<K: Kernel, const R: usize>(
    kernel: K,
    a: Rows<'_>,
    b: &[f32],
    groups: usize,
    target: Target<'_>,
    cols: usize,
) -> usize {
    let width = PANEL_VECTORS * K::LANES;
    assert!(b.len() >= cols.div_ceil(width) * groups * width);
    assert!(groups == 0 || a.first + (R - 1) * a.row + (groups - 1) * a.group < a.data.len());
    assert!(target.first + (R - 1) * target.row + cols <= target.c.len);
    assert!(target.bias.is_none_or(|bias| bias.len() == cols));
    let a = (a.data[a.first..].as_ptr(), a.row, a.group);
    let c = target.c.data.wrapping_add(target.first);
    let added = match target.addend {
        Addend::Nothing => std::ptr::null(),
        Addend::C => c.cast_const(),
        Addend::Matrix(matrix) => {
            assert_eq!(matrix.len(), target.c.len);
            matrix[target.first..].as_ptr()
        }
    };
    let at = |pointer: *const f32, col| if pointer.is_null() { pointer } else { pointer.wrapping_add(col) };
    let bias = target.bias.map_or(std::ptr::null(), <[f32]>::as_ptr);
    for (panel, col) in (0..cols).step_by(width).enumerate() {
        let valid = (cols - col).min(width);
        let b = (b[panel * groups * width..].as_ptr(), width);
        let (bias, added) = (at(bias, col), at(added, col));
        // SAFETY: the assertions above put all that the tile reads and writes inside the matrices, and its part of C is
        // the caller's alone. Columns that do not fill their vectors go through `part`.
        unsafe {
            if valid == width || valid == K::LANES {
                let c = (c.add(col), target.row);
                let addends = Addends { row: bias, tile: added, tile_row: target.row };
                if valid == width {
                    kernel::tile::<K, R, 2>(kernel, groups, a, b, c, addends);
                } else {
                    kernel::tile::<K, R, 1>(kernel, groups, a, b, c, addends);
                }
            } else {
                let mut part = [[0.0; PANEL_VECTORS * 16]; R];
                let to = (part.as_mut_ptr().cast::<f32>(), PANEL_VECTORS * 16);
                let none = Addends { row: std::ptr::null(), tile: std::ptr::null(), tile_row: 0 };
                kernel::tile::<K, R, 2>(kernel, groups, a, b, to, none);
                for (r, sums) in part.iter().enumerate() {
                    for (at, sum) in sums[..valid].iter().enumerate() {
                        let row = if bias.is_null() { 0.0 } else { *bias.add(at) };
                        let tile = if added.is_null() { 0.0 } else { *added.add(r * target.row + at) };
                        *c.add(r * target.row + col + at) = tile + (row + sum);
                    }
                }
            }
        }
    }
    R
}

/// Runs work on the extension that [`dispatch::run`] chooses.
struct OnSimd<W>(Plain, W);

impl<W: Work> WithSimd for OnSimd<W> {
    type Output = W::Output;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> W::Output {
        self.1.run(self.0.on(simd))
    }
}

impl Machine for Plain {
    fn run<W: Work>(self, work: W) -> W::Output {
        dispatch::run(OnSimd(self, work))
    }
}

#[cfg(target_arch = "x86_64")]
impl Machine for kernel::Bf16Dot {
    fn run<W: Work>(self, work: W) -> W::Output {
        #[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt")]
        #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16")]
        fn compiled<W: Work>(dot: kernel::Bf16Dot, work: W) -> W::Output {
            work.run(dot)
        }
        // SAFETY: the token proves that the extensions are there: pulp's AVX-512, which has all of the first line, and the
        // products.
        unsafe { compiled(self, work) }
    }
}

#[cfg(test)]
mod tests;
