//! Products through a matrix unit: a square of `C` in its registers.

use std::mem::MaybeUninit;

use super::{Addend, Rows, Target, fit};
use crate::cpu::prefetch::prefetch;

/// Rows of a register, and numbers of 32 bits in each.
pub const SIDE: usize = 16;
/// Rows and columns of a square: two registers by two, so that each factor that is loaded serves twice.
pub const SQUARE: usize = 2 * SIDE;

/// A matrix unit with registers of [`SIDE`] rows of [`SIDE`] numbers of 32 bits, known by their number from 0 to 7.
///
/// A register of `A` or `B` holds pairs of bfloat16 as [`Kernel`](super::kernel::Kernel) packs them: of `A` rows of
/// packed numbers, of `B` for every packed number its columns.
pub trait Unit {
    /// Whether there is one.
    const IS_THERE: bool = true;

    /// Register `T` becomes zero.
    fn zero<const T: usize>(&mut self);
    /// Register `C` becomes `C + A B`.
    fn multiply_add<const C: usize, const A: usize, const B: usize>(&mut self);
    /// Reads register `T`, rows `apart` numbers from each other.
    ///
    /// # Safety
    /// They are readable.
    unsafe fn load<const T: usize>(&mut self, from: *const f32, apart: usize);
    /// Writes register `T`, rows `apart` numbers from each other.
    ///
    /// # Safety
    /// They are writable.
    unsafe fn store<const T: usize>(&mut self, to: *mut f32, apart: usize);
}

/// The unit of kernels that have none.
pub enum NoUnit {}

impl Unit for NoUnit {
    const IS_THERE: bool = false;

    fn zero<const T: usize>(&mut self) {
        match *self {}
    }

    fn multiply_add<const C: usize, const A: usize, const B: usize>(&mut self) {
        match *self {}
    }

    unsafe fn load<const T: usize>(&mut self, _: *const f32, _: usize) {
        match *self {}
    }

    unsafe fn store<const T: usize>(&mut self, _: *mut f32, _: usize) {
        match *self {}
    }
}

/// On cache lines of their own: a register's row is one.
#[repr(align(64))]
struct Square([[f32; SQUARE]; SQUARE]);

/// A register's rows, of which some are zeros.
#[repr(align(64))]
struct Edge<const WIDTH: usize>([[f32; WIDTH]; SIDE]);

impl<const WIDTH: usize> Edge<WIDTH> {
    /// The first `len` numbers of `rows` rows, `apart` numbers from each other.
    #[inline(always)]
    fn new(from: &[f32], apart: usize, rows: usize, len: usize) -> Self {
        let mut edge = Self([[0.0; WIDTH]; SIDE]);
        for (row, edge) in edge.0.iter_mut().take(rows).enumerate() {
            edge[..len].copy_from_slice(&from[row * apart..][..len]);
        }
        edge
    }
}

/// `rows` rows of `C`, `cols` columns of the packed panel `b`: both at most [`SQUARE`], which is the panel's width.
///
/// # Safety
/// Until it returns, nothing else reads or writes these rows and columns of `target.c`. Bounds are checked here.
#[inline(always)]
pub unsafe fn square<U: Unit>(
    unit: &mut U,
    a: Rows<'_>,
    b: &[f32],
    groups: usize,
    target: Target<'_>,
    rows: usize,
    cols: usize,
) {
    assert!(0 < rows && rows <= SQUARE && 0 < cols && cols <= SQUARE);
    assert!(b.len() >= groups * SQUARE);
    assert!(groups == 0 || a.group == 1 && fit(rows, a.row, groups, a.data[a.first..].len()));
    // The result's memory is on its way while the sums are made.
    for row in 0..rows {
        for col in [0, SIDE] {
            prefetch(target.c.data.wrapping_add(target.first + row * target.row + col));
        }
    }
    unit.zero::<0>();
    unit.zero::<1>();
    unit.zero::<2>();
    unit.zero::<3>();
    let both = rows > SIDE;
    for first in (0..groups).step_by(SIDE) {
        let depth = SIDE.min(groups - first);
        // SAFETY: whole registers lie inside the factors by the assertions above; others are read from copies.
        unsafe {
            let b = &b[first * SQUARE..];
            if depth == SIDE {
                unit.load::<6>(b.as_ptr(), SQUARE);
                unit.load::<7>(b.as_ptr().add(SIDE), SQUARE);
            } else {
                let edge = Edge::<SQUARE>::new(b, SQUARE, depth, SQUARE);
                unit.load::<6>(edge.0.as_ptr().cast(), SQUARE);
                unit.load::<7>(edge.0.as_ptr().cast::<f32>().add(SIDE), SQUARE);
            }
            load_left::<U, 4>(unit, a, first, rows.min(SIDE), depth);
            unit.multiply_add::<0, 4, 6>();
            unit.multiply_add::<1, 4, 7>();
            if both {
                load_left::<U, 5>(unit, a.from(SIDE), first, rows - SIDE, depth);
                unit.multiply_add::<2, 5, 6>();
                unit.multiply_add::<3, 5, 7>();
            }
        }
    }
    let mut sums = MaybeUninit::<Square>::uninit();
    // SAFETY: the place of the square's only field.
    let corner = unsafe { &raw mut (*sums.as_mut_ptr()).0 }.cast::<f32>();
    // SAFETY: four registers side by side and one below the other are the square.
    unsafe {
        unit.store::<0>(corner, SQUARE);
        unit.store::<1>(corner.add(SIDE), SQUARE);
        if both {
            unit.store::<2>(corner.add(SIDE * SQUARE), SQUARE);
            unit.store::<3>(corner.add(SIDE * SQUARE + SIDE), SQUARE);
        }
    }
    for row in 0..rows {
        let first = target.first + row * target.row;
        // SAFETY: this row of the square was just written, and these columns of `c` are the caller's alone.
        let (sums, c) = unsafe {
            (std::slice::from_raw_parts_mut(corner.add(row * SQUARE), cols), target.c.part(first, cols))
        };
        if let Some(bias) = target.bias {
            sums.iter_mut().zip(bias).for_each(|(sum, bias)| *sum += bias);
        }
        match target.addend {
            Addend::Nothing => c.copy_from_slice(sums),
            Addend::C => c.iter_mut().zip(&*sums).for_each(|(c, sum)| *c += sum),
            Addend::Matrix(matrix) => {
                let added = matrix[first..][..cols].iter().zip(&*sums);
                c.iter_mut().zip(added).for_each(|(c, (added, sum))| *c = added + sum);
            }
        }
    }
}

/// Reads `depth` packed numbers from `first` of `rows` rows into register `T`, whose rest becomes zero.
///
/// # Safety
/// They lie in `a`.
#[inline(always)]
unsafe fn load_left<U: Unit, const T: usize>(
    unit: &mut U,
    a: Rows<'_>,
    first: usize,
    rows: usize,
    depth: usize,
) {
    let from = &a.data[a.first + first..];
    // SAFETY: a whole register lies in `a` by contract, another in the copy.
    unsafe {
        if rows >= SIDE && depth == SIDE {
            unit.load::<T>(from.as_ptr(), a.row);
        } else {
            let edge = Edge::<SIDE>::new(from, a.row, rows, depth);
            unit.load::<T>(edge.0.as_ptr().cast(), SIDE);
        }
    }
}
