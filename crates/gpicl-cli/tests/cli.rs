//! The command as a user meets it: output, files, exit codes.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{gpicl, ok, refused, text};

/// Small enough to meta-train within seconds.
const SMALL: &str = r#"
[data]
name = "random"
size = 8
classes = 3
per_class = 20

[tasks]
episode_length = 8

[model]
d_model = 16
layers = 1
heads = 2
d_ff = 32
layout = "paired"

[train]
steps = 6
batch = 4
log_every = 2
checkpoint_every = 2

[eval]
every = 3
episodes = 4
final_episodes = 8
"#;

fn trained() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("small.toml"), SMALL).unwrap();
    ok(dir.path(), &["train", "--config", "small.toml", "--run", "run"]);
    dir
}

#[test]
fn help_and_presets_read_as_agreed() {
    let dir = tempfile::tempdir().unwrap();
    insta::assert_snapshot!("help", ok(dir.path(), &["--help"]));
    insta::assert_snapshot!("presets", ok(dir.path(), &["presets"]));
    let defaults = ok(dir.path(), &["presets", "--defaults"]);
    for kind in gpicl::models::ModelConfig::KINDS {
        assert!(defaults.contains(&format!("kind = \"{kind}\"")), "{kind}: {defaults}");
    }
    let delta_net = defaults.split("kind = \"delta-net\"").nth(1).and_then(|rest| rest.split("# or").next());
    assert!(delta_net.is_some_and(|table| table.contains("[model.label_scale]")), "{defaults}");
    insta::assert_snapshot!("preset_paper", ok(dir.path(), &["presets", "--show", "paper"]));
    assert!(ok(dir.path(), &["presets", "--show", "sweep/mixture"]).contains("[[list.mix]]"));
    assert!(
        refused(dir.path(), &["presets", "--show", "sweep/nope"]).contains("`--show`: `sweep/nope` is none")
    );
    let nope = refused(dir.path(), &["presets", "--show", "nope"]);
    assert!(nope.contains("quickstart") && nope.contains("compare/paper-table"), "{nope}");
    let table =
        ["paper-table", "compare/paper-table"].map(|name| ok(dir.path(), &["presets", "--show", name]));
    assert!(table[0] == table[1] && table[0].contains("[[methods]]"), "{}", table[0]);
    assert!(ok(dir.path(), &["completions", "bash"]).contains("_gpicl"));
}

#[test]
fn a_run_leaves_everything_it_promises() {
    let dir = trained();
    let run = dir.path().join("run");
    for file in [
        "config.toml",
        "metrics.jsonl",
        "timing.jsonl",
        "tensorboard/events.out.tfevents.0.gpicl",
        "results.json",
        "results.csv",
        "plots/learning_curve.svg",
        "plots/learning_curve.png",
        "plots/training_loss.png",
        "plots/training_accuracy.svg",
        "checkpoints/step-00000006.safetensors",
        "checkpoints/step-00000006.state.safetensors",
    ] {
        assert!(run.join(file).metadata().is_ok_and(|meta| meta.len() > 0), "{file}");
    }
    let leftover = |dir: &Path| {
        let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(".partial")).count()
    };
    assert_eq!(leftover(&run) + leftover(&run.join("plots")) + leftover(&run.join("checkpoints")), 0);

    // The run's own config.toml reruns it, to the same bytes.
    ok(dir.path(), &["train", "--config", "run/config.toml", "--run", "again"]);
    for file in ["config.toml", "metrics.jsonl", "results.csv", "checkpoints/step-00000006.safetensors"] {
        let read = |run: &str| fs::read(dir.path().join(run).join(file)).unwrap();
        assert_eq!(read("run"), read("again"), "{file}");
    }
}

#[test]
fn a_run_that_goes_on_with_the_same_episodes_is_told_so() {
    let dir = trained();
    let begin = |run: &str, set: &str| {
        let sets = ["--set", "train.start=run", "--set", set];
        let train = ["train", "--config", "small.toml", "--run", run];
        let done = gpicl(dir.path(), &[&train[..], &sets].concat());
        assert!(done.status.success());
        String::from_utf8(done.stderr).unwrap()
    };
    let told = "was meta-trained on the same episodes, in the same order";
    assert!(begin("same", "seed=0").contains(told));
    assert!(!begin("other", "seed=1").contains(told));
    assert!(!begin("other-tasks", "tasks.seed=5").contains(told));
}

#[test]
fn inspect_says_what_a_checkpoint_is() {
    let dir = trained();
    let shown = ok(dir.path(), &["inspect", "run"]);
    let stable: Vec<&str> = shown.lines().filter(|line| !line.starts_with("made by")).collect();
    insta::assert_snapshot!("inspect", stable.join("\n"));
    let json: serde_json::Value =
        serde_json::from_str(&ok(dir.path(), &["inspect", "run", "--json"])).unwrap();
    assert_eq!(json["state_size"], 2 * 8 * 16);
    let counted: u64 = json["parameters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|parameter| {
            parameter[1].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).product::<u64>()
        })
        .sum();
    assert_eq!(json["num_params"], counted);
}

