//! The paper's figures, each by one command: meta-train its runs, draw it, and say whether the paper's statements hold.
//!
//! A [`Figure`] has a sweep (`presets/reproduce/NAME.SCALE.toml`), a function from the finished runs to data, a picture
//! and statements judged, and a file of this folder. [`reproduce`] runs the sweep in `OUT/sweep`, where whatever is
//! finished is kept, and writes `OUT/NAME.{csv,svg,png}` and `OUT/verdict.txt`. The table is a comparison
//! ([`crate::compare`]) instead of a sweep.

mod ablation;
mod bias;
mod context_length;
mod domain;
mod frozen_features;
mod frozen_network;
mod interventions;
mod learning_curves;
mod longer;
mod plateaus;
mod runs;
mod spec;
mod state_size;
mod table;
mod transition;
mod transition_map;
mod verdict;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

pub use spec::{Scale, Spec};
pub use verdict::{Answer, Check, Verdict};

use crate::compare::{NamedSpec, Surroundings, compare};
use crate::figures::heatmap::Heatmaps;
use crate::figures::panels::Panels;
use crate::figures::plot::learning_curve;
use crate::figures::ranking::Ranking;
use crate::figures::scatter::Scatter;
use crate::origin::Origin;
use crate::program::Program;
use crate::spec::lay_all;
use crate::sweep::{Executor, Sweep, SweepSpec, Watch};
use crate::table::Table;
use crate::workers::Workers;
use frozen_network::Features;
use gpicl::eval::{LearningCurve, Look};
use gpicl::folder::{Kind, claim};
use gpicl::fs::{create_folder, read_text, write_atomic};
use gpicl::{Error, Result, RunConfig};
use runs::Run;

/// A figure of the paper that can be reproduced.
#[derive(Clone, Copy)]
pub struct Figure {
    /// Name of the figure, and of its files.
    pub name: &'static str,
    /// What it shows.
    pub summary: &'static str,
    cpu: &'static str,
    paper: &'static str,
    how: How,
    /// What every run has to be meta-tested on beside its own tasks, if that is what the figure is about.
    tests: Option<Tests>,
}

