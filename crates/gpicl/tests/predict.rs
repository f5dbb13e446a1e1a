//! A meta-trained model predicts on an ordinary table that it was never trained on.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use common::{finish, small};
use gpicl::OutFile;
use gpicl::data::table::TableConfig;
use gpicl::predict::{CLIP, Context, PredictConfig, PredictFiles, PredictReport, Predictor, predict_table};
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

/// Predicts by that checkpoint, read as `tables` says.
fn predicted(
    [context, query, out]: &[PathBuf; 3],
    tables: &TableConfig,
    config: &PredictConfig,
) -> gpicl::Result<PredictReport> {
    let (checkpoint, out) = (checkpoint(), &OutFile::new(out)?);
    let checkpoint = Some(checkpoint.as_path());
    predict_table(&PredictFiles { checkpoint, context, query, out }, tables, config, &mut |_, _| {})
}

/// The cells of the predictions, and the report.
fn answer(
    known: &str,
    asked: &str,
    tables: &TableConfig,
) -> gpicl::Result<(Vec<Vec<String>>, PredictReport)> {
    let dir = tempfile::tempdir().unwrap();
    let files = ["c.csv", "q.csv", "p.csv"].map(|name| dir.path().join(name));
    fs::write(&files[0], known).unwrap();
    fs::write(&files[1], asked).unwrap();
    let report = predicted(&files, tables, &PredictConfig::default())?;
    let mut reader = csv::Reader::from_path(&files[2]).unwrap();
    let row = |record: csv::StringRecord| record.iter().map(String::from).collect();
    Ok((reader.records().map(|record| row(record.unwrap())).collect(), report))
}

