//! Where the runs of a sweep are meta-trained: the seam between a sweep and a machine or a cluster.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::{PlannedRun, Sweep};
use crate::program::Program;
use gpicl::Result;

/// Where the runs of a sweep are meta-trained.
pub trait Executor {
    /// Meta-trains the `pending` runs of `sweep`, each in its folder [`Sweep::run_path`], up to their results; returns
    /// when all have come to an end or the stop flag of `watch` was raised. A run that fails does not stop the others:
    /// its error goes to [`Sweep::fail`].
    ///
    /// # Errors
    /// What stops all runs, such as a program that cannot be started.
    fn execute(&self, sweep: &Sweep, pending: &[&PlannedRun], watch: &Watch<'_>) -> Result<()>;
}

/// What an executor has around it.
pub struct Watch<'a> {
    /// The `gpicl` program.
    pub program: &'a Program,
    /// Where the data sets are.
    pub data_dir: Option<&'a Path>,
    /// Gets a remark now and then.
    pub note: &'a (dyn Fn(String) + Sync),
    /// When raised, nothing further is begun, and what runs is stopped.
    pub stop: &'a AtomicBool,
}
