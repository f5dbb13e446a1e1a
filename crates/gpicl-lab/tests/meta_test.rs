//! Meta-tests of finished runs.

#[path = "../../gpicl/tests/common/mod.rs"]
mod common;

use std::path::Path;

use common::{finish, small};
use gpicl::DeviceKind;
use gpicl::data::Split;
use gpicl::eval::Sample;
use gpicl::eval::baselines::BaselinesConfig;
use gpicl::train::Trainer;
use gpicl_lab::meta_test::{EvalRequest, evaluate_runs};

/// A small run of a few steps, with some fields set otherwise, to its end.
fn finished(sets: &[&str], run: &Path) {
    let sets = [&["train.steps=2", "eval.every=0", "eval.final_episodes=8"], sets].concat();
    finish(&mut Trainer::start(small(&sets), None, run).unwrap());
}

fn request(episodes: usize, device: Option<DeviceKind>) -> EvalRequest {
    EvalRequest {
        data: Vec::new(),
        sample: Sample { episodes, queries: 8 },
        split: Split::Test,
        seed: None,
        device,
        allow_other_data: false,
        data_dir: None,
        baselines: Vec::new(),
        baselines_config: BaselinesConfig::default(),
    }
}

#[test]
fn runs_that_are_not_seeds_of_one_result_are_not_averaged() {
    let dir = tempfile::tempdir().unwrap();
    let runs = ["a", "b", "c"].map(|name| dir.path().join(name));
    let sets: [&[&str]; 3] = [&[], &["seed=1"], &["train.steps=3"]];
    runs.iter().zip(sets).for_each(|(run, sets)| finished(sets, run));
    let request = request(4, None);
    let seeds = evaluate_runs(&runs[..2], &request, &mut |_| {}).unwrap();
    assert_eq!((seeds.seeds, seeds.curves[0].seeds), (2, 2));
    // Every run has tasks of its own, so its control pairs with it seed by seed.
    let ahead = &seeds.ahead[0];
    assert_eq!(ahead.learner, "untrained");
    let of = |curves: &[gpicl::eval::LearningCurve]| {
        let curve = curves.iter().find(|curve| curve.label == ahead.set).unwrap();
        curve.summary().last.mean
    };
    assert!((ahead.last.mean - (of(&seeds.curves) - of(&seeds.baselines))).abs() < 1e-9, "{ahead:?}");
    assert!(seeds.text().contains("model ahead by"), "{}", seeds.text());
    let error = evaluate_runs(&runs, &request, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("another configuration"), "{error}");
}

#[test]
fn other_tasks_than_meta_training_s_are_tested_at_its_end_and_again() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let changes = "eval.tasks=[{ episode_length = 24 }, { project = false, permute = false }]";
    finished(&["model.positions=false", "tasks.episode_length=12", changes], &run);
    let again = evaluate_runs(std::slice::from_ref(&run), &request(8, None), &mut |_| {}).unwrap();
    let found: Vec<(&str, usize)> =
        again.curves.iter().map(|curve| (curve.label.as_str(), curve.accuracy.len())).collect();
    let expected = [
        ("seen tasks, random train", 12),
        ("unseen tasks, random test", 12),
        ("unseen tasks (episode_length = 24), random test", 24),
        ("unseen tasks (project = false, permute = false), random test", 12),
        ("unseen tasks, random train", 12),
    ];
    assert_eq!(found, expected);
    let trainer = Trainer::resume(&run, None).unwrap();
    let own = trainer.meta_test(request(8, None).sample).unwrap();
    let numbers = |curves: &[gpicl::eval::LearningCurve]| {
        curves.iter().map(|curve| (curve.label.clone(), curve.summary())).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&own), numbers(&again.curves));
    // Each has its control.
    assert_eq!(again.baselines.len(), 3);
}

/// Beside the CPU, on the device that `GPICL_TEST_DEVICE` names.
#[test]
fn a_run_is_trained_and_meta_tested_there() {
    let Ok(name) = std::env::var("GPICL_TEST_DEVICE") else {
        eprintln!("SKIPPED: devices beside the CPU: GPICL_TEST_DEVICE is not set");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    finished(&[&format!("device={name}"), "model.kind=mlp", "train.steps=3"], &run);
    let eval = |device| evaluate_runs(std::slice::from_ref(&run), &request(8, device), &mut |_| {}).unwrap();
    // One prediction in a hundred may fall on the other side.
    for (there, here) in eval(None).curves.iter().zip(&eval(Some(DeviceKind::Cpu)).curves) {
        let off = there.summary().last_10.mean - here.summary().last_10.mean;
        assert!(off.abs() < 0.02, "{}: off by {off}", there.label);
    }
}
