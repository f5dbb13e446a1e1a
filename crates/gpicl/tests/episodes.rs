//! Episodes and batches are pure functions of seeds and counters, and hold what their tasks say.

use std::collections::HashSet;
use std::sync::Arc;

use gpicl::data::{Dataset, InputShape};
use gpicl::tasks::{
    Batch, BatchSource, BiasConfig, BiasDecay, Draw, Episode, Mixture, Mode, Prefetch, Projected, Source,
    TaskCount, TaskDistribution, TaskId, TasksConfig, Visited, permutation,
};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

const CLASSES: usize = 5;

/// `n` examples of `dim` numbers; example `i` has label `i % CLASSES` and inputs that name it.
fn data(n: usize, dim: usize) -> Dataset {
    let inputs = (0..n * dim).map(|i| ((i * 7919) % 101) as f32 / 50.0 - 1.0).collect();
    dataset(n, dim, inputs)
}

/// [`data`] with inputs on no even levels.
fn uneven(n: usize, dim: usize) -> Dataset {
    let data = dataset(n, dim, (0..n * dim).map(|i| (i as f32).sin()).collect());
    assert_eq!(data.grid(), None);
    data
}

fn dataset(n: usize, dim: usize, inputs: Vec<f32>) -> Dataset {
    let labels = (0..n).map(|i| (i % CLASSES) as u32).collect();
    let names = (0..CLASSES).map(|class| class.to_string()).collect();
    Dataset::new("toy", InputShape::Vector(dim), inputs, labels, names).unwrap()
}

fn config() -> TasksConfig {
    TasksConfig { episode_length: 12, input_dim: Some(7), ..TasksConfig::default() }
}

fn distribution(config: &TasksConfig, dim: usize) -> TaskDistribution {
    TaskDistribution::new(config, dim, CLASSES, 8).unwrap()
}

fn source(config: &TasksConfig, batch: usize, mode: Mode, seed: u64) -> BatchSource {
    source_of(data(40, 9), config, batch, mode, seed)
}

fn source_of(data: Dataset, config: &TasksConfig, batch: usize, mode: Mode, seed: u64) -> BatchSource {
    let source = Projected::new(distribution(config, 9), Arc::new(data)).unwrap();
    BatchSource::new(Arc::new(source), batch, mode, seed).unwrap()
}

fn on_threads<T: Send>(threads: usize, run: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run)
}

/// Equality of floats to the bit.
fn same_bits(a: &Batch, b: &Batch) -> bool {
    let bits = |batch: &Batch| batch.inputs.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    bits(a) == bits(b) && a.labels == b.labels && a.tasks == b.tasks
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn an_episode_is_its_examples_projected_and_relabelled(
        seed: u64,
        episode: u64,
        k in 0..1_u64 << 63,
        unseen: bool,
        even: bool,
        dim in 1..20_usize,
        input_dim in 1..20_usize,
    ) {
        let config = TasksConfig { input_dim: Some(input_dim), ..config() };
        let (distribution, data) =
            (distribution(&config, dim), Arc::new(if even { data(31, dim) } else { uneven(31, dim) }));
        let source = Projected::new(distribution.clone(), Arc::clone(&data)).unwrap();
        let task = if unseen { TaskId::unseen(k) } else { TaskId::seen(k) };
        let draw = Draw::new(seed, episode);
        let episode = Episode::new(&source, task, draw);
        let rho = distribution.permutation(task);
        let matrix = distribution.projection(task).unwrap();
        for (j, &example) in source.choice(draw, 12).iter().enumerate() {
            prop_assert_eq!(episode.labels[j], rho[data.label(example) as usize]);
            let largest = data.input(example).iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
            for (i, row) in matrix.chunks_exact(dim).enumerate() {
                // Half of the steps that an input of two digits is rounded to.
                let tolerance = f64::from(row.iter().map(|a| a.abs()).sum::<f32>() * largest / 60_000.0);
                let terms = row.iter().zip(data.input(example)).map(|(&a, &x)| f64::from(a) * f64::from(x));
                let expected: f64 = terms.sum();
                let found = f64::from(episode.inputs[j * input_dim + i]);
                prop_assert!((found - expected).abs() <= tolerance, "{} {}", found, expected);
            }
        }
    }

    #[test]
    fn a_task_is_the_same_whenever_and_wherever_it_is_made(seed: u64, k in 0..1_u64 << 62) {
        let config = TasksConfig { seed, ..config() };
        let tasks = [TaskId::seen(k), TaskId::seen(k + 1), TaskId::unseen(k)];
        let make = |task| {
            let distribution = distribution(&config, 9);
            let entries: Vec<u32> =
                distribution.projection(task).unwrap().iter().map(|a| a.to_bits()).collect();
            (entries, distribution.permutation(task))
        };
        let forwards = tasks.map(make);
        let mut backwards = tasks;
        backwards.reverse();
        let mut backwards = backwards.map(make);
        backwards.reverse();
        prop_assert_eq!(&forwards, &backwards);
        prop_assert_ne!(&forwards[0].0, &forwards[1].0);
        prop_assert_ne!(&forwards[0].0, &forwards[2].0);
    }

    #[test]
    fn a_batch_depends_on_seed_and_index_only(seed: u64, index in 0..1_u64 << 40, batch in 1..9_usize) {
        for mode in [Mode::MetaTrain, Mode::Seen, Mode::Unseen] {
            let one = on_threads(1, || source(&config(), batch, mode, seed).batch(index));
            let restarted = source(&config(), batch, mode, seed);
            let mut two = on_threads(2, || restarted.batch(index + 1));
            prop_assert!(!same_bits(&one, &two));
            // Into buffers that hold another batch.
            on_threads(2, || restarted.fill(index, &mut two));
            prop_assert!(same_bits(&one, &two));
        }
    }
}