/// Tests in words, and whether a run has them.
type Tests = (&'static str, fn(&RunConfig) -> bool);

/// How a figure comes about.
#[derive(Clone, Copy)]
enum How {
    /// From the finished runs of a sweep.
    Sweep(fn(&[Run]) -> Result<Made>),
    /// From a comparison of learners.
    Comparison,
}

/// What is made of a figure's runs.
struct Made {
    /// Ending of the file's name after the figure's, and its rows.
    tables: Vec<(&'static str, Table)>,
    picture: Picture,
    checks: Vec<Check>,
}

/// What is drawn.
enum Picture {
    Heatmaps(Heatmaps),
    Panels(Panels),
    Ranking(Ranking),
    Scatter(Scatter),
    Curves { title: String, chance: f64, curves: Vec<LearningCurve> },
}

impl Picture {
    fn write(&self, path: &Path) -> Result<Vec<PathBuf>> {
        match self {
            Self::Heatmaps(figure) => figure.write(path),
            Self::Panels(figure) => figure.write(path),
            Self::Ranking(figure) => figure.write(path),
            Self::Scatter(figure) => figure.write(path),
            Self::Curves { title, chance, curves } => learning_curve(curves, Some(*chance), title, path),
        }
    }
}

/// Declares a figure with the two specs that come with the program.
macro_rules! figure {
    ($name:literal, $how:expr, $summary:literal) => {
        Figure {
            name: $name,
            summary: $summary,
            cpu: include_str!(concat!("../../presets/reproduce/", $name, ".cpu.toml")),
            paper: include_str!(concat!("../../presets/reproduce/", $name, ".paper.toml")),
            how: $how,
            tests: None,
        }
    };
}

/// All figures.
pub const FIGURES: &[Figure] = &[
    figure!(
        "transition-map",
        How::Sweep(transition_map::make),
        "accuracy by number of tasks and model size, seen and unseen, MLP and Transformer"
    ),
    figure!(
        "learning-curves",
        How::Sweep(learning_curves::make),
        "accuracy by examples seen, on seen and unseen tasks and on unseen data sets"
    ),
    figure!(
        "transition",
        How::Sweep(transition::make),
        "what is learned within an episode by number of tasks: the three regimes, and seeds that part"
    ),
    figure!(
        "state-size",
        How::Sweep(state_size::make),
        "accuracy against state size and against parameters, over all architectures"
    ),
    figure!(
        "large-state",
        How::Sweep(state_size::make),
        "accuracy against state size and against parameters, where states are large"
    ),
    figure!(
        "plateaus",
        How::Sweep(plateaus::make),
        "the plateau of the meta-training loss, by batch size and by number of tasks"
    ),
    figure!("bias", How::Sweep(bias::make), "a biased distribution of label permutations, and its schedule"),
    figure!(
        "interventions",
        How::Sweep(interventions::make),
        "what shortens the plateau: batch, bias, layout, initialisation, Adam's eps, learning rate"
    ),
    figure!(
        "context-length",
        How::Sweep(context_length::make),
        "accuracy by the number of examples in an episode"
    ),
    figure!(
        "frozen-features",
        How::Sweep(frozen_features::make),
        "meta-training on features of a frozen network instead of pixels"
    ),
    figure!(
        "domain",
        How::Sweep(domain::make),
        "features of a pretrained network on data of its domain and on others"
    ),
    figure!(
        "ablation",
        How::Sweep(ablation::make),
        "tasks with projections alone, with permutations alone, with both"
    )
    .with_tests("tasks with projections and permutations", ablation::tested),
    figure!("longer", How::Sweep(longer::make), "episodes at the test longer than in meta-training")
        .with_tests("longer episodes", longer::tested),
    Figure {
        name: "table",
        summary: "accuracy after all examples but one, all learners and data sets",
        // `gpicl compare --preset glyphs`
        cpu: include_str!("../../presets/compare/glyphs.toml"),
        paper: include_str!("../../presets/reproduce/table.paper.toml"),
        how: How::Comparison,
        tests: None,
    },
];

impl Figure {
    const fn with_tests(self, what: &'static str, asked: fn(&RunConfig) -> bool) -> Self {
        Self { tests: Some((what, asked)), ..self }
    }

    /// The figure called `name`.
    ///
    /// # Errors
    /// [`Error::Config`] that lists the names there are.
    pub fn find(name: &str) -> Result<&'static Self> {
        FIGURES.iter().find(|figure| figure.name == name).ok_or_else(|| {
            let names: Vec<&str> = FIGURES.iter().map(|figure| figure.name).collect();
            Error::config(
                "FIGURE",
                format!("`{name}` is none"),
                format!("choose one of {}", names.join(", ")),
            )
        })
    }

    /// What its runs are.
    ///
    /// # Errors
    /// [`Error::File`] if its TOML is broken, which the tests rule out.
    pub fn spec(&self, scale: Scale) -> Result<Spec> {
        let text = match scale {
            Scale::Cpu => self.cpu,
            Scale::Paper => self.paper,
        };
        let name = format!("{}.{scale}.toml", self.name);
        Spec::parse(Path::new(&name), text, format!("{scale} scale"))
    }

    /// The runs in `file`, or else its own at `scale`, with every `a.b=c` of `set` laid on them; and what their folder goes by.
    ///
    /// # Errors
    /// As [`Spec::read`] and [`Spec::set`].
    pub fn chosen(&self, file: Option<&Path>, scale: Scale, set: &[String]) -> Result<(Spec, String)> {
        let (spec, name) = match file {
            Some(path) => (Spec::read(path)?, Origin::File(path).name()),
            None => (self.spec(scale)?, scale.to_string()),
        };
        let lay = |mut spec: Spec, assignment: &str| spec.set(assignment).map(|()| spec);
        Ok((lay_all(spec, set, lay, |spec| self.check(spec).map(drop))?, name))
    }

    /// Checks `spec`; returns how many runs there are to meta-train.
    ///
    /// # Errors
    /// [`Error::File`] naming the field at fault.
    pub fn check(&self, spec: &Spec) -> Result<usize> {
        match self.how {
            How::Sweep(_) => {
                let plan = spec.sweep()?.plan()?;
                if let Some(run) = plan.iter().find(|run| !run.config.mix.is_empty()) {
                    let problem = format!("is set in the run `{}`, and figures are about one source", run.id);
                    return Err(Error::config("mix", problem, "leave it out; `gpicl sweep` takes mixtures"));
                }
                if let Some((what, asked)) = self.tests
                    && let Some(run) = plan.iter().find(|run| !asked(&run.config))
                {
                    let problem =
                        format!("has no {what} in the run `{}`, which this figure is about", run.id);
                    return Err(Error::config("eval.tasks", problem, "add them to the spec's [base.eval]"));
                }
                Ok(plan.len())
            }
            How::Comparison => spec.comparison()?.runs(),
        }
    }
}

/// Where a figure is reproduced, and who is told.
pub struct Around<'a> {
    /// Folder of the figure.
    pub out: &'a Path,
    /// Where the data sets are.
    pub data_dir: Option<&'a Path>,
    /// The `gpicl` program.
    pub program: &'a Program,
    /// Where the runs of a sweep are meta-trained.
    pub executor: &'a dyn Fn(&SweepSpec) -> Box<dyn Executor>,
    /// Runs of a comparison at a time.
    pub jobs: usize,
    /// Whether runs of a sweep that failed before are begun again; those of a comparison always are.
    pub retry_failed: bool,
    /// Gets a remark now and then.
    pub note: &'a (dyn Fn(String) + Sync),
    /// When raised, nothing further is begun.
    pub stop: &'a AtomicBool,
    /// Called again and again during the meta-tests of a comparison.
    pub look: Look,
}