/// The predicted labels of tables read as usual.
fn labels(known: &str, asked: &str) -> Vec<String> {
    let (rows, _) = answer(known, asked, &TableConfig::default()).unwrap();
    rows.into_iter().map(|row| row[0].clone()).collect()
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

#[test]
fn a_table_is_predicted_far_above_chance_without_training() {
    let dir = tempfile::tempdir().unwrap();
    let files = ["context.csv", "query.csv", "out.csv"].map(|name| dir.path().join(name));
    let [context, query, out] = &files;
    fs::write(context, table(1, 60, true)).unwrap();
    fs::write(query, table(2, 60, true)).unwrap();
    let config = PredictConfig::default();
    let report = predicted(&files, &TableConfig::default(), &config).unwrap();
    assert_eq!((report.context, report.queries), (60, 60), "more rows than the model reads are subsampled");
    assert_eq!(report.classes, ["setosa", "versi,color", "virginica"]);
    let accuracy = report.accuracy.unwrap();
    assert!(accuracy > 0.75, "chance is 0.33: {accuracy}");

    let written = fs::read_to_string(out).unwrap();
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

    fs::write(query, table(2, 60, false)).unwrap();
    let again = predicted(&files, &TableConfig::default(), &config).unwrap();
    assert_eq!(again.accuracy, None);
    assert_eq!(fs::read_to_string(out).unwrap(), written, "the labels of the queries are not used");
}

#[test]
fn iris_is_predicted_far_above_chance() {
    let dir = tempfile::tempdir().unwrap();
    let files = ["context.csv", "query.csv", "out.csv"].map(|name| dir.path().join(name));
    let [context, query, _] = &files;
    let lines: Vec<&str> = include_str!("iris.csv").lines().collect();
    let part = |rest: usize| {
        let rows = lines[1..].iter().enumerate().filter(|(i, _)| i % 4 == rest).map(|(_, line)| *line);
        std::iter::once(lines[0]).chain(rows).collect::<Vec<_>>().join("\n")
    };
    fs::write(context, part(0)).unwrap();
    fs::write(query, part(1)).unwrap();
    let config = PredictConfig::default();
    let report =
        predicted(&files, &TableConfig { label: Some("species".into()), ..TableConfig::default() }, &config)
            .unwrap();
    assert_eq!(report.classes, ["setosa", "versicolor", "virginica"]);
    let accuracy = report.accuracy.unwrap();
    assert!(accuracy > 0.8, "chance is 0.33: {accuracy}");
}

#[test]
fn bad_tables_are_named_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let files = ["context.csv", "query.csv", "out.csv"].map(|name| dir.path().join(name));
    let [context, query, out] = &files;
    let error = |known: &str, asked: &str, label: Option<&str>| {
        fs::write(context, known).unwrap();
        fs::write(query, asked).unwrap();
        let tables = TableConfig { label: label.map(String::from), ..TableConfig::default() };
        let error = predicted(&files, &tables, &PredictConfig::default()).unwrap_err().to_string();
        assert!(!out.exists());
        error
    };
    let good = table(1, 9, true);
    for (known, asked, label, parts) in [
        (good.as_str(), "length,width\n1,2\n", None, ["query.csv", "colour"]),
        (good.as_str(), "length,width,colour,noise\n1,2,red,x\n", None, ["query.csv", "line 2"]),
        (good.as_str(), good.as_str(), Some("species"), ["context.csv", "species"]),
        ("a,y\n1,only\n2,only\n", "a\n1\n", None, ["context.csv", "1 different label"]),
        ("a,y\n1,p\n2,q\n3,r\n4,s\n5,t\n", "a\n1\n", None, ["context.csv", "5 different labels"]),
        ("y\np\nq\n", "y\np\n", None, ["context.csv", "has one column"]),
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
    let lot = Predictor::MOST_AT_A_TIME;
    let (features, classes, count) = (3, 3, lot + 7);
    let mut rng = Rng::new(3, Stream::Data, 0);
    let mut rows =
        |count: usize| (0..count * features).map(|_| f64::from(rng.normal())).collect::<Vec<f64>>();
    let (known, queries) = (rows(30), rows(count));
    let labels: Vec<u32> = (0..30).map(|at| at % classes as u32).collect();
    let context = Context { features: &known, labels: &labels, classes };
    let config = PredictConfig { ensemble: 2, ..PredictConfig::default() };
    let predict = |queries: &[f64]| predictor.predict(context, queries, &config).unwrap();
    let together = predict(&queries);
    assert_eq!(together.len(), count * classes);
    let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
    let row = |at: usize| &together[at * classes..][..classes];
    // On both sides of where the second lot begins, and the last.
    for at in [0, lot - 1, lot, count - 1] {
        let alone = predict(&queries[at * features..][..features]);
        assert!(close(row(at), &alone), "row {at}: {:?}, alone {alone:?}", row(at));
    }
    let other = row(count - 1 - lot);
    assert!(!close(row(count - 1), other), "rows of the same place in their lots are told apart");
}

#[test]
fn a_missing_number_becomes_the_mean_and_sizes_are_checked() {
    let predictor = Predictor::load(&checkpoint()).unwrap();
    let features = [0.0, 5.0, 0.2, 5.5, 10.0, -5.0, 9.5, f64::NAN, 0.1, 5.2, 9.8, -5.5];
    let context = Context { features: &features, labels: &[0, 0, 1, 1, 0, 1], classes: 2 };
    let config = PredictConfig::default();
    let p = predictor.predict(context, &[0.1, f64::NAN, 9.9, f64::NAN], &config).unwrap();
    assert!(p[0] > 0.5 && p[3] > 0.5, "{p:?}");
    assert!(p.iter().all(|p| p.is_finite()));
    assert_eq!(predictor.predict(context, &[], &config).unwrap(), Vec::<f32>::new());
    assert!(predictor.predict(context, &[1.0; 3], &config).is_err());
    assert!(predictor.predict(Context { classes: 1, ..context }, &[1.0; 2], &config).is_err());
}

// Tables that went wrong silently

/// `count` rows of `cells`, a number between 0 and 7 with each, and a label.
fn rows(count: usize, cells: impl Fn(usize) -> String, label: &str) -> String {
    (0..count).map(|i| format!("{},{label}\n", cells(i))).collect()
}

#[test]
fn a_column_constant_or_empty_in_the_context_tells_nothing() {
    for filler in ["100", "", "NA"] {
        let known = "price,x,label\n".to_string()
            + &rows(8, |i| format!("{filler},1.{i}"), "lo")
            + &rows(8, |i| format!("{filler},3.{i}"), "hi");
        let plain = known.replace("price,", "").replace(&format!("\n{filler},"), "\n");
        let asked = "price,x\n120,1.2\n90,1.6\n130,3.3\n80,3.6\n";
        let (with, _) = answer(&known, asked, &TableConfig::default()).unwrap();
        let (without, _) = answer(&plain, "x\n1.2\n1.6\n3.3\n3.6\n", &TableConfig::default()).unwrap();
        assert_eq!(with, without, "{filler:?}");
        assert_eq!(with.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), ["lo", "lo", "hi", "hi"]);
    }
    let error = answer("a,y\n1,p\n1,q\n", "a\n2\n", &TableConfig::default()).unwrap_err().to_string();
    assert!(error.contains("c.csv") && error.contains("constant or empty"), "{error}");
}

