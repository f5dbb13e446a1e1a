//! The learner for tables that comes with the program, on tables that it has never seen.

use std::path::Path;

use gpicl::data::table::{Table, TableConfig};
use gpicl::predict::{Context, PredictConfig, Predictor};
use gpicl::rng::{Rng, Stream};

/// `classes` clusters in `features` columns that lie far apart: rows and their labels.
fn clusters(seed: u64, rows: usize, features: usize, classes: usize) -> (Vec<f64>, Vec<u32>) {
    let mut places = Rng::new(1, Stream::Data, 0);
    let places: Vec<f64> = (0..classes * features).map(|_| 3.0 * f64::from(places.normal())).collect();
    let mut rng = Rng::new(seed, Stream::Data, 1);
    let labels: Vec<u32> = (0..rows).map(|row| (row % classes) as u32).collect();
    let cells = labels.iter().flat_map(|&label| places[label as usize * features..][..features].to_vec());
    let cells: Vec<f64> = cells.map(|place| place + f64::from(rng.normal())).collect();
    (cells, labels)
}

fn accuracy(probabilities: &[f32], labels: &[u32], classes: usize) -> f64 {
    let rows = probabilities.chunks_exact(classes);
    let best = |row: &[f32]| (0..classes).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap() as u32;
    let hits = rows.zip(labels).filter(|(row, label)| best(row) == **label).count();
    hits as f64 / labels.len() as f64
}

#[test]
fn few_and_many_classes_and_features_are_told_apart() {
    let learner = Predictor::built_in().unwrap();
    // More classes than label slots, more features than a member looks at.
    for (rows, features, classes, least) in
        [(40, 3, 2, 0.9), (60, 8, 10, 0.9), (156, 8, 26, 0.8), (40, 150, 3, 0.9)]
    {
        let (cells, labels) = clusters(2, rows, features, classes);
        let (queries, truth) = clusters(3, 4 * classes, features, classes);
        let context = Context { features: &cells, labels: &labels, classes };
        let probabilities = learner.predict(context, &queries, &PredictConfig::default()).unwrap();
        for row in probabilities.chunks_exact(classes) {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-4, "{row:?}");
        }
        let found = accuracy(&probabilities, &truth, classes);
        assert!(found >= least, "{classes} classes, {features} features: {found}");
    }
}

#[test]
fn classes_beyond_the_slots_are_doubted_where_few_members_tell_them_apart() {
    let learner = Predictor::built_in().unwrap();
    assert_eq!(learner.doubts(4, 10, 1), Vec::<String>::new());
    assert_eq!(learner.doubts(4, 11, 64), Vec::<String>::new());
    let said = learner.doubts(4, 11, 8);
    assert!(matches!(&said[..], [one] if one.starts_with("11 classes") && one.contains("64")), "{said:?}");
}

#[test]
fn an_ensemble_too_small_for_its_classes_is_refused() {
    let learner = Predictor::built_in().unwrap();
    let (cells, labels) = clusters(2, 52, 4, 26);
    let context = Context { features: &cells, labels: &labels, classes: 26 };
    let config = PredictConfig { ensemble: 2, ..PredictConfig::default() };
    let error = learner.predict(context, &cells, &config).unwrap_err().to_string();
    assert!(error.contains("an ensemble of 2 for 26 classes; give at least 3"), "{error}");
}

#[test]
fn missing_cells_units_and_columns_that_say_nothing_are_no_matter() {
    let learner = Predictor::built_in().unwrap();
    let (mut cells, labels) = clusters(2, 60, 4, 3);
    let (queries, truth) = clusters(3, 60, 4, 3);
    let config = PredictConfig::default();
    let predict = |cells: &[f64], queries: &[f64]| {
        learner.predict(Context { features: cells, labels: &labels, classes: 3 }, queries, &config).unwrap()
    };
    let before = predict(&cells, &queries);
    let wide = |cells: &[f64]| -> Vec<f64> {
        let row = |row: &[f64]| [row, &[7.0, f64::NAN]].concat();
        cells.chunks_exact(4).flat_map(row).map(|cell| 1024.0 * cell + 512.0).collect()
    };
    let after = predict(&wide(&cells), &wide(&queries));
    assert!(before.iter().zip(&after).all(|(a, b)| (a - b).abs() < 1e-3), "other units, two columns more");
    cells.iter_mut().step_by(5).for_each(|cell| *cell = f64::NAN);
    let found = accuracy(&predict(&cells, &queries), &truth, 3);
    assert!(found > 0.85, "a fifth of the cells is missing: {found}");
}