/// A figure reproduced.
#[derive(Debug, Serialize)]
pub struct Reproduced {
    /// Whether the paper's statements hold.
    pub verdict: Verdict,
    /// Files written.
    pub files: Vec<PathBuf>,
    /// What the figure is made without.
    pub failed: Vec<Failure>,
}

/// A run that failed, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Id of the run, or name of the learner.
    pub run: String,
    /// Its error.
    pub error: String,
}

/// Meta-trains what is not there yet and writes the figure. `None` if the stop flag was raised.
///
/// # Errors
/// A spec that cannot be used, a folder that holds other runs, or no finished run at all.
pub fn reproduce(figure: &Figure, spec: &Spec, around: &Around<'_>) -> Result<Option<Reproduced>> {
    let runs = figure.check(spec)?;
    claim(around.out, Kind::Figure)?;
    refuse_another(around.out, figure)?;
    (around.note)(format!("{}: {runs} runs in {}", figure.name, around.out.display()));
    create_folder(around.out)?;
    match figure.how {
        How::Sweep(make) => {
            let (spec, features) = spec.clone().with_features(around.out);
            let sweep = Sweep::create(&spec.sweep()?, &around.out.join("sweep"))?;
            Features::write_all(&features, around.data_dir)?;
            mark(around.out, figure)?;
            from_sweep(figure, make, &spec, &sweep, around)
        }
        How::Comparison => from_comparison(figure, spec, &spec.comparison()?, around),
    }
}

fn from_sweep(
    figure: &Figure,
    make: fn(&[Run]) -> Result<Made>,
    spec: &Spec,
    sweep: &Sweep,
    around: &Around<'_>,
) -> Result<Option<Reproduced>> {
    if around.retry_failed {
        sweep.retry_failed()?;
    }
    let Around { program, data_dir, note, stop, .. } = *around;
    let watch = Watch { program, data_dir, note, stop };
    let results = sweep.execute((around.executor)(sweep.spec()).as_ref(), &watch)?;
    if stop.load(Ordering::Relaxed) {
        return Ok(None);
    }
    let (runs, failed) = Run::of(sweep, results)?;
    if runs.is_empty() {
        let first =
            failed.first().map_or(String::new(), |Failure { run, error }| format!(": {run}: {error}"));
        let problem = format!("none of its {} runs is finished{first}", sweep.runs().len());
        return Err(Error::file(sweep.dir(), problem, "mend the cause and give --retry-failed"));
    }
    let made = make(&runs)?;
    let seeds = runs::distinct(&runs, |run| run.config.seed).len();
    let basis = format!("{}; {} of {} runs, {seeds} seeds", spec.basis(), runs.len(), sweep.runs().len());
    let mut files = Vec::new();
    for (ending, table) in &made.tables {
        let path = around.out.join(format!("{}{ending}.csv", figure.name));
        write_atomic(&path, table.csv().as_bytes())?;
        files.push(path);
    }
    files.extend(made.picture.write(&around.out.join(figure.name))?);
    finish(Verdict::new(figure.name, basis, made.checks), files, failed, around.out).map(Some)
}

