//! `gpicl reproduce` as a user meets it.

mod common;

use std::fs;

use common::{gpicl, ok, refused, text};

/// Runs of a second or two.
const TINY: &str = r#"
seeds = [0, 1]

[base.data]
name = "random"
size = 6
classes = 3
per_class = 20

[base.tasks]
episode_length = 12

[base.train]
steps = 40
batch = 2
warmup = 0
log_every = 2

[base.eval]
every = 0
final_episodes = 8

[grid]
tasks.count = ["2^0", "2^8"]

[[list]]
name = "mlp"
model = { kind = "mlp", hidden = 8, layers = 1 }

[[list]]
name = "transformer"
model = { d_model = 8, heads = 1, layers = 1, d_ff = 8 }
"#;

#[test]
fn the_figures_are_listed_and_their_runs_shown() {
    let dir = tempfile::tempdir().unwrap();
    let list = ok(dir.path(), &["reproduce", "--list"]);
    for figure in ["transition-map", "plateaus", "interventions", "state-size", "table"] {
        assert!(list.lines().any(|line| line.starts_with(figure)), "{figure}: {list}");
    }
    let spec = ok(dir.path(), &["reproduce", "transition", "--show-spec", "--set", "train.steps=7"]);
    assert!(spec.contains("steps = 7") && spec.contains("2^14"), "{spec}");
    let paper = ok(dir.path(), &["reproduce", "transition-map", "--scale", "paper", "--show-spec"]);
    assert!(paper.contains("2^24") && paper.contains("d_model = 512"), "{paper}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is written");
}

/// With CUDA these would be meta-trained.
#[cfg(not(feature = "cuda"))]
#[test]
fn a_device_that_is_not_there_is_refused_before_any_run() {
    let dir = tempfile::tempdir().unwrap();
    for figure in ["transition", "table"] {
        let args = ["reproduce", figure, "--scale", "paper", "--out", figure];
        let stderr = refused(dir.path(), &args);
        assert!(stderr.contains("`cuda` device"), "{figure}: {stderr}");
    }
    let files = |folder: &str| fs::read_dir(dir.path().join(folder)).unwrap().count();
    assert_eq!([files("table"), files("transition/sweep/runs")], [0, 0], "runs that were begun");
}

#[test]
fn a_figure_is_meta_trained_drawn_and_judged_once() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("tiny.toml"), TINY).unwrap();
    let args =
        ["reproduce", "transition-map", "--spec", "tiny.toml", "--set", "train.steps=4", "--out", "map"];
    let said = ok(dir.path(), &args);
    assert!(said.starts_with("verdict: transition-map: "), "{said}");
    assert!(said.contains("runs of tiny.toml, train.steps=4; 8 of 8 runs, 2 seeds"), "{said}");
    let map = dir.path().join("map");
    let read = |name: &str| fs::read(map.join(name)).unwrap();
    let files = ["transition-map.csv", "transition-map.svg", "transition-map.png", "verdict.txt"];
    assert!(files.iter().all(|file| !read(file).is_empty()));
    assert_eq!(text(&read("verdict.txt")), said, "what is printed is what is written");
    assert_eq!(text(&read("transition-map.csv")).lines().count(), 1 + 8);
    // With one run lost it is made again, to the same files.
    let before: Vec<Vec<u8>> = files.iter().map(|file| read(file)).collect();
    fs::remove_dir_all(map.join("sweep/runs/mlp,count=2^0,seed=1")).unwrap();
    assert_eq!(ok(dir.path(), &args), said);
    assert_eq!(files.iter().map(|file| read(file)).collect::<Vec<_>>(), before);
    let json: serde_json::Value =
        serde_json::from_str(&ok(dir.path(), &[&args[..], &["--json"]].concat())).unwrap();
    assert_eq!(json["verdict"]["checks"].as_array().unwrap().len(), 5);
    let other = ["reproduce", "plateaus", "--spec", "tiny.toml", "--set", "train.steps=4", "--out", "map"];
    assert!(refused(dir.path(), &other).starts_with("error: map: holds the figure `transition-map`"));
    assert_eq!(text(&read("verdict.txt")), said, "nothing is written over");
    // By its verdict alone, and where there is none yet.
    fs::remove_file(map.join(".figure")).unwrap();
    assert!(refused(dir.path(), &other).contains("holds the figure `transition-map`"));
    fs::write(map.join(".figure"), "transition-map\n").unwrap();
    fs::remove_file(map.join("verdict.txt")).unwrap();
    assert!(refused(dir.path(), &other).contains("holds the figure `transition-map`"));
    let steps = refused(dir.path(), &[&args[..5], &["train.steps=5", "--out", "map"]].concat());
    assert!(steps.contains("in `mlp,count=2^0,seed=0` `train.steps`: is 5, was 4 there"), "{steps}");
}

#[test]
fn a_run_that_fails_is_named_and_begun_again_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let broken = format!(
        "{TINY}\n[[list]]\nname = \"far\"\nmodel = {{ kind = \"mlp\", hidden = 4, layers = 1 }}\n\
         data = {{ name = \"csv\", path = \"later.csv\" }}\n"
    );
    fs::write(dir.path().join("broken.toml"), broken).unwrap();
    let command = ["reproduce", "transition-map", "--spec", "broken.toml", "--out", "map"];
    let runs = |arguments: &[&str], code, runs| {
        let output = gpicl(dir.path(), &[&command, arguments].concat());
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        assert!(text(&output.stdout).contains(runs), "{}", text(&output.stdout));
        fs::read_to_string(dir.path().join("map/verdict.txt")).unwrap()
    };
    let verdict = runs(&[], 1, "8 of 12 runs");
    assert!(verdict.contains("failed: far,count=2^0,seed=0: ") && verdict.contains("later.csv"), "{verdict}");

    // Mended, they are begun again when that is asked for, not before.
    let rows =
        |class: usize| (0..20).map(move |row| format!("{row},{},{}\n", class * row, "abc".as_bytes()[class]));
    let table: String = (0..3).flat_map(rows).collect();
    fs::write(dir.path().join("later.csv"), format!("x,y,label\n{table}")).unwrap();
    runs(&[], 1, "8 of 12 runs");
    let verdict = runs(&["--retry-failed"], 0, "12 of 12 runs");
    assert!(!verdict.contains("failed"), "{verdict}");
}

#[test]
fn mistakes_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    assert!(refused(at, &["reproduce", "figure-3"]).contains("transition-map"));
    fs::write(at.join("bad.toml"), "[grid]\nmodel.d_modl = [8]").unwrap();
    let bad = refused(at, &["reproduce", "transition", "--spec", "bad.toml"]);
    assert!(bad.contains("bad.toml") && bad.contains("d_modl"), "{bad}");
    let set = refused(at, &["reproduce", "transition", "--set", "train.stepz=1"]);
    assert!(set.contains("`--set train.stepz=1`: with it, in transition.cpu.toml"), "{set}");
    let shown = refused(at, &["reproduce", "transition", "--show-spec", "--set", "train.batch=0"]);
    assert!(shown.contains("train.batch"), "{shown}");
    assert!(!at.join("runs").exists(), "nothing is written");
}
