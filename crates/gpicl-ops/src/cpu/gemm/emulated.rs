//! A kernel whose matrix unit is written in Rust, so that what is made of one is tested on every machine.

use pulp::Scalar;

use super::kernel::{Kernel, pair};
use super::squares::{SIDE, SQUARE, Unit};
use super::{Machine, Work};

/// Packs as the kernels of bfloat16 do; products of tiles are scalar.
#[derive(Clone, Copy)]
pub struct Emulated;

/// Eight registers of packed numbers or sums.
pub struct Registers([[[f32; SIDE]; SIDE]; 8]);

fn values(packed: f32) -> [f32; 2] {
    let bits = packed.to_bits();
    [bits << 16, bits & 0xFFFF_0000].map(f32::from_bits)
}

fn dot(a: f32, b: f32, sum: f32) -> f32 {
    let ([a, c], [b, d]) = (values(a), values(b));
    c.mul_add(d, a.mul_add(b, sum))
}

impl Unit for Registers {
    fn zero<const T: usize>(&mut self) {
        self.0[T] = [[0.0; SIDE]; SIDE];
    }

    fn multiply_add<const C: usize, const A: usize, const B: usize>(&mut self) {
        for row in 0..SIDE {
            for col in 0..SIDE {
                let sum = self.0[C][row][col];
                self.0[C][row][col] =
                    (0..SIDE).fold(sum, |sum, k| dot(self.0[A][row][k], self.0[B][k][col], sum));
            }
        }
    }

    unsafe fn load<const T: usize>(&mut self, from: *const f32, apart: usize) {
        for (row, values) in self.0[T].iter_mut().enumerate() {
            // SAFETY: the rows are readable by contract.
            *values = unsafe { from.add(row * apart).cast::<[f32; SIDE]>().read_unaligned() };
        }
    }

    unsafe fn store<const T: usize>(&mut self, to: *mut f32, apart: usize) {
        for (row, values) in self.0[T].iter().enumerate() {
            // SAFETY: the rows are writable by contract.
            unsafe { to.add(row * apart).cast::<[f32; SIDE]>().write_unaligned(*values) };
        }
    }
}

// SAFETY: a vector is 16 floats, and no extension is relied on.
unsafe impl Kernel for Emulated {
    const GROUP: usize = 2;
    const LANES: usize = SIDE;
    const ROWS: usize = SQUARE;
    type Vector = [f32; SIDE];
    type Simd = Scalar;
    type Unit = Registers;

    unsafe fn unit(self) -> Option<Registers> {
        // Not zeros: what is not set must not be used.
        Some(Registers([[[f32::NAN; SIDE]; SIDE]; 8]))
    }

    fn simd(self) -> Scalar {
        Scalar
    }

    fn takes_plain(self) -> bool {
        false
    }

    fn pack_along(self, values: &[f32], out: &mut [f32]) {
        for (values, out) in values.chunks(2).zip(out) {
            let second = values.get(1).copied().unwrap_or(0.0);
            *out = pair(values[0], second);
        }
    }

    fn unpack_along(self, packed: &[f32], out: &mut [f32]) {
        for (out, &packed) in out.chunks_mut(2).zip(packed) {
            out.copy_from_slice(&values(packed)[..out.len()]);
        }
    }

    fn pack_across(self, first: &[f32], second: &[f32], out: &mut [f32]) {
        for (at, (&first, out)) in first.iter().zip(out).enumerate() {
            let second = second.get(at).copied().unwrap_or(0.0);
            *out = pair(first, second);
        }
    }

    fn zero(self) -> [f32; SIDE] {
        [0.0; SIDE]
    }

    fn splat(self, value: f32) -> [f32; SIDE] {
        [value; SIDE]
    }

    fn multiply_add(self, a: [f32; SIDE], b: [f32; SIDE], sum: [f32; SIDE]) -> [f32; SIDE] {
        std::array::from_fn(|lane| dot(a[lane], b[lane], sum[lane]))
    }

    fn add(self, a: [f32; SIDE], b: [f32; SIDE]) -> [f32; SIDE] {
        std::array::from_fn(|lane| a[lane] + b[lane])
    }
}

impl Machine for Emulated {
    fn run<W: Work>(self, work: W) -> W::Output {
        work.run(self)
    }
}
