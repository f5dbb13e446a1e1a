//! What to compare: `compare.toml`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};
use toml::{Table, Value};

use crate::origin::{Origin, TEXT};
use crate::presets::find_comparison;
use crate::spec::{Sourced, lay_all, names_a_file, repeated};
use gpicl::Result;
use gpicl::data::DataConfig;
use gpicl::eval::Sample;
use gpicl::eval::baselines::BaselinesConfig;
use gpicl::{Layers, RunConfig};

/// A comparison: methods, seeds, and the data sets of the table's columns.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CompareSpec {
    /// A preset of `gpicl train` below `base`.
    pub preset: Option<String>,
    /// What all methods have in common, with the fields of a run's `config.toml`.
    pub base: Table,
    /// Seeds of every method: of weights, batches and tasks of its runs, and of data that are made.
    pub seeds: Vec<u64>,
    /// Meta-test episodes for each set and run.
    pub episodes: usize,
    /// Fresh examples that are asked for after each context.
    pub queries: usize,
    /// The table's rows.
    pub methods: Vec<MethodSpec>,
    /// The table's columns; unseen tasks made of these data sets' test splits.
    pub test_sets: Vec<TestSetSpec>,
    /// Name of the method that the others stand against, with intervals of the differences; if absent, the baseline with
    /// the best mean on each set.
    pub against: Option<String>,
    /// Whether every network is judged as it was initialised too.
    pub untrained: bool,
    /// What the baselines may cost, and the sizes of those that have any.
    pub baselines: BaselinesConfig,
}

impl CompareSpec {
    fn sample(&self) -> Sample {
        Sample { episodes: self.episodes, queries: self.queries }
    }
}

impl Default for CompareSpec {
    fn default() -> Self {
        let sets = ["mnist", "fashion-mnist", "kmnist", "random", "cifar10", "svhn"];
        Self {
            preset: None,
            base: Table::new(),
            seeds: vec![0, 1, 2],
            episodes: 256,
            queries: 256,
            methods: Vec::new(),
            test_sets: sets.map(|name| TestSetSpec::Like(name.into())).to_vec(),
            against: None,
            untrained: true,
            baselines: BaselinesConfig::default(),
        }
    }
}

/// A learner: meta-trained by the comparison, or `runs` that are there already, or a `baseline`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MethodSpec {
    /// Name of its run folders.
    pub name: String,
    /// Name in tables and figures; `name` if absent.
    pub label: Option<String>,
    /// Laid on top of the base, with the fields of a run's `config.toml`.
    pub set: Option<Table>,
    /// Finished runs (folders or checkpoint files), one a seed, instead of meta-training.
    #[serde(default)]
    pub runs: Vec<PathBuf>,
    /// A learning algorithm that is not meta-trained here, by name.
    pub baseline: Option<String>,
    /// Whether its architecture counts in the rank correlations of the state-size figure. Not, if its size was not
    /// chosen beside the others'.
    #[serde(default = "yes")]
    pub ranked: bool,
}

fn yes() -> bool {
    true
}

/// A column of the table.
#[derive(Clone, Debug)]
pub enum TestSetSpec {
    /// `"mnist"`, `"glyphs@7"` or `"csv:table.csv"`: prepared like the base's data set.
    Like(String),
    /// A table with the fields of `[data]`: taken as it stands. A `label` in it is the column's name, for a data set that
    /// must not be mistaken for the one whose name it has.
    Whole {
        /// The column's name, if it is not the data set's.
        label: Option<String>,
        /// The data set.
        data: Box<DataConfig>,
    },
}

impl<'de> Deserialize<'de> for TestSetSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(spec) => Ok(Self::Like(spec)),
            mut other => {
                let label = other.as_table_mut().and_then(|table| table.remove("label"));
                let label = label.map(String::deserialize).transpose().map_err(serde::de::Error::custom)?;
                let data = DataConfig::deserialize(other).map_err(serde::de::Error::custom)?;
                Ok(Self::Whole { label, data: Box::new(data) })
            }
        }
    }
}

/// A method with everything decided.
#[derive(Clone, Debug)]
pub(super) struct Method {
    pub name: String,
    pub label: String,
    pub ranked: bool,
    pub learner: Learner,
}

