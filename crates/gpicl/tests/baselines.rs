//! Baselines on the same episodes as every learner: they learn, the same on any number of threads.

use std::sync::Arc;

use gpicl::data::{DataConfig, Dataset, Split};
use gpicl::eval::baselines::{BASELINES, Baseline, BaselinesConfig, Examples, Learner, MamlConfig, curve};
use gpicl::eval::{LearningCurve, Sample, TestSet, Trained};
use gpicl::models::Dims;
use gpicl::tasks::{Batch, BatchSource, Mode, SourceSplits, TasksConfig};

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
    fitted.curve(&set, Sample::episodes(episodes)).unwrap()
}

#[test]
fn classical_methods_learn_on_unseen_glyphs() {
    let config = BaselinesConfig { tune_episodes: 4, ..BaselinesConfig::default() };
    for name in ["knn", "smoother", "nearest-mean", "ridge", "logistic", "kernel-ridge", "svm"] {
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
fn answers_are_those_of_the_last_position_of_an_episode() {
    let length = 13;
    let (train, _) = glyphs();
    let tasks = TasksConfig { episode_length: length, ..TasksConfig::default() };
    let dims @ Dims { input_dim, classes, .. } = dims(&train, length);
    let tuning = TestSet::tuning(&tasks, 0, dims, &train).unwrap();
    let batch = tuning.ask(Sample::episodes(1)).next().unwrap().batch;
    let maml = MamlConfig { steps: 3, hidden: 8, layers: 2, ..MamlConfig::default() };
    let config = BaselinesConfig { tune_episodes: 2, refit: vec![], maml };
    let queries = &batch.inputs[(length - 3) * input_dim..length * input_dim];
    for baseline in BASELINES {
        let fitted = baseline.fit(&config, &tuning, 0).unwrap();
        for count in [0, 1, 2, 10] {
            let (inputs, labels) = (&batch.inputs[..count * input_dim], &batch.labels[..count]);
            let context = Examples { inputs, labels, input_dim, classes, index: 5 };
            let mut answers = vec![0.0; 3 * classes];
            fitted.learner().answer(context, queries, &mut answers);
            for (query, answer) in queries.chunks_exact(input_dim).zip(answers.chunks_exact(classes)) {
                let (inputs, labels) = ([inputs, query].concat(), [labels, &[0]].concat());
                let episode = Examples { inputs: &inputs, labels: &labels, input_dim, classes, index: 5 };
                let mut logits = vec![0.0; labels.len() * classes];
                fitted.learner().logits(episode, &mut logits);
                for (is, expected) in answer.iter().zip(&logits[count * classes..]) {
                    let close = (is - expected).abs() < 1e-4 * (1.0 + expected.abs());
                    assert!(close, "{} after {count}: {answer:?} {logits:?}", baseline.name);
                }
            }
        }
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

/// Knows the answers, and checks that it is asked for the examples that it expects.
#[derive(Debug)]
struct Oracle {
    episodes: Batch,
    queries: Batch,
}

impl Learner for Oracle {
    fn logits(&self, episode: Examples<'_>, logits: &mut [f32]) {
        let (inputs, labels) = self.episodes.episode(episode.index as usize);
        assert_eq!((episode.inputs, episode.labels), (inputs, labels));
        tell(labels, logits);
    }

    fn answer(&self, context: Examples<'_>, queries: &[f32], logits: &mut [f32]) {
        let (inputs, labels) = self.episodes.episode(context.index as usize);
        let (asked, answers) = self.queries.episode(context.index as usize);
        assert!(inputs.starts_with(context.inputs) && labels.starts_with(context.labels));
        assert!(asked.starts_with(queries));
        tell(&answers[..logits.len() / context.classes], logits);
    }
}

/// Logits that are right.
fn tell(labels: &[u32], logits: &mut [f32]) {
    let classes = logits.len() / labels.len();
    for (row, &label) in logits.chunks_exact_mut(classes).zip(labels) {
        row[label as usize] = 1.0;
    }
}

/// The sets of a run over one data set, with all three splits alike, as if it had drawn `episodes` episodes under seed 7.
fn sets_of_a_run(data: &Arc<Dataset>, length: usize, episodes: u64) -> (SourceSplits, Vec<TestSet>) {
    let tasks = TasksConfig { episode_length: length, ..TasksConfig::default() };
    let splits = [0; 3].map(|_| Arc::clone(data));
    let splits = SourceSplits::projected("toy", &tasks, &splits, None, dims(data, length).classes).unwrap();
    let trained = Trained { source: Arc::clone(&splits.train), seed: 7, batch: 4, steps: episodes / 4 };
    let own = std::slice::from_ref(&splits);
    let mut sets = TestSet::meta_training(own, &trained, 7, Split::Test);
    sets.extend(TestSet::of_training_examples(own, 7));
    (splits, sets)
}

#[test]
fn a_baseline_is_judged_on_the_episodes_that_models_are_judged_on() {
    let (train, _) = glyphs();
    let (splits, sets) = sets_of_a_run(&train, 6, 0);
    assert_eq!(sets.len(), 2, "nothing was seen yet");
    // A meta-test of 40 episodes takes the first 40 of this stream, in batches of 32.
    let source = BatchSource::new(Arc::clone(&splits.test), 40, Mode::Unseen, 7).unwrap();
    let batch = source.with_queries(3).batch(0);
    let [episodes, queries] = batch.split_at(6);
    let oracle = Oracle { episodes, queries };
    let judged = curve(&oracle, &sets[0], Sample { episodes: 40, queries: 3 }).unwrap();
    assert_eq!((judged.episodes, judged.queries, judged.summary().mean.mean), (40, 3, 1.0));
    assert_eq!(judged.accuracy[5].mean, 1.0);
}

#[test]
fn tuning_episodes_are_no_test_episodes() {
    let (train, _) = glyphs();
    let tuning = TestSet::tuning(&TasksConfig::default(), 7, dims(&train, LENGTH), &train).unwrap();
    let tasks = |set: &TestSet| set.ask(Sample::episodes(32)).next().unwrap().batch.tasks;
    let (_, sets) = sets_of_a_run(&train, LENGTH, 32);
    assert_eq!(sets.len(), 3);
    for set in &sets {
        let shared = tasks(set).iter().filter(|task| tasks(&tuning).contains(task)).count();
        // Tasks that meta-training drew are seen again, with other examples.
        assert_eq!(shared, if set.label.starts_with("seen") { 32 } else { 0 }, "{}", set.label);
        let examples = |set: &TestSet| set.ask(Sample::episodes(32)).next().unwrap().batch.inputs;
        assert_ne!(examples(set), examples(&tuning), "{}", set.label);
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
