//! TensorBoard reads a run's event file, with the numbers of `metrics.jsonl`.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Prints the scalars that the real TensorBoard finds below a folder, as JSON: `{tag: [[step, value], ..]}`.
const READER: &str = r#"
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "tensors": 0})
events.Reload()
tags = events.Tags()
scalars = {tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in tags["scalars"]}
for tag in tags["tensors"]:
    values = events.Tensors(tag)
    scalars[tag] = [[e.step, e.tensor_proto.float_val[0]] for e in values]
print(json.dumps(scalars))
"#;

/// A Python that has TensorBoard: `GPICL_PYTHON`, the one that `.ci/optional` makes, or the system's.
fn python() -> Option<PathBuf> {
    let named = std::env::var_os("GPICL_PYTHON").map(PathBuf::from);
    let made = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("optional/bin/python");
    named.into_iter().chain([made, "python3".into()]).find(|python| {
        let import = Command::new(python).args(["-c", "import tensorboard"]).output();
        import.is_ok_and(|output| output.status.success())
    })
}

#[test]
fn tensorboard_itself_reads_the_numbers_of_the_metrics() {
    let Some(python) = python() else {
        common::skipped("no Python with TensorBoard; see .ci/optional, or set GPICL_PYTHON");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let set = [
        "data.name=random",
        "data.size=8",
        "data.classes=3",
        "tasks.episode_length=8",
        "model.d_model=16",
        "model.d_ff=16",
        "model.layers=1",
        "model.heads=2",
        "train.steps=6",
        "train.batch=4",
        "train.log_every=2",
        "train.warmup=1",
        "eval.every=3",
        "eval.episodes=4",
        "eval.final_episodes=4",
    ];
    fs::write(dir.path().join("empty.toml"), "").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_gpicl"))
        .args(["train", "--config", "empty.toml", "--run", "run"])
        .args(set.iter().flat_map(|set| ["--set", set]))
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let output = Command::new(python).args(["-c", READER]).arg(run.join("tensorboard")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();

    let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let mut count = 0;
    for line in metrics.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()) {
        let expected: Vec<(String, f64)> = match line["kind"].as_str().unwrap() {
            "train" => ["loss", "accuracy_first", "accuracy_last", "lr", "grad_norm"]
                .map(|name| (format!("train/{name}"), line[name].as_f64().unwrap()))
                .into(),
            _ => {
                let set = line["set"].as_str().unwrap();
                let accuracy = |name: &str| line[name]["mean"].as_f64().unwrap();
                vec![
                    (format!("meta-test/accuracy_first/{set}"), accuracy("first")),
                    (format!("meta-test/accuracy_last/{set}"), accuracy("last")),
                    (format!("meta-test/accuracy_last_10/{set}"), accuracy("last_10")),
                    (format!("meta-test/loss/{set}"), line["loss"].as_f64().unwrap()),
                ]
            }
        };
        for (tag, number) in expected {
            let values = found[&tag].as_array_mut().unwrap_or_else(|| panic!("no `{tag}`"));
            let first = values.remove(0);
            assert_eq!(first[0], line["step"], "{tag}");
            assert_eq!(first[1].as_f64().unwrap(), f64::from(number as f32), "{tag}");
            count += 1;
        }
    }
    assert_eq!(count, 3 * 5 + 2 * 4, "three training lines, one meta-test on two sets");
    assert!(found.as_object().unwrap().values().all(|rest| rest.as_array().unwrap().is_empty()), "{found}");
}
