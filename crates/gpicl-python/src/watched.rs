//! Work without the interpreter's lock, while the calling thread listens: to what the work says, and to Ctrl-C.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, channel, sync_channel};
use std::time::Duration;

use gpicl::eval::Look;
use pyo3::exceptions::PyRuntimeError;
use pyo3::{PyErr, PyResult, Python};

use crate::error::raise;
use crate::warnings;

/// Time between two looks at whether Ctrl-C was pressed.
const LOOK: Duration = Duration::from_millis(50);

/// What unwinds work that was asked to stop and has no other way out.
struct Stopped;

/// Ends the work here if it was asked to stop.
pub fn end_if(stop: &AtomicBool) {
    if stop.load(Ordering::Relaxed) {
        resume_unwind(Box::new(Stopped));
    }
}

/// What ends a meta-test where it is, if it was asked to stop.
pub fn look(stop: &Arc<AtomicBool>) -> Look {
    let stop = Arc::clone(stop);
    Look::new(move || end_if(&stop))
}

/// Says something from within the work; blocks until it is heard.
pub type Say<M> = SyncSender<M>;

/// Does `work` on a thread of its own; `hear` gets what it says, on this thread and with the lock. Ctrl-C and an error of `hear`
/// raise the flag that `work` is given, and are raised in Python once it has ended. A panic is a `RuntimeError`. What
/// it warns of is said as it comes; a warning that the user made an error ends it like an error of `hear`.
pub fn watched<T: Send, M: Send>(
    py: Python<'_>,
    work: impl FnOnce(&Arc<AtomicBool>, Say<M>) -> gpicl::Result<T> + Send,
    mut hear: impl FnMut(M) -> PyResult<()>,
) -> PyResult<T> {
    let stop = &Arc::new(AtomicBool::new(false));
    let (say, mut heard) = sync_channel(1);
    let (warn, warned) = channel();
    let mut failure: Option<PyErr> = None;
    let ended = std::thread::scope(|scope| {
        let worker =
            scope.spawn(move || warnings::heard(warn, || catch_unwind(AssertUnwindSafe(|| work(stop, say)))));
        loop {
            let got;
            (heard, got) = py.detach(move || {
                let got = heard.recv_timeout(LOOK);
                (heard, got)
            });
            let result = match got {
                Ok(said) if failure.is_none() => hear(said),
                // The worker ends by its end of the channel.
                Err(RecvTimeoutError::Disconnected) => break,
                Ok(_) | Err(RecvTimeoutError::Timeout) => Ok(()),
            };
            let result = match failure {
                None => result.and_then(|()| warnings::say(py, warned.try_iter().collect())),
                Some(_) => result,
            };
            if let Err(error) = result.and_then(|()| py.check_signals()) {
                stop.store(true, Ordering::Relaxed);
                failure.get_or_insert(error);
            }
        }
        py.detach(move || worker.join())
    });
    if let Some(failure) = failure {
        return Err(failure);
    }
    let said = warnings::say(py, warned.try_iter().collect());
    match ended {
        Ok(Ok(result)) => result.map_err(raise).and_then(|value| said.map(|()| value)),
        Ok(Err(panic)) | Err(panic) => Err(bug(&*panic)),
    }
}

/// Does `work`; a panic is a `RuntimeError`.
pub fn caught<T>(work: impl FnOnce() -> T) -> PyResult<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| bug(&*panic))
}

fn bug(panic: &(dyn Any + Send)) -> PyErr {
    PyRuntimeError::new_err(format!("a bug of gpicl: {}", words(panic)))
}

/// What a panic says.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}