#[test]
fn digits_beyond_single_precision_and_small_units_count() {
    let asked = [2, 6, 43, 47];
    let wanted = ["early", "early", "late", "late"];
    for (at, unit) in [(1_700_000_000.0, 1.0), (0.0, 1e-7), (0.0, 1e-30), (3.0, 1e-9), (0.0, 1e39)] {
        let number = |i: usize| format!("{:?}", at + unit * i as f64);
        let known =
            "t,label\n".to_string() + &rows(8, number, "early") + &rows(8, |i| number(40 + i), "late");
        let asked: String = asked.iter().map(|&i| number(i) + "\n").collect();
        assert_eq!(labels(&known, &format!("t\n{asked}")), wanted, "{at} {unit}");
    }
}

#[test]
fn huge_numbers_are_clipped_and_infinite_ones_named() {
    let known = "x,z,label\n".to_string()
        + &rows(8, |i| format!("1.{i},0.{i}"), "lo")
        + &rows(8, |i| format!("3.{i},0.{i}"), "hi");
    let asked = "x,z\n-3.4028235e+38,0\n1e39,0\n-1.7e308,0.3\n1.5,-1e300\n";
    let (rows, _) = answer(&known, asked, &TableConfig::default()).unwrap();
    let p: Vec<f64> = rows.iter().flat_map(|row| &row[1..]).map(|cell| cell.parse().unwrap()).collect();
    assert!(p.iter().all(|p| (0.0..=1.0).contains(p)), "{p:?}");
    assert_eq!([&rows[0][0], &rows[1][0]], ["lo", "hi"]);
    for (cell, line) in [("inf", 3), ("-Infinity", 3), ("1e999", 3)] {
        let asked = format!("x,z\n1,0\n{cell},0\n");
        let error = answer(&known, &asked, &TableConfig::default()).unwrap_err().to_string();
        let place = format!("q.csv: line {line}, column `x`: `{cell}`");
        assert!(error.contains(&place), "{error}");
        let error = answer(&format!("{known}{cell},0,hi\n"), "x,z\n1,1\n", &TableConfig::default());
        assert!(error.unwrap_err().to_string().contains("c.csv: line 18, column `x`"));
    }
    assert_eq!(CLIP, 10.0, "as docs/predict.md says");
}

#[test]
fn a_rare_class_is_kept_where_the_context_is_longer_than_the_model_reads() {
    let mut rng = Rng::new(5, Stream::Data, 0);
    let mut known = String::from("x,label\n");
    for i in 0..1000 {
        let (mean, deviation, label) = if i % 50 == 0 { (8.0, 0.3, "pos") } else { (0.0, 1.0, "neg") };
        known.push_str(&format!("{},{label}\n", mean + deviation * rng.normal()));
    }
    let (rows, report) = answer(&known, "x\n8\n0\n-1\n", &TableConfig::default()).unwrap();
    assert_eq!((report.context, report.classes.as_slice()), (1000, &["pos".to_string(), "neg".into()][..]));
    let p: Vec<f64> = rows.iter().map(|row| row[1].parse().unwrap()).collect();
    assert!(p[0] > 0.5, "{p:?}");
    assert!(p[1] < 0.05 && p[2] < 0.05, "{p:?}");
}

