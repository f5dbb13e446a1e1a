//! Mixtures of sources: which episode is of which, and runs that are meta-trained on several.

#[path = "../../gpicl/tests/common/mod.rs"]
mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{SMALL, finish};
use gpicl::data::{Dataset, InputShape, Library, Split};
use gpicl::eval::baselines::BaselinesConfig;
use gpicl::eval::{LearningCurve, Look, Sample};
use gpicl::tasks::{
    Batch, BatchSource, BiasConfig, Draw, Episode, Identity, Mixture, Mode, Prefetch, Projected,
    SharedBatches, Source, TaskCount, TaskDistribution, TaskId, TasksConfig,
};
use gpicl::train::{Ended, Event, ResumeOptions, Trainer, inspect};
use gpicl::{Layers, Result, RunConfig, RunDir};
use gpicl_lab::meta_test::{EvalRequest, evaluate_runs};
use gpicl_lab::report::html;
use gpicl_lab::results::conclude;
use gpicl_lab::summary::RunSummary;
use gpicl_lab::sweep::{Listener, train_together};
use gpicl_lab::workers::Ending;
use proptest::prelude::*;

/// A source without a data set: every number and label of an episode is its task's.
#[derive(Debug)]
struct Constant(&'static str);

impl Source for Constant {
    fn identity(&self) -> Identity {
        Identity { examples: format!("{self:?}"), tasks: String::new() }
    }

    fn name(&self) -> &str {
        self.0
    }

    fn input_dim(&self) -> usize {
        3
    }

    fn classes(&self) -> usize {
        4
    }

    fn episode_length(&self) -> usize {
        6
    }

    fn fill(&self, task: TaskId, _: Draw, inputs: &mut [f32], labels: &mut [u32]) {
        inputs.fill((task.key() >> 40) as f32);
        labels.fill((task.key() % 4) as u32);
    }
}

/// Tasks over made-up data of `dim` numbers.
fn projected(dim: usize, tasks: &TasksConfig) -> Arc<dyn Source> {
    let inputs = (0..20 * dim).map(|i| ((i * 37 % 101) as f32 - 50.0) / 50.0).collect();
    let labels = (0..20).map(|i| i % 4).collect();
    let names = (0..4).map(|class| class.to_string()).collect();
    let data = Dataset::new(format!("toy{dim}"), InputShape::Vector(dim), inputs, labels, names).unwrap();
    let tasks = TasksConfig { input_dim: Some(3), episode_length: 6, ..tasks.clone() };
    let distribution = TaskDistribution::new(&tasks, dim, 4, 4).unwrap();
    Arc::new(Projected::new(distribution, Arc::new(data)).unwrap())
}

fn three() -> Vec<Arc<dyn Source>> {
    let tasks = TasksConfig { count: TaskCount::Finite(5), ..TasksConfig::default() };
    vec![projected(4, &tasks), Arc::new(Constant("constant")), projected(7, &TasksConfig::default())]
}

fn mixture(weights: &[f64], components: Vec<Arc<dyn Source>>) -> Result<Mixture> {
    Mixture::new(weights.iter().copied().zip(components).collect())
}

fn batches(source: Arc<dyn Source>, batch: usize, mode: Mode, seed: u64) -> BatchSource {
    BatchSource::new(source, batch, mode, seed).unwrap()
}

fn on_threads<T: Send>(threads: usize, run: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn an_episode_is_the_same_in_any_batch_and_on_any_number_of_threads(seed: u64, index in 0..1_u64 << 30) {
        let source = || Arc::new(mixture(&[1.0, 0.5, 2.0], three()).unwrap());
        for mode in [Mode::MetaTrain, Mode::Seen, Mode::Unseen] {
            let whole = on_threads(1, || batches(source(), 12, mode, seed).batch(index));
            let mut parts = Batch::default();
            for part in 0..3 {
                let part = on_threads(2, || batches(source(), 4, mode, seed).batch(3 * index + part));
                parts.inputs.extend(part.inputs);
                parts.labels.extend(part.labels);
                parts.tasks.extend(part.tasks);
            }
            prop_assert_eq!(whole, parts);
        }
    }

    #[test]
    fn an_episode_is_its_components_own(seed: u64, episode: u64) {
        let mixture = mixture(&[1.0, 1.0, 1.0], three()).unwrap();
        let draw = Draw::new(seed, episode);
        for task in [mixture.seen_task(draw), mixture.unseen_task(draw)] {
            let component = &three()[task.component() as usize];
            let own = if task.is_seen() { component.seen_task(draw) } else { component.unseen_task(draw) };
            prop_assert_eq!(task.key(), own.key());
            prop_assert_eq!(Episode::new(&mixture, task, draw), Episode::new(&**component, own, draw));
        }
        prop_assert_eq!(mixture.seen_task(draw).component(), mixture.unseen_task(draw).component());
    }
}

/// Chi squared with 2 degrees of freedom at the level 10^-4, for three seeds.
#[test]
fn components_come_as_often_as_their_weights_say() {
    for (seed, weights) in [[1.0, 2.0, 5.0], [0.001, 0.001, 0.002], [9e300, 3e300, 4e300]].iter().enumerate()
    {
        let source = Arc::new(mixture(weights, three()).unwrap());
        let mut counts = [0.0_f64; 3];
        for index in 0..80 {
            let batch = batches(source.clone(), 100, Mode::MetaTrain, seed as u64).batch(index);
            batch.tasks.iter().for_each(|task| counts[task.component() as usize] += 1.0);
        }
        let total: f64 = weights.iter().sum();
        let expected = weights.map(|weight| 8_000.0 * weight / total);
        let chi: f64 = counts.iter().zip(expected).map(|(n, e)| (n - e).powi(2) / e).sum();
        assert!(chi < 18.4, "{weights:?}: {counts:?}");
    }
    let lopsided = mixture(&[1e-12, 1.0, 1e-12], three()).unwrap();
    assert!((0..2_000).all(|episode| lopsided.seen_task(Draw::new(3, episode)).component() == 1));
}

#[test]
fn a_mixture_of_one_source_is_that_source() {
    for source in three() {
        let alone = batches(Arc::clone(&source), 5, Mode::MetaTrain, 2).batch(7);
        let mixed = mixture(&[0.3], vec![source]).unwrap();
        assert_eq!(batches(Arc::new(mixed), 5, Mode::MetaTrain, 2).batch(7), alone);
    }
}

#[test]
fn each_component_biases_a_fraction_of_its_own_episodes() {
    let biased = |fraction| TasksConfig {
        bias: Some(BiasConfig { fraction, decay: None }),
        project: false,
        ..TasksConfig::default()
    };
    let components = || vec![projected(3, &biased(0.5)), projected(3, &biased(1.0)), three().remove(1)];
    let mixture = Arc::new(mixture(&[2.0, 1.0, 1.0], components()).unwrap());
    let batch = batches(mixture.clone(), 40, Mode::MetaTrain, 4).batch(0);
    let flags = mixture.biased(0, &batch.tasks);
    for (number, fraction) in [0.5, 1.0, 0.0].into_iter().enumerate() {
        let of = |i: &usize| batch.tasks[*i].component() as usize == number;
        let own: Vec<usize> = (0..40).filter(of).collect();
        let expected = (fraction * own.len() as f64).round() as usize;
        assert!(own.len() > 3, "{own:?}");
        assert!(own[..expected].iter().all(|&i| flags[i]) && !own[expected..].iter().any(|&i| flags[i]));
        for &i in &own {
            let (task, draw) = (batch.tasks[i], Draw::new(4, i as u64));
            let mut episode = Episode::new(&*components()[number], task, draw);
            if flags[i] {
                components()[number].fill_biased(task, draw, &mut episode.inputs, &mut episode.labels);
            }
            assert_eq!(batch.labels[6 * i..6 * (i + 1)], episode.labels);
            assert_eq!(batch.inputs[18 * i..18 * (i + 1)], episode.inputs);
        }
    }
    let unbiased = batches(mixture.clone(), 40, Mode::MetaTrain, 4).unbiased().batch(0);
    assert_eq!(unbiased.tasks, batch.tasks);
    assert_ne!(unbiased.labels, batch.labels);
}

#[test]
fn batches_of_a_mixture_are_prefetched_and_shared() {
    let source = Arc::new(batches(Arc::new(mixture(&[1.0; 3], three()).unwrap()), 6, Mode::MetaTrain, 1));
    let mut ahead = Prefetch::new(Arc::clone(&source), 2..5);
    let shared = SharedBatches::new(Arc::clone(&source), 2);
    for index in 2..5 {
        let batch = ahead.next().unwrap();
        assert_eq!(batch, source.batch(index));
        assert_eq!(*shared.batch(index), batch);
        assert!(Arc::ptr_eq(&shared.batch(index + 10), &shared.batch(index + 10)));
        ahead.recycle(batch);
    }
}

#[test]
fn components_that_cannot_be_mixed_are_errors() {
    let error = |weights: &[f64], components| mixture(weights, components).unwrap_err().to_string();
    assert!(error(&[], Vec::new()).contains("has a component"));
    for weight in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let message = error(&[1.0, weight], three());
        assert!(message.contains("constant") && message.contains("positive"), "{message}");
    }
    assert!(error(&[f64::MAX; 3], three()).contains("finite sum"));
    let wide = TasksConfig { episode_length: 6, ..TasksConfig::default() };
    let wide = TaskDistribution::new(&wide, 3, 4, 5).unwrap();
    let data = Dataset::new(
        "wide",
        InputShape::Vector(3),
        vec![0.5; 12],
        vec![0, 1, 2, 3],
        (0..4).map(|class| class.to_string()).collect(),
    );
    let wide: Arc<dyn Source> = Arc::new(Projected::new(wide, Arc::new(data.unwrap())).unwrap());
    let message = error(&[1.0; 2], vec![three().remove(0), wide]);
    assert!(message.contains("`wide`") && message.contains("(3, 5, 6)"), "{message}");
}