#[test]
fn eval_takes_runs_checkpoints_and_other_data() {
    let dir = trained();
    ok(dir.path(), &["train", "--config", "small.toml", "--set", "seed=1", "--run", "seed1"]);
    let table = ok(dir.path(), &["eval", "run", "seed1", "--episodes", "8", "--out", "both"]);
    assert!(table.contains("unseen tasks, random test") && table.contains("verdict:"), "{table}");
    let results: serde_json::Value =
        serde_json::from_slice(&fs::read(dir.path().join("both/results.json")).unwrap()).unwrap();
    assert_eq!(results["seeds"], 2);
    assert_eq!(results["curves"][0]["accuracy"].as_array().unwrap().len(), 8);
    let data = "random, Gaussian prototypes with noise of seed 0: 3 classes, 54 + 6 + 15 examples";
    assert_eq!(table.matches(data).count(), 1, "once for both sets: {table}");
    for set in ["seen tasks, random train", "unseen tasks, random test"] {
        assert_eq!(
            results["data"][set]["examples"],
            serde_json::json!({"train": 54, "validation": 6, "test": 15})
        );
    }
    assert!(dir.path().join("both/plots/learning_curve.png").exists());

    fs::write(dir.path().join("table.csv"), "a,b,y\n".to_string() + &"1,2,p\n3,4,q\n5,1,r\n".repeat(10))
        .unwrap();
    let checkpoint = "run/checkpoints/step-00000004.safetensors";
    let other = ok(dir.path(), &["eval", checkpoint, "--data", "csv:table.csv", "--episodes", "8"]);
    assert!(other.contains("unseen tasks, table test"), "{other}");
    assert!(other.contains("data: table.csv: 22 + 2 + 6 examples"), "{other}");
    let json: serde_json::Value =
        serde_json::from_str(ok(dir.path(), &["eval", checkpoint, "--episodes", "4", "--json"]).trim())
            .unwrap();
    let labels: Vec<&str> =
        json["curves"].as_array().unwrap().iter().map(|curve| curve["label"].as_str().unwrap()).collect();
    let sets = ["seen tasks, random train", "unseen tasks, random test", "unseen tasks, random train"];
    assert_eq!(labels, sets);
    let args = ["eval", checkpoint, "--episodes", "4", "--split", "validation"];
    assert!(ok(dir.path(), &args).contains("unseen tasks, random validation"));
}

