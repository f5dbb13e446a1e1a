//! The page about a folder of several runs or of figures: a sweep, a comparison, a reproduced figure.

use std::path::{Path, PathBuf};

use maud::{Markup, html};

use super::cells::{Cell, csv, markdown, table};
use super::page::{Page, Section, State, duration, facts, thousands};
use super::run::program;
use super::svg::{accuracies, figure, stamp};
use super::view::{RunView, short_mark};
use crate::summary::SourceSummary;
use crate::sweep::{RunState, Sweep, SweepRow};
use gpicl::eval::{Outcome, PlateauRule};
use gpicl::provenance::Provenance;
use gpicl::{Error, Result};

/// Reads the folder `dir`.
///
/// # Errors
/// [`Error::File`] if there is nothing to show, or a file is broken.
pub(super) fn page(dir: &Path, name: String) -> Result<Page> {
    let sweeps = sweeps(dir)?;
    let own = dir.join("sweep.toml").exists();
    // What a sweep has in its own files is shown from the runs.
    let figures = files(dir, "svg")?;
    let tables: Vec<PathBuf> = match own {
        true => {
            files(dir, "csv")?.into_iter().filter(|path| !is(path, &["results.csv", "timing.csv"])).collect()
        }
        false => files(dir, "csv")?,
    };
    // A reproduced table has its comparison in a folder.
    let compared =
        [dir.to_path_buf(), dir.join("compare")].into_iter().find(|dir| dir.join("table.md").exists());
    let comparison = compared.as_ref().map(|dir| read(&dir.join("table.md"))).transpose()?;
    let runs = if own { Vec::new() } else { runs(&compared.as_deref().unwrap_or(dir).join("runs"))? };
    if sweeps.is_empty() && figures.is_empty() && tables.is_empty() && runs.is_empty() {
        let fix = "name the folder of a run, a sweep, a comparison or a reproduced figure";
        return Err(Error::file(dir, "holds nothing to report", fix));
    }

    let verdict = dir.join("verdict.txt");
    let verdict = if verdict.exists() { read(&verdict)? } else { String::new() };
    let mut statements = verdict.split("\n\n").map(str::trim).filter(|part| !part.is_empty());
    let lead = statements.next().into_iter().map(String::from).collect();
    let mut sections = Vec::new();
    let statements: Vec<&str> = statements.collect();
    if !statements.is_empty() {
        let body = html! { @for statement in &statements { p.statement { (statement) } } };
        sections.push(Section::new("Verdict", body));
    }
    if let Some(text) = &comparison {
        sections.push(Section::new("Results", markdown(text)));
    }
    // The table is there as text.
    let shown = figures.iter().filter(|path| comparison.is_none() || !is(path, &["table.svg"]));
    let shown = shown.map(|path| Ok((read(path)?, stem(path)))).collect::<Result<Vec<_>>>()?;
    if !shown.is_empty() {
        let figures =
            html! { @for (svg, name) in &shown { (figure(svg, name, Some(&format!("{name}.svg")))) } };
        sections.push(Section::new("Figures", figures));
    }
    let data = tables.iter().filter(|path| comparison.is_none() || !is(path, &["table.csv"]));
    let data = data.map(|path| csv(&file_name(path), &read(path)?)).collect::<Result<Vec<_>>>()?;
    if !data.is_empty() {
        sections.push(Section::new("Data", html! { @for table in &data { (table) } }));
    }
    let mut provenances = Vec::new();
    let mut states = Vec::new();
    for (sweep, name) in &sweeps {
        let name = if sweeps.len() == 1 { String::new() } else { format!(": {name}") };
        let (parts, of_runs) = of_sweep(sweep, &name, &mut provenances)?;
        sections.extend(parts);
        states.extend(of_runs);
    }
    if !runs.is_empty() {
        let named = runs.iter().map(|run| (stem(run.dir.path()), Some(run), run.state()));
        sections.push(Section::new("Every run", stamps(&named.collect::<Vec<_>>())));
        provenances.extend(runs.iter().filter_map(RunView::provenance));
        states.extend(runs.iter().map(RunView::state));
    }
    sections.push(Section::new("Where it came from", origin(dir, &provenances)));
    let numbers = match states.len() {
        0 => Vec::new(),
        count => vec![("Runs".to_string(), thousands(count as u64), RunState::counts(states.iter()))],
    };
    let kind = match () {
        () if own => "sweep",
        () if comparison.is_some() => "comparison",
        () => "figure",
    };
    Ok(Page { kind, title: name, state: overall(&states), lead, numbers, sections })
}

