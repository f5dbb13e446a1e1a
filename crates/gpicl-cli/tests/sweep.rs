//! `gpicl sweep` as a user meets it: runs, results, kills.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{command, gpicl, text};

/// Eight runs that take a moment each.
const SPEC: &str = r#"
seeds = [0, 1]

[base.data]
name = "random"
size = 8
classes = 3
per_class = 20

[base.tasks]
episode_length = 8

[base.model]
d_model = 8
layers = 1
heads = 2
d_ff = 16
layout = "paired"

[base.train]
steps = 6
batch = 4
log_every = 2
checkpoint_every = 2

[base.eval]
every = 3
episodes = 4
final_episodes = 8

[grid]
tasks.count = ["2^2", "unlimited"]
train.lr = [0.001, 0.01]
"#;

const IDS: [&str; 8] = [
    "count=2^2,lr=0.001,seed=0",
    "count=2^2,lr=0.001,seed=1",
    "count=2^2,lr=0.01,seed=0",
    "count=2^2,lr=0.01,seed=1",
    "count=unlimited,lr=0.001,seed=0",
    "count=unlimited,lr=0.001,seed=1",
    "count=unlimited,lr=0.01,seed=0",
    "count=unlimited,lr=0.01,seed=1",
];

/// The files of a run that have the same bytes whenever it is repeated.
const SAME: [&str; 6] = [
    "config.toml",
    "metrics.jsonl",
    "results.json",
    "results.csv",
    "checkpoints/step-00000006.safetensors",
    "checkpoints/step-00000006.state.safetensors",
];

/// Runs and expects this exit code; returns stdout and stderr.
fn ends(dir: &Path, args: &[&str], code: i32) -> (String, String) {
    let output = gpicl(dir, args);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{args:?}: {stdout}{stderr}");
    (stdout, stderr)
}

/// A folder with the spec as `s.toml`.
fn folder(spec: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("s.toml"), spec).unwrap();
    dir
}

fn assert_same(dir: &Path, one: &str, other: &str, files: &[&str]) {
    for file in files {
        let read = |folder: &str| fs::read(dir.join(folder).join(file)).unwrap();
        assert_eq!(read(one), read(other), "{one}, {other}: {file}");
    }
}

/// Lines of a file.
fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(str::to_string).collect()
}

#[test]
fn a_sweep_makes_every_run_once_and_writes_what_came_of_them() {
    let dir = folder(SPEC);
    let at = dir.path();
    let (table, notes) = ends(at, &["sweep", "s.toml", "--out", "s", "--jobs", "2"], 0);
    assert!(table.contains("8 runs: 8 finished"), "{table}");
    assert!(IDS.iter().all(|id| notes.contains(&format!("{id}: finished"))), "{notes}");

    // In the order of the plan.
    let csv = lines(&at.join("s/results.csv"));
    assert!(csv[0].starts_with("id,tasks.count,train.lr,seed,state,error,outcome,steps,"), "{}", csv[0]);
    for (row, id) in csv[1..].iter().zip(IDS) {
        assert!(row.starts_with(&format!("\"{id}\",")), "{row}");
    }
    assert!(csv[2].starts_with("\"count=2^2,lr=0.001,seed=1\",2^2,0.001,1,finished,,"), "{}", csv[2]);
    assert_eq!(csv.len(), 9);
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(at.join("s/results.json")).unwrap()).unwrap();
    assert_eq!(json["rows"][2]["point"]["train.lr"], 0.01);
    assert_eq!(json["rows"][2]["state"], "finished");
    assert_eq!(json["rows"][2]["summary"]["steps"], 6);
    assert_eq!(lines(&at.join("s/timing.csv")).len(), 9);

    // Each run has the numbers of `gpicl train`.
    let run = format!("s/runs/{}", IDS[5]);
    ends(at, &["train", "--config", &format!("{run}/config.toml"), "--run", "alone"], 0);
    assert_same(at, "alone", &run, &SAME);

    // Again, by its folder: nothing is done a second time.
    let made = |id: &str| fs::metadata(at.join("s/runs").join(id).join("results.json")).unwrap().modified();
    let before = IDS.map(|id| made(id).unwrap());
    let (_, notes) = ends(at, &["sweep", "run", "s"], 0);
    assert!(!notes.contains(": finished"), "{notes}");
    assert_eq!(before, IDS.map(|id| made(id).unwrap()));

    // An error of a run that came to its results after all is none.
    let failure = at.join(format!("s/failures/{}.txt", IDS[3]));
    fs::write(&failure, "the disk failed").unwrap();
    let (table, _) = ends(at, &["sweep", "s"], 0);
    assert!(table.contains("8 runs: 8 finished") && !failure.exists(), "{table}");

    // What is set counts for all runs, and stands in the sweep's own file.
    ends(at, &["sweep", "s.toml", "--set", "train.steps=2", "--out", "two"], 0);
    let two = fs::read_to_string(at.join("two/runs").join(IDS[5]).join("config.toml")).unwrap();
    assert!(two.contains("steps = 2\n") && lines(&at.join("two/results.csv")).len() == 9, "{two}");
    ends(at, &["sweep", "two"], 0);

    // A wider grid adds runs; another sweep is refused.
    let wider = SPEC.replace("[0.001, 0.01]", "[0.1, 0.001, 0.01]");
    fs::write(at.join("s.toml"), wider.replace("[0, 1]", "[0, 1, 2]")).unwrap();
    ends(at, &["sweep", "s.toml", "--out", "s"], 0);
    assert_eq!(lines(&at.join("s/results.csv")).len(), 1 + 2 * 3 * 3);
    assert_eq!(before, IDS.map(|id| made(id).unwrap()));
    fs::write(at.join("s.toml"), SPEC.replace("steps = 6", "steps = 7")).unwrap();
    let (_, error) = ends(at, &["sweep", "s.toml", "--out", "s"], 2);
    assert!(error.contains("another sweep"), "{error}");
}