#[test]
fn eval_judges_baselines_on_the_same_sets() {
    let dir = trained();
    let args = ["eval", "run", "--episodes", "8", "--baselines", "ridge,knn", "--out"];
    let table = ok(dir.path(), &[&args[..], &["both"]].concat());
    assert!(table.contains("unseen tasks, random test, knn"), "{table}");
    let read = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&fs::read(dir.path().join(name)).unwrap()).unwrap()
    };
    let results = read("both/results.json");
    let learners: Vec<&str> =
        results["baselines"].as_array().unwrap().iter().map(|c| c["learner"].as_str().unwrap()).collect();
    assert_eq!(learners, ["untrained", "knn", "knn", "knn", "ridge", "ridge", "ridge"]);
    assert_eq!(results["baselines"][0]["label"], "unseen tasks, random test");
    assert_eq!(results["baselines"][2]["label"], "unseen tasks, random test");
    let csv = fs::read_to_string(dir.path().join("both/results.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + (3 * 3 + 1) * 8);
    assert!(csv.contains("\"seen tasks, random train\",ridge,7,"), "{csv}");
    let figure = dir.path().join("both/plots/learning_curve_unseen_tasks_random_test.svg");
    let figure = fs::read_to_string(figure).unwrap();
    assert!(["model", "knn", "ridge"].iter().all(|name| figure.contains(name)));
    ok(dir.path(), &[&args[..], &["again"]].concat());
    assert_eq!(read("again/results.json")["baselines"], results["baselines"]);
    assert!(refused(dir.path(), &["eval", "run", "--baselines", "forest"]).contains("`forest` is none"));
}

#[test]
fn predict_writes_a_row_for_every_query() {
    let dir = trained();
    fs::write(dir.path().join("train.csv"), "a,b,y\n1,2,yes\n3,4,no\n1,3,yes\n4,4,no\n").unwrap();
    fs::write(dir.path().join("test.csv"), "b,a\n2,1\n4,3\n").unwrap();
    let args =
        ["predict", "--checkpoint", "run", "--context", "train.csv", "--query", "test.csv", "--out", "p.csv"];
    ok(dir.path(), &args);
    let written = fs::read_to_string(dir.path().join("p.csv")).unwrap();
    assert_eq!(written.lines().next(), Some("prediction,p_yes,p_no"));
    assert_eq!(written.lines().count(), 3);
    fs::write(dir.path().join("test.csv"), "a\n1\n").unwrap();
    assert!(refused(dir.path(), &args).contains("no column `b`"));
    let mut folder = args;
    folder[8] = "run";
    assert!(refused(dir.path(), &folder).contains("run: is a folder; name a file"));
}

#[test]
fn predict_needs_nothing_but_two_tables() {
    let dir = tempfile::tempdir().unwrap();
    let row = |i: usize| format!("{},{},{}\n", i * 7 % 13, ["red", "blue"][i % 2], ["no", "yes"][i % 2]);
    let known = "a,b,y\n".to_string() + &(0..20).map(row).collect::<String>();
    fs::write(dir.path().join("c.csv"), known).unwrap();
    fs::write(dir.path().join("q.csv"), "b,a\nred,3\nblue,4\n").unwrap();
    ok(dir.path(), &["predict", "--context", "c.csv", "--query", "q.csv", "--out", "p.csv"]);
    let written = fs::read_to_string(dir.path().join("p.csv")).unwrap();
    let labels: Vec<&str> = written.lines().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(labels, ["prediction", "no", "yes"], "{written}");
}

#[test]
fn predict_reads_standard_input_and_tables_of_other_programs() {
    let dir = trained();
    let at = dir.path();
    let known = "id;a;b;y\n1;1,5;-;yes\n2;3,5;4;no\n3;1,0;3;yes\n4;4,0;?;no\n";
    fs::write(at.join("c.csv"), known).unwrap();
    fs::write(at.join("q.csv"), "a,b\n2,1\n4,3\n").unwrap();
    let args = |context, query| {
        let files = ["predict", "--checkpoint", "run", "--context", context, "--query", query, "--out", "-"];
        [&files[..], &["--drop", "id", "--missing", "?", "--categorical", "b"]].concat()
    };
    let from_files = ok(at, &args("c.csv", "q.csv"));
    assert_eq!(from_files.lines().next(), Some("prediction,p_yes,p_no"));
    let mut piped = common::command(at, &args("-", "q.csv"));
    let input = fs::File::open(at.join("c.csv")).unwrap();
    let piped = piped.stdin(input).output().unwrap();
    assert_eq!((text(&piped.stdout), piped.status.code()), (from_files, Some(0)), "{}", text(&piped.stderr));
    assert!(refused(at, &args("-", "-")).contains("`--query`: is standard input, as --context is"));
    let wrong = refused(at, &[&args("c.csv", "q.csv")[..], &["--delimiter", "ab"]].concat());
    assert!(wrong.contains("`ab` is no delimiter"), "{wrong}");
}

#[test]
fn predict_warns_of_a_run_that_learned_nothing() {
    let dir = trained();
    let at = dir.path();
    fs::write(at.join("c.csv"), "a,y\n1,yes\n3,no\n").unwrap();
    let results = fs::read_to_string(at.join("run/results.json")).unwrap();
    let mut results: serde_json::Value = serde_json::from_str(&results).unwrap();
    for (outcome, warned) in [("no-learning", true), ("general-learning", false)] {
        results["outcome"] = outcome.into();
        fs::write(at.join("run/results.json"), results.to_string()).unwrap();
        for checkpoint in ["run", "run/checkpoints/step-00000006.safetensors"] {
            let args = ["predict", "--checkpoint", checkpoint, "--context", "c.csv", "--query", "c.csv"];
            let output = gpicl(at, &[&args[..], &["--out", "p.csv"]].concat());
            assert!(output.status.success(), "{}", text(&output.stderr));
            assert_eq!(text(&output.stderr).contains("is no learning"), warned, "{outcome} {checkpoint}");
        }
    }
}

#[test]
fn results_go_where_they_are_sent() {
    let dir = trained();
    let at = dir.path();
    fs::write(at.join("train.csv"), "a,b,y\n1,2,yes\n3,4,no\n1,3,yes\n4,4,no\n").unwrap();
    let to = |out| {
        ["predict", "--checkpoint", "run", "--context", "train.csv", "--query", "train.csv", "--out", out]
    };
    ok(at, &to("p.csv"));
    let csv = fs::read_to_string(at.join("p.csv")).unwrap();
    // Nothing else stands in standard output, nor beside it in JSON.
    assert_eq!(ok(at, &to("-")), csv);
    assert!(ok(at, &["report", "run", "--out", "-"]).trim_end().ends_with("</html>"));
    for out in ["-", "/dev/stdout"] {
        let error = refused(at, &[&to(out)[..], &["--json"]].concat());
        assert!(
            error.contains("`--out`: is standard output") && error.contains("leave out --json"),
            "{error}"
        );
    }
    let error = refused(at, &["data", "show", "glyphs", "--sheet", "-", "--json"]);
    assert!(error.contains("`--sheet`: is standard output"), "{error}");
    // What is said of the run stands in JSON too.
    let results = fs::read_to_string(at.join("run/results.json")).unwrap();
    let mut results: serde_json::Value = serde_json::from_str(&results).unwrap();
    results["outcome"] = "no-learning".into();
    fs::write(at.join("run/results.json"), results.to_string()).unwrap();
    let report = ok(at, &[&to("p.csv")[..], &["--json"]].concat());
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert!(report["warnings"].to_string().contains("the verdict on run is no learning"), "{report}");
    #[cfg(target_os = "linux")]
    {
        // Standard output by other names, be it a pipe or a file.
        std::os::unix::fs::symlink("/dev/stdout", at.join("printed")).unwrap();
        assert_eq!(ok(at, &to("printed")), csv);
        for out in ["/proc/self/fd/1", "printed", "s.csv"] {
            let file = fs::File::create(at.join("s.csv")).unwrap();
            let printed = common::command(at, &to(out)).stdout(file).output().unwrap();
            assert_eq!(printed.status.code(), Some(0), "{out}: {}", text(&printed.stderr));
            assert_eq!(fs::read_to_string(at.join("s.csv")).unwrap(), csv, "{out}");
            assert!(text(&printed.stderr).contains("wrote standard output"), "{out}");
        }
        // What is in a file that the shell has opened stays.
        std::os::unix::fs::symlink("/dev/fd/3", at.join("third")).unwrap();
        for out in ["/dev/fd/3", "third"] {
            fs::write(at.join("log.csv"), "head\n").unwrap();
            let mut shell = Command::new("sh");
            let program = env!("CARGO_BIN_EXE_gpicl");
            shell.args(["-c", "exec \"$0\" \"$@\" 3>>log.csv", program]);
            common::clean(&mut shell, at, &to(out));
            let added = shell.output().unwrap();
            assert_eq!(added.status.code(), Some(0), "{out}: {}", text(&added.stderr));
            assert_eq!(fs::read_to_string(at.join("log.csv")).unwrap(), format!("head\n{csv}"), "{out}");
        }
        fs::create_dir(at.join("elsewhere")).unwrap();
        std::os::unix::fs::symlink("elsewhere/p.csv", at.join("link.csv")).unwrap();
        ok(at, &to("link.csv"));
        assert!(at.join("link.csv").is_symlink());
        assert_eq!(fs::read_to_string(at.join("elsewhere/p.csv")).unwrap(), csv);
        // A device that takes nothing, for the file and for what is printed.
        let full = gpicl(at, &to("/dev/full"));
        assert_eq!(full.status.code(), Some(1));
        assert!(text(&full.stderr).contains("/dev/full: cannot write"), "{}", text(&full.stderr));
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let printed = common::command(at, &["inspect", "run", "--json"]).stdout(full).output().unwrap();
        assert_eq!(printed.status.code(), Some(1));
        assert!(text(&printed.stderr).contains("standard output: cannot write"));
        // Seen before any input is read.
        fs::remove_dir_all(at.join("elsewhere")).unwrap();
        fs::remove_file(at.join("train.csv")).unwrap();
        assert!(refused(at, &to("link.csv")).contains("link.csv: is a link to elsewhere/p.csv"));
        std::os::unix::fs::symlink("elsewhere", at.join("eval-link")).unwrap();
        let error = refused(at, &["eval", "run", "--out", "eval-link"]);
        assert!(error.contains("eval-link: is a link to what is not there"), "{error}");
    }
}

#[test]
fn eval_leaves_the_results_of_the_run_itself_alone() {
    let dir = trained();
    let read = |name: &str| fs::read(dir.path().join("run").join(name)).unwrap();
    let before = read("results.json");
    ok(dir.path(), &["eval", "run", "--episodes", "4", "--data", "random"]);
    assert_eq!(read("results.json"), before);
    assert_ne!(read("eval/results.json"), before);
    let error = refused(dir.path(), &["eval", "run", "--episodes", "4", "--out", "small.toml"]);
    assert!(
        error.contains("small.toml: is a file, not a folder") && !error.contains("meta-testing"),
        "{error}"
    );
}

#[cfg(unix)]
#[test]
fn a_reader_that_leaves_is_no_reason_to_stop() {
    use std::process::Stdio;

    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("small.toml"), SMALL).unwrap();
    for (args, code) in [
        (&["train", "--config", "small.toml", "--run", "run"][..], 0),
        (&["resume", "absent"], 2),
        (&["completions", "bash"], 0),
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_gpicl"))
            .args(args)
            .current_dir(dir.path())
            .env("RUST_LOG", "trace")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        assert_eq!(child.wait().unwrap().code(), Some(code), "{args:?}");
    }
    assert!(dir.path().join("run/results.json").exists());
}