/// The sweep in `dir` itself, or those in the folders right below it; with their folders' names.
fn sweeps(dir: &Path) -> Result<Vec<(Sweep, String)>> {
    let mut found = Vec::new();
    for folder in std::iter::once(dir.to_path_buf()).chain(folders(dir)?) {
        if folder.join("sweep.toml").exists() {
            found.push((Sweep::open(&folder)?, stem(&folder)));
            if folder == dir {
                break;
            }
        }
    }
    Ok(found)
}

/// How far all runs are together.
fn overall(states: &[RunState]) -> Option<State> {
    let some = |name: &str| states.iter().any(|state| state.name() == name);
    let (text, colour) = match () {
        () if states.is_empty() => return None,
        () if some("running") => ("running", "busy"),
        () if some("waiting") || some("cut") => ("not finished", "busy"),
        () if some("failed") => ("finished, with failures", "bad"),
        () => ("finished", "good"),
    };
    Some(State { text: text.into(), colour })
}

/// The sections about a sweep, and the states of its runs.
fn of_sweep(
    sweep: &Sweep,
    name: &str,
    provenances: &mut Vec<Provenance>,
) -> Result<(Vec<Section>, Vec<RunState>)> {
    let rows = sweep.results()?.rows;
    let mut views = Vec::new();
    for run in sweep.runs() {
        let path = sweep.run_path(run);
        views.push(if path.join("config.toml").exists() { Some(RunView::read(&path)?) } else { None });
    }
    provenances.extend(views.iter().flatten().filter_map(RunView::provenance));
    let mut sections = vec![Section::new(format!("Results{name}"), results(&rows, &views))];
    let failed: Vec<Vec<Cell>> = rows
        .iter()
        .filter_map(|row| match &row.state {
            RunState::Failed { error } => {
                Some(vec![Cell::text(&row.id), Cell::other(html! { span.long { (error) } }, error)])
            }
            _ => None,
        })
        .collect();
    if !failed.is_empty() {
        let columns = ["run", "error"].map(String::from);
        sections.push(Section::new(
            format!("Failures{name}"),
            table("Runs that failed, and why", &columns, &failed),
        ));
    }
    let named = rows.iter().zip(&views).map(|(row, view)| (row.id.clone(), view.as_ref(), row.state.clone()));
    sections.push(Section::new(format!("Every run{name}"), stamps(&named.collect::<Vec<_>>())));
    let spec = sweep.dir().join("sweep.toml");
    let spec = html! { pre { code { (read(&spec)?) } } };
    sections.push(Section::new(format!("Specification{name}"), spec));
    Ok((sections, rows.into_iter().map(|row| row.state).collect()))
}

