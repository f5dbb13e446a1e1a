//! Runs: the same numbers after a kill, damaged checkpoints, divergence, and learning itself.

mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{finish, small};
use gpicl::DeviceKind;
use gpicl::data::Library;
use gpicl::eval::{Guessing, Metric, Outcome, OutcomeRule, Part, Sample, meta_test};
use gpicl::models::ModelConfig;
use gpicl::tasks::TaskId;
use gpicl::train::{Ended, Event, ResumeOptions, Trainer, load_weights, read_metrics};
use gpicl::{Error, RunDir};

fn weights(run: &Path) -> Vec<u8> {
    fs::read(run.join("checkpoints/step-00000040.safetensors")).unwrap()
}

#[test]
fn a_run_killed_half_way_and_resumed_gives_the_same_metrics_and_weights() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, cut) = (dir.path().join("whole"), dir.path().join("cut"));
    finish(&mut Trainer::start(small(&[]), None, &whole).unwrap());

    // Dies in step 27, without a chance to save: the newest checkpoint is step 20's, metrics go to 25.
    let mut trainer = Trainer::start(small(&[]), None, &cut).unwrap();
    let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        trainer.train(&AtomicBool::new(false), &mut |event| {
            assert!(!matches!(event, Event::Step { step: 27, .. }), "killed");
        })
    }));
    assert!(killed.is_err());
    drop(trainer);
    let mut trainer = Trainer::resume(&cut, None).unwrap();
    assert_eq!(trainer.step(), 20);
    finish(&mut trainer);

    let metrics = |run: &Path| fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    assert_eq!(metrics(&whole), metrics(&cut));
    assert_eq!(weights(&whole), weights(&cut));
    assert_eq!(metrics(&whole).lines().filter(|line| line.contains("\"eval\"")).count(), 2);
}

#[test]
fn a_raised_stop_flag_saves_the_step_and_the_rest_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, cut) = (dir.path().join("whole"), dir.path().join("cut"));
    finish(&mut Trainer::start(small(&[]), None, &whole).unwrap());
    let stop = AtomicBool::new(false);
    let mut trainer = Trainer::start(small(&[]), None, &cut).unwrap();
    let ended = trainer.train(&stop, &mut |event| {
        if matches!(event, Event::Step { step: 13, .. }) {
            stop.store(true, Ordering::Relaxed);
        }
    });
    assert_eq!(ended.unwrap(), Ended::Stopped { step: 13 });
    drop(trainer);
    finish(&mut Trainer::resume(&cut, None).unwrap());
    assert_eq!(weights(&whole), weights(&cut));
}

#[test]
fn a_damaged_checkpoint_is_passed_over_for_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    finish(&mut Trainer::start(small(&[]), None, &run).unwrap());
    let checkpoint =
        |step: u32, kind: &str| run.join(format!("checkpoints/step-{step:08}{kind}.safetensors"));
    assert!(!checkpoint(10, "").exists(), "the newest three are kept");
    let whole = weights(&run);

    fs::write(checkpoint(40, ""), &whole[..whole.len() - 7]).unwrap();
    assert_eq!(Trainer::resume(&run, None).unwrap().step(), 30, "torn weights");

    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    fs::write(checkpoint(40, ""), flipped).unwrap();
    assert_eq!(Trainer::resume(&run, None).unwrap().step(), 30, "one bit of the weights");

    fs::write(checkpoint(40, ""), &whole).unwrap();
    fs::write(checkpoint(30, ".state"), b"").unwrap();
    fs::remove_file(checkpoint(40, ".state")).unwrap();
    let mut trainer = Trainer::resume(&run, None).unwrap();
    assert_eq!(trainer.step(), 20, "no state");
    finish(&mut trainer);
    assert_eq!(weights(&run), whole, "the repeated steps give the same weights");
}

