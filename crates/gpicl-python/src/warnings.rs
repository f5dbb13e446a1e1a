//! What the engine warns of, as Python's warnings.

use std::fmt::Debug;
use std::sync::{Mutex, Once, PoisonError};

use pyo3::types::PyAnyMethods as _;
use pyo3::{PyResult, Python};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// Warned of, and not said in Python yet.
static UNSAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Keeps the words of warnings.
struct Keep;

impl<S: Subscriber> Layer<S> for Keep {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() == Level::WARN {
            let mut words = Words(String::new());
            event.record(&mut words);
            UNSAID.lock().unwrap_or_else(PoisonError::into_inner).push(words.0);
        }
    }
}

/// The message of an event.
struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

/// Begins to listen, unless the whole command runs in this process and prints them itself.
pub fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Keep));
    });
}

/// Says what was warned of since the last time.
///
/// # Errors
/// The first warning, where the user made them errors.
pub fn say(py: Python<'_>) -> PyResult<()> {
    let unsaid = std::mem::take(&mut *UNSAID.lock().unwrap_or_else(PoisonError::into_inner));
    if !unsaid.is_empty() {
        py.import("gpicl._warnings")?.call_method1("say", (unsaid,))?;
    }
    Ok(())
}