#[test]
fn a_text_for_a_missing_label_is_no_class() {
    for missing in ["", "NaN", "NA", "null", "None", "<NA>", "-", "#N/A", "n/a", "-nan", "NULL"] {
        let known = format!("x,label\n1,a\n2,b\n3,{missing}\n");
        let error = answer(&known, "x\n1\n", &TableConfig::default()).unwrap_err().to_string();
        assert!(error.contains("c.csv: line 4, column `label`: the label is empty"), "{missing}: {error}");
    }
    let tables = TableConfig { missing: vec!["?".into(), "-999".into()], ..TableConfig::default() };
    for missing in ["?", "-999", "-999.0"] {
        let error = answer(&format!("x,label\n1,a\n2,{missing}\n"), "x\n1\n", &tables).unwrap_err();
        assert!(error.to_string().contains("line 3, column `label`"), "{error}");
    }
}

#[test]
fn labels_and_categories_are_what_they_mean_and_strangers_are_named() {
    let table = |labels: [&str; 2], texts: [&str; 2]| {
        let x = |i: usize, at: usize| format!("{at}.{i},{}", texts[at]);
        "x,flag,label\n".to_string() + &rows(8, |i| x(i, 0), labels[0]) + &rows(8, |i| x(i, 1), labels[1])
    };
    let usual = TableConfig::default();
    let spellings =
        [["0", "1"], ["0.0", "1.0"], ["False", "True"], ["FALSE", "TRUE"], ["no", "yes"], ["f", "t"]];
    for known in spellings {
        for asked in spellings {
            let report = answer(&table(known, known), &table(asked, asked), &usual).unwrap().1;
            assert_eq!(report.accuracy, Some(1.0), "{known:?} {asked:?}");
            assert_eq!(
                (report.classes, report.warnings),
                (known.map(String::from).to_vec(), Vec::<String>::new())
            );
        }
    }
    // Zeros in front are a text's.
    let (_, report) =
        answer(&table(["007", "010"], ["0", "1"]), &table(["7", "10"], ["0", "1"]), &usual).unwrap();
    assert_eq!(report.accuracy, Some(0.0));
    let said = "16 of 16 labels of the queries' column `label`";
    assert!(matches!(&report.warnings[..], [one] if one.starts_with(said)), "{:?}", report.warnings);
    assert_eq!(report.label, "label");
    // One of many is named with its line.
    let known = table(["a", "b"], ["red", "blue"]);
    let asked = known.replacen("blue,b", "blue,c", 1);
    let (_, report) = answer(&known, &asked, &usual).unwrap();
    let named = |one: &String| {
        one.starts_with("1 of 16 labels") && one.ends_with("the first is `c`, line 10, column `label`")
    };
    assert!(matches!(&report.warnings[..], [one] if named(one)), "{:?}", report.warnings);
    assert_eq!((report.judged, report.accuracy), (16, Some(15.0 / 16.0)));
    assert_eq!(report.judged_known, 15, "the others are labelled rows");
    let shifted = table(["a", "b"], ["red", "blue"]).replace("\n0.", "\n5000.").replace("\n1.", "\n5001.");
    let (_, report) = answer(&known, &shifted, &usual).unwrap();
    assert!(matches!(&report.warnings[..], [one] if one.contains("16 of 16 numbers") && one.contains("`x`")));
    assert_eq!((report.judged, report.judged_known), (16, 0));
    let (_, report) = answer(&table(["a", "A"], ["red", "blue"]), &known, &usual).unwrap();
    assert!(matches!(&report.warnings[..], [one, _] if one.contains("`a` and `A`")), "{:?}", report.warnings);
    let (_, report) = answer(&known, &known.replacen("blue,b", "blue,", 1), &usual).unwrap();
    assert_eq!((report.judged, report.accuracy), (15, Some(1.0)));
    let rows = known.replacen("x,flag,label", "0.5,red,a", 1);
    let (_, report) = answer(&rows, &rows, &usual).unwrap();
    assert!(matches!(&report.warnings[..], [one] if one.contains("`0.5`")), "{:?}", report.warnings);
    let (_, report) = answer(&known, &table(["a", "b"], ["Red", "Blue"]), &usual).unwrap();
    assert!(matches!(&report.warnings[..], [one] if one.contains("column `flag`")), "{:?}", report.warnings);
    let (_, report) = answer(&known, &table(["a", "b"], ["red", "Blue"]), &usual).unwrap();
    assert!(
        matches!(&report.warnings[..], [one] if one.contains("8 of 16 values") && one.contains("`Blue`"))
    );
}

