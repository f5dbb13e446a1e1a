//! Tasks are pure functions, and have the statistics the paper gives them.

use std::sync::Arc;

use gpicl::data::{Dataset, InputShape};
use gpicl::tasks::{
    BatchSource, BiasConfig, Mode, Prefetch, Projected, TaskCount, TaskDistribution, TaskId, TasksConfig,
    permutation, projection,
};
use proptest::prelude::*;

const DIM: usize = 6;
const CLASSES: usize = 5;

fn data() -> Arc<Dataset> {
    let n = 40;
    let inputs = (0..n * DIM).map(|i| ((i * 37 % 101) as f32 - 50.0) / 50.0).collect();
    let labels = (0..n).map(|i| (i % CLASSES) as u32).collect();
    let names = (0..CLASSES).map(|c| c.to_string()).collect();
    Arc::new(Dataset::new("toy", InputShape::Vector(DIM), inputs, labels, names).unwrap())
}

fn source(config: &TasksConfig, mode: Mode, seed: u64) -> BatchSource {
    let distribution = TaskDistribution::new(config, DIM, CLASSES, CLASSES).unwrap();
    BatchSource::new(Arc::new(Projected::new(distribution, data()).unwrap()), 8, mode, seed).unwrap()
}

proptest! {
    #[test]
    fn a_permutation_is_a_bijection_and_a_pure_function(seed: u64, k: u64, classes in 1_usize..60) {
        let rho = permutation(seed, k, classes, classes);
        let mut sorted = rho.clone();
        sorted.sort_unstable();
        prop_assert_eq!(sorted, (0..classes as u32).collect::<Vec<_>>());
        prop_assert_eq!(rho, permutation(seed, k, classes, classes));
    }

    #[test]
    fn fewer_classes_than_slots_map_injectively(seed: u64, k: u64, classes in 1_usize..10, more in 0_usize..10) {
        let mut rho = permutation(seed, k, classes, classes + more);
        prop_assert_eq!(rho.len(), classes);
        prop_assert!(rho.iter().all(|&slot| (slot as usize) < classes + more));
        rho.sort_unstable();
        rho.dedup();
        prop_assert_eq!(rho.len(), classes);
    }

    #[test]
    fn a_projection_is_a_pure_function_of_seed_and_task(seed: u64, k in 0_u64..1 << 40) {
        let first = projection(seed, k, 4, 9);
        let _other = projection(seed, k + 1, 4, 9);
        prop_assert_eq!(&first, &projection(seed, k, 4, 9));
        prop_assert_ne!(&first, &projection(seed, k + 1, 4, 9));
        prop_assert_ne!(&first, &projection(seed ^ 1, k, 4, 9));
    }
}

#[test]
fn projections_are_normal_with_variance_one_over_the_input_size() {
    let (dim, tasks) = (50, 40);
    let entries: Vec<f64> = (0..tasks)
        .flat_map(|k| projection(3, k, dim, dim))
        .map(|a| f64::from(a) * (dim as f64).sqrt())
        .collect();
    let n = entries.len() as f64;
    let moment = |power: i32| entries.iter().map(|a| a.powi(power)).sum::<f64>() / n;
    // Five standard errors of each moment of a standard normal.
    assert!(moment(1).abs() < 5.0 / n.sqrt(), "mean {}", moment(1));
    assert!((moment(2) - 1.0).abs() < 5.0 * (2.0 / n).sqrt(), "variance {}", moment(2));
    assert!(moment(3).abs() < 5.0 * (15.0 / n).sqrt(), "third moment {}", moment(3));
    assert!((moment(4) - 3.0).abs() < 5.0 * (96.0 / n).sqrt(), "fourth moment {}", moment(4));
}

