//! Several runs meta-trained together in one process: data sets in memory once, batches made once for the runs that
//! agree on them, and a model on each thread.
//!
//! Every run is a [`Trainer`] of its own, whose steps are the ones it would make alone: same numbers, same files.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use crate::results::conclude;
use crate::workers::Ending;
use gpicl::RunConfig;
use gpicl::data::Library;
use gpicl::eval::Look;
use gpicl::tasks::SharedBatches;
use gpicl::train::{Ended, Event, ResumeOptions, Trainer};
use gpicl::{Error, Result};

/// Who is told of the runs, by their numbers.
pub trait Listener: Sync {
    /// Something happened in a run.
    fn on_event(&self, run: usize, event: Event);

    /// A run came to its end.
    fn on_end(&self, run: usize, ending: Ending);
}

/// A run of the population.
struct Member {
    number: usize,
    trainer: Trainer,
    batches: Arc<SharedBatches>,
}

impl Member {
    /// One step; returns how the run ended, if it did.
    fn advance(&mut self, stop: &AtomicBool, listener: &dyn Listener) -> Result<Option<Ended>> {
        let index = self.trainer.step();
        if index == self.trainer.config().train.steps {
            return Ok(Some(Ended::Finished));
        }
        let number = self.number;
        self.trainer.advance(&self.batches.batch(index), stop, &mut |event| listener.on_event(number, event))
    }

    /// One step and, after the last one, the results. Returns how the run ended, if it did. Whatever befalls it, the
    /// others go on.
    fn turn(&mut self, stop: &AtomicBool, listener: &dyn Listener) -> Option<Ending> {
        let turn = || match self.advance(stop, listener)? {
            None => Ok(None),
            Some(ended) => ending(&self.trainer, ended).map(Some),
        };
        match catch_unwind(AssertUnwindSafe(turn)) {
            Ok(Ok(ending)) => ending,
            Ok(Err(error)) => Some(Ending::Failed { error: error.to_string() }),
            Err(panic) => Some(Ending::Failed { error: format!("panicked: {}", message(&*panic)) }),
        }
    }
}

/// Continues the `runs` (folders) up to their results. A single run has all threads of rayon's pool. Several have one
/// each; of those that no thread has, the one furthest behind is next. The `listener` is told of a run by its place in
/// `runs`. They go on as `options` say. When `stop` is raised, every run saves its step.
///
/// # Errors
/// [`Error::Argument`] if the threads cannot be started. What befalls a run goes to the `listener`.
pub fn train_together(
    runs: &[PathBuf],
    library: &Library,
    options: &ResumeOptions,
    stop: &AtomicBool,
    listener: &dyn Listener,
) -> Result<()> {
    let mut trainers: Vec<(usize, Trainer)> = Vec::new();
    for (number, run) in runs.iter().enumerate() {
        match Trainer::resume_with(run, library, options) {
            Ok(trainer) => trainers.push((number, trainer)),
            Err(Error::Busy { .. }) => listener.on_end(number, Ending::Busy),
            Err(error) => listener.on_end(number, Ending::Failed { error: error.to_string() }),
        }
    }
    if let [(number, trainer)] = trainers.as_mut_slice() {
        let ending = train_alone(trainer, stop, &mut |event| listener.on_event(*number, event));
        let number = *number;
        drop(trainers);
        listener.on_end(number, ending.unwrap_or_else(|error| Ending::Failed { error: error.to_string() }));
        return Ok(());
    }
    let threads = rayon::current_num_threads().min(trainers.len());
    let idle = Mutex::new(members(trainers));
    let next = || {
        let mut idle = idle.lock().expect("no thread panics with it");
        let behind = (0..idle.len()).min_by_key(|&at| (idle[at].trainer.step(), idle[at].number))?;
        Some(idle.swap_remove(behind))
    };
    // With no run idle there are at least as many threads as runs: this one is not needed again.
    let work = || {
        while let Some(mut member) = next() {
            match member.turn(stop, listener) {
                Some(ending) => {
                    let number = member.number;
                    // Lets go of the run's lock before anybody hears of it.
                    drop(member);
                    listener.on_end(number, ending);
                }
                None => idle.lock().expect("no thread panics with it").push(member),
            }
        }
    };
    let pools = (0..threads).map(|_| rayon::ThreadPoolBuilder::new().num_threads(1).build());
    let pools: Vec<_> = pools.collect::<std::result::Result<_, _>>().map_err(|error| {
        Error::argument("train_together", format!("cannot start {threads} threads: {error}"))
    })?;
    std::thread::scope(|scope| {
        for pool in &pools {
            // In a pool of one thread everything that a step hands out stays where it is.
            scope.spawn(|| pool.install(work));
        }
    });
    Ok(())
}

fn train_alone(trainer: &mut Trainer, stop: &AtomicBool, on_event: &mut dyn FnMut(Event)) -> Result<Ending> {
    let ended = trainer.train(stop, on_event)?;
    ending(trainer, ended)
}

/// The end of a run that has no step to make, with its results if all are done.
fn ending(trainer: &Trainer, ended: Ended) -> Result<Ending> {
    match ended {
        Ended::Stopped { .. } => Ok(Ending::Stopped),
        Ended::Finished => {
            conclude(trainer, &Look::default())?;
            Ok(Ending::Finished)
        }
    }
}

/// Whether two runs see the same batches.
pub(super) fn same_batches(one: &RunConfig, other: &RunConfig) -> bool {
    one.data == other.data
        && one.tasks == other.tasks
        && one.mix == other.mix
        && one.train.batch == other.train.batch
        && one.seed == other.seed
}

/// The trainers with their batches, which those that see the same ones share.
fn members(trainers: Vec<(usize, Trainer)>) -> Vec<Member> {
    let mut groups: Vec<Vec<(usize, Trainer)>> = Vec::new();
    for (number, trainer) in trainers {
        let same = |group: &&mut Vec<(usize, Trainer)>| same_batches(group[0].1.config(), trainer.config());
        match groups.iter_mut().find(same) {
            Some(group) => group.push((number, trainer)),
            None => groups.push(vec![(number, trainer)]),
        }
    }
    let members = groups.into_iter().flat_map(|group| {
        let batches = Arc::new(SharedBatches::new(Arc::clone(group[0].1.batches()), group.len()));
        let member = move |(number, trainer)| Member { number, trainer, batches: Arc::clone(&batches) };
        group.into_iter().map(member)
    });
    members.collect()
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}