#[test]
fn muon_and_averaged_weights_go_on_to_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let sets = ["train.optimizer=muon", "train.average=0.9", "train.weight_decay=0.01"];
    let (whole, cut) = (dir.path().join("whole"), dir.path().join("cut"));
    let mut trainer = Trainer::start(small(&sets), None, &whole).unwrap();
    finish(&mut trainer);
    let stop = AtomicBool::new(false);
    let mut cut_short = Trainer::start(small(&sets), None, &cut).unwrap();
    let ended = cut_short.train(&stop, &mut |event| {
        if matches!(event, Event::Step { step: 13, .. }) {
            stop.store(true, Ordering::Relaxed);
        }
    });
    assert_eq!(ended.unwrap(), Ended::Stopped { step: 13 });
    drop(cut_short);
    finish(&mut Trainer::resume(&cut, None).unwrap());
    for file in [
        "metrics.jsonl",
        "checkpoints/step-00000040.safetensors",
        "checkpoints/step-00000040.state.safetensors",
    ] {
        assert_eq!(fs::read(whole.join(file)).unwrap(), fs::read(cut.join(file)).unwrap(), "{file}");
    }
    // What is saved to be used is the average, which is what the meta-tests were of.
    let device = DeviceKind::Cpu.device().unwrap();
    let (_, saved) = load_weights(&whole.join("checkpoints/step-00000040.safetensors"), &device).unwrap();
    let sample = Sample::episodes(16);
    let set = &trainer.final_sets().unwrap()[1];
    let accuracy = |model| meta_test(model, set, sample, &device).unwrap().summary().last_10.mean;
    assert_eq!(accuracy(&saved), trainer.meta_test(sample).unwrap()[1].summary().last_10.mean);
    // Another optimiser, or no average, is another run.
    let weights_of = |name: &str, sets: &[&str]| {
        let run = dir.path().join(name);
        finish(&mut Trainer::start(small(sets), None, &run).unwrap());
        weights(&run)
    };
    let (muon, averaged) = (weights_of("muon", &sets[..1]), weights_of("averaged", &sets[1..2]));
    assert!(muon != weights(&whole) && averaged != weights(&whole) && muon != averaged);
}

#[test]
fn a_run_begins_with_the_weights_of_another() {
    let dir = tempfile::tempdir().unwrap();
    let [first, second] = ["first", "second"].map(|name| dir.path().join(name));
    finish(&mut Trainer::start(small(&[]), None, &first).unwrap());
    let start = format!("train.start={first:?}");
    // Other tasks, and steps of next to nothing.
    let sets = [&start, "seed=1", "tasks.seed=1", "train.lr=1e-12"];
    let mut trainer = Trainer::start(small(&sets), None, &second).unwrap();
    finish(&mut trainer);
    let text = gpicl::train::inspect(&second).unwrap().text();
    assert!(text.contains("begun with") && text.contains("step-00000040"), "{text}");
    assert!(text.contains("tasks of seed 1"), "{text}");
    let set = &trainer.final_sets().unwrap()[1];
    let device = DeviceKind::Cpu.device().unwrap();
    let accuracy = |run: &Path| {
        let (_, model) = load_weights(&run.join("checkpoints/step-00000040.safetensors"), &device).unwrap();
        meta_test(&model, set, Sample::episodes(64), &device).unwrap().summary().last_10.mean
    };
    let (begun_with, ended_with) = (accuracy(&first), accuracy(&second));
    assert!(begun_with > 0.35 && (ended_with - begun_with).abs() < 1e-3, "{begun_with} {ended_with}");

    let refused = |sets: &[&str]| {
        let run = dir.path().join("refused");
        let error = Trainer::start(small(sets), None, &run).unwrap_err().to_string();
        assert!(!run.exists(), "{error}");
        error
    };
    // Four heads of eight numbers have the weights of two of sixteen.
    for (set, field) in [("model.heads=4", "`model.heads`"), ("model.d_model=16", "`model.d_model`")] {
        let error = refused(&[&start, set]);
        assert!(error.contains("train.start") && error.contains(field), "{error}");
    }
    assert!(refused(&[&start, "data.size=8", "tasks.input_dim=8"]).contains("has shape"));
    assert!(refused(&["train.start=built-in"]).contains("model.kind"));
    assert!(refused(&["train.start=/nowhere"]).contains("/nowhere"));
}