#[test]
fn the_modes_draw_their_own_tasks_and_episodes() {
    let config = TasksConfig { count: TaskCount::Finite(3), ..config() };
    let [train, seen, unseen] =
        [Mode::MetaTrain, Mode::Seen, Mode::Unseen].map(|mode| source(&config, 64, mode, 1).batch(0));
    for batch in [&train, &seen] {
        assert!(batch.tasks.iter().all(|task| task.is_seen() && task.key() < 3));
    }
    assert!(unseen.tasks.iter().all(|task| !task.is_seen()));
    assert_ne!(train.labels, seen.labels, "a meta-test does not repeat meta-training");
}

/// How often each of 20 examples is drawn in 1000 episodes of 12, and how many episodes have one twice.
fn drawn(replacement: bool) -> ([f64; 20], usize) {
    let config = TasksConfig { project: false, permute: false, input_dim: None, replacement, ..config() };
    let data = Arc::new(data(20, 9));
    let source = Projected::new(distribution(&config, 9), Arc::clone(&data)).unwrap();
    assert_eq!(source.replacement(), replacement);
    let (mut counts, mut repeated) = ([0.0_f64; 20], 0);
    for episode in 0..1_000 {
        let draw = Draw::new(4, episode);
        let (made, examples) = (Episode::new(&source, TaskId::seen(0), draw), source.choice(draw, 12));
        examples.iter().for_each(|&example| counts[example] += 1.0);
        let mut distinct = examples.clone();
        distinct.sort_unstable();
        distinct.dedup();
        repeated += usize::from(distinct.len() < 12);
        for (row, &example) in made.inputs.chunks_exact(9).zip(&examples) {
            assert_eq!(row, data.input(example));
        }
    }
    (counts, repeated)
}

#[test]
fn examples_are_drawn_over_the_whole_data_set_and_none_of_them_twice() {
    let (counts, repeated) = drawn(false);
    // Chi squared with 19 degrees of freedom at the level 10^-4; without replacement the counts vary less.
    let chi: f64 = counts.iter().map(|count| (count - 600.0).powi(2) / 600.0).sum();
    assert!(chi < 50.8 * (1.0 - 12.0 / 20.0), "{counts:?}");
    assert_eq!(repeated, 0);
}

#[test]
fn with_replacement_examples_come_twice() {
    let (counts, repeated) = drawn(true);
    // 12 of 20 without a repeat: 1.5 in 100.
    let chi: f64 = counts.iter().map(|count| (count - 600.0).powi(2) / 600.0).sum();
    assert!(chi < 50.8, "{counts:?}");
    assert!(repeated > 950, "{repeated}");
}

