//! A run's configuration from several sources: preset, file, `--set`.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::run_config::RunConfig;
use crate::error::{Error, Result};
use crate::fs::read_text;
use crate::models::ModelConfig;

/// Settings from several sources, each overriding the ones before: preset, file, `--set`.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    merged: Table,
    /// What each layer was made from: a file's name, or none for `--set` and tables; with its fields.
    sources: Vec<(Option<PathBuf>, Table)>,
}

impl Layers {
    /// Lays TOML text on top; `name` is what an error calls it.
    ///
    /// # Errors
    /// [`Error::File`] if `text` is no TOML.
    pub fn text(&mut self, name: impl AsRef<Path>, text: &str) -> Result<()> {
        let name = name.as_ref();
        self.layer(Some(name.to_path_buf()), parse_toml(name, text)?);
        Ok(())
    }

    /// Lays a TOML table on top.
    pub fn table(&mut self, table: Table) {
        self.layer(None, table);
    }

    fn layer(&mut self, source: Option<PathBuf>, table: Table) {
        self.sources.push((source, table.clone()));
        merge(&mut self.merged, table, &mut Vec::new());
    }

    /// Lays a TOML file on top.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::File`].
    pub fn file(&mut self, path: &Path) -> Result<()> {
        let text = read_text(path)?;
        self.text(path, &text)
    }

    /// Lays one `a.b=c` on top. The value is TOML; what is no TOML is taken as a string, so that
    /// `data.name=mnist` needs no quotes. An element of an array is named by its number: `mix[1].weight=2`.
    ///
    /// # Errors
    /// [`Error::Config`] if there is no `=`, or no such element.
    pub fn set(&mut self, assignment: &str) -> Result<()> {
        let (name, value) = assignment.split_once('=').ok_or_else(|| {
            Error::config(assignment, "is no assignment", "write it as name=value, like train.lr=0.001")
        })?;
        let (name, value) = (name.trim(), value.trim());
        let value = format!("value = {value}")
            .parse::<Table>()
            .ok()
            .and_then(|mut table| table.remove("value"))
            .unwrap_or_else(|| Value::String(value.to_string()));
        if name.contains('[') {
            return self.set_element(name, value);
        }
        self.table(nested(name, value));
        Ok(())
    }

    /// Lays a value on an element of an array, as in `mix[1].weight`.
    fn set_element(&mut self, name: &str, value: Value) -> Result<()> {
        let (array, rest) = name.split_once('[').unwrap_or_default();
        let fail = |problem: String, fix: &str| Err(Error::config(name, problem, fix));
        let (number, rest) = match rest.split_once(']') {
            Some((number, rest)) if rest.is_empty() || rest.starts_with('.') => (number, rest),
            _ => return fail("has no `]`".into(), "name an element as in mix[1].weight"),
        };
        let mut parts = array.split('.');
        let top = self.merged.get_mut(parts.next().unwrap_or_default());
        let found = parts.fold(top, |value, part| value?.get_mut(part));
        let elements = found.and_then(Value::as_array_mut);
        let count = elements.as_ref().map_or(0, |elements| elements.len());
        let element =
            elements.zip(number.parse::<usize>().ok()).and_then(|(all, number)| all.get_mut(number));
        match (element, rest.strip_prefix('.')) {
            (None, _) => {
                let problem = format!("`{array}` has {count} elements so far, counted from 0");
                return fail(problem, "name one of them, or set the whole array");
            }
            (Some(element), None) => *element = value,
            (Some(Value::Table(table)), Some(rest)) => {
                let mut steps: Vec<Step> = array.split('.').map(Step::to).collect();
                steps.last_mut().expect("a name has a part").element = true;
                merge(table, nested(rest, value), &mut steps);
            }
            (Some(_), Some(_)) => return fail("is in an element that is no table".into(), "set it whole"),
        }
        // Errors about the array are now as much about this setting as about a file.
        let array = array.split('.').next().unwrap_or_default();
        let whole = self.merged.get(array).map(|value| (array.to_string(), value.clone()));
        self.sources.push((None, whole.into_iter().collect()));
        Ok(())
    }

    /// The layers' table, without what they leave out.
    pub fn into_table(self) -> Table {
        self.merged
    }

    /// Names the default architecture where there are sizes and no kind. Done before the next layer, one of another
    /// kind replaces them.
    pub fn name_model(&mut self) {
        name_model(&mut self.merged);
    }

