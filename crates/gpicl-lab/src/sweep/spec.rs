//! What to sweep: `sweep.toml`.

use std::path::Path;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use toml::{Table, Value};

use crate::origin::{Origin, TEXT};
use crate::presets::find_sweep;
use crate::spec::{Sourced, lay_all, leaves, names_a_file, repeated, within};
use gpicl::data::hex;
use gpicl::train::parse_toml;
use gpicl::{Error, Result};
use gpicl::{Layers, RunConfig};

/// A sweep: a run for every list entry, point of the grid and seed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SweepSpec {
    /// A preset of `gpicl train` below `base`.
    pub preset: Option<String>,
    /// What all runs have in common, with the fields of a run's `config.toml`.
    pub base: Table,
    /// Every seed's runs have it as `seed` and `tasks.seed`, in a mixture as that of every source. Absent: both as the rest
    /// of the configuration has them.
    pub seeds: Option<Vec<u64>>,
    /// The axes: fields of a run's `config.toml`, each with the array of its values.
    pub grid: Table,
    /// Tables laid on top of the base, one after the other; the grid is run for each. A `name` stands for the entry in
    /// the runs' ids.
    pub list: Vec<Table>,
    /// How to use this machine.
    pub local: LocalSpec,
    /// How to use a Slurm cluster.
    pub slurm: SlurmSpec,
}

/// How the runs of a sweep share this machine; what is absent is chosen by [`super::Local`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LocalSpec {
    /// Processes at a time.
    pub jobs: Option<usize>,
    /// Threads of each process.
    pub threads: Option<usize>,
    /// Runs meta-trained together in a process.
    pub population: Option<usize>,
}

/// What every run of a sweep asks of a Slurm cluster; what is absent is the cluster's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SlurmSpec {
    /// Partition, as `sbatch --partition` takes it.
    pub partition: Option<String>,
    /// Time limit, as `sbatch --time` takes it: `"1:00:00"`.
    pub time: Option<String>,
    /// GPUs.
    pub gpus: Option<usize>,
    /// Memory, as `sbatch --mem` takes it: `"4G"`.
    pub memory: Option<String>,
    /// Processor cores; the run has as many threads.
    pub cpus: Option<usize>,
    /// Runs at a time.
    pub max_parallel: Option<usize>,
    /// Further options of `sbatch`, one each: `"--account=lab"`.
    pub extra: Vec<String>,
}

/// A run of a sweep with everything decided.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedRun {
    /// Name of its folder: the values of [`PlannedRun::point`] and the seed. It depends on nothing else.
    pub id: String,
    /// What sets it apart: the fields of the list entry and of the grid, by their dotted names, in the order of the
    /// names. The name of a list entry comes first, as `name`.
    pub point: Vec<(String, Value)>,
    /// Seed of the run.
    pub seed: u64,
    /// The complete configuration.
    pub config: RunConfig,
}

/// A spec and the name that errors call it by.
#[derive(Clone, Debug)]
pub struct NamedSweep(Sourced<SweepSpec>);

/// A field of the grid with its values.
struct Axis {
    field: String,
    values: Vec<Value>,
}

/// An element of the list: where it stands in the spec, its name, its fields.
#[derive(Default)]
struct Entry {
    place: String,
    name: Option<String>,
    fields: Vec<(String, Value)>,
}

/// What stands for the name of a list entry in a point.
const NAME: &str = "name";
/// More is a mistake in a spec rather than a wish.
const MAX_RUNS: usize = 100_000;
/// Longer ids are cut, as file systems end at 255 bytes and the id has a suffix now and then.
const MAX_ID: usize = 160;

impl NamedSweep {
    const FIX: &str = "see `gpicl sweep --help` for the fields";

    /// The spec of `origin` with every `a.b=c` of `set` laid on it.
    ///
    /// # Errors
    /// As [`NamedSweep::read`], [`NamedSweep::preset`] and [`NamedSweep::set`].
    pub fn of(origin: &Origin<'_>, set: &[String]) -> Result<Self> {
        let spec = match *origin {
            Origin::File(path) => Self::read(path),
            Origin::Preset(name) => Self::preset(name),
            Origin::Text(text) => Self::parse(TEXT, text),
        }?;
        lay_all(spec, set, |spec, assignment| spec.set(assignment), |spec| spec.plan().map(drop))
    }

    /// Reads a spec from a TOML file.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::File`] naming the field.
    pub fn read(path: &Path) -> Result<Self> {
        Sourced::read(path, Self::FIX).map(Self)
    }

