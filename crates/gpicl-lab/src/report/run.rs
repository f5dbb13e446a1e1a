//! The page about a run.

use std::path::Path;

use burn::module::Module as _;
use maud::{Markup, html};
use toml::{Table, Value};

use super::cells::{Cell, table};
use super::page::{Page, Section, duration, facts, folded, thousands};
use super::svg::figure;
use super::view::{RunView, mark, read_results};
use crate::figures::plot;
use crate::results::Results;
use crate::sweep::RunState;
use gpicl::Result;
use gpicl::eval::{LearningCurve, Outcome, Plateau, PlateauRule};
use gpicl::models::SequenceModel as _;
use gpicl::provenance::Provenance;
use gpicl::train::load_weights;
use gpicl::{DeviceKind, Layers, RunConfig};

/// Reads the run in `dir`.
///
/// # Errors
/// As [`RunView::read`].
pub(super) fn page(dir: &Path, name: String) -> Result<Page> {
    let run = RunView::read(dir)?;
    let state = run.state();
    let mut sections = Vec::new();
    if let Some(results) = &run.results {
        sections.push(Section::new("Learning within an episode", meta_test(results)?));
    }
    sections.push(Section::new("Meta-training", training(&run)?));
    if let Some(results) = read_results(&dir.join("eval").join("results.json"))? {
        sections.push(Section::new("Meta-test by gpicl eval", meta_test(&results)?));
    }
    sections.push(Section::new("Configuration", configuration(&run.config)));
    sections.push(Section::new("Where it came from", origin(&run)));
    let verdict = |(set, outcome)| match set {
        Some(set) => sentence(&format!("on {set}: {outcome}")),
        None => sentence(&Outcome::to_string(&outcome)),
    };
    let lead = match &run.results {
        Some(results) => results.verdicts().into_iter().map(verdict).collect(),
        None if state == RunState::Waiting => vec!["Nothing of it is meta-trained yet.".into()],
        None => vec!["It has no final meta-test yet; `gpicl resume` goes on with it.".into()],
    };
    Ok(Page { kind: "run", title: name, state: Some(mark(&state)), lead, numbers: numbers(&run), sections })
}

/// The first letter large, and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| format!("{}{}.", first.to_uppercase(), letters.as_str())).unwrap_or_default()
}

fn numbers(run: &RunView) -> Vec<(String, String, String)> {
    let mut numbers = Vec::new();
    let mut add = |name: &str, value: String, remark: String| numbers.push((name.to_string(), value, remark));
    if let Some(results) = &run.results {
        let examples = results.dims.episode_length - 1;
        for (which, name) in [("unseen", "Unseen tasks"), ("seen", "Seen tasks")] {
            let Some(curve) = run.curve(which) else { continue };
            let accuracy = format!("{} %", curve.summary().last.percent()).replace(' ', "\u{a0}");
            add(&format!("{name}, after {examples} examples"), accuracy, curve.label.clone());
        }
    }
    if let Some(loss) = run.losses().last() {
        add("Loss of the last batch", format!("{loss:.3}"), "nats".into());
    }
    let sizes = sizes(run);
    if let Some(plateau) =
        sizes.as_ref().and_then(|sizes| PlateauRule::default().of_loss(&run.metrics, sizes.classes))
    {
        let (value, remark) = plateau_text(&plateau);
        add("Plateau of the loss", value, remark);
    }
    let steps = format!("{} of {}", thousands(run.step()), thousands(run.config.train.steps));
    add("Meta-training steps", steps, format!("of {} episodes", run.config.train.batch));
    if let Some(sizes) = sizes {
        add("Parameters", thousands(sizes.params as u64), run.config.model.kind().to_string());
        add("State", thousands(sizes.state as u64), "numbers at the full context".into());
    }
    if let Some(seconds) = run.seconds() {
        add("Time in meta-training", duration(seconds), String::new());
    }
    numbers
}