    /// The configuration that the layers add up to, validated.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field at fault, or [`Error::File`] naming also the file it comes from.
    pub fn build(&self) -> Result<RunConfig> {
        self.deserialized().map_err(|error| self.blame(error))
    }

    /// `error` with the file that the field at fault comes from, where it comes from a file.
    pub fn blame(&self, error: Error) -> Error {
        let Error::Config { field, .. } = &error else { return error };
        let named = |(_, table): &&(_, Table)| depth(table, field) > 0;
        let best = self.sources.iter().filter(named).map(|(_, table)| depth(table, field)).max();
        let source = self.sources.iter().rev().find(|(_, table)| Some(depth(table, field)) == best);
        match source {
            Some((Some(path), _)) => error.in_file(path),
            _ => error,
        }
    }

    fn deserialized(&self) -> Result<RunConfig> {
        let config = read(self.merged.clone())?;
        config.validate()?;
        Ok(config.completed())
    }
}

/// The configuration that a table holds.
fn read(mut table: Table) -> Result<RunConfig> {
    // The enum is tagged by its kind; a config that only sets sizes means the default architecture.
    name_model(&mut table);
    let model = table.get("model").and_then(Value::as_table).cloned();
    serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
        let mut field = error.path().to_string();
        let mut problem = error.into_inner().message().to_string();
        // The path ends where a table's kind is looked for first.
        if let ("model", Some((within, why))) = (&*field, model.as_ref().and_then(ModelConfig::fault)) {
            (field, problem) = (format!("model.{within}"), why);
        }
        let fix = "see `gpicl presets --defaults` for every field and its default";
        Error::config(field, plain(&problem), fix)
    })
}

impl RunConfig {
    /// Reads a complete or partial TOML file; absent fields take their defaults.
    ///
    /// # Errors
    /// [`Error::File`] naming the file and the place, [`Error::Config`] naming the field.
    pub fn read(path: &Path) -> Result<Self> {
        let mut layers = Layers::default();
        layers.file(path)?;
        layers.build()
    }
}

/// What a field expects, in words that are not those of this program's code.
const PLAIN: [(&str, &str); 9] = [
    ("internally tagged enum ModelConfig", "a table with a `kind`"),
    ("unit variant, expected struct variant", "a name, expected a table with it"),
    ("struct variant, expected unit variant", "a table, expected a name"),
    ("wanted exactly 1 element, more than 1 element", "more than one choice"),
    ("expected usize", "expected a whole number from 0"),
    ("expected u64", "expected a whole number from 0"),
    ("expected f64", "expected a number"),
    ("expected f32", "expected a number"),
    ("a boolean", "true or false"),
];

/// A deserialiser's message for people.
fn plain(message: &str) -> String {
    let mut text = message.trim().to_string();
    for (code, words) in PLAIN {
        text = text.replace(code, words);
    }
    // `struct variant Schedule::Cosine`, `struct DataConfig`
    for kind in ["struct variant ", "tuple variant ", "struct "] {
        while let Some(at) = text.find(&format!("expected {kind}")) {
            let start = at + "expected ".len();
            let name =
                text[start + kind.len()..].find(|c: char| !(c.is_alphanumeric() || c == ':' || c == '_'));
            let end = name.map_or(text.len(), |length| start + kind.len() + length);
            text.replace_range(start..end, "a table");
        }
    }
    text
}

/// TOML `text` as a table; `name` is what an error calls it, with the line at fault.
pub fn parse_toml(name: &Path, text: &str) -> Result<Table> {
    text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        Error::file_at(name, format!("line {line}"), error.message().to_string(), "mend the TOML")
    })
}

/// The table in which the dotted `name` has `value`.
fn nested(name: &str, value: Value) -> Table {
    let nest = |inner, part: &str| Value::Table([(part.to_string(), inner)].into_iter().collect());
    match name.rsplit('.').fold(value, nest) {
        Value::Table(table) => table,
        _ => unreachable!("a name has at least one part"),
    }
}

/// How many parts of the dotted name `field` lead into `table`.
fn depth(table: &Table, field: &str) -> usize {
    let (first, rest) = field.split_once('.').unwrap_or((field, ""));
    // `data[0]` is in `data`.
    match table.get(first.split('[').next().unwrap_or_default()) {
        Some(Value::Table(inner)) if !rest.is_empty() => 1 + depth(inner, rest),
        Some(_) => 1,
        None => 0,
    }
}