/// More features may share a token than did where a learner for tables begins, not fewer.
#[test]
fn features_come_to_share_a_token() {
    let dir = tempfile::tempdir().unwrap();
    let run = |name: &str, start: Option<&str>, together: usize| {
        let model = format!("model={{kind='cells',d_model=16,layers=2,heads=2,d_ff=16,together={together}}}");
        let start = start.map(|start| format!("train.start={:?}", dir.path().join(start)));
        let own = [&model, "train.steps=1", "eval.every=0", "train.lr=1e-12", "train.average=0", "seed=1"];
        let sets: Vec<&str> = own.into_iter().chain(start.as_deref()).collect();
        Trainer::start(small(&sets), None, &dir.path().join(name))
    };
    finish(&mut run("two", None, 2).unwrap());
    finish(&mut run("three", Some("two"), 3).unwrap());
    // What cells are told by, `[numbers, 16]`: in three places, then what else a token knows.
    let weights = |name: &str| {
        let path = dir.path().join(name).join("checkpoints/step-00000001.safetensors");
        let file = fs::read(&path).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&file).unwrap();
        let tensor = tensors.tensor("embedding.cell.weight").unwrap();
        let (numbers, rest) = tensor.data().as_chunks::<4>();
        assert!(rest.is_empty() && tensor.shape()[1] == 16);
        numbers.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect::<Vec<_>>()
    };
    let (two, three) = (weights("two"), weights("three"));
    let place = 7 * 16;
    let alike =
        |a: &[f32], b: &[f32]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
    let ordered = |row: &[f32]| {
        let mut row = row.to_vec();
        row.sort_by(f32::total_cmp);
        row
    };
    assert!(alike(&two[..2 * place], &three[..2 * place]) && alike(&two[2 * place..], &three[3 * place..]));
    let (first, third) = (&two[..16], &three[2 * place..][..16]);
    assert!(!alike(first, third) && alike(&ordered(first), &ordered(third)));
    let error = run("fewer", Some("three"), 2).unwrap_err().to_string();
    assert!(error.contains("train.start") && error.contains("`model.together`"), "{error}");
}

/// A context and queries in an episode, of lengths drawn for every step, and a learner for tables.
#[test]
fn a_run_that_splits_its_episodes_goes_on_to_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let model = "model={kind='cells',d_model=16,layers=2,heads=2,d_ff=16}";
    for sets in [&["train.queries=6"][..], &["train.queries=6", model]] {
        let (whole, cut) =
            (dir.path().join(format!("whole{}", sets.len())), dir.path().join(format!("cut{}", sets.len())));
        let sets = [sets, &["train.steps=12", "train.log_every=1", "eval.every=0"]].concat();
        finish(&mut Trainer::start(small(&sets), None, &whole).unwrap());
        let stop = AtomicBool::new(false);
        let mut cut_short = Trainer::start(small(&sets), None, &cut).unwrap();
        let ended = cut_short.train(&stop, &mut |event| {
            stop.fetch_or(matches!(event, Event::Step { step: 5, .. }), Ordering::Relaxed);
        });
        assert_eq!(ended.unwrap(), Ended::Stopped { step: 5 });
        drop(cut_short);
        finish(&mut Trainer::resume(&cut, None).unwrap());
        for file in ["metrics.jsonl", "checkpoints/step-00000012.safetensors"] {
            assert_eq!(
                fs::read(whole.join(file)).unwrap(),
                fs::read(cut.join(file)).unwrap(),
                "{sets:?} {file}"
            );
        }
    }
    let error = Trainer::start(small(&["train.queries=16"]), None, &dir.path().join("none")).unwrap_err();
    assert!(error.to_string().contains("`train.queries`: is 16, of episodes of 16 examples"), "{error}");
    assert!(!dir.path().join("none").exists());
}

