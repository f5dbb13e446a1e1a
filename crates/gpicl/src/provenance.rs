//! Where a result came from.

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
}

impl Provenance {
    /// This program on this machine.
    pub fn current() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            commit: env!("GPICL_COMMIT").into(),
            platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
        }
    }

    /// Whether files were changed since the commit: then it does not say which program this is.
    pub fn is_dirty(&self) -> bool {
        self.commit.ends_with("-dirty")
    }
}
