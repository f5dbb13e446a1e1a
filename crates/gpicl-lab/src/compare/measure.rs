//! The meta-test of every method on the same episodes. What was measured is kept beside the runs, so that a
//! comparison that was cut, or whose labels changed, does not measure again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::baseline;
use super::spec::{Learner, Method, Plan, PlannedSet};
use crate::meta_test::once;
use gpicl::RunConfig;
use gpicl::data::{DataConfig, Dataset, Description, Fingerprint, Fingerprints, Library, Split, hex};
use gpicl::eval::baselines::BaselinesConfig;
use gpicl::eval::{LearningCurve, Look, Sample, TestSet, episode_dims, meta_test};
use gpicl::fs::write_atomic;
use gpicl::models::{Dims, SequenceModel as _};
use gpicl::provenance::Provenance;
use gpicl::tasks::{TasksConfig, load_sources};
use gpicl::train::{checkpoint_path, load_to_test, read_info};
use gpicl::{Error, Result};

/// What makes runs comparable.
const FIX: &str = "compare runs of one data set, its preparation, and one episode length";

/// Size of an architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Numbers in the weights.
    pub params: usize,
    /// Numbers carried between positions at the full context length.
    pub state: usize,
}

/// One run on all sets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Measured {
    /// Of a model.
    pub size: Option<Size>,
    /// What a baseline chose.
    #[serde(default)]
    pub settings: Option<String>,
    /// Commit of the program that meta-trained a model.
    pub commit: Option<String>,
    /// One a set.
    pub curves: Vec<LearningCurve>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    key: String,
    measured: Measured,
}

/// A seed of the comparison.
struct Seed {
    /// The base under it.
    config: RunConfig,
    /// What is meta-trained on.
    training: Fingerprints,
}

/// Episodes of a data set.
struct Episodes {
    data: Arc<Dataset>,
    tasks: TasksConfig,
    seed: u64,
    set: TestSet,
}

/// A data set of a comparison, and the episodes made of it.
pub(super) struct Set {
    pub name: String,
    /// Whether the name is a choice of the spec's, or tells the set from another, and so has to stand in heads.
    distinct: bool,
    /// One for all seeds or, where the data are made by seed, one a seed; none where it is not on this machine.
    tests: Vec<Episodes>,
}

impl Set {
    /// Whether it is on this machine.
    pub fn present(&self) -> bool {
        !self.tests.is_empty()
    }

    /// What the data are, under all seeds together; `None` where they are not here.
    pub fn description(&self) -> Option<Description> {
        let each = self.tests.iter().filter_map(|episodes| episodes.data.description().cloned());
        each.reduce(|all, other| all.and(&other))
    }

    /// What it is called in heads: what the data are, in short, or else its name.
    pub fn head(&self) -> String {
        match self.description() {
            Some(data) if !self.distinct => data.short(),
            _ => self.name.clone(),
        }
    }

    /// For the seed of this number; those that share it have the first.
    fn of(&self, number: usize) -> &Episodes {
        &self.tests[number.min(self.tests.len() - 1)]
    }
}

/// The data sets of a comparison, loaded, and the episodes made of them.
pub(super) struct Bench {
    pub dims: Dims,
    /// The plan's sets.
    pub sets: Vec<Set>,
    base: RunConfig,
    seeds: Vec<Seed>,
    library: Library,
    baselines: BaselinesConfig,
    sample: Sample,
    look: Look,
    /// This program.
    program: Provenance,
}