    /// The sweep that comes with the program as `name`.
    ///
    /// # Errors
    /// [`Error::Config`] that lists the names there are.
    pub fn preset(name: &str) -> Result<Self> {
        let preset = find_sweep(name)?;
        Self::parse(Path::new(&format!("sweep {}", preset.name)), preset.toml)
    }

    /// A spec given as TOML; `source` is what errors call it.
    ///
    /// # Errors
    /// [`Error::File`] naming the field.
    pub fn parse(source: impl AsRef<Path>, text: &str) -> Result<Self> {
        Sourced::parse(source.as_ref(), text, Self::FIX).map(Self)
    }

    /// With `a.b=c` laid on the `[base]` of all runs, as `gpicl train --set` does.
    ///
    /// # Errors
    /// [`Error::Config`] if it is no assignment, or of a field that the grid has; [`Error::File`] naming the field.
    pub fn set(&self, assignment: &str) -> Result<Self> {
        self.0.set(assignment, Self::FIX).map(Self)
    }

    /// What it says.
    pub fn spec(&self) -> &SweepSpec {
        &self.0.spec
    }

    /// The TOML it was read from.
    pub(super) fn text(&self) -> &str {
        &self.0.text
    }

    /// Checks the spec and builds the configuration of every run: list entries outermost, then the axes, the last one
    /// fastest, then the seeds.
    ///
    /// # Errors
    /// [`Error::File`] naming the field.
    pub fn plan(&self) -> Result<Vec<PlannedRun>> {
        if parse_toml(&self.0.source, &self.0.text)?.is_empty() {
            let fix = "say what to vary in [grid], or runs in [[list]]";
            return Err(Error::file(&self.0.source, "is empty", fix));
        }
        let spec = self.spec();
        spec.slurm.validate().map_err(self.0.named())?;
        spec.local.validate().map_err(self.0.named())?;
        let layers = self.0.layers(spec.preset.as_deref(), &spec.base)?;
        let axes = self.axes()?;
        let entries = self.entries()?;
        self.check_seeds(&axes, &entries)?;
        let seeds: Vec<Option<u64>> = match &spec.seeds {
            Some(seeds) => seeds.iter().copied().map(Some).collect(),
            None => vec![None],
        };
        let points = axes.iter().try_fold(1_usize, |product, axis| product.checked_mul(axis.values.len()));
        let runs = points.and_then(|points| points.checked_mul(entries.len())?.checked_mul(seeds.len()));
        let Some(points) = points.filter(|_| runs.is_some_and(|runs| runs <= MAX_RUNS)) else {
            let problem = format!("makes more than {MAX_RUNS} runs");
            return Err(self.0.fault("grid", &problem, "make it several sweeps"));
        };
        let mut runs: Vec<PlannedRun> = Vec::new();
        let mut ids = std::collections::HashSet::new();
        for entry in &entries {
            for number in 0..points {
                let grid = at_point(&axes, number);
                for &seed in &seeds {
                    let run = self.run(&layers, entry, &grid, seed)?;
                    if !ids.insert(run.id.clone()) {
                        let problem = format!("makes the run `{}` a second time", run.id);
                        return Err(self.0.fault(&entry.place, &problem, "leave it out, or give it a name"));
                    }
                    runs.push(run);
                }
            }
        }
        Ok(runs)
    }

    fn axes(&self) -> Result<Vec<Axis>> {
        let axes = leaves(&self.spec().grid).into_iter().map(|(field, value)| {
            let place = format!("grid.{field}");
            let Value::Array(values) = value else {
                let fix = format!("write its values as an array, [{value}], or put it into [base]");
                return Err(self.0.fault(&place, &format!("is {value}, no array of values"), &fix));
            };
            if values.is_empty() {
                return Err(self.0.fault(&place, "is empty", "give at least one value, or leave it out"));
            }
            if let Some(value) = repeated(values.iter().map(Value::to_string)) {
                return Err(self.0.fault(&place, &format!("has {value} twice"), "leave one out"));
            }
            Ok(Axis { field, values })
        });
        axes.collect()
    }

