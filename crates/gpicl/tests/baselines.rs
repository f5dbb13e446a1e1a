//! Baselines on the same episodes as every learner: they learn, the same on any number of threads.

use std::sync::Arc;

use gpicl::data::{DataConfig, Dataset};
use gpicl::eval::baselines::{BASELINES, Baseline, BaselinesConfig, Examples, Learner, MamlConfig, curve};
use gpicl::eval::{LearningCurve, TestSet};
use gpicl::models::Dims;
use gpicl::tasks::{BatchSource, Mode, SourceSplits, TasksConfig};

const LENGTH: usize = 100;

fn glyphs() -> (Arc<Dataset>, Arc<Dataset>) {
    let splits = DataConfig::from_spec("glyphs").unwrap().load(None).unwrap();
    (Arc::new(splits.train), Arc::new(splits.test))
}

fn dims(data: &Dataset, episode_length: usize) -> Dims {
    Dims { input_dim: data.dim(), classes: data.num_classes(), episode_length }
}

/// Fits `name` on glyphs and gives its curve on unseen tasks.
fn on_glyphs(name: &str, config: &BaselinesConfig, length: usize, episodes: usize) -> LearningCurve {
    let (train, test) = glyphs();
    let tasks = TasksConfig { episode_length: length, ..TasksConfig::default() };
    let dims = dims(&train, length);
    let tuning = TestSet::tuning(&tasks, 0, dims, &train).unwrap();
    let set = TestSet::unseen(&tasks, 0, dims, &test).unwrap();
    let fitted = Baseline::select(&[name]).unwrap()[0].fit(config, &tuning, 0).unwrap();
    fitted.curve(&set, episodes).unwrap()
}

#[test]
fn classical_methods_learn_on_unseen_glyphs() {
    let config = BaselinesConfig { tune_episodes: 4, ..BaselinesConfig::default() };
    for name in ["knn", "nearest-mean", "ridge", "logistic"] {
        let curve = on_glyphs(name, &config, LENGTH, 24);
        let summary = curve.summary();
        assert_eq!((curve.learner.as_deref(), curve.accuracy.len()), (Some(name), LENGTH));
        assert!(summary.last_10.low > 0.4, "{name}: {summary:?}");
        assert!(summary.first.mean < 0.35, "{name}: {summary:?}");
        assert!(curve.loss[LENGTH - 1] < 0.8 * (10.0_f64).ln(), "{name}: {:?}", curve.loss);
    }
}

#[test]
fn every_baseline_gives_the_same_bits_on_any_number_of_threads() {
    let maml = MamlConfig { steps: 3, hidden: 8, layers: 2, ..MamlConfig::default() };
    let config = BaselinesConfig { tune_episodes: 2, refit: vec![5], maml };
    for baseline in BASELINES {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| on_glyphs(baseline.name, &config, 12, 4))
        };
        let (one, three) = (run(1), run(3));
        assert_eq!(one, three, "{}", baseline.name);
        assert!(one.loss.iter().all(|loss| loss.is_finite()), "{}: {:?}", baseline.name, one.loss);
    }
}

#[test]
fn a_short_meta_training_makes_maml_better_than_no_training() {
    let config = |steps| BaselinesConfig {
        tune_episodes: 8,
        maml: MamlConfig { steps, hidden: 32, ..MamlConfig::default() },
        ..BaselinesConfig::default()
    };
    let (short, long) = (on_glyphs("maml", &config(1), 30, 32), on_glyphs("maml", &config(60), 30, 32));
    assert!(long.summary().loss < short.summary().loss - 0.05, "{short:?} {long:?}");
}

/// Knows the labels of one batch, and is right exactly where the episode has them.
#[derive(Debug)]
struct Oracle {
    inputs: Vec<f32>,
    labels: Vec<u32>,
}

impl Learner for Oracle {
    fn logits(&self, episode: Examples<'_>, logits: &mut [f32]) {
        let (length, index) = (episode.labels.len(), episode.index as usize);
        let size = length * episode.input_dim;
        assert_eq!(episode.inputs, &self.inputs[index * size..(index + 1) * size]);
        let labels = &self.labels[index * length..(index + 1) * length];
        for (row, &label) in logits.chunks_exact_mut(episode.classes).zip(labels) {
            row[label as usize] = 1.0;
        }
    }
}

#[test]
fn a_baseline_is_judged_on_the_episodes_that_models_are_judged_on() {
    let (train, _) = glyphs();
    let tasks = TasksConfig { episode_length: 6, ..TasksConfig::default() };
    let splits = [Arc::clone(&train), Arc::clone(&train)];
    let pair = SourceSplits::projected("toy", &tasks, &splits, None, dims(&train, 6).classes).unwrap();
    // A meta-test of 40 episodes takes the first 40 of this stream, in batches of 32.
    let source = BatchSource::new(Arc::clone(&pair.train), 40, Mode::Seen, 7).unwrap();
    let batch = source.batch(0);
    let oracle = Oracle { inputs: batch.inputs, labels: batch.labels };
    let sets = TestSet::meta_training(&[pair], 7).unwrap();
    let judged = curve(&oracle, &sets[0], 40).unwrap();
    assert_eq!((judged.episodes, judged.summary().mean.mean), (40, 1.0));
    let served: Vec<u32> =
        sets[0].batches(40).flat_map(|(batch, count)| batch.labels[..count * 6].to_vec()).collect();
    assert_eq!(served, oracle.labels);
}

#[test]
fn tuning_episodes_are_no_test_episodes() {
    let (train, _) = glyphs();
    let tasks = TasksConfig::default();
    let dims = dims(&train, LENGTH);
    let tuning = TestSet::tuning(&tasks, 3, dims, &train).unwrap();
    let splits = [Arc::clone(&train), Arc::clone(&train)];
    let pair = SourceSplits::projected("toy", &tasks, &splits, None, dims.classes).unwrap();
    for set in TestSet::meta_training(&[pair], 3).unwrap() {
        let (test, _) = set.batches(32).next().unwrap();
        let (tune, _) = tuning.batches(32).next().unwrap();
        assert!(test.tasks.iter().all(|task| !tune.tasks.contains(task)), "{}", set.label);
    }
}

#[test]
fn sizes_that_cannot_be_used_name_their_field() {
    let (train, _) = glyphs();
    let tuning = TestSet::tuning(&TasksConfig::default(), 0, dims(&train, LENGTH), &train).unwrap();
    let refused = |config: BaselinesConfig| {
        Baseline::select(&["knn"]).unwrap()[0].fit(&config, &tuning, 0).unwrap_err().to_string()
    };
    let config = BaselinesConfig { tune_episodes: 1, ..BaselinesConfig::default() };
    assert!(refused(config).contains("baselines.tune_episodes"));
    let maml = MamlConfig { hidden: 0, ..MamlConfig::default() };
    assert!(
        refused(BaselinesConfig { maml, ..BaselinesConfig::default() }).contains("baselines.maml.hidden")
    );
}