#[test]
fn two_words_for_true_or_for_false_in_a_column_are_two_values() {
    let usual = TableConfig::default();
    let known = |flags: &[[&str; 2]]| {
        let part = |[flag, label]: &[&str; 2]| rows(6, |_| flag.to_string(), label);
        "flag,label\n".to_string() + &flags.iter().map(part).collect::<String>()
    };
    // Labels.
    let table = "x,label\n".to_string()
        + &rows(6, |i| format!("1.{i}"), "y")
        + &rows(6, |i| format!("3.{i}"), "t")
        + &rows(6, |i| format!("9.{i}"), "n");
    let (_, report) = answer(&table, "x,label\n1.2,y\n3.3,t\n", &usual).unwrap();
    assert_eq!(report.classes, ["y", "t", "n"]);
    // A column of the context: f is not n, and T is t.
    let three = known(&[["t", "a"], ["f", "b"], ["n", "c"]]);
    let (said, _) = answer(&three, "flag\nt\nf\nn\n", &usual).unwrap();
    assert!(said[0] != said[1] && said[1] != said[2] && said[0] != said[2], "{said:?}");
    let two = known(&[["True", "a"], ["no", "b"], ["TRUE", "a"]]);
    let (said, _) = answer(&two, "flag\ntrue\nTrue\n1\n", &usual).unwrap();
    assert_ne!(said[0], said[2], "`1` beside `true` is another word");
    assert_eq!((said[0][0].as_str(), said[1][0].as_str()), ("a", "a"), "case makes no other");
    // A column of the queries: its two words for false are not both the context's one.
    let two = known(&[["t", "a"], ["f", "b"]]);
    let (said, report) = answer(&two, "flag\nT\nF\nn\n", &usual).unwrap();
    assert_ne!(said[1], said[2]);
    assert_eq!((said[0][0].as_str(), said[1][0].as_str()), ("a", "b"));
    assert!(matches!(&report.warnings[..], [one] if one.contains("1 of 3 values") && one.contains("`n`")));
    let alone = |asked: &str| answer(&two, asked, &usual).unwrap().0;
    assert_eq!(alone("flag\nn\n"), alone("flag\nf\n"), "one word is the other file's one");
}

#[test]
fn an_empty_line_in_a_table_of_one_column_is_a_row() {
    let known =
        "x,label\n".to_string() + &rows(8, |i| format!("1.{i}"), "p") + &rows(8, |i| format!("3.{i}"), "q");
    for asked in ["x\n1.2\n\n3.3\n\n", "x\r\n1.2\r\n\r\n3.3\r\n", "x\n1.2\nNA\n3.3\n"] {
        let said = labels(&known, asked);
        assert_eq!((said.len(), said[0].as_str(), said[2].as_str()), (3, "p", "q"), "{asked:?}");
    }
    let error = answer(&known, "x\n1\n\ninf\n", &TableConfig::default()).unwrap_err().to_string();
    assert!(error.contains("q.csv: line 4, column `x`"), "{error}");
}

#[test]
fn a_web_page_in_place_of_a_table_is_called_one() {
    let page = "<!doctype html>\n<html><body>Sign in, please</body></html>\n";
    let good = "x,label\n1,a\n2,b\n";
    for (known, asked, name) in [(page, good, "c.csv"), (good, page, "q.csv")] {
        let error = answer(known, asked, &TableConfig::default()).unwrap_err().to_string();
        assert!(error.contains(&format!("{name}: is a web page (HTML)")), "{error}");
    }
}

#[test]
fn only_finite_numbers_make_a_column_of_numbers() {
    let usual = TableConfig::default();
    for (texts, other) in
        [(["inf", "acme"], "zeta"), (["NAN", "oral"], "x"), (["Infinity", "acer"], "y"), (["1", "A"], "2")]
    {
        let brand = |i: usize| texts[i].to_string();
        let known = "brand,label\n".to_string() + &rows(6, |_| brand(0), "p") + &rows(6, |_| brand(1), "q");
        let asked = format!("brand,label\n{},p\n{},q\n{other},\n", brand(0), brand(1));
        let (rows, report) = answer(&known, &asked, &usual).unwrap();
        assert_eq!((rows.len(), report.accuracy), (3, Some(1.0)), "{texts:?}");
    }
    let missing = ["NULL", "null", "None", "<NA>", "#N/A", "n/a", "NaN", "-nan", "-", "NAN"];
    let known =
        "x,label\n".to_string() + &rows(8, |i| format!("1.{i}"), "p") + &rows(8, |i| format!("3.{i}"), "q");
    for missing in missing {
        let with = format!("{known}{missing},q\n");
        assert_eq!(labels(&with, &format!("x\n1.2\n3.1\n{missing}\n"))[..2], ["p", "q"], "{missing}");
    }
}