#[test]
fn warnings_are_plain_text_where_there_is_no_terminal() {
    let dir = trained();
    fs::write(dir.path().join("run/checkpoints/step-00000006.safetensors"), "torn").unwrap();
    let output = gpicl(dir.path(), &["inspect", "run"]);
    let stderr = text(&output.stderr);
    assert!(stderr.contains("WARN") && !stderr.contains('\x1b'), "{stderr:?}");
}

#[test]
fn bad_input_is_refused_with_what_to_do_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    fs::write(at.join("bad.toml"), "[train]\nsteps = 'many'\n").unwrap();
    fs::write(at.join("broken.toml"), "[train\n").unwrap();
    fs::write(at.join("large.toml"), "[tasks]\nepisode_length = 0\n").unwrap();
    fs::write(at.join("not.safetensors"), "no checkpoint").unwrap();
    fs::write(at.join("latin.toml"), b"[train]\nsteps = 3 # f\xfcr\n").unwrap();
    fs::write(at.join("light.toml"), "[[mix]]\n[[mix]]\nweight = 0\n").unwrap();
    fs::write(at.join("both.toml"), "[[mix]]\n[data]\nname = 'random'\n").unwrap();
    for (args, parts) in [
        (&["train", "--config", "light.toml", "--run", "r"][..], ["light.toml: field `mix[1].weight`", "0"]),
        (&["train", "--config", "both.toml", "--run", "r"], ["both.toml: field `data`", "[[mix]]"]),
        (&["train", "--config", "bad.toml", "--run", "r"], ["bad.toml: field `train.steps`", "many"]),
        (
            &["train", "--config", "large.toml", "--run", "r"],
            ["large.toml: field `tasks.episode_length`", "0"],
        ),
        (&["train", "--config", "broken.toml", "--run", "r"], ["broken.toml", "line 1"]),
        (&["train", "--config", "absent.toml", "--run", "r"], ["absent.toml", "No such file"]),
        (&["train", "--preset", "nope", "--run", "r"], ["nope", "quickstart"]),
        (&["train", "--seed", "-1", "--run", "r"], ["'-1' for '--seed <SEED>'", "invalid digit"]),
        (&["eval", "r", "--episodes", "-1"], ["'-1' for '--episodes <EPISODES>'", "invalid digit"]),
        (&["train", "--config", "latin.toml", "--run", "r"], ["latin.toml: line 2", "UTF-8"]),
        (&["sweep", "latin.toml", "--out", "r"], ["latin.toml: line 2", "UTF-8"]),
        (&["compare", "--config", "latin.toml", "--out", "r"], ["latin.toml: line 2", "UTF-8"]),
        (&["train", "--run", "."], ["something else", "an empty one"]),
        (&["sweep", "--preset", "tiny", "--out", "."], ["something else", "an empty one"]),
        (&["compare", "--preset", "glyphs", "--out", "."], ["something else", "an empty one"]),
        (&["sweep", "--preset", "tiny", "--set", "tasks.count=3", "--out", "r"], ["tasks.count", "grid"]),
        (&["compare", "--preset", "glyphs", "--set", "seed=3", "--out", "r"], ["seed", "`seeds`"]),
        (&["train", "--set", "train.lr=-1", "--run", "r"], ["train.lr", "positive"]),
        (&["train", "--set", "tasks.count=2^26", "--run", "r"], ["tasks.count", "2^25"]),
        (
            &["train", "--set", "eval.data=[{name='random'},{name='nope'}]", "--run", "r"],
            ["eval.data[1].name", "nope"],
        ),
        (
            &["train", "--set", "eval.data=[{name='random',classes=11}]", "--run", "r"],
            ["eval.data[0]", "11 classes"],
        ),
        (
            &["train", "--set", "eval.final_episodes=1000001", "--run", "r"],
            ["eval.final_episodes", "at most 1000000"],
        ),
        (&["train", "--set", "eval.queries=1000001", "--run", "r"], ["eval.queries", "at most 1000000"]),
        (&["eval", "r", "--queries", "1000001"], ["--queries", "at most 1000000"]),
        (&["eval", "r", "--episodes", "1000001"], ["--episodes", "at most 1000000"]),
        (
            &["train", "--set", "eval.tasks=[{episode_length=1000001}]", "--run", "r"],
            ["eval.tasks[0].episode_length", "2 to 1000000"],
        ),
        // What no memory would hold.
        (&["train", "--set", "train.batch=100000000", "--run", "r"], ["train.batch", "100000000"]),
        (
            &["train", "--set", "tasks.episode_length=1000000", "--run", "r"],
            ["train.batch", "1000000 examples"],
        ),
        (&["train", "--set", "model.d_model=1000000", "--run", "r"], ["model.d_model", "smaller"]),
        (&["train", "--set", "model.layers=1000000", "--run", "r"], ["model.layers", "smaller"]),
        (
            &["train", "--set", "model={kind='outer-product-lstm',size=8192,heads=8192}", "--run", "r"],
            ["model.size", "smaller"],
        ),
        (
            &["train", "--set", "model={kind='vsml',units=[1000000000]}", "--run", "r"],
            ["model.units", "smaller"],
        ),
        (
            &["train", "--set", "model.d_model=4611686018427387904", "--run", "r"],
            ["model.d_model", "smaller"],
        ),
        (&["data", "show", "prior", "--rows", "1000000000"], ["--rows", "at most"]),
        (
            &["predict", "--context", "c", "--query", "q", "--out", "p", "--ensemble", "100000000"],
            ["--ensemble", "at most 1024"],
        ),
        (&["train", "--set", "model.kind=gpt", "--run", "r"], ["model", "transformer"]),
        (
            &["train", "--set", "data.name=mnist", "--data-dir", ".", "--run", "r"],
            ["mnist", "gpicl data fetch"],
        ),
        (&["train", "--set", "device=cuda", "--run", "r"], ["device", "--features"]),
        (&["resume", "absent"], ["absent", "no run folder"]),
        (&["inspect", "not.safetensors"], ["not.safetensors", "safetensors file"]),
        (&["eval", "absent.safetensors"], ["absent.safetensors", "No such file"]),
        (&["eval", "x.safetensors", "--out", "bad.toml/e"], ["bad.toml", "not a folder"]),
        (
            &["data", "embed", "glyphs", "--onnx", "x.onnx", "--out", "no/f.safetensors"],
            ["no/f.safetensors", "make no"],
        ),
        (&["compare"], ["--config <FILE>", "--preset <NAME>"]),
        (&["compare", "--preset", "glyphs", "--config", "bad.toml"], ["--preset", "cannot be used with"]),
        (&["data", "show", "imagenet"], ["imagenet", "fashion-mnist"]),
        (&["data", "fetch", "glyphs"], ["glyphs", "gpicl data list"]),
    ] {
        let error = refused(at, args);
        for part in parts {
            assert!(error.contains(part), "{args:?}: `{part}` is not in: {error}");
        }
    }
    assert!(!at.join("r").exists(), "nothing is left of a refused run");
    let error = refused(at, &["train", "--config", "absent.toml"]);
    assert_eq!(error.matches("No such file").count(), 1, "{error}");
}

