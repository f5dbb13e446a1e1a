//! AMX: Intel's matrix unit, which multiplies sixteen rows of pairs of bfloat16 by sixteen columns at once.
//!
//! One instruction to a block of assembly: such blocks stay in order, and no compiled code but they touches the registers.

use std::arch::asm;
use std::arch::x86_64::{__cpuid_count, __m512};
use std::marker::PhantomData;
use std::sync::OnceLock;

use pulp::x86::V4;

use super::kernel::{Bf16Dot, Kernel};
use super::squares::{SIDE, SQUARE, Unit};
use super::{Machine, Work};
use crate::cpu::dispatch;

/// Products through AMX, all else by AVX-512, and a proof that this machine has both.
#[derive(Clone, Copy)]
pub struct Amx(Bf16Dot);

impl Amx {
    /// The kernel, where the machine and the system have it and `GPICL_CPU` names no level.
    pub fn new() -> Option<Self> {
        static FOUND: OnceLock<Option<Amx>> = OnceLock::new();
        *FOUND.get_or_init(|| {
            let dot = Bf16Dot::of_this_machine().filter(|_| !dispatch::is_limited())?;
            (machine_has_it() && system_allows_it()).then_some(Self(dot))
        })
    }
}

/// Bits of the processor's and the system's answers (Intel's manual, volume 1, chapter 18).
fn machine_has_it() -> bool {
    let (bf16, tiles) = (1 << 22, 1 << 24);
    if __cpuid_count(0, 0).eax < 7 || __cpuid_count(7, 0).edx & (bf16 | tiles) != bf16 | tiles {
        return false;
    }
    let low: u32;
    // SAFETY: the system lets programs ask which registers it keeps, or AVX-512 had not been found.
    unsafe { asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") _, options(nomem, nostack)) };
    low >> 17 & 3 == 3
}

/// Asks Linux for the registers, which are 8 KiB a thread: it gives them to those who ask, if all their signal stacks have
/// room for them.
#[cfg(target_os = "linux")]
fn system_allows_it() -> bool {
    const ARCH_PRCTL: usize = 158;
    const REQUEST_PERMISSION: usize = 0x1023;
    const TILE_DATA: usize = 18;
    let answer: isize;
    // SAFETY: the call reads no memory; it changes nothing but what this process may use.
    unsafe {
        asm!(
            "syscall", inlateout("rax") ARCH_PRCTL => answer, in("rdi") REQUEST_PERMISSION, in("rsi") TILE_DATA,
            out("rcx") _, out("r11") _, options(nostack)
        );
    }
    answer == 0
}

#[cfg(not(target_os = "linux"))]
fn system_allows_it() -> bool {
    false
}

/// The unit's registers on this thread, set up until it is dropped.
pub struct Tiles(PhantomData<*const ()>);

impl Tiles {
    /// # Safety
    /// The machine has AMX, and no other value lives on this thread while this one does.
    #[inline(always)]
    unsafe fn new() -> Self {
        /// Palette 1; from 16 bytes on the bytes of a row of each register, from 48 on its rows.
        #[repr(align(64))]
        struct Shapes([u8; 64]);
        static SHAPES: Shapes = {
            let mut bytes = [0; 64];
            bytes[0] = 1;
            let mut tile = 0;
            while tile < 8 {
                bytes[16 + 2 * tile] = 4 * SIDE as u8;
                bytes[48 + tile] = SIDE as u8;
                tile += 1;
            }
            Shapes(bytes)
        };
        // SAFETY: by contract the machine has the instruction; it reads 64 bytes.
        unsafe {
            asm!("ldtilecfg [{}]", in(reg) &raw const SHAPES.0, options(nostack, readonly, preserves_flags))
        };
        Self(PhantomData)
    }
}

impl Drop for Tiles {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: the value is a proof that the machine has the instruction.
        unsafe { asm!("tilerelease", options(nomem, nostack, preserves_flags)) };
    }
}

impl Unit for Tiles {
    #[inline(always)]
    fn zero<const T: usize>(&mut self) {
        // SAFETY: the registers are set up, and no compiled code but this has anything in them.
        unsafe { asm!("tilezero tmm{t}", t = const T, options(nomem, nostack, preserves_flags)) };
    }

    #[inline(always)]
    fn multiply_add<const C: usize, const A: usize, const B: usize>(&mut self) {
        // SAFETY: as in `zero`.
        unsafe {
            asm!(
                "tdpbf16ps tmm{c}, tmm{a}, tmm{b}", c = const C, a = const A, b = const B,
                options(nomem, nostack, preserves_flags)
            );
        }
    }

    #[inline(always)]
    unsafe fn load<const T: usize>(&mut self, from: *const f32, apart: usize) {
        // SAFETY: as in `zero`; the memory is readable by contract.
        unsafe {
            asm!(
                "tileloadd tmm{t}, [{from} + {apart}]", t = const T, from = in(reg) from, apart = in(reg) 4 * apart,
                options(nostack, readonly, preserves_flags)
            );
        }
    }

    #[inline(always)]
    unsafe fn store<const T: usize>(&mut self, to: *mut f32, apart: usize) {
        // SAFETY: as in `zero`; the memory is writable by contract.
        unsafe {
            asm!(
                "tilestored [{to} + {apart}], tmm{t}", t = const T, to = in(reg) to, apart = in(reg) 4 * apart,
                options(nostack, preserves_flags)
            );
        }
    }
}

// SAFETY: that of `Bf16Dot`, which does all but the unit's work.
unsafe impl Kernel for Amx {
    const GROUP: usize = Bf16Dot::GROUP;
    const LANES: usize = Bf16Dot::LANES;
    const ROWS: usize = SQUARE;
    type Vector = __m512;
    type Simd = V4;
    type Unit = Tiles;

    #[inline(always)]
    unsafe fn unit(self) -> Option<Tiles> {
        // SAFETY: the token proves that the machine has it; the rest is the caller's contract.
        Some(unsafe { Tiles::new() })
    }

    #[inline(always)]
    fn simd(self) -> V4 {
        self.0.simd()
    }

    #[inline(always)]
    fn takes_plain(self) -> bool {
        self.0.takes_plain()
    }

    #[inline(always)]
    fn pack_along(self, values: &[f32], out: &mut [f32]) {
        self.0.pack_along(values, out);
    }

    #[inline(always)]
    fn unpack_along(self, packed: &[f32], out: &mut [f32]) {
        self.0.unpack_along(packed, out);
    }

    #[inline(always)]
    fn pack_across(self, first: &[f32], second: &[f32], out: &mut [f32]) {
        self.0.pack_across(first, second, out);
    }

    #[inline(always)]
    fn zero(self) -> __m512 {
        self.0.zero()
    }

    #[inline(always)]
    fn splat(self, value: f32) -> __m512 {
        self.0.splat(value)
    }

    #[inline(always)]
    fn multiply_add(self, a: __m512, b: __m512, sum: __m512) -> __m512 {
        self.0.multiply_add(a, b, sum)
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        self.0.add(a, b)
    }
}

/// [`Work`] with another kernel than that of the machine it runs on.
struct On<W>(Amx, W);

impl<W: Work> Work for On<W> {
    type Output = W::Output;

    #[inline(always)]
    fn run<K: Kernel>(self, _: K) -> W::Output {
        self.1.run(self.0)
    }
}

impl Machine for Amx {
    fn run<W: Work>(self, work: W) -> W::Output {
        self.0.run(On(self, work))
    }
}