// Tables as people have them

#[test]
fn delimiters_decimal_commas_and_gzip_are_understood() {
    let plain = "x,z,label\n".to_string()
        + &rows(8, |i| format!("1.{i},0.5{i}"), "p")
        + &rows(8, |i| format!("3.{i},0.2{i}"), "q");
    let asked = "x,z\n1.25,0.4\n3.5,0.3\n";
    let usual = TableConfig::default();
    let (wanted, _) = answer(&plain, asked, &usual).unwrap();
    for delimiter in [";", "\t", "|"] {
        let other = |text: &str| text.replace(',', delimiter).replace('.', ",");
        assert_eq!(answer(&other(&plain), &other(asked), &usual).unwrap().0, wanted, "{delimiter:?}");
        assert_eq!(answer(&other(&plain), asked, &usual).unwrap().0, wanted, "each as it is");
    }
    let colon = |text: &str| text.replace(',', ":");
    let told = TableConfig { delimiter: Some(":".parse().unwrap()), ..usual.clone() };
    assert_eq!(answer(&colon(&plain), &colon(asked), &told).unwrap().0, wanted);
    let both = "x;y\n1.234;p\n1,5;q\n";
    let error = answer(both, "x;y\n1;p\n", &usual).unwrap_err().to_string();
    assert!(error.contains("line 2, column `x`: has `1.234` where another row has `1,5`"), "{error}");

    let dir = tempfile::tempdir().unwrap();
    let files = ["c.csv.gz", "q.csv", "p.csv"].map(|name| dir.path().join(name));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut gzip, plain.as_bytes()).unwrap();
    let packed = gzip.finish().unwrap();
    fs::write(&files[0], &packed).unwrap();
    fs::write(&files[1], asked).unwrap();
    predicted(&files, &usual, &PredictConfig::default()).unwrap();
    let written = fs::read_to_string(&files[2]).unwrap();
    assert!(written.lines().skip(1).zip(&wanted).all(|(line, row)| line == row.join(",")), "{written}");
    fs::write(&files[0], &packed[..packed.len() - 9]).unwrap();
    let error = predicted(&files, &usual, &PredictConfig::default()).unwrap_err().to_string();
    assert!(error.contains("c.csv.gz: is no whole gzip file"), "{error}");
}

#[test]
fn columns_are_dropped_made_categories_and_suspected() {
    let known = "id,zip,x,label\n".to_string()
        + &rows(8, |i| format!("{i},{},1.{i}", 8000 + i % 2), "p")
        + &rows(8, |i| format!("{},{},3.{i}", 8 + i, 8000 + i % 2), "q");
    let asked = "zip,x\n8000,1.3\n8001,3.3\n";
    let tables = TableConfig { drop: vec!["id".into()], ..TableConfig::default() };
    let (_, report) = answer(&known, asked, &tables).unwrap();
    assert_eq!(report.warnings, Vec::<String>::new());
    let full = "id,zip,x\n1,8000,1.3\n";
    let of_queries = TableConfig { drop: vec!["note".into(), "id".into()], ..TableConfig::default() };
    assert!(
        answer(&known, "note,zip,x\nsee,8000,1.3\n", &of_queries).is_ok(),
        "the queries alone have a `note`"
    );
    let (_, report) = answer(&known, full, &TableConfig::default()).unwrap();
    assert!(matches!(&report.warnings[..], [one] if one.contains("`id`") && one.contains("--drop 'id'")));
    let tables = TableConfig { categorical: vec!["zip".into()], ..tables };
    let (_, report) = answer(&known, "zip,x\n1,2\n2,2\n", &tables).unwrap();
    assert!(matches!(&report.warnings[..], [one] if one.contains("column `zip`")), "{:?}", report.warnings);
    for tables in [
        TableConfig { drop: vec!["nope".into()], ..TableConfig::default() },
        TableConfig { categorical: vec!["nope".into()], ..TableConfig::default() },
    ] {
        assert!(answer(&known, asked, &tables).unwrap_err().to_string().contains("no column `nope`"));
    }
    let drop = vec!["label".into()];
    let tables = TableConfig { drop, label: Some("label".into()), ..TableConfig::default() };
    assert!(answer(&known, asked, &tables).unwrap_err().to_string().contains("is the label and dropped"));
    let names = "name,label\n".to_string() + &rows(120, |i| format!("n{i}"), "p") + "z,q\n";
    let error = answer(&names, "name\nn1\n", &TableConfig::default()).unwrap_err().to_string();
    assert!(error.contains("121 different values") && error.contains("--drop 'name'"), "{error}");
    let mixed = "x,label\n".to_string() + &rows(120, |i| format!("{i}"), "p") + "oops,q\n";
    let error = answer(&mixed, "x\n1\n", &TableConfig::default()).unwrap_err().to_string();
    assert!(error.contains("line 122, column `x`: `oops` is no number"), "{error}");
}