#[test]
fn kernels_that_are_not_there_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (name, value, fix) in [("GPICL_CPU", "mmx", "scalar"), ("GPICL_OPS", "plain", "reference")] {
        let output = common::command(dir.path(), &["presets"]).env(name, value).output().unwrap();
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!([name, value, fix].iter().all(|part| error.contains(part)), "{error}");
    }
}

#[test]
fn a_run_that_goes_on_otherwise_says_so() {
    let dir = trained();
    let best = ok(dir.path(), &["inspect", "run"]);
    let other = if best.contains("scalar kernels") { None } else { Some("scalar") };
    if let Some(other) = other {
        let output =
            common::command(dir.path(), &["resume", "run"]).env("GPICL_CPU", other).output().unwrap();
        assert!(output.status.success());
        assert!(
            text(&output.stderr).contains("goes on with gpicl")
                && text(&output.stderr).contains("scalar kernels")
        );
    }
    let said = |args: &[&str]| text(&gpicl(dir.path(), args).stderr);
    assert!(!said(&["resume", "run"]).contains("goes on with gpicl"));
    let sizes = "d_model = 16\nlayers = 1\nheads = 2\nd_ff = 32";
    fs::write(dir.path().join("vsml.toml"), SMALL.replace(sizes, "kind = 'vsml'\nhidden = 4")).unwrap();
    let bf16 =
        |config| said(&["train", "--config", config, "--set", "precision=bf16", "--run", &config[..4]]);
    let vsml = bf16("vsml.toml");
    assert!(vsml.contains("precision=bf16") && vsml.contains("`vsml` computes in fp32"), "{vsml}");
    let transformer = bf16("small.toml");
    assert!(!transformer.contains("computes in fp32"), "{transformer}");
}

#[test]
fn eval_refuses_data_that_changed_since() {
    let dir = trained();
    let write = |shift: usize| {
        let row = |i: usize| format!("{},{},{}\n", (i + shift) % 7, i % 5, ["a", "b", "c"][i % 3]);
        let rows: String = (0..90).map(row).collect();
        fs::write(dir.path().join("t.csv"), format!("x,y,label\n{rows}")).unwrap();
    };
    write(0);
    let table = "data={ name = 'csv', path = 't.csv' }";
    ok(dir.path(), &["train", "--config", "small.toml", "--set", table, "--run", "table"]);
    ok(dir.path(), &["eval", "table", "--episodes", "4"]);
    let results = fs::read_to_string(dir.path().join("table/results.json")).unwrap();
    assert!(results.contains("\"fingerprints\"") && results.contains("\"sha256\""), "{results}");
    write(1);
    let error = refused(dir.path(), &["eval", "table", "--episodes", "4"]);
    assert!(error.contains("other data") && error.contains("`data t"), "{error}");
    let output = gpicl(dir.path(), &["eval", "table", "--episodes", "4", "--allow-other-data"]);
    assert!(output.status.success() && text(&output.stderr).contains("other data"));
}

