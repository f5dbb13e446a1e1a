//! Learners side by side: the paper's table, and accuracy against state size.
//!
//! [`NamedSpec`] says which learners, seeds and data sets. [`compare`] meta-trains what is not there yet (a run
//! folder for each method and seed, below `runs/`), meta-tests all on the same episodes, and gives a
//! [`Comparison`], which [`Comparison::save`] writes as tables and figures. Everything that is finished is
//! kept: a comparison that was killed goes on where it was, to the same bytes.

mod baseline;
mod differences;
mod figures;
mod measure;
mod metric;
mod paper;
mod spec;
mod tables;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

pub(crate) use differences::difference;
pub use differences::{Difference, Role};
pub use measure::Size;
pub use metric::Metric;
pub use spec::{CompareSpec, MethodSpec, NamedSpec, TestSetSpec};

use crate::workers::{Ending, Observer, Workers};
use gpicl::DeviceKind;
use gpicl::RunDir;
use gpicl::data::Description;
use gpicl::eval::{LearningCurve, Look, Sample};
use gpicl::folder::{Kind, claim};
use gpicl::fs::{create_folder, lock, write_atomic};
use gpicl::models::Dims;
use gpicl::{Error, Result};
use measure::{Bench, Measured, Set, kept_path};
use spec::{Learner, Method, Plan};

/// All methods on all sets.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Sizes that all learners have in common.
    pub dims: Dims,
    /// Meta-test episodes for each set and run, and queries of each context.
    pub sample: Sample,
    /// Seeds of the methods that were meta-trained here.
    pub seeds: Vec<u64>,
    /// Name of the row that the others stand against; if absent, the classical method with the best mean on each set.
    pub against: Option<String>,
    /// The columns.
    pub sets: Vec<Column>,
    /// The rows.
    pub methods: Vec<Row>,
    /// What the rows have over each other on the same episodes.
    pub differences: Vec<Difference>,
}

/// A data set of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Column {
    /// Name of the data set, or the label that the spec gives it.
    pub name: String,
    /// What it is called in heads, titles and sentences: what its data are, in short, or the spec's label.
    pub head: String,
    /// Whether it is on this machine.
    pub present: bool,
    /// What its data are, under all seeds together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Description>,
}

/// A learner of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Name of its run folders.
    pub name: String,
    /// Name for people.
    pub label: String,
    /// What it is.
    pub kind: RowKind,
    /// Whether its architecture counts in the rank correlations.
    pub ranked: bool,
    /// What came of it.
    pub outcome: Outcome,
}

/// What a learner of the table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowKind {
    /// A network that was meta-trained.
    Network,
    /// The network of the row above as it was initialised.
    Untrained,
    /// A classical method.
    Baseline,
    /// A learning algorithm that people wrote, from a start that is meta-trained.
    MetaTrainedBaseline,
}

/// What came of a method.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was measured.
    Measured {
        /// Size of its architecture, if it is a model.
        size: Option<Size>,
        /// A learning curve for each column; `None` where the data set is absent. Intervals are over seeds and episodes
        /// where there are several seeds, else over episodes.
        curves: Vec<Option<LearningCurve>>,
        /// For each column, the curves of every seed with their episodes.
        #[serde(skip)]
        by_seed: Vec<Vec<LearningCurve>>,
        /// Commits of the programs that meta-trained its models.
        commits: BTreeSet<String>,
    },
    /// It could not be meta-trained or measured: why.
    Failed(String),
}

/// Where a comparison reads and writes, and who is told.
pub struct Surroundings<'a> {
    /// Folder of the comparison.
    pub out: &'a Path,
    /// Where the data sets are.
    pub data_dir: Option<&'a Path>,
    /// Who meta-trains.
    pub workers: Workers,
    /// Gets a remark now and then.
    pub note: &'a (dyn Fn(String) + Sync),
    /// When raised, nothing further is begun.
    pub stop: &'a AtomicBool,
    /// Called again and again during meta-tests.
    pub look: Look,
}

/// How long a process that is about to end is waited for.
const PATIENCE: Duration = Duration::from_millis(500);