#[test]
fn a_text_among_numbers_is_named() {
    let known = "v,x,label\n".to_string()
        + &rows(8, |i| format!("{},1.{i}", i % 3), "p")
        + &rows(8, |i| format!("{},3.{i}", i % 3), "q")
        + "?,1.5,p\n";
    let asked = "v,x\n1,1.3\n2,3.3\n";
    let (_, report) = answer(&known, asked, &TableConfig::default()).unwrap();
    let [one] = &report.warnings[..] else { panic!("{:?}", report.warnings) };
    for part in ["`v`", "`?`", "line 18", "16 of its 17 cells", "--missing '?'"] {
        assert!(one.contains(part), "{part}: {one}");
    }
    let missing = TableConfig { missing: vec!["?".into()], ..TableConfig::default() };
    assert_eq!(answer(&known, asked, &missing).unwrap().1.warnings, Vec::<String>::new());
    // Some of a column that are not known, too; and what stands between cells.
    let known =
        "c,x,label\n".to_string() + &rows(8, |i| format!("{},1.{i}", ["A", "B"][i % 2]), "p") + "B,9,q\n";
    let (_, report) = answer(&known, "c,x\nA,1.3\nC,3.3\n", &TableConfig::default()).unwrap();
    assert!(
        matches!(&report.warnings[..], [one] if one.contains("1 of 2 values of the column `c`")),
        "{report:?}"
    );
    let error = answer("a:y\n1:p\n2:q\n", "a\n1\n", &TableConfig::default()).unwrap_err().to_string();
    assert!(error.contains("has one column") && error.contains("--delimiter"), "{error}");
}

#[test]
fn one_class_is_no_reason_to_meta_train_with_more() {
    let error = answer("a,y\n1,only\n2,only\n", "a\n1\n", &TableConfig::default()).unwrap_err().to_string();
    assert!(error.contains("`only`") && error.contains("rows of another class"), "{error}");
    assert!(!error.contains("data.classes"), "{error}");
}

#[test]
fn a_learner_that_cannot_learn_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let files = ["c.csv", "q.csv", "p.csv"].map(|name| dir.path().join(name));
    fs::write(&files[0], "a,y\n1,p\n2,q\n").unwrap();
    fs::write(&files[1], "a\n1\n").unwrap();
    let warnings = |checkpoint: &Path| {
        let [context, query, out] = &files;
        let out = &OutFile::new(out).unwrap();
        let files = PredictFiles { checkpoint: Some(checkpoint), context, query, out };
        predict_table(&files, &TableConfig::default(), &PredictConfig::default(), &mut |_, _| {})
            .unwrap()
            .warnings
    };
    assert_eq!(warnings(&checkpoint()), Vec::<String>::new());
    let run = dir.path().join("mlp");
    let sets = ["model={kind='mlp'}", "train.steps=1", "eval.every=0", "eval.final_episodes=8"];
    finish(&mut Trainer::start(small(&sets), None, &run).unwrap());
    let said = warnings(&run);
    assert!(matches!(&said[..], [one] if one.contains("`mlp`") && one.contains("guesses")), "{said:?}");
}