/// Two made data sets, of other sizes and numbers of classes.
const MIX: &str = r#"
[[mix]]
weight = 3
data = { name = "random", size = 12, classes = 4, per_class = 40, noise = 0.2 }
tasks = { episode_length = 16, input_dim = 10 }

[[mix]]
data = { name = "random", size = 9, classes = 3, per_class = 40, seed = 7 }
tasks = { episode_length = 16, input_dim = 10, count = "2^3" }
"#;

/// [`SMALL`] with [`MIX`] for its data and tasks, and some fields set otherwise.
fn layers(sets: &[&str]) -> Result<Layers> {
    let model = SMALL.find("[model]").unwrap();
    let mut layers = Layers::default();
    layers.text("small", &SMALL[model..])?;
    layers.text("mix.toml", MIX)?;
    sets.iter().try_for_each(|set| layers.set(set))?;
    Ok(layers)
}

fn mixed(sets: &[&str]) -> RunConfig {
    layers(sets).and_then(|layers| layers.build()).unwrap()
}

#[test]
fn a_mixture_is_written_without_the_tables_of_a_single_source() {
    let config = mixed(&["mix[1].weight=0.5", "mix[0].tasks.seed=4"]);
    assert_eq!((config.mix[1].weight, config.mix[0].source.seed()), (0.5, 4));
    let text = config.to_toml();
    assert!(text.contains("[[mix]]") && !text.contains("\n[data]") && !text.contains("\n[tasks]"), "{text}");
    let mut read = Layers::default();
    read.text("config.toml", &text).unwrap();
    assert_eq!(read.build().unwrap(), config);
    assert!(!RunConfig::default().to_toml().contains("mix"));
    let reseeded = config.with_seed(9);
    assert_eq!((reseeded.seed, reseeded.mix[0].source.seed(), reseeded.mix[1].source.seed()), (9, 9, 9));
    assert!(reseeded.validate().is_ok());
}

