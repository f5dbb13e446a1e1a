//! Threads to compute on: the process's own, which a child that was forked off it does not have.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::PyResult;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use rayon::{ThreadPool, ThreadPoolBuilder};

/// The pools of a process, by their number of threads.
type Pools = (u32, HashMap<usize, Arc<ThreadPool>>);

/// Threads of a pool where there are no more cores: ten thousand are never done with being started.
const MOST: usize = 64;

static POOLS: Mutex<Option<Pools>> = Mutex::new(None);

/// A pool of `n_jobs` threads, as scikit-learn counts them: absent or -1 are all cores, -2 all but one; of more than there are cores no more than [`MOST`].
pub fn pool(n_jobs: Option<isize>) -> PyResult<Arc<ThreadPool>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = match n_jobs {
        // What `RAYON_NUM_THREADS` says, or all cores.
        None => 0,
        Some(0) => {
            return Err(PyValueError::new_err("n_jobs: is 0; give a number of threads, or -1 for all cores"));
        }
        // The numbers are the same on any number of them.
        Some(jobs @ 1..) => jobs.unsigned_abs().min(cores.max(MOST)),
        Some(jobs) => (cores + 1).saturating_sub(jobs.unsigned_abs()).max(1),
    };
    let process = std::process::id();
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((owner, _)) = &*pools
        && *owner != process
    {
        // The parent's threads are not here: nobody would end them.
        std::mem::forget(pools.take());
    }
    let (_, pools) = pools.get_or_insert_with(|| (process, HashMap::new()));
    if let Some(pool) = pools.get(&threads) {
        return Ok(Arc::clone(pool));
    }
    let built = ThreadPoolBuilder::new().num_threads(threads).build();
    let pool =
        Arc::new(built.map_err(|error| PyRuntimeError::new_err(format!("cannot start threads: {error}")))?);
    pools.insert(threads, Arc::clone(&pool));
    Ok(pool)
}