#[test]
fn data_lists_and_shows() {
    let dir = tempfile::tempdir().unwrap();
    let list = ok(dir.path(), &["data", "list", "--data-dir", "."]);
    for name in ["glyphs", "fashion-mnist", "omniglot", "csv", "prior:additive"] {
        assert!(list.contains(name), "{list}");
    }
    let shown = ok(dir.path(), &["data", "show", "glyphs", "--sheet", "sheet.png"]);
    assert!(
        shown.contains("glyphs, drawn characters of seed 0: 10 classes, 8,000 + 2,000 examples"),
        "{shown}"
    );
    assert!(shown.contains("8000 training and 2000 held-out examples, 14x14 grey, 10 classes"), "{shown}");
    let json: serde_json::Value =
        serde_json::from_str(ok(dir.path(), &["data", "show", "random@3", "--json"]).trim()).unwrap();
    assert_eq!(
        (&json["official"], &json["description"]["origin"]["made"]["seeds"][0]),
        (&false.into(), &3.into())
    );
    assert!(dir.path().join("sheet.png").exists());
}

#[test]
fn made_tables_are_printed_and_drawn() {
    let dir = tempfile::tempdir().unwrap();
    let show = |args: &[&str]| ok(dir.path(), &[&["data", "show"][..], args].concat());
    let table = show(&["prior:trees", "--seed", "3", "--rows", "5"]);
    let lines: Vec<&str> = table.trim().lines().collect();
    assert!(lines.len() == 6 && lines[0].starts_with("x1,x2") && lines[0].ends_with(",label"), "{table}");
    let cells = lines[0].split(',').count();
    assert!(lines.iter().all(|line| line.split(',').count() == cells), "{table}");
    assert_eq!(table, show(&["prior:trees", "--seed", "3", "--rows", "5"]));
    assert_ne!(table, show(&["prior:trees", "--seed", "4", "--rows", "5"]));
    let json: serde_json::Value =
        serde_json::from_str(show(&["prior", "--rows", "5", "--json"]).trim()).unwrap();
    assert_eq!(json["labels"].as_array().unwrap().len(), 5);
    let columns =
        |features| show(&["prior", "--features", features]).split('\n').next().unwrap().split(',').count();
    assert_eq!(columns("40"), 41, "and the label");
    assert!((31..=36).contains(&columns("30:35")));
    show(&["prior", "--plot", "tables.svg"]);
    let picture = fs::read_to_string(dir.path().join("tables.svg")).unwrap();
    assert!(picture.contains("causal") && picture.contains("prototypes") && picture.len() < 100_000);
    for (args, parts) in [
        (&["prior:oaks"][..], ["`data`", "`oaks`", "trees"]),
        (&["prior", "--rows", "0"], ["`--rows`", "is 0", "1"]),
        (&["prior", "--features", "0:2"], ["`--features`", "is 0", "1"]),
        (&["prior", "--features", "5:2"], ["--features", "5:2", "the least and the most"]),
        (&["prior", "--features", "3", "--plot", "a.svg"], ["`--features`", "printed", "leave it out"]),
        (&["prior", "--sheet", "a.png"], ["`--sheet`", "images", "--plot"]),
        (&["prior", "--plot", "a.png"], ["`--plot`", "a.png", ".svg"]),
        (&["glyphs", "--seed", "3"], ["`--seed`", "made tables", "prior:FAMILY"]),
    ] {
        let error = refused(dir.path(), &[&["data", "show"][..], args].concat());
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
}

/// Loss and norm of the gradient at every training line of a run of `small.toml`.
fn course(dir: &Path, run: &str, set: &[&str], environment: &[(&str, &str)]) -> Vec<f64> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gpicl"));
    command.args(["train", "--config", "small.toml", "--quiet", "--run", run]).current_dir(dir);
    command.args(set.iter().flat_map(|set| ["--set", set])).envs(environment.iter().copied());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let metrics = fs::read_to_string(dir.join(run).join("metrics.jsonl")).unwrap();
    let lines = metrics.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let lines = lines.filter(|line| line["kind"] == "train");
    lines.flat_map(|line| ["loss", "grad_norm"].map(|field| line[field].as_f64().unwrap())).collect()
}