#[test]
fn a_mixture_that_cannot_be_used_names_its_field() {
    let dir = tempfile::tempdir().unwrap();
    let whole = "mix=[{ weight = 1 }, { data = { name = 'random', size = 9 } }]";
    for (number, (set, parts)) in [
        ("mix[1].weight=0", ["`mix[1].weight`", "is 0", "positive"]),
        ("mix[0].weight=-1", ["`mix[0].weight`", "is -1", "positive"]),
        ("mix[0].weight=inf", ["`mix[0].weight`", "is inf", "positive"]),
        ("mix[1].tasks.episode_length=8", ["`mix[1].tasks.episode_length`", "is 8", "mix[0] 16"]),
        ("mix[1].tasks.input_dim=9", ["`mix[1].tasks.input_dim`", "9 numbers", "mix[0] 10"]),
        (whole, ["`mix[1].tasks.input_dim`", "9 numbers", "mix[0] 196"]),
        ("mix[1].tasks.bias={ fraction = 2 }", ["`mix[1].tasks.bias.fraction`", "is 2", "[0, 1]"]),
        ("mix[1].data.name=imagenet", ["`mix[1].data.name`", "imagenet", "choose one of"]),
        ("mix[1].data.resize=3", ["`mix[1].data.resize`", "vectors", "leave"]),
        ("mix[1].wait=3", ["mix[1]", "unknown field `wait`", "weight"]),
        ("mix[2].weight=3", ["`mix[2].weight`", "2 elements", "whole array"]),
        ("mix[x].weight=3", ["`mix[x].weight`", "2 elements", "whole array"]),
        ("mix[0.weight=3", ["`mix[0.weight`", "no `]`", "mix[1].weight"]),
        ("data.name=random", ["`data`", "beside [[mix]]", "[mix.data]"]),
        ("tasks.count=3", ["`tasks`", "beside [[mix]]", "[mix.tasks]"]),
    ]
    .into_iter()
    .enumerate()
    {
        let run = dir.path().join(number.to_string());
        let started = layers(&[set]).and_then(|layers| {
            Trainer::start(layers.build()?, None, &run).map_err(|error| layers.blame(error))
        });
        let error = started.unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{set}: `{part}` is not in: {error}");
        }
        assert!(!run.exists(), "{set}: nothing is written before a run can begin");
    }
    let mut file = layers(&[]).unwrap();
    file.text("bad.toml", &MIX.replace("weight = 3", "weight = 0")).unwrap();
    let error = file.build().unwrap_err().to_string();
    assert!(error.starts_with("bad.toml: field `mix[0].weight`"), "{error}");
}

