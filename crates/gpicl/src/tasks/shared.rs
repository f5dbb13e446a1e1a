//! Batches that several runs read: each is made once as long as its readers are near each other.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock};

use super::batch::{Batch, BatchSource};

/// A source with a memory of its last batches, for readers that go through the same indices at about the same time.
/// One that is far behind the others makes its batches again: nobody waits for anybody.
#[derive(Debug)]
pub struct SharedBatches {
    source: Arc<BatchSource>,
    readers: usize,
    recent: Mutex<VecDeque<Entry>>,
}

#[derive(Debug, Default)]
struct Entry {
    index: u64,
    reads: usize,
    /// Made by the first who comes; the others wait for it.
    batch: Arc<OnceLock<Arc<Batch>>>,
}

impl SharedBatches {
    /// Batches remembered, at most.
    const DEPTH: usize = 4;

    /// The batches of `source`, for this many readers.
    pub fn new(source: Arc<BatchSource>, readers: usize) -> Self {
        Self { source, readers, recent: Mutex::default() }
    }

    /// Batch number `index`; forgotten when as many as there are readers have asked for it.
    pub fn batch(&self, index: u64) -> Arc<Batch> {
        let batch = {
            let mut recent = self.recent.lock().expect("no thread panics with it");
            let at = recent.iter().position(|entry| entry.index == index).unwrap_or_else(|| {
                if recent.len() == Self::DEPTH {
                    recent.pop_front();
                }
                recent.push_back(Entry { index, ..Entry::default() });
                recent.len() - 1
            });
            recent[at].reads += 1;
            let batch = Arc::clone(&recent[at].batch);
            if recent[at].reads == self.readers {
                recent.remove(at);
            }
            batch
        };
        Arc::clone(batch.get_or_init(|| Arc::new(self.source.batch(index))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Dataset, InputShape};
    use crate::tasks::{Mode, Projected, TaskDistribution, TasksConfig};

    #[test]
    fn near_readers_share_a_batch_and_far_ones_get_an_equal_one() {
        let inputs = (0..20).map(|i| i as f32).collect();
        let labels = (0..10).map(|i| i % 2).collect();
        let names = vec!["a".into(), "b".into()];
        let data = Arc::new(Dataset::new("toy", InputShape::Vector(2), inputs, labels, names).unwrap());
        let tasks = TasksConfig { episode_length: 3, ..TasksConfig::default() };
        let distribution = TaskDistribution::new(&tasks, 2, 2, 2).unwrap();
        let projected = Arc::new(Projected::new(distribution, data).unwrap());
        let source = Arc::new(BatchSource::new(projected, 4, Mode::MetaTrain, 0).unwrap());
        let shared = SharedBatches::new(Arc::clone(&source), 4);
        let first = shared.batch(0);
        assert_eq!(*first, source.batch(0));
        assert!(Arc::ptr_eq(&first, &shared.batch(0)));
        for index in 1..=SharedBatches::DEPTH as u64 {
            assert_eq!(*shared.batch(index), source.batch(index));
        }
        let again = shared.batch(0);
        assert!(!Arc::ptr_eq(&first, &again), "it was forgotten");
        assert_eq!(first, again);
        let alone = SharedBatches::new(Arc::clone(&source), 1);
        assert!(!Arc::ptr_eq(&alone.batch(0), &alone.batch(0)), "nobody else wants it");
        std::thread::scope(|scope| {
            let readers = [(); 4].map(|()| scope.spawn(|| shared.batch(9)));
            let read = readers.map(|reader| reader.join().unwrap());
            assert!(read.iter().all(|batch| Arc::ptr_eq(batch, &read[0])));
        });
    }
}
