//! Hints that memory will soon be wanted.

/// Asks for the cache line of an address; any address will do.
#[inline(always)]
pub fn prefetch(at: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint that touches no memory a program can see, and SSE is there on every x86-64.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
}

/// Asks for the cache line of an address to write to; any address will do. A store waits long for a line that another
/// core has read.
#[inline(always)]
pub fn claim(at: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: as in `prefetch`; a machine without the hint does nothing. The intrinsic would become a plain prefetch where
    // the hint is not part of the extension compiled for.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) at, options(nostack, preserves_flags, readonly));
    }
}