fn from_comparison(
    figure: &Figure,
    spec: &Spec,
    comparison: &NamedSpec,
    around: &Around<'_>,
) -> Result<Option<Reproduced>> {
    let folder = around.out.join("compare");
    let surroundings = Surroundings {
        out: &folder,
        data_dir: around.data_dir,
        workers: Workers { program: around.program.clone(), jobs: around.jobs, threads: None, population: 1 },
        note: around.note,
        stop: around.stop,
        look: around.look.clone(),
    };
    let found = compare(comparison, &surroundings)?;
    mark(around.out, figure)?;
    let Some(found) = found else { return Ok(None) };
    let mut files = found.save(&folder)?;
    // The table under the figure's own name, like every figure.
    for ending in ["csv", "svg", "png"] {
        let (from, to) = (folder.join(format!("table.{ending}")), around.out.join(format!("table.{ending}")));
        let bytes = std::fs::read(&from).map_err(Error::io("read", &from))?;
        write_atomic(&to, &bytes)?;
        files.push(to);
    }
    let failure = |(name, error): (&str, &str)| Failure { run: name.into(), error: error.into() };
    let failed = found.failures().map(failure).collect();
    let basis = format!("{}; {} learners, {} seeds", spec.basis(), found.methods.len(), found.seeds.len());
    finish(Verdict::new(figure.name, basis, table::checks(&found)), files, failed, around.out).map(Some)
}

/// Where the verdict is written.
const VERDICT: &str = "verdict.txt";

/// Where a folder says whose it is, once runs were begun.
const MARK: &str = ".figure";

/// Refuses a folder of another figure: its runs could be those of this one, and its verdict would be written over.
fn refuse_another(out: &Path, figure: &Figure) -> Result<()> {
    let mark = out.join(MARK);
    let found = if mark.exists() {
        Some(read_text(&mark)?.trim_end().to_string())
    } else {
        // Older folders have no mark.
        Verdict::figure_in(&out.join(VERDICT))?
    };
    let Some(other) = found.filter(|other| other != figure.name) else { return Ok(()) };
    let problem = format!("holds the figure `{other}`");
    Err(Error::file(out, problem, "choose another --out, or remove the folder"))
}

fn mark(out: &Path, figure: &Figure) -> Result<()> {
    write_atomic(&out.join(MARK), format!("{}\n", figure.name).as_bytes())
}

