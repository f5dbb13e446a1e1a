//! The innermost loop: a tile of `C` in registers.
#![allow(clippy::needless_range_loop, reason = "see `simd::update`")]

use pulp::Simd;

use super::squares::{NoUnit, Unit};
use crate::cpu::prefetch::prefetch;

/// How numbers are packed and multiplied on one vector extension.
///
/// Packed numbers are carried as the bits of an f32: one f32, or two bfloat16 that follow each other in the inner
/// dimension.
///
/// # Safety
/// `Vector` is `LANES` f32 and nothing else, and any bits are a value of it. The methods may rely on the extension: a
/// value of the type is a proof that the machine has it.
pub unsafe trait Kernel: Copy {
    /// Values of the inner dimension in a packed number: 1 or 2.
    const GROUP: usize;
    /// Packed numbers, and sums, in a vector.
    const LANES: usize;
    /// Rows of the largest tile that fits the registers.
    const ROWS: usize;
    /// A register.
    type Vector: Copy;
    /// The extension, for all but products.
    type Simd: Simd;
    /// A matrix unit.
    type Unit: Unit;

    /// The matrix unit, if products go through one instead of [`tile`].
    ///
    /// # Safety
    /// No other lives on this thread while this one does.
    unsafe fn unit(self) -> Option<Self::Unit> {
        None
    }

    fn simd(self) -> Self::Simd;

    /// Whether an f32 is a packed number as it is.
    fn takes_plain(self) -> bool;
    /// Packs values that follow each other in the inner dimension.
    fn pack_along(self, values: &[f32], out: &mut [f32]);
    /// The values that [`Self::pack_along`] packed, rounded.
    fn unpack_along(self, packed: &[f32], out: &mut [f32]);
    /// Packs values of which `second` follow `first` in the inner dimension; no `second` stands for zeros.
    fn pack_across(self, first: &[f32], second: &[f32], out: &mut [f32]);

    /// Sums of nothing.
    fn zero(self) -> Self::Vector;
    /// One packed number in every lane.
    fn splat(self, value: f32) -> Self::Vector;
    /// `sum + a b` in every lane, over the values of the packed numbers.
    fn multiply_add(self, a: Self::Vector, b: Self::Vector, sum: Self::Vector) -> Self::Vector;
    /// The sum of two sums.
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// # Safety
    /// `LANES` values are readable at `from`.
    unsafe fn load(self, from: *const f32) -> Self::Vector {
        // SAFETY: a vector is `LANES` f32 without invalid bits; the caller makes them readable.
        unsafe { from.cast::<Self::Vector>().read_unaligned() }
    }
    /// # Safety
    /// `LANES` values are writable at `to`.
    unsafe fn store(self, to: *mut f32, value: Self::Vector) {
        // SAFETY: as in `load`.
        unsafe { to.cast::<Self::Vector>().write_unaligned(value) }
    }
}

/// What a tile is added to.
#[derive(Clone, Copy)]
pub struct Addends {
    /// A vector in every row; null for none.
    pub row: *const f32,
    /// A tile; null for none.
    pub tile: *const f32,
    /// Distance of its rows.
    pub tile_row: usize,
}

/// `R` rows and `V` vectors of columns of `C`, summed over `groups` packed numbers.
///
/// `a` is where the rows of `A` begin, and the distances of rows and of packed numbers; `b` a panel with `width`
/// packed numbers in a row; `c` the tile's corner and the distance of its rows.
///
/// # Safety
/// All of that lies in memory: `R` rows of `groups` at `a`, `groups` rows of `width` at `b`, which is at least `V`
/// vectors, `V` vectors at `addends.row`, and `R` rows of `V` vectors at `addends.tile` and at `c`. Nothing else refers
/// to `c`, but `addends.tile` may be the same.
#[inline(always)]
pub unsafe fn tile<K: Kernel, const R: usize, const V: usize>(
    kernel: K,
    groups: usize,
    (a, a_row, a_group): (*const f32, usize, usize),
    (b, width): (*const f32, usize),
    (c, c_row): (*mut f32, usize),
    addends: Addends,
) {
    let mut sums = [[kernel.zero(); V]; R];
    // Memory that is only written is on its way while the sums are made.
    if addends.tile != c.cast_const() {
        for r in 0..R {
            for v in 0..V {
                prefetch(c.wrapping_add(r * c_row + v * K::LANES));
            }
        }
    }
    // SAFETY: the caller's contract.
    unsafe {
        if !addends.row.is_null() {
            let mut row = [kernel.zero(); V];
            for v in 0..V {
                row[v] = kernel.load(addends.row.add(v * K::LANES));
            }
            sums = [row; R];
        }
        for group in 0..groups {
            let mut row = [kernel.zero(); V];
            for v in 0..V {
                row[v] = kernel.load(b.add(group * width + v * K::LANES));
            }
            for r in 0..R {
                let a = kernel.splat(*a.add(r * a_row + group * a_group));
                for v in 0..V {
                    sums[r][v] = kernel.multiply_add(a, row[v], sums[r][v]);
                }
            }
        }
        if !addends.tile.is_null() {
            for r in 0..R {
                for v in 0..V {
                    let from = addends.tile.add(r * addends.tile_row + v * K::LANES);
                    sums[r][v] = kernel.add(kernel.load(from), sums[r][v]);
                }
            }
        }
        for r in 0..R {
            for v in 0..V {
                kernel.store(c.add(r * c_row + v * K::LANES), sums[r][v]);
            }
        }
    }
}