    /// The list; one entry without fields if there is none.
    fn entries(&self) -> Result<Vec<Entry>> {
        let list = &self.spec().list;
        if list.is_empty() {
            return Ok(vec![Entry { place: "grid".into(), ..Entry::default() }]);
        }
        let entries = list.iter().enumerate().map(|(i, table)| {
            let place = format!("list[{i}]");
            let mut table = table.clone();
            let name = match table.remove(NAME) {
                None => None,
                Some(Value::String(name)) if names_a_file(&name) => Some(name),
                Some(other) => {
                    let problem = format!("{other} cannot name a folder");
                    let fix = "use letters, digits, `-`, `_` and `.`";
                    return Err(self.0.fault(&format!("{place}.{NAME}"), &problem, fix));
                }
            };
            Ok(Entry { place, name, fields: leaves(&table) })
        });
        let entries: Vec<Entry> = entries.collect::<Result<_>>()?;
        for axis in leaves(&self.spec().grid) {
            let twice = |entry: &&Entry| {
                entry.fields.iter().any(|(field, _)| within(field, &axis.0) || within(&axis.0, field))
            };
            if let Some(entry) = entries.iter().find(twice) {
                let problem = format!("sets `{}`, which is in [grid] too", axis.0);
                return Err(self.0.fault(&entry.place, &problem, "leave it out of one"));
            }
        }
        Ok(entries)
    }

    fn check_seeds(&self, axes: &[Axis], entries: &[Entry]) -> Result<()> {
        let Some(seeds) = &self.spec().seeds else { return Ok(()) };
        if seeds.is_empty() {
            return Err(self.0.fault("seeds", "is empty", "give at least one, like seeds = [0, 1, 2]"));
        }
        if let Some(seed) = repeated(seeds.iter().map(u64::to_string)) {
            return Err(self.0.fault("seeds", &format!("has {seed} twice"), "leave one out"));
        }
        let of_axis = |axis: &Axis| {
            let sets_seed = axis.values.iter().any(|value| sets_seed(&axis.field, value));
            (format!("grid.{}", axis.field), sets_seed)
        };
        let of_entries = entries.iter().flat_map(|entry| {
            let field = |(field, value): &(String, Value)| {
                (format!("{}.{field}", entry.place), sets_seed(field, value))
            };
            entry.fields.iter().map(field)
        });
        match axes.iter().map(of_axis).chain(of_entries).find(|(_, sets_seed)| *sets_seed) {
            Some((place, _)) => Err(self.0.fault(&place, "is set by `seeds` too", "leave one of them out")),
            None => Ok(()),
        }
    }

    fn run(
        &self,
        base: &Layers,
        entry: &Entry,
        grid: &[(String, Value)],
        seed: Option<u64>,
    ) -> Result<PlannedRun> {
        let mut fields: Vec<(String, Value)> = entry.fields.iter().chain(grid).cloned().collect();
        fields.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut table = Table::new();
        for (field, value) in &fields {
            insert(&mut table, field, value.clone());
        }
        let mut layers = base.clone();
        layers.table(table);
        let config = layers.build().and_then(|config| {
            config.validate_sources()?;
            Ok(config)
        });
        let mut config = config.map_err(|error| self.blame(base, entry, grid, error))?;
        if let Some(seed) = seed {
            config = config.with_seed(seed);
        }
        let in_id: &[(String, Value)] = if entry.name.is_some() { grid } else { &fields };
        let id = id(entry.name.as_deref(), in_id, config.seed);
        let mut point = fields;
        if let Some(name) = &entry.name {
            point.insert(0, (NAME.into(), Value::String(name.clone())));
        }
        Ok(PlannedRun { id, point, seed: config.seed, config })
    }

    /// The error of a run that cannot be configured, with the part of the spec that is at fault.
    fn blame(&self, base: &Layers, entry: &Entry, grid: &[(String, Value)], error: Error) -> Error {
        let same =
            |other: Result<RunConfig>| other.is_err_and(|other| other.to_string() == error.to_string());
        if same(base.clone().build()) {
            return self.0.at("base")(error);
        }
        let alone = |field: &str, value: &Value| {
            let mut table = Table::new();
            insert(&mut table, field, value.clone());
            let mut layers = base.clone();
            layers.table(table);
            same(layers.build())
        };
        if let Some((field, value)) = grid.iter().find(|(field, value)| alone(field, value)) {
            return self.0.at(&format!("grid.{field}` = `{value}"))(error);
        }
        if let Some((field, value)) = entry.fields.iter().find(|(field, value)| alone(field, value)) {
            return self.0.at(&format!("{}.{field}` = `{value}", entry.place))(error);
        }
        let point = entry.fields.iter().chain(grid).map(|(field, value)| format!("{field} = {value}"));
        self.0.at(&format!("{}` with `{}", entry.place, point.collect::<Vec<_>>().join(", ")))(error)
    }
}

