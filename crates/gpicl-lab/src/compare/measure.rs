//! The meta-test of every method on the same episodes. What was measured is kept beside the runs, so that a
//! comparison that was cut, or whose labels changed, does not measure again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::baseline;
use super::spec::{Learner, Method, Plan, PlannedSet};
use gpicl::RunConfig;
use gpicl::data::{DataConfig, Dataset, Description, Library};
use gpicl::eval::baselines::BaselinesConfig;
use gpicl::eval::{LearningCurve, Sample, TestSet, episode_dims, meta_test};
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
    /// The base under every seed.
    seeds: Vec<RunConfig>,
    library: Library,
    baselines: BaselinesConfig,
    sample: Sample,
    /// Everything that decides the episodes, as text.
    identity: String,
}

impl Bench {
    /// Loads the base data and the test sets. Data that are made by a seed are made anew for every seed, with episodes of
    /// their own; all seeds share the episodes of others.
    ///
    /// # Errors
    /// Base data that is missing; a test set that is broken or does not fit the base.
    pub fn load(plan: &Plan, data_dir: Option<&Path>) -> Result<Self> {
        let Plan { base, .. } = plan;
        let library = Library::new(data_dir);
        let dims = episode_dims(&*load_sources(&base.components(), None, &library)?[0].train);
        let seeds: Vec<RunConfig> = plan.seeds.iter().map(|&seed| base.clone().with_seed(seed)).collect();
        let mut sets = Vec::<Set>::new();
        for PlannedSet { label, data: config } in &plan.sets {
            let own = seeds.iter().map(|run| {
                let mut own = config.clone();
                own.set_seed(run.seed);
                own
            });
            let own: Vec<DataConfig> = own.collect();
            let of_seeds: Vec<(&DataConfig, &RunConfig)> = if own.iter().all(|own| own == config) {
                vec![(config, base)]
            } else {
                own.iter().zip(&seeds).collect()
            };
            let (mut name, mut tests) = (config.name.clone(), Vec::new());
            for (config, run) in of_seeds {
                match library.test(config) {
                    Ok(data) => {
                        name = data.name().to_string();
                        let (tasks, seed) = (run.tasks.clone(), run.eval.seed());
                        let mut set = TestSet::unseen(&tasks, seed, dims, &data)?;
                        if let Some(label) = label {
                            set.label = format!("unseen tasks, {label} test");
                        }
                        tests.push(Episodes { data, tasks, seed, set });
                    }
                    Err(Error::Missing { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            let name = label.clone().unwrap_or(name);
            let taken = sets.iter().any(|other| other.name == name);
            sets.push(Set { name: if taken { config.short_form() } else { name }, tests });
        }
        let present = plan.sets.iter().zip(&sets).filter(|(_, set)| set.present());
        let present: Vec<&DataConfig> = present.map(|(planned, _)| &planned.data).collect();
        let identity = serde_json::to_string(&(
            (&base.data, &base.tasks, base.eval.seed(), plan.sample),
            present,
            Provenance::current(),
        ));
        Ok(Self {
            dims,
            base: base.clone(),
            seeds,
            baselines: plan.baselines.clone(),
            sample: plan.sample,
            library,
            identity: identity.expect("configurations have a JSON form"),
            sets,
        })
    }

    /// The comparison's seeds.
    pub fn seeds(&self) -> impl Iterator<Item = u64> {
        self.seeds.iter().map(|config| config.seed)
    }

    /// What is here, for the seed of this number.
    fn present(&self, number: usize) -> impl Iterator<Item = &Episodes> {
        self.sets.iter().filter(|set| set.present()).map(move |set| set.of(number))
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
                    for path in paths {
                        let path = checkpoint_path(path)?;
                        let info = read_info(&path)?;
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
        let seed = read_info(&path)?.config.seed;
        let of_seed = self.seeds.iter().position(|config| config.seed == seed);
        let number = of_seed.unwrap_or(number % self.seeds.len());
        let learner = [weights.as_slice(), &[u8::from(untrained)]].concat();
        self.once(kept, &learner, number, || {
            let (info, mut model, device) = load_to_test(&path, None)?;
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
                let set = TestSet::unseen(tasks, *seed, info.dims, data)?;
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
        let config = &self.seeds[number];
        let key = serde_json::to_vec(&(name, &self.baselines)).expect("a configuration has a JSON form");
        self.once(kept, &key, number, || {
            let sets: Vec<&TestSet> = self.present(number).map(|episodes| &episodes.set).collect();
            // What it has to choose or to meta-train, it does on data, tasks and episodes of its own seed, as a model does.
            let [train, ..] = self.library.splits(&config.data)?;
            let tuning = TestSet::tuning(&config.tasks, config.seed, self.dims, &train)?;
            let (curves, settings) =
                baseline::curves(name, &self.baselines, &tuning, &sets, self.sample, config.seed)?;
            Ok(Measured { size: None, settings: Some(settings), commit: None, curves })
        })
    }

    /// What `measure` gives, from the file `kept` if that holds it for the same `learner` and episodes.
    fn once(
        &self,
        kept: &Path,
        learner: &[u8],
        number: usize,
        measure: impl FnOnce() -> Result<Measured>,
    ) -> Result<Measured> {
        let mut hash = Sha256::new();
        hash.update(learner);
        hash.update(self.seeds[number].seed.to_le_bytes());
        hash.update(&self.identity);
        let key: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let earlier = std::fs::read(kept).ok().and_then(|json| serde_json::from_slice::<Kept>(&json).ok());
        if let Some(earlier) = earlier.filter(|earlier| earlier.key == key) {
            return Ok(earlier.measured);
        }
        let measured = measure()?;
        let json = serde_json::to_vec(&Kept { key, measured: measured.clone() });
        write_atomic(kept, &json.expect("curves have a JSON form"))?;
        Ok(measured)
    }
}

/// Where the measurement number `seed` of method `name` is kept.
pub(super) fn kept_path(folder: &Path, name: &str, seed: u64) -> PathBuf {
    folder.join(format!("{name}-seed{seed}.json"))
}