/// Where a method's learner comes from.
#[derive(Clone, Debug)]
pub(super) enum Learner {
    /// Meta-trained: a run for each seed.
    Train(Vec<(u64, RunConfig)>),
    /// Meta-trained before.
    Load(Vec<PathBuf>),
    /// A learning algorithm that people wrote.
    Baseline(String),
}

/// A column with everything decided.
#[derive(Clone, Debug)]
pub(super) struct PlannedSet {
    /// Its name, if it is not the data set's.
    pub label: Option<String>,
    pub data: DataConfig,
}

/// A spec with everything decided.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Decides data, tasks and meta-test episodes, which all methods share.
    pub base: RunConfig,
    pub seeds: Vec<u64>,
    pub sample: Sample,
    pub methods: Vec<Method>,
    pub sets: Vec<PlannedSet>,
    pub against: Option<String>,
    pub untrained: bool,
    pub baselines: BaselinesConfig,
}

/// A spec and the name that errors call it by.
#[derive(Clone, Debug)]
pub struct NamedSpec(Sourced<CompareSpec>);

impl NamedSpec {
    const FIX: &str = "see `gpicl compare --help` for the fields";

    /// The spec of `origin` with every `a.b=c` of `set` laid on it.
    ///
    /// # Errors
    /// As [`NamedSpec::read`], [`NamedSpec::preset`] and [`NamedSpec::set`].
    pub fn of(origin: &Origin<'_>, set: &[String]) -> Result<Self> {
        let spec = match *origin {
            Origin::File(path) => Self::read(path),
            Origin::Preset(name) => Self::preset(name),
            Origin::Text(text) => Self::parse(Path::new(TEXT), text),
        }?;
        lay_all(spec, set, |spec, assignment| spec.set(assignment), |spec| spec.runs().map(drop))
    }

    /// Reads a spec from a TOML file.
    ///
    /// # Errors
    /// [`gpicl::Error::Io`], or [`gpicl::Error::File`] naming the field.
    pub fn read(path: &Path) -> Result<Self> {
        Sourced::read(path, Self::FIX).map(Self)
    }

    /// The comparison that comes with the program as `name`.
    ///
    /// # Errors
    /// [`gpicl::Error::Config`] that lists the names there are.
    pub fn preset(name: &str) -> Result<Self> {
        let preset = find_comparison(name)?;
        Self::parse(Path::new(&format!("comparison {}", preset.name)), preset.toml)
    }

    /// A spec given as TOML; `source` is what errors call it.
    ///
    /// # Errors
    /// [`gpicl::Error::File`] naming the field.
    pub fn parse(source: &Path, text: &str) -> Result<Self> {
        Sourced::parse(source, text, Self::FIX).map(Self)
    }

    /// With `a.b=c` laid on the `[base]` of all runs, as `gpicl train --set` does.
    ///
    /// # Errors
    /// [`gpicl::Error::Config`] if it is no assignment; [`gpicl::Error::File`] naming the field.
    pub fn set(&self, assignment: &str) -> Result<Self> {
        self.0.set(assignment, Self::FIX).map(Self)
    }

    /// Checks the spec; returns how many runs are to be meta-trained.
    ///
    /// # Errors
    /// [`gpicl::Error::File`] naming the field.
    pub fn runs(&self) -> Result<usize> {
        let runs = |method: &Method| match &method.learner {
            Learner::Train(runs) => runs.len(),
            Learner::Load(_) | Learner::Baseline(_) => 0,
        };
        Ok(self.plan()?.methods.iter().map(runs).sum())
    }

