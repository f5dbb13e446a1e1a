//! Where a result came from.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Program, commit and machine behind a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of this crate.
    pub version: String,
    /// Git commit of the build, with `-dirty` if files were changed; "unknown" outside a checkout.
    pub commit: String,
    /// Operating system and processor architecture.
    pub platform: String,
    /// Vector extension that the CPU kernels use: `avx512`, `avx2`, `scalar`; empty in files of earlier versions.
    #[serde(default)]
    pub kernels: String,
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, commit, platform, kernels } = self;
        write!(f, "gpicl {version} ({commit}) on {platform}")?;
        if kernels.is_empty() { Ok(()) } else { write!(f, ", {kernels} kernels") }
    }
}

impl Provenance {
    /// This program on this machine.
    pub fn current() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            commit: env!("GPICL_COMMIT").into(),
            platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
            kernels: gpicl_ops::cpu::dispatch::level().into(),
        }
    }

    /// Whether files were changed since the commit: then it does not say which program this is.
    pub fn is_dirty(&self) -> bool {
        self.commit.ends_with("-dirty")
    }
}
