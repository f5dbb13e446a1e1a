//! Looking up from long work.

use std::fmt;
use std::sync::Arc;

/// What a meta-test calls between its parts, from any thread. It may unwind, which ends the meta-test there.
#[derive(Clone, Default)]
pub struct Look(Option<Arc<dyn Fn() + Send + Sync>>);

impl Look {
    /// One that calls `look`.
    pub fn new(look: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(look)))
    }

    /// Looks up.
    pub(super) fn up(&self) {
        if let Some(look) = &self.0 {
            look();
        }
    }
}

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Look(..)" } else { "Look" })
    }
}