#[test]
fn runs_on_data_that_changed_in_between_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let write = |seeds: &str, shift: usize| {
        let row = |i: usize| format!("{},{},{}\n", (i + shift) % 7, i % 5, ["a", "b", "c"][i % 3]);
        let rows: String = (0..90).map(row).collect();
        fs::write(dir.path().join("t.csv"), format!("x,y,label\n{rows}")).unwrap();
        let table = "name = \"csv\"\npath = \"t.csv\"";
        let made = "name = \"random\"\nsize = 8\nclasses = 3\nper_class = 20";
        let spec = SPEC.replace(made, table).replace("seeds = [0, 1]", seeds);
        fs::write(dir.path().join("s.toml"), spec.replace("[\"2^2\", \"unlimited\"]", "[\"2^2\"]")).unwrap();
    };
    write("seeds = [0]", 0);
    let (_, notes) = ends(dir.path(), &["sweep", "s.toml", "--out", "s"], 0);
    assert!(!notes.contains("other examples"), "{notes}");
    write("seeds = [0, 1]", 1);
    let (_, notes) = ends(dir.path(), &["sweep", "s.toml", "--out", "s"], 0);
    assert!(notes.contains("seed=0 and") && notes.contains("other examples"), "{notes}");
}

#[test]
fn status_shows_every_run_and_its_state() {
    let dir = folder(SPEC);
    let at = dir.path();
    ends(at, &["sweep", "s.toml", "--out", "s"], 0);
    fs::remove_file(at.join("s/runs").join(IDS[1]).join("results.json")).unwrap();
    fs::remove_dir_all(at.join("s/runs").join(IDS[2])).unwrap();
    let (table, _) = ends(at, &["sweep", "status", "s"], 0);
    assert!(table.ends_with("8 runs: 6 finished, 1 cut, 1 waiting\n"), "{table}");
    let row = table.lines().find(|line| line.starts_with(IDS[1])).unwrap();
    assert!(row.contains("2^2") && row.contains("cut") && row.contains("6/6"), "{row}");
    let (json, _) = ends(at, &["sweep", "status", "s", "--json"], 0);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["rows"][2]["state"], "waiting");
    assert_eq!(json["rows"][1]["latest"]["step"], 6);
    let (_, error) = ends(at, &["sweep", "status", "."], 2);
    assert!(error.contains("no sweep.toml"), "{error}");
}