#[test]
fn a_run_on_a_mixture_is_resumed_and_meta_tested_on_every_source() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, cut) = (dir.path().join("whole"), dir.path().join("cut"));
    let steps = ["train.steps=20", "eval.every=10"];
    on_threads(1, || finish(&mut Trainer::start(mixed(&steps), None, &whole).unwrap()));
    let stop = AtomicBool::new(false);
    let mut trainer = Trainer::start(mixed(&steps), None, &cut).unwrap();
    assert_eq!((trainer.dims().input_dim, trainer.dims().classes), (10, 4));
    let ended = on_threads(2, || {
        trainer.train(&stop, &mut |event| {
            if matches!(event, Event::Step { step: 13, .. }) {
                stop.store(true, Ordering::Relaxed);
            }
        })
    });
    assert_eq!(ended.unwrap(), Ended::Stopped { step: 13 });
    drop(trainer);
    finish(&mut Trainer::resume(&cut, None).unwrap());
    for file in ["metrics.jsonl", "config.toml", "checkpoints/step-00000020.safetensors"] {
        assert_eq!(fs::read(whole.join(file)).unwrap(), fs::read(cut.join(file)).unwrap(), "{file}");
    }
    let sets = [
        "seen tasks, random train",
        "unseen tasks, random test",
        "seen tasks, random@7 train",
        "unseen tasks, random@7 test",
        "unseen tasks, random train",
        "unseen tasks, random@7 train",
    ];
    let metrics = fs::read_to_string(whole.join("metrics.jsonl")).unwrap();
    // During meta-training the validation split stands for the test split, and the third set is left out.
    for (set, count) in [
        ("seen tasks, random train", 1),
        ("unseen tasks, random validation", 1),
        ("unseen tasks, random test", 0),
        ("unseen tasks, random train", 0),
        ("seen tasks, random@7 train", 1),
        ("unseen tasks, random@7 validation", 1),
    ] {
        assert_eq!(metrics.matches(&format!("\"{set}\"")).count(), count, "{set}: {metrics}");
    }

    let described = inspect(&whole).unwrap().text();
    let sources = "random, unlimited tasks of seed 0, weight 3; random, 2^3 tasks of seed 0, weight 1";
    assert!(described.contains(sources), "{described}");
    conclude(&Trainer::resume(&whole, None).unwrap(), &Look::default()).unwrap();
    let page = html(&whole).unwrap();
    for part in
        ["tasks 0 and 0, data 0 and 7", "On unseen tasks, random test: ", "On unseen tasks, random@7 test: "]
    {
        assert!(page.contains(part), "`{part}` is not in: {page}");
    }

    let request = EvalRequest {
        data: Vec::new(),
        sample: Sample { episodes: 8, queries: 4 },
        split: Split::Test,
        seed: Some(9),
        device: None,
        allow_other_data: false,
        data_dir: None,
        baselines: vec!["knn".into()],
        baselines_config: BaselinesConfig { tune_episodes: 4, ..BaselinesConfig::default() },
    };
    let both = [whole.clone(), cut.clone()];
    let results = evaluate_runs(&both[..1], &request, &mut |_| {}).unwrap();
    assert_eq!(results.curves.iter().map(|curve| curve.label.as_str()).collect::<Vec<_>>(), sets);
    // The second source has three classes in four label slots.
    let classes = |curves: &[LearningCurve]| curves.iter().map(|curve| curve.classes).collect::<Vec<_>>();
    assert_eq!(classes(&results.curves), [None, None, Some(3), Some(3), None, Some(3)]);
    let of = |learner: &str| {
        let own = results.baselines.iter().filter(|curve| curve.learner.as_deref() == Some(learner));
        own.map(|curve| (curve.label.as_str(), curve.classes)).collect::<Vec<_>>()
    };
    assert_eq!(of("knn").len(), 6);
    assert_eq!(of("untrained"), [(sets[1], None), (sets[3], Some(3))], "on examples that were held out");
    assert!(results.text().contains("chance 25.0, on seen tasks, random@7 train 33.3, on unseen"));
    assert_eq!(results.outcomes.iter().map(|(set, _)| set.as_str()).collect::<Vec<_>>(), [sets[1], sets[3]]);
    assert_eq!(results.outcome, Some(results.outcomes[0].1));
    assert_eq!(results.text().matches("verdict on unseen tasks").count(), 2);
    let error = evaluate_runs(&both, &request, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("cut/checkpoints") && error.contains("each seed once"), "{error}");
    // Another data set, prepared as the source of its name is.
    let other = EvalRequest { data: vec!["random@8".into()], baselines: Vec::new(), ..request };
    let results = evaluate_runs(&both[..1], &other, &mut |_| {}).unwrap();
    assert_eq!(results.curves[0].label, "unseen tasks, random test");
    assert!(results.outcome.is_none() && results.outcomes.is_empty());

    let changed =
        fs::read_to_string(cut.join("config.toml")).unwrap().replace("weight = 3.0", "weight = 2.0");
    fs::write(cut.join("config.toml"), changed).unwrap();
    let error = Trainer::resume(&cut, None).unwrap_err().to_string();
    assert!(error.contains("weight`: is 2.0, was 3.0"), "{error}");
}