/// Whether `value` of `field` has a seed that `seeds` decides.
fn sets_seed(field: &str, value: &Value) -> bool {
    // A source's tasks are in any table of it but `data`.
    let of_tasks = |(name, table): (&String, &Value)| name != "data" && table.get("seed").is_some();
    let in_source = |source: &Value| source.as_table().is_some_and(|source| source.iter().any(of_tasks));
    match field {
        "seed" | "tasks.seed" => true,
        "mix" => value.as_array().is_some_and(|sources| sources.iter().any(in_source)),
        _ => false,
    }
}

/// The values of point `number` of the grid; the last axis changes fastest.
fn at_point(axes: &[Axis], mut number: usize) -> Vec<(String, Value)> {
    let mut point: Vec<(String, Value)> = axes
        .iter()
        .rev()
        .map(|Axis { field, values }| {
            let value = values[number % values.len()].clone();
            number /= values.len();
            (field.clone(), value)
        })
        .collect();
    point.reverse();
    point
}

/// Sets the dotted `field` of `table`.
fn insert(table: &mut Table, field: &str, value: Value) {
    match field.split_once('.') {
        None => {
            table.insert(field.to_string(), value);
        }
        Some((first, rest)) => {
            let inner = table.entry(first).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

/// The readable name of a run: `d_model=8,count=2^4,seed=0`. A field is called by the last part of its name unless
/// that is ambiguous. What a file's name cannot hold is replaced, and a checksum of all tells such ids apart.
fn id(entry: Option<&str>, fields: &[(String, Value)], seed: u64) -> String {
    let last = |field: &str| field.rsplit('.').next().unwrap_or_default().to_string();
    let mut parts: Vec<String> = entry.map(str::to_string).into_iter().collect();
    for (field, value) in fields {
        let short = last(field);
        let others = fields.iter().filter(|(other, _)| last(other) == short).count();
        let clear = others == 1 && (short != "seed" || field == "seed");
        let value = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        parts.push(format!("{}={value}", if clear { &short } else { field }));
    }
    if !fields.iter().any(|(field, _)| field == "seed") {
        parts.push(format!("seed={seed}"));
    }
    let exact = parts.join(",");
    let safe: String = exact
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-_.=,^+".contains(c) { c } else { '-' })
        .collect();
    if safe == exact && safe.len() <= MAX_ID {
        return safe;
    }
    let checksum = hex(&Sha256::digest(exact)[..4]);
    format!("{},{checksum}", &safe[..safe.len().min(MAX_ID)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use gpicl::tasks::TaskCount;

    fn plan(text: &str) -> Result<Vec<PlannedRun>> {
        NamedSweep::parse("s.toml", text)?.plan()
    }

    fn ids(text: &str) -> Vec<String> {
        plan(text).unwrap().into_iter().map(|run| run.id).collect()
    }

    const GRID: &str = r#"
        preset = "quickstart"
        seeds = [3, 4]
        [base.train]
        steps = 7
        [grid]
        model.d_model = [8, 16]
        tasks.count = ["2^4", 5, "unlimited"]
    "#;

    #[test]
    fn a_grid_has_a_run_for_every_point_and_seed() {
        let runs = plan(GRID).unwrap();
        assert_eq!(runs.len(), 2 * 3 * 2);
        let run = &runs[3];
        assert_eq!(run.id, "d_model=8,count=5,seed=4");
        let point = [("model.d_model", Value::Integer(8)), ("tasks.count", Value::Integer(5))];
        assert_eq!(run.point, point.map(|(field, value)| (field.to_string(), value)));
        assert_eq!((run.seed, run.config.seed, run.config.tasks.seed), (4, 4, 4));
        assert_eq!((run.config.train.steps, run.config.train.lr), (7, 2e-3));
        assert_eq!(run.config.tasks.count, TaskCount::Finite(5));
        assert_eq!(runs[0].config.tasks.count, TaskCount::Finite(16));
        assert_eq!(runs[0].id, "d_model=8,count=2^4,seed=3");
    }

    #[test]
    fn an_id_depends_on_the_run_alone() {
        let one = ids("[grid]\ntasks.count = [5]\nmodel.d_model = [8]");
        assert_eq!(one, ["d_model=8,count=5,seed=0"]);
        assert!(ids(&GRID.replace("[3, 4]", "[0]")).contains(&one[0]));
        let list = "[[list]]\ntasks = { count = 5 }\nmodel = { d_model = 8 }";
        assert_eq!(ids(list), one, "a list says the same");
    }

    #[test]
    fn ids_are_names_of_files_and_tell_runs_apart() {
        let odd = "[grid]\nmodel.label_scale = [{ relative = 0.25 }, { absolute = 1.0 }]";
        let ids = ids(odd);
        assert!(ids[0].starts_with("label_scale=--relative-=-0.25--,seed=0,"), "{ids:?}");
        let safe = |c: char| c.is_ascii_alphanumeric() || "-_.=,^+".contains(c);
        assert!(ids.iter().all(|id| id.chars().all(safe)), "{ids:?}");
        let text = |text: &str| [("data.path".to_string(), Value::String(text.into()))];
        assert_ne!(id(None, &text("a/b"), 0), id(None, &text("a-b"), 0));
        let (long, longer) = (id(None, &text(&"a".repeat(300)), 0), id(None, &text(&"a".repeat(301)), 0));
        assert!(long != longer && long.len() < 200);
        let runs = plan("[grid]\ntasks.seed = [1, 2]\ndata.seed = [5]\neval.seed = [6]").unwrap();
        assert_eq!(runs[1].id, "data.seed=5,eval.seed=6,tasks.seed=2,seed=0");
        assert_eq!((runs[1].config.seed, runs[1].config.tasks.seed), (0, 2));
        assert_eq!(plan("[grid]\nseed = [7]").unwrap()[0].id, "seed=7");
    }

    #[test]
    fn the_grid_is_run_for_every_entry_of_the_list() {
        let runs = plan(
            r#"
            seeds = [0]
            [base.model]
            d_model = 32
            heads = 2
            [[list]]
            name = "transformer"
            [[list]]
            name = "lstm"
            model = { kind = "lstm", hidden = 8, layers = 1 }
            [[list]]
            model = { kind = "gru", hidden = 8 }
            train.lr = 0.5
            [grid]
            train.batch = [2, 4]
            "#,
        )
        .unwrap();
        let ids: Vec<&str> = runs.iter().map(|run| run.id.as_str()).collect();
        assert_eq!(
            ids,
            [
                "transformer,batch=2,seed=0",
                "transformer,batch=4,seed=0",
                "lstm,batch=2,seed=0",
                "lstm,batch=4,seed=0",
                "hidden=8,kind=gru,batch=2,lr=0.5,seed=0",
                "hidden=8,kind=gru,batch=4,lr=0.5,seed=0",
            ]
        );
        let fields: Vec<&str> = runs[2].point.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, ["name", "model.hidden", "model.kind", "model.layers", "train.batch"]);
        assert_eq!((runs[0].config.model.kind(), runs[3].config.model.kind()), ("transformer", "lstm"));
        assert_eq!((runs[3].config.train.batch, runs[5].config.train.lr), (4, 0.5));
    }

    #[test]
    fn points_can_differ_in_the_mixture() {
        let runs = plan(
            r#"
            preset = "quickstart"
            seeds = [5]
            [[list]]
            name = "alone"
            [[list]]
            name = "mixed"
            [[list.mix]]
            weight = 2
            [[list.mix]]
            data = { name = "random", seed = 3 }
            "#,
        )
        .unwrap();
        let ids: Vec<&str> = runs.iter().map(|run| run.id.as_str()).collect();
        assert_eq!(ids, ["alone,seed=5", "mixed,seed=5"]);
        let [alone, mixed] = [&runs[0].config, &runs[1].config];
        assert_eq!((alone.source_name().as_str(), mixed.source_name().as_str()), ("glyphs", "glyphs+random"));
        let seeds = |config: &RunConfig| {
            config
                .components()
                .iter()
                .map(|it| (it.source.seed(), it.source.data().unwrap().seed()))
                .collect::<Vec<_>>()
        };
        assert_eq!((seeds(alone), seeds(mixed)), (vec![(5, 5)], vec![(5, 5), (5, 3)]));
        assert!(mixed.validate().is_ok());
    }

    #[test]
    fn a_spec_without_axes_is_one_run_and_without_seeds_the_base_has_them() {
        let runs = plan("[base]\nseed = 5\n[base.tasks]\nseed = 6").unwrap();
        assert_eq!((runs.len(), runs[0].seed, runs[0].config.tasks.seed), (1, 5, 6));
        assert_eq!(runs[0].id, "seed=5");
    }

    #[test]
    fn the_sweeps_that_come_along_can_be_run() {
        for preset in crate::presets::SWEEPS {
            let plan = NamedSweep::preset(preset.name).unwrap().plan();
            assert!(plan.unwrap_or_else(|error| panic!("{}: {error}", preset.name)).len() > 1);
        }
    }

    #[test]
    fn an_error_names_the_file_and_the_field() {
        for (text, parts) in [
            ("a = [", &["s.toml", "line 1"][..]),
            ("", &["s.toml", "is empty", "[grid]"]),
            ("gird = {}", &["s.toml", "gird"]),
            ("seeds = ['a']", &["s.toml", "seeds[0]"]),
            ("seeds = []", &["s.toml", "`seeds`", "empty"]),
            ("seeds = [1, 1]", &["s.toml", "`seeds`", "1 twice"]),
            ("preset = 'nope'", &["s.toml", "preset", "quickstart"]),
            ("[local]\njob = 2", &["s.toml", "local", "job"]),
            ("[slurm]\nhours = 2", &["s.toml", "slurm", "hours"]),
            ("[grid]\ntrain.lr = 0.1", &["s.toml", "`grid.train.lr`", "[0.1]"]),
            ("[grid]\ntrain.lr = []", &["s.toml", "`grid.train.lr`", "empty"]),
            ("[grid]\ntrain.lr = [0.1, 0.1]", &["s.toml", "`grid.train.lr`", "0.1 twice"]),
            ("[grid]\ntrain.lrr = [0.1]", &["s.toml", "`grid.train.lrr`", "unknown field `lrr`"]),
            ("[grid]\ntrain.lr = [0.1, -1]", &["s.toml", "`grid.train.lr` = `-1`", "positive"]),
            ("[grid]\ntasks.count = ['2^26']", &["s.toml", "`grid.tasks.count`", "2^25"]),
            ("[grid]\nmodel.heads = [4, 7]", &["s.toml", "`grid.model.heads` = `7`"]),
            ("[grid]\ndata.name = ['imagenet']", &["s.toml", "grid", "imagenet"]),
            ("[base.train]\nstepz = 1\n[grid]\ntrain.lr = [0.1]", &["s.toml", "`base`", "stepz"]),
            ("[[list]]\n[[list]]\ntrain = { lrr = 1 }", &["s.toml", "`list[1].train.lrr`"]),
            ("[[list]]\nname = 'a/b'", &["s.toml", "`list[0].name`", "a/b"]),
            ("[[list]]\nname = 'a'\n[[list]]\nname = 'a'", &["s.toml", "`list[1]`", "second time"]),
            ("[[list]]\ntrain.lr = 1\n[grid]\ntrain.lr = [1]", &["s.toml", "`list[0]`", "`train.lr`"]),
            ("[[list]]\nmodel.kind = 'lstm'\n[grid]\nmodel = [{}]", &["s.toml", "`list[0]`", "`model`"]),
            ("seeds = [1]\n[grid]\nseed = [1]", &["s.toml", "`grid.seed`", "`seeds`"]),
            ("seeds = [1]\n[[list]]\ntasks.seed = 1", &["s.toml", "`list[0].tasks.seed`", "`seeds`"]),
            ("seeds = [1]\n[[list]]\nmix = [{ tasks.seed = 1 }]", &["s.toml", "`list[0].mix`", "`seeds`"]),
            ("[[list]]\n[[list.mix]]\nweight = 0", &["s.toml", "`list[0].mix`", "`mix[0].weight`"]),
            ("[[list]]\nmix = [{ data.name = 'nope' }]", &["s.toml", "list[0]", "`mix[0].data.name`"]),
            ("base.tasks.count = 2\n[[list]]\nmix = [{}]", &["s.toml", "list[0]", "beside [[mix]]"]),
        ] {
            let error = plan(text).unwrap_err().to_string();
            for part in parts {
                assert!(error.contains(part), "{text}: `{part}` is not in: {error}");
            }
        }
        let digits: Vec<String> = (0..400).map(|i| i.to_string()).collect();
        let axis = digits.join(", ");
        let many = format!("[grid]\ntrain.warmup = [{axis}]\neval.every = [{axis}]");
        assert!(plan(&many).unwrap_err().to_string().contains("100000 runs"));
    }
}
