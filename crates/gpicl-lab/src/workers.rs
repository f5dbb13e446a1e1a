//! Meta-training many runs on this machine: child processes of the `gpicl` program, a few at a time.
//!
//! A child is `gpicl resume RUN.. --worker`. It holds the other end of its stdin: a line asks it to save its step and
//! stop, and when stdin closes, however this process ends, so does the child. It tells how each run ended on stdout,
//! a [`Report`] a line, and whatever else it has to say on stderr.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{ChildStderr, ChildStdin, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::program::Program;
use gpicl::RunDir;

/// Where runs are meta-trained, and how many at a time.
#[derive(Clone, Debug)]
pub struct Workers {
    /// The `gpicl` program.
    pub program: Program,
    /// Processes at a time.
    pub jobs: usize,
    /// Threads of each process; if absent, the processor's cores are shared among them.
    pub threads: Option<usize>,
    /// Runs in a process, meta-trained together.
    pub population: usize,
}

/// How a run ended, as its worker tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ended", rename_all = "kebab-case")]
pub enum Ending {
    /// It has its results.
    Finished,
    /// It was asked to stop; its step is saved.
    Stopped,
    /// Another process is meta-training it.
    Busy,
    /// It came to an error.
    Failed {
        /// The error.
        error: String,
    },
}

/// One line of a worker's stdout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Which run, by its place among the worker's arguments.
    pub run: usize,
    /// How it ended.
    #[serde(flatten)]
    pub ending: Ending,
}

/// Who is told what happens to the runs; a run is known by its place in the list.
pub(crate) trait Observer: Sync {
    /// The worker of `run` said something.
    fn said(&self, run: usize, line: &str);

    /// `run` came to its end.
    fn ended(&self, run: usize, ending: &Ending);

    /// `run` has its results, and then its worker came to this error, such as that of the last flush of its folder.
    fn survived(&self, run: usize, error: &str);

    /// Whether another process has found that `run` comes to an error.
    fn failed_elsewhere(&self, run: usize) -> bool;
}

/// Times that a run is begun again after its worker was killed.
const PATIENCE: usize = 5;
/// Between two looks at what other threads or processes do.
const PAUSE: Duration = Duration::from_millis(50);

/// Exit code of a worker that stopped because it was told to: 128 + SIGINT, as shells expect.
pub const INTERRUPTED: i32 = 130;
/// Exit code where another process has the run: EX_TEMPFAIL of `sysexits.h`.
pub const BUSY: i32 = 75;

/// A run that is not begun, and how often its worker was killed.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    run: usize,
    kills: usize,
}

