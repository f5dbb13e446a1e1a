//! A meta-trained model predicts on an ordinary table that it was never trained on.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use common::{finish, small};
use gpicl::OutFile;
use gpicl::predict::{Context, PredictConfig, Predictor, predict_table};
use gpicl::rng::{Rng, Stream};
use gpicl::train::Trainer;
use gpicl::train::checkpoint_path;

/// A checkpoint that learned to learn from `random` tasks of four classes; trained once for all tests.
fn checkpoint() -> PathBuf {
    static CHECKPOINT: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = CHECKPOINT.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("run");
        let sets = ["train.steps=300", "train.batch=16", "tasks.episode_length=40", "eval.every=0"];
        finish(&mut Trainer::start(small(&sets), None, &run).unwrap());
        let path = checkpoint_path(&run).unwrap();
        (dir, path)
    });
    path.clone()
}

/// Three clusters of different scales in four columns, one of them text that helps.
fn table(seed: u64, rows: usize, labels: bool) -> String {
    let mut rng = Rng::new(seed, Stream::Data, 0);
    let mut text =
        String::from(if labels { "length,width,colour,noise,kind\n" } else { "length,width,colour,noise\n" });
    for i in 0..rows {
        let kind = i % 3;
        let length = [1000.0, 1500.0, 1500.0][kind] + 150.0 * rng.normal();
        let width = [0.01, 0.01, 0.02][kind] + 0.003 * rng.normal();
        let colour = if rng.uniform() < 0.8 { ["red", "green", "blue"][kind] } else { "green" };
        text.push_str(&format!("{length},{width},{colour},{}", rng.normal()));
        text.push_str(if labels { [",setosa\n", ",\"versi,color\"\n", ",virginica\n"][kind] } else { "\n" });
    }
    text
}

fn to(path: &Path) -> OutFile {
    OutFile::new(path).unwrap()
}

#[test]
fn a_table_is_predicted_far_above_chance_without_training() {
    let dir = tempfile::tempdir().unwrap();
    let [context, query, out] = ["context.csv", "query.csv", "out.csv"].map(|name| dir.path().join(name));
    fs::write(&context, table(1, 60, true)).unwrap();
    fs::write(&query, table(2, 60, true)).unwrap();
    let config = PredictConfig::default();
    let report = predict_table(&checkpoint(), &context, &query, None, &to(&out), &config).unwrap();
    assert_eq!((report.context, report.queries), (60, 60), "more rows than the model reads are subsampled");
    assert_eq!(report.classes, ["setosa", "versi,color", "virginica"]);
    let accuracy = report.accuracy.unwrap();
    assert!(accuracy > 0.75, "chance is 0.33: {accuracy}");

    let written = fs::read_to_string(&out).unwrap();
    let mut reader = csv::Reader::from_reader(written.as_bytes());
    assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>()[..2], ["prediction", "p_setosa"]);
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 60);
    for row in &rows {
        let p: Vec<f64> = row.iter().skip(1).map(|cell| cell.parse().unwrap()).collect();
        assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-4, "{p:?}");
        let best = (0..3).max_by(|&a, &b| p[a].total_cmp(&p[b])).unwrap();
        assert_eq!(row[0], report.classes[best]);
    }

    fs::write(&query, table(2, 60, false)).unwrap();
    let again = predict_table(&checkpoint(), &context, &query, None, &to(&out), &config).unwrap();
    assert_eq!(again.accuracy, None);
    assert_eq!(fs::read_to_string(&out).unwrap(), written, "the labels of the queries are not used");
}

#[test]
fn iris_is_predicted_far_above_chance() {
    let dir = tempfile::tempdir().unwrap();
    let [context, query, out] = ["context.csv", "query.csv", "out.csv"].map(|name| dir.path().join(name));
    let lines: Vec<&str> = include_str!("iris.csv").lines().collect();
    let part = |rest: usize| {
        let rows = lines[1..].iter().enumerate().filter(|(i, _)| i % 4 == rest).map(|(_, line)| *line);
        std::iter::once(lines[0]).chain(rows).collect::<Vec<_>>().join("\n")
    };
    fs::write(&context, part(0)).unwrap();
    fs::write(&query, part(1)).unwrap();
    let config = PredictConfig::default();
    let report = predict_table(&checkpoint(), &context, &query, Some("species"), &to(&out), &config).unwrap();
    assert_eq!(report.classes, ["setosa", "versicolor", "virginica"]);
    let accuracy = report.accuracy.unwrap();
    assert!(accuracy > 0.8, "chance is 0.33: {accuracy}");
}