#[test]
fn fused_operations_plain_ones_and_bf16_meta_train_alike() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("small.toml"), SMALL).unwrap();
    let fused = course(dir.path(), "fused", &[], &[]);
    let plain = course(dir.path(), "plain", &[], &[("GPICL_OPS", "reference")]);
    let scalar = course(dir.path(), "scalar", &[], &[("GPICL_CPU", "scalar")]);
    let bf16 = course(dir.path(), "bf16", &["precision=bf16"], &[]);
    assert_eq!(fused.len(), 6);
    assert_ne!(fused, plain, "the same bits: the environment variable had no effect");
    assert_ne!(fused, bf16, "the same bits: the precision had no effect");
    for (other, tolerance) in [(plain, 1e-5), (scalar, 1e-5), (bf16, 2e-2)] {
        for (fused, other) in fused.iter().zip(&other) {
            assert!((fused - other).abs() < tolerance * fused, "{fused} {other}");
        }
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_the_step_and_says_how_to_go_on() {
    let dir = tempfile::tempdir().unwrap();
    interrupted(dir.path(), "train.steps=1000000", "step ");
    assert!(fs::read_dir(dir.path().join("run/checkpoints")).unwrap().count() >= 2);
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_meta_test_at_once() {
    let dir = tempfile::tempdir().unwrap();
    interrupted(dir.path(), "eval.final_episodes=1000000", "meta-test");
    assert!(!dir.path().join("run/results.json").exists());
}

/// Ctrl-C at a line that starts with `at`; the last one says how to go on.
#[cfg(unix)]
fn interrupted(dir: &Path, set: &str, at: &str) {
    use std::io::{BufRead as _, BufReader};
    use std::process::Stdio;

    fs::write(dir.join("small.toml"), SMALL).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_gpicl"))
        .args(["train", "--config", "small.toml", "--run", "run", "--set", set])
        .current_dir(dir)
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.by_ref().map(Result::unwrap).any(|line| line.starts_with(at)));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(rest.last().is_some_and(|line| line.ends_with("gpicl resume run")), "{rest:?}");
}

#[cfg(unix)]
#[test]
fn a_run_killed_with_sigkill_and_resumed_ends_with_the_same_files() {
    use std::process::Stdio;
    use std::time::{Duration, Instant};

    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    fs::write(at.join("small.toml"), SMALL).unwrap();
    let steps = ["--set", "train.steps=400", "--set", "train.checkpoint_every=7"];
    let train = |run| [&["train", "--config", "small.toml", "--run", run][..], &steps].concat();
    ok(at, &train("whole"));

    let mut child = Command::new(env!("CARGO_BIN_EXE_gpicl"))
        .args(train("cut"))
        .current_dir(at)
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !at.join("cut/checkpoints/step-00000014.safetensors").exists() {
        assert!(Instant::now() < deadline, "no second checkpoint within a minute");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!at.join("cut/results.json").exists(), "it was cut before its end");
    ok(at, &["resume", "cut"]);
    let events = "tensorboard/events.out.tfevents.0.gpicl";
    for file in ["metrics.jsonl", events, "results.csv", "checkpoints/step-00000400.safetensors"] {
        let read = |run: &str| fs::read(at.join(run).join(file)).unwrap();
        assert_eq!(read("whole"), read("cut"), "{file}");
    }
}

#[test]
fn every_architecture_goes_through_every_command() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    let config = SMALL.split("[model]").next().unwrap().to_string()
        + "[train]"
        + SMALL.split("[train]").nth(1).unwrap();
    fs::write(at.join("small.toml"), config).unwrap();
    fs::write(at.join("context.csv"), "a,b,y\n1,2,yes\n3,4,no\n1,3,yes\n4,4,no\n").unwrap();
    fs::write(at.join("query.csv"), "a,b\n2,1\n4,3\n").unwrap();
    for kind in gpicl::models::ModelConfig::KINDS {
        let (run, cut) = (format!("{kind}-run"), format!("{kind}-cut"));
        let model = if ["mlp", "cells"].contains(kind) {
            format!("model={{kind='{kind}'}}")
        } else {
            format!("model={{kind='{kind}',layout='paired'}}")
        };
        ok(at, &["train", "--config", "small.toml", "--run", &run, "--set", &model]);
        // As a kill after the fourth step leaves it.
        for folder in ["", "checkpoints"] {
            fs::create_dir_all(at.join(&cut).join(folder)).unwrap();
        }
        let files = [
            "config.toml",
            "metrics.jsonl",
            "checkpoints/step-00000004.safetensors",
            "checkpoints/step-00000004.state.safetensors",
        ];
        for file in files {
            fs::copy(at.join(&run).join(file), at.join(&cut).join(file)).unwrap();
        }
        ok(at, &["resume", &cut]);
        for file in ["metrics.jsonl", "results.csv", "checkpoints/step-00000006.safetensors"] {
            let read = |run: &str| fs::read(at.join(run).join(file)).unwrap();
            assert_eq!(read(&run), read(&cut), "{kind}: {file}");
        }
        let tested = ok(at, &["eval", &run, "--episodes", "8", "--out", &format!("{kind}-eval")]);
        assert!(tested.contains("unseen tasks, random test"), "{kind}: {tested}");
        assert!(ok(at, &["inspect", &run]).contains(kind), "{kind}");
        let table = format!("{kind}.csv");
        ok(
            at,
            &[
                "predict",
                "--checkpoint",
                &run,
                "--context",
                "context.csv",
                "--query",
                "query.csv",
                "--out",
                &table,
            ],
        );
        assert_eq!(fs::read_to_string(at.join(&table)).unwrap().lines().count(), 3, "{kind}");
    }
}

/// A comparison of two learners under two seeds.
const COMPARISON: &str = r#"
seeds = [0, 1]
episodes = 8
test_sets = ["random", "mnist"]

[base.data]
name = "random"
size = 8
classes = 3
per_class = 20

[base.tasks]
episode_length = 8

[base.model]
d_model = 16
layers = 1
heads = 2
d_ff = 32
layout = "paired"

[base.train]
steps = 3
batch = 4
checkpoint_every = 1

[base.eval]
every = 0
final_episodes = 4

[[methods]]
name = "small"
label = "Small one"

[[methods]]
name = "wide"
set = { model = { d_model = 32 } }
"#;

const COMPARED: [&str; 10] = [
    "table.md",
    "table.csv",
    "table.tex",
    "table.svg",
    "table.png",
    "state_size.csv",
    "state_size.svg",
    "state_size.png",
    "learning_curves.svg",
    "learning_curves.png",
];

#[test]
fn a_comparison_writes_table_and_figures_and_does_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    fs::write(at.join("c.toml"), COMPARISON).unwrap();
    let compare = ["compare", "--config", "c.toml", "--out", "c", "--data-dir", ".", "--jobs", "2"];
    let shown = ok(at, &compare);
    assert!(shown.contains("Small one") && shown.contains("after 7 examples"), "{shown}");
    for file in COMPARED {
        assert!(at.join("c").join(file).metadata().is_ok_and(|meta| meta.len() > 0), "{file}");
    }
    let table = fs::read_to_string(at.join("c/table.md")).unwrap();
    let row = table.lines().find(|line| line.starts_with("| Small one")).unwrap();
    assert!(row.contains(['±', '[']) && row.ends_with("| absent |"), "{table}");
    let sizes = fs::read_to_string(at.join("c/state_size.csv")).unwrap();
    assert!(sizes.contains(",256,") && sizes.contains(",512,"), "2 x layers x N x d_model: {sizes}");

    // Each run has the numbers of `gpicl train`.
    ok(at, &["train", "--config", "c/runs/wide-seed1/config.toml", "--run", "alone"]);
    for file in ["metrics.jsonl", "results.csv", "checkpoints/step-00000003.safetensors"] {
        let read = |run: &str| fs::read(at.join(run).join(file)).unwrap();
        assert_eq!(read("alone"), read("c/runs/wide-seed1"), "{file}");
    }

    // Finished runs can be taken from elsewhere; a run of another configuration is not written over.
    let spec = COMPARISON.replace("set = { model = { d_model = 32 } }", "runs = ['alone']");
    fs::write(at.join("c.toml"), &spec).unwrap();
    assert!(ok(at, &compare).contains("wide"));
    fs::write(at.join("c.toml"), COMPARISON.replace("steps = 3", "steps = 4")).unwrap();
    let error = refused(at, &compare);
    assert!(error.contains("small-seed0") && error.contains("another configuration"), "{error}");
}