impl Bench {
    /// Loads the base data and the test sets. Data that are made by a seed are made anew for every seed, with episodes of
    /// their own; all seeds share the episodes of others.
    ///
    /// # Errors
    /// Base data that is missing; a test set that is broken or does not fit the base.
    pub fn load(plan: &Plan, data_dir: Option<&Path>, look: &Look) -> Result<Self> {
        let Plan { base, .. } = plan;
        let library = Library::new(data_dir);
        let dims = episode_dims(&*load_sources(&base.components(), None, &library)?[0].train);
        let mut shared = None;
        let seeds = plan.seeds.iter().map(|&seed| {
            let config = base.clone().with_seed(seed);
            // Kept until the next one has its own: seeds of one data set load it once.
            let splits = shared.insert(library.splits(&config.data)?);
            let mut training = Fingerprints::default();
            training.insert("data", Split::Train, Fingerprint::of(&splits[0]));
            Ok(Seed { config, training })
        });
        let seeds: Vec<Seed> = seeds.collect::<Result<_>>()?;
        let mut sets = Vec::<Set>::new();
        for PlannedSet { label, data: config } in &plan.sets {
            let own = seeds.iter().map(|seed| {
                let mut own = config.clone();
                own.set_seed(seed.config.seed);
                own
            });
            let own: Vec<DataConfig> = own.collect();
            let of_seeds: Vec<(&DataConfig, &RunConfig)> = if own.iter().all(|own| own == config) {
                vec![(config, base)]
            } else {
                own.iter().zip(seeds.iter().map(|seed| &seed.config)).collect()
            };
            let (mut name, mut tests) = (config.name.clone(), Vec::new());
            for (config, run) in of_seeds {
                match library.test(config) {
                    Ok(data) => {
                        name = data.name().to_string();
                        let (tasks, seed) = (run.tasks.clone(), run.eval.seed());
                        let set = TestSet::unseen(&tasks, seed, dims, &data)?.watched(look.clone());
                        tests.push(Episodes { data, tasks, seed, set });
                    }
                    Err(Error::Missing { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            let name = label.clone().unwrap_or(name);
            let taken = sets.iter().any(|other| other.name == name);
            let name = if taken { config.short_form() } else { name };
            sets.push(Set { name, distinct: taken || label.is_some(), tests });
        }
        Ok(Self {
            dims,
            base: base.clone(),
            seeds,
            baselines: plan.baselines.clone(),
            sample: plan.sample,
            look: look.clone(),
            library,
            program: Provenance::current(),
            sets,
        })
    }

    /// The comparison's seeds.
    pub fn seeds(&self) -> impl Iterator<Item = u64> {
        self.seeds.iter().map(|seed| seed.config.seed)
    }

    fn present_sets(&self) -> impl Iterator<Item = &Set> {
        self.sets.iter().filter(|set| set.present())
    }

    /// What is here, for the seed of this number.
    fn present(&self, number: usize) -> impl Iterator<Item = &Episodes> {
        self.present_sets().map(move |set| set.of(number))
    }

    /// Refuses methods that could not be judged on these episodes, before any is meta-trained.
    ///
    /// # Errors
    /// [`Error::Config`] naming the method, [`Error::File`] naming a run that is to be loaded.
    pub fn admit(&self, methods: &[Method]) -> Result<()> {
        for method in methods {
            match &method.learner {
                Learner::Train(configs) => {
                    // The seeds' configurations differ in nothing that matters here.
                    let Some((_, config)) = configs.first() else { continue };
                    let dims = match load_sources(&config.components(), None, &self.library) {
                        Ok(sources) => episode_dims(&*sources[0].train),
                        // The run will say so; the other methods do not need it.
                        Err(Error::Missing { .. }) => continue,
                        Err(error) => return Err(error),
                    };
                    if let Some(problem) = self.misfit(config, dims) {
                        return Err(Error::config(format!("methods.{}", method.name), problem, FIX));
                    }
                }
                // A name mistyped is better known before hours of meta-training.
                Learner::Load(paths) => {
                    let mut earlier: Vec<RunConfig> = Vec::new();
                    for path in paths {
                        let path = checkpoint_path(path)?;
                        let info = read_info(&path)?;
                        once(earlier.iter(), &info.config, &path)?;
                        earlier.push(info.config.clone());
                        if let Some(problem) = self.misfit(&info.config, info.dims) {
                            return Err(Error::file(&path, problem, FIX));
                        }
                    }
                }
                Learner::Baseline(_) => {}
            }
        }
        Ok(())
    }

    /// Why a model of these sizes cannot be judged here, if so; only the length of projected inputs may differ.
    fn misfit(&self, config: &RunConfig, dims: Dims) -> Option<String> {
        if (Dims { input_dim: self.dims.input_dim, ..dims }) != self.dims {
            let sizes = |dims: Dims| format!("{} classes in {} examples", dims.classes, dims.episode_length);
            return Some(format!("has episodes of {}, the base of {}", sizes(dims), sizes(self.dims)));
        }
        let like_the_base = |data: &DataConfig| data.clone().prepared_like(&self.base.data);
        let prepared = |data: &DataConfig| like_the_base(data).is_ok_and(|alike| alike == *data);
        let same = config.components().iter().all(|it| it.source.data().is_none_or(prepared));
        (!same).then(|| "has inputs prepared otherwise than the base's".into())
    }

    /// Meta-tests the newest checkpoint of a run, or with `untrained` its network as it was initialised; `kept` is where the
    /// result is kept. A run whose seed is none of the comparison's counts as that of the place `number`.
    ///
    /// # Errors
    /// No checkpoint, or one that was meta-trained for other episodes; only the length of projected inputs may differ.
    pub fn run(&self, run: &Path, number: usize, untrained: bool, kept: &Path) -> Result<Measured> {
        let path = checkpoint_path(run)?;
        let weights = std::fs::read(&path).map_err(Error::io("read", &path))?;
        let info = read_info(&path)?;
        let of_seed = self.seeds().position(|seed| seed == info.config.seed);
        let number = of_seed.unwrap_or(number % self.seeds.len());
        let learner = (Sha256::digest(weights).to_vec(), &info.config, &info.provenance, untrained);
        self.once(kept, &learner, number, || {
            let (info, mut model, device) = load_to_test(&path, None)?;
            let Seed { config, training } = &self.seeds[number];
            let difference = training.difference(&info.data).filter(|_| info.config.data == config.data);
            if let Some(difference) = difference {
                let problem = format!("was meta-trained with other data: {difference}");
                return Err(Error::file(&path, problem, "put the data back, or remove the run"));
            }
            if let Some(problem) = self.misfit(&info.config, info.dims) {
                return Err(Error::file(&path, problem, FIX));
            }
            if untrained {
                let RunConfig { model: config, precision, seed, .. } = &info.config;
                model = config.init(info.dims, *precision, *seed, &device)?;
            }
            let size = Size {
                params: burn::module::Module::num_params(&model),
                state: model.state_size(self.dims.episode_length),
            };
            let curves = self.present(number).map(|Episodes { data, tasks, seed, set }| {
                if info.dims == self.dims {
                    return meta_test(&model, set, self.sample, &device);
                }
                // The same examples, projected to what this model reads.
                let set = TestSet::unseen(tasks, *seed, info.dims, data)?.watched(self.look.clone());
                meta_test(&model, &set, self.sample, &device)
            });
            let curves = curves.collect::<Result<_>>()?;
            let commit = (!untrained).then_some(info.provenance.commit);
            Ok(Measured { size: (!untrained).then_some(size), settings: None, commit, curves })
        })
    }

    /// Judges a baseline under the seed of this number; `kept` is where the result is kept.
    ///
    /// # Errors
    /// A baseline that cannot be fitted.
    pub fn baseline(&self, name: &str, number: usize, kept: &Path) -> Result<Measured> {
        let config = &self.seeds[number].config;
        self.once(kept, &(name, &self.baselines), number, || {
            let sets: Vec<&TestSet> = self.present(number).map(|episodes| &episodes.set).collect();
            // What it has to choose or to meta-train, it does on data, tasks and episodes of its own seed, as a model does.
            let [train, ..] = self.library.splits(&config.data)?;
            let tuning = TestSet::tuning(&config.tasks, config.seed, self.dims, &train)?;
            let tuning = tuning.watched(self.look.clone());
            let (curves, settings) =
                baseline::curves(name, &self.baselines, &tuning, &sets, self.sample, config.seed)?;
            Ok(Measured { size: None, settings: Some(settings), commit: None, curves })
        })
    }

    /// What `measure` gives, from the file `kept` if that holds it for the same `learner`, data, episodes and program. A
    /// program of changed files is never the same. The curves bear the names that the sets have now.
    fn once(
        &self,
        kept: &Path,
        learner: &impl Serialize,
        number: usize,
        measure: impl FnOnce() -> Result<Measured>,
    ) -> Result<Measured> {
        let key = self.key(learner, number);
        let earlier = || serde_json::from_slice::<Kept>(&std::fs::read(kept).ok()?).ok();
        let earlier = if self.program.is_dirty() { None } else { earlier() };
        let mut measured = match earlier.filter(|earlier| earlier.key == key) {
            Some(earlier) => earlier.measured,
            None => {
                let measured = measure()?;
                let json = serde_json::to_vec(&Kept { key, measured: measured.clone() });
                write_atomic(kept, &json.expect("curves have a JSON form"))?;
                measured
            }
        };
        for (curve, set) in measured.curves.iter_mut().zip(self.present_sets()) {
            curve.label = format!("unseen tasks, {} test", set.name);
        }
        Ok(measured)
    }

    /// Everything that decides what `learner` does under the seed of this number. Data count by what they are, as files of
    /// one name may change.
    fn key(&self, learner: &impl Serialize, number: usize) -> String {
        let identity = |Episodes { data, tasks, seed, .. }: &Episodes| {
            (data.fingerprint().to_string(), tasks.clone(), *seed)
        };
        let sets: Vec<_> = self.present(number).map(identity).collect();
        let Seed { config, training } = &self.seeds[number];
        let base = (training, &config.tasks, config.seed, self.dims);
        let all = serde_json::to_vec(&(learner, base, sets, self.sample, &self.program));
        let hash = Sha256::digest(all.expect("configurations have a JSON form"));
        hex(&hash)
    }
}

/// Where the measurement number `seed` of method `name` is kept.
pub(super) fn kept_path(folder: &Path, name: &str, seed: u64) -> PathBuf {
    folder.join(format!("{name}-seed{seed}.json"))
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::AtomicBool;

    use super::super::spec::NamedSpec;
    use super::*;
    use gpicl::train::{Ended, Trainer};

    /// Examples of three classes in rows of three numbers, which `shift` moves.
    pub fn write_table(path: &Path, shift: f32) {
        let row = |i: usize| {
            let noise = (i * i % 7) as f32 / 7.0 + shift * (i % 5) as f32;
            format!("{},{},{noise},{}\n", i % 3, (i + 1) % 3, ["a", "b", "c"][i % 3])
        };
        let rows: String = (0..60).map(row).collect();
        std::fs::write(path, format!("x,y,z,label\n{rows}")).unwrap();
    }

    /// A comparison of `methods` below `dir`, on data that are made, the same with a name of its own, and `table.csv`.
    pub fn spec(dir: &Path, label: &str, methods: &str) -> NamedSpec {
        let table = dir.join("table.csv");
        let text = format!(
            "seeds = [0, 1]\nepisodes = 6\nqueries = 2\n\
             test_sets = ['random', {{ label = '{label}', name = 'random', size = 5, classes = 3, per_class = 20 }}, 'csv:{}']\n\
             baselines = {{ tune_episodes = 2, maml = {{ steps = 1, hidden = 4 }} }}\n\
             base.data = {{ name = 'random', size = 4, classes = 3, per_class = 20 }}\n\
             base.tasks = {{ episode_length = 8 }}\n\
             base.train = {{ steps = 1, batch = 2 }}\n\
             base.eval = {{ every = 0, final_episodes = 2 }}\n{methods}",
            table.display()
        );
        NamedSpec::parse(Path::new("c.toml"), &text).unwrap()
    }

    /// Meta-trains a run of [`spec`]'s base with VSML, which reads two numbers, in this process.
    pub fn narrow_run(dir: &Path, seed: u64) -> PathBuf {
        let methods = "[[methods]]\nname = 'vsml'\n\
                       set = { model = { kind = 'vsml', hidden = 4, layout = 'paired' }, tasks = { input_dim = 2 } }";
        let plan = spec(dir, "points", methods).plan().unwrap();
        let Learner::Train(configs) = &plan.methods[0].learner else { panic!("it is meta-trained") };
        let (_, config) = configs.iter().find(|(of, _)| *of == seed).unwrap();
        let run = dir.join(format!("run{seed}"));
        let mut trainer = Trainer::start(config.clone(), None, &run).unwrap();
        assert_eq!(trainer.train(&AtomicBool::new(false), &mut |_| ()).unwrap(), Ended::Finished);
        run
    }

    const MEAN: &str = "[[methods]]\nname = 'mean'\nbaseline = 'nearest-mean'";

    /// Of a program that its commit tells apart.
    fn bench(dir: &Path, label: &str) -> Bench {
        let mut bench = Bench::load(&spec(dir, label, MEAN).plan().unwrap(), None, &Look::default()).unwrap();
        bench.program.commit = "0123456789ab".into();
        bench
    }

    /// Marks what is kept, so that it is known again.
    fn mark(kept: &Path) {
        let mut it: Kept = serde_json::from_slice(&std::fs::read(kept).unwrap()).unwrap();
        it.measured.settings = Some("marked".into());
        std::fs::write(kept, serde_json::to_vec(&it).unwrap()).unwrap();
    }

    fn marked(measured: &Measured) -> bool {
        measured.settings.as_deref() == Some("marked")
    }

    #[test]
    fn what_was_measured_counts_for_the_same_data_seed_and_program_only() {
        let dir = tempfile::tempdir().unwrap();
        let (at, kept) = (dir.path(), dir.path().join("kept.json"));
        write_table(&at.join("table.csv"), 0.0);
        let measure = |bench: &Bench, number| {
            if kept.exists() {
                mark(&kept);
            }
            let measured = bench.baseline("nearest-mean", number, &kept).unwrap();
            (marked(&measured), measured)
        };
        assert!(!measure(&bench(at, "points"), 0).0);
        assert!(measure(&bench(at, "points"), 0).0);
        let (again, measured) = measure(&bench(at, "dots"), 0);
        assert!(
            again && measured.curves[1].label == "unseen tasks, dots test",
            "{}",
            measured.curves[1].label
        );

        assert!(!measure(&bench(at, "points"), 1).0, "another seed");
        assert!(!measure(&bench(at, "points"), 0).0, "the first again");
        write_table(&at.join("table.csv"), 1.0);
        assert!(!measure(&bench(at, "points"), 0).0, "another file of the same name");
        let mut other = bench(at, "points");
        other.seeds[0].training = Fingerprints::default();
        assert!(!measure(&other, 0).0, "other data to meta-train on");
        other.program.commit = "ba9876543210".into();
        assert!(!measure(&other, 0).0, "another commit");
        assert!(measure(&other, 0).0);
        other.program.commit = "ba9876543210-dirty".into();
        assert!(
            !measure(&other, 0).0 && !measure(&other, 0).0,
            "files that were changed, which may be others now"
        );
    }

    #[test]
    fn a_run_and_its_control_are_kept_apart_and_bear_the_set_s_name() {
        let dir = tempfile::tempdir().unwrap();
        let (at, kept) = (dir.path(), dir.path().join("kept.json"));
        write_table(&at.join("table.csv"), 0.0);
        let run = narrow_run(at, 0);
        let bench = bench(at, "points");
        let measure = |untrained| bench.run(&run, 0, untrained, &kept).unwrap();
        let trained = measure(false);
        let labels: Vec<&str> = trained.curves.iter().map(|curve| curve.label.as_str()).collect();
        let expected = ["random", "points", "table"].map(|name| format!("unseen tasks, {name} test"));
        assert_eq!(labels, expected, "also where the model reads inputs of another length");
        mark(&kept);
        assert!(marked(&measure(false)));
        assert!(!marked(&measure(true)), "the control");
        mark(&kept);
        assert!(!marked(&measure(false)), "the run again");
    }
}