#[test]
fn bad_tables_are_named_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let [context, query, out] = ["context.csv", "query.csv", "out.csv"].map(|name| dir.path().join(name));
    let error = |known: &str, asked: &str, label: Option<&str>| {
        fs::write(&context, known).unwrap();
        fs::write(&query, asked).unwrap();
        let config = PredictConfig::default();
        let error = predict_table(&checkpoint(), &context, &query, label, &to(&out), &config)
            .unwrap_err()
            .to_string();
        assert!(!out.exists());
        error
    };
    let good = table(1, 9, true);
    for (known, asked, label, parts) in [
        (good.as_str(), "length,width\n1,2\n", None, ["query.csv", "colour"]),
        (good.as_str(), "length,width,colour,noise\n1,2,red,x\n", None, ["query.csv", "line 2"]),
        (good.as_str(), good.as_str(), Some("species"), ["context.csv", "species"]),
        ("a,y\n1,only\n2,only\n", "a\n1\n", None, ["context.csv", "1 different labels"]),
        ("a,y\n1,p\n2,q\n3,r\n4,s\n5,t\n", "a\n1\n", None, ["context.csv", "5 different labels"]),
        ("y\np\nq\n", "y\np\n", None, ["context.csv", "no feature column"]),
    ] {
        let error = error(known, asked, label);
        for part in parts {
            assert!(error.contains(part), "`{part}` is not in: {error}");
        }
    }
}

#[test]
fn a_row_among_many_is_predicted_as_it_is_alone() {
    let predictor = Predictor::load(&checkpoint()).unwrap();
    let (features, classes, count) = (3, 3, Predictor::TOGETHER + 7);
    let mut rng = Rng::new(3, Stream::Data, 0);
    let mut rows = |count: usize| (0..count * features).map(|_| rng.normal()).collect::<Vec<f32>>();
    let (known, queries) = (rows(30), rows(count));
    let labels: Vec<u32> = (0..30).map(|at| at % classes as u32).collect();
    let context = Context { features: &known, labels: &labels, classes };
    let config = PredictConfig { ensemble: 2, ..PredictConfig::default() };
    let predict = |queries: &[f32]| predictor.predict(context, queries, &config).unwrap();
    let together = predict(&queries);
    assert_eq!(together.len(), count * classes);
    let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
    let row = |at: usize| &together[at * classes..][..classes];
    // On both sides of where the second lot begins, and the last.
    for at in [0, Predictor::TOGETHER - 1, Predictor::TOGETHER, count - 1] {
        let alone = predict(&queries[at * features..][..features]);
        assert!(close(row(at), &alone), "row {at}: {:?}, alone {alone:?}", row(at));
    }
    let other = row(count - 1 - Predictor::TOGETHER);
    assert!(!close(row(count - 1), other), "rows of the same place in their lots are told apart");
}

#[test]
fn a_missing_number_becomes_the_mean_and_sizes_are_checked() {
    let predictor = Predictor::load(&checkpoint()).unwrap();
    let features = [0.0, 5.0, 0.2, 5.5, 10.0, -5.0, 9.5, f32::NAN, 0.1, 5.2, 9.8, -5.5];
    let context = Context { features: &features, labels: &[0, 0, 1, 1, 0, 1], classes: 2 };
    let config = PredictConfig::default();
    let p = predictor.predict(context, &[0.1, f32::NAN, 9.9, f32::NAN], &config).unwrap();
    assert!(p[0] > 0.5 && p[3] > 0.5, "{p:?}");
    assert!(p.iter().all(|p| p.is_finite()));
    assert_eq!(predictor.predict(context, &[], &config).unwrap(), Vec::<f32>::new());
    assert!(predictor.predict(context, &[1.0; 3], &config).is_err());
    assert!(predictor.predict(Context { classes: 1, ..context }, &[1.0; 2], &config).is_err());
}