/// Meta-trains what is not there yet and meta-tests all. A method that fails is in the result as such. `None` if
/// the stop flag was raised.
///
/// # Errors
/// A spec that cannot be used, base data or devices that are missing, a run folder of another configuration.
pub fn compare(spec: &NamedSpec, around: &Surroundings<'_>) -> Result<Option<Comparison>> {
    let plan = spec.plan()?;
    if around.workers.jobs == 0 {
        return Err(Error::config("--jobs", "is 0", "give at least 1"));
    }
    find_devices(&plan, around.out)?;
    claim(around.out, Kind::Comparison)?;
    let bench = Bench::load(&plan, around.data_dir, &around.look)?;
    if !bench.sets.iter().any(Set::present) {
        let names: Vec<&str> = bench.sets.iter().map(|set| set.name.as_str()).collect();
        let fix = "run `gpicl data fetch NAME`, or name others in test_sets";
        return Err(Error::config("test_sets", format!("none of {} is here", names.join(", ")), fix));
    }
    for set in bench.sets.iter().filter(|set| !set.present()) {
        tracing::warn!("data set `{}` is not on this machine: its column stays empty", set.name);
    }
    bench.admit(&plan.methods)?;
    create_folder(around.out)?;
    let started = Instant::now();
    let Some(_lock) = lock(&around.out.join(".lock"), || started.elapsed() < PATIENCE)? else {
        let fix = "wait for it, or give another --out";
        return Err(Error::file(around.out, "is where another comparison is at work", fix));
    };
    let failures = meta_train(&plan, around)?;
    let kept = around.out.join("measured");
    create_folder(&kept)?;
    let mut methods = Vec::new();
    for method in &plan.methods {
        let network = !matches!(method.learner, Learner::Baseline(_));
        for untrained in [false, true] {
            if untrained && !(network && plan.untrained) {
                continue;
            }
            if around.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let outcome = match failures.get(&method.name) {
                Some(problem) => Outcome::Failed(problem.clone()),
                None => {
                    measure_all(&bench, method, untrained, around, &kept).or_else(|error| match error {
                        Error::Io { .. } => Err(error),
                        error => Ok(Outcome::Failed(error.to_string())),
                    })?
                }
            };
            let Method { name, label, ranked, learner } = method.clone();
            methods.push(if untrained {
                let (name, label) = (untrained_name(&name), format!("{label}, untrained"));
                Row { name, label, kind: RowKind::Untrained, ranked: false, outcome }
            } else {
                let kind = match learner {
                    Learner::Baseline(name) if baseline::find(&name)?.meta_trained => {
                        RowKind::MetaTrainedBaseline
                    }
                    Learner::Baseline(_) => RowKind::Baseline,
                    Learner::Train(_) | Learner::Load(_) => RowKind::Network,
                };
                Row { name, label, kind, ranked, outcome }
            });
        }
    }
    let column = |set: &Set| {
        let (name, head, data) = (set.name.clone(), set.head(), set.description());
        Column { name, head, present: set.present(), data }
    };
    let comparison = Comparison {
        dims: bench.dims,
        sample: plan.sample,
        seeds: plan.seeds,
        against: plan.against,
        sets: bench.sets.iter().map(column).collect(),
        methods,
        differences: Vec::new(),
    };
    Ok(Some(comparison.with_differences()))
}

/// Name of the control of method `name`.
fn untrained_name(name: &str) -> String {
    format!("{name}-untrained")
}

fn run_path(out: &Path, method: &str, seed: u64) -> PathBuf {
    out.join("runs").join(format!("{method}-seed{seed}"))
}

/// Refuses a comparison of which no run is finished, and none can be meta-trained here.
fn find_devices(plan: &Plan, out: &Path) -> Result<()> {
    let mut devices = Vec::new();
    for method in &plan.methods {
        let Learner::Train(configs) = &method.learner else { continue };
        for (seed, config) in configs {
            if RunDir::at(run_path(out, &method.name, *seed)).finished() {
                return Ok(());
            }
            devices.push(config.device);
        }
    }
    DeviceKind::check_any(devices)
}