#[test]
fn an_episode_longer_than_the_data_set_has_examples_twice() {
    let source = Projected::new(distribution(&config(), 9), Arc::new(data(11, 9))).unwrap();
    assert!(source.replacement());
    assert_eq!((source.choice(Draw::new(0, 0), 12).len(), source.longest()), (12, usize::MAX));
}

#[test]
fn queries_are_fresh_examples_of_the_episode_s_task() {
    let plain = TasksConfig { project: false, input_dim: None, ..config() };
    for (config, even) in [(&config(), true), (&config(), false), (&plain, true)] {
        let data = || if even { data(40, 9) } else { uneven(40, 9) };
        let short = source_of(data(), config, 5, Mode::Unseen, 3);
        // 28 examples are left beside the 12 of an episode.
        for (wanted, given) in [(0, 0), (7, 7), (28, 28), (29, 28), (1000, 28)] {
            let long = source_of(data(), config, 5, Mode::Unseen, 3).with_queries(wanted);
            let [episodes, queries] = long.batch(2).split_at(12);
            assert!(same_bits(&episodes, &short.batch(2)), "queries change nothing of the episode");
            assert_eq!((queries.len(), queries.episode_length()), (5, given));
        }
    }
    // Inputs of the plain source name their example.
    let [episodes, queries] = source(&plain, 5, Mode::Unseen, 3).with_queries(28).batch(2).split_at(12);
    for i in 0..5 {
        let ((context, _), (fresh, _)) = (episodes.episode(i), queries.episode(i));
        assert!(context.chunks_exact(9).all(|row| !fresh.chunks_exact(9).any(|other| other == row)));
        assert_eq!(queries.tasks[i], episodes.tasks[i]);
    }
}

#[test]
fn seen_tasks_are_those_that_meta_training_drew() {
    for count in [TaskCount::Finite(1 << 14), TaskCount::Unlimited] {
        let config = TasksConfig { count, ..config() };
        let train = source(&config, 8, Mode::MetaTrain, 5);
        let drawn: Vec<TaskId> = (0..4).flat_map(|step| train.batch(step).tasks).collect();
        let projected = Projected::new(distribution(&config, 9), Arc::new(data(40, 9))).unwrap();
        let visited = |steps, component| Visited::new(Arc::new(projected.clone()), 5, 8, steps, component);
        let seen = source(&config, 64, Mode::Seen, 5).of(visited(4, 0).unwrap()).batch(0);
        assert!(seen.tasks.iter().all(|task| drawn.contains(task)), "{:?}", seen.tasks);
        let distinct: HashSet<&TaskId> = seen.tasks.iter().collect();
        assert!(distinct.len() > 20, "64 draws of 32 leave 4 out: {}", distinct.len());
        assert!(visited(0, 0).is_none(), "nothing was drawn");
        assert!(visited(4, 1).is_none(), "no component 1");
    }
}

#[test]
fn seen_tasks_of_a_mixture_are_each_component_s_own() {
    let make = |seed| {
        let config = TasksConfig { seed, ..config() };
        Arc::new(Projected::new(distribution(&config, 9), Arc::new(data(40, 9))).unwrap()) as Arc<dyn Source>
    };
    // The second is one of ten.
    let mixture: Arc<dyn Source> = Arc::new(Mixture::new(vec![(9.0, make(0)), (1.0, make(1))]).unwrap());
    let train = BatchSource::new(Arc::clone(&mixture), 8, Mode::MetaTrain, 5).unwrap();
    let drawn: Vec<TaskId> = (0..12).flat_map(|step| train.batch(step).tasks).collect();
    for component in 0..2 {
        let visited = Visited::new(Arc::clone(&mixture), 5, 8, 12, component).unwrap();
        let seen = BatchSource::new(make(component.into()), 64, Mode::Seen, 5).unwrap().of(visited).batch(0);
        let own = |task: &&TaskId| task.component() == component;
        let own: HashSet<u64> = drawn.iter().filter(own).map(|task| task.key()).collect();
        assert!(seen.tasks.iter().all(|task| task.component() == 0 && own.contains(&task.key())));
        assert!(own.len() < drawn.len());
    }
}

