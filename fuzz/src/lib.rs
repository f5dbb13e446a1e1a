//! Broken files for every reader. Small valid files are changed at random, packed where a format has a checksum, and read.
//!
//! An input is a pure function of the target, the seed and its number, so a failure is found again by both. What a reader
//! must do: never panic, never allocate beyond the target's bound, and call what it refuses bad input (exit code 2).
#![forbid(unsafe_code)]

mod mutate;
mod seeds;
mod targets;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use gpicl::rng::{Rng, Stream};
use peak_alloc::PeakAlloc;

pub use targets::{TARGETS, Target};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Files of one input: their paths below a folder, and their contents.
pub type Files = Vec<(String, Vec<u8>)>;

/// One input in this many is broken after packing too: the container instead of what is in it.
const CONTAINER: u64 = 4;

/// What came of the inputs of a target.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Inputs that were read.
    pub accepted: u64,
    /// Inputs that were refused as bad ones.
    pub refused: u64,
    /// Most bytes that reading one took.
    pub peak: usize,
}

/// What a reader did that it must not.
#[derive(Debug)]
pub struct Failure {
    /// Number of the input.
    pub number: u64,
    /// What it did.
    pub problem: String,
    /// The input.
    pub files: Files,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "input {}: {}", self.number, self.problem)
    }
}

/// Reads the inputs `numbers` of `target`, each written below `folder`. Allocations are counted for the whole process:
/// one target at a time.
///
/// # Errors
/// The first [`Failure`].
///
/// # Panics
/// If `folder` cannot be written to, or a seed is not read as it is.
pub fn run(
    target: &Target,
    seed: u64,
    numbers: std::ops::Range<u64>,
    folder: &Path,
) -> Result<Report, Box<Failure>> {
    let seeds = (target.seeds)();
    for files in &seeds {
        let whole = (target.pack)(files.clone(), &mut Rng::new(seed, Stream::Data, 0));
        write(folder, &whole);
        (target.read)(folder).unwrap_or_else(|error| panic!("{}: a seed is refused: {error}", target.name));
    }
    let mut report = Report::default();
    for number in numbers {
        let mut rng = Rng::new(seed, Stream::Data, number);
        let files = input(target, &seeds, &mut rng);
        write(folder, &files);
        let size: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
        let before = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
        let outcome = catch_unwind(AssertUnwindSafe(|| (target.read)(folder)));
        let peak = ALLOCATOR.peak_usage().saturating_sub(before);
        report.peak = report.peak.max(peak);
        let bound = target.bound(size);
        let problem = match outcome {
            Err(_) => Some("panicked".to_string()),
            Ok(Err(error)) if !error.is_bad_input() => {
                Some(format!("is no bad input (exit code 1): {error}"))
            }
            Ok(_) if peak > bound => Some(format!("took {peak} bytes for {size}, at most {bound} are right")),
            Ok(Ok(())) => {
                report.accepted += 1;
                None
            }
            Ok(Err(_)) => {
                report.refused += 1;
                None
            }
        };
        if let Some(problem) = problem {
            return Err(Box::new(Failure { number, problem, files }));
        }
    }
    Ok(report)
}

/// A seed with one of its files changed, packed.
fn input(target: &Target, seeds: &[Files], rng: &mut Rng) -> Files {
    let any = |rng: &mut Rng, count: usize| rng.below(count as u64) as usize;
    let mut files = seeds[any(rng, seeds.len())].clone();
    let container = rng.below(CONTAINER) == 0;
    if !container {
        let other = &seeds[any(rng, seeds.len())];
        let (_, other) = &other[any(rng, other.len())];
        let at = any(rng, files.len());
        mutate::mutate(&mut files[at].1, other, target.words, rng);
    }
    let mut files = (target.pack)(files, rng);
    if container {
        let at = any(rng, files.len());
        mutate::mutate(&mut files[at].1, &[], target.words, rng);
    }
    files
}

/// Puts `files` below `folder`, in place of all that is there.
///
/// # Panics
/// If that cannot be done.
pub fn write(folder: &Path, files: &Files) {
    for entry in folder.read_dir().expect("the folder is there") {
        let path = entry.expect("the folder can be listed").path();
        let removed =
            if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        removed.expect("the folder can be emptied");
    }
    for (name, bytes) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("it is below the folder")).expect("folders can be made");
        std::fs::write(path, bytes).expect("files can be written");
    }
}