/// Meta-trains the unfinished runs of all methods. Returns the methods that failed, with what went wrong first.
fn meta_train(plan: &Plan, around: &Surroundings<'_>) -> Result<HashMap<String, String>> {
    let mut owners = Vec::new();
    let mut runs: Vec<RunDir> = Vec::new();
    for method in &plan.methods {
        match &method.learner {
            Learner::Train(configs) => {
                for (seed, config) in configs {
                    runs.push(RunDir::prepare(run_path(around.out, &method.name, *seed), config)?);
                    owners.push((&method.name, seed));
                }
            }
            Learner::Load(_) | Learner::Baseline(_) => {}
        }
    }
    let progress = Progress { runs: &runs, note: around.note, failures: Mutex::default() };
    around.workers.train(&runs, around.data_dir, around.stop, &progress);
    let mut failures = HashMap::new();
    for (run, problem) in progress.failures.into_inner().expect("no thread panics with it") {
        let (name, seed): (&String, &u64) = owners[run];
        failures.entry(name.clone()).or_insert_with(|| format!("seed {seed}: {problem}"));
    }
    Ok(failures)
}

/// Passes on what is said of the runs, and keeps their errors by the runs' numbers.
struct Progress<'a> {
    runs: &'a [RunDir],
    note: &'a (dyn Fn(String) + Sync),
    failures: Mutex<BTreeMap<usize, String>>,
}

impl Observer for Progress<'_> {
    fn said(&self, run: usize, line: &str) {
        let name = self.runs[run].path().file_name().unwrap_or_default().to_string_lossy();
        (self.note)(format!("{name}: {line}"));
    }

    fn ended(&self, run: usize, ending: &Ending) {
        match ending {
            Ending::Finished => self.said(run, "done"),
            Ending::Failed { error } => {
                // What comes next may end the comparison, as on a full disk, before its table is there to say it.
                self.said(run, &format!("failed: {error}"));
                let mut failures = self.failures.lock().expect("no thread panics with it");
                failures.insert(run, error.clone());
            }
            Ending::Stopped | Ending::Busy => {}
        }
    }

    fn survived(&self, run: usize, error: &str) {
        self.said(run, &format!("done, and then: {error}"));
    }

    /// A comparison keeps no errors: the next one tries again.
    fn failed_elsewhere(&self, _: usize) -> bool {
        false
    }
}

/// Measures a method's runs on all sets, or their networks as they were initialised, and brings its seeds together.
fn measure_all(
    bench: &Bench,
    method: &Method,
    untrained: bool,
    around: &Surroundings<'_>,
    kept: &Path,
) -> Result<Outcome> {
    let name = if untrained { untrained_name(&method.name) } else { method.name.clone() };
    (around.note)(format!("meta-testing {name}"));
    let kept = |number: u64| kept_path(kept, &name, number);
    let measured: Vec<Measured> = match &method.learner {
        Learner::Train(configs) => {
            let runs = configs.iter().enumerate().map(|(number, (seed, _))| {
                let run = run_path(around.out, &method.name, *seed);
                bench.run(&run, number, untrained, &kept(*seed))
            });
            runs.collect::<Result<_>>()?
        }
        Learner::Load(runs) => {
            let runs = runs.iter().enumerate();
            runs.map(|(number, run)| bench.run(run, number, untrained, &kept(number as u64)))
                .collect::<Result<_>>()?
        }
        Learner::Baseline(name) => {
            let seeds = bench.seeds().enumerate();
            seeds.map(|(number, seed)| bench.baseline(name, number, &kept(seed))).collect::<Result<_>>()?
        }
    };
    for (run, seed) in measured.iter().zip(bench.seeds()) {
        if let Some(settings) = &run.settings {
            (around.note)(format!("{name}, seed {seed}: {settings}"));
        }
    }
    let size = measured[0].size;
    if measured.iter().any(|run| run.size != size) {
        let fix = "give runs that differ in their seed only";
        return Err(Error::config(format!("methods.{}", method.name), "has models of several sizes", fix));
    }
    let (mut curves, mut by_seed, mut at) = (Vec::new(), Vec::new(), 0);
    for set in &bench.sets {
        let of_set: Vec<LearningCurve> = if set.present() {
            at += 1;
            measured.iter().map(|run| run.curves[at - 1].clone()).collect()
        } else {
            Vec::new()
        };
        curves.push(match of_set.as_slice() {
            [] => None,
            of_set => Some(LearningCurve::together(of_set)?.short()),
        });
        by_seed.push(of_set);
    }
    let commits = measured.iter().filter_map(|run| run.commit.clone()).collect();
    Ok(Outcome::Measured { size, curves, by_seed, commits })
}