/// Refuses every ending but a run's own.
struct Finishing;

impl Listener for Finishing {
    fn on_event(&self, _: usize, _: Event) {}

    fn on_end(&self, run: usize, ending: Ending) {
        assert!(matches!(ending, Ending::Finished), "{run}: {ending:?}");
    }
}

#[test]
fn a_population_on_a_mixture_gives_the_numbers_of_runs_alone() {
    let dir = tempfile::tempdir().unwrap();
    let sets: [&[&str]; 3] =
        [&["train.lr=0.001"], &["train.lr=0.002"], &["train.lr=0.002", "mix[0].weight=0.25"]];
    let configs = sets.map(|sets| mixed(&[sets, &["train.steps=6", "train.log_every=1"]].concat()));
    let [alone, together] = ["alone", "together"]
        .map(|kind| std::array::from_fn::<_, 3, _>(|number| dir.path().join(format!("{kind}{number}"))));
    for (config, (alone, together)) in configs.iter().zip(alone.iter().zip(&together)) {
        finish(&mut Trainer::start(config.clone(), None, alone).unwrap());
        RunDir::create(together, config).unwrap();
    }
    let (library, stop) = (Library::new(None), AtomicBool::new(false));
    on_threads(2, || train_together(&together, &library, &ResumeOptions::default(), &stop, &Finishing))
        .unwrap();
    let metrics = |run: &Path| fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    for (alone, together) in alone.iter().zip(&together) {
        assert_eq!(metrics(alone), metrics(together));
        let summary = RunSummary::of(&RunDir::open(together).unwrap().0).unwrap();
        let sets: Vec<&str> = summary.sources.iter().map(|source| source.set.as_str()).collect();
        assert_eq!(sets, ["unseen tasks, random test", "unseen tasks, random@7 test"]);
    }
    assert_ne!(metrics(&alone[1]), metrics(&alone[2]), "the weights decide the batches");
}