#[test]
fn a_finished_run_goes_on_as_if_it_had_been_longer() {
    let dir = tempfile::tempdir().unwrap();
    let library = Library::new(None);
    let to = |steps| ResumeOptions { steps: Some(steps), ..ResumeOptions::default() };
    // Its last step is logged though it is between two lines, and has no meta-test though one is due.
    for every in ["eval.every=10", "eval.every=0"] {
        let run = |name: &str| dir.path().join(format!("{every}-{name}"));
        let (whole, short) = (run("whole"), run("short"));
        let start = |steps: &str, run: &Path| {
            let sets = [every, "train.log_every=4", "train.checkpoint_every=17", steps];
            finish(&mut Trainer::start(small(&sets), None, run).unwrap());
        };
        start("train.steps=40", &whole);
        start("train.steps=30", &short);
        fs::write(short.join("results.json"), "{}").unwrap();
        for steps in [0, 12, 29] {
            let error = Trainer::resume_with(&short, &library, &to(steps)).unwrap_err().to_string();
            assert!(error.contains("--steps") && error.contains("more than 30"), "{error}");
        }
        // Killed at once, and again after a line but before a checkpoint; the number of steps stands in the configuration
        // from then on.
        drop(Trainer::resume_with(&short, &library, &to(40)).unwrap());
        assert!(!RunDir::at(&short).finished() && short.join("results-step-00000030.json").exists());
        let mut trainer = Trainer::resume(&short, None).unwrap();
        let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            trainer.train(&AtomicBool::new(false), &mut |event| {
                assert!(!matches!(event, Event::Step { step: 33, .. }), "killed");
            })
        }));
        assert!(killed.is_err());
        drop(trainer);
        let mut trainer = Trainer::resume(&short, None).unwrap();
        assert_eq!((trainer.step(), trainer.config().train.steps), (30, 40));
        finish(&mut trainer);
        for file in ["metrics.jsonl", "config.toml", "tensorboard/events.out.tfevents.0.gpicl"] {
            assert_eq!(
                fs::read(whole.join(file)).unwrap(),
                fs::read(short.join(file)).unwrap(),
                "{every} {file}"
            );
        }
        assert_eq!(weights(&whole), weights(&short), "{every}");
    }
}

#[test]
fn a_schedule_that_ends_with_the_run_is_not_prolonged() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let sets = ["train.schedule={cosine={last=0.1}}", "train.steps=20", "eval.every=0"];
    let stop = AtomicBool::new(false);
    let mut trainer = Trainer::start(small(&sets), None, &run).unwrap();
    let ended = trainer.train(&stop, &mut |event| {
        if matches!(event, Event::Step { step: 12, .. }) {
            stop.store(true, Ordering::Relaxed);
        }
    });
    assert_eq!(ended.unwrap(), Ended::Stopped { step: 12 });
    drop(trainer);
    let config = fs::read(run.join("config.toml")).unwrap();
    let options = ResumeOptions { steps: Some(30), ..ResumeOptions::default() };
    let error = Trainer::resume_with(&run, &Library::new(None), &options).unwrap_err().to_string();
    for part in ["config.toml", "`train.schedule`", "cosine", "over 20 steps"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert_eq!(fs::read(run.join("config.toml")).unwrap(), config, "nothing was written");
    // With its end stated it is the same schedule, and the run may go on after that.
    let stated = String::from_utf8(config).unwrap().replace("last = 0.1", "last = 0.1\nsteps = 20");
    fs::write(run.join("config.toml"), stated).unwrap();
    let mut trainer = Trainer::resume_with(&run, &Library::new(None), &options).unwrap();
    finish(&mut trainer);
    assert_eq!(trainer.step(), 30);
}

#[test]
fn a_changed_configuration_is_refused_with_the_field() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    finish(&mut Trainer::start(small(&["train.steps=10", "eval.every=0"]), None, &run).unwrap());
    let path = run.join("config.toml");
    let text = fs::read_to_string(&path).unwrap();
    let error = |from: &str, to: &str| {
        assert!(text.contains(from), "{text}");
        fs::write(&path, text.replace(from, to)).unwrap();
        Trainer::resume(&run, None).unwrap_err().to_string()
    };
    for (from, to, what) in [
        ("lr = 0.002", "lr = 0.004", "field `train.lr`: is 0.004, was 0.002"),
        ("d_ff = 64", "d_ff = 96", "field `model.d_ff`: is 96, was 64"),
        ("noise = 0.2", "noise = 0.5", "field `data.noise`: is 0.5"),
        ("steps = 10", "steps = 5", "field `train.steps`: is 5, was 10"),
    ] {
        let error = error(from, to);
        assert!(error.contains("config.toml") && error.contains(what), "{what}: {error}");
    }
    // Where to save and how often to test is not what a run is.
    fs::write(&path, text.replace("checkpoint_every = 10", "checkpoint_every = 3")).unwrap();
    Trainer::resume(&run, None).unwrap();
}