/// f32 products on any extension, of values as they are or rounded to bfloat16.
#[derive(Clone, Copy)]
pub struct Plain {
    pub round: bool,
}

impl Plain {
    pub fn on<S: Simd>(self, simd: S) -> F32<S> {
        F32 { simd, round: self.round }
    }
}

/// [`Plain`] on one extension.
#[derive(Clone, Copy)]
pub struct F32<S> {
    simd: S,
    round: bool,
}

// SAFETY: `S` is pulp's token for an extension, `S::f32s` its vector of `S::F32_LANES` floats.
unsafe impl<S: Simd> Kernel for F32<S> {
    const GROUP: usize = 1;
    const LANES: usize = S::F32_LANES;
    // Two vectors of sums a row: 24 of AVX-512's 32 registers, 12 of AVX2's 16.
    const ROWS: usize = if S::F32_LANES == 16 { 12 } else { 6 };
    type Vector = S::f32s;
    type Simd = S;
    type Unit = NoUnit;

    #[inline(always)]
    fn simd(self) -> S {
        self.simd
    }

    #[inline(always)]
    fn takes_plain(self) -> bool {
        !self.round
    }

    #[inline(always)]
    fn pack_along(self, values: &[f32], out: &mut [f32]) {
        let out = &mut out[..values.len()];
        if self.round {
            out.iter_mut().zip(values).for_each(|(out, &value)| *out = f32::from_bits(bf16(value) << 16));
        } else {
            // A vector at a time: a call of memcpy would cost more than the few values are worth.
            let (whole, rest) = values.split_at(values.len() / Self::LANES * Self::LANES);
            let (out, out_rest) = out.split_at_mut(whole.len());
            for (out, values) in out.chunks_exact_mut(Self::LANES).zip(whole.chunks_exact(Self::LANES)) {
                out.copy_from_slice(values);
            }
            out_rest.copy_from_slice(rest);
        }
    }

    #[inline(always)]
    fn unpack_along(self, packed: &[f32], out: &mut [f32]) {
        out.copy_from_slice(packed);
    }

    #[inline(always)]
    fn pack_across(self, first: &[f32], _: &[f32], out: &mut [f32]) {
        self.pack_along(first, out);
    }

    #[inline(always)]
    fn zero(self) -> S::f32s {
        self.simd.splat_f32s(0.0)
    }

    #[inline(always)]
    fn splat(self, value: f32) -> S::f32s {
        self.simd.splat_f32s(value)
    }

    #[inline(always)]
    fn multiply_add(self, a: S::f32s, b: S::f32s, sum: S::f32s) -> S::f32s {
        self.simd.mul_add_e_f32s(a, b, sum)
    }

    #[inline(always)]
    fn add(self, a: S::f32s, b: S::f32s) -> S::f32s {
        self.simd.add_f32s(a, b)
    }
}

/// The bits of the nearest bfloat16, ties to even; NaN stays NaN.
#[inline(always)]
pub fn bf16(value: f32) -> u32 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7FFF + (bits >> 16 & 1)) >> 16;
    if value.is_nan() { bits >> 16 | 0x40 } else { rounded }
}

/// A packed number of two bfloat16, of which `second` follows in the inner dimension.
#[inline(always)]
pub fn pair(first: f32, second: f32) -> f32 {
    f32::from_bits(bf16(first) | bf16(second) << 16)
}