/// The sortable table of a sweep: what sets a run apart, how far it is, what came of it.
fn results(rows: &[SweepRow], views: &[Option<RunView>]) -> Markup {
    let axes: Vec<&String> =
        rows.first().map(|row| row.point.iter().map(|(field, _)| field).collect()).unwrap_or_default();
    let mut columns = vec!["run".to_string()];
    columns.extend(axes.iter().map(|field| (*field).clone()));
    let rest = [
        "seed",
        "state",
        "outcome",
        "unseen tasks, last 10 (%)",
        "seen tasks, last 10 (%)",
        "plateau (steps)",
        "loss (nats)",
        "parameters",
        "state size",
        "time",
    ];
    columns.extend(rest.map(String::from));
    let lines =
        rows.iter().zip(views).map(|(row, view)| {
            let mut cells = vec![Cell::text(&row.id)];
            for axis in &axes {
                let value = row.point.iter().find(|(field, _)| field == *axis).map(|(_, value)| value);
                cells.push(value.map_or(Cell::default(), |value| match value {
                    toml::Value::String(text) => Cell::text(text),
                    value => Cell::read(&value.to_string()),
                }));
            }
            cells.push(Cell::number(row.seed.to_string(), row.seed as f64));
            cells.push(Cell::other(short_mark(&row.state).mark(), row.state.name()));
            let Some(summary) = &row.summary else {
                cells.extend(vec![Cell::default(); 7]);
                cells.push(time(view.as_ref()));
                return cells;
            };
            cells.push(outcomes(summary.outcome, &summary.sources).map_or(Cell::default(), Cell::text));
            for curve in [summary.unseen(), summary.seen()] {
                cells.push(curve.map_or(Cell::default(), |curve| {
                    Cell::number(curve.last_10.percent(), curve.last_10.mean)
                }));
            }
            cells.push(summary.plateau.map_or(Cell::default(), |plateau| {
                let least = if plateau.left_at.is_some() { "" } else { "≥ " };
                Cell::number(format!("{least}{}", thousands(plateau.length)), plateau.length as f64)
            }));
            cells.push(Cell::number(format!("{:.3}", summary.final_loss), summary.final_loss));
            for size in [summary.num_params, summary.state_size] {
                cells.push(Cell::number(thousands(size as u64), size as f64));
            }
            cells.push(time(view.as_ref()));
            cells
        });
    let rule = PlateauRule::default();
    let mixed = rows.iter().flat_map(|row| &row.summary).any(|summary| !summary.sources.is_empty());
    html! {
        (table("Runs and what came of them. A click on a column's head sorts by it.", &columns, &lines.collect::<Vec<_>>()))
        p.note {
            "Accuracies are means over the last ten positions, with 95% intervals over episodes. The plateau ends where the loss falls below "
            (rule.fraction) " of guessing, for good; ≥ where it was never left."
            @if mixed { " Accuracies of a mixture are those on its first source." }
        }
    }
}

fn time(view: Option<&RunView>) -> Cell {
    match view.and_then(RunView::seconds) {
        Some(seconds) => Cell::number(duration(seconds), seconds),
        None => Cell::default(),
    }
}

/// The outcome in short; of a mixture that on each of its sources, named.
fn outcomes(outcome: Option<Outcome>, sources: &[SourceSummary]) -> Option<String> {
    let on = |source: &SourceSummary| {
        let set = source.set.strip_prefix("unseen tasks, ").unwrap_or(&source.set);
        format!("{set}: {}", short(source.outcome))
    };
    match sources {
        [] => outcome.map(|outcome| short(outcome).to_string()),
        _ => Some(sources.iter().map(on).collect::<Vec<_>>().join("; ")),
    }
}

/// An outcome in a word or two.
fn short(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::NoLearning => "no learning",
        Outcome::TaskMemorisation => "memorises",
        Outcome::TaskIdentification => "identifies",
        Outcome::GeneralLearning => "learns to learn",
    }
}

/// All runs side by side, in small: learning curves of those that are finished, losses of the others.
fn stamps(runs: &[(String, Option<&RunView>, RunState)]) -> Markup {
    html! {
        p.note {
            "Accuracy from 0 to 1 within an episode:" span."key seen" {} "seen tasks," span."key unseen" {} "unseen tasks; the dashed line is chance. "
            "Of runs that are not finished, the training loss so far, from 0 to its highest."
        }
        ul.stamps {
            @for (name, view, state) in runs {
                li {
                    @if let Some(view) = view { (run_stamp(name, view)) }
                    // Ids are long, and may end their line behind a comma.
                    @for part in name.split_inclusive(',') { (part) wbr; }
                    @if *state != RunState::Finished { " " (short_mark(state).mark()) }
                }
            }
        }
    }
}