impl Comparison {
    /// The methods that failed, and why.
    pub fn failures(&self) -> impl Iterator<Item = (&str, &str)> {
        self.methods.iter().filter_map(|row| match &row.outcome {
            Outcome::Failed(problem) => Some((row.label.as_str(), problem.as_str())),
            Outcome::Measured { .. } => None,
        })
    }

    /// Accuracy by chance.
    fn chance(&self) -> f64 {
        1.0 / self.dims.classes as f64
    }

    /// Writes tables and figures below `dir`: `table.{md,csv,tex,svg,png}`, `state_size.{csv,svg,png}` and
    /// `learning_curves.{svg,png}`. Figures need at least one method that was measured.
    ///
    /// # Errors
    /// [`Error::Io`], or numbers that cannot be drawn.
    pub fn save(&self, dir: &Path) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for (name, text) in [
            ("table.md", self.markdown()),
            ("table.csv", self.csv()),
            ("table.tex", self.latex()),
            ("state_size.csv", self.state_size_csv()),
        ] {
            let path = dir.join(name);
            write_atomic(&path, text.as_bytes())?;
            files.push(path);
        }
        files.extend(self.draw(dir)?);
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::measure::tests::{narrow_run, spec, write_table};
    use super::*;
    use crate::program::Program;

    #[test]
    fn seeds_have_made_data_of_their_own_and_learners_are_paired_whatever_they_read() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path();
        write_table(&at.join("table.csv"), 0.0);
        let [first, second] = [0, 1].map(|seed| narrow_run(at, seed));
        let methods = format!(
            "[[methods]]\nname = 'narrow'\nruns = ['{}', '{}']\n\
             [[methods]]\nname = 'maml'\nbaseline = 'maml'\n\
             [[methods]]\nname = 'mean'\nbaseline = 'nearest-mean'",
            first.display(),
            second.display()
        );
        let spec = spec(at, "points", &methods);
        let around = Surroundings {
            out: &at.join("out"),
            data_dir: None,
            workers: Workers { program: Program::default(), jobs: 1, threads: None, population: 1 },
            note: &|_| (),
            stop: &AtomicBool::new(false),
            look: Look::default(),
        };
        let found = compare(&spec, &around).unwrap().expect("nothing stops it");
        assert_eq!(found.failures().count(), 0, "{:?}", found.failures().collect::<Vec<_>>());
        let heads: Vec<&str> = found.sets.iter().map(|set| set.head.as_str()).collect();
        assert_eq!(heads, ["random of seeds 0, 1", "points", "table.csv"]);
        let kinds: Vec<RowKind> = found.methods.iter().map(|row| row.kind).collect();
        let expected =
            [RowKind::Network, RowKind::Untrained, RowKind::MetaTrainedBaseline, RowKind::Baseline];
        assert_eq!(kinds, expected);

        for row in &found.methods {
            let Outcome::Measured { by_seed, .. } = &row.outcome else { panic!("{} failed", row.name) };
            let own: Vec<bool> = by_seed.iter().map(|seeds| seeds[0].set != seeds[1].set).collect();
            assert_eq!(own, [true, true, false], "{}: made data are made anew, a file is not", row.name);
        }
        for set in &found.sets {
            let difference = |learner: &str, role| {
                let it = found.difference(learner, &set.name, Metric::Last, role).expect("they are paired");
                (it.against.as_str(), it.difference.mean)
            };
            let at = found.sets.iter().position(|other| other.name == set.name).unwrap();
            let last = |name: &str| {
                let Outcome::Measured { curves, .. } = &found.row(name).unwrap().outcome else {
                    panic!("{name}")
                };
                curves[at].as_ref().unwrap().summary().last.mean
            };
            for (learner, role, against) in [
                ("narrow", Role::Reference, "mean"),
                ("maml", Role::Reference, "mean"),
                ("narrow", Role::Untrained, "narrow-untrained"),
            ] {
                let (other, mean) = difference(learner, role);
                assert_eq!(other, against, "{}", set.name);
                assert!((mean - (last(learner) - last(against))).abs() < 1e-9, "{}: {mean}", set.name);
            }
        }
        let text = found.markdown();
        assert!(
            text.contains("on random of seeds 0, 1 and points every seed has data and episodes of its own"),
            "{text}"
        );
    }
}