#[cfg(target_arch = "x86_64")]
pub use x86::Bf16Dot;

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;
    use std::sync::OnceLock;

    use pulp::x86::V4;

    use super::{Kernel, NoUnit, pair};
    use crate::cpu::dispatch;

    /// AVX-512's products of pairs of bfloat16, and a proof that this machine has them.
    #[derive(Clone, Copy)]
    pub struct Bf16Dot(V4);

    impl Bf16Dot {
        /// The kernel, where it is faster than products of rounded f32: on Intel's processors it is slower, by 1.6 in a
        /// step on an Emerald Rapids, and is there only for `GPICL_CPU=avx512`.
        pub fn new() -> Option<Self> {
            static FOUND: OnceLock<Option<Bf16Dot>> = OnceLock::new();
            *FOUND.get_or_init(|| Self::of_this_machine().filter(|_| dispatch::is_limited() || !is_intel()))
        }

        /// The kernel, where the machine has it and the level chosen for [`dispatch::run`] allows it.
        pub fn of_this_machine() -> Option<Self> {
            dispatch::avx512().filter(|_| is_x86_feature_detected!("avx512bf16")).map(Self)
        }
    }

    fn is_intel() -> bool {
        let name = __cpuid(0);
        [name.ebx, name.edx, name.ecx].map(u32::to_le_bytes).concat() == b"GenuineIntel"
    }

    // SAFETY: a `__m512` is 16 floats, and `of_this_machine` makes the token only where the extensions are there.
    unsafe impl Kernel for Bf16Dot {
        const GROUP: usize = 2;
        const LANES: usize = 16;
        const ROWS: usize = 12;
        type Vector = __m512;
        type Simd = V4;
        type Unit = NoUnit;

        #[inline(always)]
        fn simd(self) -> V4 {
            self.0
        }

        #[inline(always)]
        fn takes_plain(self) -> bool {
            false
        }

        #[inline(always)]
        fn pack_along(self, values: &[f32], out: &mut [f32]) {
            let whole = values.len() / 32 * 32;
            for at in (0..whole).step_by(32) {
                let (values, out) = (&values[at..at + 32], &mut out[at / 2..at / 2 + 16]);
                // SAFETY: 32 values to read, 16 to write; the token proves the extension.
                unsafe {
                    let low = _mm512_loadu_ps(values.as_ptr());
                    let high = _mm512_loadu_ps(values.as_ptr().add(16));
                    store(out, _mm512_cvtne2ps_pbh(high, low));
                }
            }
            for at in (whole..values.len()).step_by(2) {
                let second = values.get(at + 1).copied().unwrap_or(0.0);
                out[at / 2] = pair(values[at], second);
            }
        }

        #[inline(always)]
        fn unpack_along(self, packed: &[f32], out: &mut [f32]) {
            assert_eq!(packed.len(), out.len().div_ceil(2), "packed numbers");
            let whole = out.len() / 16 * 16;
            for at in (0..whole).step_by(16) {
                let (packed, out) = (&packed[at / 2..at / 2 + 8], &mut out[at..at + 16]);
                // SAFETY: 8 packed numbers to read, 16 values to write; the token proves the extension.
                unsafe {
                    let pairs = _mm256_loadu_si256(packed.as_ptr().cast());
                    let wide = _mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(pairs));
                    _mm512_storeu_si512(out.as_mut_ptr().cast(), wide);
                }
            }
            for at in whole..out.len() {
                let pair = packed[at / 2].to_bits();
                out[at] = f32::from_bits(if at % 2 == 0 { pair << 16 } else { pair & 0xFFFF_0000 });
            }
        }

        #[inline(always)]
        fn pack_across(self, first: &[f32], second: &[f32], out: &mut [f32]) {
            let whole = first.len() / 16 * 16;
            for at in (0..whole).step_by(16) {
                let out = &mut out[at..at + 16];
                // SAFETY: 16 values each to read and to write; the token proves the extension.
                unsafe {
                    let low = _mm512_loadu_ps(first[at..at + 16].as_ptr());
                    let high = if second.is_empty() {
                        _mm512_setzero_ps()
                    } else {
                        _mm512_loadu_ps(second[at..at + 16].as_ptr())
                    };
                    // Each half apart, widened to 32 bits, then put on top of each other.
                    let low = _mm512_cvtepu16_epi32(std::mem::transmute::<__m256bh, __m256i>(
                        _mm512_cvtneps_pbh(low),
                    ));
                    let high = _mm512_cvtepu16_epi32(std::mem::transmute::<__m256bh, __m256i>(
                        _mm512_cvtneps_pbh(high),
                    ));
                    let pairs = _mm512_or_si512(low, _mm512_slli_epi32::<16>(high));
                    store(out, std::mem::transmute::<__m512i, __m512bh>(pairs));
                }
            }
            for at in whole..first.len() {
                let second = second.get(at).copied().unwrap_or(0.0);
                out[at] = pair(first[at], second);
            }
        }

        #[inline(always)]
        fn zero(self) -> __m512 {
            // SAFETY: the token proves the extension.
            unsafe { _mm512_setzero_ps() }
        }

        #[inline(always)]
        fn splat(self, value: f32) -> __m512 {
            // SAFETY: the token proves the extension.
            unsafe { _mm512_set1_ps(value) }
        }

        #[inline(always)]
        fn multiply_add(self, a: __m512, b: __m512, sum: __m512) -> __m512 {
            // SAFETY: the token proves the extension; both types are 512 bits without invalid values.
            unsafe {
                let [a, b] = [a, b].map(|x| std::mem::transmute::<__m512, __m512bh>(x));
                _mm512_dpbf16_ps(sum, a, b)
            }
        }

        #[inline(always)]
        fn add(self, a: __m512, b: __m512) -> __m512 {
            // SAFETY: the token proves the extension.
            unsafe { _mm512_add_ps(a, b) }
        }
    }

    /// # Safety
    /// The machine has AVX-512.
    #[inline(always)]
    unsafe fn store(out: &mut [f32], pairs: __m512bh) {
        assert!(out.len() >= 16);
        // SAFETY: 16 values to write; both types are 512 bits without invalid values.
        unsafe { _mm512_storeu_ps(out.as_mut_ptr(), std::mem::transmute::<__m512bh, __m512>(pairs)) }
    }
}
