//! The meta-test of every method on the same episodes. What was measured is kept beside the runs, so that a
//! comparison that was cut, or whose labels changed, does not measure again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::baseline;
use super::spec::{Learner, Method, Plan, PlannedSet};
use gpicl::RunConfig;
use gpicl::data::{DataConfig, Dataset, Library};
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

/// The data sets of a comparison, loaded, and the episodes made of them.
pub(super) struct Bench {
    pub dims: Dims,
    /// For each of the plan's sets: its episodes, or `None` if it is not on this machine.
    pub sets: Vec<(String, Option<TestSet>)>,
    /// The data of the sets that are here, for runs whose projection has another length.
    data: Vec<Arc<Dataset>>,
    base: RunConfig,
    /// The base's data: training, validation and test split.
    splits: [Arc<Dataset>; 3],
    library: Library,
    baselines: BaselinesConfig,
    sample: Sample,
    /// Everything that decides the episodes, as text.
    identity: String,
}

impl Bench {
    /// Loads the base data and the test sets.
    ///
    /// # Errors
    /// Base data that is missing; a test set that is broken or does not fit the base.
    pub fn load(plan: &Plan, data_dir: Option<&Path>) -> Result<Self> {
        let Plan { base, .. } = plan;
        let library = Library::new(data_dir);
        let splits = library.splits(&base.data)?;
        let dims = episode_dims(&*load_sources(&base.components(), None, &library)?[0].train);
        let (mut data, mut sets) = (Vec::new(), Vec::<(String, Option<TestSet>)>::new());
        for PlannedSet { label, data: config } in &plan.sets {
            let (name, set) = match library.test(config) {
                Ok(test) => {
                    data.push(Arc::clone(&test));
                    let mut set = TestSet::unseen(&base.tasks, base.eval.seed, dims, &test)?;
                    if let Some(label) = label {
                        set.label = format!("unseen tasks, {label} test");
                    }
                    (test.name().to_string(), Some(set))
                }
                Err(Error::Missing { .. }) => (config.name.clone(), None),
                Err(error) => return Err(error),
            };
            let name = label.clone().unwrap_or(name);
            let taken = sets.iter().any(|(other, _)| *other == name);
            sets.push((if taken { config.short_form() } else { name }, set));
        }
        let present: Vec<&DataConfig> = plan
            .sets
            .iter()
            .zip(&sets)
            .filter(|(_, (_, set))| set.is_some())
            .map(|(planned, _)| &planned.data)
            .collect();
        let identity = serde_json::to_string(&(
            (&base.data, &base.tasks, base.eval.seed, (plan.sample.episodes, plan.sample.queries)),
            present,
            Provenance::current(),
        ));
        Ok(Self {
            dims,
            data,
            base: base.clone(),
            baselines: plan.baselines.clone(),
            sample: plan.sample,
            splits,
            library,
            identity: identity.expect("configurations have a JSON form"),
            sets,
        })
    }

    fn present(&self) -> impl Iterator<Item = &TestSet> {
        self.sets.iter().filter_map(|(_, set)| set.as_ref())
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

    /// Meta-tests the newest checkpoint of a run; `kept` is where the result is kept.
    ///
    /// # Errors
    /// No checkpoint, or one that was meta-trained for other episodes; only the length of projected inputs may differ.
    pub fn run(&self, run: &Path, kept: &Path) -> Result<Measured> {
        let path = checkpoint_path(run)?;
        let weights = std::fs::read(&path).map_err(Error::io("read", &path))?;
        self.once(kept, &weights, || {
            let (info, model, device) = load_to_test(&path, None)?;
            if let Some(problem) = self.misfit(&info.config, info.dims) {
                return Err(Error::file(&path, problem, FIX));
            }
            let size = Size {
                params: burn::module::Module::num_params(&model),
                state: model.state_size(self.dims.episode_length),
            };
            let test = |set: &TestSet| meta_test(&model, set, self.sample, &device);
            let curves: Result<_> = if info.dims == self.dims {
                self.present().map(test).collect()
            } else {
                // The same examples, projected to what this model reads.
                let (tasks, seed) = (&self.base.tasks, self.base.eval.seed);
                let set = |data| TestSet::unseen(tasks, seed, info.dims, data);
                self.data.iter().map(|data| test(&set(data)?)).collect()
            };
            Ok(Measured {
                size: Some(size),
                settings: None,
                commit: Some(info.provenance.commit),
                curves: curves?,
            })
        })
    }

    /// Judges a baseline under `seed`; `kept` is where the result is kept.
    ///
    /// # Errors
    /// A baseline that cannot be fitted.
    pub fn baseline(&self, name: &str, seed: u64, kept: &Path) -> Result<Measured> {
        let key =
            serde_json::to_vec(&(name, &self.baselines, seed)).expect("a configuration has a JSON form");
        self.once(kept, &key, || {
            let sets: Vec<&TestSet> = self.present().collect();
            // What it has to choose or to meta-train, it does on tasks and episodes of its own seed, as a model does.
            let tasks = TasksConfig { seed, ..self.base.tasks.clone() };
            let tuning = TestSet::tuning(&tasks, seed, self.dims, &self.splits[0])?;
            let (curves, settings) =
                baseline::curves(name, &self.baselines, &tuning, &sets, self.sample, seed)?;
            Ok(Measured { size: None, settings: Some(settings), commit: None, curves })
        })
    }

    /// What `measure` gives, from the file `kept` if that holds it for the same `learner` and episodes.
    fn once(
        &self,
        kept: &Path,
        learner: &[u8],
        measure: impl FnOnce() -> Result<Measured>,
    ) -> Result<Measured> {
        let mut hash = Sha256::new();
        hash.update(learner);
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
