//! Meta-training many runs: each a child process of this program, a few at a time.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::run::RunDir;

/// Where runs are meta-trained, and how many at a time.
#[derive(Clone, Debug)]
pub struct Workers {
    /// The `gpicl` program.
    pub program: PathBuf,
    /// Processes at a time; the processor's cores are shared among them.
    pub jobs: usize,
}

/// Meta-trains the runs that are not finished. Returns, for each, what went wrong. When `stop` is raised, no
/// further one is begun.
pub(super) fn train_all(
    workers: &Workers,
    runs: &[RunDir],
    data_dir: Option<&Path>,
    note: &(dyn Fn(String) + Sync),
    stop: &AtomicBool,
) -> Vec<Result<(), String>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = (cores / workers.jobs).max(1);
    let next = AtomicUsize::new(0);
    let outcomes: Vec<Mutex<Result<(), String>>> = runs.iter().map(|_| Mutex::new(Ok(()))).collect();
    std::thread::scope(|scope| {
        for _ in 0..workers.jobs.min(runs.len()) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(run) = runs.get(at) else { return };
                    if run.finished() || stop.load(Ordering::Relaxed) {
                        continue;
                    }
                    let outcome = train_one(&workers.program, run, threads, data_dir, note);
                    *outcomes[at].lock().expect("no thread panics") = outcome;
                }
            });
        }
    });
    outcomes.into_iter().map(|outcome| outcome.into_inner().expect("no thread panics")).collect()
}

fn train_one(
    program: &Path,
    run: &RunDir,
    threads: usize,
    data_dir: Option<&Path>,
    note: &(dyn Fn(String) + Sync),
) -> Result<(), String> {
    let name = run.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut command = Command::new(program);
    command.arg("resume").arg(run.path()).arg("--until-stdin-closes");
    if let Some(dir) = data_dir {
        command.arg("--data-dir").arg(dir);
    }
    // The child holds the other end of its stdin: when this process dies, however it does, so does the child.
    command.env("RAYON_NUM_THREADS", threads.to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child =
        command.spawn().map_err(|error| format!("cannot start {}: {error}", program.display()))?;
    let problem = forward(&mut child, &name, note);
    let status = child.wait().map_err(|error| error.to_string())?;
    if status.success() && run.finished() {
        note(format!("{name}: done"));
        return Ok(());
    }
    Err(problem.unwrap_or_else(|| format!("the training process ended with {status}")))
}

/// Passes the child's remarks on, until it closes its stderr. Returns its error, if it told one.
fn forward(child: &mut Child, name: &str, note: &(dyn Fn(String) + Sync)) -> Option<String> {
    let mut problem = None;
    let stderr = child.stderr.take().expect("it was asked for");
    for line in BufReader::new(stderr).lines().map_while(std::io::Result::ok) {
        match line.strip_prefix("error: ") {
            Some(error) => problem = Some(error.to_string()),
            None if line.contains("panicked at") => problem = Some(line),
            // What the comparison writes is its own to tell.
            None if line.starts_with("wrote ") => {}
            None => note(format!("{name}: {line}")),
        }
    }
    problem
}