fn plateau_text(plateau: &Plateau) -> (String, String) {
    match plateau.left_at {
        Some(step) => {
            (format!("left at step {}", thousands(step)), format!("level {:.3} nats", plateau.level))
        }
        None => (
            format!("not left in {} steps", thousands(plateau.length)),
            format!("level {:.3} nats", plateau.level),
        ),
    }
}

struct Sizes {
    classes: usize,
    params: usize,
    state: usize,
}

/// Of the model in the newest checkpoint.
fn sizes(run: &RunView) -> Option<Sizes> {
    let weights = run.dir.checkpoints(run.config.train.keep_checkpoints).latest_path().ok()?;
    let (info, model) = load_weights(&weights, &DeviceKind::default().device().ok()?).ok()?;
    let state = model.state_size(info.dims.episode_length);
    Some(Sizes { classes: info.dims.classes, params: model.num_params(), state })
}

/// Curve, table and numbers of a meta-test.
fn meta_test(results: &Results) -> Result<Markup> {
    let title = "Accuracy within an episode";
    let svg = plot::learning_figure(&results.curves, Some(results.chance()), title).small_svg()?;
    let mut baselines = Vec::new();
    if !results.baselines.is_empty() {
        for (set, curves) in results.by_learner() {
            let title = format!("{title}: {set}");
            baselines.push((
                title.clone(),
                plot::learning_figure(&curves, Some(results.chance()), &title).small_svg()?,
            ));
        }
    }
    let what = if results.seeds > 1 { "seeds" } else { "episodes" };
    let caption = format!(
        "Accuracy after each number of examples. No gradient step is made: the forward pass is the learning. Bands are 95% intervals over {what}."
    );
    let (columns, rows) = results.table().into_parts();
    let rows: Vec<Vec<Cell>> =
        rows.iter().map(|row| row.iter().map(super::cells::measured).collect()).collect();
    Ok(html! {
        (figure(&svg, title, Some(&caption)))
        (table(&format!("Accuracy in %, with 95% intervals over {what}; chance is {}", results.chance_text()), &columns, &rows))
        @for data in results.data_text() { p.note { "Data: " (data) "." } }
        @if let Some(text) = results.replacement_text() { p.note { "Episodes " (text) "." } }
        @for (title, svg) in &baselines { (figure(svg, title, None)) }
        (folded("Accuracy after every number of examples, as a table", positions(&results.curves)))
    })
}

fn positions(curves: &[LearningCurve]) -> Markup {
    let columns: Vec<String> = std::iter::once("examples seen".to_string())
        .chain(curves.iter().map(|curve| curve.label.clone()))
        .collect();
    let length = curves.iter().map(|curve| curve.accuracy.len()).max().unwrap_or(0);
    let row = |position: usize| {
        let mut row = vec![Cell::number(position.to_string(), position as f64)];
        row.extend(curves.iter().map(|curve| match curve.accuracy.get(position) {
            Some(accuracy) => Cell::number(accuracy.percent(), accuracy.mean),
            None => Cell::default(),
        }));
        row
    };
    table("Accuracy in %, with 95% intervals", &columns, &(0..length).map(row).collect::<Vec<_>>())
}

/// The course of the loss, of the meta-tests, and the last of them.
fn training(run: &RunView) -> Result<Markup> {
    if run.losses().is_empty() {
        return Ok(html! { p.note { "No training step is logged yet." } });
    }
    let [loss, accuracy] = plot::training_figures(&run.metrics);
    let figures = [
        (
            loss.small_svg()?,
            "Meta-training loss",
            "Mean cross-entropy of a batch of episodes, over all positions.",
        ),
        (
            accuracy.small_svg()?,
            "Accuracy during meta-training",
            "Meta-tests on the way, where there are any; else the last position of the training batches.",
        ),
    ];
    Ok(html! {
        div.pair { @for (svg, title, caption) in &figures { (figure(svg, title, Some(caption))) } }
    })
}