#[test]
fn other_data_of_the_same_name_are_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let (run, table) = (dir.path().join("run"), dir.path().join("t.csv"));
    // By other values: a shift of a whole column is standardised away.
    let write = |shift: usize| {
        let row = |i: usize| format!("{},{},{}\n", (i + shift) % 7, i % 3, ["a", "b"][i % 2]);
        fs::write(&table, format!("x,y,label\n{}", (0..60).map(row).collect::<String>())).unwrap();
    };
    write(0);
    let data = format!("data={{name='csv',path='{}'}}", table.display());
    let config = small(&[&data, "train.steps=10", "eval.every=0", "eval.data=[]"]);
    finish(&mut Trainer::start(config, None, &run).unwrap());
    drop(Trainer::resume(&run, None).unwrap());
    write(1);
    let error = Trainer::resume(&run, None).unwrap_err().to_string();
    for part in ["other data", "`data t", "now", "then", "--allow-other-data"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let options = ResumeOptions { allow_other_data: true, ..ResumeOptions::default() };
    Trainer::resume_with(&run, &Library::new(None), &options).unwrap();
}

#[test]
fn a_run_that_diverges_stops_with_an_error_and_keeps_its_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let config = small(&["train.lr=1e30", "train.warmup=12", "train.clip=0.0", "train.checkpoint_every=1"]);
    let mut trainer = Trainer::start(config, None, &run).unwrap();
    let error = trainer.train(&AtomicBool::new(false), &mut |_| {}).unwrap_err();
    let Error::Diverged { step, .. } = &error else { panic!("{error}") };
    assert!(*step > 1, "the first step is finite");
    assert!(error.to_string().contains("train.lr"), "{error}");
    let kept = RunDir::open(&run).unwrap().0.checkpoints(3).steps().unwrap();
    assert_eq!(kept[0], step - 1);
}

#[test]
fn a_folder_is_used_once_and_a_stranger_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    drop(Trainer::start(small(&[]), None, &run).unwrap());
    let again = Trainer::start(small(&[]), None, &run).unwrap_err().to_string();
    assert!(again.contains("gpicl resume"), "{again}");
    assert_eq!(Trainer::resume(&run, None).unwrap().step(), 0, "killed before its first checkpoint");
    fs::write(dir.path().join("thesis.tex"), "").unwrap();
    let papers = Trainer::start(small(&[]), None, dir.path()).unwrap_err().to_string();
    assert!(papers.contains("something else"), "{papers}");
    assert!(!dir.path().join("config.toml").exists(), "nothing is written into it");
    let stranger = Trainer::resume(dir.path(), None).unwrap_err().to_string();
    assert!(stranger.contains("no config.toml"), "{stranger}");
}

#[test]
fn meta_training_learns_to_learn_on_unseen_tasks() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let config = small(&["train.steps=300", "train.batch=16", "eval.every=0", "train.checkpoint_every=300"]);
    let mut trainer = Trainer::start(config, None, &run).unwrap();
    finish(&mut trainer);
    let curves = trainer.meta_test(Sample::episodes(128)).unwrap();
    let (seen, unseen) = (&curves[0], curves[1].summary());
    assert!(unseen.first.high < 0.4, "nothing is known before the first example: {unseen:?}");
    assert!(unseen.last_10.low > 0.6, "four classes, chance 0.25: {unseen:?}");
    let outcome = OutcomeRule::default().classify(seen, &curves[1], Guessing::among(4));
    assert_eq!(outcome, Outcome::GeneralLearning);

    let metrics = read_metrics(&run.join("metrics.jsonl")).unwrap();
    let Metric::Train { loss: first, .. } = metrics[0] else { panic!("{:?}", metrics[0]) };
    let Metric::Train { loss: last, .. } = metrics[metrics.len() - 1] else { panic!() };
    assert!(last < first - 0.2, "{first} -> {last}");
}