#[test]
fn a_population_has_the_numbers_of_the_runs_one_by_one() {
    // Models of several sizes and kinds, with and without batches in common.
    let spec = SPEC.replace("train.lr = [0.001, 0.01]", "")
        + r#"
[[list]]
[[list]]
model.d_model = 16
[[list]]
name = "gru"
model = { kind = "gru", hidden = 8 }
[[list]]
train.batch = 3
"#;
    let dir = folder(&spec);
    let at = dir.path();
    ends(at, &["sweep", "s.toml", "--out", "one", "--jobs", "1"], 0);
    ends(at, &["sweep", "s.toml", "--out", "five", "--population", "5", "--jobs", "2", "--threads", "2"], 0);
    ends(at, &["sweep", "s.toml", "--out", "all", "--population", "16", "--threads", "1"], 0);
    let ids = fs::read_dir(at.join("one/runs")).unwrap();
    let ids: Vec<String> = ids.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(ids.len(), 16);
    for other in ["five", "all"] {
        assert_same(at, "one", other, &["results.csv", "results.json"]);
        for id in &ids {
            assert_same(at, &format!("one/runs/{id}"), &format!("{other}/runs/{id}"), &SAME);
        }
    }

    // `gpicl resume` takes several runs too.
    for id in &ids[..3] {
        fs::remove_dir_all(at.join("all/runs").join(id).join("checkpoints")).unwrap();
        fs::remove_file(at.join("all/runs").join(id).join("results.json")).unwrap();
    }
    let runs: Vec<String> = ids[..3].iter().map(|id| format!("all/runs/{id}")).collect();
    let args: Vec<&str> = ["resume"].into_iter().chain(runs.iter().map(String::as_str)).collect();
    ends(at, &args, 0);
    for id in &ids[..3] {
        assert_same(at, &format!("one/runs/{id}"), &format!("all/runs/{id}"), &SAME);
    }
}

#[test]
fn a_run_that_fails_keeps_its_error_and_the_others_go_on() {
    let dir = folder(&SPEC.replace("[0.001, 0.01]", "[0.001, 1e30]").replace("seeds = [0, 1]", ""));
    let at = dir.path();
    for (out, more) in [("one", &[][..]), ("together", &["--population", "4"])] {
        let args = [&["sweep", "s.toml", "--out", out][..], more].concat();
        let (table, notes) = ends(at, &args, 1);
        assert!(table.contains("4 runs: 2 finished, 2 failed"), "{table}");
        assert!(notes.contains(",seed=0: failed: meta-training diverged"), "{notes}");
        let failures = fs::read_dir(at.join(out).join("failures")).unwrap();
        for failure in failures.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()) {
            assert!(failure.starts_with("meta-training diverged at step"), "{failure}");
        }
        // They are begun again only when asked for.
        let (_, notes) = ends(at, &args, 1);
        assert!(!notes.contains(": failed"), "{notes}");
        let (_, notes) = ends(at, &[&args[..], &["--retry-failed"]].concat(), 1);
        assert_eq!(notes.matches(": failed").count(), 2, "{notes}");
    }
    assert_same(at, "one", "together", &["results.csv", "results.json"]);
}

#[test]
fn a_broken_sweep_is_refused_with_file_and_field() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    for (spec, parts) in [
        ("seeds = [0", ["s.toml", "line 1"]),
        ("[grid]\nmodel.d_modle = [8]", ["s.toml", "grid.model.d_modle"]),
        ("[grid]\ntasks.count = ['2^99']", ["s.toml", "grid.tasks.count"]),
        ("[[list]]\ntrain.stepz = 3", ["s.toml", "list[0].train.stepz"]),
    ] {
        fs::write(at.join("s.toml"), spec).unwrap();
        let (_, error) = ends(at, &["sweep", "s.toml", "--out", "s"], 2);
        for part in parts {
            assert!(error.contains(part), "{spec}: `{part}` is not in: {error}");
        }
    }
    fs::write(at.join("s.toml"), "[local]\njobs = 0").unwrap();
    assert!(ends(at, &["sweep", "s.toml", "--out", "z"], 2).1.contains("local.jobs"));
    assert!(ends(at, &["sweep", "absent.toml"], 2).1.contains("absent.toml"));
    assert!(ends(at, &["sweep", "--preset", "nope"], 2).1.contains("tiny"));
    ends(at, &["sweep"], 2);
    assert!(!at.join("s").exists() && !at.join("runs").exists(), "nothing is left of a refused sweep");
}

