//! Task generation: entries of projections, batches of 64 episodes of 100 examples, and batches of 16 made tables.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gpicl::data::{Dataset, InputShape, Split};
use gpicl::tasks::{
    Batch, BatchSource, Families, Mode, Prior, PriorConfig, Projected, TaskCount, TaskDistribution,
    TasksConfig, random_matrix,
};
use gpicl_ops::cpu::entries;
use gpicl_ops::cpu::project::{Grid, OnGrid};

const SIZES: [usize; 2] = [196, 784];
const BATCH: usize = 64;

fn entries_alone(c: &mut Criterion) {
    let mut group = c.benchmark_group("entries, one thread");
    let mut lines = vec![[0; entries::LINE]; 784];
    group.throughput(Throughput::Elements(lines.as_flattened().len() as u64));
    let sequence = random_matrix(0, 1, 64, 784).sequence;
    group.bench_function("fill", |b| b.iter(|| entries::fill(sequence, 0, black_box(&mut lines))));
    group.finish();
}

fn projection(c: &mut Criterion) {
    let mut group = c.benchmark_group("one episode's projection, one thread");
    for dim in SIZES {
        let matrix = random_matrix(0, 1, dim, dim);
        let mut out = vec![0.0; 100 * dim];
        let inputs = bytes(100 * dim);
        let grid = Grid::of(&inputs).expect("bytes lie on a grid");
        let (on_grid, all) = (OnGrid::new(grid, &inputs), (0..100).collect::<Vec<_>>());
        group.bench_function(BenchmarkId::new("bytes", dim), |b| {
            b.iter(|| matrix.project_on_grid(&on_grid, &all, black_box(&mut out)));
        });
        let inputs = floats(100 * dim);
        group.bench_function(BenchmarkId::new("floats", dim), |b| {
            b.iter(|| matrix.project(inputs.chunks_exact(dim), black_box(&mut out)));
        });
    }
    group.finish();
}

fn batches(c: &mut Criterion) {
    let mut group = c.benchmark_group("a batch of 64 episodes, all threads");
    group.throughput(Throughput::Elements(BATCH as u64));
    for dim in SIZES {
        for (name, inputs) in [("bytes", bytes as fn(usize) -> Vec<f32>), ("floats", floats)] {
            let source = source(&TasksConfig::default(), dim, inputs);
            let (mut batch, mut index) = (Batch::default(), 0);
            group.bench_function(BenchmarkId::new(name, dim), |b| {
                b.iter(|| {
                    source.fill(index, black_box(&mut batch));
                    index += 1;
                });
            });
        }
    }
    group.finish();
}

/// A task is made, not stored: 2^24 of them cost as much as one.
fn number_of_tasks(c: &mut Criterion) {
    let mut group = c.benchmark_group("a batch of 64 episodes by number of tasks, all threads");
    let counts = [1, 1 << 12, 1 << 24].map(TaskCount::Finite).into_iter().chain([TaskCount::Unlimited]);
    for count in counts {
        let source = source(&TasksConfig { count, ..TasksConfig::default() }, SIZES[0], bytes);
        let (mut batch, mut index) = (Batch::default(), 0);
        group.bench_function(count.to_string(), |b| {
            b.iter(|| {
                source.fill(index, black_box(&mut batch));
                index += 1;
            });
        });
    }
    group.finish();
}

/// To see that no example comes twice costs next to nothing beside the projections.
fn replacement(c: &mut Criterion) {
    let mut group = c.benchmark_group("a batch of 64 episodes with and without replacement, all threads");
    for replacement in [true, false] {
        let source = source(&TasksConfig { replacement, ..TasksConfig::default() }, SIZES[0], bytes);
        let (mut batch, mut index) = (Batch::default(), 0);
        group.bench_function(if replacement { "with" } else { "without" }, |b| {
            b.iter(|| {
                source.fill(index, black_box(&mut batch));
                index += 1;
            });
        });
    }
    group.finish();
}

/// Made tables, of all families and of each.
fn tables(c: &mut Criterion) {
    let mut group = c.benchmark_group("a batch of 16 made tables of 368 rows, all threads");
    let all = [("all", Families::default())].into_iter();
    let each = Families::NAMES.iter().filter_map(|name| Some((*name, Families::only(name)?)));
    for (name, families) in all.chain(each) {
        let config = PriorConfig { families, ..PriorConfig::default() };
        let prior = Arc::new(Prior::new(&config, Split::Train).expect("the configuration is whole"));
        let source = BatchSource::new(prior, 16, Mode::MetaTrain, 0).expect("a batch has episodes");
        let (mut batch, mut index) = (Batch::default(), 0);
        group.bench_function(name, |b| {
            b.iter(|| {
                source.fill(index, black_box(&mut batch));
                index += 1;
            });
        });
    }
    group.finish();
}

/// Batches over 8,000 inputs.
fn source(tasks: &TasksConfig, dim: usize, inputs: fn(usize) -> Vec<f32>) -> BatchSource {
    let n = 8_000;
    let labels = (0..n as u32).map(|i| i % 10).collect();
    let names = (0..10).map(|class| class.to_string()).collect();
    let data = Dataset::new("bench", InputShape::Vector(dim), inputs(n * dim), labels, names);
    let distribution = TaskDistribution::new(tasks, dim, 10, 10).expect("sizes fit");
    let data = Arc::new(data.expect("sizes agree"));
    let source = Projected::new(distribution, data).expect("sizes agree");
    BatchSource::new(Arc::new(source), BATCH, Mode::MetaTrain, 0).expect("a batch has episodes")
}

/// Like the pixels of images.
fn bytes(n: usize) -> Vec<f32> {
    (0..n).map(|i| (i % 255) as f32 / 255.0).collect()
}

fn floats(n: usize) -> Vec<f32> {
    (0..n).map(|i| (i as f32).sin()).collect()
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = entries_alone, projection, batches, number_of_tasks, replacement, tables
}
criterion_main!(benches);