#[test]
fn progress_counts_the_answers_of_all_members() {
    let predictor = Predictor::load(&checkpoint()).unwrap();
    let context = Context { features: &[0.0, 1.0], labels: &[0, 1], classes: 2 };
    let mut heard = Vec::new();
    let heard_at = 32 * Predictor::MOST_AT_A_TIME;
    let queries = vec![0.5; heard_at + 1];
    let config = PredictConfig { ensemble: 2, ..PredictConfig::default() };
    predictor.predict_watched(context, &queries, &config, &mut |done, of| heard.push((done, of))).unwrap();
    let (one, all) = (queries.len(), 2 * queries.len());
    assert_eq!(heard.last(), Some(&(all, all)));
    assert!(heard.contains(&(heard_at, all)) && heard.contains(&(one, all)), "{heard:?}");
}

/// Whoever listens can end a prediction after each group of members: as they read, as they answer, as the temperature is looked for.
#[test]
fn a_large_ensemble_is_heard_of_in_each_of_its_parts() {
    let predictor = Predictor::built_in().unwrap();
    let features: Vec<f64> = (0..40).map(|row| f64::from(row) * 0.1 + f64::from(row % 2)).collect();
    let labels: Vec<u32> = (0..40).map(|row| row % 2).collect();
    let context = Context { features: &features, labels: &labels, classes: 2 };
    let config = PredictConfig { ensemble: 70, ..PredictConfig::default() };
    let mut heard = Vec::new();
    predictor.predict_watched(context, &[0.5], &config, &mut |done, of| heard.push((done, of))).unwrap();
    // 32 members at a time are three groups. Five folds look for the temperature.
    let (read, answer, folds) = (3, 3, 5);
    let count = |done| heard.iter().filter(|&&it| it == (done, 70)).count();
    assert_eq!([0, 32, 64].map(count), [read, 1, 1], "{heard:?}");
    assert_eq!(count(70), 1 + folds * (read + answer), "{heard:?}");
}

#[test]
fn units_beside_numbers_and_columns_that_queries_lack_are_told() {
    let rows = |count: usize| -> String {
        let row = |i: usize| format!("{}.5 kg,{},{}\n", i % 9, 950 + i, ["a", "b"][i % 2]);
        (0..count).map(row).collect()
    };
    let known = format!("weight,price,kind\n{}\"7.5 kg\",\"1,234\",a\n", rows(20));
    let (_, report) = answer(&known, &known, &TableConfig::default()).unwrap();
    for what in [
        "`weight` has `kg` beside its numbers, as in `0.5 kg`, and is read as categories",
        "`price` has signs between the thousands of its numbers, as in `1,234`",
    ] {
        assert!(report.warnings.iter().any(|said| said.contains(what)), "{:?}", report.warnings);
    }
    let many: String = (0..120).map(|i| format!("{i}.5 kg,{}\n", i % 2)).collect();
    let many = format!("weight,kind\n{many}");
    let error = answer(&many, &many, &TableConfig::default()).unwrap_err().to_string();
    assert!(error.contains("has `kg` beside its numbers") && error.contains("120 different"), "{error}");
    let error = answer(&known, "weight\n1.5 kg\n", &TableConfig::default()).unwrap_err().to_string();
    assert!(
        error.contains("q.csv") && error.contains("`price`") && error.contains("--drop 'price'"),
        "{error}"
    );
}

#[test]
fn columns_of_numbers_are_doubted_as_in_a_file() {
    let names = ["row", "back", "x", "few"].map(String::from);
    let rows: Vec<f64> =
        (0..30).flat_map(|row| [row, 90 - 2 * row, row * 7 % 30, row / 2].map(f64::from)).collect();
    let said = gpicl::data::columns::doubts_of_numbers(&names, &rows);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said[0].contains("`row` looks like a name or a running number") && said[1].contains("`back`"),
        "{said:?}"
    );
    assert!(gpicl::data::columns::doubts_of_numbers(&names, &rows[..20]).is_empty(), "few rows");
}