#[test]
fn a_learner_that_fails_is_reported_and_the_others_are_compared() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    let spec = COMPARISON
        .replace("set = { model = { d_model = 32 } }", "set = { train = { lr = 1e30, eps = 1e-30 } }");
    fs::write(at.join("c.toml"), spec).unwrap();
    let output = gpicl(at, &["compare", "--config", "c.toml", "--out", "c", "--data-dir", "."]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let table = fs::read_to_string(at.join("c/table.md")).unwrap();
    assert!(table.contains("| wide | failed | absent |"), "{table}");
    assert!(table.contains("wide failed: seed 0: meta-training diverged"), "{table}");
    assert!(at.join("c/learning_curves.png").exists());
}

#[test]
fn a_broken_comparison_is_refused_with_file_and_field() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    for (spec, parts) in [
        ("seeds = [0", ["c.toml", "line 1"]),
        ("[[methods]]\nname = 'a'\nfoo = 1", ["c.toml", "methods[0].foo"]),
        ("[[methods]]\nname = 'a'\nset = { train = { lr = -1 } }", ["methods[0].set", "train.lr"]),
        ("test_sets = ['imagenet']\n[[methods]]\nname = 'a'", ["test_sets[0]", "imagenet"]),
        ("test_sets = ['mnist']\n[[methods]]\nname = 'a'", ["test_sets", "gpicl data fetch"]),
        (
            "preset = 'quickstart'\ntest_sets = ['glyphs']\n[[methods]]\nname = 'a'\n\
             [[methods]]\nname = 'b'\nset = { tasks = { episode_length = 7 } }",
            ["methods.b", "10 classes in 7 examples"],
        ),
    ] {
        fs::write(at.join("c.toml"), spec).unwrap();
        let error = refused(at, &["compare", "--config", "c.toml", "--out", "c", "--data-dir", "."]);
        for part in parts {
            assert!(error.contains(part), "{spec}: `{part}` is not in: {error}");
        }
    }
    assert!(refused(at, &["compare", "--config", "absent.toml"]).contains("absent.toml"));
    assert!(refused(at, &["compare", "--preset", "nope"]).contains("glyphs"));
    assert!(!at.join("c").exists(), "nothing is left of a refused comparison");
}

#[cfg(unix)]
#[test]
fn a_comparison_killed_with_sigkill_and_run_again_ends_with_the_same_tables() {
    use std::process::Stdio;
    use std::time::{Duration, Instant};

    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    let spec = COMPARISON.replace("steps = 3", "steps = 400");
    fs::write(at.join("c.toml"), spec.replace("checkpoint_every = 1", "checkpoint_every = 20")).unwrap();
    let compare = |out| ["compare", "--config", "c.toml", "--data-dir", ".", "--out", out];
    ok(at, &compare("whole"));

    let mut child = Command::new(env!("CARGO_BIN_EXE_gpicl"))
        .args(compare("cut"))
        .current_dir(at)
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !at.join("cut/runs/small-seed1/checkpoints/step-00000020.safetensors").exists() {
        assert!(Instant::now() < deadline, "no checkpoint of the second run within a minute");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!at.join("cut/runs/small-seed1/results.json").exists(), "it was cut before the run's end");
    ok(at, &compare("cut"));
    for file in COMPARED.into_iter().chain(["runs/small-seed1/metrics.jsonl"]) {
        let read = |out: &str| fs::read(at.join(out).join(file)).unwrap();
        assert_eq!(read("whole"), read("cut"), "{file}");
    }
}

#[test]
fn features_of_a_network_are_a_data_set_to_meta_train_on() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../gpicl/tests/fixtures/tiny.onnx");
    let shown = ok(at, &["data", "embed", "glyphs", "--onnx", model, "--out", "f.safetensors"]);
    assert!(shown.contains("8000 training and 2000 held-out examples of 2 features"), "{shown}");
    let shown = ok(at, &["data", "show", "safetensors:f.safetensors"]);
    assert!(
        shown.contains("glyphs-tiny: 8000 training and 2000 held-out") && shown.contains("10 classes"),
        "{shown}"
    );
    fs::write(
        at.join("small.toml"),
        SMALL.replace("[data]\nname = \"random\"\nsize = 8\nclasses = 3\nper_class = 20\n", ""),
    )
    .unwrap();
    let data = ["--set", "data.name=safetensors", "--set", "data.path=f.safetensors"];
    let train = [&["train", "--config", "small.toml", "--run", "run"][..], &data].concat();
    assert!(ok(at, &train).contains("unseen tasks, glyphs-tiny test"));

    fs::write(at.join("broken.onnx"), "no model").unwrap();
    let embed = |onnx, more: &[&'static str]| {
        refused(
            at,
            &[&["data", "embed", "glyphs", "--onnx", onnx, "--out", "g.safetensors"][..], more].concat(),
        )
    };
    assert!(embed("broken.onnx", &[]).contains("broken.onnx"));
    assert!(embed("absent.onnx", &[]).contains("absent.onnx"));
    assert!(embed(model, &["--input-size", "224"]).contains("4x4"));
    assert!(embed(model, &["--mean", "1,2"]).contains("--mean"));
    let vectors = refused(at, &["data", "embed", "random", "--onnx", model, "--out", "g.safetensors"]);
    assert!(vectors.contains("vectors"), "{vectors}");
    assert!(!at.join("g.safetensors").exists());
}