/// The fields that are not what they are by default, and all of them.
pub(super) fn configuration(config: &RunConfig) -> Markup {
    let mut defaults = Layers::default();
    defaults.table(kinds(config));
    let defaults = defaults.build().unwrap_or_default();
    let (all, defaults) = (flat(config), flat(&defaults));
    let chosen: Vec<Vec<Cell>> = all
        .into_iter()
        .filter(|pair| !defaults.contains(pair))
        .map(|(field, value)| {
            let default = defaults.iter().find(|(other, _)| *other == field);
            let default = default.map_or("not set".to_string(), |(_, value)| value.to_string());
            vec![
                Cell::other(html! { code { (field) } }, &field),
                Cell::other(html! { span.long { (value) } }, value.to_string()),
                Cell::text(default),
            ]
        })
        .collect();
    let columns = ["field", "value", "default"].map(String::from);
    html! {
        @if !chosen.is_empty() { (table("What is set otherwise than by default", &columns, &chosen)) }
        (folded("The complete config.toml: gpicl train --config reruns the run", html! { pre { code { (config.to_toml()) } } }))
    }
}

/// What decides which fields there are.
fn kinds(config: &RunConfig) -> Table {
    let whole = Table::try_from(config).unwrap_or_default();
    let mut kinds = Table::new();
    for (table, tag) in [("model", "kind"), ("data", "name")] {
        if let Some(value) = whole.get(table).and_then(|table| table.get(tag)) {
            kinds
                .insert(table.into(), Value::Table([(tag.to_string(), value.clone())].into_iter().collect()));
        }
    }
    kinds
}

/// Every field with its dotted name.
fn flat(config: &RunConfig) -> Vec<(String, Value)> {
    fn walk(prefix: &str, table: Table, fields: &mut Vec<(String, Value)>) {
        for (key, value) in table {
            let name = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
            match value {
                Value::Table(table) => walk(&name, table, fields),
                value => fields.push((name, value)),
            }
        }
    }
    let mut fields = Vec::new();
    walk("", Table::try_from(config).unwrap_or_default(), &mut fields);
    fields
}

fn origin(run: &RunView) -> Markup {
    let RunConfig { seed, device, precision, eval, .. } = &run.config;
    let sources = run.config.components();
    let seeds = |seeds: Vec<u64>| seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(" and ");
    let tasks = seeds(sources.iter().map(|it| it.source.seed()).collect());
    let data: Vec<u64> = sources.iter().filter_map(|it| Some(it.source.data()?.seed())).collect();
    // Sources that make their tasks have no data set.
    let data = if data.is_empty() { String::new() } else { format!(" data {},", seeds(data)) };
    let mut lines = vec![("Folder", run.dir.path().display().to_string())];
    lines.extend(program(run.provenance().as_ref()));
    lines.extend([
        ("Device", format!("{device:?}").to_lowercase()),
        ("Precision", format!("{precision:?}").to_lowercase()),
        ("Seeds", format!("weights and batches {seed}, tasks {tasks},{data} meta-test {}", eval.seed())),
    ]);
    if let Some(seconds) = run.seconds() {
        let rate = (run.step() as usize * run.config.train.batch) as f64 / seconds;
        lines.push(("Time", format!("{} of meta-training, {rate:.0} episodes/s", duration(seconds))));
    }
    facts(&lines)
}

/// Program, commit and machine.
pub(super) fn program(provenance: Option<&Provenance>) -> Vec<(&'static str, String)> {
    match provenance {
        Some(Provenance { version, commit, platform, kernels }) => {
            let kernels = if kernels.is_empty() { "not known" } else { kernels };
            vec![
                ("Program", format!("gpicl {version}")),
                ("Commit", commit.clone()),
                ("Machine", platform.clone()),
                ("Kernels", kernels.into()),
            ]
        }
        None => vec![("Program", "not known before the first checkpoint".into())],
    }
}
