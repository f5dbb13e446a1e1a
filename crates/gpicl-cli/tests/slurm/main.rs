//! A sweep through a real Slurm, which every test starts for itself. Where it cannot start, they say so and pass.
#![cfg(unix)]

mod cluster;
#[path = "../common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use cluster::Cluster;

/// Four runs, each of a second or so.
const SWEEP: &str = r#"
seeds = [0, 1]

[base.data]
name = "random"
size = 8
classes = 3
per_class = 20

[base.tasks]
episode_length = 8

[base.model]
layers = 1
heads = 2
d_ff = 32
layout = "paired"

[base.train]
steps = 200
batch = 4
log_every = 10
checkpoint_every = 10
keep_checkpoints = 2

[base.eval]
every = 0
episodes = 4
final_episodes = 8

[grid]
model.d_model = [8, 16]

[slurm]
time = "10"
memory = "200M"
cpus = 1
"#;

/// What a machine that is busy takes.
const PATIENCE: Duration = Duration::from_secs(300);

/// A cluster and a folder with `sweep.toml` in it; none, with a complaint, where Slurm cannot start.
fn start(spec: &str) -> Option<(Cluster, tempfile::TempDir)> {
    start_with("", spec)
}

/// [`start`], with more lines in `slurm.conf`.
fn start_with(settings: &str, spec: &str) -> Option<(Cluster, tempfile::TempDir)> {
    let cluster = match Cluster::start(settings) {
        Ok(cluster) => cluster,
        Err(problem) => {
            common::skipped(&format!("Slurm cannot be started here: {problem}"));
            return None;
        }
    };
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("sweep.toml"), spec).unwrap();
    Some((cluster, dir))
}

fn gpicl(cluster: &Cluster, dir: &Path, args: &[&str]) -> Command {
    let mut command = cluster.command(env!("CARGO_BIN_EXE_gpicl"));
    common::clean(&mut command, dir, args);
    command
}

/// Runs to the end; returns the exit code and what was said.
fn finish(mut command: Command) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let said = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    (status.code(), said)
}

const SLURM: [&str; 6] = ["sweep", "sweep.toml", "--executor", "slurm", "--out", "cluster"];

/// Does the sweep on this machine, in `local`; returns the exit code.
fn locally(cluster: &Cluster, dir: &Path) -> Option<i32> {
    finish(gpicl(cluster, dir, &["sweep", "sweep.toml", "--jobs", "2", "--out", "local"])).0
}

