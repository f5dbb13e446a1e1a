//! Batches ahead of their use, so that making them overlaps with the training step.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use super::batch::{Batch, BatchSource};
use crate::error::{Error, Result};

/// Makes batches ahead on a thread of its own, a bounded number of them.
#[derive(Debug)]
pub struct Prefetch {
    ready: Option<Receiver<Batch>>,
    used: Sender<Batch>,
    thread: Option<JoinHandle<()>>,
}

impl Prefetch {
    /// Batches made ahead of the one in use.
    const DEPTH: usize = 2;

    /// The batches `indices` of `source`, in order.
    pub fn new(source: Arc<BatchSource>, indices: Range<u64>) -> Self {
        Self::spawn(indices, move |index, batch| source.fill(index, batch))
    }

    fn spawn(indices: Range<u64>, fill: impl Fn(u64, &mut Batch) + Send + 'static) -> Self {
        let (send, ready): (SyncSender<Batch>, _) = sync_channel(Self::DEPTH);
        let (used, reuse) = channel::<Batch>();
        let thread = std::thread::spawn(move || {
            for index in indices {
                let mut batch = reuse.try_recv().unwrap_or_default();
                fill(index, &mut batch);
                if send.send(batch).is_err() {
                    return;
                }
            }
        });
        Self { ready: Some(ready), used, thread: Some(thread) }
    }

    /// The next batch.
    ///
    /// # Errors
    /// [`Error::Argument`] after the last one.
    ///
    /// # Panics
    /// With the panic of the thread that makes the batches, if it had one.
    #[allow(clippy::should_implement_trait, reason = "fallible, and a batch is handed back by `recycle`")]
    pub fn next(&mut self) -> Result<Batch> {
        let ready = self.ready.as_ref().expect("taken on drop only");
        ready.recv().map_err(|_| {
            if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
                std::panic::resume_unwind(panic);
            }
            Error::argument("Prefetch::next", "no batch is left")
        })
    }

    /// Gives a batch's buffers back for a later one.
    pub fn recycle(&self, batch: Batch) {
        // After the last batch nobody takes them any more.
        let _ = self.used.send(batch);
    }
}

impl Drop for Prefetch {
    fn drop(&mut self) {
        // The producer's next send fails, and it ends.
        drop(self.ready.take());
        if let Some(thread) = self.thread.take() {
            // Its panic is `next`'s to pass on; while dropping, a second one would abort.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// A batch that holds its index.
    fn numbered(index: u64, batch: &mut Batch) {
        batch.labels = vec![index as u32];
    }

    #[test]
    fn batches_come_in_order_and_end_with_an_error() {
        let mut batches = Prefetch::spawn(3..9, numbered);
        for index in 3..9 {
            assert_eq!(batches.next().unwrap().labels, [index]);
        }
        for _ in 0..2 {
            assert!(batches.next().unwrap_err().to_string().contains("no batch is left"));
        }
        assert!(Prefetch::spawn(5..5, numbered).next().is_err());
    }

    #[test]
    fn dropping_ends_an_endless_producer_that_is_never_far_ahead() {
        let made = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&made);
        let mut batches = Prefetch::spawn(0..u64::MAX, move |index, batch| {
            counter.fetch_add(1, Ordering::Relaxed);
            numbered(index, batch);
        });
        batches.next().unwrap();
        drop(batches);
        // The one taken, those in the channel, one waiting for room, and one more begun as room was made.
        assert!(made.load(Ordering::Relaxed) <= Prefetch::DEPTH as u64 + 3);
        assert_eq!(Arc::strong_count(&made), 1, "the thread is gone");
    }

    #[test]
    fn a_panic_of_the_producer_reaches_the_consumer() {
        let mut batches = Prefetch::spawn(0..3, |index, batch| {
            assert!(index < 1, "out of episodes");
            numbered(index, batch);
        });
        assert!(batches.next().is_ok());
        let panic = catch_unwind(AssertUnwindSafe(|| batches.next())).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"out of episodes"));
    }

    #[test]
    fn recycled_buffers_are_used_again() {
        let reused = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&reused);
        let mut batches = Prefetch::spawn(0..20, move |_, batch| {
            counter.fetch_add(u64::from(batch.inputs.capacity() > 0), Ordering::Relaxed);
            batch.inputs.resize(10, 0.0);
        });
        for _ in 0..20 {
            let batch = batches.next().unwrap();
            batches.recycle(batch);
        }
        // All but those made before the first came back.
        assert!(reused.load(Ordering::Relaxed) >= 20 - 2 * (Prefetch::DEPTH as u64 + 2));
    }
}