/// Names the default architecture where the table has sizes of a model and no kind.
fn name_model(table: &mut Table) {
    if let Some(Value::Table(model)) = table.get_mut("model") {
        model.entry("kind").or_insert_with(|| Value::String(ModelConfig::default().kind().to_string()));
    }
}

/// A step on the way from the whole configuration to a table in it.
struct Step {
    key: String,
    /// Whether it leads to an element of an array.
    element: bool,
    /// What says which kind of table it leads to.
    tags: Table,
}

impl Step {
    fn to(key: &str) -> Self {
        Self { key: key.into(), element: false, tags: Table::new() }
    }
}

/// What names the kind of a table.
const TAGS: [&str; 2] = ["kind", "name"];

/// Lays `top` on `base`, to which `steps` lead, table by table. A table that names another kind (a model, a data set)
/// replaces the one below whole: the fields of one kind mean nothing to another. So does another choice.
fn merge(base: &mut Table, top: Table, steps: &mut Vec<Step>) {
    if let Some(step) = steps.last_mut() {
        let tags = base.iter().chain(&top).filter(|(key, _)| TAGS.contains(&key.as_str()));
        step.tags = tags.map(|(key, value)| (key.clone(), value.clone())).collect();
    }
    for (key, value) in top {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above))
                if same_kind(below, &above) && !(is_another(below, &above) && is_choice(steps, &key)) =>
            {
                steps.push(Step::to(&key));
                merge(below, above, steps);
                steps.pop();
            }
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// Whether two tables of one field each have different ones.
fn is_another(below: &Table, above: &Table) -> bool {
    below.len() == 1 && above.len() == 1 && !below.keys().eq(above.keys())
}

/// Whether the table `key` below `steps` holds one of several choices, like `label_scale = { relative = 0.5 }`. Its type
/// knows: it takes a field that there is not for a choice that there is not.
fn is_choice(steps: &[Step], key: &str) -> bool {
    let nothing = Table::from_iter([(String::new(), Value::Integer(0))]);
    let mut table = Table::from_iter([(key.to_string(), Value::Table(nothing))]);
    for Step { key, element, tags } in steps.iter().rev() {
        table.extend(tags.clone());
        let inner = Value::Table(table);
        let inner = if *element { Value::Array(vec![inner]) } else { inner };
        table = Table::from_iter([(key.clone(), inner)]);
    }
    read(table).is_err_and(|error| error.to_string().contains("unknown variant ``"))
}