    /// Checks the spec and builds the configuration of every run.
    pub(super) fn plan(&self) -> Result<Plan> {
        let spec = &self.0.spec;
        let layers = self.0.layers(spec.preset.as_deref(), &spec.base)?;
        let base = layers.build().map_err(self.0.at("base"))?;
        if !base.mix.is_empty() {
            let problem = "a comparison has one source, whose episodes all methods are judged on";
            return Err(self.0.fault("base.mix", problem, "leave it out, or compare runs of `gpicl train`"));
        }
        if spec.methods.is_empty() {
            return Err(self.0.fault("methods", "there is none", "add a [[methods]] table"));
        }
        if spec.seeds.is_empty() {
            return Err(self.0.fault("seeds", "is empty", "give at least one, like seeds = [0, 1, 2]"));
        }
        for (field, twice) in [
            ("seeds", repeated(spec.seeds.iter().map(u64::to_string))),
            ("methods", repeated(spec.methods.iter().map(|method| method.name.clone()))),
        ] {
            if let Some(value) = twice {
                return Err(self.0.fault(field, &format!("`{value}` is there twice"), "leave one out"));
            }
        }
        if let Some((field, problem, fix)) = spec.sample().fault() {
            return Err(self.0.fault(field, &problem, &fix));
        }
        if let Some(against) = &spec.against
            && !spec.methods.iter().any(|method| method.name == *against)
        {
            let problem = format!("`{against}` is none of the methods");
            return Err(self.0.fault("against", &problem, "give the name of one, or leave it out"));
        }
        let controls = spec.methods.iter().map(|method| super::untrained_name(&method.name));
        let names = spec.methods.iter().map(|method| method.name.clone());
        if let Some(name) = repeated(names.chain(controls)) {
            let problem = format!("`{name}` is the name of another one's control");
            return Err(self.0.fault("methods", &problem, "choose another name"));
        }
        spec.baselines.validate().map_err(self.0.at("baselines"))?;
        let methods = spec.methods.iter().enumerate().map(|(i, method)| self.method(i, method, &layers));
        let sets = spec.test_sets.iter().enumerate().map(|(i, set)| {
            let (label, data) = match set {
                TestSetSpec::Like(spec) => (None, base.data.beside(spec)),
                TestSetSpec::Whole { label, data } => {
                    (label.clone(), data.validate().map(|()| DataConfig::clone(data)))
                }
            };
            let set = data.map(|data| {
                // Noise of one's own makes another data set than the one whose numbers the paper has.
                let noisy = || data.noise.map(|noise| format!("{}, noise {noise}", data.name));
                PlannedSet { label: label.or_else(noisy), data }
            });
            set.map_err(self.0.at(&format!("test_sets[{i}]")))
        });
        Ok(Plan {
            methods: methods.collect::<Result<_>>()?,
            sets: sets.collect::<Result<_>>()?,
            seeds: spec.seeds.clone(),
            sample: spec.sample(),
            against: spec.against.clone(),
            untrained: spec.untrained,
            baselines: spec.baselines.clone(),
            base,
        })
    }