/// Writes the verdict.
fn finish(verdict: Verdict, mut files: Vec<PathBuf>, failed: Vec<Failure>, out: &Path) -> Result<Reproduced> {
    let mut text = verdict.text();
    for Failure { run, error } in &failed {
        text.push_str(&format!("\n\nfailed: {run}: {error}"));
    }
    text.push('\n');
    let path = out.join(VERDICT);
    write_atomic(&path, text.as_bytes())?;
    files.push(path);
    Ok(Reproduced { verdict, files, failed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Results;
    use crate::sweep::PlannedRun;
    use gpicl::train::Trainer;

    #[test]
    fn every_preset_makes_valid_runs() {
        for figure in FIGURES {
            for scale in [Scale::Cpu, Scale::Paper] {
                let spec = figure.spec(scale).unwrap();
                let runs = figure.check(&spec).unwrap_or_else(|error| panic!("{}: {error}", figure.name));
                assert!(runs > 1, "{} {scale}", figure.name);
            }
        }
        let figure = Figure::find("learning-curves").unwrap();
        let mut spec = figure.spec(Scale::Cpu).unwrap();
        spec.set("mix=[{}]").unwrap();
        assert!(figure.check(&spec).unwrap_err().to_string().contains("about one source"));
        for (name, assignment) in
            [("ablation", "eval.tasks=[]"), ("longer", "eval.tasks=[{ permute = false }]")]
        {
            let figure = Figure::find(name).unwrap();
            let mut spec = figure.spec(Scale::Cpu).unwrap();
            spec.set(assignment).unwrap();
            let error = figure.check(&spec).unwrap_err().to_string();
            assert!(error.contains("`eval.tasks`: has no"), "{error}");
        }
        assert!(Figure::find("plateaus").is_ok());
        assert!(Figure::find("nope").err().unwrap().to_string().contains("transition-map"));
    }

    /// Meta-trains in this process.
    struct Here;

    impl Executor for Here {
        fn execute(&self, sweep: &Sweep, pending: &[&PlannedRun], watch: &Watch<'_>) -> Result<()> {
            for run in pending {
                let dir = sweep.prepare(run)?;
                let mut trainer = Trainer::resume(dir.path(), watch.data_dir)?;
                trainer.train(watch.stop, &mut |_| ())?;
                let curves = trainer.meta_test(trainer.config().eval.final_sample())?;
                let results = Results::new(trainer.dims(), 1, curves)?;
                std::fs::write(dir.results_path(), serde_json::to_vec(&results).unwrap()).unwrap();
            }
            Ok(())
        }
    }

    #[test]
    fn every_sweep_s_figure_is_made_from_its_own_runs_made_small() {
        let dir = tempfile::tempdir().unwrap();
        for figure in FIGURES.iter().filter(|figure| matches!(figure.how, How::Sweep(_))) {
            // Data that need no files.
            let made = [
                (r#"name = "mnist", resize = 14"#, r#"name = "glyphs""#),
                (r#"name = "fashion-mnist", resize = 14"#, r#"name = "glyphs", seed = 7"#),
                ("features/mnist.safetensors", "random-features:glyphs"),
                ("features/fashion-mnist.safetensors", "random-features:glyphs@7"),
            ];
            let text = made.iter().fold(figure.cpu.to_string(), |text, (own, made)| text.replace(own, made));
            let spec = Spec::parse(Path::new("cpu.toml"), &text, "cpu scale".into()).unwrap();
            let mut spec = spec.with_seeds(&[0, 1]);
            for small in [
                "train.steps=2",
                "train.batch=2",
                "train.log_every=1",
                "tasks.episode_length=6",
                "data={ name = 'random', size = 9, per_class = 20 }",
                "eval.final_episodes=4",
            ] {
                // One that the figure varies stays as it is.
                if let Err(error) = spec.set(small) {
                    assert!(error.to_string().contains("its own value"), "{error}");
                }
            }
            let out = dir.path().join(figure.name);
            let again = || {
                let around = Around {
                    out: &out,
                    data_dir: None,
                    program: &Program::default(),
                    executor: &|_| Box::new(Here),
                    jobs: 1,
                    retry_failed: false,
                    note: &|_| (),
                    stop: &AtomicBool::new(false),
                    look: Look::default(),
                };
                reproduce(figure, &spec, &around)
                    .unwrap_or_else(|error| panic!("{}: {error}", figure.name))
                    .unwrap()
            };
            let reproduced = again();
            assert!(!reproduced.verdict.checks.is_empty() && reproduced.failed.is_empty());
            let read = |ending: &str| std::fs::read(out.join(format!("{}.{ending}", figure.name))).unwrap();
            let svg = String::from_utf8(read("svg")).unwrap();
            assert!(svg.len() > 3000 && svg.contains("<text"), "{}", figure.name);
            assert!(read("png").len() > 3000, "{}", figure.name);
            assert!(String::from_utf8(read("csv")).unwrap().lines().count() >= 5, "{}", figure.name);
            let verdict = std::fs::read_to_string(out.join("verdict.txt")).unwrap();
            assert!(verdict.starts_with(&format!("verdict: {}: ", figure.name)), "{verdict}");
            // Nothing is meta-trained again, and the files are the same.
            let first = [read("csv"), read("svg"), verdict.into_bytes()];
            assert_eq!(again().verdict, reproduced.verdict);
            assert!(first == [read("csv"), read("svg"), std::fs::read(out.join("verdict.txt")).unwrap()]);
        }
    }
}