/// Waits until `done`; fails with the queue and the logs.
fn until(cluster: &Cluster, dir: &Path, what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        if Instant::now() > deadline {
            panic!("{what}: not within {PATIENCE:?}; {:?}; {:#?}", cluster.queue(), logs(dir));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What was said of each run, by its id, and of each task.
fn logs(dir: &Path) -> BTreeMap<String, String> {
    let Ok(entries) = fs::read_dir(dir.join("cluster/logs")) else { return BTreeMap::new() };
    let entries = entries.map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
    entries.map(|path| (name(&path), fs::read_to_string(&path).unwrap_or_default())).collect()
}

/// Ids of the runs, by their index in the first array.
fn runs(dir: &Path) -> Vec<String> {
    let list = fs::read_to_string(dir.join("cluster/slurm/runs-1.txt")).unwrap_or_default();
    list.lines().map(str::to_string).collect()
}

/// Slurm's ids of the jobs that were submitted.
fn jobs(dir: &Path) -> Vec<String> {
    let text = fs::read(dir.join("cluster/slurm/job.json")).unwrap_or_default();
    let Ok(record) = serde_json::from_slice::<serde_json::Value>(&text) else { return Vec::new() };
    let arrays = record["arrays"].as_array().unwrap();
    arrays.iter().map(|array| array["job"].as_str().unwrap_or("none").to_string()).collect()
}

fn same_results(dir: &Path) {
    for file in ["results.csv", "results.json"] {
        let read = |sweep: &str| fs::read_to_string(dir.join(sweep).join(file)).unwrap();
        assert_eq!(read("local"), read("cluster"), "{file}");
    }
}

/// Whether run `id` has saved a step.
fn has_checkpoint(dir: &Path, id: &str) -> bool {
    fs::read_dir(dir.join("cluster/runs").join(id).join("checkpoints")).is_ok_and(|files| files.count() >= 2)
}

#[test]
fn a_sweep_on_a_cluster_ends_as_on_one_machine_and_is_submitted_once() {
    let spec = SWEEP.replace("cpus = 1", "cpus = 1\npartition = \"spare\"\ngpus = 1\nmax_parallel = 2");
    let Some((cluster, dir)) = start(&spec) else { return };
    let dir = dir.path();
    let (code, said) = finish(gpicl(&cluster, dir, &SLURM));
    assert_eq!(code, Some(0), "{said} {:#?}", logs(dir));
    let job = &jobs(dir)[0];
    for part in [&format!("submitted 4 runs as Slurm job {job}"), "4 of 4 runs finished", "4 finished"] {
        assert!(said.contains(part), "`{part}` is not in: {said}");
    }
    assert_eq!(locally(&cluster, dir), Some(0));
    same_results(dir);

    let (code, said) = finish(gpicl(&cluster, dir, &SLURM));
    assert_eq!((code, jobs(dir).len()), (Some(0), 1), "{said}");
    assert!(!said.contains("submitted"), "{said}");
}

#[test]
fn more_runs_than_an_array_may_have_are_submitted_in_several() {
    let spec = SWEEP.replace("cpus = 1", "cpus = 1\nmax_parallel = 2");
    let Some((cluster, dir)) = start_with("MaxArraySize=3", &spec) else { return };
    let dir = dir.path();
    let (code, said) = finish(gpicl(&cluster, dir, &SLURM));
    assert_eq!(code, Some(0), "{said} {:#?}", logs(dir));
    let jobs = jobs(dir);
    assert_eq!(jobs.len(), 2, "{said}");
    for part in
        [format!("submitted 3 runs as Slurm job {}", jobs[0]), format!("1 runs as Slurm job {}", jobs[1])]
    {
        assert!(said.contains(&part), "`{part}` is not in: {said}");
    }
    // Two at a time over both arrays.
    for number in 1..=2 {
        let script = fs::read_to_string(dir.join(format!("cluster/slurm/array-{number}.sbatch"))).unwrap();
        assert!(script.contains("%1"), "{script}");
    }
    assert_eq!(locally(&cluster, dir), Some(0));
    same_results(dir);
}

/// Starts the sweep; returns the command that waits for it, and what it says.
fn waiting(cluster: &Cluster, dir: &Path) -> (Child, impl Iterator<Item = String> + use<>) {
    let mut child = gpicl(cluster, dir, &SLURM).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    (child, lines.map(Result::unwrap))
}

fn ended(mut child: Child) -> Option<i32> {
    child.wait().unwrap().code()
}

#[test]
fn tasks_requeued_preempted_and_out_of_time_go_on_from_their_step_though_the_waiting_command_is_killed() {
    // Seconds each, so that they are not over before they are cut.
    let Some((cluster, dir)) = start(&SWEEP.replace("steps = 200", "steps = 1200")) else { return };
    let dir = dir.path();
    let (mut waiting, _said) = waiting(&cluster, dir);
    until(&cluster, dir, "all runs save a step", || {
        let runs = runs(dir);
        runs.len() == 4 && runs.iter().all(|id| has_checkpoint(dir, id))
    });
    waiting.kill().unwrap();
    assert_eq!(ended(waiting), None);
    let job = jobs(dir)[0].clone();
    let task = |index: usize| format!("{job}_{index}");
    cluster.says("scontrol", &["requeue", &task(0)]);
    // As Slurm does before the time limit.
    cluster.says("scancel", &["--batch", "--signal=USR1", &task(1)]);
    // All that are still running have to make room, and start again when this is over.
    until(&cluster, dir, "two tasks are cut", || {
        let log = logs(dir);
        runs(dir)[..2].iter().all(|id| log[id].contains("stopped after step"))
    });
    let urgent = cluster.says(
        "sbatch",
        &["--parsable", "--partition=urgent", "--mem=4000", "--output=/dev/null", "--wrap=sleep 1"],
    );
    assert!(urgent.parse::<u64>().is_ok(), "{urgent}");

    let (code, said) = finish(gpicl(&cluster, dir, &SLURM));
    let logs = logs(dir);
    assert_eq!(code, Some(0), "{said} {logs:#?}");
    assert_eq!(jobs(dir), [job], "nothing was submitted a second time: {said}");
    let starts = |id: &String| logs[id].matches("continuing runs/").count();
    let runs = runs(dir);
    assert!(
        runs.iter().all(|id| logs[id].matches("after step 0\n").count() == 1),
        "from their step: {logs:#?}"
    );
    assert!(starts(&runs[0]) > 1 && starts(&runs[1]) > 1, "{logs:#?}");
    assert!(starts(&runs[2]) > 1 || starts(&runs[3]) > 1, "{logs:#?}");
    assert!(logs.values().any(|log| log.contains("DUE TO PREEMPTION")), "{logs:#?}");
    assert_eq!(locally(&cluster, dir), Some(0));
    same_results(dir);
}

#[test]
fn a_run_that_fails_keeps_its_error_and_the_others_go_on() {
    let diverging =
        "[[list]]\nname = \"good\"\n[[list]]\nname = \"bad\"\ntrain = { lr = 1e30, eps = 1e-30 }\n";
    let spec = SWEEP.replace("seeds = [0, 1]", "seeds = [0]") + diverging;
    let Some((cluster, dir)) = start(&spec) else { return };
    let dir = dir.path();
    let (code, said) = finish(gpicl(&cluster, dir, &SLURM));
    assert_eq!(code, Some(1), "{said} {:#?}", logs(dir));
    assert!(said.contains("2 of 4 runs finished, 2 failed"), "{said}");
    assert_eq!(locally(&cluster, dir), Some(1));
    same_results(dir);
    for id in runs(dir).iter().filter(|id| id.starts_with("bad")) {
        let failure =
            |sweep: &str| fs::read_to_string(dir.join(sweep).join(format!("failures/{id}.txt"))).unwrap();
        assert_eq!(failure("cluster"), failure("local"));
        assert!(failure("cluster").contains("diverged"), "{}", failure("cluster"));
    }
    assert_eq!(jobs(dir).len(), 1, "a run that failed is not tried again: {said}");
}

#[test]
fn tasks_can_be_left_alone_cancelled_and_submitted_again() {
    let Some((cluster, dir)) = start(&SWEEP.replace("steps = 200", "steps = 1200")) else { return };
    let dir = dir.path();
    // A partition that is not there.
    let wrong =
        SWEEP.replace("steps = 200", "steps = 1200").replace("cpus = 1", "cpus = 1\npartition = \"nope\"");
    fs::write(dir.join("wrong.toml"), wrong).unwrap();
    let (code, said) =
        finish(gpicl(&cluster, dir, &["sweep", "wrong.toml", "--executor", "slurm", "--out", "cluster"]));
    assert_eq!(code, Some(2), "{said}");
    for part in ["slurm.partition", "`nope`", "invalid partition specified: nope", "sinfo"] {
        assert!(said.contains(part), "`{part}` is not in: {said}");
    }
    assert!(jobs(dir).is_empty(), "{said}");

    let (code, said) = finish(gpicl(&cluster, dir, &[&SLURM[..], &["--detach", "--jobs", "2"]].concat()));
    assert_eq!(code, Some(0), "{said}");
    let job = jobs(dir)[0].clone();
    assert!(said.contains(&format!("scancel {job}")), "{said}");
    until(&cluster, dir, "a run saves a step", || runs(dir).iter().any(|id| has_checkpoint(dir, id)));
    let (code, said) = finish(gpicl(&cluster, dir, &["sweep", "status", "cluster"]));
    assert!(code == Some(0) && said.contains("running"), "{said}");
    let running = cluster.queue().iter().filter(|task| task.ends_with("RUNNING")).count();
    assert!(running <= 2, "--jobs 2: {:?}", cluster.queue());

    // Whoever waits is told, and submits nothing that is in the queue.
    let (waiting, mut said) = self::waiting(&cluster, dir);
    assert!(said.any(|line| line.contains("PENDING")));
    cluster.says("scancel", &[&format!("{job}_3")]);
    assert!(said.any(|line| line.contains("1 cancelled")), "a task that had not started");
    cluster.says("scancel", &[&job]);
    let rest: Vec<String> = said.collect();
    assert_eq!((ended(waiting), jobs(dir).len()), (Some(1), 1), "{rest:?}");
    assert!(rest.iter().any(|line| line.contains("its task was cancelled")), "{rest:?}");

    // Asked for again, they are submitted again; Ctrl-C leaves them running.
    let (waiting, mut said) = self::waiting(&cluster, dir);
    assert!(said.any(|line| line.contains("runs finished")));
    assert!(Command::new("kill").args(["-INT", &waiting.id().to_string()]).status().unwrap().success());
    let rest: Vec<String> = said.collect();
    assert_eq!(ended(waiting), Some(130), "{rest:?}");
    assert!(rest.iter().any(|line| line.contains(&format!("scancel {}", jobs(dir)[1]))), "{rest:?}");

    let (code, said) = finish(gpicl(&cluster, dir, &SLURM));
    assert_eq!((code, jobs(dir).len()), (Some(0), 2), "{said} {:#?}", logs(dir));
    assert_eq!(locally(&cluster, dir), Some(0));
    same_results(dir);
}