fn same_kind(below: &Table, above: &Table) -> bool {
    TAGS.iter().all(|tag| match (below.get(*tag), above.get(*tag)) {
        (Some(below), Some(above)) => below == above,
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::DataConfig;
    use crate::models::tokens::LabelScale;
    use crate::train::Schedule;

    fn built(layers: &[&str], sets: &[&str]) -> Result<RunConfig> {
        let mut all = Layers::default();
        for (i, text) in layers.iter().enumerate() {
            all.text(format!("layer{i}.toml"), text)?;
        }
        for set in sets {
            all.set(set)?;
        }
        all.build()
    }

    #[test]
    fn later_layers_override_earlier_ones_field_by_field() {
        let config = built(
            &["[train]\nsteps = 5\nlr = 0.5", "[train]\nlr = 0.25"],
            &["train.batch=3", "data.name=random", "model.d_model=32"],
        )
        .unwrap();
        assert_eq!((config.train.steps, config.train.lr, config.train.batch), (5, 0.25, 3));
        assert_eq!(config.data.name, "random");
        let ModelConfig::Transformer(model) = config.model else { panic!("{:?}", config.model) };
        assert_eq!(model.d_model, 32);
    }

    #[test]
    fn another_data_set_replaces_the_table_below() {
        let config = built(&["[data]\nname = 'glyphs'\nresize = 14", "[data]\nname = 'mnist'"], &[]).unwrap();
        let mut mnist = DataConfig { name: "mnist".into(), ..DataConfig::default() };
        mnist.complete();
        assert_eq!(config.data, mnist);
    }

    #[test]
    fn a_choice_replaces_another_one() {
        let scale = |config: RunConfig| match config.model {
            ModelConfig::Transformer(model) => model.label_scale,
            other => panic!("{other:?}"),
        };
        let relative = "[model]\nlabel_scale = { relative = 0.5 }";
        let config = built(&[relative], &["model.label_scale.absolute=2"]).unwrap();
        assert_eq!(scale(config), LabelScale::Absolute(2.0));
        let config = built(&[relative, "[model.label_scale]\nabsolute = 2.0"], &[]).unwrap();
        assert_eq!(scale(config), LabelScale::Absolute(2.0));
        let config = built(&[relative], &["model.label_scale.absolute=2", "model.label_scale.relative=3"]);
        assert_eq!(scale(config.unwrap()), LabelScale::Relative(3.0));
        // Every other choice too, several at once, and in the element of an array.
        let cosine = "[train.schedule.cosine]\nlast = 0.1";
        let sets = ["train.schedule.linear.last=0.2", "model.label_scale.absolute=2"];
        let config = built(&[relative, cosine], &sets).unwrap();
        assert_eq!(config.train.schedule, Schedule::Linear { last: 0.2, steps: None });
        assert_eq!(scale(config), LabelScale::Absolute(2.0));
        let error = |sets: &[&str]| built(&[relative], sets).unwrap_err().to_string();
        let wrong = error(&["model.label_scale.wide=2"]);
        assert!(wrong.contains("field `model") && wrong.contains("unknown variant `wide`"), "{wrong}");
        let both = error(&["model.label_scale={ absolute = 1, relative = 1 }"]);
        assert!(both.contains("model") && both.contains("more than one choice"), "{both}");
        // In an element of an array; and what is no choice is not taken for one.
        let mix = "[[mix]]\ndata = { size = 3 }";
        let config = built(&[mix], &["mix[0].data.classes=4"]).unwrap();
        let data = config.components()[0].source.data().cloned().unwrap();
        assert_eq!((data.size, data.classes), (Some(3), Some(4)));
    }

    #[test]
    fn an_error_names_the_field() {
        let unknown = built(&[], &["train.stepz=1"]).unwrap_err().to_string();
        assert!(unknown.contains("train") && unknown.contains("stepz"), "{unknown}");
        let kind = built(&[], &["train.lr=fast"]).unwrap_err().to_string();
        assert!(kind.contains("train.lr"), "{kind}");
        let range = built(&[], &["train.batch=0"]).unwrap_err().to_string();
        assert!(range.contains("train.batch"), "{range}");
        let heads = built(&[], &["model.heads=7"]).unwrap_err().to_string();
        assert!(heads.contains("model.heads"), "{heads}");
        for (set, field) in [
            ("model.d_model=wide", "`model.d_model`"),
            ("model.stepz=1", "`model.stepz`"),
            ("model={kind='lstm', hidden=-1}", "`model.hidden`"),
            ("model.kind=none", "`model.kind`"),
        ] {
            let error = built(&[], &[set]).unwrap_err().to_string();
            assert!(error.contains(field), "{set}: {error}");
        }
        let broken = built(&["a = ["], &[]).unwrap_err().to_string();
        assert!(broken.contains("layer0.toml") && broken.contains("line 1"), "{broken}");
        assert!(built(&[], &["train"]).is_err());
        for (set, words) in [
            ("model=3", "expected a table with a `kind`"),
            ("train.schedule.cosine=1", "expected a table"),
            ("train.schedule=linear", "expected a table with it"),
            ("train.steps=1.5", "expected a whole number from 0"),
            ("train.lr=fast", "expected a number"),
            ("data=3", "expected a table"),
        ] {
            let error = built(&[], &[set]).unwrap_err().to_string();
            let code = ["enum", "struct", "variant", "usize", "u64", "f64", "::"];
            assert!(error.contains(words) && !code.iter().any(|code| error.contains(code)), "{set}: {error}");
        }
    }

    #[test]
    fn an_error_names_the_file_that_the_field_comes_from() {
        let error = |layers: &[&str], sets: &[&str]| built(layers, sets).unwrap_err().to_string();
        let from_file = error(&["[train]\nsteps = 5", "[train]\nlr = -1", "[train]\nbatch = 2"], &[]);
        assert!(from_file.starts_with("layer1.toml: field `train.lr`"), "{from_file}");
        let unknown = error(&["[train]\nstepz = 5", "[data]\nname = 'random'"], &[]);
        assert!(unknown.starts_with("layer0.toml: field `train.stepz`"), "{unknown}");
        let set = error(&["[train]\nlr = 0.1"], &["train.lr=-1"]);
        assert!(set.starts_with("config field `train.lr`"), "{set}");
    }

    #[test]
    fn the_written_form_reads_back_equal() {
        let config =
            built(&[], &["tasks.count=unlimited", "train.clip=0.1", "train.schedule={cosine={last=0.1}}"]);
        let config = config.unwrap();
        assert_eq!(built(&[&config.to_toml()], &[]).unwrap(), config);
    }
}
