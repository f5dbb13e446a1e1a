//! What a meta-test asks: queries are answered as examples at their place would be.

mod common;

use std::sync::Arc;

use burn::tensor::Device;
use common::small;
use gpicl::Layers;
use gpicl::data::{DataConfig, Library, Split};
use gpicl::eval::{Sample, TestSet, episode_dims, hits, meta_test};
use gpicl::models::SequenceModel as _;
use gpicl::tasks::{Batch, load_sources, to_device};
use gpicl::train::Trainer;

/// The sets of [`small`], whose test split has 40 examples, and a model of its sizes that nothing was taught.
fn unseen(sets: &[&str]) -> (TestSet, gpicl::models::Model, Device) {
    let config = small(sets);
    let sources = load_sources(&config.components(), None, &Library::new(None)).unwrap();
    let dims = episode_dims(&*sources[0].test);
    let device = config.device().unwrap();
    let model = config.model.init(dims, config.precision, 3, &device).unwrap();
    let test = Library::new(None).split(&config.data, Split::Test).unwrap();
    (TestSet::unseen(&config.tasks, 5, dims, &test).unwrap(), model, device)
}

/// `batch` with query `q` of every episode at its last position, after the first `examples` examples.
fn with_query(batch: &Batch, queries: &Batch, examples: usize, q: usize) -> Batch {
    let mut made = Batch { tasks: batch.tasks.clone(), ..Batch::default() };
    let dim = batch.input_dim();
    for i in 0..batch.len() {
        let ((inputs, labels), (asked, answers)) = (batch.episode(i), queries.episode(i));
        made.inputs.extend_from_slice(&inputs[..examples * dim]);
        made.inputs.extend_from_slice(&asked[q * dim..(q + 1) * dim]);
        made.labels.extend_from_slice(&labels[..examples]);
        made.labels.push(answers[q]);
    }
    made
}

#[test]
fn accuracy_after_some_examples_is_that_of_every_query_in_its_place() {
    let sample = Sample { episodes: 40, queries: 16 };
    for layout in ["paired", "shifted"] {
        let (set, model, device) = unseen(&[&format!("model.layout={layout}")]);
        let curve = meta_test(&model, &set, sample, &device).unwrap();
        // Two in an eighth as many before the last position, 16 there.
        for (examples, queries) in [(1, 2), (2, 2), (5, 2), (10, 2), (15, 16)] {
            let (mut right, mut asked_for) = (0, 0);
            for asked in set.ask(sample) {
                let fresh = asked.queries(0..queries);
                for q in 0..queries {
                    let batch = with_query(&asked.batch, &fresh, examples, q);
                    let (inputs, labels) = to_device(&batch, &device);
                    let hits = hits(model.forward(inputs, labels), &batch.labels);
                    let last = hits.iter().skip(examples).step_by(examples + 1);
                    right += last.take(asked.count).filter(|&&hit| hit).count();
                    asked_for += asked.count;
                }
            }
            assert_eq!(asked_for, 40 * queries);
            let accuracy = right as f64 / asked_for as f64;
            assert!((curve.accuracy[examples].mean - accuracy).abs() < 1e-9, "{layout}, {examples}");
        }
        assert_eq!((curve.episodes, curve.queries, curve.images), (40, 16, Some(40)));
        let scores = curve.per_episode.as_ref().unwrap();
        let mean = scores.last.iter().sum::<f64>() / 40.0;
        assert!((curve.summary().last.mean - mean).abs() < 1e-9);
        assert!((curve.accuracy[15].mean - mean).abs() < 1e-9);
    }
}

#[test]
fn there_are_as_many_queries_as_there_are_examples_left() {
    let (set, model, device) = unseen(&[]);
    let asked = |queries| meta_test(&model, &set, Sample { episodes: 4, queries }, &device).unwrap();
    // 40 test examples, 16 in the episode.
    assert_eq!([0, 3, 24, 1000].map(|queries| asked(queries).queries), [0, 3, 24, 24]);
    assert!(!asked(1000).replacement);
    let (set, model, device) = unseen(&["tasks.replacement=true"]);
    let curve = meta_test(&model, &set, Sample { episodes: 4, queries: 64 }, &device).unwrap();
    assert_eq!((curve.queries, curve.replacement), (64, true));
}

#[test]
fn curves_of_the_same_episodes_say_so_whatever_the_length_of_their_inputs() {
    let set = |sets: &[&str]| {
        let (set, model, device) = unseen(sets);
        meta_test(&model, &set, Sample::episodes(2), &device).unwrap().set
    };
    let base = set(&[]);
    assert_eq!(base.len(), 16);
    assert_eq!(set(&["tasks.input_dim=7"]), base);
    for other in ["tasks.seed=1", "data.seed=1", "data.noise=0.3", "tasks.replacement=true"] {
        assert_ne!(set(&[other]), base, "{other}");
    }
}

#[test]
fn no_split_shares_an_example_with_another() {
    let data = DataConfig { name: "glyphs".into(), per_class: Some(40), ..DataConfig::default() };
    let splits = Library::new(None).splits(&data).unwrap();
    let rows: Vec<Vec<Vec<u32>>> = splits
        .iter()
        .map(|split| (0..split.len()).map(|i| split.input(i).iter().map(|x| x.to_bits()).collect()).collect())
        .collect();
    assert_eq!(rows.iter().map(Vec::len).collect::<Vec<_>>(), [360, 40, 100]);
    for (i, split) in rows.iter().enumerate() {
        assert!(rows[..i].iter().flatten().all(|row| !split.contains(row)));
    }
    assert_eq!(Arc::strong_count(&splits[0]), 1);
}

#[test]
fn other_tasks_that_cannot_be_tested_on_are_refused_by_their_field() {
    let config = |sets: &[&str]| {
        let mut layers = Layers::default();
        sets.iter().for_each(|set| layers.set(set).unwrap());
        layers.build()
    };
    let cases: [(&[&str], &str); 5] = [
        (&["eval.tasks=[{ episode_length = 500 }]"], "`eval.tasks[0].episode_length`: is more than"),
        (&["eval.tasks=[{ episode_length = 1 }]"], "`eval.tasks[0].episode_length`: is 1"),
        (&["eval.tasks=[{ permute = false }, {}]"], "`eval.tasks[1]`: changes nothing"),
        (&["eval.tasks=[{ permute = false }, { permute = false }]"], "is there twice"),
        (
            &["mix=[{ prior = { missing = false } }]", "eval.tasks=[{ permute = false }]"],
            "makes its tasks without a data set",
        ),
    ];
    for (sets, problem) in cases {
        let error = config(sets).unwrap_err().to_string();
        assert!(error.contains(problem), "{sets:?}: {error}");
    }
    assert!(config(&["eval.tasks=[{ episode_length = 3 }]"]).is_ok());
    assert!(config(&["eval.tasks=[{ episode_length = 500 }]", "model.positions=false"]).is_ok());
    // What does not fit the data is known with them, before the first step.
    let dir = tempfile::tempdir().unwrap();
    let sets = ["tasks.input_dim=7", "eval.tasks=[{ project = false }]"];
    let error = Trainer::start(small(&sets), None, &dir.path().join("run")).unwrap_err().to_string();
    assert!(error.contains("`eval.tasks`: { project = false }: the data set has"), "{error}");
}