#[test]
fn labels_are_the_permuted_classes_and_inputs_the_projected_ones() {
    let config = TasksConfig { episode_length: 30, ..TasksConfig::default() };
    let distribution = TaskDistribution::new(&config, DIM, CLASSES, CLASSES).unwrap();
    let batch = source(&config, Mode::Unseen, 1).batch(0);
    let data = data();
    for (episode, task) in batch.tasks.iter().enumerate() {
        let matrix = distribution.projection(*task).unwrap();
        let rho = distribution.permutation(*task);
        for j in 0..30 {
            let at = episode * 30 + j;
            let input = &batch.inputs[at * DIM..(at + 1) * DIM];
            let from = (0..data.len()).filter(|&i| {
                let projected =
                    |row: &[f32]| -> f32 { row.iter().zip(data.input(i)).map(|(a, x)| a * x).sum() };
                matrix.chunks_exact(DIM).zip(input).all(|(row, x)| (projected(row) - x).abs() < 1e-4)
            });
            let labels: Vec<u32> = from.map(|i| rho[data.label(i) as usize]).collect();
            assert!(labels.contains(&batch.labels[at]), "episode {episode}, example {j}");
        }
    }
}

#[test]
fn a_batch_is_the_same_on_any_number_of_threads_and_from_the_prefetcher() {
    let config = TasksConfig { count: TaskCount::Finite(7), ..TasksConfig::default() };
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let batch = |threads| pool(threads).install(|| source(&config, Mode::MetaTrain, 3).batch(11));
    let one = batch(1);
    assert_eq!(one, batch(2));
    let mut ahead = Prefetch::new(Arc::new(source(&config, Mode::MetaTrain, 3)), 10..12);
    let first = ahead.next().unwrap();
    ahead.recycle(first);
    assert_eq!(ahead.next().unwrap(), one);
    assert!(ahead.next().is_err(), "there are two batches");
}

#[test]
fn seeds_decide_what_is_drawn_and_the_task_seed_what_a_task_is() {
    let config = TasksConfig { count: TaskCount::Finite(3), ..TasksConfig::default() };
    let batch = |seed, mode| source(&config, mode, seed).batch(0);
    assert_ne!(batch(0, Mode::MetaTrain).labels, batch(1, Mode::MetaTrain).labels);
    assert!(batch(0, Mode::MetaTrain).tasks.iter().all(|task| (0..3).any(|k| *task == TaskId::seen(k))));
    assert!(batch(0, Mode::Unseen).tasks.iter().all(|task| !task.is_seen()));
    assert_ne!(
        batch(0, Mode::MetaTrain).inputs,
        batch(0, Mode::Seen).inputs,
        "meta-test draws other examples"
    );
}

#[test]
fn the_biased_part_of_a_batch_shares_one_permutation() {
    let bias = Some(BiasConfig { fraction: 0.5, decay: None });
    let config = TasksConfig { project: false, episode_length: 200, bias, ..TasksConfig::default() };
    let batch = source(&config, Mode::MetaTrain, 0).batch(0);
    let data = data();
    // Inputs are not projected, so the example can be looked up and the permutation read off.
    let rho = |episode: usize| {
        let mut rho = vec![u32::MAX; CLASSES];
        for j in 0..200 {
            let at = episode * 200 + j;
            let input = &batch.inputs[at * DIM..(at + 1) * DIM];
            let example = (0..data.len()).find(|&i| data.input(i) == input).unwrap();
            rho[data.label(example) as usize] = batch.labels[at];
        }
        rho
    };
    let rhos: Vec<Vec<u32>> = (0..8).map(rho).collect();
    assert!(rhos[1..4].iter().all(|rho| *rho == rhos[0]), "{rhos:?}");
    assert!(rhos[4..].iter().any(|rho| *rho != rhos[0]), "{rhos:?}");
}

#[test]
fn the_definition_of_a_task_never_changes_silently() {
    assert_eq!(permutation(0, 0, 10, 10), PERMUTATION_0_0);
    let bits: Vec<u32> = projection(7, 5, 1, 4).iter().map(|a| a.to_bits()).collect();
    assert_eq!(bits, PROJECTION_7_5);
}

const PERMUTATION_0_0: [u32; 10] = [2, 7, 1, 4, 9, 0, 5, 8, 6, 3];
const PROJECTION_7_5: [u32; 4] = [3_191_585_437, 3_199_974_045, 3_210_040_336, 1_064_513_984];
