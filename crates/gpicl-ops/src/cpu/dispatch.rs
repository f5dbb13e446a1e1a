//! Which vector extension the kernels run on.

use std::sync::OnceLock;

use pulp::{Arch, WithSimd};

/// Runs a kernel on the best vector extension of this machine, or on the lower one that the environment variable
/// `GPICL_CPU` names: `avx512`, `avx2` or `scalar`.
#[inline]
pub fn run<K: WithSimd>(kernel: K) -> K::Output {
    arch().dispatch(kernel)
}

/// The name of what [`run`] runs on, as `GPICL_CPU` takes it.
pub fn level() -> &'static str {
    match arch() {
        #[cfg(target_arch = "x86_64")]
        Arch::V4(_) => "avx512",
        #[cfg(target_arch = "x86_64")]
        Arch::V3(_) => "avx2",
        _ => "scalar",
    }
}

/// Whether [`run`] runs on AVX-512, so that kernels outside it may use that as well.
#[cfg(target_arch = "x86_64")]
pub fn is_avx512() -> bool {
    avx512().is_some()
}

/// AVX-512, where [`run`] runs on it.
#[cfg(target_arch = "x86_64")]
pub fn avx512() -> Option<pulp::x86::V4> {
    match arch() {
        Arch::V4(simd) => Some(simd),
        _ => None,
    }
}

/// Whether [`run`] runs on AVX2, or more.
#[cfg(target_arch = "x86_64")]
pub fn has_avx2() -> bool {
    matches!(arch(), Arch::V3(_) | Arch::V4(_))
}

/// Whether `GPICL_CPU` names a level: then nothing beyond it is used, and all of it, the slow pairs of bfloat16 of Intel's
/// AVX-512 too.
pub fn is_limited() -> bool {
    static LIMITED: OnceLock<bool> = OnceLock::new();
    *LIMITED.get_or_init(|| named().is_some())
}

/// Whether `GPICL_CPU`, if it is set, names a level that this machine has; [`run`] takes the best one where not.
///
/// # Errors
/// What it is, and the names that there are.
pub fn check_limit() -> Result<(), String> {
    match limit() {
        Some(limit) if named().is_none() => {
            let names: Vec<_> = levels().into_iter().map(|(name, _)| name).collect();
            Err(format!("is `{limit}`; this machine has {}", names.join(", ")))
        }
        _ => Ok(()),
    }
}

#[inline]
fn arch() -> Arch {
    static ARCH: OnceLock<Arch> = OnceLock::new();
    *ARCH.get_or_init(|| named().unwrap_or_default())
}

fn limit() -> Option<String> {
    std::env::var("GPICL_CPU").ok()
}

/// The extension that `GPICL_CPU` names, where the machine has it.
fn named() -> Option<Arch> {
    let limit = limit()?;
    levels().into_iter().find_map(|(name, arch)| (name == limit).then_some(arch))
}

/// Every extension this machine can run, by name, lowest first.
pub fn levels() -> Vec<(&'static str, Arch)> {
    #[allow(unused_mut, reason = "only x86 has more than one level to choose from")]
    let mut levels = vec![("scalar", scalar())];
    #[cfg(target_arch = "x86_64")]
    {
        levels.extend(pulp::x86::V3::try_new().map(|simd| ("avx2", Arch::V3(simd))));
        levels.extend(pulp::x86::V4::try_new().map(|simd| ("avx512", Arch::V4(simd))));
    }
    levels
}

fn scalar() -> Arch {
    Arch::Scalar
}