fn run_stamp(name: &str, view: &RunView) -> Markup {
    let Some(results) = &view.results else {
        let losses = view.losses();
        let highest = losses.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let losses = losses.iter().map(|loss| loss / highest).collect();
        return stamp(&format!("Training loss of {name}"), &[("loss", losses)], None);
    };
    let curves = ["seen", "unseen"].into_iter().filter_map(|which| Some((which, view.curve(which)?)));
    let ends: Vec<String> = curves
        .clone()
        .map(|(which, curve)| {
            let summary = curve.summary();
            format!(
                "{which} tasks {:.0}% to {:.0}%",
                100.0 * summary.first.mean,
                100.0 * summary.last_10.mean
            )
        })
        .collect();
    let lines: Vec<_> = curves.map(|(which, curve)| (which, accuracies(curve))).collect();
    stamp(&format!("Learning curves of {name}: {}", ends.join(", ")), &lines, Some(results.chance()))
}

fn origin(dir: &Path, provenances: &[Provenance]) -> Markup {
    let mut lines = vec![("Folder", dir.display().to_string())];
    let mut different: Vec<&Provenance> = Vec::new();
    for provenance in provenances {
        if !different.contains(&provenance) {
            different.push(provenance);
        }
    }
    if different.len() > 1 {
        lines.push((
            "Programs",
            format!("the runs were made by {} different builds or machines", different.len()),
        ));
    }
    if !different.is_empty() {
        lines.extend(different.iter().flat_map(|provenance| program(Some(provenance))));
    }
    facts(&lines)
}

/// The runs in the folders below `dir`, by name.
fn runs(dir: &Path) -> Result<Vec<RunView>> {
    let folders = if dir.is_dir() { folders(dir)? } else { Vec::new() };
    folders.iter().filter(|path| path.join("config.toml").exists()).map(|path| RunView::read(path)).collect()
}

fn folders(dir: &Path) -> Result<Vec<PathBuf>> {
    Ok(entries(dir)?.into_iter().filter(|path| path.is_dir()).collect())
}

/// The files of `dir` with this extension.
fn files(dir: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let wanted = |path: &PathBuf| path.extension().is_some_and(|found| found == extension) && path.is_file();
    Ok(entries(dir)?.into_iter().filter(wanted).collect())
}

/// What is in `dir`, by name.
fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    let listed = std::fs::read_dir(dir).map_err(Error::io("list", dir))?;
    let paths = listed.map(|entry| Ok(entry.map_err(Error::io("list", dir))?.path()));
    let mut paths = paths.collect::<Result<Vec<_>>>()?;
    paths.retain(|path| !file_name(path).starts_with('.'));
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(Error::io("read", path))
}

fn is(path: &Path, names: &[&str]) -> bool {
    names.contains(&file_name(path).as_str())
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn stem(path: &Path) -> String {
    let name = if path.is_dir() { path.file_name() } else { path.file_stem() };
    name.unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outcomes_of_a_mixture_name_their_sources() {
        let (first, second) = (Outcome::GeneralLearning, Outcome::NoLearning);
        assert_eq!(outcomes(Some(first), &[]).as_deref(), Some("learns to learn"));
        assert_eq!(outcomes(None, &[]), None);
        let source = |set: &str, outcome| SourceSummary { set: set.into(), outcome, test_plateau: None };
        let sources =
            [source("unseen tasks, glyphs test", first), source("unseen tasks, random test", second)];
        let named = "glyphs test: learns to learn; random test: no learning";
        assert_eq!(outcomes(Some(first), &sources).as_deref(), Some(named));
    }
}