/// Waits until something is there.
fn wait_for(what: &str, there: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !there() {
        assert!(Instant::now() < deadline, "{what}: not within two minutes");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Starts a sweep and lets it run.
fn start(dir: &Path, args: &[&str]) -> Child {
    command(dir, args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Runs of the sweep that have results.
fn finished(sweep: &Path) -> usize {
    IDS.iter().filter(|id| sweep.join("runs").join(id).join("results.json").exists()).count()
}

#[test]
fn two_sweeps_in_one_folder_share_the_runs() {
    let dir = folder(&SPEC.replace("steps = 6", "steps = 60"));
    let at = dir.path();
    let args = ["sweep", "s.toml", "--out", "s", "--jobs", "2"];
    let sweeps = [start(at, &args), start(at, &args)];
    for mut sweep in sweeps {
        assert!(sweep.wait().unwrap().success());
    }
    assert_eq!(lines(&at.join("s/results.csv")).len(), 9);
    for id in IDS {
        let timing = lines(&at.join("s/runs").join(id).join("timing.jsonl"));
        assert_eq!(timing.len(), 30, "{id} was meta-trained once");
    }
    ends(at, &["sweep", "s.toml", "--out", "alone"], 0);
    assert_same(at, "alone", "s", &["results.csv", "results.json"]);
}

#[cfg(unix)]
#[test]
fn an_interrupted_sweep_saves_its_runs_and_goes_on() {
    let dir = folder(
        &SPEC.replace("steps = 6", "steps = 2000").replace("checkpoint_every = 2", "checkpoint_every = 1000"),
    );
    let at = dir.path();
    let args = ["sweep", "s.toml", "--out", "s", "--jobs", "2"];
    let mut sweep = start(at, &args);
    let first = at.join("s/runs").join(IDS[0]);
    wait_for("the first line of metrics", || {
        fs::metadata(first.join("metrics.jsonl")).is_ok_and(|file| file.len() > 0)
    });
    // The sweep alone, not its children: it has to ask them.
    assert!(Command::new("kill").args(["-INT", &sweep.id().to_string()]).status().unwrap().success());
    assert_eq!(sweep.wait().unwrap().code(), Some(130));
    let (table, _) = ends(at, &["sweep", "status", "s"], 0);
    assert!(table.contains(" cut") && !table.contains("running"), "{table}");
    assert!(fs::read_dir(first.join("checkpoints")).unwrap().count() >= 2, "its step is saved");
}

/// The children of a process, by what Linux says of all processes.
#[cfg(target_os = "linux")]
fn children(parent: u32) -> Vec<u32> {
    let processes =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_child = |id: &u32| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let fields = stat.rsplit_once(')').map(|(_, fields)| fields.split_whitespace().collect::<Vec<_>>());
        fields.is_some_and(|fields| fields.get(1) == Some(&parent.to_string().as_str()))
    };
    processes.filter(is_child).collect()
}

/// `scripts/kill_sweep.sh` does the same with more runs and at random moments.
#[cfg(target_os = "linux")]
#[test]
fn a_sweep_killed_with_sigkill_ends_with_the_results_of_an_undisturbed_one() {
    let dir = folder(
        &SPEC.replace("steps = 6", "steps = 200").replace("checkpoint_every = 2", "checkpoint_every = 20"),
    );
    let at = dir.path();
    ends(at, &["sweep", "s.toml", "--out", "whole", "--jobs", "2"], 0);
    let args = |out| ["sweep", "s.toml", "--out", out, "--jobs", "2"];
    let cut = at.join("cut");
    // The sweep itself while the first runs and while later ones are meta-trained, and in between one of its children.
    let mut sweep = start(at, &args("cut"));
    wait_for("a checkpoint", || {
        fs::read_dir(cut.join("runs").join(IDS[0]).join("checkpoints")).is_ok_and(|files| files.count() > 1)
    });
    sweep.kill().unwrap();
    sweep.wait().unwrap();
    let mut sweep = start(at, &args("cut"));
    wait_for("two runs", || finished(&cut) >= 2);
    let kill =
        |child: &u32| Command::new("kill").args(["-KILL", &child.to_string()]).status().unwrap().success();
    wait_for("a child to kill", || children(sweep.id()).first().is_some_and(kill));
    wait_for("five runs", || finished(&cut) >= 5);
    sweep.kill().unwrap();
    sweep.wait().unwrap();
    assert!(finished(&cut) < 8, "it was cut before its end");
    ends(at, &args("cut"), 0);
    assert_same(at, "whole", "cut", &["results.csv", "results.json"]);
    for id in IDS {
        assert_same(
            at,
            &format!("whole/runs/{id}"),
            &format!("cut/runs/{id}"),
            &["metrics.jsonl", "results.json"],
        );
    }
}