/// Made tables beside projected tasks.
const WITH_TABLES: &str = r#"
[[mix]]
prior = { episode_length = 16, input_dim = 10, classes = 4, missing = false }

[[mix]]
data = { name = "random", size = 9, classes = 3, per_class = 40 }
tasks = { episode_length = 16, input_dim = 10 }
"#;

fn with_tables(mix: &str, sets: &[&str]) -> Result<RunConfig> {
    let mut layers = Layers::default();
    layers.text("small", &SMALL[SMALL.find("[model]").unwrap()..])?;
    layers.text("tables.toml", mix)?;
    sets.iter().try_for_each(|set| layers.set(set))?;
    layers.build()
}

#[test]
fn made_tables_are_meta_trained_on_alone_and_beside_projected_tasks() {
    let alone = WITH_TABLES[..WITH_TABLES.rfind("[[mix]]").unwrap()].to_string();
    for (mix, sets) in [(&alone[..], 3), (WITH_TABLES, 6)] {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("run");
        let config = with_tables(mix, &["train.steps=6", "eval.every=3", "eval.final_episodes=8"]).unwrap();
        let mut trainer = Trainer::start(config.clone(), None, &run).unwrap();
        assert_eq!((trainer.dims().input_dim, trainer.dims().classes), (10, 4));
        finish(&mut trainer);
        let curves = trainer.meta_test(Sample::episodes(8)).unwrap();
        let labels: Vec<&str> = curves.iter().map(|curve| &curve.label[..]).collect();
        assert_eq!(labels.len(), sets, "{labels:?}");
        assert!(labels.contains(&"unseen tasks, prior test"), "{labels:?}");
        // Sets of made tables differ in their tasks, not in examples that would be some data set's.
        let of = |label: &str| curves.iter().find(|curve| curve.label == label).unwrap().set.clone();
        assert_ne!(of("unseen tasks, prior test"), of("unseen tasks, prior train"));
        drop(trainer);
        assert_eq!(RunConfig::read(&run.join("config.toml")).unwrap(), config);
        let request = EvalRequest {
            data: Vec::new(),
            sample: Sample::episodes(4),
            split: Split::Validation,
            seed: None,
            allow_other_data: false,
            device: None,
            data_dir: None,
            baselines: vec!["nearest-mean".into()],
            baselines_config: BaselinesConfig::default(),
        };
        let results = evaluate_runs(std::slice::from_ref(&run), &request, &mut |_| {}).unwrap();
        assert!(results.curves.iter().any(|curve| curve.label == "unseen tasks, prior validation"));
        assert!(inspect(&run).unwrap().text().contains("prior, unlimited tasks"));
    }
}

#[test]
fn what_cannot_be_made_of_tables_names_its_field() {
    for (set, parts) in [
        ("mix[0].prior.missing=true", ["`mix[0].prior.missing`", "`transformer` cannot read", "false"]),
        ("mix[0].prior.episode_length=8", ["`mix[1].tasks.episode_length`", "is 16", "mix[0] 8"]),
        ("mix[0].prior.least_feature=8", ["mix[0]", "unknown field `least_feature`", "least_features"]),
        ("mix[0].prior.families={ oaks = 1 }", ["mix[0]", "unknown field `oaks`", "trees"]),
        ("mix[0].prior.families={}", ["`mix[0].prior.families`", "sum 0", "trees"]),
        ("mix[0].prior.input_dim=12", ["`mix[1].tasks.input_dim`", "10 numbers", "mix[0] 12"]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let started = with_tables(WITH_TABLES, &[set])
            .and_then(|config| Trainer::start(config, None, &dir.path().join("run")));
        let error = started.unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{set}: `{part}` is not in: {error}");
        }
    }
}
