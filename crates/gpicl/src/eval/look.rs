//! Looking up from long work.

use std::fmt;
use std::sync::Arc;

/// Where a meta-test is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The set, as its [`super::TestSet`] is called.
    pub set: &'a str,
    /// Episodes of it that are done, of those that were asked for.
    pub done: usize,
    /// Those that were asked for.
    pub of: usize,
}

type Watcher = dyn Fn(Option<Place<'_>>) + Send + Sync;

/// What a meta-test calls between its parts, from any thread. It may unwind, which ends the meta-test there.
#[derive(Clone, Default)]
pub struct Look(Option<Arc<Watcher>>);

impl Look {
    /// One that calls `look`.
    pub fn new(look: impl Fn() + Send + Sync + 'static) -> Self {
        Self::at_places(move |_| look())
    }

    /// One that calls `look`, with the place where that is known.
    pub fn at_places(look: impl Fn(Option<Place<'_>>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(look)))
    }

    /// Looks up.
    pub(super) fn up(&self) {
        self.at(None);
    }

    /// Looks up at a place.
    pub(super) fn at(&self, place: Option<Place<'_>>) {
        if let Some(look) = &self.0 {
            look(place);
        }
    }
}

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Look(..)" } else { "Look" })
    }
}