/// A query's answer is its own, to the bit.
#[test]
fn neither_the_queries_beside_it_nor_threads_change_an_answer() {
    let learner = Predictor::built_in().unwrap();
    let (cells, labels) = clusters(2, 50, 5, 3);
    // More than a core answers at a time.
    let (queries, _) = clusters(3, 700, 5, 3);
    let config = PredictConfig { ensemble: 3, ..PredictConfig::default() };
    let predict = |queries: &[f64]| {
        learner.predict(Context { features: &cells, labels: &labels, classes: 3 }, queries, &config).unwrap()
    };
    let together = predict(&queries);
    let one_by_one: Vec<f32> = queries.chunks_exact(5).skip(675).flat_map(&predict).collect();
    assert_eq!(together[675 * 3..], one_by_one);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(together, pool.install(|| predict(&queries)));
}

#[test]
fn every_other_member_sees_what_regressions_say() {
    let learner = Predictor::built_in().unwrap();
    let predict = |classes: usize, ensemble, stack| {
        let (cells, labels) = clusters(2, 3 * classes, 3, classes);
        let (queries, _) = clusters(3, 8, 3, classes);
        let config = PredictConfig { ensemble, stack, ..PredictConfig::default() };
        learner.predict(Context { features: &cells, labels: &labels, classes }, &queries, &config).unwrap()
    };
    assert_eq!(predict(3, 1, true), predict(3, 1, false), "the first does not");
    assert_ne!(predict(3, 2, true), predict(3, 2, false), "the second does");
    assert_ne!(predict(20, 4, true), predict(20, 4, false));
    assert_eq!(predict(21, 4, true), predict(21, 4, false), "too many classes");
    let (cells, _) = clusters(2, 3, 3, 3);
    let context = Context { features: &cells, labels: &[0, 1, 2], classes: 3 };
    let alone = |stack| {
        let config = PredictConfig { stack, ..PredictConfig::default() };
        learner.predict(context, &cells, &config).unwrap()
    };
    assert_eq!(alone(true), alone(false), "one row a class");
}

/// Members that read some of the rows have regressions of their own.
#[test]
fn of_more_rows_than_a_member_reads_answers_are_a_query_s_own_too() {
    let learner = Predictor::built_in().unwrap();
    let (cells, labels) = clusters(2, 1030, 2, 2);
    let (queries, truth) = clusters(3, 8, 2, 2);
    let config = PredictConfig { ensemble: 2, ..PredictConfig::default() };
    let predict = |queries: &[f64]| {
        learner.predict(Context { features: &cells, labels: &labels, classes: 2 }, queries, &config).unwrap()
    };
    let together = predict(&queries);
    assert!(accuracy(&together, &truth, 2) > 0.8, "{together:?}");
    assert_eq!(together[14..], predict(&queries[14..]));
}

#[test]
fn categories_are_one_hot_as_long_as_a_row_is_not_too_long() {
    let learner = Predictor::built_in().unwrap();
    let config = TableConfig::default();
    let table = |columns: &[(usize, &str)]| {
        let cells = |&(values, first): &(usize, &str)| {
            (0..60).map(|row| if row == 0 { first.into() } else { format!("v{:02}", row % values) }).collect()
        };
        let columns: Vec<Vec<String>> = columns.iter().map(cells).collect();
        let names = (0..columns.len()).map(|number| format!("c{number}")).collect();
        Table::from_columns(Path::new("t"), names, &columns, &config).unwrap()
    };
    let few = table(&[(2, "v00"), (3, "v00"), (36, "v00"), (60, "v00")]);
    let encoder = learner.encoder(&few, 4, &config).unwrap();
    assert_eq!(encoder.dim(), 1 + 3 + 36 + 60, "a code of two values, and one-hot");
    let rows = encoder.encode(&few).unwrap();
    assert_eq!(rows[100..104], [1.0, 0.0, 1.0, 0.0], "v01 of two, v01 of three");

    // The one with the most values is the first to be a code; the next need not be.
    let many = table(&[(2, "v00"), (3, "v00"), (60, "v00"), (37, "v00")]);
    let encoder = learner.encoder(&many, 4, &config).unwrap();
    assert_eq!(encoder.dim(), 1 + 3 + 1 + 37);
    let strange = table(&[(2, "w"), (3, "w"), (60, ""), (37, "v00")]);
    let rows = encoder.encode(&strange).unwrap();
    let (row, next) = (&rows[..5], &rows[42..47]);
    assert!(row[0].is_nan() && row[1..4] == [0.0; 3] && row[4].is_nan(), "nothing is known of them: {row:?}");
    assert_eq!(next, [1.0, 0.0, 1.0, 0.0, 1.0]);
    assert_eq!(encoder.strangers(&strange).unwrap().len(), 2);

    for value in ["yes", "1"] {
        let one = [vec![value.to_string(), String::new()]];
        let one = Table::from_columns(Path::new("t"), vec!["c".into()], &one, &config).unwrap();
        let rows = learner.encoder(&one, 1, &config).unwrap().encode(&one).unwrap();
        assert_eq!(rows, [1.0, 0.0], "whether it has a value is what it says");
    }
}
