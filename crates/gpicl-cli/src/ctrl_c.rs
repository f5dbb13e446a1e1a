//! What Ctrl-C does.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, Result};

use crate::output::Output;
use crate::train::INTERRUPTED;

/// The first Ctrl-C asks long work to stop, the second ends the program.
pub struct CtrlC {
    stop: Arc<AtomicBool>,
    /// What to say where the first one ends the program.
    parting: Arc<OnceLock<String>>,
}

impl CtrlC {
    /// Watches from now on; `remark` is said at the first one.
    pub fn watch(output: &Output, remark: &'static str) -> Result<Self> {
        let watch = Self { stop: Arc::default(), parting: Arc::default() };
        let (stop, parting, output) = (Arc::clone(&watch.stop), Arc::clone(&watch.parting), *output);
        ctrlc::set_handler(move || {
            if let Some(words) = parting.get() {
                output.note(words);
                process::exit(i32::from(INTERRUPTED));
            }
            if stop.swap(true, Ordering::Relaxed) {
                process::exit(i32::from(INTERRUPTED));
            }
            output.note(remark);
        })
        .context("cannot watch for Ctrl-C")?;
        Ok(watch)
    }

    /// Raised by the first Ctrl-C.
    pub fn stop(&self) -> &Arc<AtomicBool> {
        &self.stop
    }

    /// From now on nothing is lost by an end: the next Ctrl-C is one, after `words`.
    pub fn may_end(&self, words: String) {
        // It is said once what comes next.
        let _ = self.parting.set(words);
    }
}