#[test]
fn seen_tasks_are_shown_as_meta_training_showed_them() {
    let plain = TasksConfig { project: false, input_dim: None, ..config() };
    // The first half of every batch of 8 shares the permutation of task 0.
    let config = TasksConfig { bias: Some(BiasConfig { fraction: 0.5, decay: None }), ..plain.clone() };
    let train = source(&config, 8, Mode::MetaTrain, 5);
    let biased: Vec<TaskId> = (0..4).flat_map(|step| train.batch(step).tasks[..4].to_vec()).collect();
    let projected =
        |config| Arc::new(Projected::new(distribution(config, 9), Arc::new(data(40, 9))).unwrap());
    let visited = Visited::new(projected(&config), 5, 8, 4, 0).unwrap();
    let seen = source(&config, 64, Mode::Seen, 5).unbiased().of(visited).batch(0);
    let (own, shared) = (distribution(&plain, 9), permutation(plain.seed, 0, CLASSES, 8));
    let data = data(40, 9);
    let mut shown = [0; 2];
    for (i, task) in seen.tasks.iter().enumerate() {
        let (inputs, labels) = seen.episode(i);
        let rho = if biased.contains(task) { shared.clone() } else { own.permutation(*task) };
        shown[usize::from(biased.contains(task))] += 1;
        for (row, &label) in inputs.chunks_exact(9).zip(labels) {
            let classes: HashSet<u32> =
                (0..40).filter(|&e| data.input(e) == row).map(|e| rho[data.label(e) as usize]).collect();
            assert!(classes.contains(&label), "episode {i}");
        }
    }
    assert!(shown.iter().all(|&count| count > 10), "{shown:?}");
}

#[test]
fn the_biased_fraction_of_a_batch_shares_one_permutation_and_nothing_else() {
    let decay = Some(BiasDecay { to: 0.0, start: 1, end: 3 });
    let bias = Some(BiasConfig { fraction: 0.75, decay });
    let config = TasksConfig { bias, ..config() };
    let data = Arc::new(data(40, 9));
    let shared = permutation(config.seed, 0, CLASSES, 8);
    let projected = Projected::new(distribution(&config, 9), Arc::clone(&data)).unwrap();
    for (step, expected) in [(0, 12), (1, 12), (2, 6), (3, 0), (9, 0)] {
        let batch = source(&config, 16, Mode::MetaTrain, 1).batch(step);
        let plain = source(&TasksConfig { bias: None, ..config.clone() }, 16, Mode::MetaTrain, 1).batch(step);
        assert_eq!((&batch.inputs, &batch.tasks), (&plain.inputs, &plain.tasks));
        let mut biased = 0;
        for (i, labels) in batch.labels.chunks_exact(12).enumerate() {
            let draw = Draw::new(1, step * 16 + i as u64);
            let (made, examples) =
                (Episode::new(&projected, batch.tasks[i], draw), projected.choice(draw, 12));
            let under =
                |rho: &[u32]| examples.iter().map(|&e| rho[data.label(e) as usize]).collect::<Vec<_>>();
            if labels == under(&shared) {
                biased += 1;
            } else {
                assert_eq!(labels, made.labels, "an unbiased episode has its own permutation");
            }
        }
        assert_eq!(biased, expected, "at step {step}");
    }
    for mode in [Mode::Seen, Mode::Unseen] {
        let unbiased = TasksConfig { bias: None, ..config.clone() };
        assert!(same_bits(&source(&config, 4, mode, 1).batch(0), &source(&unbiased, 4, mode, 1).batch(0)));
    }
}

#[test]
fn prefetched_batches_are_those_of_the_source() {
    let source = Arc::new(source(&config(), 6, Mode::MetaTrain, 2));
    let mut batches = Prefetch::new(Arc::clone(&source), 5..11);
    for index in 5..11 {
        let batch = batches.next().unwrap();
        assert!(same_bits(&batch, &source.batch(index)), "batch {index}");
        batches.recycle(batch);
    }
}

#[test]
fn a_data_set_of_another_size_is_an_error() {
    let projected = |data: Dataset| Projected::new(distribution(&config(), 9), Arc::new(data));
    let error = |data: Dataset| projected(data).unwrap_err().to_string();
    assert!(error(data(40, 8)).contains("40 examples of 8 numbers"));
    assert!(error(data(0, 9)).contains("0 examples"));
    let empty = BatchSource::new(Arc::new(projected(data(40, 9)).unwrap()), 0, Mode::Seen, 0);
    assert!(empty.unwrap_err().to_string().contains("at least one episode"));
}

