//! What Ctrl-C does.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, Result};

use crate::output::Output;

/// Exit code of what Ctrl-C stopped: 128 + SIGINT, as shells expect.
pub const INTERRUPTED: u8 = 130;

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
            let again = stop.swap(true, Ordering::SeqCst);
            match parting.get() {
                Some(words) => output.note(words),
                None if again => {}
                None => return output.note(remark),
            }
            process::exit(i32::from(INTERRUPTED));
        })
        .context("cannot watch for Ctrl-C")?;
        Ok(watch)
    }

    /// Raised by the first Ctrl-C.
    pub fn stop(&self) -> &Arc<AtomicBool> {
        &self.stop
    }

    /// From now on nothing is lost by an end: the next Ctrl-C says `words` and is one. True if one came before, and nobody obeyed.
    pub fn may_end(&self, words: &str) -> bool {
        self.parting.get_or_init(|| words.into());
        self.stop.load(Ordering::SeqCst)
    }
}