#[test]
fn a_bias_tells_the_losses_of_its_episodes_and_of_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let lines = |name: &str, bias: &[&str]| {
        let run = dir.path().join(name);
        let settings = ["train.steps=6", "train.log_every=1", "eval.every=0", "eval.final_episodes=8"];
        finish(&mut Trainer::start(small(&[&settings, bias].concat()), None, &run).unwrap());
        let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
        (text.contains("biased"), read_metrics(&run.join("metrics.jsonl")).unwrap())
    };
    let (told, metrics) = lines("part", &["tasks.bias={ fraction = 0.75 }"]);
    assert!(told && metrics.len() == 6);
    for line in &metrics {
        let [all, biased, others] = [Part::All, Part::Biased, Part::Unbiased].map(|part| line.loss_of(part));
        let mean = 0.75 * biased.unwrap().1 + 0.25 * others.unwrap().1;
        assert!((all.unwrap().1 - mean).abs() < 1e-5 && biased != others, "{line:?}");
    }
    let (told, metrics) = lines("whole", &["tasks.bias={ fraction = 1.0 }"]);
    let near = |line: &Metric| (line.loss().unwrap().1 - line.loss_of(Part::Biased).unwrap().1).abs() < 1e-5;
    assert!(told && metrics.iter().all(|line| near(line) && line.loss_of(Part::Unbiased).is_none()));
    let (told, metrics) = lines("none", &[]);
    let none =
        |line: &Metric| [Part::Biased, Part::Unbiased].iter().all(|part| line.loss_of(*part).is_none());
    assert!(!told && metrics.iter().all(none));
    let (_, metrics) =
        lines("ended", &["tasks.bias={ fraction = 0.5, decay = { to = 0.0, start = 1, end = 3 } }"]);
    let last = metrics.last().unwrap();
    let [all, biased, others] = [Part::All, Part::Biased, Part::Unbiased].map(|part| last.loss_of(part));
    assert!(biased.is_none() && (all.unwrap().1 - others.unwrap().1).abs() < 1e-5, "{last:?}");
}

#[test]
fn every_architecture_trains_to_the_same_numbers_on_any_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    for kind in ModelConfig::KINDS {
        for layout in ["paired", "shifted"] {
            let on = |threads: usize| {
                let run = dir.path().join(format!("{kind}-{layout}-{threads}"));
                let model = match *kind {
                    "mlp" | "cells" => format!("model={{kind='{kind}'}}"),
                    kind => format!("model={{kind='{kind}',layout='{layout}'}}"),
                };
                let config = small(&[&model, "train.steps=6", "train.log_every=2", "eval.every=0"]);
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| finish(&mut Trainer::start(config, None, &run).unwrap()));
                let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
                (metrics, fs::read(run.join("checkpoints/step-00000006.safetensors")).unwrap())
            };
            assert_eq!(on(1), on(2), "{kind}, {layout}");
        }
    }
}

#[test]
fn seen_tasks_are_those_of_the_steps_that_were_done() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let config = small(&["train.steps=4", "train.batch=8", "eval.every=0", "train.checkpoint_every=2"]);
    let mut trainer = Trainer::start(config, None, &run).unwrap();
    let tasks_of = |trainer: &Trainer| -> Vec<TaskId> {
        let sets = trainer.final_sets().unwrap();
        let seen = sets.iter().find(|set| set.label.starts_with("seen"));
        seen.map(|set| set.ask(Sample::episodes(32)).next().unwrap().batch.tasks).unwrap_or_default()
    };
    assert_eq!(tasks_of(&trainer), [], "nothing was drawn yet");
    let stop = AtomicBool::new(false);
    let mut two = |event: Event| {
        if matches!(event, Event::Step { step: 2, .. }) {
            stop.store(true, Ordering::Relaxed);
        }
    };
    assert_eq!(trainer.train(&stop, &mut two).unwrap(), Ended::Stopped { step: 2 });
    let batches = Arc::clone(trainer.batches());
    let drawn: Vec<TaskId> = (0..4).flat_map(|step| batches.batch(step).tasks).collect();
    assert!(tasks_of(&trainer).iter().all(|task| drawn[..16].contains(task)));
    drop(trainer);
    let mut trainer = Trainer::resume(&run, None).unwrap();
    assert!(tasks_of(&trainer).iter().all(|task| drawn[..16].contains(task)), "of a checkpoint half-way");
    finish(&mut trainer);
    let seen = tasks_of(&trainer);
    assert!(
        seen.iter().all(|task| drawn.contains(task)) && seen.iter().any(|task| drawn[16..].contains(task))
    );
}