/// Runs are named by their configs: what a config stands for must not change unnoticed.
#[test]
fn the_definition_of_a_batch_has_not_changed() {
    let config = TasksConfig { count: TaskCount::Finite(16), replacement: true, ..config() };
    let [even, uneven] =
        [data(40, 9), uneven(40, 9)].map(|data| source_of(data, &config, 2, Mode::MetaTrain, 3).batch(4));
    let numbers = |batch: &Batch| [0, 83, 84, 167].map(|at| batch.inputs[at]);
    // These are those of an independent implementation in Python,
    let labels = [3, 3, 5, 7, 5, 7, 7, 7, 7, 7, 7, 0, 0, 7, 2, 2, 6, 2, 6, 2, 0, 2, 0, 7];
    for batch in [&even, &uneven] {
        assert_eq!(batch.labels, labels);
        assert_eq!(batch.tasks, [0, 9].map(TaskId::seen));
    }
    // and so are these, where it rounded inputs to two digits.
    let rounded = [-0.039_553_296, 0.337_091_2, 0.009_785_589, -0.638_864_04_f32];
    assert!(numbers(&even).iter().zip(rounded).all(|(a, b)| (a - b).abs() < 2e-5));
    assert_eq!(numbers(&even), [-0.039_554_633, 0.337_103_25, 0.009_777_55, -0.638_874]);
    assert_eq!(numbers(&uneven), [-0.516_038_54, 1.780_022_6, 0.353_999_6, -1.450_949_5]);
}

/// The same for every bit of some batches: of seen, unseen and biased tasks, projected or not.
#[test]
fn the_bits_of_batches_have_not_changed() {
    let bias = Some(BiasConfig { fraction: 0.5, decay: Some(BiasDecay { to: 0.0, start: 1, end: 4 }) });
    let plain = TasksConfig { project: false, permute: false, input_dim: None, ..config() };
    let configs = [
        config(),
        TasksConfig { count: TaskCount::Finite(5), seed: 3, bias, ..config() },
        TasksConfig { count: TaskCount::Finite(2), bias, ..plain },
    ];
    let of = |replacement| hash(configs.clone().map(|config| TasksConfig { replacement, ..config }));
    assert_eq!(of(true), "844b976509cec1d1e7002970e2f86dd7a1d3d5440340c4a53098e8244edeb431");
    assert_eq!(of(false), "d293b675b76ce3916180446e8f7304ed716b2406c2b733e5413f4cf56f57ae2d");
}

/// Of some batches of the tasks of `configs`, in hexadecimal.
fn hash(configs: [TasksConfig; 3]) -> String {
    let mut hash = Sha256::new();
    for config in &configs {
        for mode in [Mode::MetaTrain, Mode::Seen, Mode::Unseen] {
            for data in [data(40, 9), uneven(40, 9)] {
                let source = source_of(data, config, 6, mode, 11);
                for index in [0, 2, 1 << 33] {
                    let batch = source.batch(index);
                    batch.inputs.iter().for_each(|x| hash.update(x.to_bits().to_le_bytes()));
                    batch.labels.iter().for_each(|label| hash.update(label.to_le_bytes()));
                    batch.tasks.iter().for_each(|task| hash.update(task.key().to_le_bytes()));
                }
            }
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_batch_is_written_to_anybody_s_memory() {
    for mode in [Mode::MetaTrain, Mode::Seen, Mode::Unseen] {
        let source = source(&config(), 3, mode, 4);
        let wanted = source.batch(6);
        assert_eq!(source.shape(), [3, 12, 7]);
        assert_eq!(source.classes(), 8);
        // What was there before makes no difference.
        let (mut inputs, mut labels) = (vec![f32::NAN; 3 * 12 * 7], vec![u32::MAX; 3 * 12]);
        let tasks = source.write(6, &mut inputs, &mut labels);
        let written = Batch { inputs, labels, tasks, context: wanted.context };
        assert!(same_bits(&written, &wanted), "{mode:?}");
        assert!(!same_bits(&written, &source.batch(7)), "{mode:?}");
    }
}

#[test]
#[should_panic(expected = "sizes of a batch")]
fn memory_of_another_size_is_refused() {
    source(&config(), 3, Mode::Seen, 4).write(0, &mut [0.0; 3 * 12 * 7], &mut [0; 3 * 11]);
}