    fn method(&self, i: usize, method: &MethodSpec, base: &Layers) -> Result<Method> {
        let field = format!("methods[{i}]");
        let MethodSpec { name, label, set, runs, baseline, ranked } = method;
        if !names_a_file(name) {
            let problem = format!("`{name}` cannot name a folder");
            return Err(self.0.fault(&format!("{field}.name"), &problem, "use letters, digits, `-` and `_`"));
        }
        let sources = [set.is_some(), !runs.is_empty(), baseline.is_some()];
        if sources.into_iter().filter(|&given| given).count() > 1 {
            let problem = format!("`{name}` has more than one of set, runs and baseline");
            return Err(self.0.fault(&field, &problem, "keep one: they exclude each other"));
        }
        let learner = if let Some(baseline) = baseline {
            super::baseline::find(baseline).map_err(self.0.at(&format!("{field}.baseline")))?;
            Learner::Baseline(baseline.clone())
        } else if runs.is_empty() {
            let configs = self.0.spec.seeds.iter().map(|&seed| {
                let mut layers = base.clone();
                layers.table(set.clone().unwrap_or_default());
                let mut config = layers.build()?;
                config = config.with_seed(seed);
                // The comparison has its own meta-test, where a data set may be absent.
                config.eval.data.clear();
                config.eval.tasks.clear();
                Ok((seed, config))
            });
            let configs = configs.collect::<Result<_>>().map_err(self.0.at(&format!("{field}.set")))?;
            Learner::Train(configs)
        } else {
            Learner::Load(runs.clone())
        };
        let label = label.clone().unwrap_or_else(|| name.clone());
        Ok(Method { name: name.clone(), label, ranked: *ranked, learner })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> Result<Plan> {
        NamedSpec::parse(Path::new("c.toml"), text)?.plan()
    }

    fn error(text: &str) -> String {
        plan(text).unwrap_err().to_string()
    }

    const TWO: &str = r#"
        preset = "quickstart"
        seeds = [3, 4]
        test_sets = ["glyphs", "mnist", { label = "short", name = "random", size = 5 }, { name = "random", noise = 2 }]
        [base.train]
        steps = 7
        [[methods]]
        name = "wide"
        set = { model = { d_model = 64 }, train = { lr = 0.5 } }
        [[methods]]
        name = "old"
        label = "Trained before"
        ranked = false
        runs = ["a", "b"]
    "#;

    #[test]
    fn a_method_is_laid_on_the_base_and_the_base_on_the_preset() {
        let plan = plan(TWO).unwrap();
        let Learner::Train(runs) = &plan.methods[0].learner else { panic!("it is to be trained") };
        let (seed, config) = &runs[1];
        assert_eq!((*seed, config.seed, config.tasks.seed), (4, 4, 4));
        assert_eq!((config.train.steps, config.train.lr, config.train.warmup), (7, 0.5, 50));
        assert_eq!(
            (plan.methods[0].label.as_str(), plan.methods[1].label.as_str()),
            ("wide", "Trained before")
        );
        assert!(matches!(&plan.methods[1].learner, Learner::Load(runs) if runs.len() == 2));
        assert!(plan.methods[0].ranked && !plan.methods[1].ranked);
        assert_eq!(plan.base.train.lr, 2e-3);
        assert_eq!(plan.sets[0].data, plan.base.data);
        assert_eq!(
            (plan.sets[1].data.resize, plan.sets[1].label.clone()),
            (Some(14), None),
            "as large as glyphs"
        );
        assert_eq!((plan.sets[2].data.size, plan.sets[2].label.as_deref()), (Some(5), Some("short")));
        assert_eq!(plan.sets[3].label.as_deref(), Some("random, noise 2"), "not the paper's");
    }

    #[test]
    fn the_comparisons_that_come_along_can_be_run() {
        for preset in crate::presets::COMPARISONS {
            let plan = NamedSpec::preset(preset.name).unwrap().plan();
            assert!(!plan.unwrap_or_else(|error| panic!("{}: {error}", preset.name)).sets.is_empty());
        }
    }

    #[test]
    fn an_error_names_the_file_and_the_field() {
        for (text, parts) in [
            ("a = [", &["c.toml", "line 1"][..]),
            ("seedz = [1]", &["c.toml", "seedz"]),
            ("seeds = ['a']", &["c.toml", "seeds[0]"]),
            ("preset = 'nope'", &["c.toml", "preset", "quickstart"]),
            ("seeds = [1]", &["c.toml", "methods"]),
            ("[[methods]]\nlabel = 'x'", &["c.toml", "methods[0]", "name"]),
            ("[[methods]]\nname = 'a/b'", &["c.toml", "methods[0].name", "a/b"]),
            ("[[methods]]\nname = 'a'\n[[methods]]\nname = 'a'", &["c.toml", "methods", "twice"]),
            ("against = 'b'\n[[methods]]\nname = 'a'", &["c.toml", "against", "`b`"]),
            (
                "[[methods]]\nname = 'a'\n[[methods]]\nname = 'a-untrained'",
                &["c.toml", "methods", "a-untrained", "control"],
            ),
            ("seeds = []\n[[methods]]\nname = 'a'", &["c.toml", "seeds"]),
            (
                "[[methods]]\nname = 'a'\nset = { model = { heads = 7 } }",
                &["c.toml", "methods[0].set", "model.heads"],
            ),
            ("[[methods]]\nname = 'a'\nset = {}\nruns = ['r']", &["c.toml", "methods[0]", "exclude"]),
            ("[[methods]]\nname = 'a'\nbaseline = 'nope'", &["c.toml", "methods[0].baseline", "nope"]),
            ("test_sets = ['nope']\n[[methods]]\nname = 'a'", &["c.toml", "test_sets[0]", "nope"]),
            ("test_sets = [{ label = 1 }]\n[[methods]]\nname = 'a'", &["c.toml", "test_sets[0]", "string"]),
            ("test_sets = [{ nam = 'x' }]\n[[methods]]\nname = 'a'", &["c.toml", "test_sets[0]", "nam"]),
            ("baselines.tune_episodes = 1\n[[methods]]\nname = 'a'", &["c.toml", "baselines.tune_episodes"]),
            ("[[base.mix]]\n[[methods]]\nname = 'a'", &["c.toml", "base.mix", "one source"]),
            ("[base.train]\nstepz = 1\n[[methods]]\nname = 'a'", &["c.toml", "base", "stepz"]),
        ] {
            let error = error(text);
            for part in parts {
                assert!(error.contains(part), "{text}: `{part}` is not in: {error}");
            }
        }
    }
}