impl Workers {
    /// Meta-trains those of `runs` that are not finished. One that another process has taken is waited for, and taken
    /// over if that process dies. When `stop` is raised, no further one is begun and the others are asked to stop.
    pub(crate) fn train(
        &self,
        runs: &[RunDir],
        data_dir: Option<&Path>,
        stop: &AtomicBool,
        observer: &dyn Observer,
    ) {
        let unfinished = (0..runs.len()).filter(|&run| !runs[run].finished());
        let waiting: VecDeque<_> = unfinished.map(|run| Waiting { run, kills: 0 }).collect();
        let waiting = Mutex::new(waiting);
        let working = AtomicUsize::new(0);
        let population = self.population.max(1);
        let next = || loop {
            let mut waiting = waiting.lock().expect("no thread panics with it");
            waiting.retain(|waiting| {
                let finished = runs[waiting.run].finished();
                if finished {
                    observer.ended(waiting.run, &Ending::Finished);
                }
                !finished && !observer.failed_elsewhere(waiting.run)
            });
            if waiting.is_empty() || stop.load(Ordering::Relaxed) {
                return None;
            }
            let free = |waiting: &Waiting| !runs[waiting.run].locked();
            let (taken, left): (Vec<_>, Vec<_>) =
                waiting.drain(..).fold((Vec::new(), Vec::new()), |(mut taken, mut left), run| {
                    if taken.len() < population && free(&run) {
                        taken.push(run)
                    } else {
                        left.push(run)
                    }
                    (taken, left)
                });
            waiting.extend(left);
            if !taken.is_empty() {
                let others = working.fetch_add(1, Ordering::Relaxed);
                return Some((taken, others + 1 + waiting.len().div_ceil(population)));
            }
            drop(waiting);
            std::thread::sleep(PAUSE);
        };
        let work = || {
            while let Some((taken, processes)) = next() {
                let group: Vec<usize> = taken.iter().map(|waiting| waiting.run).collect();
                let said = |line: &str| group.iter().for_each(|&run| observer.said(run, line));
                let folders: Vec<&RunDir> = group.iter().map(|&run| &runs[run]).collect();
                let threads = self.threads.unwrap_or_else(|| (cores() / self.jobs.min(processes)).max(1));
                let endings = self.process(&folders, threads, data_dir, stop, &said);
                working.fetch_sub(1, Ordering::Relaxed);
                for (Waiting { run, kills }, ending) in taken.into_iter().zip(endings) {
                    let again = match ending {
                        Some(Ending::Stopped) | None if stop.load(Ordering::Relaxed) => continue,
                        Some(Ending::Stopped) | None if kills == PATIENCE => {
                            let error = format!("its process was killed {} times", PATIENCE + 1);
                            observer.ended(run, &Ending::Failed { error });
                            continue;
                        }
                        Some(Ending::Stopped) | None => kills + 1,
                        Some(Ending::Busy) => kills,
                        Some(Ending::Failed { error }) if runs[run].finished() => {
                            observer.survived(run, &error);
                            continue;
                        }
                        Some(ending) => {
                            observer.ended(run, &ending);
                            continue;
                        }
                    };
                    if again > kills {
                        observer.said(run, "its process was killed; it goes on in another");
                    }
                    let mut waiting = waiting.lock().expect("no thread panics with it");
                    waiting.push_front(Waiting { run, kills: again });
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.min(runs.len()) {
                scope.spawn(work);
            }
        });
    }

    /// Meta-trains `runs` in one process. Returns how each ended; `None` where the process was killed before.
    fn process(
        &self,
        runs: &[&RunDir],
        threads: usize,
        data_dir: Option<&Path>,
        stop: &AtomicBool,
        said: &dyn Fn(&str),
    ) -> Vec<Option<Ending>> {
        let mut command = self.program.command(["resume"]);
        command.args(runs.iter().map(|run| run.path())).arg("--worker");
        if let Some(dir) = data_dir {
            command.arg("--data-dir").arg(dir);
        }
        command.env("RAYON_NUM_THREADS", threads.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let failed = |error: String| vec![Some(Ending::Failed { error }); runs.len()];
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return failed(format!("cannot start {}: {error}", self.program)),
        };
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (stdin, stdout) = (stdin.expect("it was asked for"), stdout.expect("it was asked for"));
        let ended = AtomicBool::new(false);
        let (endings, problem, status) = std::thread::scope(|scope| {
            scope.spawn(|| hold(stdin, stop, &ended));
            let endings = scope.spawn(|| read_reports(stdout, runs.len()));
            let problem = forward(stderr.expect("it was asked for"), said);
            let endings = endings.join().expect("it does not panic");
            let status = child.wait();
            ended.store(true, Ordering::Relaxed);
            (endings, problem, status)
        });
        let status = match status {
            Ok(status) => status,
            Err(error) => return failed(format!("cannot wait for the process: {error}")),
        };
        let unreported = match (status.code(), problem) {
            // By a signal, or by the keyboard's second interrupt.
            (None | Some(INTERRUPTED), _) => None,
            (_, Some(error)) => Some(Ending::Failed { error }),
            (_, None) => Some(Ending::Failed { error: format!("the process ended with {status}") }),
        };
        endings.into_iter().map(|ending| ending.or_else(|| unreported.clone())).collect()
    }
}

/// Cores of this machine that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Keeps a worker's stdin open until it has ended, and asks it to stop when `stop` is raised.
fn hold(mut stdin: ChildStdin, stop: &AtomicBool, ended: &AtomicBool) {
    let mut asked = false;
    while !ended.load(Ordering::Relaxed) {
        if !asked && stop.load(Ordering::Relaxed) {
            // One that has just ended does not listen any more.
            let _ = stdin.write_all(b"stop\n");
            asked = true;
        }
        std::thread::sleep(PAUSE);
    }
}

/// What a worker tells of its `runs`, until it closes its stdout.
fn read_reports(stdout: impl Read, runs: usize) -> Vec<Option<Ending>> {
    let mut endings = vec![None; runs];
    for line in BufReader::new(stdout).lines().map_while(std::io::Result::ok) {
        // A kill can tear a line.
        if let Ok(Report { run, ending }) = serde_json::from_str(&line)
            && let Some(known) = endings.get_mut(run)
        {
            *known = Some(ending);
        }
    }
    endings
}

/// Passes the child's remarks on, until it closes its stderr. Returns its error, if it told one.
fn forward(stderr: ChildStderr, said: &dyn Fn(&str)) -> Option<String> {
    let mut problem = None;
    for line in BufReader::new(stderr).lines().map_while(std::io::Result::ok) {
        match line.strip_prefix("error: ") {
            Some(error) => problem = Some(error.to_string()),
            None if line.contains("panicked at") => problem = Some(line.clone()),
            None => {}
        }
        said(&line);
    }
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_read_until_a_torn_line() {
        let failed = Report { run: 1, ending: Ending::Failed { error: "is \"broken\"".into() } };
        let line = serde_json::to_string(&failed).unwrap();
        assert_eq!(line, r#"{"run":1,"ended":"failed","error":"is \"broken\""}"#);
        let finished = serde_json::to_string(&Report { run: 0, ending: Ending::Finished }).unwrap();
        let text = format!("{line}\n{{\"run\":7,\"ended\":\"busy\"}}\n{finished}\n{{\"run\":2,\"end");
        let endings = read_reports(text.as_bytes(), 3);
        assert_eq!(endings, [Some(Ending::Finished), Some(failed.ending), None]);
    }

    /// What an observer is told.
    #[derive(Default)]
    struct Told(Mutex<Vec<String>>);

    impl Observer for Told {
        fn said(&self, _: usize, _: &str) {}

        fn ended(&self, run: usize, ending: &Ending) {
            self.0.lock().unwrap().push(format!("{run} {ending:?}"));
        }

        fn survived(&self, run: usize, error: &str) {
            self.0.lock().unwrap().push(format!("{run} survived: {error}"));
        }

        fn failed_elsewhere(&self, _: usize) -> bool {
            false
        }
    }

    #[cfg(unix)]
    #[test]
    fn an_error_after_the_results_fails_no_run() {
        let dir = tempfile::tempdir().unwrap();
        let told = |script: &str| {
            let run = RunDir::at(dir.path().join(script.len().to_string()));
            std::fs::create_dir(run.path()).unwrap();
            // `resume`, the run and `--worker` are its $0, $1 and $2.
            let program = Program::new("/bin/sh", ["-c", script]);
            let workers = Workers { program, jobs: 1, threads: Some(1), population: 1 };
            let told = Told::default();
            workers.train(&[run], None, &AtomicBool::new(false), &told);
            told.0.into_inner().unwrap()
        };
        let fails = "echo 'error: the disk is full' >&2; exit 1";
        assert_eq!(told(fails), ["0 Failed { error: \"the disk is full\" }"]);
        let after = format!("touch \"$1/results.json\"; {fails}");
        assert_eq!(told(&after), ["0 survived: the disk is full"]);
    }
}
