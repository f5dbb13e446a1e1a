//! What the engine warns of, as Python's warnings of the call that it is part of.

use std::cell::RefCell;
use std::fmt::Debug;
use std::sync::Once;
use std::sync::mpsc::Sender;

use pyo3::types::PyAnyMethods as _;
use pyo3::{PyResult, Python};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

thread_local! {
    /// Where the warnings of this thread's work go.
    static HEARD: RefCell<Option<Sender<String>>> = const { RefCell::new(None) };
}

/// Sends the words of warnings to whoever listens to this thread.
struct Forward;

impl<S: Subscriber> Layer<S> for Forward {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut words = Words(String::new());
        event.record(&mut words);
        HEARD.with_borrow(|heard| {
            if let Some(heard) = heard {
                // Nobody listens any more only where the call has ended.
                let _ = heard.send(words.0);
            }
        });
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

/// Does `work`, on a thread that does nothing else; `heard` gets what it warns of.
pub fn heard<T>(heard: Sender<String>, work: impl FnOnce() -> T) -> T {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // The engine's own warnings; where the whole command runs in this process, it prints them itself.
        let ours = Targets::new().with_target("gpicl", Level::WARN);
        let _ = tracing::subscriber::set_global_default(
            tracing_subscriber::registry().with(Forward.with_filter(ours)),
        );
    });
    HEARD.set(Some(heard));
    let result = work();
    HEARD.set(None);
    result
}

/// Says `remarks` in Python.
///
/// # Errors
/// The first, where the user made warnings errors.
pub fn say(py: Python<'_>, remarks: Vec<String>) -> PyResult<()> {
    if remarks.is_empty() {
        return Ok(());
    }
    py.import("gpicl._warnings")?.call_method1("say", (remarks,)).map(drop)
}
